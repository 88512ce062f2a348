"""The whole reproduction, as small as it goes; its figures are judged by eye."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from napari_labdct.core import drained
from napari_labdct.learning import Denoiser
from napari_labdct.learning.hovad2020 import Hovad2020Settings
from napari_labdct.workflows.reproduce import SMALL_TRAINING, Size, iter_reproduce
from napari_labdct.workflows.reproduce_figures import Trial, lines_of
from napari_labdct.workflows.reproduce_report import OPEN, fidelity, quality

FIGURES = ("fig1.png", "fig3.png", "fig4.png", "fig5.png")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduction")
    recipe = Hovad2020Settings.model_validate(
        SMALL_TRAINING
        | {"frozen_epochs": 1, "unfrozen_epochs": 1, "content": {"size": 64}}
        | {"network": {"width": 4, "blocks": (1, 1, 1, 1)}}
    )
    size = Size(binning=8, projections=12, frames=9, training=recipe)
    steps = iter_reproduce(folder, size, device="cpu")
    numbers, seen = None, []
    while numbers is None:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            numbers = end.value
    return folder, size, numbers, seen


def test_everything_is_written(done):
    folder, _, _, _ = done
    for name in FIGURES:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
        assert (folder / name).stat().st_size > 20_000
    assert Denoiser.load(folder / "model", "cpu").name == "model"
    config = json.loads((folder / "model" / "config.json").read_text())
    assert config["recipe"] == "hovad2020"


def test_progress_ends_at_the_total(done):
    _, size, _, seen = done
    assert [p.done for p in seen] == list(range(1, size.steps + 1))
    assert {p.total for p in seen} == {size.steps}


def test_the_report_sets_numbers_side_by_side(done):
    folder, _, numbers, _ = done
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "| grains of the virtual sample | 144 | 144 |" in text
    assert "| spots a projection | 625 ± 22 |" in text
    assert 560 < np.mean(numbers.spots) < 690
    assert all(f"`{path}`" in text for path in OPEN.values())
    assert "| `network.width` | 4 |" in text


def test_the_default_model_is_judged_beside_it(done):
    _, _, numbers, _ = done
    assert set(numbers.quality) == {"paper", "default"}
    assert numbers.quality["default"].gradient < 0.05
    assert numbers.quality["default"].noise < 0.2
    assert 0.7 < numbers.quality["default"].kept < 1.3


class TestFidelity:
    @pytest.fixture
    def trial(self):
        from napari_labdct.calibration import FrameStatistics

        content = np.full((20, 20), 4, np.float32)
        content[3:6, 3:6] = 200
        content[10:13, 10:13] = 50
        frame = np.where(content < 5, 100, content).astype(np.float32)
        known = FrameStatistics(frame, np.ones_like(frame))
        return Trial(frame, content, known, {})

    def test_the_content_image_itself_is_faithful(self, trial):
        trial.answers["paper"] = trial.truth
        found = fidelity(trial, 100)
        assert (found.bright, found.dark, found.background) == (1, 1, (4, 0))

    def test_an_empty_answer_has_lost_everything(self, trial):
        trial.answers["paper"] = np.full_like(trial.truth, 4)
        found = fidelity(trial, 100)
        assert (found.bright, found.dark, found.background) == (0, 0, (4, 0))

    def test_an_untouched_input_has_kept_its_background(self, trial):
        trial.answers["paper"] = trial.frame
        found = fidelity(trial, 100)
        assert (found.bright, found.dark, found.background) == (1, 1, (100, 0))


def test_the_report_tells_of_its_own_kind_of_input(done):
    folder, _, numbers, _ = done
    text = (folder / "report.md").read_text(encoding="utf-8")
    level, scatter = numbers.fidelity.background
    assert f"| where no spot is | 4 | {level:.1f} ± {scatter:.1f} |" in text


def test_the_full_size_is_the_papers():
    full = Size.full()
    scan = full.scan("hovad2020", full.projections, 0)
    assert scan.geometry.detector.shape == (1015, 1015)
    assert (scan.plan.count, scan.plan.omega_step) == (181, 2.0)
    assert full.training == Hovad2020Settings()


class TestQuality:
    @pytest.fixture
    def trial(self):
        from napari_labdct.calibration import FrameStatistics

        rng = np.random.default_rng(0)
        truth = np.zeros((96, 96), np.float32)
        truth[40:44, 50:56] = 300
        ramp = np.linspace(100, 400, 96, dtype=np.float32)[:, None]
        frame = truth + ramp + rng.normal(0, 5, truth.shape).astype(np.float32)
        known = FrameStatistics(
            np.broadcast_to(ramp, truth.shape), np.full(truth.shape, 5, np.float32)
        )
        answers = {"truth": truth, "input": frame, "half": truth / 2 + frame / 4}
        return Trial(frame, truth, known, answers)

    def test_a_perfect_answer_keeps_all_and_leaves_nothing(self, trial):
        found = quality(trial, "truth")
        assert (found.kept, found.noise, found.gradient) == (1, 0, 0)

    def test_an_untouched_frame_leaves_everything(self, trial):
        found = quality(trial, "input")
        assert found.kept > 1
        assert (found.noise, found.gradient) == pytest.approx((1, 1))

    def test_halves_are_told(self, trial):
        assert quality(trial, "half").gradient == pytest.approx(0.25, abs=0.01)

    def test_lines_cross_spots(self, trial):
        (row, column), (_, last) = lines_of(trial)["A"]
        assert 40 <= row < 44
        assert column < 50 < 56 < last


def test_a_closed_run_can_go_on(tmp_path):
    recipe = Hovad2020Settings.model_validate(
        SMALL_TRAINING
        | {"frozen_epochs": 1, "unfrozen_epochs": 1, "content": {"size": 64}}
        | {"network": {"width": 4, "blocks": (1, 1, 1, 1)}}
        | {"loss": {"perceptual": "none"}}
    )
    size = Size(binning=8, projections=8, frames=1, training=recipe)
    steps = iter_reproduce(tmp_path, size, device="cpu")
    for progress in steps:
        if progress.what.startswith("training"):
            break
    steps.close()
    assert not (tmp_path / "report.md").exists()
    numbers = drained(iter_reproduce(tmp_path, size, device="cpu", resume=True))
    assert numbers.epochs == 2
    history = pd.read_csv(tmp_path / "model" / "history.csv")
    assert numbers.seconds == pytest.approx(history["seconds"].sum())
    assert (tmp_path / "report.md").exists()
