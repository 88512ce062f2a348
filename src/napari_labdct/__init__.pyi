from .core.errors import InputError as InputError
from .core.geometry import BeamStop as BeamStop
from .core.geometry import Detector as Detector
from .core.geometry import Geometry as Geometry
from .core.geometry import ScanPlan as ScanPlan
from .core.profile import LineProfile as LineProfile
from .core.spots import SpotTable as SpotTable
from .core.stack import ProjectionStack as ProjectionStack
from .files.reading import read_stack as read_stack
from .files.writing import write_stack as write_stack
from .learning.denoiser import Denoiser as Denoiser
from .workflows.cleanup import clean as clean

__version__: str

__all__ = [
    "BeamStop",
    "Denoiser",
    "Detector",
    "Geometry",
    "InputError",
    "LineProfile",
    "ProjectionStack",
    "ScanPlan",
    "SpotTable",
    "clean",
    "read_stack",
    "write_stack",
]
