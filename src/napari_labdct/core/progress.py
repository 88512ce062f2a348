"""What a long job reports while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One step of a long job.

    Attributes
    ----------
    done, total
        Steps finished so far and steps in all.
    what
        What was just finished, for a progress bar's label.
    """

    done: int
    total: int
    what: str = ""
