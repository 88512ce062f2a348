"""Train the model that comes with the package.

    python tools/train_default.py OUT                  the whole run: 3 h on 2 cores
    python tools/train_default.py OUT --resume         go on after an interruption
    python tools/train_default.py OUT --shorter 6      a sixth of the epochs

Three stages, each in a folder of OUT: many small crops, then larger crops, more of them
of frames about whose scan nothing is known, then many frames without any spot. Each
goes on from the running average of the weights after the last epoch of the one before,
and that of the last stage is the model. The clean projections are simulated before
that (some minutes) and kept beside the model as projections.npz, so that a second run
starts at once. Everything is seeded; on a CPU the same machine gives the same weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from napari_labdct.learning import (
    MeasuredLook,
    TrainingSettings,
    UNetSettings,
    iter_epochs,
)
from napari_labdct.learning.checkpoint import CHECKPOINT, load_checkpoint
from napari_labdct.learning.folder import save_model
from napari_labdct.learning.unet import SpotNet
from napari_labdct.workflows.training_scans import MATERIALS, iter_clean_projections

PROJECTIONS, VALIDATION = 400, 24
FIRST = TrainingSettings(
    epochs=60,
    steps=480,
    validation_steps=10,
    batch=4,
    crop=160,
    seed=1,
    threads=1,
    network=UNetSettings(base=24),
)
SECOND = FIRST.model_copy(
    update={
        "epochs": 30,
        "validation_steps": 60,
        "batch": 2,
        "crop": 256,
        "learning_rate": 1e-3,
        "seed": 2,
        "look": MeasuredLook(scan_fraction=0.45),
    }
)
THIRD = SECOND.model_copy(
    update={
        "epochs": 24,
        "learning_rate": 7e-4,
        "seed": 3,
        "look": MeasuredLook(scan_fraction=0.4, spotless_fraction=0.25),
    }
)
STAGES = {"first": FIRST, "second": SECOND, "third": THIRD}


def simulated(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation projections: read, or simulated and kept."""
    if not file.is_file():
        train = iter_clean_projections(PROJECTIONS, seed=1)
        # Copper is never trained on.
        check = iter_clean_projections(VALIDATION, seed=2, materials=["Cu"])
        arrays = {
            "train": np.stack(list(tqdm(train, "Simulating", PROJECTIONS))),
            "validation": np.stack(list(tqdm(check, "for validation", VALIDATION))),
        }
        np.savez(file, **arrays)
    with np.load(file) as stored:
        return stored["train"], stored["validation"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="model folder to write")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--shorter", type=int, default=1, help="divides the epochs")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    chosen.out.mkdir(parents=True, exist_ok=True)
    train, validation = simulated(chosen.out / "projections.npz")
    about = {
        "projections": f"{len(train)} simulated, of {len(train) // 4} virtual samples "
        f"({', '.join(MATERIALS)}) in far-field, Laue-focusing and magnified set-ups",
        "validation": f"{len(validation)} projections of copper, never trained on",
        "recipe": "default (drawn backgrounds, noise and artefacts), in three stages",
    }
    model = None
    for name, whole in STAGES.items():
        epochs = max(1, whole.epochs // chosen.shorter)
        settings = whole.model_copy(update={"epochs": epochs})
        folder = chosen.out / name
        resume = chosen.resume and (folder / CHECKPOINT).is_file()
        for report in iter_epochs(
            list(train),
            settings,
            folder,
            validation=list(validation),
            device=chosen.device,
            resume=resume,
            start=model,
            about=about,
        ):
            print(
                f"{name} {report.epoch:3d}/{report.epochs}  "
                f"train {report.train_loss:.4f}  "
                f"validation {report.validation_loss:.4f}"
                f"{' *' if report.is_best else '  '}  {report.seconds:.0f} s",
                flush=True,
            )
        state = load_checkpoint(folder, settings, torch.device("cpu"))
        model = SpotNet(settings.network)
        model.load_state_dict(state["average"])
    save_model(chosen.out, model, settings, state["history"], about)


if __name__ == "__main__":
    main()
