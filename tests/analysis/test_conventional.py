"""The conventional pipeline, step by step and as a whole."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from napari_labdct.analysis import match_spots
from napari_labdct.analysis.bands import (
    difference_of_gaussians,
    find_in_band,
    laplacian_of_gaussian,
    top_hat,
)
from napari_labdct.analysis.conventional import (
    ConventionalSettings,
    conventional_spots,
    iter_conventional,
)
from napari_labdct.analysis.find import FindSettings
from napari_labdct.core import (
    BeamStop,
    Detector,
    Geometry,
    InputError,
    ProjectionStack,
    SpotTable,
)

from .frames import ellipses, noise

SHAPE = (200, 240)


@pytest.mark.parametrize("sigma", [1.5, 2.5])
def test_filters_equal_scipys(sigma):
    image = np.zeros((90, 101), np.float32)
    image[30:60, 30:70] = noise((30, 40), np.random.default_rng(0))
    plain = -(sigma**2) * ndimage.gaussian_laplace(
        image.astype(float), sigma, mode="constant", truncate=8
    )
    np.testing.assert_allclose(laplacian_of_gaussian(image, sigma), plain, atol=2e-3)
    narrow, wide = (
        ndimage.gaussian_filter(image.astype(float), s, mode="constant", truncate=8)
        for s in (sigma, 3 * sigma)
    )
    np.testing.assert_allclose(
        difference_of_gaussians(image, sigma), narrow - wide, atol=2e-3
    )


def test_top_hat_keeps_spots_and_takes_plains_off():
    row, column = np.mgrid[:60, :60]
    spot = 50 * np.exp(-((row - 30) ** 2 + (column - 30) ** 2) / 8)
    slope = 100.0 + column
    passed = top_hat((spot + slope).astype("f4"), 1.0)
    assert passed[30, 30] > 35
    assert np.abs(passed[:, :15]).max() < 10


def scan(count=15, seed=0, bits=np.uint16):
    """A turning sample before a still pattern, with its true spots."""
    rng = np.random.default_rng(seed)
    still, _ = ellipses(SHAPE, 20, rng, sigma=15, snr=(50, 200))
    background = 300 + 200 * np.hypot(
        *np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    )
    frames, tables = [], []
    for index in range(count):
        signal, table = ellipses(
            SHAPE, 12, rng, sigma=15, snr=(15, 150), major=(1.2, 2), minor=(1, 1.5)
        )
        table.frame["projection"] = index
        frame = rng.poisson(background + still + signal)
        frames.append(frame.astype(bits))
        tables.append(table)
    stack = ProjectionStack(np.array(frames), omega_deg=24.0 * np.arange(count))
    return stack, SpotTable.concatenate(tables)


POINTS = ConventionalSettings(log_sigma=1.5, least_area=4, white=255.0, offset=40.0)


def test_turning_spots_are_found_and_still_ones_are_not():
    stack, truth = scan()
    tables = list(iter_conventional(stack, POINTS))
    assert [set(table.frame.projection) <= {i} for i, table in enumerate(tables)]
    score = match_spots(SpotTable.concatenate(tables), truth, 2)
    assert score.recall > 0.9
    assert score.precision > 0.9
    assert score.pairs.distance_px.median() < 0.3
    assert tables[3].frame.omega_deg.iloc[0] == 72


def test_track_rejection_takes_zingers_off():
    stack, truth = scan()
    rng = np.random.default_rng(3)
    for frame in stack.images:
        at = rng.integers(8, 190, (15, 2))
        # Tracks of three pixels, as large as the smallest spots in the residual.
        for step in range(5):
            frame[at[:, 0], at[:, 1] + step] += 1500
    loose = POINTS.model_copy(update={"point_spread": 0.0})
    counts = []
    for settings in (POINTS, loose):
        found = SpotTable.concatenate(list(iter_conventional(stack, settings)))
        score = match_spots(found, truth, 2)
        counts.append(score.found - len(score.pairs))
        assert score.recall > 0.85
    assert counts[0] < 0.2 * counts[1]


def steps(grey, settings):
    """The recipe with one loop a blob: labels of the pixels that are kept."""
    grey = np.maximum(grey - settings.offset, 0)
    curvature = -ndimage.gaussian_laplace(
        grey, settings.log_sigma, mode="constant", truncate=8
    )

    def drop(blobs, area):
        labels, count = ndimage.label(blobs, np.ones((3, 3)))
        for label in range(1, count + 1):
            if (labels == label).sum() < area:
                blobs = blobs & (labels != label)
        return blobs

    # Far below rounding, convex and concave are the same.
    blobs = drop(curvature > 1e-4, settings.least_area)
    labels, count = ndimage.label(blobs)
    for label in range(1, count + 1):
        blob = labels == label
        blobs = blobs & ~(blob & (grey <= settings.peak_fraction * grey[blob].max()))
    blobs = drop(blobs, settings.least_area)
    if settings.plain_threshold is not None:
        blobs = blobs | (grey > settings.plain_threshold)
    return ndimage.label(drop(blobs, 2 * settings.least_area), np.ones((3, 3)))


@pytest.mark.parametrize("plain", [None, 40.0])
def test_steps_equal_the_recipe(plain):
    rng = np.random.default_rng(5)
    signal, _ = ellipses((120, 130), 12, rng, sigma=4, snr=(10, 80), gap=20)
    residual = np.maximum(signal, 0).astype(np.float32)
    settings = ConventionalSettings(
        log_sigma=2,
        least_area=5,
        offset=1.0,
        plain_threshold=plain,
        point_spread=0,
        split=False,
    )
    found = conventional_spots(
        residual, np.ones_like(residual), 255.0, settings
    ).frame.sort_values(["row_start", "column_start"])
    labels, count = steps(residual.astype(float), settings)
    boxes = ndimage.find_objects(labels)
    theirs = pd.DataFrame(
        {
            "row_start": [box[0].start for box in boxes],
            "row_stop": [box[0].stop for box in boxes],
            "column_start": [box[1].start for box in boxes],
            "column_stop": [box[1].stop for box in boxes],
            "area_px": np.bincount(labels.ravel())[1:].astype(float),
        }
    ).sort_values(["row_start", "column_start"])
    assert len(found) == count > 5
    np.testing.assert_allclose(found[theirs.columns], theirs, atol=1)


def test_touching_spots_are_split_when_asked_for():
    row, column = np.mgrid[:60, :60]
    pair = sum(
        200 * np.exp(-((row - 30) ** 2 + (column - c) ** 2) / 18) for c in (25, 34)
    ).astype("f4")
    for split, count in ((True, 2), (False, 1)):
        settings = ConventionalSettings(log_sigma=2, split=split)
        found = conventional_spots(pair, np.ones_like(pair), 255.0, settings)
        assert len(found) == count


def test_the_beam_stop_is_left_out():
    stack, _ = scan()
    detector = Detector(rows=SHAPE[0], columns=SHAPE[1], pixel_size=10.0)
    geometry = Geometry(detector=detector, beam_stop=BeamStop(height=1.0, width=1.0))
    stopped = ProjectionStack(stack.images, geometry=geometry)
    for table in iter_conventional(stopped, POINTS):
        inside = (table.frame.row_px - 99.5).abs() < 49
        inside &= (table.frame.column_px - 119.5).abs() < 49
        assert not inside.any()


def test_short_scans_name_the_way_out():
    stack, _ = scan(5)
    with pytest.raises(InputError, match="frame by frame"):
        next(iter_conventional(stack))


@pytest.mark.parametrize("band", ["log", "dog", "tophat"])
def test_single_frames_show_spots_and_still_pattern_alike(band):
    rng = np.random.default_rng(7)
    shape = (400, 400)
    signal, truth = ellipses(
        shape, 40, rng, sigma=20, snr=(15, 100), major=(1.5, 1.5), minor=(1.5, 1.5)
    )
    frame = signal + 400 + 20 * noise(shape, rng)
    found = find_in_band(frame, band, projection=4)
    score = match_spots(SpotTable(found.frame.assign(projection=0)), truth, 2)
    assert score.recall > 0.9
    assert score.found - len(score.pairs) < 6
    assert score.pairs.intensity_ratio.median() == pytest.approx(1, abs=0.06)
    assert (found.frame.projection == 4).all()


@pytest.mark.parametrize("band", ["log", "dog", "tophat"])
def test_false_alarms_of_single_frames_are_those_asked_for(band):
    rng = np.random.default_rng(8)
    count, frames = 0, 5
    for _ in range(frames):
        frame = 400 + 20 * noise((512, 512), rng, 0.3)
        count += len(find_in_band(frame, band, settings=FindSettings(false_alarms=10)))
    assert 10 / 2 < count / frames < 10 * 2
