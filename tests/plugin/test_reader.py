"""The reader for napari's menus, and the manifest."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import tifffile
from npe2 import DynamicPlugin, PluginManifest

from napari_labdct.core import InputError
from napari_labdct.files import write_stack
from napari_labdct.plugin.reader import get_reader


def test_one_folder_is_one_layer(tmp_path, small_stack):
    for index in range(3):
        tifffile.imwrite(tmp_path / f"frame{index}.tif", small_stack.images[index])
    ((images, keywords, kind),) = get_reader(str(tmp_path))(str(tmp_path))
    assert kind == "image"
    assert keywords["name"] == tmp_path.name
    np.testing.assert_array_equal(images[2], small_stack.images[2])


def test_a_list_is_one_layer_in_natural_order(tmp_path, small_stack):
    paths = [str(tmp_path / f"f{index}.tif") for index in (2, 10, 1)]
    for index, path in enumerate(paths):
        tifffile.imwrite(path, small_stack.images[index])
    ((images, _, _),) = get_reader(paths)(paths)
    assert images.shape == (3, 96, 128)
    np.testing.assert_array_equal(images[2], small_stack.images[1])


def test_others_files_are_left_to_others(tmp_path):
    assert get_reader("notes.txt") is None
    assert get_reader(["a.tif", "b.png"]) is None
    assert get_reader([]) is None


def test_hdf5_stacks_are_read(tmp_path, small_stack):
    path = write_stack(small_stack, tmp_path / "scan.nxs")
    ((images, keywords, _),) = get_reader(str(path))(str(path))
    assert keywords["name"] == "scan"
    np.testing.assert_array_equal(images[2], small_stack.images[2])


def test_hdf5_of_others_is_left_to_those_who_claim_it(tmp_path):
    path = str(tmp_path / "weights.h5")
    with h5py.File(path, "w") as file:
        file["layer/kernel"] = np.zeros((3, 3))
    with pytest.raises(InputError, match=r"weights\.h5 holds no stack of frames"):
        get_reader(path)(path)
    with DynamicPlugin("other-plugin") as other:

        @other.contribute.reader(filename_patterns=["*.h5"])
        def other_reader(path):
            return lambda path: [(np.zeros((2, 2)),)]

        assert get_reader(path) is None


def test_a_grain_map_is_no_scan(tmp_path):
    path = str(tmp_path / "grains.h5")
    with h5py.File(path, "w") as file:
        file["LabDCT/Data/GrainId"] = np.zeros((3, 4, 5), np.int32)
    with pytest.raises(InputError, match="is a grain map: labdct simulate"):
        get_reader(path)(path)


def test_napari_can_add_what_is_read(viewer, tmp_path, small_stack):
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, small_stack.images)
    from napari.layers import Layer

    ((images, keywords, kind),) = get_reader(str(path))(str(path))
    layer = viewer.add_layer(Layer.create(images, keywords, kind))
    assert layer.name == "scan"


def test_every_command_of_the_manifest_exists():
    manifest = PluginManifest.from_distribution("napari-labdct")
    manifest.validate_imports()
    titles = {widget.display_name for widget in manifest.contributions.widgets}
    assert {"Clean stack", "Line profiles"} <= titles


def test_importing_a_widget_loads_no_pytorch():
    code = (
        "import sys, napari_labdct.plugin.clean, napari_labdct.plugin.profiles;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
