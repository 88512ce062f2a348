"""What a scan tells about itself: gain, background, static pattern, noise.

Training, cleaning, spot finding and scoring all use these estimates, so that a
network meets at work the numbers it was trained on.
"""

from napari_labdct.calibration.background import smooth_background
from napari_labdct.calibration.noise import noise_map
from napari_labdct.calibration.statistics import (
    FEWEST_FRAMES,
    FrameStatistics,
    ScanStatistics,
    combine,
    measure_frame,
    measure_scan,
    statistics_of,
)
from napari_labdct.calibration.temporal import TemporalMedian
from napari_labdct.calibration.zingers import without_zingers, zingers_replaced

__all__ = [
    "FEWEST_FRAMES",
    "FrameStatistics",
    "ScanStatistics",
    "TemporalMedian",
    "combine",
    "measure_frame",
    "measure_scan",
    "noise_map",
    "smooth_background",
    "statistics_of",
    "without_zingers",
    "zingers_replaced",
]
