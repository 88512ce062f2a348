"""What is known of a scan's spots, to score finders against."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from napari_labdct.calibration import statistics_of
from napari_labdct.core import InputError, SpotTable
from napari_labdct.files import read_spots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack

INDEXED = {
    "frame": "projection",
    "y": "row_px",
    "x": "column_px",
    "flux_exp": "intensity",
    "snr_exp": "snr",
}
"""Arrays of an indexed scan's `.npz` file, and the columns they become."""

SURE, UNSURE = (1, 0.3), (2, 2.0)
"""Tier of a grain's reflections, and the least expected SNR of those that count."""

NOISE_AREA = 0.87
"""Pixels that a spot shares its noise with, over its area at a tenth of the peak:
4π σ² over 2 ln(10) π σ² for a Gaussian."""


def read_truth(path: str | Path) -> tuple[SpotTable, SpotTable | None]:
    """True spots, and spots of grains that may not exist.

    Parameters
    ----------
    path
        A spot table (CSV, HDF5), such as a simulation writes, or a `.npz` file
        with the predicted reflections of an indexed scan: `frame` (from 0), `y`
        (row), `x` (column), `snr_exp`, `flux_exp`, and `tier` (1 for confident
        grains, 2 for tentative ones). A column `tier` of a spot table counts too.

    Raises
    ------
    InputError
        If the file is neither.
    """
    path = Path(path)
    indexed = path.suffix.lower() == ".npz"
    table = _indexed(path) if indexed else read_spots(path).frame
    if "tier" not in table:
        return SpotTable(table), None
    tier, snr = table["tier"], table["snr"]
    sure, unsure = (table[(tier == t) & (snr >= s)] for t, s in (SURE, UNSURE))
    return SpotTable(sure), SpotTable(unsure) if len(unsure) else None


def _indexed(path: Path) -> pd.DataFrame:
    try:
        with np.load(path) as held:
            columns = {
                new: held[old] for old, new in (INDEXED | {"tier": "tier"}).items()
            }
    except (OSError, ValueError, KeyError) as error:
        why = str(getattr(error, "strerror", None) or error).splitlines()[0]
        raise InputError(
            f"{path} cannot be read as reflections of an indexed scan ({why}): give "
            f"a .npz file with {', '.join(INDEXED)} and tier."
        ) from error
    return pd.DataFrame(columns).assign(omega_deg=np.nan, area_px=np.nan, peak=np.nan)


def with_expected_snr(truth: SpotTable, stack: ProjectionStack) -> SpotTable:
    """True spots with the SNR that a matched filter would see in a scan's noise.

    A simulation counts photons; how significant they are depends on the background
    that a detector adds. The SNR is the intensity over the noise of the pixels
    that the spot covers, and 0 for a spot whose middle lies under a stronger one:
    nobody could tell it apart.

    Parameters
    ----------
    truth
        Spots with `intensity` [grey values] and `area_px`.
    stack
        The scan they are in.
    """
    frame = truth.frame
    snr = np.zeros(len(frame))
    statistics = statistics_of(stack)
    for index in np.unique(frame["projection"]):
        if not 0 <= index < len(stack):
            continue
        at = np.flatnonzero(frame["projection"] == index)
        here = frame.iloc[at]
        rows, columns = stack.shape[1:]
        row = here["row_px"].round().clip(0, rows - 1).astype(int)
        column = here["column_px"].round().clip(0, columns - 1).astype(int)
        sigma = statistics.of(int(index)).sigma[row, column]
        area = np.maximum(here["area_px"].to_numpy(), 1)
        strength = here["intensity"].to_numpy() / np.sqrt(NOISE_AREA * area)
        snr[at] = np.where(_buried(here, strength), 0, strength / sigma)
    return SpotTable(frame.assign(snr=snr))


def _buried(here: pd.DataFrame, strength: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Spots whose middle lies in the half of a stronger one that is nearest to it."""
    places = here[["row_px", "column_px"]].to_numpy()
    radius = np.sqrt(np.maximum(here["area_px"].to_numpy(), 1) / np.pi) / 2
    tree = cKDTree(places)
    buried = np.zeros(len(here), bool)
    for one, near in enumerate(tree.query_ball_point(places, radius)):
        buried[[other for other in near if strength[other] < strength[one]]] = True
    return buried


def usable(
    shape: tuple[int, int],
    border: int | Sequence[int],
    box: Sequence[int] | None = None,
) -> NDArray[np.bool_]:
    """Pixels that count, shape (rows, columns).

    All but a border (above, below, left and right where it is not even) and a box:
    first row, row after the last, first column, column after the last.
    """
    above, below, left, right = np.broadcast_to(border, 4).tolist()
    use = np.zeros(shape, bool)
    use[above : shape[0] - below, left : shape[1] - right] = True
    if box is not None:
        use[box[0] : box[1], box[2] : box[3]] = False
    return use
