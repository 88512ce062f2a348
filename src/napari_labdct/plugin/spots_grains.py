"""Which grain each spot comes from, by a file of grains or of known spots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_labdct.core import ProjectionStack, SpotTable

FAINTEST = 0.01
"""Reflections below this part of the brightest are not expected to be seen."""

CRYSTALS = ("Al", "Fe", "Ni", "Si", "Cu", "Mg")
"""Crystals to choose from."""


def known_spots(path: Path, stack: ProjectionStack, crystal: str) -> SpotTable:
    """Spots that should be there, with grain, hkl and energy.

    Parameters
    ----------
    path
        A table of spots whose grains are known, or a list of grains (CSV).
    stack
        The scan; a list of grains needs its geometry and rotation angles.
    crystal
        What the grains of a list consist of: a name of `CRYSTALS` or a CIF file.

    Raises
    ------
    InputError
        If the file is neither, or the scan's geometry is not known.
    """
    from napari_labdct.files import read_spots
    from napari_labdct.files.grainlist import read_grain_list
    from napari_labdct.physics import Crystal
    from napari_labdct.workflows.identify import predict_reflections

    with path.open(encoding="utf-8") as file:
        names = file.readline().lower()
    if "row_px" in names:
        return read_spots(path)
    grains = read_grain_list(path)
    if stack.geometry is None:
        raise InputError(
            f"{stack.source or 'The scan'} does not tell where source, sample and "
            "detector were: choose a table of known spots, or open the scan from a "
            "file that holds its geometry."
        )
    return predict_reflections(
        grains, Crystal.named(crystal), stack.geometry, stack.omega, faintest=FAINTEST
    )


def job(
    found: SpotTable, path: Path, stack: ProjectionStack, crystal: str
) -> Iterator[Any]:
    """Name found spots by the grains of a file.

    Yields the named spots once, and what came of it in a sentence or two.
    """
    from napari_labdct.analysis import advice
    from napari_labdct.analysis.explain import explain

    made = explain(found, known_spots(path, stack, crystal))
    hint = advice(made, stack.shape[1:]).sentence
    yield made.spots, f"{made.summary} {hint}".strip()
