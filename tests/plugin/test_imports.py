"""Imports in the background."""

import gc
import subprocess
import sys

import pytest

from napari_labdct.plugin.imports import calmly, load


def test_the_collector_waits_and_goes_on():
    with calmly():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_the_collector_goes_on_after_an_import_that_fails():
    with pytest.raises(ImportError):
        load("napari_labdct.no_such_room")
    assert gc.isenabled()


def test_one_that_was_off_stays_off():
    gc.disable()
    try:
        with calmly():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.slow
def test_a_training_finds_everything_imported():
    """Otherwise the window would wait when the first batch imports 800 modules."""
    code = (
        "import sys, torch\n"
        "from napari_labdct.plugin.imports import load_training\n"
        "from napari_labdct.workflows.training_scans import iter_clean_projections\n"
        "load_training()\n"
        "known = len(sys.modules)\n"
        "next(iter_clean_projections(1, 0, size=128))\n"
        "torch.optim.AdamW([torch.zeros(1, requires_grad=True)]).step()\n"
        "print(len(sys.modules) - known)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert int(run.stdout) < 100, run.stderr
