"""Axes of a plot: the range of the data and round numbers to label it with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic axis, mapped to 0 … 1.

    Attributes
    ----------
    low, high
        Ends of the axis, in the unit of the data; positive when logarithmic.
    log
        Whether equal factors have equal lengths.
    """

    low: float
    high: float
    log: bool = False

    @classmethod
    def around(
        cls, values: Iterable[NDArray[np.float64]], *, log: bool = False
    ) -> Axis:
        """Axis that holds all finite values (the positive ones, when `log`).

        A logarithmic axis shows four decades at most: what lies below is noise.
        """
        parts = [np.asarray(part, np.float64) for part in values]
        flat = (
            np.concatenate([part.ravel() for part in parts]) if parts else np.empty(0)
        )
        flat = flat[np.isfinite(flat)]
        if log:
            flat = flat[flat > 0]
        if not flat.size:
            return cls(1.0, 10.0, True) if log else cls(0.0, 1.0)
        low, high = float(flat.min()), float(flat.max())
        if log:
            low = max(low, high / 1e4)
            return cls(low / 1.2, high * 1.2, True)
        margin = 0.05 * (high - low) or abs(high) * 0.05 or 0.5
        return cls(low - margin, high + margin)

    def place(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places of values along the axis, 0 at `low` and 1 at `high`."""
        values = np.asarray(values, np.float64)
        if self.log:
            safe = np.maximum(values, self.low * 1e-3)
            part = np.log(safe / self.low) / math.log(self.high / self.low)
        else:
            part = (values - self.low) / (self.high - self.low)
        return np.asarray(part, np.float64)

    def value(self, place: float) -> float:
        """The value at a place, 0 at `low` and 1 at `high`."""
        if self.log:
            return float(self.low * (self.high / self.low) ** place)
        return self.low + place * (self.high - self.low)

    def ticks(self, most: int) -> list[float]:
        """Up to `most` round values inside the axis, for its labels."""
        if self.log:
            first = math.ceil(math.log10(self.low) - 1e-9)
            last = math.floor(math.log10(self.high) + 1e-9)
            decades = [10.0**power for power in range(first, last + 1)]
            finer = [
                digit * 10.0**power
                for power in range(first - 1, last + 1)
                for digit in (1, 2, 5)
                if self.low <= digit * 10.0**power <= self.high
            ]
            if len(decades) >= 2 and len(finer) <= most:
                return finer
            if len(decades) >= 2:
                return decades[:: math.ceil(len(decades) / max(1, most))]
        found: list[float] = []
        # A single label tells no scale: finer steps, until there are two.
        while len(found) < 2:
            step = round_step((self.high - self.low) / max(1, most))
            first = math.ceil(self.low / step - 1e-9)
            last = math.floor(self.high / step + 1e-9)
            found = [number * step for number in range(first, last + 1)]
            most += 1
        return found


def round_step(at_least: float) -> float:
    """The smallest of 1, 2 or 5 times a power of ten that is not below a value."""
    power = 10.0 ** math.floor(math.log10(at_least))
    for digit in (1, 2, 5):
        if digit * power >= at_least * (1 - 1e-9):
            return digit * power
    return 10 * power


def label(value: float) -> str:
    """A tick's number, short: 12000 is 12k, 0.0002 is 2e-4."""
    size = abs(value)
    if size < 1e-12:
        return "0"
    if size >= 1e6 or size < 1e-3:
        text = f"{value:.0e}"
        return text.replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    if size >= 1e4:
        return f"{value / 1000:g}k"
    return f"{value:.6g}"
