"""The same jobs on several processes, of this machine or of many, through Dask.

A job is split into blocks of neighbouring frames, which share what is known of the
scan around them. Workers send frames back, and one process, this one, writes: file
systems that several machines write to at once are not to be trusted. A worker that
dies has its blocks done by others.
"""

from __future__ import annotations

import asyncio
from concurrent import futures
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.core import InputError
from napari_labdct.workflows.frame_job import FrameResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_labdct.workflows.frame_job import (
        FrameJob,
        OpenJob,
        Pool,
        Results,
    )

BLOCK = 8
"""Most frames in a block: as many as share one temporal median."""

_BLOCK_BYTES = 64 * 2**20
_AHEAD = 2
"""Blocks a worker has at hand: it computes one while another travels."""

_CANCELLED = (asyncio.CancelledError, futures.CancelledError)
"""What waiting for a frame ends with when the scheduler is gone; versions differ."""

_UNINTERRUPTED = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""Ctrl-C reaches all processes of a terminal: this one sees to the workers' end."""


@contextmanager
def processes(workers: int) -> Iterator[Pool]:
    """So many processes on this machine; they end with the block.

    Parameters
    ----------
    workers
        Processes. On a machine with GPUs give as many as there are GPUs: each
        takes one of its own.

    Raises
    ------
    InputError
        If Dask's distributed part is not installed.
    """
    distributed = _distributed()
    import logging
    from os import cpu_count

    import dask

    threads = str(max(1, (cpu_count() or 1) // workers))
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    with (
        dask.config.set(
            {"distributed.nanny.pre-spawn-environ": dict.fromkeys(names, threads)}
        ),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,  # the machine's own; Dask would stop what it cannot spill
            dashboard_address=":0",  # any free port: several runs may share a machine
            preload=_UNINTERRUPTED,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield pool_of(client)


@contextmanager
def scheduler(address: str) -> Iterator[Pool]:
    """The workers of a Dask cluster that runs already.

    Parameters
    ----------
    address
        Address of its scheduler, such as ``tcp://node01:8786``, or the path of the
        file that the scheduler wrote (``--scheduler-file``).

    Raises
    ------
    InputError
        If distributed is not installed, or no scheduler answers.
    """
    distributed = _distributed()
    import logging

    for name in ("distributed", "distributed.client"):  # our own words do
        logging.getLogger(name).setLevel(logging.CRITICAL)
    is_file = address.endswith(".json")
    if is_file and not Path(address).is_file():  # Dask would wait for it, for ever
        raise InputError(
            f"{address} does not exist: start a Dask scheduler with --scheduler-file, "
            "or correct the path."
        )
    where = {"scheduler_file": address} if is_file else {"address": address}
    try:
        client = distributed.Client(**where, timeout=10)
    except (TimeoutError, OSError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler answers at {address}: start one with dask scheduler, "
            "or correct the address."
        ) from error
    with client:
        yield pool_of(client)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise InputError(
            "Work on several processes needs the package distributed: install "
            "napari-labdct[cluster]."
        ) from None
    return distributed


def pool_of(client: Any) -> Pool:
    """Where frames are done: by the workers of a Dask client.

    Parameters
    ----------
    client
        A `distributed.Client`.
    """

    def pool(job: FrameJob, indices: Sequence[int]) -> Results:
        from distributed.scheduler import KilledWorker

        distributed = _distributed()
        opened = job.open()
        key = type(job), job.model_dump_json()
        blocks = iter(_blocks(indices, _length(opened)))
        running = distributed.as_completed()
        sent = set()

        def send(count: int) -> None:
            for block in islice(blocks, count):
                future = client.submit(_do, *key, block, pure=False, retries=1)
                sent.add(future)
                running.add(future)

        workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        send(_AHEAD * workers)
        try:
            for future in running:
                results = future.result()
                sent.discard(future)
                future.release()
                send(1)
                yield from results
        except InputError:
            raise
        except KilledWorker as error:
            raise InputError(
                "Workers died several times over the same frames, most likely for "
                "want of memory: give them more, and run the same again to go on."
            ) from error
        except (TimeoutError, OSError, *_CANCELLED) as error:
            raise InputError(
                "The Dask scheduler went away: start it, and run the same again to go "
                "on."
            ) from error
        finally:
            client.cancel(list(sent), force=True)

    return pool


def _length(opened: OpenJob) -> int:
    """Frames in a block: neighbours share a median, but a block has to travel."""
    sizes = [
        int(np.prod(stack.shape[1:])) * stack.images.dtype.itemsize
        for stack in opened.outputs.values()
    ]
    return int(np.clip(_BLOCK_BYTES // max(1, sum(sizes)), 1, BLOCK))


def _blocks(indices: Sequence[int], length: int) -> list[list[int]]:
    """Frames in blocks that start at multiples of the length."""
    blocks: dict[int, list[int]] = {}
    for index in indices:
        blocks.setdefault(index // length, []).append(index)
    return list(blocks.values())


def _do(kind: type[FrameJob], settings: str, indices: list[int]) -> list[FrameResult]:
    """Do a block of frames; runs on a worker."""
    results = _open(kind, settings).frames(indices)
    return [result for result in results if isinstance(result, FrameResult)]


@lru_cache(maxsize=1)
def _open(kind: type[FrameJob], settings: str) -> OpenJob:
    return kind.model_validate_json(settings).alone(_own_device()).open()


def _own_device() -> str | None:
    """The GPU of this worker, where a machine has several: one process a GPU."""
    import torch
    from distributed import get_worker

    name, count = get_worker().name, torch.cuda.device_count()
    return f"cuda:{name % count}" if isinstance(name, int) and count > 1 else None
