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
from napari_labdct.learning.lr_finder import RatePoint
from napari_labdct.learning.run import StepReport
from napari_labdct.plugin import adding
from napari_labdct.plugin.forms import Form
from napari_labdct.plugin.pictures import Pictures
from napari_labdct.plugin.tasks import State, Task
from napari_labdct.plugin.train import NEW, SHOWN, TrainController
from napari_labdct.plugin.train_view import TrainView
from napari_labdct.plugin.training import RECIPES, Training, settings_of
from napari_labdct.plugin.training_plots import History, rate_plot
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


def fake_epochs(images, settings, folder, *, resume=False, each_step=None, **more):
    """Reports as a training would give them, and the files it would leave."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "last.pt"
    first = int(checkpoint.read_text()) + 1 if resume else 1
    for epoch in range(first, settings.epochs + 1):
        for step in (1, 2):
            time.sleep(0.01)
            each_step(StepReport(epoch, step, 2, 1 / epoch))
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
    adding.add_stack(viewer, clean_stack, "virtual")
    view.source.setCurrentText("virtual")
    view.settings.show_parameters(TINY)
    view.name.setText("tiny")
    view.train.click()
    wait(lambda: controller.task.state is State.DONE, timeout=240_000)
    assert Denoiser.load(tmp_path / "tiny", "cpu").name == "tiny"


def test_the_model_is_on_the_shelf_afterwards(
    viewer, view, controller, models, clean_stack, wait, tmp_path, kept, fake
):
    adding.add_stack(viewer, clean_stack, "virtual")
    view.source.setCurrentText("virtual")
    view.settings.show_parameters(TINY)
    view.name.setText("tiny")
    view.train.click()
    wait(lambda: controller.task.state is State.DONE)
    assert "tiny" in models.folders
    assert str(tmp_path / "tiny") in kept["models", "own"]
    losses, rate = view.plot.plot.panels
    names = [curve.name for curve in losses.curves]
    assert names[-2:] == ["training", "validation"]
    assert losses.curves[-1].x.tolist() == [1, 2]
    assert len(rate.curves[0].y) == 2
    assert view.pictures.isVisibleTo(view)
    assert "validation loss" in view.message
    view.train.click()
    assert "holds a model already" in view.message


def test_resume_goes_on(view, controller, clean_stack, viewer, wait, fake):
    adding.add_stack(viewer, clean_stack, "virtual")
    view.source.setCurrentText("virtual")
    view.name.setText("tiny")
    view.resume.click()
    assert "no training to go on with" in view.message
    many = TINY.model_copy(update={"epochs": 300})
    view.settings.show_parameters(many)
    view.train.click()
    wait(lambda: controller.history.reports)
    view.stop.click()
    assert view.stop.text() == "Stop now"
    wait(lambda: controller.task.state is State.DONE)
    assert view.message.startswith("Stopped.")
    done = len(controller.history.reports)
    view.resume.click()
    wait(lambda: len(controller.history.reports) > done)
    epochs = [report.epoch for report in controller.history.reports]
    assert epochs == list(range(1, len(epochs) + 1))


@pytest.fixture
def endless(monkeypatch):
    """A training whose first epoch does not end by itself."""

    def epochs(images, settings, folder, *, each_step, **more):
        for step in range(1, 100_000):
            time.sleep(0.005)
            each_step(StepReport(1, step, 100_000, 1 / step))
        yield from ()

    monkeypatch.setattr("napari_labdct.plugin.training.epochs_of", lambda _: epochs)


def test_losses_are_live_and_stop_now_ends_inside_an_epoch(
    view, controller, clean_stack, viewer, wait, endless
):
    adding.add_stack(viewer, clean_stack, "virtual")
    view.source.setCurrentText("virtual")
    view.train.click()
    wait(lambda: len(controller.history.batches) > 3)
    assert [curve.name for curve in view.plot.plot.panels[0].curves] == ["batches"]
    assert view.words.text().startswith("epoch 1 of")
    view.stop.click()
    assert controller.task.state is State.STOPPING
    view.stop.click()
    wait(lambda: controller.task.state is State.DONE, timeout=5000)
    assert "no model yet" in view.message


def test_closing_does_not_wait_for_the_epoch(
    view, controller, clean_stack, viewer, wait, endless
):
    adding.add_stack(viewer, clean_stack, "virtual")
    view.source.setCurrentText("virtual")
    view.train.click()
    wait(lambda: controller.history.batches)
    controller.task.abandon()
    wait(lambda: not controller.task.state.is_busy, timeout=5000)


def test_the_learning_rate_is_searched_and_taken(
    view, controller, clean_stack, viewer, wait, monkeypatch
):
    adding.add_stack(viewer, clean_stack, "virtual")
    view.source.setCurrentText("virtual")

    def search(images, settings, **more):
        for rate in np.geomspace(1e-6, 1, 60):
            loss = 2 - np.tanh(np.log10(rate / 1e-3)) + 9 * (rate > 0.5)
            yield RatePoint(rate, loss, loss)

    monkeypatch.setattr("napari_labdct.learning.rate_search.iter_rate_search", search)
    view.search.click()
    wait(lambda: controller.search.state is State.DONE)
    (panel,) = view.plot.plot.panels
    assert panel.log_x
    ((found, _, _),) = panel.marks
    assert found == pytest.approx(1e-3, rel=0.3)
    view.use_rate.click()
    set_to = view.settings.parameters.learning_rate
    assert set_to == pytest.approx(found, rel=0.06)
    assert not view.use_rate.isVisibleTo(view)
    assert rate_plot([])[1] is None


def test_the_paper_s_recipe_asks_for_weights(
    view, controller, clean_stack, viewer, wait, monkeypatch, tmp_path
):
    asked = {}

    def epochs(images, settings, folder, **more):
        asked.update(more)
        yield from ()

    monkeypatch.setattr("napari_labdct.plugin.training.epochs_of", lambda _: epochs)
    adding.add_stack(viewer, clean_stack, "virtual")
    view.source.setCurrentText("virtual")
    assert not view.imagenet.isVisibleTo(view)
    view.recipe.setCurrentText(RECIPES[1])
    assert view.imagenet.isVisibleTo(view)
    assert view.count.value() == 181
    assert not view.download.isChecked()  # consent is never assumed
    monkeypatch.setattr(view, "ask_folder", lambda *a: tmp_path)
    view.weights_wanted.emit()
    view.download.setChecked(True)
    view.train.click()
    wait(lambda: controller.task.state is State.DONE)
    assert (asked["weights"], asked["download"]) == (tmp_path, True)


def test_what_was_trained_before_is_shown_on_resume(tmp_path):
    rows = "epoch,train_loss,validation_loss,learning_rate\n1,3,2,0.1\n2,2,1,0.1\n"
    (tmp_path / "history.csv").write_text(rows)
    history = History.of_folder(tmp_path)
    assert history.best.epoch == 2
    assert len(history.plot().panels) == 2
    assert not History.of_folder(tmp_path / "none").reports


def test_only_clean_stacks_are_offered(viewer, view, controller, clean_stack):
    noisy = clean_stack.with_images(clean_stack.images, "corrupted", "Noise added.")
    adding.add_stack(viewer, noisy, "noisy")
    adding.add_stack(viewer, clean_stack, "virtual")
    names = [view.source.itemText(i) for i in range(view.source.count())]
    assert names == [NEW, "virtual"]
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
    steps = list(training.steps(Task("Train")))
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
    assert "first batches" in History().plot().empty


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
