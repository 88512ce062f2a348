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
