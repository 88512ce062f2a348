"""Time to open, stream and share long scans, beside what the machine can do.

    python benchmarks/bench_files.py [--frames 64] [--size 1024] [--workers 2]

Prints medians. The limits: for opening, none but half a second; for streaming, the
same work from memory; for two processes, what two processes that share nothing
reach on these cores; for throughput, the disk (a plain copy) and the network's
forward pass. Memory is the process's own peak, the network's included.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import tifffile

from napari_labdct.core import ProjectionStack
from napari_labdct.files import StackWriter, read_stack, write_stack
from napari_labdct.learning import Denoiser
from napari_labdct.workflows.cleanup import iter_clean
from napari_labdct.workflows.frame_job import iter_job
from napari_labdct.workflows.jobs import CleanJob, SpotsJob
from napari_labdct.workflows.prepare_job import PrepareJob
from napari_labdct.workflows.scan_source import ScanSource

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.files.ole import write_ole
from tests.files.test_txrm import u4


def seconds(job, runs: int = 3) -> float:
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        job()
        taken.append(time.perf_counter() - start)
    return median(taken)


def both(job) -> tuple[float, float]:
    """Time on the clock, and time of the processor."""
    start, busy = time.perf_counter(), time.process_time()
    job()
    return time.perf_counter() - start, time.process_time() - busy


def write_scan(path: Path, frames: int, size: int) -> Path:
    """A long scan on disk, without ever holding it in memory."""
    rng = np.random.default_rng(0)
    base = rng.poisson(500, (4, size, size)).astype(np.uint16)
    zero = np.broadcast_to(np.uint16(0), (frames, size, size))
    with StackWriter(path, ProjectionStack(zero), "measured", dtype="u2") as writer:
        for index in range(frames):
            frame = np.roll(base[index % 4], 7 * index, 1)
            row, column = rng.integers(20, size - 20, (2, 30))
            frame[row, column] += 3000
            writer.write(frame)
    return path


def opening(folder: Path) -> None:
    frames = folder / "thousand"
    frames.mkdir()
    for index in range(1000):
        tifffile.imwrite(frames / f"f{index}.tif", np.zeros((64, 64), np.uint16))
    count = 1000
    info = {
        "NoOfImages": u4(count),
        "ImageWidth": u4(32),
        "ImageHeight": u4(32),
        "DataType": u4(5),
        "Angles": np.linspace(0, 360, count, dtype="<f4").tobytes(),
    }
    parts = {f"ImageInfo/{name}": raw for name, raw in info.items()}
    parts |= {
        f"ImageData{i // 100 + 1}/Image{i + 1}": bytes(2048) for i in range(count)
    }
    scan = write_ole(folder / "thousand.txrm", parts)
    for what, path in (("1,000 TIFF files", frames), (".txrm of 1,000", scan)):
        busy = time.process_time()
        taken = seconds(lambda path=path: read_stack(path))
        busy = (time.process_time() - busy) / 3
        print(
            f"open {what:<18} {taken:8.3f} s, {busy:.3f} s of them the processor's   "
            "(to reach: 0.5)"
        )


def throughput(folder: Path, scan: Path, frames: int, size: int) -> None:
    """Reading and writing alone, beside a plain copy of the same bytes."""
    out = folder / "out.tif"
    stack = read_stack(scan)
    raw = frames * size * size * 2 / 1e9

    def copy() -> None:
        with scan.open("rb") as source, out.open("wb") as sink:
            while piece := source.read(size * size * 2):
                sink.write(piece)

    def prepare() -> None:
        steps = iter_job(
            PrepareJob(source=ScanSource(path=str(scan))), {"prepared": out}
        )
        for _ in steps:
            pass

    def read() -> None:
        for frame in stack.frames():
            frame.max()

    limit = seconds(copy)
    for what, job in (
        ("read", read),
        ("write", lambda: write_stack(stack, out)),
        ("job, no work", prepare),
    ):
        taken = seconds(job)
        print(
            f"{what:<12} {frames / taken:8.1f} frames/s {raw / taken:7.3f} GB/s "
            f"({limit / taken:.0%} of a plain copy's speed)"
        )


def streaming(folder: Path, scan: Path, frames: int, runs: int) -> None:
    """Cleaning from disk to disk, beside the same from memory to memory."""
    denoiser = Denoiser.default("cpu")
    lazy = read_stack(scan)
    images = np.array(lazy.images)
    stack = ProjectionStack(images)
    result = np.empty(images.shape, np.float32)
    job = CleanJob(source=ScanSource(path=str(scan)), device="cpu")

    def memory() -> None:
        for done in iter_clean(stack, denoiser):
            result[done.index] = done.image

    def disk() -> None:
        for _ in iter_job(job, {"cleaned": folder / "cleaned.tif"}):
            pass

    # In turn, and the quickest of each: others may use this machine too.
    pairs = [(*both(memory), *both(disk)) for _ in range(runs)]
    inside, busy_inside, outside, busy_outside = np.min(pairs, axis=0)
    frame = stack.frame(0)
    from napari_labdct.calibration import measure_scan

    known = measure_scan(stack).of(0)
    network = seconds(lambda: denoiser.clean_frame(frame, known)) * frames
    raw = images.nbytes / 1e9
    print(
        f"clean, memory {frames / inside:7.2f} frames/s {raw / inside:7.4f} GB/s "
        f"({network / inside:.0%} of the network's speed)"
    )
    print(
        f"clean, disk   {frames / outside:7.2f} frames/s {raw / outside:7.4f} GB/s "
        f"({network / outside:.0%} of the network's speed)"
    )
    print(
        f"streaming costs {outside / inside - 1:+.1%} of the time, "
        f"{busy_outside / busy_inside - 1:+.1%} of the processor's   "
        "(to reach: at most 10 %)"
    )


def _alone(scan: str) -> None:
    opened = SpotsJob(source=ScanSource(path=scan), model="none").open()
    for _ in opened.frames(range(opened.count // 2)):
        pass


def sharing(folder: Path, scan: Path, workers: int, runs: int) -> None:
    """Spot finding on several processes, beside processes that share nothing."""
    from napari_labdct.workflows.cluster import processes

    job = SpotsJob(source=ScanSource(path=str(scan)), model="none")
    half = [str(scan)]
    forked = multiprocessing.get_context("spawn")
    with forked.Pool(workers) as pool, processes(workers) as many, processes(1) as one:

        def work(place) -> None:
            for _ in iter_job(job, {}, folder / "spots.csv", pool=place):
                pass

        pool.map(_alone, half * workers)
        work(many), work(one)
        rows = [
            (
                seconds(lambda: pool.map(_alone, half, chunksize=1), 1),
                seconds(lambda: pool.map(_alone, half * workers, chunksize=1), 1),
                seconds(lambda: work(one), 1),
                seconds(lambda: work(many), 1),
            )
            for _ in range(runs)
        ]
    single, double, first, shared = (min(times) for times in zip(*rows, strict=True))
    limit, gain = workers * single / double, first / shared
    print(
        f"{workers} processes are {gain:.2f} times one; the cores' own limit is "
        f"{limit:.2f} ({gain / limit:.0%})   (to reach: 1.6 of 2)"
    )


MEMORY = """
import json, resource, sys
from pathlib import Path
from napari_labdct.workflows.frame_job import iter_job
from napari_labdct.workflows.jobs import SpotsJob
from napari_labdct.workflows.scan_source import ScanSource
job = SpotsJob(source=ScanSource(path=sys.argv[1]), model="none")
peaks = []
def resident():
    with open("/proc/self/status") as file:
        values = dict(line.split(":", 1) for line in file)
    return int(values["RssAnon"].split()[0]) / 1024
for step in iter_job(job, {}, Path(sys.argv[2])):
    peaks.append(resident())
print(json.dumps(peaks))
"""


def memory(folder: Path, scan: Path, frames: int) -> None:
    """Memory of a process of its own, a frame after the other (Linux)."""
    words = [sys.executable, "-c", MEMORY, str(scan), str(folder / "memory.csv")]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    used = np.array(json.loads(found.stdout.splitlines()[-1]))
    first, last = used[frames // 4 : frames // 2].max(), used[frames // 2 :].max()
    size = scan.stat().st_size / 2**20
    print(
        f"memory of spot finding on {size:.0f} MB: at most {used.max():.0f} MB; "
        f"second quarter {first:.0f}, second half {last:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, help="where to write; a disk, not memory"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=["open", "throughput", "stream", "share", "memory"],
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        scan = write_scan(folder / "scan.tif", chosen.frames, chosen.size)
        print(f"{chosen.frames} frames of {chosen.size}², uint16")
        if "open" in chosen.only:
            opening(folder)
        if "throughput" in chosen.only:
            throughput(folder, scan, chosen.frames, chosen.size)
        if "stream" in chosen.only:
            streaming(folder, scan, chosen.frames, chosen.runs)
        if "share" in chosen.only:
            sharing(folder, scan, chosen.workers, chosen.runs)
        if "memory" in chosen.only:
            memory(folder, scan, chosen.frames)
    scale = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    print(f"peak memory of this process {peak:.0f} MB")


if __name__ == "__main__":
    main()
