"""Model folders from strangers: nothing in them runs, and damage is said at once."""

from __future__ import annotations

import json
import pickle
import shutil
import struct

import numpy as np
import pytest

from napari_labdct.core import InputError
from napari_labdct.learning import Denoiser, TrainingSettings, UNetSettings, iter_epochs
from napari_labdct.learning.denoiser import model_folders
from napari_labdct.learning.folder import save_model
from napari_labdct.learning.unet import SpotNet


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def folder(tmp_path):
    """A small, sound model folder."""
    network = UNetSettings(base=4, depth=1)
    settings = TrainingSettings(network=network)
    save_model(tmp_path / "model", SpotNet(network), settings, [], {})
    return tmp_path / "model"


def refused(folder):
    """The one sentence with which a folder is refused."""
    with pytest.raises(InputError) as error:
        Denoiser.load(folder, "cpu")
    sentence = str(error.value)
    assert str(folder) in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300
    return sentence


def change(folder, **network):
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["network"] |= network
    file.write_text(json.dumps(config))


def test_a_sound_folder_loads(folder):
    assert Denoiser.load(folder, "cpu").name == "model"


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json"])
def test_pickled_code_does_not_run(folder, tmp_path, name):
    bang = tmp_path / "bang"
    (folder / name).write_bytes(pickle.dumps(Bomb(bang)))
    refused(folder)
    assert not bang.exists()


def test_a_pickle_beside_the_weights_is_not_even_opened(folder, tmp_path):
    bang = tmp_path / "bang"
    for name in ("pytorch_model.bin", "last.pt", "model.pkl"):
        (folder / name).write_bytes(pickle.dumps(Bomb(bang)))
    Denoiser.load(folder, "cpu")
    assert not bang.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("name", ["weights.safetensors", "config.json"])
def test_truncated_files_are_refused(folder, name, share):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(share * len(data))])
    assert "damaged" in refused(folder)


@pytest.mark.parametrize(
    "network", [{"base": 8}, {"depth": 2}, {"outputs": 2}, {"unshuffle": 1}]
)
def test_weights_of_another_shape_are_refused(folder, network):
    change(folder, **network)
    assert "damaged" in refused(folder)


@pytest.mark.parametrize(
    "network",
    [{"base": 10**9}, {"depth": 40}, {"channels": -1}, {"base": "many"}, {"extra": 1}],
)
def test_settings_out_of_range_are_refused(folder, network):
    change(folder, **network)
    assert "damaged" in refused(folder)


def test_a_header_that_promises_too_much_is_refused(folder):
    entry = {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}
    header = json.dumps({"unet.head.weight": entry}).encode()
    data = struct.pack("<Q", len(header)) + header + b"\0" * 64
    (folder / "weights.safetensors").write_bytes(data)
    assert "damaged" in refused(folder)


def test_a_header_longer_than_the_file_is_refused(folder):
    (folder / "weights.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    assert "damaged" in refused(folder)


@pytest.mark.parametrize("text", ["[]", "null", "[" * 100_000, '{"format": 1e999}'])
def test_a_config_that_is_something_else_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    refused(folder)


def test_the_default_model_survives_a_copy_but_no_flipped_header(tmp_path):
    shutil.copytree(model_folders()["default"], tmp_path / "copy")
    weights = tmp_path / "copy" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[9] ^= 0xFF
    weights.write_bytes(data)
    refused(tmp_path / "copy")


@pytest.fixture
def resumed(folder):
    """Going on from whatever lies in the folder as its checkpoint."""
    settings = TrainingSettings(epochs=1, network=UNetSettings(base=4, depth=1))
    clean = [np.eye(64, dtype=np.float32)] * 2
    return iter_epochs(clean, settings, folder, device="cpu", resume=True)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_checkpoint_with_pickled_code_does_not_run(folder, resumed, tmp_path):
    """Resuming reads a file that PyTorch wrote: tensors and plain values alone."""
    bang = tmp_path / "bang"
    (folder / "last.pt").write_bytes(pickle.dumps(Bomb(bang)))
    with pytest.raises((InputError, pickle.UnpicklingError)):
        next(resumed)
    assert not bang.exists()
