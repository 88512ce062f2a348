"""The classical way on measured frames; see `benchmarks/bench_real.py`."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest


@pytest.mark.real
@pytest.mark.slow
def test_recall_on_measured_frames(real_frames, tmp_path):
    if not (real_frames / "truth.npz").exists():
        pytest.skip("the measured frames have no indexed truth")
    script = Path(__file__).parents[2] / "benchmarks" / "bench_real.py"
    csv = tmp_path / "scores.csv"
    subprocess.run(
        [sys.executable, script, "classical", "--csv", csv],
        env=os.environ | {"LABDCT_REAL_FRAMES": str(real_frames)},
        check=True,
    )
    scores = pd.read_csv(csv).set_index("spots_per_frame")
    assert scores.net[600] > 0.78
    assert scores.unexplained_per_frame[600] < 25
