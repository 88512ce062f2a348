"""What may be wrong where grains explain no more spots than chance would."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_labdct.analysis.explain import explain
from napari_labdct.core import SpotTable
from napari_labdct.core.turn import TURNS, Turn

if TYPE_CHECKING:
    from napari_labdct.analysis.explain import Explanation

NO_BETTER = 0.1
"""Completeness, chance taken off, up to which something is wrong with the set-up."""


class Advice(NamedTuple):
    """What to do: a sentence, empty for nothing, and a turn that would help."""

    sentence: str = ""
    turn: Turn = Turn()


def advice(made: Explanation, shape: tuple[int, int], tolerance: float = 2.5) -> Advice:
    """What to check where the grains explain hardly any spots.

    The most frequent reason, frames stored upside down or mirrored, is tried.

    Parameters
    ----------
    made
        Found spots and the reflections that they were compared with.
    shape
        Rows and columns of the frames.
    tolerance
        Largest distance between a spot and its reflection [px].

    Returns
    -------
    advice
        An empty sentence where the grains explain spots; a turn of the frames, on
        top of how they were read, where that is what is wrong.
    """
    if made.net_completeness > NO_BETTER or not len(made.spots):
        return Advice()
    area = float(shape[0] * shape[1])
    best, flip = max(
        (
            explain(
                turned(made.spots, Turn.named(name), shape),
                made.reflections,
                tolerance,
                area=area,
            ).net_completeness,
            name,
        )
        for name in TURNS
    )
    if best > max(NO_BETTER, 2 * made.net_completeness):
        return Advice(
            "The grains explain hardly more spots than chance would, but "
            f"{best:.0%} of their reflections are found if the frames are turned: "
            f"{TURNS[flip]}.",
            Turn.named(flip),
        )
    return Advice(
        "The grains explain hardly more spots than chance would: check the centre and "
        "the distances of the detector, the start and sense of the rotation, and "
        "whether the grains belong to this scan."
    )


def turned(spots: SpotTable, turn: Turn, shape: tuple[int, int]) -> SpotTable:
    """Where spots are once the frames are turned."""
    table = spots.frame
    if turn.rows:
        table = table.assign(row_px=shape[0] - 1 - table["row_px"])
    if turn.columns:
        table = table.assign(column_px=shape[1] - 1 - table["column_px"])
    return SpotTable(table)
