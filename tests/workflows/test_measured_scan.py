import numpy as np
import pytest

from napari_labdct.calibration import statistics_of
from napari_labdct.core import BeamStop, Detector, Geometry
from napari_labdct.files import read_spots, read_stack, sample_path
from napari_labdct.workflows.measured_scan import MeasuredScan, ScanLook

GEOMETRY = Geometry(
    detector=Detector(rows=120, columns=150, pixel_size=50),
    beam_stop=BeamStop(height=1.5, width=1.5),
)
QUIET = ScanLook(zinger_rate=0, hot_rate=0, drift=0, streaks=0)


@pytest.fixture
def clean():
    row, column = np.mgrid[:120, :150]
    near = (row - 30) ** 2 + (column - 40) ** 2
    return (5 * np.exp(-near / 8)).astype(np.float32)


def test_background_stays_while_noise_changes(clean):
    detector = MeasuredScan.draw(clean, GEOMETRY, QUIET, seed=1)
    nothing = np.zeros_like(clean)
    frames = np.stack([detector.expose(nothing, i) for i in range(40)]).astype(float)
    expected = detector.still * QUIET.gain
    spread = np.sqrt(detector.still) * QUIET.gain
    error = (frames.mean(0) - expected) / (spread / np.sqrt(40))
    assert abs(error.mean()) < 0.05
    assert 0.9 < error.std() < 1.1
    assert 0.9 < ((frames - expected) / spread).std() < 1.1


def test_same_seed_same_frame(clean):
    one, same, other = (
        MeasuredScan.draw(clean, GEOMETRY, seed=s).expose(clean, 3) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_spots_stand_out_as_asked(clean):
    look = QUIET.model_copy(update={"typical_peak": 50.0})
    detector = MeasuredScan.draw(clean, GEOMETRY, look, seed=1)
    noise = np.sqrt(look.photons) * look.gain
    above = detector.expose(clean, 0) - detector.still * look.gain
    assert above[30, 40] / noise == pytest.approx(50, rel=0.2)


def test_beam_stop_is_dark(clean):
    detector = MeasuredScan.draw(clean, GEOMETRY, QUIET, seed=1)
    inside = detector.still[60, 75]
    outside = np.median(detector.still[:, 100:])
    assert inside / outside < 2 * QUIET.stop_transmission


def exposed(clean, **switches):
    """Mean grey values of a few frames, and the detector."""
    look = QUIET.model_copy(update=switches)
    detector = MeasuredScan.draw(clean, GEOMETRY, look, seed=1)
    frames = [detector.expose(clean, index) for index in range(3)]
    return np.stack(frames), detector


class TestSwitches:
    """Each link of the chain alone, against the chain without it."""

    def test_all_off_leaves_the_photons(self, clean):
        off = {"photons": 0, "typical_peak": 0, "poisson": False, "gain": 100}
        frames, detector = exposed(clean, **off)
        assert detector.scale == 1
        np.testing.assert_allclose(frames[0], np.rint(clean * 100), atol=1)

    def test_poisson(self, clean):
        still, _ = exposed(clean, poisson=False)
        assert (still[0] == still[1]).all()
        noisy, _ = exposed(clean, poisson=True)
        assert (noisy[0] != noisy[1]).mean() > 0.9

    def test_flat_or_graded_background(self, clean):
        flat, _ = exposed(clean * 0, gradients=False, shadow=False, poisson=False)
        assert np.ptp(flat) == 0
        graded, _ = exposed(clean * 0, gradients=True, shadow=False, poisson=False)
        assert np.ptp(graded[0]) > 0.1 * np.median(graded)

    def test_shadow(self, clean):
        plain = {"gradients": False, "poisson": False}
        dark, _ = exposed(clean * 0, shadow=True, **plain)
        open_, _ = exposed(clean * 0, shadow=False, **plain)
        share = dark[0, 60, 75] / open_[0, 60, 75]
        assert share == pytest.approx(QUIET.stop_transmission, rel=0.02)

    def test_streaks_hits_and_hot_pixels_stay_out_when_off(self, clean):
        plain = {"gradients": False, "shadow": False, "poisson": False}
        level, _ = exposed(clean * 0, **plain)
        hit, _ = exposed(clean * 0, zinger_rate=1e-3, **plain)
        hot, _ = exposed(clean * 0, hot_rate=1e-3, **plain)
        assert 5 < (hit[0] != level[0]).sum() < 300
        assert (hit[0] != hit[1]).any()
        assert 5 < (hot[0] != level[0]).sum() < 300
        np.testing.assert_array_equal(hot[0], hot[1])
        drawn = [
            MeasuredScan.draw(
                clean, GEOMETRY, QUIET.model_copy(update={"streaks": 5.0}), seed=seed
            ).still
            for seed in range(6)
        ]
        assert max(np.abs(np.diff(still)).max() for still in drawn) > 20

    def test_offset_gain_and_read_noise(self, clean):
        plain = {"gradients": False, "shadow": False, "poisson": False}
        frames, _ = exposed(clean * 0, offset=1000, gain=2, read_noise=7, **plain)
        assert frames.mean() == pytest.approx(1000 + 2 * QUIET.photons, rel=0.002)
        assert frames.astype(float).std() == pytest.approx(7, rel=0.03)

    def test_a_full_pixel_holds_no_more(self, clean):
        frames, _ = exposed(clean, full_well=300, gain=2, offset=5)
        assert frames.max() == 605

    @pytest.mark.parametrize(("bits", "kind"), [(8, "u1"), (12, "u2"), (16, "u2")])
    def test_bits(self, clean, bits, kind):
        frames, _ = exposed(clean, bits=bits, gain=1000)
        assert frames.dtype == np.dtype(kind)
        assert frames.max() == 2**bits - 1


def test_sample_scan_is_a_scan_with_its_truth():
    scan = read_stack(sample_path())
    assert scan.shape == (12, 400, 400)
    assert scan.images.dtype == np.uint16
    assert scan.kind == "corrupted"
    assert scan.geometry is not None
    truth = read_spots(sample_path().with_name("truth.csv"))
    assert truth.is_truth
    strong = truth.frame.nlargest(30, "peak")
    statistics = statistics_of(scan)
    for index, spots in strong.groupby("projection"):
        known = statistics.of(index)
        above = (scan.frame(index) - known.background) / known.sigma
        for spot in spots.itertuples():
            row, column = round(spot.row_px), round(spot.column_px)
            around = above[row - 2 : row + 3, column - 2 : column + 3]
            assert around.max() > 8
    assert sum(p.stat().st_size for p in sample_path().parent.iterdir()) < 4e6
