"""Each step against an oracle in plain NumPy, and all of them together."""

from dataclasses import replace

import numpy as np
import pytest

from napari_labdct.core import Detector, Geometry, InputError, ProjectionStack
from napari_labdct.preparation import (
    DefectFiller,
    Fields,
    Preparation,
    binned,
    find_defects,
    geometry_of_part,
    prepare,
)
from tests.conftest import draw_stack

RNG = np.random.default_rng(0)
SHAPE = (40, 50)


@pytest.fixture
def gain():
    return RNG.uniform(0.5, 1.5, SHAPE).astype(np.float32)


def test_dark_and_flat_are_undone(gain):
    truth = RNG.uniform(0, 1000, SHAPE).astype(np.float32)
    dark = RNG.uniform(90, 110, SHAPE).astype(np.float32)
    fields = Fields.measure(dark, dark + 500 * gain)
    found = fields.correct(dark + truth * gain)
    np.testing.assert_allclose(found, truth * np.median(gain), rtol=1e-4, atol=1e-3)
    assert not fields.blind.any()
    np.testing.assert_array_equal(Fields.measure(dark, None).correct(dark), 0)
    np.testing.assert_allclose(
        Fields.measure(None, gain).correct(truth * gain), truth * np.median(gain), 1e-5
    )


def test_pixels_the_flat_does_not_reach_are_told(gain):
    flat = 500 * gain
    flat[3, 4:7] = 0
    fields = Fields.measure(None, flat)
    assert np.argwhere(fields.blind).tolist() == [[3, 4], [3, 5], [3, 6]]
    assert np.isfinite(fields.correct(flat)).all()


def test_fields_that_do_not_fit(gain):
    with pytest.raises(InputError, match="no brighter than the dark"):
        Fields.measure(gain, gain - 1)
    with pytest.raises(InputError, match="fields of one detector"):
        Fields.measure(gain, gain[1:])
    stack = ProjectionStack(np.ones((2, 9, 9)))
    with pytest.raises(InputError, match="flat image has shape"):
        prepare(stack, Preparation(), flat=gain)


def filled_by_hand(frame, defects):
    """The oracle: three loops and a growing square."""
    result = frame.copy()
    for row, column in np.argwhere(defects):
        for reach in range(1, 99):
            rows = slice(max(0, row - reach), row + reach + 1)
            columns = slice(max(0, column - reach), column + reach + 1)
            good = frame[rows, columns][~defects[rows, columns]]
            if len(good) >= 3:
                result[row, column] = good.mean()
                break
    return result


def test_defects_are_filled_from_their_neighbours():
    frame = RNG.uniform(0, 100, SHAPE).astype(np.float32)
    defects = RNG.random(SHAPE) < 0.1
    defects[:, 20] = True  # a dead column
    defects[:6, :6] = True  # a dead corner
    found = DefectFiller.of(defects).fill(frame)
    np.testing.assert_allclose(found, filled_by_hand(frame, defects), rtol=1e-5)
    np.testing.assert_array_equal(found[~defects], frame[~defects])
    with pytest.raises(InputError, match="100% of the pixels"):
        DefectFiller.of(np.ones(SHAPE, bool))


def test_defects_are_found_and_spots_are_not():
    stack = draw_stack(9, 96, 128)
    images = stack.images.astype(np.float32)
    hot = [(10, 20), (11, 20), (50, 99), (90, 3)]
    for number, (row, column) in enumerate(hot):
        images[:, row, column] = 5000 if number % 2 else 0
    found = find_defects(images)
    assert {tuple(place) for place in np.argwhere(found)} == set(hot)


def test_binning_sums_and_crops_what_is_left_over():
    frame = RNG.uniform(0, 100, (7, 11)).astype(np.float32)
    found = binned(frame, 3)
    wanted = [[frame[r : r + 3, c : c + 3].sum() for c in (0, 3, 6)] for r in (0, 3)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    np.testing.assert_array_equal(binned(frame, 1), frame)


@pytest.mark.parametrize("centre", [None, (11.25, 40.0)])
@pytest.mark.parametrize("side", [1, 2, 3])
def test_a_point_of_the_detector_keeps_its_place(centre, side):
    row, column = centre or (None, None)
    geometry = Geometry(
        detector=Detector(
            rows=60, columns=70, pixel_size=5, centre_row=row, centre_column=column
        )
    )
    part = geometry_of_part(geometry, (6, 54, 9, 69), side)
    assert part.detector.shape == (48 // side, 60 // side)
    y, z = np.array([0.0, 0.05, -0.1]), np.array([0.0, -0.02, 0.06])
    old, new = geometry.to_pixels(y, z), part.to_pixels(y, z)
    for before, after, start in zip(old, new, (6, 9), strict=True):
        # the centre of the first square lies (side − 1) / 2 pixels into the part
        np.testing.assert_allclose(after, (before - start - (side - 1) / 2) / side)
    # edges of the detector stay where they are, in millimetres
    for g, first, last in ((geometry, 5.5, 53.5), (part, -0.5, 48 / side - 0.5)):
        edges = (g.detector.centre[0] - np.array([first, last])) * g.detector.pixel_size
        np.testing.assert_allclose(
            edges, (geometry.detector.centre[0] - np.array([5.5, 53.5])) * 5
        )


def test_a_spot_keeps_its_intensity_and_its_place():
    row, column = np.mgrid[:60, :70]
    spot = 900 * np.exp(-((row - 30.3) ** 2 + (column - 41.8) ** 2) / 18)
    stack = ProjectionStack(
        spot[None].astype(np.float32),
        geometry=Geometry(detector=Detector(rows=60, columns=70, pixel_size=5)),
    )
    found = prepare(stack, Preparation(bin=2, top=4, left=6))
    image = found.frame(0)
    assert image.sum() == pytest.approx(spot.sum(), rel=1e-5)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    middle = (rows * image).sum() / image.sum(), (columns * image).sum() / image.sum()
    shift = np.subtract(middle, found.geometry.detector.centre)
    size = found.geometry.detector.pixel_size
    np.testing.assert_allclose(
        shift * size, np.subtract((30.3, 41.8), (29.5, 34.5)) * 5, atol=0.01
    )


def test_exposure_and_drift_are_levelled():
    stack = draw_stack(5, 64, 80)
    times = np.array([30, 60, 60, 60, 90.0])
    factors = times / 60
    images = stack.images * factors[:, None, None]
    measured = replace(stack, images=images, exposure_s=times)
    found = prepare(measured, Preparation(exposure=True))
    np.testing.assert_allclose(found.images, stack.images, rtol=1e-5)
    found = prepare(replace(measured, exposure_s=None), Preparation(drift=True))
    levels = [np.median(frame[::2, ::2]) for frame in found.frames()]
    np.testing.assert_allclose(levels, levels[0], rtol=1e-5)
    np.testing.assert_allclose(found.frame(0), images[0], rtol=1e-6)
    with pytest.raises(InputError, match=r"exposure times .* are unknown"):
        prepare(stack, Preparation(exposure=True))
    with pytest.raises(InputError, match="cannot be brought to another level"):
        prepare(ProjectionStack(np.zeros((2, 9, 9))), Preparation(drift=True)).frame(1)


def test_hits_are_no_part_of_bins():
    stack = draw_stack(3, 64, 80)
    hit = np.array(stack.images)
    hit[1, 30, 41] += 60 * hit.std()
    found = prepare(replace(stack, images=hit), Preparation(zingers=True, bin=4))
    plain = prepare(stack, Preparation(bin=4))
    np.testing.assert_allclose(found.images, plain.images, rtol=0.05)


def test_every_step_is_told_and_no_other(gain):
    stack = draw_stack(9, *SHAPE)
    assert prepare(stack, Preparation()).history == stack.history
    defects = np.zeros(SHAPE, bool)
    defects[5, 5:8] = True
    found = prepare(
        replace(stack, exposure_s=np.full(9, 30.0)),
        Preparation(exposure=True, drift=True, zingers=True, bin=2, bottom=30),
        dark=np.full(SHAPE, 100, np.float32),
        flat=100 + 500 * gain,
        defects=defects,
    )
    words = " ".join(found.history[len(stack.history) :])
    for part in (
        "Dark field subtracted",
        "flat field",
        "3 defect pixels",
        "exposure of 30 s",
        "level",
        "Direct hits replaced",
        "rows 0:30",
        "2 × 2",
    ):
        assert words.count(part) == 1
    assert found.shape == (9, 15, 25)
    assert found.geometry.detector.shape == (15, 25)
    assert found.images.dtype == np.float32
    np.testing.assert_array_equal(
        found.images[2:4, 3], np.asarray(found.images)[2:4, 3]
    )


@pytest.mark.parametrize(
    "steps", [{"top": 39, "bottom": 39}, {"right": 51}, {"left": 45, "bin": 6}], ids=str
)
def test_parts_that_are_none(steps):
    with pytest.raises(InputError, match="are no part of frames of 40 × 50 px"):
        prepare(ProjectionStack(np.ones((1, *SHAPE))), Preparation(**steps))
