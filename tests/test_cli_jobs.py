"""Verbs that do their work frame by frame: options, several scans, going on."""

import signal

import h5py
import numpy as np
import pandas as pd
import pytest

from napari_labdct.cli import jobs
from napari_labdct.core import ProjectionStack
from napari_labdct.files import read_spots, read_stack, write_stack
from tests.test_cli import fails, labdct, quick, scan

__all__ = ["quick", "scan"]


def test_prepare_takes_fields_and_steps(scan, tmp_path, small_stack):
    dark, flat = tmp_path / "dark.tif", tmp_path / "flat.h5"
    level = np.full((3, 96, 128), 100, np.uint16)
    write_stack(ProjectionStack(level), dark)
    write_stack(ProjectionStack(level * 11), flat)
    out = tmp_path / "p.nxs"
    words = ("--dark", dark, "--flat", flat, "--bin", 2, "--top", 10, "--out", out)
    assert labdct("prepare", scan, *words) == 0
    found = read_stack(out)
    wanted = small_stack.images[:, 10:].astype(np.float32) - 100
    squares = wanted.reshape(5, 43, 2, 64, 2).sum((2, 4))
    np.testing.assert_allclose(found.images, squares)
    assert found.geometry.detector.pixel_size == pytest.approx(13.44)
    assert len(found.history) == 1 + 4


def test_angles_and_dataset_go_all_the_way(scan, tmp_path, small_stack):
    table = tmp_path / "angles.txt"
    table.write_text("5\n4\n3\n2\n1\n")
    stack = write_stack(small_stack, tmp_path / "scan.h5")
    out = tmp_path / "c.h5"
    words = ("--angles", table, "--dataset", "entry/data/images", "--out", out)
    assert labdct("clean", stack, *words) == 0
    np.testing.assert_array_equal(read_stack(out).omega, [5, 4, 3, 2, 1])


def test_run_profile_and_info_take_a_dataset_and_angles(tmp_path, small_stack, capsys):
    path, table = tmp_path / "two.h5", tmp_path / "angles.txt"
    table.write_text("50\n40\n30\n20\n10\n")
    with h5py.File(path, "w") as file:
        file["scan/a"] = small_stack.images
        file["scan/b"] = small_stack.images + 7
    assert "several stacks" in fails(capsys, "info", path)
    how = ("--dataset", "/scan/b", "--angles", table)
    assert labdct("info", path, *how) == 0
    assert "50° to 10°" in capsys.readouterr().out
    line = ("--line", "10,20,10,60", "--out", tmp_path / "p.csv")
    other = write_stack(small_stack, tmp_path / "other.tif")
    assert labdct("profile", path, "--against", other, *line, *how) == 0
    values = pd.read_csv(tmp_path / "p.csv")
    np.testing.assert_allclose(values["two"] - values["other"], 7)
    out = tmp_path / "out"
    assert labdct("run", path, "--out", out, "--no-window", *how) == 0
    np.testing.assert_array_equal(
        read_stack(out / "cleaned.tif").omega, [50, 40, 30, 20, 10]
    )


def test_several_scans_go_into_a_folder(scan, tmp_path, small_stack, capsys):
    other = write_stack(small_stack, tmp_path / "other.tif")
    out = tmp_path / "out"
    assert "make a folder" in fails(capsys, "clean", scan, other, "--out", out)
    out.mkdir()
    assert labdct("clean", scan, other, "--out", out) == 0
    assert labdct("spots", scan, other, "--model", "none", "--out", out) == 0
    names = {path.name for path in out.iterdir()}
    assert names == {
        f"{name}_{what}"
        for name in ("scan", "other")
        for what in ("cleaned.tif", "spots.csv")
    }
    assert len(read_spots(out / "other_spots.csv")) > 20
    assert "same name" in fails(capsys, "clean", scan, scan, "--out", out)


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request):
    """A signal that is not ignored, as SIGINT is in what a shell runs behind it."""
    before = signal.signal(request.param, signal.default_int_handler)
    yield request.param
    signal.signal(request.param, before)


def test_a_stop_tells_what_is_kept_and_goes_on(
    scan, tmp_path, monkeypatch, capsys, number
):
    from napari_labdct.workflows import cleanup

    out = tmp_path / "c.tif"
    out.write_text("earlier")
    clean, count = cleanup.iter_clean, 0

    def stopped(*given, **more):
        for done in clean(*given, **more):
            nonlocal count
            count += 1
            if count == 4:
                signal.raise_signal(number)
            yield done

    monkeypatch.setattr(cleanup, "iter_clean", stopped)
    assert labdct("clean", scan, "--out", out) == 130
    error = capsys.readouterr().err
    assert "labdct: 3 of 5 projections are kept" in error
    assert "Traceback" not in error
    assert out.read_text() == "earlier"
    assert labdct("clean", scan, "--out", out) == 0
    assert "Going on after 3 of 5" in capsys.readouterr().out
    assert len(read_stack(out)) == 5


def test_workers_and_scheduler_say_where(monkeypatch):
    from napari_labdct.workflows import cluster

    monkeypatch.setattr(cluster, "processes", lambda count: f"{count} processes")
    monkeypatch.setattr(cluster, "scheduler", lambda address: f"at {address}")
    assert jobs.place(3, None) == "3 processes"
    assert jobs.place(1, "tcp://a:1") == "at tcp://a:1"
    with jobs.place(1, None) as pool:
        assert pool is None
