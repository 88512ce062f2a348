"""Training learns, resumes exactly, and what it writes cleans frames."""

from __future__ import annotations

import json
import pickle
import sys

import numpy as np
import pytest
import torch

from napari_labdct import InputError
from napari_labdct.calibration import FrameStatistics, measure_frame
from napari_labdct.learning import (
    Denoiser,
    TrainingSettings,
    UNetSettings,
    available_devices,
    iter_epochs,
    run,
)
from napari_labdct.learning.corruption import MeasuredLook
from napari_labdct.learning.devices import resolve_device
from napari_labdct.learning.inputs import network_input, to_grey_values
from napari_labdct.learning.losses import LossSettings, default_loss
from napari_labdct.learning.pairs import PairSource
from napari_labdct.learning.unet import SpotNet

SMALL = TrainingSettings(
    epochs=3,
    steps=4,
    validation_steps=2,
    batch=2,
    crop=64,
    network=UNetSettings(base=4, depth=2),
    averaging=0.5,
)


class TestSpotNet:
    def test_an_open_gate_keeps_bright_intensities_exactly(self):
        model = SpotNet(UNetSettings(base=4, depth=1)).eval()
        with torch.no_grad():
            model.unet.head.weight.zero_()
            model.unet.head.bias.zero_()
            model.unet.head.bias[:4] = 30
        x = torch.rand(1, 8, 32, 32) * 8
        with torch.inference_mode():
            torch.testing.assert_close(model(x)[:, 0], x[:, 0])

    @pytest.mark.parametrize("shape", [(64, 64), (33, 70), (101, 15)])
    def test_any_size_goes_in_and_comes_out(self, shape):
        out = SpotNet(UNetSettings(base=4))(torch.zeros(2, 8, *shape))
        assert out.shape == (2, 2, *shape)

    def test_nothing_beyond_its_reach_changes_a_pixel(self):
        torch.manual_seed(0)
        settings = UNetSettings(base=4, depth=2)
        model = SpotNet(settings).eval()
        x = torch.randn(1, 8, 192, 192)
        y = x.clone()
        y[..., 96 + settings.reach :, :] += 10
        with torch.inference_mode():
            same = torch.equal(model(x)[..., :96, :], model(y)[..., :96, :])
        assert same


def test_the_arcsinh_is_undone_exactly():
    rng = np.random.default_rng(0)
    frame = rng.uniform(500, 60000, (24, 24)).astype(np.float32)
    known = FrameStatistics(
        np.full_like(frame, 480), rng.uniform(5, 30, (24, 24)).astype(np.float32)
    )
    zero = np.zeros((24, 1), np.float32)
    inputs = network_input(frame, known, zero, zero.T)
    back = to_grey_values(inputs[0], known.sigma)
    np.testing.assert_allclose(back, frame - 480, rtol=2e-5)


class TestLoss:
    def make(self):
        target = torch.zeros(1, 3, 32, 32)
        target[0, 0, 10:14, 10:14] = 2.0
        target[0, 1, 11:13, 11:13] = 1
        target[0, 2] = 1
        perfect = torch.stack([target[:, 0], 40 * target[:, 1] - 20], 1)
        return perfect, target

    def test_the_truth_costs_nothing(self):
        perfect, target = self.make()
        assert default_loss(perfect, target, LossSettings()).item() < 1e-4

    def test_an_empty_image_costs_more_than_a_noisy_one(self):
        """The collapse that a bare L1 falls into must not pay."""
        perfect, target = self.make()
        empty = perfect.clone()
        empty[:, 0] = 0
        noisy = perfect.clone()
        noisy[:, 0] += 0.1 * torch.randn(noisy[:, 0].shape).clamp(-1, 1)
        settings = LossSettings()
        assert default_loss(empty, target, settings) > default_loss(
            noisy, target, settings
        )

    def test_what_cannot_be_known_is_not_charged(self):
        perfect, target = self.make()
        wrong = perfect.clone()
        wrong[:, 1] *= -1
        target[:, 2] = 0
        settings = LossSettings(flux=0)
        assert default_loss(wrong, target, settings).item() < 1e-4


class TestPairs:
    def test_a_batch_depends_on_seed_and_number_alone(self, clean_projections):
        one, two = (PairSource(clean_projections, crop=64, seed=5) for _ in range(2))
        for a, b in zip(one.get(3), two.get(3), strict=True):
            np.testing.assert_array_equal(a, b)
        assert not np.array_equal(one.get(3)[0], one.get(4)[0])

    def test_threads_keep_the_order(self, clean_projections):
        source = PairSource(clean_projections, crop=64, batch=1)
        drawn = [x for x, _ in source.iterate(2, 9, threads=3)]
        assert len(drawn) == 7
        for number, batch in enumerate(drawn):
            np.testing.assert_array_equal(batch, source.get(2 + number)[0])

    @pytest.mark.parametrize(
        ("clean", "said"),
        [
            ([], "simulate some first"),
            ([np.zeros((64, 64), np.float32)], "no spots"),
            ([np.ones((20, 64), np.float32)], "too small"),
            ([np.full((64, 64), np.nan, np.float32)], "NaN or infinite"),
        ],
    )
    def test_useless_projections_are_refused(self, clean, said):
        with pytest.raises(InputError, match=said):
            PairSource(clean)


class TestTraining:
    def test_the_loss_falls(self, clean_projections, tmp_path):
        settings = SMALL.model_copy(
            update={
                "epochs": 5,
                "steps": 12,
                "learning_rate": 6e-3,
                "look": MeasuredLook(faintest=8, scan_fraction=1.0),
            }
        )
        reports = list(iter_epochs(clean_projections, settings, tmp_path / "m"))
        assert [r.epoch for r in reports] == [1, 2, 3, 4, 5]
        assert reports[-1].validation_loss < 0.75 * reports[0].validation_loss
        assert reports[0].preview.shape == (3, 64, 64)

    def test_a_stopped_run_resumes_to_the_same_weights(
        self, clean_projections, tmp_path
    ):
        whole = list(iter_epochs(clean_projections, SMALL, tmp_path / "whole"))
        running = iter_epochs(clean_projections, SMALL, tmp_path / "broken")
        next(running)
        running.close()
        rest = list(
            iter_epochs(clean_projections, SMALL, tmp_path / "broken", resume=True)
        )
        assert [r.epoch for r in rest] == [2, 3]
        assert rest[-1].validation_loss == whole[-1].validation_loss
        one, two = (
            torch.load(tmp_path / name / "last.pt", weights_only=True)["model"]
            for name in ("whole", "broken")
        )
        assert all(torch.equal(one[key], two[key]) for key in one)

    def test_other_settings_do_not_resume(self, clean_projections, tmp_path):
        next(iter_epochs(clean_projections, SMALL, tmp_path))
        other = SMALL.model_copy(update={"learning_rate": 1e-4})
        with pytest.raises(InputError, match="other settings"):
            next(iter_epochs(clean_projections, other, tmp_path, resume=True))

    def test_there_must_be_something_to_resume(self, clean_projections, tmp_path):
        with pytest.raises(InputError, match="no interrupted training"):
            next(iter_epochs(clean_projections, SMALL, tmp_path / "new", resume=True))

    def test_a_loss_of_nan_stops_and_keeps_the_last_good_model(
        self, clean_projections, tmp_path, monkeypatch
    ):
        running = iter_epochs(clean_projections, SMALL, tmp_path)
        next(running)
        good = (tmp_path / "weights.safetensors").read_bytes()
        monkeypatch.setattr(
            "napari_labdct.learning.run.default_loss",
            lambda prediction, *_: prediction.sum() * float("nan"),
        )
        with pytest.raises(InputError, match="lower the learning rate"):
            next(running)
        assert (tmp_path / "weights.safetensors").read_bytes() == good

    def test_a_batch_too_large_for_memory_is_halved(
        self, clean_projections, tmp_path, monkeypatch
    ):
        sizes = []

        def short(prediction, target, settings, usual=run.default_loss):
            sizes.append(len(prediction))
            if len(prediction) > 1:
                raise torch.OutOfMemoryError("no room")
            return usual(prediction, target, settings)

        settings = SMALL.model_copy(update={"epochs": 1, "steps": 2, "batch": 2})
        monkeypatch.setattr(run.Run, "validate", lambda *_: (1.0, np.zeros((3, 8, 8))))
        monkeypatch.setattr(run, "default_loss", short)
        (report,) = iter_epochs(
            clean_projections, settings, tmp_path / "halves", device="cpu"
        )
        assert sizes == [2, 1, 1, 1, 1]
        assert np.isfinite(report.train_loss)

    def test_no_memory_for_one_crop_is_said(
        self, clean_projections, tmp_path, monkeypatch
    ):
        def none(*_):
            raise torch.OutOfMemoryError("no room")

        monkeypatch.setattr(run, "default_loss", none)
        with pytest.raises(InputError, match="smaller crop"):
            next(iter_epochs(clean_projections, SMALL, tmp_path, device="cpu"))

    def test_patience_ends_a_run_that_no_longer_improves(
        self, clean_projections, tmp_path
    ):
        settings = SMALL.model_copy(
            update={"epochs": 50, "steps": 1, "learning_rate": 1e-12, "patience": 2}
        )
        reports = list(iter_epochs(clean_projections, settings, tmp_path))
        assert len(reports) < 50


@pytest.fixture(scope="module")
def small_model(tmp_path_factory):
    """Weights as initialised: enough for shapes, tiles and files."""
    from tests.learning.conftest import draw_clean

    folder = tmp_path_factory.mktemp("models") / "small"
    settings = SMALL.model_copy(update={"epochs": 1, "steps": 1})
    list(iter_epochs([draw_clean(i) for i in range(3)], settings, folder))
    return folder


class TestDenoiser:
    def test_tiled_equals_untiled(self, small_model):
        denoiser = Denoiser.load(small_model, "cpu")
        frame = np.random.default_rng(0).poisson(200, (301, 277)).astype(np.float32)
        known = measure_frame(frame)
        whole = denoiser.clean_frame(frame, known)
        tiled = denoiser.clean_frame(frame, known, tile=160)
        np.testing.assert_allclose(tiled.image, whole.image, atol=1e-3)
        np.testing.assert_allclose(tiled.probability, whole.probability, atol=1e-5)

    def test_short_of_memory_it_takes_smaller_tiles(self, small_model, monkeypatch):
        denoiser = Denoiser.load(small_model, "cpu")
        frame = np.random.default_rng(0).normal(100, 5, (700, 640)).astype(np.float32)
        known = measure_frame(frame)
        whole = denoiser.clean_frame(frame, known)
        forward, most = denoiser.model.forward, 400 * 400

        def short(x):
            if x.shape[-1] * x.shape[-2] > most:
                raise torch.OutOfMemoryError("no room")
            return forward(x)

        monkeypatch.setattr(denoiser.model, "forward", short)
        tiled = denoiser.clean_frame(frame, known)
        np.testing.assert_allclose(tiled.image, whole.image, atol=1e-3)
        most = 0
        with pytest.raises(InputError, match="too small for a tile"):
            denoiser.clean_frame(frame, known)

    def test_a_model_folder_explains_itself(self, small_model):
        config = json.loads((small_model / "config.json").read_text())
        assert config["network"]["base"] == 4
        assert config["training"]["seed"] == 0
        assert (small_model / "history.csv").read_text().startswith("epoch,")
        assert "# small" in (small_model / "README.md").read_text()

    @pytest.mark.parametrize(
        ("damage", "said"),
        [
            (lambda f: (f / "weights.safetensors").unlink(), "no weights.safetensors"),
            (lambda f: (f / "config.json").write_text("{"), "cannot be understood"),
            (lambda f: (f / "config.json").write_text("[1]"), "cannot be understood"),
            (
                lambda f: (f / "weights.safetensors").write_bytes(b"\x80\x04junk"),
                "does not hold the weights",
            ),
            (
                lambda f: (f / "weights.safetensors").write_bytes(
                    (f / "weights.safetensors").read_bytes()[:-100]
                ),
                "does not hold the weights",
            ),
            (
                lambda f: (f / "config.json").write_text(
                    (f / "config.json").read_text().replace('"base": 4', '"base": 8')
                ),
                "does not hold the weights",
            ),
            (
                lambda f: (f / "config.json").write_text(
                    (f / "config.json").read_text().replace('"base": 4', '"base": 9999')
                ),
                "cannot be understood",
            ),
        ],
    )
    def test_a_damaged_folder_is_refused(self, small_model, tmp_path, damage, said):
        copy = tmp_path / "copy"
        copy.mkdir()
        for file in ("config.json", "weights.safetensors"):
            (copy / file).write_bytes((small_model / file).read_bytes())
        damage(copy)
        with pytest.raises(InputError, match=said):
            Denoiser.load(copy)

    def test_a_folder_that_is_none_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="no model folder"):
            Denoiser.load(tmp_path / "nowhere")


def test_the_cpu_is_always_there_and_other_names_are_refused():
    assert available_devices()[-1] == "cpu"
    assert resolve_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="choose one of"):
        resolve_device("abacus")


@pytest.mark.slow
def test_a_short_training_finds_spots_it_never_saw(clean_projections, tmp_path):
    """300 steps of a small network must beat doing nothing, by far."""
    from tests.learning.conftest import draw_clean

    settings = TrainingSettings(
        epochs=3,
        steps=100,
        validation_steps=1,
        batch=4,
        crop=64,
        learning_rate=4e-3,
        averaging=0.98,
        network=UNetSettings(base=8, depth=2),
        look=MeasuredLook(faintest=4, brightest=60),
    )
    list(iter_epochs(clean_projections, settings, tmp_path / "m"))
    model = Denoiser.load(tmp_path / "m", "cpu")
    unseen = PairSource(
        [draw_clean(seed) for seed in range(50, 56)], settings.look, 64, 1, seed=9
    )
    before, after = [], []
    for number in range(20):
        scene = unseen.scene(np.random.default_rng([9, number]))
        if scene.spots.max() < 5 * scene.statistics.sigma.mean():
            continue
        cleaned = model.clean_frame(scene.frame, scene.statistics).image
        truth = np.arcsinh(scene.spots / scene.statistics.sigma).ravel()
        for image, scores in (
            (scene.frame - scene.statistics.background, before),
            (cleaned, after),
        ):
            units = np.arcsinh(image / scene.statistics.sigma).ravel()
            scores.append(np.corrcoef(units, truth)[0, 1])
    assert np.median(after) > 0.8
    assert np.median(after) > np.median(before) + 0.15


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module there")
def test_a_claim_of_any_size_costs_no_memory(small_model, tmp_path):
    import resource

    for file in small_model.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["network"] |= {"base": 256, "depth": 6}
    (tmp_path / "config.json").write_text(json.dumps(config))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="does not hold the weights"):
        Denoiser.load(tmp_path, "cpu")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_every_epoch_stands_in_the_history(clean_projections, tmp_path):
    reports = list(iter_epochs(clean_projections, SMALL, tmp_path, device="cpu"))
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + len(reports)


@pytest.mark.parametrize(
    "damage", [b"", b"no checkpoint", pickle.dumps(print, protocol=2)]
)
def test_a_damaged_checkpoint_is_said(clean_projections, tmp_path, damage):
    next(iter_epochs(clean_projections, SMALL, tmp_path, device="cpu"))
    (tmp_path / "last.pt").write_bytes(damage)
    with pytest.raises(InputError, match="damaged"):
        next(iter_epochs(clean_projections, SMALL, tmp_path, device="cpu", resume=True))
