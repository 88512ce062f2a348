"""Spot cleanup in laboratory X-ray diffraction contrast tomography (LabDCT)."""

import lazy_loader

from napari_labdct._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
