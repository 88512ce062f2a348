"""Time to clean one frame, beside the arithmetic limit of the processor.

    python benchmarks/bench_clean.py [--size 1024] [--threads 2] [--runs 5]

Prints medians. The limit is the network's multiplications and additions divided by
what a large matrix product reaches on the same threads in the same run. The network
of Hovad et al. 2020, a U-Net around a ResNet34, cleans the same frame beside it.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import numpy as np
import torch
from torch import nn

from napari_labdct import ProjectionStack
from napari_labdct.calibration import measure_frame, measure_scan
from napari_labdct.learning import Denoiser
from napari_labdct.learning.hovad2020.dynamic_unet import (
    DynamicUNet,
    DynamicUNetSettings,
)
from napari_labdct.workflows.cleanup import CleanFrame


def seconds(job, runs: int) -> float:
    job()
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        job()
        taken.append(time.perf_counter() - start)
    return median(taken)


def operations(model: nn.Module, size: int) -> float:
    """Multiplications and additions of one frame, counted at every convolution."""
    total = 0.0

    def count(layer, _inputs, output):
        nonlocal total
        outside, inside = layer.weight.shape[:2]
        if isinstance(layer, nn.ConvTranspose2d):
            # Every input pixel makes a block of output pixels; none is summed twice.
            inside, outside = layer.weight.shape[:2]
            total += 2 * inside * outside * output.shape[-1] * output.shape[-2]
        else:
            field = layer.weight[0, 0].numel()
            total += 2 * inside * outside * field * output.shape[-1] * output.shape[-2]

    hooks = [
        layer.register_forward_hook(count)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.inference_mode():
        model(torch.zeros(1, model.settings.channels, size, size))
    for hook in hooks:
        hook.remove()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    rng = np.random.default_rng(0)
    frames = rng.poisson(500, (12, chosen.size, chosen.size)).astype(np.uint16)
    stack = ProjectionStack(frames)
    frame = stack.frame(0)
    denoiser = Denoiser.default("cpu")
    known = measure_frame(frame)
    scan = measure_scan(stack)
    scan.of(0)

    a = torch.randn(2048, 2048)
    peak = 2 * 2048**3 / seconds(lambda: a @ a, chosen.runs)
    work = operations(denoiser.model, chosen.size)
    network = seconds(lambda: denoiser.clean_frame(frame, known), chosen.runs)
    alone = seconds(lambda: measure_frame(frame), chosen.runs)
    inside = seconds(lambda: scan.of(1), chosen.runs)
    print(f"{chosen.size}² px, {chosen.threads} thread(s), medians of {chosen.runs}")
    print(f"matrix product      {peak / 1e9:8.0f} GFLOP/s")
    print(f"network             {work / 1e9:8.1f} GFLOP a frame")
    print(f"  limit             {work / peak:8.3f} s")
    print(
        f"  clean_frame       {network:8.3f} s  ({work / peak / network:.0%} of limit)"
    )
    paper = Denoiser(DynamicUNet(DynamicUNetSettings()), {}, "cpu")
    theirs = seconds(lambda: paper.clean_frame(frame, known), 1)
    print(
        f"Hovad et al. 2020   {theirs:8.3f} s  ({theirs / network:.0f} times as long)"
    )
    done = denoiser.clean_frame(frame, known), scan.of(0)
    filters = seconds(lambda: CleanFrame(0, frame, *done).image, chosen.runs)
    print(f"filters' say        {filters:8.3f} s")
    print(f"statistics, alone   {alone:8.3f} s")
    print(f"statistics, in scan {inside:8.3f} s  (median of its window at hand)")


if __name__ == "__main__":
    main()
