"""Spots found, matched and measured; line profiles; quality."""

from napari_labdct.analysis.candidates import FOUND_COLUMNS
from napari_labdct.analysis.find import FindSettings, find_spots
from napari_labdct.analysis.match import Score, match_spots, pair_up
from napari_labdct.analysis.scan import line_profile, profile_peaks

__all__ = [
    "FOUND_COLUMNS",
    "FindSettings",
    "Score",
    "find_spots",
    "line_profile",
    "match_spots",
    "pair_up",
    "profile_peaks",
]
