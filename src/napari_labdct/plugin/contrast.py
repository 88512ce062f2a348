"""Grey ranges that move together, so that layers can be compared by eye."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Image


class ContrastLink:
    """Keeps the grey span of an input, its cleaned and its difference layer equal.

    A step in grey value has the same brightness in input and cleaned frames: the
    cleaned background is zero, so its range is the input's, moved down to zero.
    The difference is symmetric about the level that was taken away, with the span on
    either side.

    Parameters
    ----------
    stack, cleaned, difference
        The three layers; only weak references are kept.
    """

    def __init__(self, stack: Image, cleaned: Image, difference: Image) -> None:
        self._layers = [weakref.ref(layer) for layer in (stack, cleaned, difference)]
        self._busy, self.active = False, True
        low, high = difference.contrast_limits
        self._span, self._centre = (high - low) / 2, (high + low) / 2
        for layer in (stack, cleaned, difference):
            layer.events.contrast_limits.connect(self._follow)

    def close(self) -> None:
        """Let the layers go their own ways."""
        for reference in self._layers:
            layer = reference()
            if layer is not None:
                layer.events.contrast_limits.disconnect(self._follow)

    def _follow(self, event: Any) -> None:
        layers = [layer for reference in self._layers if (layer := reference())]
        if self._busy or not self.active or len(layers) < 3:
            return
        stack, cleaned, difference = layers
        low, high = event.source.contrast_limits
        if event.source is difference:
            # One of the two handles moved; the other one follows it.
            above, below = high - self._centre, self._centre - low
            moved_high = abs(above - self._span) > abs(below - self._span)
            span = above if moved_high else below
        else:
            span = high - low
        if span <= 0:
            return
        self._busy, self._span = True, span
        try:
            for layer in (stack, cleaned):
                if layer is not event.source:
                    start = layer.contrast_limits[0]
                    _set(layer, start, start + span)
            _set(difference, self._centre - span, self._centre + span)
        finally:
            self._busy = False


def _set(layer: Image, low: float, high: float) -> None:
    """Set the limits, widening the slider's range where they need it."""
    start, stop = layer.contrast_limits_range
    if low < start or high > stop:
        layer.contrast_limits_range = (min(start, low), max(stop, high))
    layer.contrast_limits = (low, high)
