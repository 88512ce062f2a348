"""Training on two processes of one machine (gloo), beside training on one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from napari_labdct.core import InputError
from napari_labdct.learning.distributed import Share, joined
from napari_labdct.learning.pairs import PairSource

SCRIPT = """
import json
import sys
from pathlib import Path
import numpy as np
import torch
from napari_labdct.learning import TrainingSettings, iter_epochs
from napari_labdct.learning.distributed import joined
from napari_labdct.learning.losses import LossSettings
from napari_labdct.learning.unet import UNetSettings
torch.set_num_threads(1)
folder, flux = sys.argv[1], float(sys.argv[2])
rng = np.random.default_rng(0)
clean = [rng.gamma(0.02, 2000, (64, 64)).astype(np.float32) for _ in range(4)]
settings = TrainingSettings(
    epochs=2, steps=3, validation_steps=1, batch=2, crop=32, threads=1,
    network=UNetSettings(base=4, depth=1), loss=LossSettings(flux=flux),
    precision="float32",
)
with joined() as share:
    losses = [
        [report.train_loss, report.validation_loss]
        for report in iter_epochs(clean, settings, folder, device="cpu")
    ]
    Path(f"{folder}-{share.rank}.json").write_text(json.dumps(losses))
"""


def train(folder, processes, flux):
    """Losses of every process, a row an epoch, and the weights that were written."""
    words = [sys.executable, "-c", SCRIPT]
    if processes > 1:
        script = folder.with_suffix(".py")
        script.write_text(SCRIPT)
        words = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        words += ["--nproc-per-node", str(processes), str(script)]
    words += [str(folder), str(flux)]
    quiet = os.environ | {"OMP_NUM_THREADS": "1"}  # they share cores with all others
    run = subprocess.run(
        words, capture_output=True, text=True, check=False, env=quiet, timeout=400
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = [Path(f"{folder}-{rank}.json") for rank in range(processes)]
    losses = [np.array(json.loads(each.read_text())) for each in found]
    return losses, load_file(folder / "weights.safetensors")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform == "win32", reason="gloo needs a file system socket")
def test_two_processes_train_the_network_that_one_would(tmp_path):
    alone, one = train(tmp_path / "one", 1, 0.0)
    together, two = train(tmp_path / "two", 2, 0.0)
    np.testing.assert_array_equal(together[0], together[1])
    np.testing.assert_allclose(together[0], alone[0], rtol=1e-3)
    for name, weights in one.items():
        np.testing.assert_allclose(two[name], weights, atol=2e-4, err_msg=name)
    names = {path.name for path in (tmp_path / "two").iterdir()}
    assert names == {path.name for path in (tmp_path / "one").iterdir()}


def test_shares_make_up_the_batch():
    clean = [np.random.default_rng(0).gamma(0.02, 2000, (64, 64))]
    whole = PairSource(clean, crop=32, batch=4, seed=3)
    parts = [Share(rank, 2).source(whole) for rank in range(2)]
    for kind in (0, 1):
        together = np.concatenate([part.get(7)[kind] for part in parts])
        np.testing.assert_array_equal(together, whole.get(7)[kind])
    with pytest.raises(InputError, match="4 crops cannot be shared by 3"):
        Share(0, 3).source(whole)


def test_alone_nothing_is_shared():
    with joined() as share:
        assert share == Share(0, 1)
        assert share.leads
