"""Rotation angles in text and CSV files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.core import InputError
from napari_labdct.files.lazy import reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = ("omega", "angle", "angles", "theta", "rotation", "phi")
"""Column headings that mean the rotation angle, the likeliest first."""

_MOST = 10_000_000  # bytes: a hundred thousand angles with much beside them


def read_angles(path: str | Path) -> NDArray[np.float64]:
    """Read the rotation angle of each projection, in the order of the projections.

    Parameters
    ----------
    path
        A text file with a row a projection. Columns are parted by commas,
        semicolons, tabs or spaces; lines that start with ``#`` are left out. With
        a line of headings, the column called as in `NAMES` (units and letter case
        do not matter) is taken; without, the only column, or the last of several.

    Returns
    -------
    omega_deg
        Angles, shape (P,) [deg].

    Raises
    ------
    InputError
        If the file cannot be read, or a row holds no angle.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST:
            raise InputError(
                f"{path} is too large for a list of angles: give a text file with one "
                "angle a line."
            )
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read as a list of angles ({reason(error)}): give a "
            "text or CSV file."
        ) from error
    between = r"[,;\t]" if re.search(r"[,;\t]", text) else r"\s+"
    lines = [
        (number, [word.strip() for word in re.split(between, line.strip(" ,;"))])
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    column = -1
    if lines and _number(lines[0][1][-1]) is None and len(lines) > 1:
        column = _column(lines.pop(0)[1])
    angles = []
    for number, words in lines:
        word = words[column] if -len(words) <= column < len(words) else ""
        angle = _number(word)
        if angle is None or not np.isfinite(angle):
            raise InputError(
                f"{path}, line {number}: {word[:40]!r} is no angle: give one angle a "
                "line [deg]."
            )
        angles.append(angle)
    if not angles:
        raise InputError(f"{path} holds no angles: give one angle a line [deg].")
    return np.array(angles)


def _column(headings: list[str]) -> int:
    plain = [re.sub(r"[^a-z_]", "", word.lower()) for word in headings]
    plain = [re.sub(r"_?(deg|degrees)$", "", word) for word in plain]
    for name in NAMES:
        if name in plain:
            return plain.index(name)
    return -1


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
