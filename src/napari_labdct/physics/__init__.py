"""Forward simulation: from crystals and rays to projections."""

from napari_labdct.physics.attenuation import Filter, Scintillator
from napari_labdct.physics.crystal import CRYSTALS, Crystal, Reflections, Site
from napari_labdct.physics.ipf import ipf_colours
from napari_labdct.physics.outline import Box, Cylinder
from napari_labdct.physics.polycrystal import Polycrystal
from napari_labdct.physics.projection import (
    Projection,
    SimulationSettings,
    Simulator,
    iter_projections,
    simulate,
)
from napari_labdct.physics.spectrum import Spectrum

__all__ = [
    "CRYSTALS",
    "Box",
    "Crystal",
    "Cylinder",
    "Filter",
    "Polycrystal",
    "Projection",
    "Reflections",
    "Scintillator",
    "SimulationSettings",
    "Simulator",
    "Site",
    "Spectrum",
    "ipf_colours",
    "iter_projections",
    "simulate",
]
