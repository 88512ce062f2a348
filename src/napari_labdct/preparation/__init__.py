"""What measured frames need before anything else: pure functions on frames."""

from napari_labdct.preparation.defects import DefectFiller, find_defects
from napari_labdct.preparation.fields import Fields
from napari_labdct.preparation.regions import binned, cropped, geometry_of_part
from napari_labdct.preparation.steps import Preparation, PreparedFrames, prepare

__all__ = [
    "DefectFiller",
    "Fields",
    "Preparation",
    "PreparedFrames",
    "binned",
    "cropped",
    "find_defects",
    "geometry_of_part",
    "prepare",
]
