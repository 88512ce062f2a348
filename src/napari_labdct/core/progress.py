"""What a long job reports while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

Value = TypeVar("Value")


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


def counted(
    steps: Generator[Any, None, Value], total: int, what: str = "", done: int = 0
) -> Generator[Progress, None, Value]:
    """The steps of a generator as progress, and its value.

    Parameters
    ----------
    steps
        Whatever it yields is one step.
    total, what
        As in `Progress`.
    done
        Steps done before.
    """
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: Value = end.value
            return value
        done += 1
        yield Progress(done, total, what)


def drained(steps: Generator[Any, None, Value]) -> Value:
    """The value of a generator whose steps nobody watches."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: Value = end.value
            return value
