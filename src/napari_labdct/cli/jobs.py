"""Jobs on a terminal: here, on several processes or on a cluster."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_labdct.cli.common import Values, say
from napari_labdct.cli.stopping import Stopping
from napari_labdct.core import InputError

if TYPE_CHECKING:
    from napari_labdct.core import Progress
    from napari_labdct.workflows.frame_job import FrameJob
    from napari_labdct.workflows.scan_source import ScanSource

Scans = Annotated[
    list[Path],
    typer.Argument(
        help="Folder of TIFF frames, one TIFF or HDF5 stack, or a .txrm file; several "
        "of them when --out is a folder.",
        show_default=False,
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        help="Processes on this machine that share the frames; with several GPUs, as "
        "many as there are GPUs.",
        min=1,
        max=256,
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Address of a Dask scheduler, or the file it wrote: its workers do the "
        "frames, on whatever machines they are."
    ),
]


def source_of(path: Path, reading: Values) -> "ScanSource":
    """Where a scan comes from, with full paths: workers may stand elsewhere."""
    from napari_labdct.workflows.scan_source import ScanSource

    full = {"path": str(path.absolute())}
    if angles := reading.get("angles"):
        full["angles"] = str(Path(angles).absolute())
    return ScanSource(**(reading | full))


def model_of(name: str) -> str:
    """A model's name, or the full path of its folder."""
    return str(Path(name).absolute()) if Path(name).is_dir() else name


def outputs_of(scans: Sequence[Path], out: Path, ending: str) -> list[Path]:
    """Where the result for each scan goes: `out` itself, or a file in that folder."""
    if len(scans) == 1 and not out.is_dir():
        return [out]
    if not out.is_dir():
        raise InputError(
            f"{len(scans)} scans cannot all become {out}: make a folder and give it as "
            "--out, or give one folder of frames."
        )
    files = [out / f"{scan.stem}{ending}" for scan in scans]
    if len(set(files)) < len(files):
        raise InputError(
            "Some of the scans have the same name, and so would their results: give "
            "them one after the other, each with its own --out."
        )
    return files


def place(workers: int, scheduler: str | None) -> AbstractContextManager["Any"]:
    """Where the frames are done: this process, several of them, or a cluster."""
    if workers == 1 and scheduler is None:
        return nullcontext()
    from napari_labdct.workflows import cluster

    return cluster.scheduler(scheduler) if scheduler else cluster.processes(workers)


def do(
    job: "FrameJob",
    outputs: dict[str, Path],
    what: str,
    *,
    table: Path | None = None,
    pool: Any = None,
) -> tuple[int, int]:
    """Do a job under a progress bar; the numbers of its projections and its spots.

    Stopped by Ctrl-C, a polite kill or an error, it tells what is kept.
    """
    from tqdm import tqdm

    from napari_labdct.workflows.frame_job import iter_job

    done = total = spots = 0

    def rest() -> "Iterator[Progress]":
        nonlocal spots
        spots = yield from steps

    with Stopping(), closing(iter_job(job, outputs, table, pool=pool)) as steps:
        try:
            first = next(steps)
            done, total = first.done, first.total
            if done:
                say(f"Going on after {done} of {total} projections.")
            with tqdm(
                desc=what, total=total, initial=done, unit="frame", dynamic_ncols=True
            ) as bar:
                for step in rest():
                    waits = step.what if step.done == done else ""
                    bar.set_postfix_str(waits, refresh=bool(waits))
                    bar.update(step.done - done)
                    done = step.done
        except (KeyboardInterrupt, InputError) as error:
            if done:
                typer.echo(
                    f"labdct: {done} of {total} projections are kept beside the "
                    "output, under names that end in .part and .journal; the same "
                    "command goes on from there.",
                    err=True,
                )
            if isinstance(error, KeyboardInterrupt):
                typer.echo("labdct: Stopped.", err=True)
                raise SystemExit(130) from None  # as shells expect it
            raise
    return total, spots
