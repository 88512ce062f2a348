"""Training that is killed: no more than an epoch is lost, and nothing else changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from napari_labdct.learning import Denoiser

TRAIN = """
import sys
import numpy as np
import torch
from napari_labdct.learning import TrainingSettings, UNetSettings, iter_epochs
torch.set_num_threads(1)
folder, resume = sys.argv[1], sys.argv[2] == "resume"
rng = np.random.default_rng(0)
clean = []
for _ in range(3):
    image = np.zeros((64, 64), np.float32)
    image[tuple(rng.integers(8, 56, (2, 12)))] = rng.uniform(50, 500, 12)
    clean.append(image)
settings = TrainingSettings(
    epochs=int(sys.argv[3]), steps=2, validation_steps=1, batch=1, crop=32, seed=5,
    threads=1, network=UNetSettings(base=4, depth=1),
)
for report in iter_epochs(clean, settings, folder, device="cpu", resume=resume):
    print(report.epoch, flush=True)
"""


def command(folder, how, epochs):
    return [sys.executable, "-c", TRAIN, str(folder), how, str(epochs)]


def start(folder, how, epochs):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(folder, how, epochs),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finish(folder, how, epochs):
    """Train to the end; the epochs that were reported."""
    run = start(folder, how, epochs)
    out, errors = run.communicate(timeout=600)
    assert run.returncode == 0, errors
    return [int(word) for word in out.split()]


def checkpoint(folder):
    return torch.load(folder / "last.pt", weights_only=True)


def kill_after(folder, how, epochs, reports, delay):
    """Kill a run `delay` seconds after that many reports; the last one it gave."""
    run = start(folder, how, epochs)
    last = 0
    for _ in range(reports):
        line = run.stdout.readline()
        if not line:
            break
        last = int(line)
    time.sleep(delay)
    os.kill(run.pid, signal.SIGKILL)
    rest, _ = run.communicate(timeout=120)
    return int(rest.split()[-1]) if rest.split() else last


def assert_sound(folder, told):
    """What was reported is on the disk, and the best model loads."""
    assert checkpoint(folder)["epoch"] >= told
    Denoiser.load(folder, "cpu")


def assert_same(one, other):
    """Weights, averaged weights and losses of two finished runs are equal."""
    first, second = checkpoint(one), checkpoint(other)
    for part in ("model", "average"):
        assert all(torch.equal(first[part][k], second[part][k]) for k in first[part])
    losses = [[row["train_loss"] for row in c["history"]] for c in (first, second)]
    np.testing.assert_array_equal(*losses)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9 there")
def test_a_killed_training_loses_an_epoch_at_most(tmp_path):
    whole, broken, epochs = tmp_path / "whole", tmp_path / "broken", 15
    finish(whole, "new", epochs)
    told = kill_after(broken, "new", epochs, reports=2, delay=0)
    assert_sound(broken, told)
    rest = finish(broken, "resume", epochs)
    first = rest[0] if rest else epochs + 1
    assert first > told, "an epoch that was reported is gone"
    assert rest == list(range(first, epochs + 1))
    assert_same(whole, broken)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9 there")
def test_kills_at_random_moments_change_nothing(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    epochs, rng = 60, np.random.default_rng()
    finish(whole, "new", epochs)
    told = kill_after(broken, "new", epochs, 1, 0)
    kills = 0
    while told < epochs and kills < 12:
        assert_sound(broken, told)
        known = checkpoint(broken)["epoch"]
        reports, delay = int(rng.integers(1, 7)), float(rng.uniform(0, 0.1))
        told = kill_after(broken, "resume", epochs, reports, delay)
        assert told > known
        kills += 1
    if told < epochs:
        finish(broken, "resume", epochs)
    assert kills >= 5
    assert_same(whole, broken)
