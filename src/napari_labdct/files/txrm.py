"""Projections from Zeiss ``.txrm`` and ``.xrm`` files (OLE compound files)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.core import Detector, Geometry, InputError, ProjectionStack
from napari_labdct.core.turn import Turn
from napari_labdct.files.lazy import StoredFrame, lazy_array, reason

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_labdct.core.turn import Flip

SUFFIXES = (".txrm", ".xrm", ".txm")

DATA_TYPES = {3: "u1", 5: "u2", 10: "f4"}
"""What the stream ImageInfo/DataType means."""

_PER_FOLDER = 100


@dataclass(frozen=True)
class TxrmFrame(StoredFrame):
    """One frame in a ``.txrm`` file."""

    def grey_values(self) -> NDArray[Any]:
        """Grey values as stored, shape (rows, columns)."""
        with _opened(self.path) as ole:
            raw = ole.openstream(_stream(self.page)).read()
        values = np.frombuffer(raw, self.dtype.newbyteorder("<"), math.prod(self.shape))
        return values.reshape(self.shape).astype(self.dtype, copy=False)


def read_txrm(path: Path, flip: Flip) -> ProjectionStack:
    """Read a ``.txrm`` file: angles and distances now, grey values when asked for.

    Missing streams are tolerated: without distances or pixel size there is no
    geometry, without angles they are unknown; the number of frames and their type
    are taken from the frames themselves. Rows are stored from the bottom up.
    Angles are given as recorded; the pixel size in the file is that of the
    sample's plane and is brought to the detector by the magnification.

    Parameters and errors as in `read_stack`.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist: check the path.")
    try:
        with _opened(path) as ole:
            info = _Info(ole)
            count, rows, columns, kind = (
                -1 if (said := info.first(name, "<u4")) is None else int(said)
                for name in ("NoOfImages", "ImageHeight", "ImageWidth", "DataType")
            )
            count = _count(ole) if count < 0 else count
            kind = _kind(_size(ole, _stream(0)), rows * columns) if kind < 0 else kind
            angles = info.all("Angles", "<f4")
            exposure = info.all("ExpTimes", "<f4")
            voltage = info.first("Voltage", "<f4") or info.first("XrayVoltage", "<f4")
            geometry = _geometry(info, rows, columns)
            sizes = [_size(ole, _stream(page)) for page in range(min(count, 10**6))]
    except (ImportError, InputError):
        raise
    except Exception as error:  # foreign bytes may break the parser in any way
        raise InputError(
            f"{path} cannot be opened as a .txrm file ({reason(error)}): give a file "
            "written by a Zeiss X-ray microscope, or export its frames as TIFF."
        ) from error
    if kind not in DATA_TYPES or min(count, rows, columns) < 1:
        raise InputError(
            f"{path} does not tell its {count} frames of {rows} × {columns} px and "
            f"type {kind} in a way that is known: export the frames as TIFF."
        )
    dtype = np.dtype(DATA_TYPES[kind])
    needed = rows * columns * dtype.itemsize
    _check_whole(path, sizes, needed)
    frames = [TxrmFrame(path, page, (rows, columns), dtype) for page in range(count)]
    stack = ProjectionStack(
        lazy_array(frames),
        angles[:count].astype(np.float64) if angles.size >= count else None,
        geometry,
        "measured",
        str(path),
        exposure_s=_exposures(exposure, count),
        voltage_kv=float(voltage) if voltage and 0 < voltage < 1e4 else None,
    )
    turn = Turn(rows=flip == "auto")
    return turn.stack(stack, "on reading: .txrm files start at the bottom")


def _exposures(found: NDArray[Any], count: int) -> NDArray[np.float64] | None:
    """One exposure time a frame; none where any makes no sense."""
    times = found[:count].astype(np.float64)
    sound = len(times) == count and bool((np.isfinite(times) & (times > 0)).all())
    return times if sound else None


def _opened(path: Path) -> Any:
    try:
        import olefile
    except ImportError:
        raise InputError(
            f"Reading {path} needs the package olefile: install napari-labdct[files]."
        ) from None
    return olefile.OleFileIO(str(path))


def _stream(page: int) -> str:
    """Name of a frame's stream; folders hold a hundred frames each."""
    return f"ImageData{page // _PER_FOLDER + 1}/Image{page + 1}"


def _size(ole: Any, name: str) -> int:
    return int(ole.get_size(name)) if ole.exists(name) else 0


def _count(ole: Any) -> int:
    """How many frames there are, where the file does not say so."""
    return sum(name[0].lower().startswith("imagedata") for name in ole.listdir())


def _kind(size: int, pixels: int) -> int:
    """The type that frames of this size can have, 0 for none."""
    bytes_a_pixel, rest = divmod(size, max(pixels, 1))
    widths = {np.dtype(kind).itemsize: number for number, kind in DATA_TYPES.items()}
    return 0 if rest else widths.get(bytes_a_pixel, 0)


def _check_whole(path: Path, sizes: list[int], needed: int) -> None:
    short = [page for page, size in enumerate(sizes) if size < needed]
    if short or len(sizes) * needed > path.stat().st_size:
        page = short[0] if short else len(sizes) - 1
        raise InputError(
            f"{path} is truncated: frame {page + 1} of {len(sizes)} is not whole; "
            "copy the file again from its source."
        )


@dataclass(frozen=True)
class _Info:
    """Streams under ImageInfo, any of which may be missing."""

    ole: Any

    def all(self, name: str, kind: str) -> NDArray[Any]:
        stream = f"ImageInfo/{name}"
        raw = self.ole.openstream(stream).read() if self.ole.exists(stream) else b""
        return np.frombuffer(raw[: len(raw) // 4 * 4], kind)

    def first(self, name: str, kind: str) -> float | None:
        values = self.all(name, kind)
        return float(values[0]) if values.size else None


def _geometry(info: _Info, rows: int, columns: int) -> Geometry | None:
    source, detector, voxel = (
        abs(info.first(name, "<f4") or 0.0)
        for name in ("StoRADistance", "DtoRADistance", "PixelSize")
    )
    if not (0 < source <= 1e4 and 0 < detector <= 1e4 and voxel > 0):
        return None
    pixel = voxel * (source + detector) / source
    try:
        return Geometry(
            source_to_sample=source,
            sample_to_detector=detector,
            detector=Detector(rows=rows, columns=columns, pixel_size=pixel),
        )
    except ValueError:  # numbers no set-up can have: better no geometry than a wrong
        return None
