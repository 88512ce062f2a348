"""Spots found, matched and measured; line profiles; quality."""

from napari_labdct.analysis.advice import Advice, advice
from napari_labdct.analysis.bands import find_in_band
from napari_labdct.analysis.candidates import FOUND_COLUMNS
from napari_labdct.analysis.conventional import (
    ConventionalSettings,
    conventional_spots,
    iter_conventional,
)
from napari_labdct.analysis.explain import Explanation, explain
from napari_labdct.analysis.find import FindSettings, find_spots
from napari_labdct.analysis.indexed import IndexedScore, Protocol, score_indexed
from napari_labdct.analysis.match import Score, match_spots, pair_up, sweep
from napari_labdct.analysis.scan import line_profile, profile_peaks

__all__ = [
    "FOUND_COLUMNS",
    "Advice",
    "ConventionalSettings",
    "Explanation",
    "FindSettings",
    "IndexedScore",
    "Protocol",
    "Score",
    "advice",
    "conventional_spots",
    "explain",
    "find_in_band",
    "find_spots",
    "iter_conventional",
    "line_profile",
    "match_spots",
    "pair_up",
    "profile_peaks",
    "score_indexed",
    "sweep",
]
