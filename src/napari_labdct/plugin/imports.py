"""Imports of whole libraries in the background, without the window noticing."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def calmly() -> Iterator[None]:
    """Import within this: Python's garbage collector waits, and then skips it all.

    New modules are many new objects that stay, which makes the collector look through
    everything there is, again and again: 0.4 s each time in which no thread runs.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # Among the old objects they do not count as new ones any more.
        gc.freeze()
        gc.unfreeze()
        if was_on:
            gc.enable()


def load(*modules: str) -> None:
    """Import modules by name."""
    with calmly():
        for name in modules:
            import_module(name)


def load_training() -> None:
    """Import what a training needs, and what it simulates with."""
    load("napari_labdct.workflows.training_scans", "napari_labdct.physics.growth")
    with calmly():
        import torch

        # PyTorch imports its compiler, 800 modules, with the first optimiser.
        torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
