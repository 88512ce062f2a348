"""Files appear under their name when they are whole, or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


def make_folder(path: str | Path) -> Path:
    """Make a folder for results, with its parents; an existing one is kept.

    Raises
    ------
    InputError
        If it cannot be made or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when all went well.

    When anything goes wrong, Ctrl-C included, the temporary file is removed and
    an earlier file at `path` stays as it was.

    Raises
    ------
    InputError
        If the disk is full, the folder missing or not to be written to.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        discard(part)


def discard(path: Path) -> None:
    """Delete a file that nobody wants, where that can be done."""
    with suppress(OSError):  # gone already, or its disk takes no changes any more
        path.unlink()


def cannot_write(path: Path, error: OSError) -> InputError:
    """One sentence for a file that cannot be written."""
    why = error.strerror or "is the disk full?"  # NumPy counts bytes, but not why
    return InputError(
        f"{path} cannot be written ({why}): choose another place for the output."
    )
