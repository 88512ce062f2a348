"""Projection stacks from TIFF files: a folder, one stack, or a list of files."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.core import InputError, ProjectionStack
from napari_labdct.core.turn import Turn
from napari_labdct.files.description import restore
from napari_labdct.files.frames import find_frames
from napari_labdct.files.lazy import lazy_array

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_labdct.core.turn import Flip
    from napari_labdct.files.frames import TiffFrame

SUFFIXES = (".tif", ".tiff")
_BOTTOM_FIRST, _RIGHT_FIRST, _SIDEWAYS = {3, 4}, {2, 3}, {5, 6, 7, 8}


def read_tiff(path: str | Path | Sequence[str | Path], flip: Flip) -> ProjectionStack:
    """Read a folder of TIFF files, one TIFF stack or a list of files.

    Parameters and errors as in `read_stack`.
    """
    source, files = _files(path)
    found = [find_frames(file) for file in files]
    frames = [frame for many, _ in found for frame in many]
    if isinstance(path, str | Path) and len(files) > 1:
        _check_folder(Path(path), [many for many, _ in found])
    _check_alike(frames)
    turn = _by_tag(frames) if flip == "auto" else Turn()
    _warn_of_colours(frames)
    stack = ProjectionStack(_images(frames), source=source)
    if len(files) == 1:
        stack = restore(stack, found[0][1], files[0])
    return turn.stack(stack, f"on reading: Orientation tag {frames[0].orientation}")


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Sort key that counts digits as numbers: ``scan2`` before ``scan10``."""
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)]


def _files(path: str | Path | Sequence[str | Path]) -> tuple[str, list[Path]]:
    if not isinstance(path, str | Path):
        files = [Path(each) for each in path]
        if not files:
            raise InputError("The list of files is empty: give at least one TIFF file.")
        for file in files:
            if file.is_dir():
                raise InputError(
                    f"{file} is a folder in a list of files: give one folder alone, "
                    "or files."
                )
        return str(files[0] if len(files) == 1 else files[0].parent), files
    path = Path(path)
    if not path.is_dir():
        return str(path), [path]
    try:
        inside = list(path.iterdir())
    except OSError as error:
        raise InputError(
            f"The folder {path} cannot be read ({error.strerror}): allow reading it."
        ) from error
    files = sorted(
        (
            file
            for file in inside
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        ),
        key=natural_order,
    )
    if not files:
        raise InputError(
            f"The folder {path} holds no TIFF files: give a folder with .tif or "
            ".tiff frames."
        )
    return str(path), files


def _check_folder(folder: Path, found: list[list[TiffFrame]]) -> None:
    for frames in found:
        if len(frames) > 1:
            raise InputError(
                f"{frames[0].path.name} in the folder {folder} is a stack of "
                f"{len(frames)} frames among {len(found) - 1} other TIFF file(s): "
                "name the one stack to read, or keep one frame a file."
            )


def _check_alike(frames: Iterable[TiffFrame]) -> None:
    first, *rest = frames
    for frame in rest:
        if frame.shape != first.shape or frame.dtype != first.dtype:
            raise InputError(
                f"{frame.name} has {frame.shape[0]} × {frame.shape[1]} pixels of "
                f"{frame.dtype}, but {first.name} has {first.shape[0]} × "
                f"{first.shape[1]} of {first.dtype}: give frames of one scan, all of "
                "one size and type."
            )


def _by_tag(frames: Sequence[TiffFrame]) -> Turn:
    """The turn that the frames' Orientation tag asks for."""
    tags = {frame.orientation for frame in frames}
    if len(tags) > 1 or tags & _SIDEWAYS:
        raise InputError(
            f"{frames[0].path} and its frames carry the Orientation tag(s) "
            f"{', '.join(map(str, sorted(tags)))}, which cannot be followed: read "
            'them with flip "no", "rows", "columns" or "both".'
        )
    (tag,) = tags
    return Turn(rows=tag in _BOTTOM_FIRST, columns=tag in _RIGHT_FIRST)


def _warn_of_colours(frames: Sequence[TiffFrame]) -> None:
    coloured = [frame for frame in frames if frame.samples > 1]
    if coloured:
        warnings.warn(
            f"{coloured[0].path} is a colour picture ({len(coloured)} of "
            f"{len(frames)} frames): its luminance is read, and text burnt into it "
            "counts as grey values.",
            stacklevel=4,
        )


def _images(frames: list[TiffFrame]) -> Any:
    first = frames[0]
    step = first.shape[0] * first.shape[1] * first.dtype.itemsize
    if first.start is not None and all(
        frame.path == first.path and frame.start == first.start + i * step
        for i, frame in enumerate(frames)
    ):
        shape = (len(frames), *first.shape)
        return np.memmap(first.path, first.dtype, "r", offset=first.start, shape=shape)
    return lazy_array(frames)
