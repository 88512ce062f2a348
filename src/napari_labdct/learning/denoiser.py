"""A trained network that cleans frames."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_labdct.core import InputError
from napari_labdct.learning.devices import has_bfloat16, resolve_device
from napari_labdct.learning.folder import load_model
from napari_labdct.learning.hovad2020.apply import clean_whole
from napari_labdct.learning.hovad2020.dynamic_unet import DynamicUNet
from napari_labdct.learning.inputs import network_input, to_grey_values
from napari_labdct.learning.unet import SpotNet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.calibration import FrameStatistics

DEFAULT_MODEL = "default"

LARGEST_TILE = 2048
"""Frames are cut into tiles only beyond this side [px]: 0.5 GB of memory."""

SMALLEST_TILE = 320
"""Smaller tiles would be little but margin [px]."""


def model_folders() -> dict[str, Path]:
    """Models that come with the package, by name."""
    root = Path(str(resources.files("napari_labdct") / "assets" / "models"))
    found = sorted(path.parent for path in root.glob("*/config.json"))
    return {path.name: path for path in found}


@dataclass(frozen=True)
class Cleaned:
    """A cleaned frame.

    Attributes
    ----------
    image
        Spots alone on a background of 0, shape (rows, columns) [grey values of
        the frame, linear].
    probability
        Probability that a pixel belongs to the core of a spot, shape (rows,
        columns).
    """

    image: NDArray[np.float32]
    probability: NDArray[np.float32]


class Denoiser:
    """A network, where it runs, and what it was trained on.

    Parameters
    ----------
    model
        The network.
    config
        What the model folder's `config.json` says.
    device
        Where to run: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``.
    folder
        Where the model was read from.
    """

    def __init__(
        self,
        model: SpotNet | DynamicUNet,
        config: dict[str, Any],
        device: str = "auto",
        folder: Path | None = None,
    ) -> None:
        self.device = resolve_device(device)
        self.config, self.folder = config, folder
        self.name = str(config.get("name", "model"))
        self.model = model.eval().to(
            self.device,
            memory_format=torch.channels_last,  # type: ignore[call-overload]  # stub lacks memory_format
        )

    @property
    def knows_noise(self) -> bool:
        """Whether it sees frames in units of noise and has learned probabilities."""
        return isinstance(self.model, SpotNet)

    @property
    def scan(self) -> dict[str, Any] | None:
        """Facts of the scan it was calibrated on, as `ScanTraits` has them."""
        facts: dict[str, Any] | None = self.config.get("about", {}).get("scan")
        return facts

    @classmethod
    def default(cls, device: str = "auto") -> Denoiser:
        """The model that comes with the package."""
        return cls.load(model_folders()[DEFAULT_MODEL], device)

    @classmethod
    def load(cls, folder: Path | str, device: str = "auto") -> Denoiser:
        """Read a model folder, or one of the package's models by its name.

        Raises
        ------
        InputError
            If the folder is not a readable model folder, or the device is missing.
        """
        path = model_folders().get(str(folder), Path(folder))
        model, config = load_model(path)
        return cls(model, config, device, path)

    def clean_frame(
        self,
        frame: NDArray[np.float32],
        statistics: FrameStatistics,
        centre: tuple[float, float] | None = None,
        tile: int = LARGEST_TILE,
    ) -> Cleaned:
        """Clean one frame.

        Parameters
        ----------
        frame
            Grey values, shape (rows, columns).
        statistics
            Background and noise of the frame.
        centre
            Row and column where the beam axis meets the detector [px]; the
            middle of the frame by default.
        tile
            Side beyond which the frame is cut into overlapping tiles [px].

        Notes
        -----
        A network of the recipe hovad2020 takes frames whole and knows neither
        statistics nor centre; see `hovad2020.apply.clean_whole`.
        """
        if isinstance(self.model, DynamicUNet):
            return Cleaned(*clean_whole(self.model, frame, self.device))
        rows, columns = frame.shape
        middle = ((rows - 1) / 2, (columns - 1) / 2) if centre is None else centre
        row = (np.arange(rows) - middle[0]).astype(np.float32)[:, None]
        column = (np.arange(columns) - middle[1]).astype(np.float32)[None]
        inputs = network_input(frame, statistics, row, column)
        prediction = self._whole(inputs, tile)
        image = to_grey_values(prediction[0], statistics.sigma)
        probability = 1 / (1 + np.exp(-np.clip(prediction[1], -30, 30)))
        return Cleaned(image, probability.astype(np.float32))

    @property
    def _precision(self) -> torch.autocast:
        """Half the width, and nearly twice as quick, where the hardware has it."""
        able = has_bfloat16(self.device)
        return torch.autocast(self.device.type, torch.bfloat16, enabled=able)

    def _whole(self, inputs: NDArray[np.float32], tile: int) -> NDArray[np.float32]:
        """The network's answer, tile by tile; smaller tiles where memory is short."""
        while True:
            try:
                return self._tiled(inputs, tile)
            except torch.OutOfMemoryError as error:
                tile = min(tile, max(inputs.shape[1:])) // 2
                if tile < SMALLEST_TILE:
                    raise InputError(
                        f"The memory of {self.device} is too small for a tile of "
                        f"{2 * tile} px: free some of it, or clean on the CPU."
                    ) from error

    def _tiled(self, inputs: NDArray[np.float32], tile: int) -> NDArray[np.float32]:
        settings, shape = self.model.settings, inputs.shape[1:]
        answer = np.empty((2, *shape), np.float32)
        for inner, outer in _tiles(shape, tile, settings.reach, settings.multiple):
            x = torch.from_numpy(np.ascontiguousarray(inputs[(slice(None), *outer)]))
            with torch.inference_mode(), self._precision:
                x = x[None].to(self.device, memory_format=torch.channels_last)
                part = self.model(x)[0].float().cpu().numpy()
            within = tuple(
                slice(i.start - o.start, i.stop - o.start)
                for i, o in zip(inner, outer, strict=True)
            )
            answer[(slice(None), *inner)] = part[(slice(None), *within)]
        return answer


Block = tuple[slice, slice]


def _tiles(
    shape: tuple[int, ...], tile: int, reach: int, multiple: int
) -> list[tuple[Block, Block]]:
    """Parts to keep and the larger parts to compute them from.

    The margin is the network's reach, so that tiled and untiled answers agree;
    tiles start at multiples of the network's cell for the same reason.
    """
    if max(shape) <= tile:
        whole = (slice(0, shape[0]), slice(0, shape[1]))
        return [(whole, whole)]
    margin = -(-reach // multiple) * multiple
    step = max(multiple, (tile - 2 * margin) // multiple * multiple)
    spans = [
        [
            (
                slice(a, min(a + step, n)),
                slice(max(0, a - margin), min(a + step + margin, n)),
            )
            for a in range(0, n, step)
        ]
        for n in shape
    ]
    return [
        ((rows[0], columns[0]), (rows[1], columns[1]))
        for rows in spans[0]
        for columns in spans[1]
    ]
