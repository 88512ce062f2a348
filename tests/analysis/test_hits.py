"""Direct hits are told from spots by how narrow they are, and by their companions."""

import numpy as np
import pytest

from napari_labdct.analysis.find import FindSettings, find_spots
from napari_labdct.analysis.hits import direct_hits, spot_odds
from napari_labdct.learning.corruption import artefacts

SIDE = 512


def population(rng, count, sharpness, spread, noise):
    """Sharpness and significance of hits or spots."""
    significance = np.exp(rng.uniform(np.log(5), np.log(60), count))
    own = rng.normal(sharpness, spread, count)
    return own + rng.normal(0, noise, count) / significance, significance


def silent(count):
    return np.zeros(count, np.int64), np.zeros(count)


@pytest.fixture(scope="module")
def both():
    """Sharpness and significance of 300 hits, then 3000 spots."""
    rng = np.random.default_rng(0)
    parts = population(rng, 300, 0.05, 0.09, 1.0), population(rng, 3000, 0.7, 0.1, 1.5)
    return np.concatenate(parts, axis=1)


def test_hits_are_found_and_spots_stay(both):
    hits = direct_hits(*both, *silent(3300))
    assert hits[:300].mean() > 0.8
    assert hits[300:].mean() < 0.005


def test_odds_are_as_good_as_they_say(both):
    odds = spot_odds(*both)
    real = np.arange(3300) >= 300
    for low, high in ((-3, -1), (-1, 1), (1, 3)):
        these = (odds > low) & (odds < high)
        share = real[these].mean()
        scatter = np.sqrt(0.25 / these.sum())
        assert 1 / (1 + np.exp(-low)) - 2 * scatter < share
        assert share < 1 / (1 + np.exp(-high)) + 2 * scatter


def test_companions_save_what_is_narrow(both):
    companions, word = silent(3300)
    word[:300], companions[:] = 15.0, 2
    faint = both[1][:300] < 15
    assert not direct_hits(*both, companions, word)[:300][faint].any()


def test_silence_counts_where_nearly_all_spots_are_confirmed(both):
    companions, word = silent(3300)
    told = direct_hits(*both, companions, word)[:300].mean()
    companions[300:], word[300:], word[:300] = 2, 5.0, -8.0
    assert direct_hits(*both, companions, word)[:300].mean() > told + 0.02


def test_sharp_spots_stay_where_hits_are_few():
    rng = np.random.default_rng(2)
    spots = population(rng, 3000, 0.42, 0.03, 1.5)
    assert direct_hits(*spots, *silent(3000)).mean() < 0.02


def test_noise_is_not_judged(both):
    odds = spot_odds(both[0], both[1] / 20)
    assert np.isinf(odds[both[1] < 100]).all()
    assert spot_odds(*np.zeros((2, 0))).size == 0


def test_a_scan_of_hits_alone_shows_next_to_none():
    tables = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        frame = artefacts.zingers(rng, (SIDE, SIDE), 2e-4)
        frame += rng.standard_normal(frame.shape).astype(np.float32)
        settings = FindSettings(false_alarms=2000)
        tables.append(find_spots(frame, np.ones_like(frame), settings=settings).frame)
    columns = ("sharpness_px2", "significance", "score")
    narrow, significance, score = (
        np.concatenate([table[name].to_numpy() for table in tables]) for name in columns
    )
    hits = direct_hits(narrow, significance, *silent(score.size))
    passing = (score > 5) & (significance > 6)
    assert passing.sum() > 10
    assert (passing & ~hits).sum() < passing.sum() / 3
