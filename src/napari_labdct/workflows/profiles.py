"""Line profiles through one projection of several stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_labdct.analysis.scan import line_profile
from napari_labdct.core import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_labdct.core import LineProfile, ProjectionStack
    from napari_labdct.workflows.lines import Line


def profiles_of(
    stacks: Mapping[str, ProjectionStack],
    lines: Sequence[Line],
    *,
    projection: int = 0,
    width: int = 1,
) -> list[LineProfile]:
    """Take grey values along lines through stacks of one scan.

    Parameters
    ----------
    stacks
        Stacks by name; all of one shape.
    lines
        Ends (row, column) of each line [px]; they are named A, B, C, …
    projection
        0-based index of the projection.
    width
        Width over which values are averaged across the line [px].

    Raises
    ------
    InputError
        If the stacks differ in shape, there is no such projection, or a line has
        an end outside of the frame.
    """
    shapes = {name: stack.shape for name, stack in stacks.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(
            "The stacks differ in shape ("
            + ", ".join(f"{name}: {shape}" for name, shape in shapes.items())
            + "): give stacks of one scan."
        )
    count, rows, columns = next(iter(shapes.values()))
    if not 0 <= projection < count:
        raise InputError(
            f"There is no projection {projection}: the scan has {count}, counted "
            "from 0."
        )
    frames = {name: stack.frame(projection) for name, stack in stacks.items()}
    profiles = []
    for number, (start, stop) in enumerate(lines):
        name = _name(number)
        for row, column in (start, stop):
            if not (0 <= row <= rows - 1 and 0 <= column <= columns - 1):
                raise InputError(
                    f"Line {name} ends at row {row:g}, column {column:g}, outside of "
                    f"the frame's {rows} × {columns} px: choose an end inside."
                )
        profiles.append(
            line_profile(
                frames, start, stop, width=width, name=name, projection=projection
            )
        )
    return profiles


def _name(number: int) -> str:
    """A, B, …, Z, A2, B2, …"""
    again, letter = divmod(number, 26)
    return chr(ord("A") + letter) + (str(again + 1) if again else "")
