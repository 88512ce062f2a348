"""The whole of the simulation: against the plain one, and by its symmetries."""

from threading import Thread

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from napari_labdct.core import BeamStop, Detector, Geometry, InputError, ScanPlan
from napari_labdct.physics import (
    Crystal,
    Cylinder,
    Polycrystal,
    Scintillator,
    SimulationSettings,
    Simulator,
    Spectrum,
    iter_projections,
    simulate,
)
from tests.physics import oracle

PLAIN = SimulationSettings(scintillator=None, workers=1)


def project(sample, geometry, spectrum, omega=0.0, **settings):
    chosen = PLAIN.model_copy(update=settings)
    return Simulator(sample, geometry, spectrum, settings=chosen).project(omega)


def by_direction(frame):
    """Rows of a spot table by grain and primitive indices."""
    hkl = frame[["h", "k", "l"]].to_numpy()
    primitive = hkl // np.gcd.reduce(hkl, axis=1)[:, None]
    keys = np.column_stack([frame["grain"], primitive])
    return {
        tuple(map(int, key)): row
        for key, row in zip(keys, frame.itertuples(), strict=True)
    }


TILTED = Geometry(
    source_to_sample=11,
    sample_to_detector=14,
    detector=Detector(
        rows=400,
        columns=440,
        pixel_size=18,
        centre_row=190,
        centre_column=230,
        tilt_x=2,
        tilt_y=5,
        tilt_z=-4,
    ),
    source_offset_y=0.2,
    source_offset_z=-0.1,
    axis_offset_y=0.15,
)


class TestAgainstThePlainSimulation:
    @pytest.mark.parametrize(
        ("crystal", "settings"),
        [
            ("Al", {}),
            ("Mg", {"families": 12}),
            ("Fe", {"lorentz": "fang2020"}),
            ("Si", {}),
            ("Si", {"scintillator": Scintillator()}),
        ],
    )
    def test_same_spots_places_and_photons(self, smooth, crystal, settings):
        sample = Polycrystal.random_cylinder(
            Crystal.preset(crystal), diameter_um=200, height_um=160, rng=1
        )
        found = by_direction(
            project(sample, TILTED, smooth, 33, **settings).spots.frame
        )
        plain = list(oracle.spots(sample, TILTED, smooth, 33, **settings))
        assert set(found) == {(s[0], *map(int, s[1])) for s in plain}
        photons, places = [], []
        for grain, hkl, row, column, weight, _ in plain:
            spot = found[(grain, *map(int, hkl))]
            photons.append(spot.photons / weight.sum())
            if not spot.cut and spot.photons > 1:
                centre = np.average(np.stack([row, column]), axis=1, weights=weight)
                places.append(np.hypot(*(centre - [spot.row_px, spot.column_px])))
        photons = np.array(photons)
        bright = np.array([s[4].sum() for s in plain])
        bright = bright > 1e-3 * bright.max()
        # edges of spectrum and scintillator are averaged over an element's energies
        assert np.abs(photons[bright] - 1).max() < 0.03
        # caesium's and iodine's lie where the spectrum is brightest
        usual = 0.01 if "scintillator" in settings else 0.005
        assert np.quantile(np.abs(photons[bright] - 1), 0.9) < usual
        assert np.median(np.abs(photons[bright] - 1)) < 1e-3
        assert np.median(places) < 0.005
        assert max(places) < 0.1

    def test_same_image(self, aluminium, small_geometry, smooth):
        fine = Polycrystal.random_cylinder(
            aluminium.crystal, diameter_um=200, height_um=200, element_um=4, rng=3
        )
        found = project(aluminium, small_geometry, smooth, 12).image
        plain = oracle.image(
            oracle.spots(fine, small_geometry, smooth, 12, path=oracle.analytic_path),
            small_geometry,
            small_geometry.detector.blur_sigma,
        )
        # the plain image shares bilinearly on top of its blur; so does neither width
        assert found.sum() == pytest.approx(plain.sum(), rel=0.01)
        assert np.corrcoef(found.ravel(), plain.ravel())[0, 1] > 0.98

    def test_energy_is_averaged_over_an_element(self, aluminium, small_geometry):
        """Tungsten lines, narrower than an element's energies, keep their photons."""
        tube = Spectrum.tube(140)
        coarse = project(aluminium, small_geometry, tube, 5).spots.frame
        fine = Polycrystal.random_cylinder(
            aluminium.crystal, diameter_um=200, height_um=200, element_um=4, rng=3
        )
        fine = project(fine, small_geometry, tube, 5).spots.frame
        coarse, fine = by_direction(coarse), by_direction(fine)
        both = [key for key in coarse if key in fine and coarse[key].photons > 1000]
        ratio = np.array([coarse[key].photons / fine[key].photons for key in both])
        assert len(both) > 20
        assert ratio.std() < 0.03


class TestSymmetries:
    def test_one_friedel_mate_reflects(self, aluminium, small_geometry, smooth):
        frame = project(aluminium, small_geometry, smooth).spots.frame
        keys = set(by_direction(frame))
        assert not any((key[0], *(-i for i in key[1:])) in keys for key in keys)

    def test_turning_the_sample_is_turning_the_stage(
        self, aluminium, small_geometry, smooth
    ):
        turn = Rotation.from_euler("z", 25, degrees=True)
        turned = Polycrystal(
            aluminium.crystal,
            turn * aluminium.orientation,
            turn.apply(aluminium.centre),
            aluminium.volume,
            aluminium.grain_of,
            aluminium.outline,
        )
        stage = project(aluminium, small_geometry, smooth, 40).spots.frame
        sample = project(turned, small_geometry, smooth, 15).spots.frame
        assert len(stage) == len(sample)
        np.testing.assert_allclose(stage["row_px"], sample["row_px"], atol=0.01)
        np.testing.assert_allclose(stage["column_px"], sample["column_px"], atol=0.01)
        np.testing.assert_allclose(stage["photons"], sample["photons"], rtol=1e-3)

    def test_a_full_turn_changes_nothing(self, aluminium, small_geometry, smooth):
        one = project(aluminium, small_geometry, smooth, -180).image
        other = project(aluminium, small_geometry, smooth, 180).image
        assert np.abs(one - other).max() < 1e-3 * one.max()

    def test_a_mirrored_sample_gives_a_mirrored_projection(
        self, aluminium, small_geometry, smooth
    ):
        """y → −y and ω → −ω: Ω(ω)·S = S·Ω(−ω) with S = diag(1, −1, 1)."""
        mirror = np.diag([1.0, -1.0, 1.0])
        # a lattice with inversion looks the same mirrored and inverted: −S·U·…
        matrix = mirror @ aluminium.orientation.as_matrix() @ mirror
        mirrored = Polycrystal(
            aluminium.crystal,
            Rotation.from_matrix(matrix),
            aluminium.centre @ mirror,
            aluminium.volume,
            aluminium.grain_of,
            aluminium.outline,
        )
        image = project(aluminium, small_geometry, smooth, 20).image
        other = project(mirrored, small_geometry, smooth, -20).image
        assert np.abs(image - other[:, ::-1]).max() < 2e-3 * image.max()

    def test_lattice_symmetry_leaves_no_trace(self, aluminium, small_geometry, smooth):
        quarter = Rotation.from_euler("z", 90, degrees=True)
        same = Polycrystal(
            aluminium.crystal,
            aluminium.orientation * quarter,
            aluminium.centre,
            aluminium.volume,
            aluminium.grain_of,
            aluminium.outline,
        )
        image = project(aluminium, small_geometry, smooth).image
        other = project(same, small_geometry, smooth).image
        assert np.abs(image - other).max() < 2e-3 * image.max()


def one_grain(orientation, diameter_um=100, element_um=5, place=(0, 0, 0)):
    return Polycrystal.from_spheres(
        Crystal.preset("Al"),
        np.array([place], float),
        orientation,
        diameter_um=np.array([float(diameter_um)]),
        element_um=element_um,
    )


def reflecting(two_theta_deg, hkl=(1, 1, 1)):
    """The orientation that reflects the central ray straight up."""
    theta = np.deg2rad(two_theta_deg) / 2
    goal = np.array([-np.sin(theta), 0, np.cos(theta)])
    start = np.array(hkl) / np.linalg.norm(hkl)
    return Rotation.concatenate([Rotation.align_vectors(goal[None], start[None])[0]])


def spot_of(sample, geometry, spectrum, hkl=(1, 1, 1), **settings):
    frame = project(sample, geometry, spectrum, families=1, **settings).spots.frame
    found = frame[(frame[["h", "k", "l"]] == list(hkl)).all(axis=1)]
    assert len(found) == 1
    return found.iloc[0]


class TestGeometry:
    def test_straight_up_is_up(self, smooth):
        geometry = Geometry(detector=Detector(rows=901, columns=901, pixel_size=10))
        spot = spot_of(one_grain(reflecting(12)), geometry, smooth)
        assert spot.column_px == pytest.approx(450, abs=0.05)
        up = (450 - spot.row_px) * 0.01
        assert up == pytest.approx(11 * np.tan(np.deg2rad(12)), rel=0.02)
        assert spot.eta_deg == pytest.approx(0, abs=0.01)
        assert spot.two_theta_deg == pytest.approx(12, abs=1e-3)
        d = 4.04975 / np.sqrt(3)
        energy = 12.398419843 / (2 * d * np.sin(np.deg2rad(6)))
        assert spot.energy_low_keV < energy < spot.energy_high_keV

    def test_left_is_left_as_seen_downstream(self, smooth):
        """A grain at +y is seen at a smaller column; η turns from z to −y."""
        geometry = Geometry(
            source_to_sample=50,
            sample_to_detector=5,
            detector=Detector(rows=901, columns=901, pixel_size=5),
        )
        middle = spot_of(one_grain(reflecting(12)), geometry, smooth)
        aside = spot_of(one_grain(reflecting(12), place=(0, 0.2, 0)), geometry, smooth)
        shift = (aside.column_px - middle.column_px) * 0.005
        assert shift == pytest.approx(-0.2 * (1 + 5 / 50), rel=0.02)
        quarter = Rotation.from_euler("x", 90, degrees=True)
        turned = spot_of(one_grain(quarter * reflecting(12)), geometry, smooth)
        assert turned.row_px == pytest.approx(450, abs=0.1)
        assert turned.column_px > 450 + 100
        assert turned.eta_deg == pytest.approx(90, abs=0.01)

    def test_a_tilt_of_nothing_is_none(self):
        np.testing.assert_array_equal(Detector().rotation, np.eye(3))

    @pytest.mark.parametrize(
        ("tilt", "order"),
        [({"tilt_x": 3, "tilt_y": 7, "tilt_z": -5}, "xyz")],
    )
    def test_tilts_turn_about_x_then_y_then_z(self, tilt, order):
        expected = Rotation.from_euler(order, list(tilt.values()), degrees=True)
        np.testing.assert_allclose(Detector(**tilt).rotation, expected.as_matrix())

    def test_tilting_about_the_beam_turns_the_picture(self, smooth):
        """The detector turned by +90° about x: what was up is now at its right."""
        detector = Detector(rows=901, columns=901, pixel_size=10)
        straight = spot_of(
            one_grain(reflecting(12)), Geometry(detector=detector), smooth
        )
        tilted = detector.model_copy(update={"tilt_x": 45.0})
        spot = spot_of(one_grain(reflecting(12)), Geometry(detector=tilted), smooth)
        up = 450 - straight.row_px
        assert 450 - spot.row_px == pytest.approx(up * np.cos(np.pi / 4), abs=0.1)
        assert 450 - spot.column_px == pytest.approx(up * np.sin(np.pi / 4), abs=0.1)

    def test_magnification(self, smooth):
        """Across the diffraction plane a grain is drawn 1 + R/L_ss wide."""
        sizes = {}
        for away in (11, 22, 33):
            geometry = Geometry(
                source_to_sample=11,
                sample_to_detector=away,
                source_size=0,
                detector=Detector(rows=1601, columns=801, pixel_size=10),
            )
            spot = spot_of(one_grain(reflecting(10), 150), geometry, smooth)
            sizes[away] = spot.box_right - spot.box_left + 1
        for away, size in sizes.items():
            path = away / np.cos(np.deg2rad(10))
            assert size == pytest.approx(15 * (1 + path / 11), rel=0.08)

    @pytest.mark.parametrize(
        ("source", "detector", "pixel", "expected"),
        [
            # radial px at 2θ = 8, 12, 17°, tangential px: a sphere of 100 µm
            (11, 11, 6.72, ((2.1, 30), (3.2, 30), (4.7, 30))),
            (13, 13, 6.72, ((2.1, 30), (3.2, 30), (4.7, 30))),
            (11, 30, 3.36, ((53, 111), (55, 112), (59, 114))),
            (6.6, 53, 24, ((30, 38), (31, 38), (32, 39))),
            (100, 100, 68.3, ((None, 2.9), (None, 2.9), (None, 2.9))),
        ],
    )
    def test_laue_focusing_widths(self, source, detector, pixel, expected):
        """Full sizes of spots, from the rays themselves, before any blur."""
        for two_theta, (radial, tangential) in zip((8, 12, 17), expected, strict=True):
            geometry = Geometry(
                source_to_sample=source,
                sample_to_detector=detector,
                detector=Detector(rows=8001, columns=2001, pixel_size=pixel),
            )
            sample = one_grain(reflecting(two_theta), 100, 2)
            g = sample.orientation[0].apply([1, 1, 1]) * 2 * np.pi / 4.04975
            row, column, *_ = oracle.trace(sample.centre, g, geometry, 0)
            quick = spot_rays(sample, geometry)
            np.testing.assert_allclose(np.ptp(quick[0]), np.ptp(row), atol=0.02)
            np.testing.assert_allclose(np.ptp(quick[1]), np.ptp(column), atol=0.02)
            if radial is not None:
                assert np.ptp(row) == pytest.approx(radial, rel=0.15)
            else:
                assert np.ptp(row) < 0.6
            assert np.ptp(column) == pytest.approx(tangential, rel=0.15)


def spot_rays(sample, geometry):
    """Rows and columns of all rays of the reflection that goes straight up."""
    from napari_labdct.physics.trace import trace
    from napari_labdct.physics.view import View

    unit = sample.orientation[0].apply(np.array([1, 1, 1]) / np.sqrt(3))
    ray = trace(View.at(geometry, 0), geometry, sample.centre.T, unit)
    return ray.row, ray.column


class TestImage:
    def test_photons_in_the_image_are_those_in_the_table(
        self, aluminium, small_geometry, smooth
    ):
        projection = project(aluminium, small_geometry, smooth)
        frame = projection.spots.frame
        assert projection.image.sum() == pytest.approx(
            frame["intensity"].sum(), rel=1e-3
        )
        # far from the edges by their rays' places, whatever the table says of cuts
        whole = frame[
            frame[["box_top", "box_left"]].min(axis=1).gt(10)
            & frame[["box_bottom", "box_right"]].max(axis=1).lt(489)
        ]
        assert len(whole) > 30
        assert not whole["cut"].any()
        np.testing.assert_allclose(whole["intensity"], whole["photons"], rtol=0.005)

    def test_a_lone_spot_is_what_its_row_says(self, smooth):
        geometry = Geometry(detector=Detector(rows=901, columns=901, pixel_size=10))
        sample = one_grain(reflecting(12), 60)
        projection = project(sample, geometry, smooth, families=1)
        spot = projection.spots.frame.sort_values("photons").iloc[-1]
        rows = slice(spot.box_top - 8, spot.box_bottom + 9)
        columns = slice(spot.box_left - 8, spot.box_right + 9)
        patch = projection.image[rows, columns]
        assert patch.sum() == pytest.approx(spot.photons, rel=0.003)
        assert patch.max() == pytest.approx(spot.peak, rel=1e-5)
        row, column = np.mgrid[rows, columns]
        assert np.average(row, weights=patch) == pytest.approx(spot.row_px, abs=0.01)
        assert np.average(column, weights=patch) == pytest.approx(
            spot.column_px, abs=0.01
        )
        above = patch > 0.1 * patch.max()
        assert above.sum() == spot.area_px
        assert row[above].min() == spot.box_top
        assert column[above].max() == spot.box_right

    def test_halving_the_elements_leaves_centroids(self):
        tube = Spectrum.tube(140)
        geometry = Geometry(detector=Detector(rows=1015, columns=1015, pixel_size=6.72))
        size = {"diameter_um": 220, "height_um": 220, "rng": 2}
        crystal = Crystal.preset("Al")
        coarse = Polycrystal.random_cylinder(crystal, element_um=12, **size)
        fine = Polycrystal.random_cylinder(crystal, element_um=6, **size)
        coarse = by_direction(project(coarse, geometry, tube).spots.frame)
        fine = by_direction(project(fine, geometry, tube).spots.frame)
        shift = [
            np.hypot(row.row_px - fine[key].row_px, row.column_px - fine[key].column_px)
            for key, row in coarse.items()
            if key in fine and not row.cut
        ]
        assert len(shift) > 50
        assert np.median(shift) < 0.05
        assert np.quantile(shift, 0.95) < 0.1

    def test_no_mesh_shows(self, aluminium, smooth):
        """Elements drawn as usual look like elements drawn with many points."""
        geometry = Geometry(detector=Detector(rows=900, columns=900, pixel_size=5))
        dots, usual, many = (
            project(aluminium, geometry, smooth, period=period).image
            for period in (20, SimulationSettings().period, 0.3)
        )

        def texture(image):
            return np.sqrt(((image - many) ** 2).sum() / (many**2).sum())

        assert texture(dots) > 0.08  # beads, were nothing done
        assert texture(usual) < 0.03

    def test_no_mesh_shows_in_images_of_grains(self, smooth):
        """Where spots are images of grains, as with a detector far away."""
        geometry = Geometry(
            source_to_sample=6.6,
            sample_to_detector=53,
            detector=Detector(rows=1400, columns=900, pixel_size=24, blur_sigma=0.8),
            source_size=3,
        )
        sample = one_grain(reflecting(12), 80, 8)
        usual, many = (
            project(sample, geometry, smooth, families=1, period=period).image
            for period in (SimulationSettings().period, 0.5)
        )
        inside = many > 0.5 * many.max()
        assert inside.sum() > 100
        assert ((usual - many)[inside] / many[inside]).std() < 0.03

    def test_blur_is_source_and_detector(self, smooth):
        """The second moment of a point grain's spot is that of the point spread."""
        for blur, source in ((1.5, 0.0), (0.3, 40.0), (1.0, 20.0)):
            geometry = Geometry(
                source_size=source,
                detector=Detector(
                    rows=901, columns=901, pixel_size=10, blur_sigma=blur
                ),
            )
            sample = one_grain(reflecting(12), 2, 2)
            projection = project(sample, geometry, smooth, families=1)
            spot = projection.spots.frame.sort_values("photons").iloc[-1]
            row, column = np.mgrid[:901, :901]
            weight = projection.image / projection.image.sum()
            near = np.hypot(row - spot.row_px, column - spot.column_px) < 30
            weight = np.where(near, weight, 0)
            weight /= weight.sum()
            width = np.sqrt((weight * (row - spot.row_px) ** 2).sum())
            expected = np.hypot(blur, source / 2.3548 / 10)
            assert width == pytest.approx(expected, abs=0.12)

    def test_labels_name_rows_of_the_table(self, aluminium, small_geometry, smooth):
        projection = project(aluminium, small_geometry, smooth, labels=True)
        frame = projection.spots.frame
        labels = projection.labels
        assert labels.shape == projection.image.shape
        assert labels.max() <= len(frame)
        apart = frame[~frame["overlap"] & (frame["area_px"] > 0)]
        assert len(apart) > 20
        for index, spot in apart.iterrows():
            assert (labels == index + 1).sum() == spot["area_px"]
        assert np.all(projection.image[labels > 0] > 0)

    def test_overlapping_spots_say_so(self, smooth):
        geometry = Geometry(detector=Detector(rows=901, columns=901, pixel_size=10))
        turn = reflecting(12)
        apart = Polycrystal.from_spheres(
            Crystal.preset("Al"),
            np.array([[0, -0.3, 0], [0, 0.3, 0]]),
            Rotation.concatenate([turn, turn]),
            diameter_um=np.array([60.0, 60.0]),
        )
        near = Polycrystal.from_spheres(
            Crystal.preset("Al"),
            np.array([[0, -0.02, 0], [0, 0.02, 0]]),
            Rotation.concatenate([turn, turn]),
            diameter_um=np.array([60.0, 60.0]),
        )
        assert not project(
            apart, geometry, smooth, families=1
        ).spots.frame.overlap.any()
        assert project(near, geometry, smooth, families=1).spots.frame.overlap.all()


class TestBeamStop:
    GEOMETRY = Geometry(
        detector=Detector(rows=500, columns=500, pixel_size=13.64),
        beam_stop=BeamStop(height=3.24, width=3.24),
    )

    def test_shadow_is_empty_and_spots_behind_are_left_out(
        self, aluminium, small_geometry, smooth
    ):
        open_ = project(aluminium, small_geometry, smooth)
        stopped = project(aluminium, self.GEOMETRY, smooth)
        shadow = self.GEOMETRY.beam_stop_mask()
        assert stopped.image[shadow].sum() == 0
        np.testing.assert_allclose(
            stopped.image[~shadow], open_.image[~shadow], rtol=1e-5
        )
        assert 0 < len(stopped.spots) < len(open_.spots)
        frame = open_.spots.frame
        inside = [
            shadow[int(row), int(column)]
            for row, column in zip(frame["row_px"], frame["column_px"], strict=True)
        ]
        assert len(open_.spots) - len(stopped.spots) <= sum(inside)

    def test_half_transparent(self, aluminium, small_geometry, smooth):
        stop = BeamStop(height=3.24, width=3.24, transmission=0.25)
        geometry = self.GEOMETRY.model_copy(update={"beam_stop": stop})
        open_ = project(aluminium, small_geometry, smooth)
        dimmed = project(aluminium, geometry, smooth)
        shadow = geometry.beam_stop_mask()
        np.testing.assert_allclose(
            dimmed.image[shadow], 0.25 * open_.image[shadow], rtol=1e-4, atol=1e-6
        )
        assert len(dimmed.spots) == len(open_.spots)

    def test_soft_edge(self):
        from napari_labdct.physics.footprint import beam_stop_transmission

        stop = BeamStop(height=3.0, width=3.0, edge=0.2)
        geometry = self.GEOMETRY.model_copy(update={"beam_stop": stop})
        passing = beam_stop_transmission(geometry)
        middle = passing[250]
        edge = int(250 - 1.5 / 0.01364)
        assert middle[edge] == pytest.approx(0.5, abs=0.05)
        assert passing[250, 250] == pytest.approx(0, abs=1e-6)
        assert np.all(np.diff(middle[:250]) <= 1e-6)


class TestIntensity:
    def test_flux_falls_with_the_square_of_the_distance(self, smooth):
        """Same angles, all lengths doubled: a quarter of the photons."""
        photons = []
        for length in (50, 100):
            geometry = Geometry(
                source_to_sample=length,
                sample_to_detector=length,
                detector=Detector(rows=901, columns=901, pixel_size=length),
            )
            photons.append(
                spot_of(one_grain(reflecting(12), 20), geometry, smooth).photons
            )
        assert photons[1] == pytest.approx(photons[0] / 4, rel=0.01)

    def test_photons_follow_volume_and_exposure(self, smooth):
        geometry = Geometry(detector=Detector(rows=901, columns=901, pixel_size=10))
        small = spot_of(one_grain(reflecting(12), 20), geometry, smooth).photons
        large = spot_of(one_grain(reflecting(12), 40), geometry, smooth).photons
        assert large == pytest.approx(8 * small, rel=0.03)

    def test_the_number_itself(self):
        """One small grain against the formula of Buras & Gerward, written out."""
        energy = np.arange(10, 100.0)
        flat = Spectrum(energy, np.full(energy.size, 100.0))
        geometry = Geometry(detector=Detector(rows=901, columns=901, pixel_size=10))
        spot = spot_of(one_grain(reflecting(12), 10, 5), geometry, flat)
        crystal = Crystal.preset("Al")
        d = 4.04975 / np.sqrt(3)
        volume = np.pi / 6 * 0.01**3  # mm³
        cos_2theta = np.cos(np.deg2rad(12))
        reflectivity = (  # mm² keV per second of exposure, in SI-like millimetres
            (2.8179e-12) ** 2
            * crystal.f_squared(np.array([[1, 1, 1]]))[0]
            * (1 + cos_2theta**2)
            / 2
            * volume
            / (66.418e-21) ** 2
            * (12.3984e-7)
            * 2
            * (d * 1e-7) ** 2
        )
        expected = 600 * 100 * (1000 / 11) ** 2 * reflectivity
        assert spot.photons == pytest.approx(expected, rel=0.005)

    def test_inner_spots_are_weaker_in_fangs_form(self, smooth):
        geometry = Geometry(detector=Detector(rows=1401, columns=901, pixel_size=10))
        energy = np.arange(10, 140.0)
        flat = Spectrum(energy, np.full(energy.size, 100.0))
        found = {}
        for form in ("laue", "fang2020"):
            inner, outer = (
                spot_of(one_grain(reflecting(a), 20), geometry, flat, lorentz=form)
                for a in (8, 17)
            )
            found[form] = outer.photons / inner.photons
        assert found["fang2020"] / found["laue"] == pytest.approx(
            np.sin(np.deg2rad(8.5)) ** 2
            / np.sin(np.deg2rad(4)) ** 2
            * np.cos(np.deg2rad(4))
            / np.cos(np.deg2rad(8.5)),
            rel=0.03,
        )

    def test_absorption_weakens_soft_spots_most(self, small_geometry, smooth):
        iron = Polycrystal.random_cylinder(
            Crystal.preset("Fe"), diameter_um=200, height_um=200, rng=3
        )
        with_, without = (
            project(iron, small_geometry, smooth, absorption=on).spots.frame
            for on in (True, False)
        )
        ratio = with_["photons"] / without["photons"]
        assert ratio.max() < 1
        hard, soft = with_["energy_keV"] > 70, with_["energy_keV"] < 35
        assert ratio[hard].median() > ratio[soft].median() + 0.3

    def test_any_mask_absorbs_like_the_cylinder_it_is(self, small_geometry, smooth):
        from napari_labdct.physics.outline import VoxelMask

        iron = Polycrystal.random_cylinder(
            Crystal.preset("Fe"), diameter_um=200, height_um=200, rng=3
        )
        axis = (np.arange(60) - 29.5) * 0.004
        x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
        filled = (np.hypot(x, y) < 0.1) & (np.abs(z) < 0.1)
        masked = Polycrystal(
            iron.crystal,
            iron.orientation,
            iron.centre,
            iron.volume,
            iron.grain_of,
            VoxelMask(filled, 0.004, (axis[0],) * 3),
        )
        exact = project(iron, small_geometry, smooth, 15).spots.frame
        found = project(masked, small_geometry, smooth, 15).spots.frame
        np.testing.assert_allclose(found["photons"], exact["photons"], rtol=0.03)

    def test_mosaic_spread_widens_spots_and_keeps_photons(self, smooth):
        geometry = Geometry(detector=Detector(rows=901, columns=901, pixel_size=10))
        perfect = one_grain(reflecting(12), 60)
        spread = perfect.with_mosaic_spread(0.2, rng=0)
        sharp, wide = (spot_of(s, geometry, smooth) for s in (perfect, spread))
        assert wide.photons == pytest.approx(sharp.photons, rel=0.03)
        # a lattice turned by δ throws a ray 2δ·R/cos 2θ up or down
        expected = 4 * 2 * np.deg2rad(0.2) * 11 / 0.01
        assert wide.box_bottom - wide.box_top == pytest.approx(expected, rel=0.4)


class TestVerbs:
    PLAN = ScanPlan(omega_start=0, omega_step=30, count=5)

    def test_workers_change_nothing(self, aluminium, small_geometry, smooth):
        one = simulate(aluminium, small_geometry, smooth, self.PLAN, settings=PLAIN)
        two = simulate(
            aluminium,
            small_geometry,
            smooth,
            self.PLAN,
            settings=PLAIN.model_copy(update={"workers": 3}),
        )
        np.testing.assert_array_equal(one[0].images, two[0].images)
        assert one[1].frame.equals(two[1].frame)

    def test_threads_of_others_are_left_alone(self, aluminium, small_geometry, smooth):
        before = torch.get_num_threads()
        project(aluminium, small_geometry, smooth)
        assert torch.get_num_threads() == before
        later = []
        thread = Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [before]

    def test_every_thread_of_a_pool_computes_alone(self):
        from napari_labdct.physics.rays import pool_of_single_threads

        def threads():
            torch.ones(1_000_000).add_(1)  # work that torch would share
            return torch.get_num_threads()

        pool = pool_of_single_threads(1)
        assert pool.submit(threads).result() == 1

    def test_a_stack_and_a_table_come_along(self, aluminium, small_geometry, smooth):
        stack, spots = simulate(
            aluminium, small_geometry, smooth, self.PLAN, settings=PLAIN
        )
        assert stack.shape == (5, 500, 500)
        assert stack.images.dtype == np.float32
        np.testing.assert_array_equal(stack.omega, [0, 30, 60, 90, 120])
        assert stack.kind == "simulated"
        assert spots.is_truth
        assert sorted(spots.frame["projection"].unique()) == [0, 1, 2, 3, 4]

    def test_projections_come_one_by_one(self, aluminium, small_geometry, smooth):
        many = ScanPlan(count=100_000)
        steps = iter_projections(
            aluminium, small_geometry, smooth, many, settings=PLAIN
        )
        assert next(steps).index == 0
        assert next(steps).index == 1
        steps.close()  # the rest is never computed

    def test_a_detector_that_no_ray_reaches(self, aluminium, smooth):
        far = Geometry(
            detector=Detector(rows=50, columns=50, pixel_size=5, centre_row=9e4)
        )
        with pytest.raises(InputError, match="meets the detector"):
            simulate(aluminium, far, smooth, ScanPlan(count=2), settings=PLAIN)

    def test_a_device_that_is_not_there(self, aluminium, small_geometry, smooth):
        for name in ("cuda:99", "abacus"):
            with pytest.raises(InputError, match="cannot be used") as error:
                project(aluminium, small_geometry, smooth, device=name)
            assert "\n" not in str(error.value)

    def test_a_monochromatic_beam(self, aluminium, small_geometry):
        line = np.zeros(50)
        line[20] = 1.0
        with pytest.raises(InputError, match="polychromatic"):
            Simulator(aluminium, small_geometry, Spectrum(np.arange(20, 70.0), line))

    def test_a_projection_without_spots_is_dark(self, smooth):
        geometry = Geometry(detector=Detector(rows=20, columns=20, pixel_size=1))
        projection = project(one_grain(reflecting(12)), geometry, smooth, families=1)
        assert projection.image.shape == (20, 20)
        assert projection.image.sum() == 0
        assert len(projection.spots) == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_device_gives_the_same_projection(aluminium, small_geometry, smooth):
    one = project(aluminium, small_geometry, smooth, 15, labels=True)
    other = project(aluminium, small_geometry, smooth, 15, labels=True, device="cuda")
    np.testing.assert_allclose(other.image, one.image, atol=1e-3 * one.image.max())
    assert len(one.spots) == len(other.spots)
    assert (one.labels != other.labels).mean() < 1e-3


def papers_spots(families, seed, angles):
    sample = Polycrystal.random_cylinder(Crystal.preset("Al"), rng=seed)
    geometry = Geometry(beam_stop=BeamStop(height=3.24, width=3.24))
    settings = SimulationSettings(families=families)
    simulator = Simulator(sample, geometry, Spectrum.tube(140), settings=settings)
    return [len(simulator.project(float(omega)).spots) for omega in angles]


@pytest.mark.slow
def test_the_papers_scan_has_625_spots_a_projection():
    """Hovad et al. (2020): 625 ± 22; the rule of the count stands in the docs."""
    count = papers_spots(8, 0, np.arange(0, 360, 45))
    assert 590 <= np.mean(count) <= 670
    assert np.std(count) < 40


@pytest.mark.slow
def test_four_families_give_half_as_many():
    count = papers_spots(4, 0, np.arange(0, 360, 60))
    assert np.mean(count) == pytest.approx(323, rel=0.07)


def test_outlines_are_known_to_the_sample(aluminium):
    assert aluminium.outline == Cylinder(0.1, 0.2)
