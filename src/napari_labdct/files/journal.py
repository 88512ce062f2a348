"""Which frames of a job are done: a second run goes on where the first stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_labdct.core import InputError
from napari_labdct.files.saving import discard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path


@dataclass
class Journal:
    """A text file with a line of JSON for the job, and one for each frame done.

    A line is written after its frame; one that was cut short is no line. So
    whatever ends a run, what the journal says is on the disk, is.

    Attributes
    ----------
    path
        The file.
    about
        What the first line says of the job.
    done
        Where the line of each frame starts, by frame.
    """

    path: Path
    about: dict[str, Any]
    done: dict[int, int] = field(default_factory=dict)
    _file: FileIO | None = None

    @classmethod
    def start(cls, path: Path, about: dict[str, Any]) -> Journal:
        """Begin anew; an earlier journal is overwritten.

        Raises
        ------
        InputError
            If another run writes to it.
        OSError
            If the file cannot be written.
        """
        file = path.open("ab", buffering=0)
        _lock(file, path)
        file.truncate(0)
        journal = cls(path, about, _file=file)
        try:
            journal._append(about)
        except OSError:
            journal.remove()
            raise
        return journal

    @classmethod
    def resume(cls, path: Path) -> Journal | None:
        """Take up an earlier journal; None if there is none that can be read.

        Raises
        ------
        InputError
            If another run writes to it.
        """
        if not path.is_file():
            return None
        file = path.open("ab", buffering=0)
        _lock(file, path)
        lines = _lines(file, path)
        _, about = next(lines, (0, None))
        if not isinstance(about, dict):
            file.close()
            return None
        journal = cls(path, about, _file=file)
        for start, line in lines:
            journal.done[int(line["frame"])] = start
        return journal

    def add(self, frame: int, entry: dict[str, Any]) -> None:
        """Say that a frame is done."""
        self.done[frame] = self._append({"frame": frame, **entry})

    def entries(self) -> Iterator[dict[str, Any]]:
        """What was said of each frame done, in the order of the frames."""
        with self.path.open("rb") as file:
            for _, start in sorted(self.done.items()):
                file.seek(start)
                entry: dict[str, Any] = json.loads(file.readline())
                yield entry

    def close(self) -> None:
        """Let go of the file; it stays on the disk."""
        if self._file:
            self._file.close()

    def remove(self) -> None:
        """Delete it: the job is done, or nothing of it is worth keeping."""
        self.close()
        discard(self.path)

    def _append(self, entry: dict[str, Any]) -> int:
        if self._file is None:
            raise ValueError(f"{self.path} is not open")
        start = self._file.seek(0, 2)
        rest = memoryview(json.dumps(entry).encode() + b"\n")
        while rest:  # not buffered: closing has nothing to write to a full disk
            rest = rest[self._file.write(rest) :]
        return start


def _lines(file: FileIO, path: Path) -> Iterator[tuple[int, Any]]:
    """Start and content of every whole line; what follows the last is cut off."""
    start = 0
    with path.open("rb") as lines:
        for raw in lines:
            try:
                entry = json.loads(raw) if raw.endswith(b"\n") else None
            except ValueError:
                entry = None
            if entry is None:
                break
            yield start, entry
            start += len(raw)
    file.truncate(start)


def _lock(file: FileIO, path: Path) -> None:
    """Keep other runs out while this one writes; the system undoes it at its end."""
    try:
        import fcntl
    except ImportError:  # Windows: two runs at one output are the user's care
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise InputError(
            f"Another run is writing to {path}: wait for it, or choose another place "
            "for the output."
        ) from error
