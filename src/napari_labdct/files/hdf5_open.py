"""HDF5 files, opened to be read; those that the library would never end on, not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01\0\0\0"
_SEARCHED = 16 * 2**20
"""Bytes at either end of a file that are looked through: metadata lie there."""


def h5py_module(why: str) -> Any:
    """The package h5py, which is no must.

    Parameters
    ----------
    why
        What needs it: how the sentence begins.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise InputError(
            f"{why} needs the package h5py: install napari-labdct[files]."
        ) from None
    return h5py


def open_hdf5(path: Path) -> Any:
    """Open a file to read; used as a context manager.

    HDF5 2.0 and earlier run for ever, in C and with Python stopped, where a damaged
    list of texts (a global heap) holds an entry of no length; such a file is
    refused.

    Raises
    ------
    InputError
        If h5py is not installed, or the file is damaged in this way.
    OSError
        If the file is missing or no HDF5 file.
    """
    h5py = h5py_module(f"Opening {path}")
    if any(_is_endless(*heap) for heap in _heaps(path)):
        raise InputError(
            f"{path} is damaged: a list of texts in it has no end; copy the file "
            "again from its source."
        )
    return h5py.File(path, "r")


def _heaps(path: Path) -> Iterator[tuple[bytes, int]]:
    """Every global heap near the file's ends, and the bytes of a length in it."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(_SEARCHED)
        if not head.startswith(_SIGNATURE) or len(head) < 16:
            return  # the library says so better
        length = head[14] if head[8] < 2 else head[10]
        file.seek(max(len(head), size - _SEARCHED))
        for part in (head, file.read(_SEARCHED)):
            at = part.find(_HEAP)
            while at >= 0:
                end = int.from_bytes(part[at + 8 : at + 8 + length], "little")
                yield part[at : at + end], length
                at = part.find(_HEAP, at + 8)


def _is_endless(heap: bytes, length: int) -> bool:
    """Whether an entry is followed by itself, or by one before it.

    An entry is a number (2 bytes; 0 is free room), a count (2), nothing (4) and how
    many bytes follow; those of all but free room fill multiples of 8.
    """
    at = head = 8 + -(-length // 8) * 8
    while at + head <= len(heap):
        number = int.from_bytes(heap[at : at + 2], "little")
        size = int.from_bytes(heap[at + 8 : at + 8 + length], "little")
        step = size if number == 0 else head + -(-size // 8) * 8
        if not 0 < step < 2**63:
            return True
        at += step
    return False
