"""The verb that fits a model to one scan."""

from pathlib import Path
from typing import Annotated

import typer

from napari_labdct.cli.common import Device, Model, Stack, Values, read, say


def calibrate(
    scan: Stack,
    reading: Values,
    model: Model = "default",
    epochs: Annotated[
        int, typer.Option(help="Epochs of 120 batches, some 20 s each.", min=1)
    ] = 6,
    device: Device = "auto",
    out: Annotated[Path, typer.Option(help="Model folder to write.")] = Path(
        "calibrated"
    ),
) -> None:
    """Fit a model to one scan, without labels.

    Measures the scan's light, noise, zingers and spot sizes, and trains for a few
    minutes on simulated spots over its own frames, emptied of spots. Use the result
    with --model.
    """
    from tqdm import tqdm

    from napari_labdct.learning import Denoiser
    from napari_labdct.workflows.calibrate import iter_calibrate

    stack, denoiser = read(scan, reading), Denoiser.load(model, "cpu")
    steps = iter_calibrate(stack, denoiser, out, epochs=epochs, device=device)
    with tqdm(steps, "Calibrating", epochs, unit="epoch") as progress:
        for report in progress:
            progress.set_postfix(validation=f"{report.validation_loss:.4f}")
    say(f"{out}: calibrated on {scan}")
