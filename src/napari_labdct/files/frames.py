"""Where each frame lies in a TIFF file, found without reading a grey value."""

from __future__ import annotations

import math
import re
import struct
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import tifffile

from napari_labdct.core import InputError
from napari_labdct.files.lazy import StoredFrame, reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue (Rec. ITU-R BT.601); their sum is 1."""

_PLAIN_BITS = {8, 16, 32, 64}
_WHITE_IS_ZERO = 0
_NATIVE = "<" if sys.byteorder == "little" else ">"


@dataclass(frozen=True)
class TiffFrame(StoredFrame):
    """One frame in a TIFF file.

    Attributes
    ----------
    directory
        Byte where the page's directory starts.
    orientation
        The Orientation tag; 1 (row 0 at the top) when the tag is missing.
    samples
        Samples of a pixel: 1 for grey values, 3 or more for colours.
    start
        Byte where the grey values start, when they are stored in one plain piece
        in this machine's byte order; None when they must be decoded.
    inverted
        Whether 0 means white.
    """

    directory: int = 0
    orientation: int = 1
    samples: int = 1
    start: int | None = None
    inverted: bool = False

    def grey_values(self) -> NDArray[Any]:
        """Grey values, colours as luminance, shape (rows, columns)."""
        return self._decoded() if self.start is None else self._plain()

    def _plain(self) -> NDArray[Any]:
        count = math.prod(self.shape)
        values = np.fromfile(self.path, self.dtype, count, offset=self.start or 0)
        return values.reshape(self.shape)

    def _decoded(self) -> NDArray[Any]:
        with tifffile.TiffFile(self.path) as tif:
            page = _page_at(tif, self.page, self.directory)
            image = page.asarray(maxworkers=1)
            separate = page.samplesperpixel > 1 and page.planarconfig == 2
        if self.samples > 1:
            planes = np.moveaxis(image, 0, -1) if separate else image
            image = luminance(planes)
        if self.inverted:
            image = np.iinfo(self.dtype).max - image
        grey: NDArray[Any] = image.reshape(self.shape).astype(self.dtype, copy=False)
        return grey


def luminance(planes: NDArray[Any]) -> NDArray[Any]:
    """Grey values of a colour picture, rounded to its own type.

    Parameters
    ----------
    planes
        Red, green, blue (and more, left out) in the last axis; with fewer than
        three samples the first one is taken.
    """
    if planes.shape[-1] < 3:
        first: NDArray[Any] = planes[..., 0]
        return first
    grey = planes[..., :3] @ LUMINANCE
    rounded: NDArray[Any] = np.rint(grey) if planes.dtype.kind in "ui" else grey
    return rounded.astype(planes.dtype)


def find_frames(path: Path) -> tuple[list[TiffFrame], str]:
    """Find every frame of one TIFF file and check that its data are there.

    Parameters
    ----------
    path
        A TIFF file: classic or BigTIFF, of any maker.

    Returns
    -------
    frames
        One for each page, in the file's order; thumbnails and other reduced
        pictures are left out.
    description
        The first page's ImageDescription.

    Raises
    ------
    InputError
        If the file is missing, no TIFF, truncated, or holds no grey frames.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path.")
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            directories = list(_directories(handle, size, path))
            handle.seek(0)
            tif = tifffile.TiffFile(handle)
            pages = [_page_at(tif, i, at) for i, at in enumerate(directories)]
        frames = [
            _frame(path, i, directories[i], page, tif.byteorder, size)
            for i, page in enumerate(pages)
            if not page.is_reduced
        ]
        description = str(pages[0].description) if pages else ""
    except InputError:
        raise
    except Exception as error:  # foreign bytes may break the parser in any way
        raise InputError(
            f"{path} cannot be opened as TIFF ({reason(error)}): give a TIFF file "
            "with grey frames that you may read."
        ) from error
    if not frames:
        raise InputError(f"{path} holds no frames: give a TIFF file with frames.")
    return _imagej_series(frames, description, size), description


def _directories(handle: BinaryIO, size: int, path: Path) -> Iterator[int]:
    """Start of every page's directory: the chain is followed to its very end.

    A library that stops where the chain leaves the file would pass half a stack
    on as a whole one.
    """
    head = handle.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    version = struct.unpack(order + "H", head[2:4])[0] if order and head[3:] else 0
    if version not in (42, 43):
        raise InputError(f"{path} is not a TIFF file: give TIFF files with frames.")
    big = version == 43
    count, entry, pointer = ("Q", 20, "Q") if big else ("H", 12, "I")

    def number(at: int, code: str) -> int:
        handle.seek(at)
        raw = handle.read(struct.calcsize(code))
        if at < 0 or len(raw) < struct.calcsize(code):
            raise InputError(
                f"{path} is truncated: its page {len(seen) or 1} lies beyond the "
                f"file's {size} bytes; copy the file again from its source."
            )
        return int(struct.unpack(order + code, raw)[0])

    seen: set[int] = set()
    at = number(8 if big else 4, pointer)
    while at:
        if at in seen:
            raise InputError(
                f"{path} is damaged: its list of pages runs in a circle; copy the "
                "file again from its source."
            )
        seen.add(at)
        entries = number(at, count)
        following = number(at + struct.calcsize(count) + entries * entry, pointer)
        yield at
        at = following


def _page_at(tif: Any, index: int, directory: int) -> Any:
    if index == 0 and tif.pages.first.offset == directory:
        return tif.pages.first  # read when the file was opened
    tif.filehandle.seek(directory)
    return tifffile.TiffPage(tif, index=index)


def _frame(
    path: Path, number: int, directory: int, page: Any, order: str, size: int
) -> TiffFrame:
    name = f"{path} (page {number + 1})" if number else str(path)
    shape = int(page.imagelength), int(page.imagewidth)
    if page.dtype is None or page.dtype.kind not in "uif":
        kind = "an unknown type" if page.dtype is None else f"type {page.dtype}"
        raise InputError(
            f"{name} holds values of {kind}: convert it to 8, 16 or 32 bit grey values."
        )
    if 0 in shape or page.imagedepth != 1:
        raise InputError(f"{name} is not a 2-D frame: give one frame a page.")
    _check_data(page, name, size)
    plain = (
        page.compression == 1
        and page.samplesperpixel == 1
        and page.photometric != _WHITE_IS_ZERO
        and order == _NATIVE
        and page.is_contiguous
        and page.dtype.itemsize * 8 == page.bitspersample
    )
    orientation = page.tags.valueof(274)
    return TiffFrame(
        path=path,
        page=number,
        directory=directory,
        shape=shape,
        dtype=np.dtype(page.dtype).newbyteorder("="),
        orientation=int(orientation) if orientation else 1,
        samples=int(page.samplesperpixel),
        start=int(page.dataoffsets[0]) if plain else None,
        inverted=page.photometric == _WHITE_IS_ZERO and page.dtype.kind == "u",
    )


def _check_data(page: Any, name: str, size: int) -> None:
    """Check that the file holds all bytes the page speaks of."""
    if page.compression not in tifffile.TIFF.DECOMPRESSORS:
        method = getattr(page.compression, "name", page.compression)
        raise InputError(
            f"{name} is compressed with {method}, which needs the package "
            "imagecodecs: install napari-labdct[files]."
        )
    starts, counts = page.dataoffsets, page.databytecounts
    whole = len(starts) == len(counts) >= math.prod(page.chunked) and all(
        start > 0 and count > 0 and start + count <= size
        for start, count in zip(starts, counts, strict=True)
    )
    if page.compression == 1 and page.bitspersample in _PLAIN_BITS:
        whole = whole and sum(counts) >= page.nbytes
    if not whole:
        raise InputError(
            f"{name} is truncated: part of its grey values lies beyond the file's "
            f"{size} bytes; copy the file again from its source."
        )


def _imagej_series(
    frames: list[TiffFrame], description: str, size: int
) -> list[TiffFrame]:
    """ImageJ writes one directory for many frames when they exceed 4 GB."""
    found = re.search(r"^ImageJ=.*?^images=(\d+)", description, re.M | re.S)
    count = int(found.group(1)) if found else 1
    first = frames[0]
    if count <= len(frames) or len(frames) > 1 or first.start is None:
        return frames
    step = math.prod(first.shape) * first.dtype.itemsize
    if first.start + count * step > size:
        raise InputError(
            f"{first.path} is truncated: its {count} frames need more than the "
            f"file's {size} bytes; copy the file again from its source."
        )
    starts = range(first.start, first.start + count * step, step)
    return [replace(first, page=i, start=start) for i, start in enumerate(starts)]
