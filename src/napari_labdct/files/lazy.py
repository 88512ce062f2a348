"""Frames on disk that look like an array and are read when they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredFrame(ABC):
    """One frame in a file; each kind of file knows how to read its own.

    Attributes
    ----------
    path
        The file.
    page
        0-based number of the frame in the file.
    shape
        Rows and columns as stored, before any flip [px].
    dtype
        Type of the grey values, in this machine's byte order.
    """

    path: Path
    page: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def name(self) -> str:
        """File and page, for people to read."""
        return f"{self.path} (page {self.page + 1})" if self.page else str(self.path)

    def read(self) -> NDArray[Any]:
        """Grey values as stored, shape (rows, columns).

        Raises
        ------
        InputError
            If the file is gone, has changed, cannot be decoded or holds NaN.
        """
        try:
            image = self.grey_values()
        except Exception as error:  # foreign bytes may break a decoder in any way
            raise InputError(
                f"{self.name} could not be read ({reason(error)}): check that the "
                "file is whole and still in its place."
            ) from error
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise InputError(
                f"{self.name} holds NaN or infinite grey values: replace them "
                "before cleaning."
            )
        return image

    @abstractmethod
    def grey_values(self) -> NDArray[Any]:
        """Grey values without any check."""


@dataclass(frozen=True)
class LazyFrames:
    """Frames that look like an array and are read one at a time.

    Attributes
    ----------
    frames
        Where the frames lie; all of one shape and type.
    """

    frames: tuple[StoredFrame, ...]
    ndim = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows, columns."""
        return len(self.frames), *self.frames[0].shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the grey values."""
        return self.frames[0].dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        chosen = np.arange(len(self.frames))[first]
        if chosen.ndim == 0:
            one: NDArray[Any] = self.frames[int(chosen)].read()[tuple(rest)]
            return one
        many: NDArray[Any] = np.stack([self.frames[i].read() for i in chosen])
        return many[(slice(None), *rest)]


def lazy_array(frames: Sequence[StoredFrame]) -> Any:
    """Frames as a dask array of shape (frames, rows, columns), one chunk a frame."""
    import dask.array  # late: it takes half a second, and one plain stack needs none

    from_array: Any = dask.array.from_array
    lazy = LazyFrames(tuple(frames))
    meta = np.empty((0, 0, 0), lazy.dtype)
    return from_array(lazy, (1, *lazy.shape[1:]), name=False, meta=meta)


_ROOM = 64 * 2**20
_BEST_RATIO = 1100


def check_claim(name: str, claimed: int, stored: int, *, at_once: bool = True) -> None:
    """Check that bytes claimed can come out of the bytes stored.

    No frame is packed into less than a thousandth (deflate ends at 1:1032); what
    claims more is damaged, and memory is not taken for it.

    Parameters
    ----------
    name
        What makes the claim.
    claimed, stored
        Bytes after and before decompression.
    at_once
        Whether they are taken into memory at once: then small claims, which do
        no harm, pass.

    Raises
    ------
    InputError
        If they cannot.
    """
    room = _ROOM if at_once else 16 * _ROOM
    if claimed > max(room, _BEST_RATIO * stored):
        raise InputError(
            f"{name} claims {claimed / 1e9:.3g} GB of grey values in {stored} bytes: "
            "the file is damaged; copy it again from its source."
        )


def reason(error: Exception) -> str:
    """What an error says, in a line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]
