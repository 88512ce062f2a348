from .core.errors import InputError as InputError
from .core.geometry import BeamStop as BeamStop
from .core.geometry import Detector as Detector
from .core.geometry import Geometry as Geometry
from .core.geometry import ScanPlan as ScanPlan
from .core.profile import LineProfile as LineProfile
from .core.spots import SpotTable as SpotTable
from .core.stack import ProjectionStack as ProjectionStack

__all__ = [
    "BeamStop",
    "Detector",
    "Geometry",
    "InputError",
    "LineProfile",
    "ProjectionStack",
    "ScanPlan",
    "SpotTable",
]
