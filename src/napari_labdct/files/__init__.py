"""What files hold, turned into nouns and back."""

from napari_labdct.files.export import write_profiles
from napari_labdct.files.reading import read_stack
from napari_labdct.files.sample import sample_path
from napari_labdct.files.saving import make_folder, replacing
from napari_labdct.files.spots import read_spots, write_spots
from napari_labdct.files.writing import StackWriter, write_stack

__all__ = [
    "StackWriter",
    "make_folder",
    "read_spots",
    "read_stack",
    "replacing",
    "sample_path",
    "write_profiles",
    "write_spots",
    "write_stack",
]
