import numpy as np
import pytest
from scipy import ndimage

from napari_labdct.calibration import statistics_of
from napari_labdct.core import InputError, ProjectionStack
from napari_labdct.learning import Denoiser, MeasuredLook
from napari_labdct.learning.corruption import BackgroundBank
from napari_labdct.workflows.calibrate import (
    calibration_settings,
    iter_calibrate,
    kinds_like,
)
from napari_labdct.workflows.scan_traits import measure_traits, spread_over

WIDTH, LEVEL, RATE = 2.0, 400.0, 3e-4


def scan(
    count: int = 12, size: int = 256, spots: int = 40
) -> tuple[ProjectionStack, ...]:
    """A scan of round spots on photon noise with zingers, and its spots alone."""
    rng = np.random.default_rng(5)
    clean = np.zeros((count, size, size), np.float32)
    for image in clean:
        at = rng.integers(8, size - 8, (2, spots))
        image[*at] = rng.uniform(400, 4000, spots) * 2 * np.pi * WIDTH**2 / 10
        image[:] = ndimage.gaussian_filter(image, WIDTH)
    frames = rng.poisson(LEVEL + clean).astype(np.float32)
    hit = rng.random(frames.shape) < RATE
    frames[hit] += 1500
    return ProjectionStack(frames.astype(np.uint16)), ProjectionStack(clean)


@pytest.fixture(scope="module")
def measured() -> tuple[ProjectionStack, ...]:
    return scan()


def test_traits_are_those_of_the_scan(measured):
    traits = measure_traits(measured[0])
    assert traits.level == pytest.approx(LEVEL, rel=0.02)
    # The median of twelve frames has noise of its own.
    assert traits.sigma == pytest.approx(LEVEL**0.5, rel=0.12)
    assert abs(traits.correlation) < 0.06
    assert traits.zinger_rate == pytest.approx(RATE, rel=0.3)
    assert traits.width[1] == pytest.approx(WIDTH, rel=0.15)
    assert traits.elongation < 1.4
    assert traits.binning == 1


def test_correlated_noise_is_noticed(measured):
    frames = np.random.default_rng(1).normal(300, 20, (9, 200, 200))
    blurred = ndimage.gaussian_filter(frames - 300, (0, 0.7, 0.7)) + 300
    assert measure_traits(ProjectionStack(blurred.astype(np.float32))).correlation > 0.3


def test_wide_spots_are_looked_for_in_bins(measured):
    traits = measure_traits(measured[0])
    for width, binning in ((2.4, 1), (4.0, 2), (12.0, 8), (200.0, 16)):
        wide = traits.model_copy(update={"width": (1.0, width, 300.0)})
        assert wide.binning == binning


def test_long_spots_are_trained_on_as_arcs(measured):
    long = measure_traits(measured[0]).model_copy(update={"elongation": 3.0})
    assert max(kinds_like(long), key=kinds_like(long).get) == "Laue focusing"


def test_emptied_frames_have_no_spots_and_keep_noise_and_zingers(measured):
    stack, clean = measured
    rng = np.random.default_rng(0)
    bank = BackgroundBank.of_scan(statistics_of(stack), range(6), rng)
    lit = np.stack([clean.frame(i) for i in range(6)]) > 40
    # Where spots stood, nothing but background is left.
    assert np.abs(bank.frames[lit].mean() - LEVEL) < 0.05 * clean.images[:6][lit].mean()
    quiet = ~lit & (np.abs(bank.frames - LEVEL) < 100)
    assert bank.frames[quiet].std() == pytest.approx(LEVEL**0.5, rel=0.06)
    zingers = (bank.frames > LEVEL + 1000).mean()
    assert zingers == pytest.approx(RATE, rel=0.35)


def test_scenes_add_known_spots_to_measured_frames(measured):
    stack, clean = measured
    rng = np.random.default_rng(0)
    look = MeasuredLook(faintest=20, brightest=20, scan_fraction=1)
    bank = BackgroundBank.of_scan(statistics_of(stack), range(6), rng, look)
    added = []
    for seed in range(20):
        scene = bank.scene(clean.frame(0), 96, np.random.default_rng(seed))
        assert scene.frame.shape == scene.spots.shape == (96, 96)
        assert scene.statistics.static is not None
        lit = scene.spots > 60
        if lit.any():
            difference = scene.frame - scene.statistics.background
            added.append(difference[lit].sum() / scene.spots[lit].sum())
    assert len(added) > 10
    assert np.median(added) == pytest.approx(1, abs=0.05)


def test_a_short_scan_gives_single_frames_only(measured):
    short = ProjectionStack(measured[0].images[:4])
    rng = np.random.default_rng(0)
    bank = BackgroundBank.of_scan(statistics_of(short), range(4), rng)
    assert bank.within == ()
    assert bank.scene(measured[1].frame(0), 64, rng).statistics.static is None


def test_calibrating_writes_a_model_that_knows_its_scan(measured, tmp_path):
    denoiser = Denoiser.default("cpu")
    settings = calibration_settings(denoiser.model.settings).model_copy(
        update={"epochs": 1, "steps": 3, "validation_steps": 1, "batch": 1, "crop": 64}
    )
    (report,) = iter_calibrate(
        measured[0], denoiser, tmp_path, settings=settings, device="cpu"
    )
    assert np.isfinite(report.validation_loss)
    fitted = Denoiser.load(tmp_path, "cpu")
    assert fitted.config["about"]["started from"] == "default"
    assert fitted.scan["zinger_rate"] == pytest.approx(RATE, rel=0.3)
    assert denoiser.scan is None
    # Three steps at a low rate change little, but something.
    before, after = denoiser.model.state_dict(), fitted.model.state_dict()
    change = max(float((before[k] - after[k]).abs().max()) for k in before)
    assert 0 < change < 0.02


@pytest.mark.parametrize(
    ("stack", "word"),
    [
        (ProjectionStack(np.ones((1, 64, 64), np.uint16)), "one frame"),
        (ProjectionStack(np.ones((9, 64, 64), np.uint16), kind="cleaned"), "cleaned"),
    ],
)
def test_what_cannot_be_calibrated_on_is_said(stack, word, tmp_path):
    with pytest.raises(InputError, match=word):
        next(iter_calibrate(stack, Denoiser.default("cpu"), tmp_path))


def test_frames_are_spread_over_the_scan():
    assert spread_over(3, 8) == [0, 1, 2]
    assert spread_over(181, 3) == [0, 90, 180]
