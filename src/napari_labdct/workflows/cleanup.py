"""Clean the frames of a stack, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.analysis.agreement import agreed
from napari_labdct.analysis.trust import judging_sigma
from napari_labdct.calibration import FrameStatistics, ScanStatistics, statistics_of
from napari_labdct.core import drained
from napari_labdct.workflows.scan_word import iter_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_labdct.analysis.agreement import Heard
    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import Cleaned, Denoiser


@dataclass(frozen=True)
class CleanFrame:
    """One frame, before and after.

    Attributes
    ----------
    index
        Number of the projection in its stack.
    frame
        What was measured, shape (rows, columns) [grey values].
    answer
        What the network says of it.
    statistics
        Background and noise that were assumed.
    filters
        Whether matched filters have their say in the picture.
    heard
        What the whole scan says of the frame, where it was asked.
    """

    index: int
    frame: NDArray[np.float32]
    answer: Cleaned
    statistics: FrameStatistics
    filters: bool = True
    heard: Heard | None = None

    @cached_property
    def image(self) -> NDArray[np.float32]:
        """Spots alone on a background of 0, shape (rows, columns) [grey values]."""
        if not self.filters:
            return self.answer.image
        return agreed(
            self.answer.image,
            self.answer.probability,
            self.residual,
            judging_sigma(self.statistics),
            alone=self.statistics.static is None,
            heard=self.heard,
        )

    @property
    def probability(self) -> NDArray[np.float32]:
        """Probability that a pixel belongs to the core of a spot, by the network."""
        return self.answer.probability

    @property
    def difference(self) -> NDArray[np.float32]:
        """What was taken away: measured minus cleaned, signed [grey values]."""
        return self.frame - self.image

    @property
    def residual(self) -> NDArray[np.float32]:
        """Measured minus background: where intensities are summed [grey values]."""
        return self.frame - self.statistics.background


def iter_clean(
    stack: ProjectionStack,
    denoiser: Denoiser,
    *,
    order: Iterable[int] | None = None,
    statistics: ScanStatistics | None = None,
    word: Sequence[Heard] = (),
) -> Iterator[CleanFrame]:
    """Clean frames one by one.

    Parameters
    ----------
    stack
        The scan; with 9 projections or more, its temporal median tells spots from
        the pattern that stays while the sample turns.
    denoiser
        The network.
    order
        Projections in the order wanted, such as the visible one first; all of
        them in turn by default.
    statistics
        Statistics of the stack, when they are already at hand.
    word
        What the whole scan says of its projections, as `iter_word` gives it; where it
        was not asked, each is judged by itself.

    Yields
    ------
    clean
        Each frame as soon as it is ready.

    Raises
    ------
    InputError
        If a frame holds NaN or infinite grey values.
    """
    scan = statistics_of(stack) if statistics is None else statistics
    centre = None if stack.geometry is None else stack.geometry.detector.centre
    for index in range(len(stack)) if order is None else order:
        frame, known = stack.frame(index), scan.of(index)
        answer = denoiser.clean_frame(frame, known, centre)
        # A network of the paper answers for itself, and whatever else can clean.
        filters = getattr(denoiser, "knows_noise", False)
        heard = word[index] if word else None
        yield CleanFrame(index, frame, answer, known, filters, heard)


def clean(
    stack: ProjectionStack, denoiser: Denoiser, *, companions: bool = True
) -> ProjectionStack:
    """Clean a whole stack in memory.

    Parameters
    ----------
    stack
        The scan.
    denoiser
        The network.
    companions
        As in `iter_word`; it takes a pass over the whole scan first.

    Returns
    -------
    cleaned
        The same scan as float32 grey values on a background of 0.
    """
    images = np.empty(stack.shape, np.float32)
    word = drained(iter_word(stack, denoiser, companions=companions))
    for done in iter_clean(stack, denoiser, word=word):
        images[done.index] = done.image
    line = history_line(stack, denoiser, asked=bool(word))
    return stack.with_images(images, "cleaned", line)


def history_line(stack: ProjectionStack, denoiser: Denoiser, *, asked: bool) -> str:
    """The sentence that cleaning adds to a stack's history.

    Parameters
    ----------
    stack, denoiser
        As in `iter_clean`.
    asked
        Whether the whole scan said which light in it is diffraction.
    """
    scan = statistics_of(stack)
    how = "with the scan's median" if scan.uses_scan else "frame by frame"
    how += ", its projections asked" if asked else ""
    return f"Cleaned by the model {denoiser.name!r} {how}."
