"""The same work on several processes: the same bytes, whoever dies on the way."""

import os
import signal
import sys
from concurrent.futures import Future
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import draw_stack

from napari_labdct.core import InputError
from napari_labdct.files import read_stack, write_stack
from napari_labdct.workflows.frame_job import FrameResult, OpenJob, iter_job
from napari_labdct.workflows.jobs import SpotsJob
from napari_labdct.workflows.prepare_job import PrepareJob
from napari_labdct.workflows.scan_source import ScanSource

cluster = pytest.importorskip("napari_labdct.workflows.cluster")
pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sockets of the cluster
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Deadly(PrepareJob):
    """A job whose 20th frame kills its worker, the first time it is done."""

    mark: str

    def open(self):
        opened = super().open()

        def frames(indices):
            for result in opened.frames(indices):
                if result.index == 20 and not Path(self.mark).exists():
                    Path(self.mark).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                yield FrameResult(result.index, result.images)

        return OpenJob(opened.count, opened.outputs, frames)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def scan(folder):
    return write_stack(draw_stack(40, 48, 64), folder / "scan.tif")


@pytest.fixture(scope="module")
def pool():
    with cluster.processes(2) as pool:
        yield pool


def source(scan):
    return ScanSource(path=str(scan))


def test_two_processes_give_the_same_bytes(scan, folder, pool):
    job = PrepareJob(source=source(scan), steps={"drift": True})
    steps = list(iter_job(job, {"prepared": folder / "a.tif"}, pool=pool))
    assert [step.done for step in steps] == list(range(41))
    list(iter_job(job, {"prepared": folder / "b.tif"}))
    assert (folder / "a.tif").read_bytes() == (folder / "b.tif").read_bytes()
    assert len(read_stack(folder / "a.tif")) == 40


def test_spots_of_two_processes_are_the_same(scan, folder, pool):
    job = SpotsJob(source=source(scan), model="none")
    list(iter_job(job, {}, folder / "a.csv", pool=pool))
    list(iter_job(job, {}, folder / "b.csv"))
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()
    assert (folder / "a.csv").stat().st_size > 10000


def test_stopped_on_many_it_goes_on_alone(scan, folder, pool):
    job = PrepareJob(source=source(scan))
    out = {"prepared": folder / "c.tif"}
    with closing(iter_job(job, out, pool=pool)) as steps:
        list(islice(steps, 12))
    steps = list(iter_job(job, out))
    assert steps[0].done == 11
    np.testing.assert_array_equal(
        read_stack(folder / "c.tif").images, read_stack(scan).images
    )


def test_an_error_of_a_worker_is_one_sentence(scan, folder, pool):
    job = PrepareJob(source=ScanSource(path=str(scan), angles=str(folder / "none")))
    with pytest.raises(InputError, match="none cannot be read as a list of angles"):
        list(iter_job(job, {"prepared": folder / "d.tif"}, pool=pool))
    assert not list(folder.glob("d.tif*"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind")
def test_a_worker_killed_in_the_middle_loses_nothing(scan, folder, pool):
    mark = folder / "killed"
    job = Deadly(source=source(scan), steps={"drift": True}, mark=str(mark))
    steps = list(iter_job(job, {"prepared": folder / "e.tif"}, pool=pool))
    assert mark.exists()
    assert [step.done for step in steps] == list(range(41))
    whole = PrepareJob(source=source(scan), steps={"drift": True})
    list(iter_job(whole, {"prepared": folder / "f.tif"}))
    assert (folder / "e.tif").read_bytes() == (folder / "f.tif").read_bytes()


def test_no_scheduler_is_one_sentence(monkeypatch):
    distributed = pytest.importorskip("distributed")

    def silent(*_, **__):
        raise TimeoutError

    monkeypatch.setattr(distributed, "Client", silent)
    with (
        pytest.raises(InputError, match=r"No Dask scheduler answers at tcp://.*:1"),
        cluster.scheduler("tcp://127.0.0.1:1"),
    ):
        pass


def test_no_scheduler_file_is_one_sentence(tmp_path):
    path = str(tmp_path / "scheduler.json")
    with (
        pytest.raises(InputError, match=r"scheduler\.json does not exist: start"),
        cluster.scheduler(path),
    ):
        pass


class Gone:
    """A client whose scheduler went away."""

    def scheduler_info(self, **_):
        return {"workers": {}}

    def submit(self, *_, **__):
        lost = Future()
        lost.cancel()
        return lost

    def cancel(self, *_, **__):
        pass


def test_a_scheduler_that_goes_away_is_one_sentence(scan, folder, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "as_completed", Waiting)
    job = PrepareJob(source=source(scan))
    with pytest.raises(InputError, match="scheduler went away"):
        list(
            iter_job(job, {"prepared": folder / "g.tif"}, pool=cluster.pool_of(Gone()))
        )


class Waiting(list):
    """Futures in turn."""

    add = list.append


@pytest.mark.parametrize(
    ("name", "gpus", "device"),
    [(0, 2, "cuda:0"), (3, 2, "cuda:1"), (0, 1, None), (1, 0, None), ("far", 2, None)],
)
def test_every_process_takes_a_gpu_of_its_own(monkeypatch, name, gpus, device):
    """Workers that a cluster has named see to their GPUs themselves."""
    import distributed
    import torch

    worker = type("Worker", (), {"name": name})
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert cluster._own_device() == device
