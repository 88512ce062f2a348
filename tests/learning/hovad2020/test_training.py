"""Both phases, exact resuming, and what the model folder is good for."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from napari_labdct.calibration import measure_frame
from napari_labdct.core import InputError
from napari_labdct.learning import Denoiser
from napari_labdct.learning.hovad2020 import Hovad2020Settings, iter_epochs
from napari_labdct.learning.hovad2020.run import TrainingRun
from tests.learning.conftest import draw_clean


def weights_of(folder, part="model"):
    return torch.load(folder / "last.pt", weights_only=True)[part]


def changed(settings, **values):
    return Hovad2020Settings.model_validate({**settings.model_dump(), **values})


def test_the_defaults_are_the_papers():
    settings = Hovad2020Settings()
    assert (settings.frozen_epochs, settings.batch, settings.content.size) == (
        10,
        1,
        500,
    )
    assert settings.learning_rate == 0.01
    assert settings.loss.weighting == "paper"
    assert settings.loss.vgg == "vgg16"
    assert (settings.encoder, settings.loss.perceptual) == ("imagenet", "imagenet")
    content = settings.content
    assert (content.threshold, content.lowest, content.highest) == (5, 25, 225)
    assert not content.per_pixel
    settings.check()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"encoder": "imagenet"}, "whole ResNet34"),
        ({"loss": {"perceptual": "imagenet", "vgg_width": 4}}, "whole VGG16"),
        ({"frozen_epochs": 0, "unfrozen_epochs": 0}, "nothing to train"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(small, values, said):
    with pytest.raises(InputError, match=said):
        changed(small, **values).check()


def test_missing_weights_are_said_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("LABDCT_WEIGHTS", str(tmp_path))
    clean = iter(())  # not even looked at
    run = iter_epochs(clean, Hovad2020Settings(), tmp_path / "m", device="cpu")
    with pytest.raises(InputError, match="vgg16-397923af"):
        next(run)
    assert not (tmp_path / "m").exists()


class TestTraining:
    @pytest.fixture(scope="class")
    @classmethod
    def whole(cls, tmp_path_factory):
        """A run of all phases, never interrupted."""
        from tests.learning.hovad2020.conftest import SMALL

        folder = tmp_path_factory.mktemp("whole") / "paper"
        clean = [draw_clean(seed) for seed in range(12)]
        return folder, list(iter_epochs(clean, SMALL, folder, device="cpu"))

    def test_epochs_are_reported_with_their_phase(self, whole):
        reports = whole[1]
        assert [r.epoch for r in reports] == [1, 2, 3]
        assert [r.phase for r in reports] == ["frozen", "unfrozen", "unfrozen"]
        assert reports[0].epochs == 3
        assert reports[0].preview.shape == (3, 64, 64)
        before, _, truth = reports[0].preview
        assert len(np.unique(before[truth < 5])) == 1
        assert all(np.isfinite(r.validation_loss) for r in reports)

    def test_a_stopped_run_resumes_to_the_same_weights(
        self, whole, small, clean_projections, tmp_path
    ):
        for _ in range(2):  # stop after the frozen and after an unfrozen epoch
            begun = (tmp_path / "last.pt").exists()
            run = iter_epochs(
                clean_projections, small, tmp_path, device="cpu", resume=begun
            )
            next(run)
            run.close()
        rest = list(
            iter_epochs(clean_projections, small, tmp_path, device="cpu", resume=True)
        )
        assert [r.epoch for r in rest] == [3]
        assert rest[-1].validation_loss == whole[1][-1].validation_loss
        one, two = weights_of(whole[0]), weights_of(tmp_path)
        assert all(torch.equal(one[key], two[key]) for key in one)
        # The checkpoint's own file differs in names only: history too is complete.
        assert len(weights_of(tmp_path, "history")) == 3

    def test_other_settings_do_not_resume(self, whole, small, clean_projections):
        other = changed(small, learning_rate=0.005)
        with pytest.raises(InputError, match="other settings"):
            next(iter_epochs(clean_projections, other, whole[0], resume=True))

    def test_the_folder_says_how_it_was_made(self, whole):
        config = json.loads((whole[0] / "config.json").read_text())
        assert config["recipe"] == "hovad2020"
        assert config["training"]["loss"]["perceptual"] == "random"
        assert config["about"]["perceptual"] == "vgg16, random"
        assert config["network"]["scaling"]["white_percentile"] == 99.95
        card = (whole[0] / "README.md").read_text()
        assert "vgg16, random" in card
        assert "Hovad et al. 2020" in card
        with (whole[0] / "history.csv").open() as file:
            assert {row["phase"] for row in csv.DictReader(file)} <= {
                "frozen",
                "unfrozen",
            }

    def test_it_cleans_frames_of_any_size_in_their_own_grey_values(self, whole):
        denoiser = Denoiser.load(whole[0], "cpu")
        assert denoiser.name == "paper"
        rng = np.random.default_rng(0)
        frame = rng.poisson(400, (101, 83)).astype(np.float32)
        frame[40:44, 40:44] += 900
        cleaned = denoiser.clean_frame(frame, measure_frame(frame))
        assert cleaned.image.shape == cleaned.probability.shape == frame.shape
        assert cleaned.image.dtype == cleaned.probability.dtype == np.float32
        assert cleaned.image.min() >= 0
        assert cleaned.probability.min() >= 0
        assert cleaned.probability.max() <= 1
        # A brighter exposure gives the same picture on its own scale.
        brighter = denoiser.clean_frame(3 * frame + 50, measure_frame(frame))
        np.testing.assert_allclose(brighter.image, 3 * cleaned.image, rtol=1e-3)

    def test_a_flat_frame_comes_out_empty(self, whole):
        frame = np.full((70, 70), 300, np.float32)
        cleaned = Denoiser.load(whole[0], "cpu").clean_frame(
            frame, measure_frame(frame)
        )
        assert not cleaned.image.any()
        assert not cleaned.probability.any()

    def test_a_folder_of_an_unknown_recipe_is_refused(self, whole, tmp_path):
        for file in ("config.json", "weights.safetensors"):
            (tmp_path / file).write_bytes((whole[0] / file).read_bytes())
        config = tmp_path / "config.json"
        config.write_text(config.read_text().replace('"hovad2020"', '"other"', 1))
        with pytest.raises(InputError, match="another kind"):
            Denoiser.load(tmp_path)


def test_the_identity_network_keeps_spots_and_linear_grey_values(small):
    """What the network leaves as it is comes back as height above black."""
    from napari_labdct.learning.hovad2020.apply import clean_whole
    from napari_labdct.learning.hovad2020.dynamic_unet import DynamicUNet

    model = DynamicUNet(small.network).eval()
    model.forward = lambda x: x
    frame = np.full((64, 64), 500, np.float32)
    frame[::2] += 1
    frame[20, 20:40] = np.arange(500, 2500, 100)
    image, probability = clean_whole(model, frame, torch.device("cpu"))
    slope, offset = small.network.scaling.of(frame)
    step = np.diff(image[20, 20:38])
    np.testing.assert_allclose(step, 100, atol=1.05 / slope)
    black = (small.network.scaling.black - offset) / slope
    np.testing.assert_allclose(
        image + black, frame.clip(None, (255 - offset) / slope), atol=0.51 / slope
    )
    assert probability.min() == 1  # a background of 80 counts as spot: α is 5


def run_of(settings):
    return TrainingRun(settings, torch.device("cpu"), None, None, False)


class TestPhases:
    @pytest.fixture
    def pairs(self, small, clean_projections):
        from napari_labdct.learning.hovad2020.pairs import ContentPairs, content_images

        images = content_images(clean_projections[:4], 926)
        return ContentPairs(images, small.content, 1, 0)

    def test_the_first_phase_trains_decoder_and_batch_norm_alone(self, small, pairs):
        run = run_of(small)
        before = {k: v.clone() for k, v in run.model.state_dict().items()}
        run.train(pairs)
        after = run.model.state_dict()
        moved = {k for k in before if not torch.equal(before[k], after[k])}
        still = set(before) - moved
        held = {k for k in before if k.startswith("encoder") and before[k].ndim == 4}
        assert held <= still
        assert {"encoder.bn1.weight", "encoder.bn1.running_mean"} <= moved
        assert "head.bias" in moved
        assert "middle.2.parametrizations.weight.original1" in moved

    def test_the_second_phase_trains_everything(self, small, pairs):
        run = run_of(changed(small, frozen_epochs=0))
        before = {k: v.clone() for k, v in run.model.named_parameters()}
        run.train(pairs)
        assert all(
            not torch.equal(before[k], v) for k, v in run.model.named_parameters()
        )

    def test_patience_counts_in_the_second_phase_only(self, small):
        run = run_of(changed(small, frozen_epochs=3, unfrozen_epochs=9, patience=2))
        best = [run.count(loss) for loss in (5.0, 6.0, 7.0)]
        assert best == [True, False, False]
        assert run.phase == "unfrozen"
        assert not run.finished
        run.count(6.0)
        assert not run.finished
        run.count(4.0)
        run.count(4.5)
        assert not run.finished
        run.count(4.6)
        assert run.finished

    def test_a_new_phase_gets_a_new_optimiser_and_free_layers(self, small, pairs):
        run = run_of(small)
        run.train(pairs)
        assert run.optimiser.state
        run.count(1.0)
        assert not run.optimiser.state
        assert all(p.requires_grad for p in run.model.parameters())

    def test_a_loss_of_nan_is_said(self, small, pairs):
        run = run_of(small)
        run.loss.forward = lambda prediction, _: prediction.sum() * float("nan")
        with pytest.raises(InputError, match="lower the learning rate"):
            run.train(pairs)


def test_the_found_rate_is_used_and_its_curve_kept(small, clean_projections, tmp_path):
    settings = changed(
        small, find_rate=True, unfrozen_epochs=0, loss={"perceptual": "none"}
    )
    list(iter_epochs(clean_projections[:3], settings, tmp_path, device="cpu"))
    with (tmp_path / "rates.csv").open() as file:
        rates = [float(row["rate"]) for row in csv.DictReader(file)]
    assert len(rates) > 30
    assert rates == sorted(rates)
    used = weights_of(tmp_path, "rate")
    assert used != settings.learning_rate
    assert min(abs(rate - used) for rate in rates) < 1e-12


def test_the_loss_falls(clean_projections, small, tmp_path):
    settings = changed(
        small,
        batch=4,
        frozen_epochs=0,
        unfrozen_epochs=4,
        cycle=4,
        rise=0.3,
        unfrozen_rate=0.01,
        slowest_rate=0.01,
        loss={"perceptual": "none"},
    )
    clean = clean_projections * 2
    reports = list(iter_epochs(clean, settings, tmp_path, device="cpu"))
    assert reports[-1].train_loss < 0.6 * reports[0].train_loss
