"""*Calibrate on this scan*: from the open stack to a chosen model of its own."""

import time

import numpy as np
import pytest

from napari_labdct.learning import Denoiser, EpochReport
from napari_labdct.learning.run import StepReport
from napari_labdct.plugin import adding
from napari_labdct.plugin.calibrate import free_folder
from napari_labdct.plugin.clean import CleanController
from napari_labdct.plugin.clean_view import CleanView
from napari_labdct.plugin.tasks import State, Task
from napari_labdct.workflows import calibrate
from tests.conftest import draw_stack


@pytest.fixture
def view(qtbot):
    made = CleanView()
    qtbot.addWidget(made)
    return made


@pytest.fixture
def controller(viewer, view, models, wait, kept, tmp_path):
    kept["models", "new"] = str(tmp_path)
    made = CleanController(viewer, view, models)
    wait(lambda: made.model.ready)
    yield made
    made.close()
    wait(lambda: not made.calibration.task.state.is_busy)


@pytest.fixture
def layer(viewer, controller):
    return adding.add_stack(viewer, draw_stack(), "iron/1")


@pytest.fixture
def short(monkeypatch, models):
    """Epochs of two quick batches; the epoch number `endless` does not end."""
    models.network.model = None

    def run(stack, denoiser, folder, *, epochs, each_part, each_step, **more):
        each_part(calibrate.Progress(0, 0, "measuring the scan"))
        for epoch in range(1, epochs + 1):
            for step in (1, 2):
                each_step(StepReport(epoch, step, 2, 1.0))
                while epoch == run.endless:
                    time.sleep(0.005)
                    each_step(StepReport(epoch, step, 2, 1.0))
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.json").write_text("{}")
            preview = np.zeros((3, 8, 8), np.float32)
            best = epoch < 3
            yield EpochReport(epoch, epochs, 1.0, 1.0, 1e-3, 0.1, best, preview)

    run.endless = 0
    monkeypatch.setattr(calibrate, "iter_calibrate", run)
    return run


def test_there_must_be_a_scan_first(viewer, view, controller):
    assert not view.calibrate.begin.isEnabled()
    adding.add_stack(viewer, draw_stack(), "scan")
    assert view.calibrate.begin.isEnabled()
    assert not view.calibrate.stop.isVisibleTo(view)


def test_the_finished_model_is_chosen(
    view, controller, models, layer, short, wait, kept, tmp_path
):
    view.calibrate.begin.click()
    assert view.calibrate.progress.isVisibleTo(view)
    wait(lambda: controller.calibration.task.state is State.DONE)
    name = "iron_1 calibrated"
    assert models.folders[name] == tmp_path / name
    assert controller.model.key == (name, "cpu")
    assert str(tmp_path / name) in kept["models", "own"]
    assert "model of epoch 2 is chosen" in view.message
    assert view.calibrate.begin.isEnabled()
    # Once more gives another model, it overwrites none.
    view.calibrate.begin.click()
    wait(lambda: controller.calibration.task.state is State.DONE)
    assert controller.model.key[0] == f"{name} 2"


@pytest.mark.parametrize(("endless", "word"), [(1, "no model yet"), (2, "of epoch 1")])
def test_stop_ends_inside_an_epoch(view, controller, layer, short, wait, endless, word):
    short.endless = endless
    view.calibrate.begin.click()
    wait(lambda: view.calibrate.words.text().startswith(f"epoch {endless} of 6"))
    view.calibrate.stop.click()
    wait(lambda: controller.calibration.task.state is State.DONE, timeout=5000)
    assert word in view.message


def test_it_waits_for_its_turn(view, controller, layer, short, wait):
    go = []

    def slow():
        while not go:
            time.sleep(0.005)
        yield 1

    other = Task("Something long")
    other.start(slow)
    view.calibrate.begin.click()
    assert controller.calibration.task.state is State.WAITING
    assert "Waiting" in view.calibrate.words.text()
    go.append(True)
    wait(lambda: controller.calibration.task.state is State.DONE)
    assert "is chosen" in view.message


def test_a_layer_that_is_removed_takes_its_job_along(
    viewer, view, controller, layer, short, wait
):
    short.endless = 1
    view.calibrate.begin.click()
    wait(lambda: controller.calibration.task.state is State.RUNNING)
    viewer.layers.remove(layer)
    wait(lambda: controller.calibration.task.state is State.DONE, timeout=5000)


def test_a_single_frame_is_refused_in_one_sentence(
    viewer, view, controller, models, wait, monkeypatch
):
    adding.add_stack(viewer, draw_stack(1), "one")
    network = Denoiser.default("cpu")
    monkeypatch.setattr(models, "get", lambda name, device: network)
    view.calibrate.begin.click()
    wait(lambda: controller.calibration.task.state is State.FAILED)
    assert "one frame only" in view.message


@pytest.mark.slow
def test_a_real_calibration_cleans_afterwards(
    viewer, view, controller, models, layer, wait, monkeypatch, tmp_path
):
    monkeypatch.setattr(calibrate, "SAMPLES", 6)
    settings = calibrate.calibration_settings

    def tiny(network):
        few = {"steps": 3, "validation_steps": 1, "batch": 1, "crop": 64}
        return settings(network).model_copy(update=few)

    monkeypatch.setattr(calibrate, "calibration_settings", tiny)
    network = Denoiser.default("cpu")
    monkeypatch.setattr(models, "get", lambda name, device: network)
    view.calibrate.epochs.setValue(1)
    view.calibrate.begin.click()
    wait(lambda: controller.calibration.task.state is State.DONE, timeout=240_000)
    folder = tmp_path / "iron_1 calibrated"
    assert Denoiser.load(folder, "cpu").scan["projections"] == 5
    assert controller.model.key[0] == folder.name


def test_names_of_layers_make_names_of_folders(tmp_path):
    assert free_folder(tmp_path, "a:b/c µ 2.tif").name == "a_b_c µ 2.tif"
    assert free_folder(tmp_path, " ..").name == "calibrated"
