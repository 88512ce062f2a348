"""The doors into napari."""
