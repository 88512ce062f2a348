"""Long work on a scan, frame by frame, from disk to disk.

A job is a small frozen description that any process can open; its frames can be
done in any order and anywhere. Frames go into files that were laid out before
(`napari_labdct.files.layout`), and a journal beside the output says which are done:
whatever stops a run, the same job goes on from there, to the very same bytes.
"""

from __future__ import annotations

import json
import zlib
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
import pandas as pd

from napari_labdct._version import __version__
from napari_labdct.core import Progress, SpotTable
from napari_labdct.core.geometry import Parameters
from napari_labdct.files import write_spots
from napari_labdct.files.journal import Journal
from napari_labdct.files.layout import Layout, lay_out
from napari_labdct.files.saving import cannot_write, discard

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack

    Results = Generator["FrameResult | Progress", None, None]
    Frames = Callable[[Sequence[int]], Results]
    Pool = Callable[["FrameJob", Sequence[int]], Results]
    """Where frames are done: here by default, else see `cluster`."""


@dataclass(frozen=True)
class FrameResult:
    """What became of one frame.

    Attributes
    ----------
    index
        Number of the projection.
    images
        Images by the name of the output, each of shape (rows, columns).
    spots
        Spots of the projection, where the job finds any.
    """

    index: int
    images: dict[str, NDArray[Any]] = field(default_factory=dict)
    spots: SpotTable | None = None


def _unchanged(spots: SpotTable) -> SpotTable:
    return spots


def _packed(spots: SpotTable) -> dict[str, list[str]]:
    """A table as text: there are thousands of candidates in a frame."""
    columns = {name: kept.to_numpy() for name, kept in spots.frame.items()}
    return {
        str(name): [column.dtype.str, b64encode(column.tobytes()).decode()]
        for name, column in columns.items()
    }


def _unpacked(columns: dict[str, list[str]]) -> SpotTable:
    return SpotTable(
        pd.DataFrame(
            {
                name: np.frombuffer(b64decode(raw), dtype)
                for name, (dtype, raw) in columns.items()
            }
        )
    )


@dataclass(frozen=True)
class OpenJob:
    """A job with its input open.

    Attributes
    ----------
    count
        Number of projections.
    outputs
        A stack for each image output: shape, type, angles, geometry, kind and
        history as they will be written; the grey values do not matter.
    frames
        Does the projections asked for, in turn.
    whole
        Makes the table of the whole scan out of the spots of all its frames.
    """

    count: int
    outputs: dict[str, ProjectionStack]
    frames: Frames
    whole: Callable[[SpotTable], SpotTable] = _unchanged


class FrameJob(Parameters, ABC):
    """Base of all jobs: settings only, so that they travel as text."""

    def settled(self) -> Self:
        """The job with all that depends on its input decided; done once."""
        return self

    @abstractmethod
    def open(self) -> OpenJob:
        """Open the input; done in every process."""

    @abstractmethod
    def stamp(self) -> object:
        """What the result depends on beside the settings, such as input files."""

    def alone(self, device: str | None) -> Self:
        """The job as one process among many does it.

        Parameters
        ----------
        device
            The GPU that is this process's own, if any.
        """
        return self

    def check(self, spots: int) -> None:
        """Look at the number of all spots, once every frame is done."""

    def write_table(self, spots: SpotTable, path: Path) -> None:
        """Write the spots of all frames."""
        write_spots(spots, path)

    def fingerprint(self) -> str:
        """Equal for jobs with equal results: one goes on where the other stopped."""
        words = [type(self).__name__, __version__, self.model_dump_json(), self.stamp()]
        return json.dumps(words)


def iter_job(
    job: FrameJob,
    outputs: dict[str, Path],
    table: Path | None = None,
    *,
    pool: Pool | None = None,
) -> Generator[Progress, None, int]:
    """Do a job from disk to disk; go on with one that was stopped.

    Until all is done, the work stands in ``NAME.part`` beside each output and in
    ``NAME.journal`` beside the first; then it takes its final name.

    Parameters
    ----------
    job
        What to do.
    outputs
        Files for the job's images, by name; those left out are not written.
    table
        CSV file for the spots.
    pool
        Where the frames are done; in this process when empty.

    Yields
    ------
    progress
        Once at the start, with what an earlier run had done, and after every
        frame.

    Returns
    -------
    spots
        How many were found, as the generator's value.

    Raises
    ------
    InputError
        If a frame cannot be read, an output not be written, or another run
        writes to it. What is done so far is kept.
    """
    job = job.settled()
    opened = job.open()
    with ExitStack() as stack:
        work = stack.enter_context(closing(_Work.take_up(job, opened, outputs, table)))
        count, done = opened.count, work.journal.done
        yield Progress(len(done), count, "")
        left = [index for index in range(count) if index not in done]
        if left:
            frames = opened.frames(left) if pool is None else pool(job, left)
            for result in stack.enter_context(closing(frames)):
                if isinstance(result, Progress):  # of what comes before the frames
                    yield Progress(len(done), count, result.what)
                    continue
                work.add(result)
                yield Progress(len(done), count, f"projection {result.index + 1}")
        return work.finish(job, opened)


def part_of(path: Path) -> Path:
    """Name of an output while it is not whole."""
    return path.with_name(path.name + ".part")


def journal_of(path: Path) -> Path:
    """Name of the journal beside a job's first output."""
    return path.with_name(path.name + ".journal")


@dataclass
class _Work:
    """Files of a job that are not whole yet."""

    journal: Journal
    layouts: dict[str, Layout]
    outputs: dict[str, Path]
    table: Path | None
    files: dict[str, BinaryIO] = field(default_factory=dict)

    @classmethod
    def take_up(
        cls,
        job: FrameJob,
        opened: OpenJob,
        outputs: dict[str, Path],
        table: Path | None,
    ) -> _Work:
        """Go on with earlier work on the same job, or begin anew."""
        first = next(iter(outputs.values()), table)
        if first is None:
            raise ValueError("a job needs an output")
        print_ = [job.fingerprint(), sorted(map(str, outputs.values())), str(table)]
        try:
            journal = Journal.resume(journal_of(first))
            if journal is not None:
                work = cls._resumed(journal, print_, opened, outputs, table)
                if work is not None:
                    return work
                journal.close()
            return cls._begun(journal_of(first), print_, opened, outputs, table)
        except OSError as error:
            raise cannot_write(first, error) from error

    @classmethod
    def _begun(
        cls,
        path: Path,
        print_: list[Any],
        opened: OpenJob,
        outputs: dict[str, Path],
        table: Path | None,
    ) -> _Work:
        journal = Journal.start(path, {"job": print_, "start": {}})
        try:
            layouts = {}
            for name, output in outputs.items():
                header = opened.outputs[name]
                dtype = np.dtype(header.images.dtype)
                layouts[name] = lay_out(part_of(output), output, header, dtype)
            starts = {name: layout.start for name, layout in layouts.items()}
            journal.close()
            journal = Journal.start(path, {"job": print_, "start": starts})
            work = cls(journal, layouts, outputs, table)
            work._open()
        except BaseException:
            journal.remove()
            for output in outputs.values():
                discard(part_of(output))
            raise
        return work

    @classmethod
    def _resumed(
        cls,
        journal: Journal,
        print_: list[Any],
        opened: OpenJob,
        outputs: dict[str, Path],
        table: Path | None,
    ) -> _Work | None:
        starts = journal.about.get("start", {})
        known = json.loads(json.dumps(print_)) == journal.about.get("job")
        if not known or set(starts) != set(outputs):
            return None
        if not all(part_of(output).is_file() for output in outputs.values()):
            return None
        headers = opened.outputs
        layouts = {
            name: Layout(
                headers[name].shape, np.dtype(headers[name].images.dtype), start
            )
            for name, start in starts.items()
        }
        work = cls(journal, layouts, outputs, table)
        work._open()
        for entry in list(journal.entries()):
            if not work._is_whole(entry):
                del journal.done[entry["frame"]]
        return work

    def _open(self) -> None:
        self.files = {
            name: part_of(output).open("r+b", buffering=0)
            for name, output in self.outputs.items()
        }

    def _is_whole(self, entry: dict[str, Any]) -> bool:
        """Whether a frame reached the disk: a power cut may lose what was written."""
        return all(
            zlib.crc32(layout.get(self.files[name], entry["frame"]))
            == entry["check"][name]
            for name, layout in self.layouts.items()
        )

    def add(self, result: FrameResult) -> None:
        """Write one frame, then say so in the journal."""
        entry: dict[str, Any] = {"check": {}}
        for name, layout in self.layouts.items():
            try:
                raw = layout.put(self.files[name], result.index, result.images[name])
            except OSError as error:
                raise cannot_write(self.outputs[name], error) from error
            entry["check"][name] = zlib.crc32(raw)
        if result.spots is not None:
            entry |= {"count": len(result.spots)}
            entry |= {"spots": _packed(result.spots)} if self.table else {}
        try:
            self.journal.add(result.index, entry)
        except OSError as error:
            raise cannot_write(self.journal.path, error) from error

    def finish(self, job: FrameJob, opened: OpenJob) -> int:
        """Give everything its final name; the number of all spots."""
        if self.table:
            spots = opened.whole(self._spots())
            count = len(spots)
            job.write_table(spots, self.table)
        else:
            count = sum(int(each.get("count", 0)) for each in self.journal.entries())
        job.check(count)
        for name, file in self.files.items():
            output = self.outputs[name]
            file.close()
            try:
                part_of(output).replace(output)
            except OSError as error:
                raise cannot_write(output, error) from error
        self.journal.remove()
        return count

    def _spots(self) -> SpotTable:
        """Spots of all frames."""
        found = (entry for entry in self.journal.entries() if entry["count"])
        return SpotTable.concatenate([_unpacked(entry["spots"]) for entry in found])

    def close(self) -> None:
        """Let go of the files; with no frame done they are not worth keeping."""
        for file in self.files.values():
            file.close()
        self.journal.close()
        if not self.journal.done:
            self.journal.remove()
            for output in self.outputs.values():
                discard(part_of(output))
