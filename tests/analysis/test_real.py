"""The classical way on measured frames, as `labdct evaluate` scores it."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from napari_labdct.analysis import FindSettings, find_spots
from napari_labdct.analysis.trust import judging_sigma
from napari_labdct.calibration import statistics_of
from napari_labdct.cli import main
from napari_labdct.files import read_stack
from napari_labdct.workflows.truth import read_truth, usable


@pytest.mark.real
@pytest.mark.slow
def test_recall_on_measured_frames(real_frames, tmp_path):
    if not (real_frames / "truth.npz").exists():
        pytest.skip("the measured frames have no indexed truth")
    csv = tmp_path / "scores.csv"
    words = ["evaluate", real_frames, "--truth", real_frames / "truth.npz"]
    words += [
        "--box",
        "412,607,404,589",
        "--border",
        "5,5,5,9",
        "--flip",
        "no",
        "--per-frame",
        "600,800",
    ]
    words += ["--ways", "classical", "--out", csv]
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert not end.value.code
    scores = pd.read_csv(csv).set_index("spots_per_frame")
    assert scores.net[600] > 0.797
    assert scores.unexplained_per_frame[600] < 13
    assert scores.net[800] > 0.9
    assert scores.unexplained_per_frame[800] < 95


@pytest.mark.real
@pytest.mark.slow
def test_false_alarms_on_measured_frames_are_as_many_as_asked_for(real_frames):
    if not (real_frames / "truth.npz").exists():
        pytest.skip("the measured frames have no indexed truth")
    stack = read_stack(sorted(real_frames.glob("*.tif*")), flip="no")
    scan, tables = statistics_of(stack), read_truth(real_frames / "truth.npz")
    known = pd.concat([table.frame for table in tables if table is not None])
    use = usable(stack.shape[1:], (5, 5, 5, 9), (412, 607, 404, 589))
    shown = (4, 12, 20)
    counts = {1.0: 0, 10.0: 0, 100.0: 0}
    for index in shown:
        here = known[known["projection"] == index]
        near = np.zeros(use.shape, bool)
        near[here["row_px"].astype(int), here["column_px"].astype(int)] = True
        mask = ndimage.binary_dilation(near, iterations=8) | ~use
        statistics = scan.of(index)
        # Spots of grains that nobody indexed are left; holes of noise are not spots.
        holes = statistics.background - stack.frame(index)
        for rate in counts:
            counts[rate] += len(
                find_spots(
                    np.where(mask, 0, holes).astype(np.float32),
                    judging_sigma(statistics),
                    mask=mask,
                    settings=FindSettings(false_alarms=rate),
                )
            )
    assert counts[1.0] <= 2 * len(shown)
    for rate in (10.0, 100.0):
        assert rate / 2 < counts[rate] / len(shown) < 2 * rate
