"""The job behind *Clean stack*: fill arrays frame by frame, what is looked at first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.core import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_labdct.analysis.agreement import Heard
    from napari_labdct.calibration import ScanStatistics
    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import Denoiser
    from napari_labdct.workflows.cleanup import CleanFrame


@dataclass
class Cleaning:
    """A stack, its results as far as they are, and what is wanted next.

    Attributes
    ----------
    stack
        The input.
    cleaned, difference
        Results, shape (P, rows, columns), zero where not `done`.
    wanted
        Projection that the user looks at; set it at any time.
    done
        Which projections are final, shape (P,).
    quick, glanced
        Which projections hold a first answer, from their own frame alone, and a
        second one with the statistics of their scan.
    step
        Sentence for the history of the results.
    """

    stack: ProjectionStack
    cleaned: NDArray[np.float32]
    difference: NDArray[np.float32]
    wanted: int = 0
    done: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    quick: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    glanced: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    step: str = ""
    _scan: ScanStatistics | None = None
    _word: tuple[Heard, ...] | None = None

    def __post_init__(self) -> None:
        self.done = np.zeros(len(self.stack), np.bool_)
        self.quick = np.zeros(len(self.stack), np.bool_)
        self.glanced = np.zeros(len(self.stack), np.bool_)

    def steps(self, denoiser: Callable[[], Denoiser]) -> Iterator[int | Progress]:
        """Clean all projections that are missing.

        The one that is looked at is cleaned from its own frame alone at once, and
        again, like all others, when all projections have said which faint light is
        diffraction.

        Yields
        ------
        step
            Index of the projection that was written, then the progress.
        """
        yield from self._work(denoiser(), self._order(), ask=True)

    def glance(self, denoiser: Callable[[], Denoiser]) -> Iterator[int | Progress]:
        """Clean the projection that is looked at, and no other."""
        network = denoiser()
        if not self.shown(self.wanted):
            yield from self._work(network, iter([self.wanted]), ask=False)

    def shown(self, index: int) -> bool:
        """Whether a glance at a projection has nothing to add."""
        return bool(self.done[index] or self.glanced[index])

    def _work(
        self, denoiser: Denoiser, order: Iterator[int], *, ask: bool
    ) -> Iterator[Any]:
        from napari_labdct.calibration import statistics_of
        from napari_labdct.workflows.cleanup import history_line, iter_clean
        from napari_labdct.workflows.scan_word import iter_word

        if self._scan is None:
            self._scan = statistics_of(self.stack)
        first = self.wanted
        if self._scan.uses_scan and not (self.done[first] or self.quick[first]):
            for result in iter_clean(self._single(first), denoiser):
                self._store(first, result)
                self.quick[first] = True
                yield first
        total = len(self.stack)
        if self._scan.uses_scan:
            yield Progress(0, 0, "finding what stays while the sample turns")
        # A network that answers for itself needs nobody's word.
        ask |= not getattr(denoiser, "knows_noise", False)
        if ask and self._word is None:
            asked = iter_word(self.stack, denoiser, statistics=self._scan)
            self._word = yield from asked
        self.step = history_line(self.stack, denoiser, asked=bool(self._word))
        final = self._word is not None or not self._scan.uses_scan
        for result in iter_clean(
            self.stack,
            denoiser,
            order=order,
            statistics=self._scan,
            word=self._word or (),
        ):
            self._store(result.index, result)
            self.glanced[result.index] = True
            self.done[result.index] = final
            yield result.index
            count = int(self.done.sum())
            yield Progress(count, total, f"{count} of {total} projections")

    def _order(self) -> Iterator[int]:
        """Missing projections: the wanted one first, then on from there."""
        while not self.done.all():
            later = np.flatnonzero(~np.roll(self.done, -self.wanted))
            yield int((later[0] + self.wanted) % len(self.stack))

    def _store(self, index: int, result: CleanFrame) -> None:
        self.cleaned[index] = result.image
        self.difference[index] = result.difference

    def _single(self, index: int) -> ProjectionStack:
        """The projection as a stack of its own."""
        return replace(
            self.stack,
            images=self.stack.images[index : index + 1],
            omega_deg=self.stack.omega[index : index + 1],
        )
