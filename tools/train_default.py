"""Train the model that comes with the package.

    python tools/train_default.py OUT                  the whole run: 2 h on 2 cores
    python tools/train_default.py OUT --resume         go on after an interruption

Two stages: many small crops, kept in OUT/first, then larger crops, more of them of
frames about whose scan nothing is known. The clean projections are simulated before
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
from napari_labdct.learning.folder import load_model
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
        "recipe": "default (drawn backgrounds, noise and artefacts; 60 %, then 45 %, "
        "with the scan's median known)",
    }
    first = chosen.out / "first"
    for folder, settings in ((first, FIRST), (chosen.out, SECOND)):
        if folder == first and finished(first):
            continue
        for report in iter_epochs(
            list(train),
            settings,
            folder,
            validation=list(validation),
            device=chosen.device,
            resume=chosen.resume and (folder / CHECKPOINT).is_file(),
            start=load_model(first)[0] if folder != first else None,
            about=about,
        ):
            print(
                f"epoch {report.epoch:3d}/{report.epochs}  "
                f"train {report.train_loss:.4f}  "
                f"validation {report.validation_loss:.4f}"
                f"{' *' if report.is_best else '  '}  {report.seconds:.0f} s",
                flush=True,
            )


def finished(folder: Path) -> bool:
    """Whether the first stage has seen its last epoch."""
    if not (folder / CHECKPOINT).is_file():
        return False
    state = load_checkpoint(folder, FIRST, torch.device("cpu"))
    return int(state["epoch"]) == FIRST.epochs


if __name__ == "__main__":
    main()
