"""Corrupt, train, clean."""

from napari_labdct.learning.corruption import MeasuredLook
from napari_labdct.learning.denoiser import Cleaned, Denoiser, model_folders
from napari_labdct.learning.devices import available_devices
from napari_labdct.learning.settings import TrainingSettings
from napari_labdct.learning.training import EpochReport, iter_epochs
from napari_labdct.learning.unet import UNetSettings

__all__ = [
    "Cleaned",
    "Denoiser",
    "EpochReport",
    "MeasuredLook",
    "TrainingSettings",
    "UNetSettings",
    "available_devices",
    "iter_epochs",
    "model_folders",
]
