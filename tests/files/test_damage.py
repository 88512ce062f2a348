"""Files with bytes changed at random: read, or refused with one sentence."""

import io

import numpy as np
import pytest
import tifffile

from napari_labdct.core import InputError
from napari_labdct.files import read_stack
from tests.files.ole import write_ole
from tests.files.test_txrm import FRAMES, streams

STACK = np.random.default_rng(0).integers(0, 60000, (3, 20, 31), np.uint16)
KINDS = {
    "plain": {},
    "zlib": {"compression": "zlib"},
    "big tiles": {"bigtiff": True, "tile": (16, 16)},
    "ImageJ": {"imagej": True},
    "OME": {"ome": True, "byteorder": ">"},
    "strips": {"photometric": "miniswhite", "rowsperstrip": 4},
}


def whole(kind, folder) -> bytes:
    if kind == "txrm":
        return write_ole(folder / "whole.txrm", streams(FRAMES[:2])).read_bytes()
    file = io.BytesIO()
    tifffile.imwrite(file, STACK, **({"photometric": "minisblack"} | KINDS[kind]))
    return file.getvalue()


def damage(raw: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, mostly where headers and tags are."""
    changed = bytearray(raw)
    edge = min(len(raw), 700)
    for _ in range(rng.integers(1, 6)):
        place = rng.integers(3)
        at = rng.integers(len(raw) if place == 0 else edge)
        value = rng.choice([0, 1, 2, 127, 128, 254, 255, rng.integers(256)])
        changed[-1 - at if place == 2 else at] = value
    return bytes(changed)


def try_all(kind, folder, count):
    rng = np.random.default_rng(1)
    raw = whole(kind, folder)
    path = folder / ("a.txrm" if kind == "txrm" else "a.tif")
    errors = []
    for _ in range(count):
        path.write_bytes(damage(raw, rng))
        try:
            found = read_stack(path)
            # What is claimed must be there before memory is taken for it.
            assert np.prod(found.shape) <= 40 * len(raw)
            for index in range(len(found)):
                found.frame(index)
        except InputError as error:
            errors.append(str(error))
    assert 0 < len(errors) < count
    assert all(path.name in error for error in errors)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", [*KINDS, "txrm"])
def test_damaged_files_are_read_or_refused(kind, tmp_path):
    try_all(kind, tmp_path, 40)
