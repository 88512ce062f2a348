"""Light that never comes back ranks lower; spots that do not come back stay."""

import numpy as np
import pandas as pd
import pytest

from napari_labdct.analysis.companions import ask_neighbours
from napari_labdct.analysis.detection import threshold_for
from napari_labdct.analysis.loners import NEAREST, diffraction_odds
from napari_labdct.analysis.motion import Places
from tests.analysis.scans import AREA, FILTERS, GEOMETRY, SHAPE, candidates

OMEGA = np.arange(30) * 2.0
CORNER = 150
LIGHT = 8
USUAL = threshold_for(1, AREA, FILTERS)


def judged(frame):
    names = ("projection", "row_px", "column_px", "score", "significance")
    projection, row, column, *scores = (frame[name].to_numpy() for name in names)
    places = Places(projection, row, column, SHAPE)
    more = {"area": AREA, "geometry": GEOMETRY}
    return ask_neighbours(places, *scores, OMEGA, FILTERS, **more).score


@pytest.fixture(scope="module")
def spots():
    return candidates(2.0, 30).frame


@pytest.fixture(scope="module")
def with_light(spots):
    """The same scan, with light in a corner that has nothing to do with the sample."""
    rng = np.random.default_rng(5)
    count = LIGHT * len(OMEGA)
    height = rng.uniform(5.5, 9, count)
    light = pd.DataFrame(
        {
            "projection": np.repeat(np.arange(len(OMEGA)), LIGHT),
            "row_px": rng.uniform(0, CORNER, count),
            "column_px": rng.uniform(0, CORNER, count),
            "score": height,
            "significance": height,
            "real": False,
        }
    )
    return pd.concat([spots, light], ignore_index=True).assign(
        light=lambda frame: frame.index >= len(spots)
    )


def test_light_that_never_comes_back_falls_below_the_spots(spots, with_light):
    score, light = judged(with_light), with_light["light"].to_numpy()
    assert (with_light["score"][light] > USUAL).all()
    assert (score[light] > USUAL).mean() < 0.3
    # Nearly no spot of the scan pays for it.
    real = with_light["real"].to_numpy()
    kept = (score[real] > USUAL).sum() / (judged(spots)[spots["real"]] > USUAL).sum()
    assert kept > 0.98


def test_where_all_is_diffraction_nothing_is_lost(spots):
    solid = spots["score"] > 5
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 500, (solid.sum(), 2))
    # A quarter of the spots do not come back, wherever they are.
    back = rng.random(len(place)) > 0.25
    word = np.where(back, rng.normal(5, 2, len(place)), -4.0)
    chance = np.where(rng.random(len(place)) < 0.05, 3.0, -4.0)
    odds = diffraction_odds(place, word, chance, np.ones(len(place), bool))
    assert (odds > 0).mean() > 0.98


def test_few_spots_say_nothing():
    word = np.zeros(NEAREST)
    place = np.stack([np.arange(NEAREST)] * 2, axis=1) * 1.0
    odds = diffraction_odds(place, word, word, np.ones(NEAREST, bool))
    assert (odds == np.inf).all()
    none = np.zeros(0)
    assert diffraction_odds(np.zeros((0, 2)), none, none, none > 0).size == 0
