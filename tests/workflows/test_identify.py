"""Predicted reflections against the simulator's, and geometries found again."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_labdct.analysis import explain, pair_up
from napari_labdct.core import BeamStop, Detector, Geometry, InputError, SpotTable
from napari_labdct.files.grainlist import GrainList
from napari_labdct.physics import Crystal, Polycrystal, Spectrum
from napari_labdct.physics.projection import SimulationSettings, Simulator
from napari_labdct.workflows.identify import predict_reflections
from napari_labdct.workflows.refine import refine_geometry

AL = Crystal.preset("Al")
GEOMETRY = Geometry(
    source_to_sample=50,
    sample_to_detector=60,
    detector=Detector(
        rows=700, columns=800, pixel_size=60, tilt_x=0.1, tilt_y=-0.3, tilt_z=0.4
    ),
    beam_stop=BeamStop(height=8, width=8),
)
OMEGA = np.arange(0, 180, 15.0)


def some_grains(count=20, seed=0):
    rng = np.random.default_rng(seed)
    return GrainList(
        rng.uniform(-0.2, 0.2, (count, 3)),
        Rotation.random(count, rng).as_matrix(),
        np.full(count, 60.0),
    )


def test_places_are_those_of_the_simulator():
    grains = some_grains()
    spectrum = Spectrum.tube(kvp=120)
    # Grains of one small element each: their spots are points.
    sample = Polycrystal(
        AL,
        Rotation.from_matrix(grains.orientation),
        grains.position,
        np.full(20, 1e-4),
        np.arange(20),
    )
    settings = SimulationSettings(families=5, absorption=False)
    simulator = Simulator(sample, GEOMETRY, spectrum, settings=settings)
    truth = simulator.project(30.0).spots.frame
    energies = (float(spectrum.energy[0]), float(spectrum.energy[-1]))
    ours = predict_reflections(
        grains, AL, GEOMETRY, [30.0], families=5, spectrum=spectrum, energies=energies
    )
    bright = truth[(truth.intensity > truth.intensity.median()) & ~truth.cut]
    a, b, distance = pair_up(bright.reset_index(), ours.frame, 0.5)
    assert len(a) > 0.97 * len(bright) > 25
    assert np.median(distance) < 0.1
    one, other = bright.iloc[a], ours.frame.iloc[b]
    np.testing.assert_array_equal(one.grain, other.grain)
    same = (one[["h", "k", "l"]].to_numpy() == other[["h", "k", "l"]]).all(axis=1)
    assert same.mean() > 0.97
    kept = same.to_numpy()
    np.testing.assert_allclose(
        one.energy_keV.to_numpy()[kept], other.energy_keV.to_numpy()[kept], rtol=0.02
    )
    ratio = one.photons.to_numpy()[kept] / other.intensity.to_numpy()[kept]
    assert np.std(np.log(ratio)) < 0.3


def test_the_beam_stop_and_the_border_hide_reflections():
    found = predict_reflections(some_grains(), AL, GEOMETRY, OMEGA).frame
    at = np.rint(found[["row_px", "column_px"]].to_numpy()).astype(int)
    assert not GEOMETRY.beam_stop_mask()[tuple(at.T)].any()
    assert found.row_px.between(-0.5, 699.5).all()
    few = predict_reflections(some_grains(), AL, GEOMETRY, OMEGA, faintest=0.3).frame
    assert 0 < len(few) < len(found)


def test_a_wrong_geometry_is_put_right():
    grains, rng = some_grains(), np.random.default_rng(1)
    truth = predict_reflections(grains, AL, GEOMETRY, OMEGA, families=5).frame
    seen = truth.sample(frac=0.5, random_state=2)
    seen = seen.assign(
        row_px=seen.row_px + rng.normal(0, 0.2, len(seen)),
        column_px=seen.column_px + rng.normal(0, 0.2, len(seen)),
    )
    stray = seen.sample(60, random_state=3)
    stray = stray.assign(row_px=rng.uniform(0, 699, 60))
    columns = list(SpotTable().frame.columns)
    found = SpotTable.concatenate([SpotTable(seen[columns]), SpotTable(stray[columns])])
    detector = GEOMETRY.detector.model_copy(
        update={"centre_row": 351.5, "centre_column": 398.0, "tilt_y": 0.0, "tilt_z": 0}
    )
    wrong = GEOMETRY.model_copy(
        update={"detector": detector, "sample_to_detector": 60.2}
    )
    answer = refine_geometry(found, grains, AL, wrong, OMEGA, families=5)
    table = answer.parameters.set_index("name")
    right = {
        "centre_row": 349.5,
        "centre_column": 399.5,
        "sample_to_detector": 60.0,
        "tilt_x": 0.1,
        "tilt_y": -0.3,
        "tilt_z": 0.4,
    }
    for name, value in right.items():
        assert table.value[name] == pytest.approx(value, abs=5 * table.error[name])
    assert table.error.max() < 0.1
    assert answer.after_px < 0.3 < answer.before_px
    assert len(answer.explanation.unexplained) < 70
    assert answer.geometry.detector.centre_row == table.value["centre_row"]


def test_a_shifted_sample_is_found():
    grains = some_grains()
    moved = GrainList(
        grains.position + np.array([0.03, -0.02, 0.05]),
        grains.orientation,
        grains.diameter_um,
    )
    found = predict_reflections(moved, AL, GEOMETRY, OMEGA, families=4)
    names = ("sample_x", "sample_y", "sample_z")
    answer = refine_geometry(found, grains, AL, GEOMETRY, OMEGA, names, families=4)
    np.testing.assert_allclose(answer.sample_offset, [0.03, -0.02, 0.05], atol=1e-4)


def test_mendable_mistakes_are_named():
    grains = some_grains(3)
    found = predict_reflections(grains, AL, GEOMETRY, OMEGA)
    with pytest.raises(InputError, match="nonsense cannot be refined"):
        refine_geometry(found, grains, AL, GEOMETRY, OMEGA, ("nonsense",))
    together = ("centre_row", "source_offset_z", "sample_z")
    with pytest.raises(InputError, match="keep one of them fixed"):
        refine_geometry(found, grains, AL, GEOMETRY, OMEGA, together)
    with pytest.raises(InputError, match="too few"):
        refine_geometry(SpotTable(), grains, AL, GEOMETRY, OMEGA)
    with pytest.raises(InputError, match="unknown"):
        predict_reflections(grains, AL, GEOMETRY, [np.nan])
    with pytest.raises(InputError, match="No reflection"):
        predict_reflections(grains, AL, GEOMETRY, [0.0], energies=(0.1, 0.2))
    assert len(explain(found, found).unexplained) == 0
