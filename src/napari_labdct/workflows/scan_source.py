"""Where a scan comes from, in words that any machine can follow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from napari_labdct.core.geometry import Parameters
from napari_labdct.core.turn import Flip
from napari_labdct.files import read_stack
from napari_labdct.files.tiff import SUFFIXES

if TYPE_CHECKING:
    from napari_labdct.core import ProjectionStack


class ScanSource(Parameters):
    """The arguments of `read_stack`: small where a stack may be gigabytes."""

    path: str | tuple[str, ...] = Field(
        description="Folder of TIFF frames, one stack, or a list of TIFF files."
    )
    omega_start: float | None = Field(
        None, description="Rotation angle of the first projection [deg]."
    )
    omega_step: float | None = Field(
        None, description="Angle between projections [deg]."
    )
    angles: str | None = Field(
        None,
        description="Text or CSV file with the angle of each projection [deg].",
    )
    dataset: str | None = Field(
        None, description="Name of the stack inside an HDF5 file."
    )
    flip: Flip = Field(
        "auto",
        description="Turn the frames: rows upside down, columns left and right "
        "swapped, both by half a turn; auto follows the files' Orientation tag.",
    )

    def open(self) -> ProjectionStack:
        """Open the scan.

        Raises
        ------
        InputError
            As `read_stack` does.
        """
        values = self.model_dump()
        return read_stack(values.pop("path"), **values)

    def stamp(self) -> list[tuple[str, int, int]]:
        """Name, size and time of every file: a changed scan is another scan."""
        paths = [self.path] if isinstance(self.path, str) else self.path
        files = [Path(path) for path in paths]
        if len(files) == 1 and files[0].is_dir():
            inside = sorted(files[0].iterdir())
            files = [each for each in inside if each.suffix.lower() in SUFFIXES]
        files += [Path(self.angles)] if self.angles else []
        return stamp(files)


def stamp(files: list[Path]) -> list[tuple[str, int, int]]:
    """Name, size and time of change of files that are there."""
    states = [(str(file), file.stat()) for file in files if file.exists()]
    return [(name, state.st_size, state.st_mtime_ns) for name, state in states]
