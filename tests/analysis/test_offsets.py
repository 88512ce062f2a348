"""Grains beside the axis: their spots come back beside their place, all alike."""

import numpy as np
import pytest

from napari_labdct.analysis.motion import Motion, Places
from napari_labdct.analysis.offsets import Scatter, fit_scatter, return_of
from tests.analysis.scans import AREA, GEOMETRY, SHAPE, reflections

STEP = 3.0
OMEGA = STEP * np.arange(12)
MOTION = Motion(440.0, 511.0, 100 / 0.075, OMEGA)


@pytest.fixture(scope="module")
def pairs():
    """Spots of grains beside the axis, and the same ones a projection later."""
    table = reflections(OMEGA, 6, 0.15, 4)
    later = table.assign(projection=table["projection"] - 1)
    same = ["grain", "h", "k", "l", "projection"]
    return table.merge(later, on=same, suffixes=("", "_next"))


def places_of(frame):
    names = ("projection", "row_px", "column_px")
    return Places(*(frame[name].to_numpy() for name in names), SHAPE)


def offset_of(pairs):
    """Where the ray through each spot's grain ends beside the centre [px]."""
    rng = np.random.default_rng(4)
    grains = rng.uniform(-0.15, 0.15, (6, 3))[pairs["grain"]]
    turn = np.deg2rad(OMEGA[pairs["projection"]] + STEP / 2)
    y = np.sin(turn) * grains[:, 0] + np.cos(turn) * grains[:, 1]
    scale = GEOMETRY.magnification * 1000 / GEOMETRY.detector.pixel_size
    return -scale * np.stack([grains[:, 2], y], axis=1)


def test_the_slope_tells_where_spots_of_grains_beside_the_axis_come_back(pairs):
    back = return_of(places_of(pairs), MOTION, 1)
    away = np.stack(
        [
            pairs["row_px_next"] - back.there.row,
            pairs["column_px_next"] - back.there.column,
        ],
        axis=1,
    )
    left = away - np.einsum("nij,nj->ni", back.slope, offset_of(pairs))
    assert back.visible.mean() > 0.95
    before, after = (
        np.quantile(np.hypot(*each.T), [0.5, 0.9]) for each in (away, left)
    )
    assert before[0] > 0.7
    assert (after < 0.35 * before).all()


def test_the_energy_follows_from_the_angle(pairs):
    back = return_of(places_of(pairs), MOTION, 1)
    true = np.log(pairs["energy_keV_next"] / pairs["energy_keV"])
    assert np.median(np.abs(back.energy - true)) < 0.03


@pytest.mark.parametrize("spread", [0.02, 0.1])
def test_offsets_are_fitted(spread):
    frame = reflections(OMEGA, 15, spread, 0)
    rng = np.random.default_rng(1)
    shift = rng.normal(0, 0.3, (2, len(frame)))
    frame = frame.assign(
        row_px=frame["row_px"] + shift[0], column_px=frame["column_px"] + shift[1]
    )
    places = places_of(frame)
    next_to = [return_of(places, MOTION, step) for step in (-1, 1)]
    score = np.full(len(frame), 20.0)
    density = len(frame) / (AREA * OMEGA.size)
    scatter = fit_scatter(places, score, next_to, density)
    scale = GEOMETRY.magnification * 1000 / GEOMETRY.detector.pixel_size
    true = spread * scale / np.sqrt(3)
    assert true / 1.7 < scatter.offset < 1.7 * true
    assert 0.3 < scatter.blur < 0.8


def test_density_is_one_over_the_plane():
    slope = np.array([[[0.5, 0.2], [-0.3, 1.5]]])
    at = np.arange(-30, 30, 0.25)
    row, column = (part.reshape(1, -1) for part in np.meshgrid(at, at))
    total = Scatter(2.0, 0.7).density(row, column, slope).sum() / 16
    assert total == pytest.approx(1, abs=1e-3)
