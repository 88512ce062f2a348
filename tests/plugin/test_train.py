"""*Train a denoiser*: a tiny network, from simulated projections to the model shelf."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from napari_labdct.core import InputError, Progress
from napari_labdct.core.geometry import Parameters
from napari_labdct.learning import (
    Denoiser,
    EpochReport,
    TrainingSettings,
    UNetSettings,
)
from napari_labdct.plugin import layers
from napari_labdct.plugin.forms import Form
from napari_labdct.plugin.pictures import Pictures
from napari_labdct.plugin.tasks import State
from napari_labdct.plugin.train import RANDOM, SHOWN, TrainController
from napari_labdct.plugin.train_view import TrainView
from napari_labdct.plugin.training import RECIPES, History, Training, settings_of
from tests.conftest import draw_stack

TINY = TrainingSettings(
    epochs=2,
    steps=2,
    validation_steps=1,
    batch=1,
    crop=64,
    threads=1,
    network=UNetSettings(base=4, depth=2),
)


def fake_epochs(images, settings, folder, *, resume=False, **more):
    """Reports as a training would give them, and the files it would leave."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "last.pt"
    first = int(checkpoint.read_text()) + 1 if resume else 1
    for epoch in range(first, settings.epochs + 1):
        time.sleep(0.02)
        (folder / "config.json").write_text("{}")
        checkpoint.write_text(str(epoch))
        crop = np.asarray(images[0][:32, :32], np.float32)
        yield EpochReport(
            epoch,
            settings.epochs,
            1 / epoch,
            2 / epoch,
            1e-3,
            0.02,
            True,
            np.stack([crop] * 3),
        )


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(
        "napari_labdct.plugin.training.epochs_of", lambda _: fake_epochs
    )


@pytest.fixture
def clean_stack():
    stack = draw_stack(4)
    spots = np.clip(stack.images.astype(np.float32) - 750, 0, None)
    return stack.with_images(spots, "simulated", "Spots alone.")


@pytest.fixture
def view(qtbot):
    made = TrainView(Form(Parameters(), shown=SHOWN))
    qtbot.addWidget(made)
    return made


@pytest.fixture
def controller(viewer, view, models, wait, kept, tmp_path):
    kept["models", "new"] = str(tmp_path)
    made = TrainController(viewer, view, models)
    wait(lambda: view.train.isEnabled())
    yield made
    made.close()
    wait(lambda: not made.task.state.is_busy)


@pytest.mark.slow
def test_a_real_training_gives_a_model_that_loads(
    viewer, view, controller, clean_stack, wait, tmp_path
):
    layers.add_stack(viewer, clean_stack, "virtual")
    view.source.setCurrentText("virtual")
    view.settings.show_parameters(TINY)
    view.name.setText("tiny")
    view.train.click()
    wait(lambda: controller.task.state is State.DONE, timeout=240_000)
    assert Denoiser.load(tmp_path / "tiny", "cpu").name == "tiny"


def test_the_model_is_on_the_shelf_afterwards(
    viewer, view, controller, models, clean_stack, wait, tmp_path, kept, fake
):
    layers.add_stack(viewer, clean_stack, "virtual")
    view.source.setCurrentText("virtual")
    view.settings.show_parameters(TINY)
    view.name.setText("tiny")
    view.train.click()
    wait(lambda: controller.task.state is State.DONE)
    assert "tiny" in models.folders
    assert str(tmp_path / "tiny") in kept["models", "own"]
    losses, rate = view.plot.plot.panels
    assert [curve.name for curve in losses.curves] == ["training", "validation"]
    assert losses.curves[0].x.tolist() == [1, 2]
    assert len(rate.curves[0].y) == 2
    assert view.pictures.isVisibleTo(view)
    assert "validation loss" in view.message
    view.train.click()
    assert "holds a model already" in view.message


def test_resume_goes_on(view, controller, clean_stack, viewer, wait, fake):
    layers.add_stack(viewer, clean_stack, "virtual")
    view.source.setCurrentText("virtual")
    view.name.setText("tiny")
    view.resume.click()
    assert "no training to go on with" in view.message
    many = TINY.model_copy(update={"epochs": 300})
    view.settings.show_parameters(many)
    view.train.click()
    wait(lambda: controller.history.reports)
    view.stop.click()
    assert view.stop.text() == "Stopping…"
    wait(lambda: controller.task.state is State.DONE)
    assert view.message.startswith("Stopped.")
    done = len(controller.history.reports)
    view.resume.click()
    wait(lambda: len(controller.history.reports) > done)
    epochs = [report.epoch for report in controller.history.reports]
    assert epochs == list(range(1, len(epochs) + 1))


def test_only_clean_stacks_are_offered(viewer, view, controller, clean_stack):
    noisy = clean_stack.with_images(clean_stack.images, "corrupted", "Noise added.")
    layers.add_stack(viewer, noisy, "noisy")
    layers.add_stack(viewer, clean_stack, "virtual")
    names = [view.source.itemText(i) for i in range(view.source.count())]
    assert names == [RANDOM, "virtual"]
    assert controller.choice.layer is None
    assert view.count.isVisibleTo(view)
    view.source.setCurrentText("virtual")
    assert not view.count.isVisibleTo(view)


def test_recipes_have_their_own_fields(view, controller):
    assert view.settings.parameters == settings_of(RECIPES[0])
    view.recipe.setCurrentText(RECIPES[1])
    assert view.settings.parameters == settings_of(RECIPES[1])
    view.settings.editor("unfrozen_epochs").setValue(3)
    view.reset_wanted.emit()
    assert view.settings.parameters == settings_of(RECIPES[1])


def test_random_samples_are_simulated_first(tmp_path, monkeypatch):
    drawn = []

    def draw(count, seed):
        for index in range(count):
            drawn.append(seed)
            yield np.full((40, 40), index, np.float16)

    def train(images, settings, folder, **more):
        assert len(images) == 3
        assert more["about"] == {"samples": "3 drawn"}
        yield SimpleNamespace(epoch=1, epochs=1)

    monkeypatch.setattr(
        "napari_labdct.workflows.training_scans.iter_clean_projections", draw
    )
    monkeypatch.setattr("napari_labdct.plugin.training.epochs_of", lambda _: train)
    training = Training(TINY.model_copy(update={"seed": 5}), tmp_path / "x", None, 3)
    steps = list(training.steps())
    assert drawn == [5, 5, 5]
    assert [step.done for step in steps if isinstance(step, Progress)] == [
        1,
        2,
        3,
        0,
        1,
    ]


def test_what_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds a model already"):
        Training(TINY, tmp_path).check()
    with pytest.raises(InputError, match="no training to go on with"):
        Training(TINY, tmp_path, resume=True).check()
    Training(TINY, tmp_path / "new").check()


def test_the_best_epoch_is_marked():
    reports = [
        SimpleNamespace(
            epoch=n, train_loss=1.0, validation_loss=loss, learning_rate=1e-3
        )
        for n, loss in ((1, 3.0), (2, 1.0), (3, 2.0))
    ]
    history = History(reports)
    assert history.best.epoch == 2
    ((x, y, _),) = history.plot().panels[0].marks
    assert (x, y) == (2, 1)
    assert "first epoch" in History().plot().empty


def test_previews_are_drawn(qtbot):
    pictures = Pictures()
    qtbot.addWidget(pictures)
    pictures.resize(330, 130)
    dark = np.zeros((20, 20), np.float32)
    bright = dark.copy()
    bright[5:15, 5:15] = 9
    pictures.show_pictures({"input": dark, "truth": bright})
    image = pictures.grab().toImage()
    left, right = image.pixelColor(80, 50), image.pixelColor(248, 50)
    assert left.lightness() < 30
    assert right.lightness() > 220
