"""Time to open, stream and share long scans, beside what the machine can do.

    python benchmarks/bench_files.py [--frames 40] [--size 1024] [--workers 2]

Prints medians. The limits: for opening, none but half a second; for streaming, the
same work from memory; for two processes, what two processes that share nothing
reach on these cores; for throughput, the disk (a plain copy) and the network's
forward pass; for memory, 2 GB beyond the network's own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
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
    from napari_labdct.workflows.cluster import BLOCK, processes

    job = SpotsJob(source=ScanSource(path=str(scan)), model="none")
    half = [str(scan)]
    spawned = multiprocessing.get_context("spawn")
    with spawned.Pool(workers) as pool, processes(workers) as many, processes(1) as one:

        def work(place) -> None:
            for _ in iter_job(job, {}, folder / "spots.csv", pool=place):
                pass

        # Every process has imported all it needs, and every worker opened the scan.
        pool.map(_alone, half * workers, chunksize=1)
        for place, count in ((many, workers), (one, 1)):
            list(place(job, range(count * BLOCK)))
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
import json, sys, threading, time
from pathlib import Path
import numpy as np
from napari_labdct.calibration import FrameStatistics
from napari_labdct.files import read_stack
from napari_labdct.learning import Denoiser
from napari_labdct.workflows import jobs
from napari_labdct.workflows.frame_job import iter_job
from napari_labdct.workflows.scan_source import ScanSource

verb, scan, out = sys.argv[1:]

def resident():
    with open("/proc/self/status") as file:
        values = dict(line.split(":", 1) for line in file)
    return int(values["RssAnon"].split()[0]) / 1024

peaks = [0.0]

def watch():
    while True:
        peaks[-1] = max(peaks[-1], resident())
        time.sleep(0.005)

source = ScanSource(path=scan)
if verb == "network":
    frame = read_stack(scan).frame(0)
    level = np.full_like(frame, np.median(frame))
    denoiser, known = Denoiser.default("cpu"), FrameStatistics(level, level**0.5, level)
    steps = (denoiser.clean_frame(frame, known) for _ in range(2))
elif verb == "clean":
    job = jobs.CleanJob(source=source, device="cpu")
    steps = iter_job(job, {"cleaned": Path(out)})
else:
    steps = iter_job(jobs.SpotsJob(source=source, model="none"), {}, Path(out))
start = resident()
threading.Thread(target=watch, daemon=True).start()
for _ in steps:
    peaks.append(0.0)
print(json.dumps([start, *peaks]))
"""


def memory(folder: Path, scan: Path) -> None:
    """Memory that each job takes on top of what it starts with (Linux)."""
    size = scan.stat().st_size / 2**20
    print(f"memory, disk to disk, for a scan of {size:.0f} MB:")
    for verb, name in (
        ("network", "one frame through the network"),
        ("clean", "clean"),
        ("spots", "spots, without the network"),
    ):
        words = [sys.executable, "-c", MEMORY, verb, str(scan), str(folder / "m.tif")]
        found = subprocess.run(words, capture_output=True, text=True, check=True)
        start, *peaks = json.loads(found.stdout.splitlines()[-1])
        middle = len(peaks) // 2
        halves = [max(part) - start for part in (peaks[:middle], peaks[middle:])]
        print(
            f"  {name:<30} {max(halves):5.0f} MB at most "
            f"(first half {halves[0]:.0f}, second {halves[1]:.0f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=40)
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
            short = write_scan(
                folder / "short.tif", min(32, chosen.frames), chosen.size
            )
            sharing(folder, short, chosen.workers, min(2, chosen.runs))
        if "memory" in chosen.only:
            memory(folder, scan)


if __name__ == "__main__":
    main()
