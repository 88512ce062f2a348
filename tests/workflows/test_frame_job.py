"""Jobs from disk to disk: stopped anywhere, they end as if nothing had been."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import draw_stack

from napari_labdct.core import InputError, ProjectionStack, drained
from napari_labdct.files import layout, read_stack, write_spots, write_stack
from napari_labdct.files.journal import Journal
from napari_labdct.learning import Denoiser
from napari_labdct.workflows.cleanup import clean
from napari_labdct.workflows.frame_job import FrameResult, OpenJob, iter_job
from napari_labdct.workflows.jobs import CleanJob, SpotsJob
from napari_labdct.workflows.scan_source import ScanSource
from napari_labdct.workflows.spot_finding import iter_spots


@pytest.fixture(autouse=True)
def quick(monkeypatch, threshold):
    monkeypatch.setattr(Denoiser, "load", lambda *_: threshold)


@pytest.fixture
def scan(tmp_path):
    (tmp_path / "in").mkdir()
    return write_stack(draw_stack(12, 40, 50), tmp_path / "in" / "scan.tif")


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def job_of(scan, **options):
    return CleanJob(source=ScanSource(path=str(scan), **options), difference=True)


def files_of(out):
    return {"cleaned": out / "c.tif", "difference": out / "d.h5"}


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_job_gives_what_cleaning_in_memory_gives(scan, out, threshold):
    stack = read_stack(scan)
    steps = list(iter_job(job_of(scan), files_of(out)))
    assert [step.done for step in steps] == list(range(13))
    assert names(out) == {"c.tif", "d.h5"}
    wanted, found = clean(stack, threshold), read_stack(out / "c.tif")
    np.testing.assert_array_equal(found.images, wanted.images)
    assert found.history == wanted.history
    assert found.geometry == stack.geometry
    np.testing.assert_array_equal(found.omega, stack.omega)
    rest = read_stack(out / "d.h5")
    np.testing.assert_array_equal(
        rest.images, stack.images.astype(np.float32) - wanted.images
    )
    assert rest.kind == "difference"


@pytest.mark.parametrize("model", ["none", "default"])
def test_spots_are_those_found_in_memory(scan, out, threshold, model):
    denoiser = None if model == "none" else threshold
    table = drained(iter_spots(read_stack(scan), denoiser))
    wanted = write_spots(table, out / "w.csv").read_bytes()
    job = SpotsJob(source=ScanSource(path=str(scan)), model=model)
    for stop in (5, None):
        with closing(iter_job(job, {}, out / "s.csv")) as steps:
            assert sum(1 for _ in islice(steps, stop))
    assert (out / "s.csv").read_bytes() == wanted
    assert names(out) == {"s.csv", "w.csv"}


@pytest.mark.parametrize("stop", [1, 2, 7, 12])
def test_a_second_run_goes_on_and_ends_the_same(scan, out, tmp_path, stop, monkeypatch):
    whole = tmp_path / "whole"
    whole.mkdir()
    list(iter_job(job_of(scan), files_of(whole)))
    with closing(iter_job(job_of(scan), files_of(out))) as steps:
        list(islice(steps, stop))
    done = stop - 1
    parts = {"c.tif.part", "d.h5.part", "c.tif.journal"}
    assert names(out) == (parts if done else set())
    steps = list(iter_job(job_of(scan), files_of(out)))
    assert steps[0].done == done
    assert len(steps) == 13 - done
    assert contents(out) == contents(whole)


def test_a_frame_that_never_reached_the_disk_is_done_again(scan, out, tmp_path):
    with closing(iter_job(job_of(scan), files_of(out))) as steps:
        list(islice(steps, 8))
    part = out / "c.tif.part"
    with part.open("r+b") as file:  # what a power cut may leave: zeros
        file.seek(5 * 40 * 50 * 4 + 1000)  # in the fifth frame
        file.write(b"\1" * 10)
    with (out / "c.tif.journal").open("ab") as file:
        file.write(b'{"frame": 11, "check"')  # cut short
    steps = list(iter_job(job_of(scan), files_of(out)))
    assert steps[0].done == 6
    list(iter_job(job_of(scan), files_of(tmp_path)))
    assert (out / "c.tif").read_bytes() == (tmp_path / "c.tif").read_bytes()


def test_another_job_does_not_go_on(scan, out):
    def start(**options):
        with closing(iter_job(job_of(scan, **options), files_of(out))) as steps:
            first, *_ = islice(steps, 4)
            return first.done

    assert start() == 0
    assert start() == 3
    assert start(omega_step=3) == 0
    assert start(omega_step=3) == 3
    os.utime(scan)  # another file, as far as one can tell
    assert start(omega_step=3) == 0


def test_two_runs_do_not_share_an_output(scan, out):
    with closing(iter_job(job_of(scan), files_of(out))) as steps:
        list(islice(steps, 3))
        with pytest.raises(InputError, match="Another run is writing"):
            next(iter_job(job_of(scan), files_of(out)))
        assert len(list(steps)) == 10
    assert names(out) == {"c.tif", "d.h5"}


def test_a_full_disk_keeps_what_is_done_and_what_was_there(scan, out, monkeypatch):
    (out / "c.tif").write_text("earlier")
    put, count = layout.Layout.put, 0

    def full(*given):
        nonlocal count
        count += 1
        if count > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return put(*given)

    with monkeypatch.context() as patch:
        patch.setattr(layout.Layout, "put", full)
        with pytest.raises(InputError, match=r"c\.tif|d\.h5 .*No space left"):
            list(iter_job(job_of(scan), files_of(out)))
    assert (out / "c.tif").read_text() == "earlier"
    steps = list(iter_job(job_of(scan), files_of(out)))
    assert steps[0].done == 2
    assert names(out) == {"c.tif", "d.h5"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk ever full")
def test_a_disk_too_full_for_the_journal(tmp_path):
    """Closing it must not try once more what could not be written."""
    journal = Journal.start(tmp_path / "a.journal", {"job": 1})
    journal._file.close()
    with Path("/dev/full").open("ab", buffering=0) as full:
        journal._file = full
        with pytest.raises(OSError, match="No space left"):
            journal.add(0, {"spots": list(range(1000))})
    assert journal.done == {}
    journal.close()


def test_an_output_that_cannot_be_written(scan, out):
    (out / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"c\.tif cannot be written"):
        list(iter_job(job_of(scan), files_of(out / "file")))
    with pytest.raises(InputError, match=r"cannot be written"):
        list(iter_job(job_of(scan), files_of(out / "none")))
    assert names(out) == {"file"}


def test_a_file_that_vanishes_on_the_way(out, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    stack = draw_stack(12, 40, 50)
    for index in range(12):
        one = ProjectionStack(stack.images[index])
        write_stack(one, folder / f"frame_{index}.tif", compress=True)
    job = SpotsJob(source=ScanSource(path=str(folder)), model="none")
    steps = iter_job(job, {}, out / "s.csv")
    list(islice(steps, 3))
    (folder / "frame_7.tif").unlink()
    with pytest.raises(InputError, match=r"frame_7\.tif could not be read"):
        list(steps)
    assert names(out) == {"s.csv.journal"}


class Slow(CleanJob):
    """A job that takes its time; run by its own name in another process."""

    def open(self):
        opened = super().open()

        def frames(indices):
            for result in opened.frames(indices):
                time.sleep(0.1)
                yield FrameResult(result.index, result.images)

        return OpenJob(opened.count, opened.outputs, frames)


SCRIPT = """
import sys
from pathlib import Path
from tests.conftest import Threshold
from tests.workflows.test_frame_job import *
Denoiser.load = lambda *_: Threshold()
job = Slow(source=ScanSource(path=sys.argv[1]), difference=True)
for step in iter_job(job, files_of(Path(sys.argv[2]))):
    print(step.done, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind")
@pytest.mark.slow
def test_killed_without_a_word_it_goes_on(scan, out, tmp_path):
    words = [sys.executable, "-c", SCRIPT, str(scan), str(out)]
    reached = []
    for _ in range(3):
        run = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        start = int(run.stdout.readline())
        for line in run.stdout:
            if int(line) >= min(start + 4, 12):
                break
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
        reached.append(start)
    assert reached[0] == 0
    assert reached[1] >= 4
    assert reached[2] >= 8
    list(iter_job(Slow(**job_of(scan).model_dump()), files_of(out)))
    list(iter_job(job_of(scan), files_of(tmp_path)))
    for name in ("c.tif", "d.h5"):
        assert (out / name).read_bytes() == (tmp_path / name).read_bytes()
    assert names(out) == {"c.tif", "d.h5"}
