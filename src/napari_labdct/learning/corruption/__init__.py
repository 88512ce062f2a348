"""What a clean projection must suffer to look measured."""

from napari_labdct.learning.corruption.background import View
from napari_labdct.learning.corruption.bank import BackgroundBank
from napari_labdct.learning.corruption.constant import constant_background
from napari_labdct.learning.corruption.measured import (
    MeasuredLook,
    Scene,
    draw_scene,
)

__all__ = [
    "BackgroundBank",
    "MeasuredLook",
    "Scene",
    "View",
    "constant_background",
    "draw_scene",
]
