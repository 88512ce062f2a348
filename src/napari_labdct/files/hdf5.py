"""Projection stacks in HDF5 files: NeXus, Data Exchange, or any 3-D dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.core import InputError, ProjectionStack
from napari_labdct.files.description import MARK, describe, restore
from napari_labdct.files.hdf5_open import open_hdf5
from napari_labdct.files.lazy import StoredFrame, check_claim, lazy_array, reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES = (".h5", ".hdf5", ".nxs", ".hdf")

ENTRY, DATA, IMAGES, ANGLES = "entry", "entry/data", "images", "rotation_angle"
"""Where the package puts the frames and their angles, after NeXus."""

_USUAL = (
    "entry/data/data",
    "entry1/tomo_entry/data/data",
    "entry/instrument/detector/data",
    "exchange/data",
)
_USUAL_ANGLES = (
    "entry/sample/rotation_angle",
    "entry1/tomo_entry/sample/rotation_angle",
    "exchange/theta",
)


@dataclass(frozen=True)
class HdfFrame(StoredFrame):
    """One frame of a dataset in an HDF5 file."""

    dataset: str = ""

    def grey_values(self) -> NDArray[Any]:
        """Grey values as stored, shape (rows, columns)."""
        with open_hdf5(self.path) as file:
            found = file[self.dataset]
            values = found[self.page] if found.ndim == 3 else found[()]
        grey: NDArray[Any] = np.asarray(values).astype(self.dtype, copy=False)
        if grey.shape != self.shape:
            raise ValueError(f"the frame now has the shape {grey.shape}")
        return grey


def read_hdf5(path: Path, dataset: str | None = None) -> ProjectionStack:
    """Read a dataset of frames; grey values are read when asked for.

    Without the name of a dataset, the one that the file marks as its default
    (NeXus), one in a usual place, or the only 3-D dataset is taken. Frames that
    `image_key` calls flat or dark fields are left out.

    Parameters and errors as in `read_stack`.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist: check the path.")
    try:
        with open_hdf5(path) as file:
            name = dataset or _find_dataset(file, path)
            return _stack(file, path, name)
    except (ImportError, InputError):
        raise
    except Exception as error:  # foreign bytes may break the parser in any way
        raise InputError(
            f"{path} cannot be opened as HDF5 ({reason(error)}): give a whole HDF5 "
            "file with a stack of frames."
        ) from error


def _stack(file: Any, path: Path, name: str) -> ProjectionStack:
    import h5py

    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise InputError(
            f"{path} holds no dataset {name!r}: choose one of "
            f"{', '.join(_candidates(file)) or 'another file'}."
        )
    if found.ndim not in (2, 3) or found.dtype.kind not in "uif" or 0 in found.shape:
        raise InputError(
            f"The dataset {name!r} in {path} has shape {found.shape} and type "
            f"{found.dtype}: choose a stack of 2-D grey frames."
        )
    shape = found.shape if found.ndim == 3 else (1, *found.shape)
    dtype = found.dtype.newbyteorder("=")
    start = _check_whole(found, path, name)
    keep = _projections(file, found, shape[0])
    history: tuple[str, ...] = ()
    if start is not None and keep is None and found.dtype == dtype:
        images: Any = np.memmap(path, dtype, "r", offset=start, shape=shape)
    else:
        pages = range(shape[0]) if keep is None else keep.tolist()
        images = lazy_array(
            [HdfFrame(path, page, shape[1:], dtype, name) for page in pages]
        )
    if keep is not None:
        left = shape[0] - len(keep)
        history = (f"{left} frames that image_key calls no projection left out.",)
    angles = _angles(file, found, name, shape[0])
    if angles is not None and keep is not None:
        angles = angles[keep]
    stack = ProjectionStack(images, angles, None, "measured", str(path), history)
    own = found.parent.get(MARK)
    if isinstance(own, h5py.Dataset) and own.shape == ():
        text = own[()]
        described = text.decode() if isinstance(text, bytes) else str(text)
        stack = restore(stack, described, path)
        if angles is not None:  # the file's own table has the last word
            stack = replace(stack, omega_deg=angles)
    return stack


def _check_whole(found: Any, path: Path, name: str) -> int | None:
    """Check that all grey values are there; their first byte when in one piece."""
    import h5py

    size, claimed = path.stat().st_size, int(math.prod(found.shape))
    claimed *= found.dtype.itemsize
    settings = found.id.get_create_plist()
    if found.is_virtual or settings.get_external_count():
        return None
    whole = True
    start: int | None = None
    if found.chunks:
        grid = zip(found.shape, found.chunks, strict=True)
        wanted = math.prod(-(-side // step) for side, step in grid)
        stored = int(found.id.get_storage_size())
        whole = found.id.get_num_chunks() == wanted and stored <= size
        if whole:
            piece = math.prod(found.chunks) * found.dtype.itemsize
            check_claim(f"{name} in {path}", max(piece, claimed // wanted), stored)
            check_claim(f"{name} in {path}", claimed, stored, at_once=False)
    elif settings.get_layout() == h5py.h5d.CONTIGUOUS:
        start = found.id.get_offset()
        whole = start is not None and start + claimed <= size
    else:  # compact: inside the header
        whole = claimed <= size
    if not whole:
        raise InputError(
            f"{path} is truncated: the dataset {name!r} does not hold all of its "
            f"{found.shape[0]} frames; copy the file again from its source."
        )
    return start


def _find_dataset(file: Any, path: Path) -> str:
    import h5py

    group, name = file, ""
    for _ in range(8):  # root, entry, data; more would be a circle
        if "signal" in group.attrs:
            name = f"{group.name}/{_text(group.attrs['signal'])}"
            break
        step = _text(group.attrs.get("default", ""))
        group = group.get(step) if step else None
        if not isinstance(group, h5py.Group):
            break
    for usual in (name, *_USUAL):
        if usual and isinstance(file.get(usual), h5py.Dataset):
            return usual
    if "LabDCT/Data" in file or "DataContainers" in file:
        raise InputError(
            f"{path} is a grain map: labdct simulate takes it as a sample; give an "
            "image stack."
        )
    found = list(_candidates(file))
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(f"{path} holds no stack of frames: give an image stack.")
    raise InputError(
        f"{path} holds several stacks ({', '.join(found[:8])}): name the dataset to "
        "read."
    )


def _candidates(file: Any) -> Iterator[str]:
    """Names of all datasets that could be stacks."""
    import h5py

    names: list[str] = []

    def look(name: str, item: Any) -> None:
        stack = isinstance(item, h5py.Dataset) and item.ndim == 3
        if stack and item.dtype.kind in "uif":
            names.append(name)

    file.visititems(look)
    return iter(names)


def _projections(file: Any, found: Any, count: int) -> NDArray[np.int64] | None:
    """Frames that are projections, where an image_key tells them from others."""
    import h5py

    places = ("image_key", "../instrument/detector/image_key")
    for place in places:
        key = found.parent.get(place)
        if isinstance(key, h5py.Dataset) and key.shape == (count,):
            keep = np.flatnonzero(np.asarray(key[()]) == 0)
            return keep if 0 < len(keep) < count else None
    return None


def _angles(file: Any, found: Any, name: str, count: int) -> NDArray[np.float64] | None:
    import h5py

    beside = [found.parent.get(each) for each in (ANGLES, "theta", "omega")]
    for angles in (*beside, *(file.get(each) for each in _USUAL_ANGLES)):
        if not isinstance(angles, h5py.Dataset) or angles.shape != (count,):
            continue
        if angles.dtype.kind in "uif":
            values = np.asarray(angles[()], np.float64)
            radians = _text(angles.attrs.get("units", "")).startswith("rad")
            return np.rad2deg(values) if radians else values
    return None


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.flat[0] if value.size else ""
    return value.decode() if isinstance(value, bytes) else str(value)


def lay_out_hdf5(
    path: Path, stack: ProjectionStack, dtype: np.dtype[Any], *, compress: bool = False
) -> int:
    """Write all of a NeXus file but its grey values.

    Parameters
    ----------
    path
        The file to write.
    stack
        Shape, angles, geometry and history.
    dtype
        Type of the grey values.
    compress
        Whether frames will be compressed; there is no first byte then (0).

    Returns
    -------
    start
        Byte of the first grey value.
    """
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["default"] = ENTRY
        entry = _group(file, ENTRY, "NXentry")
        entry.attrs["default"] = "data"
        data = _group(file, DATA, "NXdata")
        data.attrs["signal"] = IMAGES
        data.attrs["axes"] = [ANGLES, ".", "."]
        data[MARK] = describe(stack)
        data[ANGLES] = stack.omega
        data[ANGLES].attrs["units"] = "deg"
        _write_geometry(file, stack)
        if compress:
            data.create_dataset(
                IMAGES,
                stack.shape,
                dtype,
                chunks=(1, *stack.shape[1:]),
                compression="gzip",
                compression_opts=4,
                shuffle=True,
            )
            return 0
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        settings.set_obj_track_times(False)  # or no two files were the same
        settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple(stack.shape)
        kind = h5py.h5t.py_create(dtype)
        made = h5py.h5d.create(data.id, IMAGES.encode(), kind, space, settings)
        return int(made.get_offset())


def _group(file: Any, name: str, kind: str) -> Any:
    group = file.require_group(name)
    group.attrs["NX_class"] = kind
    return group


def _write_geometry(file: Any, stack: ProjectionStack) -> None:
    """Distances and pixel size where NeXus programs look for them."""
    geometry = stack.geometry
    if geometry is None:
        return
    _group(file, f"{ENTRY}/instrument", "NXinstrument")
    source = _group(file, f"{ENTRY}/instrument/source", "NXsource")
    detector = _group(file, f"{ENTRY}/instrument/detector", "NXdetector")
    size = geometry.detector.pixel_size
    for group, name, value, unit in (
        (source, "distance", -geometry.source_to_sample, "mm"),
        (detector, "distance", geometry.sample_to_detector, "mm"),
        (detector, "x_pixel_size", size, "um"),
        (detector, "y_pixel_size", size, "um"),
    ):
        group[name] = value
        group[name].attrs["units"] = unit
