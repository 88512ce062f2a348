"""Dark and flat fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Fields:
    """What the detector shows without a beam, and how sensitive its pixels are.

    Attributes
    ----------
    dark
        Grey values without a beam, shape (rows, columns).
    gain
        Sensitivity of each pixel over that of a typical one, shape (rows, columns);
        1 where it is unknown.
    blind
        Pixels that the flat field does not reach, shape (rows, columns): there the
        gain is unknown.
    """

    dark: NDArray[np.float32]
    gain: NDArray[np.float32]
    blind: NDArray[np.bool_]

    @classmethod
    def measure(
        cls, dark: NDArray[np.float32] | None, flat: NDArray[np.float32] | None
    ) -> Fields:
        """Fields out of frames.

        Parameters
        ----------
        dark
            Mean of frames without a beam, shape (rows, columns); None for 0.
        flat
            Mean of frames with an open beam and no sample, same shape and the same
            exposure; None for pixels that are all alike.

        Raises
        ------
        InputError
            If shapes differ, or the flat field is no brighter than the dark one.
        """
        given = flat if dark is None else dark
        if given is None:
            raise ValueError("give a dark or a flat field")
        zero = np.zeros(given.shape, np.float32)
        dark = zero if dark is None else dark
        if flat is None:
            return cls(dark, zero + 1, zero > 0)
        if flat.shape != dark.shape:
            raise InputError(
                f"The flat field has {flat.shape[0]} × {flat.shape[1]} pixels, the "
                f"dark one {dark.shape[0]} × {dark.shape[1]}: give fields of one "
                "detector."
            )
        light = flat - dark
        typical = float(np.median(light))
        if typical <= 0:
            raise InputError(
                "The flat field is no brighter than the dark one: check that they are "
                "not mixed up."
            )
        # A hundredth of the light tells next to nothing of a pixel's gain.
        blind = light < 0.01 * typical
        gain = np.where(blind, 1, light / typical).astype(np.float32)
        return cls(dark.astype(np.float32), gain, blind)

    def correct(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """(frame − dark) / gain, shape (rows, columns): typical pixels keep their
        scale."""
        return (frame - self.dark) / self.gain
