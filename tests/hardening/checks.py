"""Properties as functions: the tests call them, and so do mutants that must fail."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from napari_labdct.calibration import FrameStatistics, measure_frame
from napari_labdct.core import BeamStop, Detector, Geometry
from napari_labdct.physics import Crystal, Polycrystal, Spectrum
from napari_labdct.physics.projection import SimulationSettings, Simulator

TUBE = Spectrum.tube(kvp=120)
PLAIN = SimulationSettings(families=2, absorption=False)
SIDE = 160


def set_up(**detector) -> Geometry:
    """A small Laue-focusing set-up with a beam stop."""
    values = {"rows": SIDE, "columns": SIDE, "pixel_size": 42.0, "blur_sigma": 0.8}
    return Geometry(
        source_to_sample=11,
        sample_to_detector=11,
        detector=Detector(**(values | detector)),
        beam_stop=BeamStop(height=1.5, width=1.5),
    )


def grains(count: int, seed: int, scale: float = 1.0) -> Polycrystal:
    """Some small grains near the axis."""
    rng = np.random.default_rng(seed)
    return Polycrystal.from_spheres(
        Crystal.preset("Al"),
        scale * rng.uniform(-0.15, 0.15, (count, 3)),
        Rotation.random(count, rng),
        diameter_um=np.full(count, scale * 70.0),
        element_um=scale * 24.0,
    )


def project(sample, geometry, omega=20.0, exposure=100.0, settings=PLAIN):
    """One projection that holds something, shape (rows, columns) [photons]."""
    simulator = Simulator(sample, geometry, TUBE, exposure=exposure, settings=settings)
    image = simulator.project(omega).image
    assert image.max() > 0, "a check of an empty picture says nothing"
    return image


def exposure_is_linear(seed: int, factor: float) -> None:
    """Twice the exposure gives twice the photons, everywhere."""
    sample, geometry = grains(12, seed), set_up()
    once = project(sample, geometry)
    more = project(sample, geometry, exposure=100.0 * factor)
    np.testing.assert_allclose(more, factor * once, rtol=1e-4, atol=1e-5 * more.max())


def grains_add_up(seed: int) -> None:
    """Two samples in one give the sum of what each gives."""
    sample, geometry = grains(12, seed), set_up()
    parts = []
    for first, last in ((0, 6), (6, 12)):
        own = (sample.grain_of >= first) & (sample.grain_of < last)
        alone = Polycrystal(
            sample.crystal,
            sample.orientation[first:last],
            sample.centre[own],
            sample.volume[own],
            sample.grain_of[own] - first,
        )
        parts.append(project(alone, geometry))
    both = project(sample, geometry)
    np.testing.assert_allclose(sum(parts), both, atol=1e-4 * both.max())


def a_shifted_detector_shifts_the_picture(seed: int, down: int, right: int) -> None:
    """Moving the detector's centre by whole pixels moves the picture by as many."""
    sample, middle = grains(12, seed), (SIDE - 1) / 2
    geometry = set_up(centre_row=middle, centre_column=middle)
    moved = set_up(centre_row=middle + down, centre_column=middle + right)
    here, there = project(sample, geometry), project(sample, moved)
    back = np.roll(there, (-down, -right), (0, 1))
    # A spot that has no ray on the detector is left out, with its blur's tail.
    edge = max(abs(down), abs(right)) + 6
    inside = np.s_[edge:-edge, edge:-edge]
    np.testing.assert_allclose(back[inside], here[inside], atol=1e-4 * here.max())


def everything_scales(seed: int, factor: float) -> None:
    """Everything k times as large: the same picture, with k times the photons.

    Volumes grow with k³ and the flux falls with k².
    """
    geometry = set_up()
    stop, detector = geometry.beam_stop, geometry.detector
    larger = geometry.model_copy(
        update={
            "source_to_sample": geometry.source_to_sample * factor,
            "sample_to_detector": geometry.sample_to_detector * factor,
            "source_size": geometry.source_size * factor,
            "detector": detector.model_copy(
                update={"pixel_size": detector.pixel_size * factor}
            ),
            "beam_stop": stop.model_copy(
                update={"height": stop.height * factor, "width": stop.width * factor}
            ),
        }
    )
    here = project(grains(12, seed), geometry)
    there = project(grains(12, seed, factor), larger)
    np.testing.assert_allclose(
        there, factor * here, rtol=2e-3, atol=2e-3 * factor * here.max()
    )


def a_frame(seed: int, shape=(144, 160)) -> tuple[np.ndarray, np.ndarray]:
    """A frame with background, noise and spots, and its spots alone."""
    rng = np.random.default_rng(seed)
    spots = np.zeros(shape, np.float32)
    for height in np.geomspace(40, 4000, 14):
        row, column = (int(rng.integers(12, n - 12)) for n in shape)
        spots[row, column] += height * 12
    spots = ndimage.gaussian_filter(spots, 1.4)
    column = np.linspace(-1, 1, shape[1], dtype=np.float32)
    background = 500 + 120 * column**2 + np.zeros((shape[0], 1), np.float32)
    return rng.poisson(background + spots).astype(np.float32), spots


def cleaned(denoiser, frame, statistics=None, **arguments):
    """The cleaned frame; statistics of the frame alone unless given."""
    known = measure_frame(frame) if statistics is None else statistics
    return denoiser.clean_frame(frame, known, **arguments).image


def a_constant_changes_nothing(denoiser, seed: int, level: float) -> None:
    """A higher black level is background, whatever its height."""
    frame, _ = a_frame(seed)
    before, after = cleaned(denoiser, frame), cleaned(denoiser, frame + level)
    np.testing.assert_allclose(after, before, rtol=0.02, atol=0.5)


def grey_values_are_linear(denoiser, seed: int, gain: float) -> None:
    """Another gain is another unit, no other picture."""
    frame, _ = a_frame(seed)
    before, after = cleaned(denoiser, frame), cleaned(denoiser, gain * frame)
    np.testing.assert_allclose(after, gain * before, rtol=0.01, atol=0.2 * gain)


def tiles_leave_no_seams(denoiser, seed: int, tile: int) -> None:
    """Cut into tiles or whole: the same within 10⁻⁴ of the noise."""
    frame, _ = a_frame(seed, (352, 330))
    known = measure_frame(frame)
    whole = denoiser.clean_frame(frame, known)
    tiled = denoiser.clean_frame(frame, known, tile=tile)
    scale = 1e-4 * np.maximum(known.sigma, whole.image)
    assert (np.abs(tiled.image - whole.image) <= scale).all()
    np.testing.assert_allclose(tiled.probability, whole.probability, atol=1e-4)


def a_shifted_frame_is_cleaned_alike(denoiser, seed: int, cells: int) -> None:
    """Spots keep their grey values wherever they are on the detector.

    Shifted by whole cells of the network, seen from the same beam centre.
    """
    frame, _ = a_frame(seed)
    rows, columns = frame.shape
    settings = denoiser.model.settings
    step, margin = cells * settings.multiple, settings.reach
    known = measure_frame(frame)
    centre = ((rows - 1) / 2, (columns - 1) / 2)
    part = FrameStatistics(known.background[step:], known.sigma[step:])
    whole = cleaned(denoiser, frame, known, centre=centre)
    moved = cleaned(denoiser, frame[step:], part, centre=(centre[0] - step, centre[1]))
    np.testing.assert_allclose(
        moved[margin:], whole[step + margin :], rtol=1e-3, atol=1e-2
    )


def flips_keep_intensities(denoiser, seed: int, axis: int) -> None:
    """Mirrored frames, mirrored pictures: strong spots within 10 %, most within 3 %."""
    frame, spots = a_frame(seed)
    before = cleaned(denoiser, frame)
    after = np.flip(cleaned(denoiser, np.flip(frame, axis).copy()), axis)
    strong = spots > 10 * measure_frame(frame).sigma
    labels, count = ndimage.label(strong)
    sums = [ndimage.sum(x, labels, range(1, count + 1)) for x in (before, after)]
    change = np.abs(sums[1] / sums[0] - 1)
    assert change.max() < 0.1
    assert np.median(change) < 0.03


def strong_spots_keep_their_intensity(denoiser, seed: int) -> None:
    """The median spot above 10 σ keeps what it has, within 7 %."""
    frame, spots = a_frame(seed)
    answer = cleaned(denoiser, frame)
    labels, count = ndimage.label(spots > 10 * measure_frame(frame).sigma)
    index = range(1, count + 1)
    ratio = ndimage.sum(answer, labels, index) / ndimage.sum(spots, labels, index)
    assert abs(np.median(ratio) - 1) < 0.07
