"""The nouns of LabDCT: geometry, stacks, spots, profiles. No numerics, no files."""

from napari_labdct.core.errors import InputError
from napari_labdct.core.geometry import BeamStop, Detector, Geometry, ScanPlan
from napari_labdct.core.profile import LineProfile
from napari_labdct.core.progress import Progress, counted, drained
from napari_labdct.core.spots import SpotTable
from napari_labdct.core.stack import ProjectionStack

__all__ = [
    "BeamStop",
    "Detector",
    "Geometry",
    "InputError",
    "LineProfile",
    "Progress",
    "ProjectionStack",
    "ScanPlan",
    "SpotTable",
    "counted",
    "drained",
]
