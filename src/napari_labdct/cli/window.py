"""The results of the main job in napari, where there is a screen."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from napari_labdct.cli.common import say

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_labdct.core import ProjectionStack
    from napari_labdct.workflows.main_job import Results


def has_screen() -> bool:
    """Whether a window can open."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_window(scan: "ProjectionStack", results: "Results") -> None:
    """Show the results until the window is closed; say so where it cannot open."""
    if not has_screen():
        say("\nThere is no screen here, so napari is not opened.")
        return
    try:
        import napari

        import_module("qtpy.QtWidgets")  # napari tells too late that Qt is missing
    except ImportError as error:
        say(f"\nnapari is not opened: {error}; install napari[pyqt6].")
        return
    say(f"\nnapari {napari.__version__} opens; close its window to end.")
    fill(napari.Viewer(title="LabDCT"), scan, results)
    napari.run()


def fill(viewer: "Viewer", scan: "ProjectionStack", results: "Results") -> None:
    """Input, cleaned and difference as layers, with the lines of the figure.

    Parameters
    ----------
    viewer
        A viewer with a window.
    scan, results
        What went into the main job, and what came out.
    """
    from napari_labdct.files import read_stack
    from napari_labdct.plugin import adding, layers, lines

    name = Path(scan.source).name or "scan"
    layer = adding.add_stack(viewer, scan, name)
    cleaned, difference = (
        read_stack(path).images for path in (results.cleaned, results.difference)
    )
    adding.add_results(viewer, layer, cleaned, difference)
    lines.add_lines(
        viewer,
        layer,
        [
            lines.Line(profile.name, colour, profile.start, profile.stop)
            for profile, colour in zip(results.profiles, lines.COLOURS, strict=False)
        ],
    )
    if results.profiles:
        layers.show_index(viewer, layer, results.profiles[0].projection)
    viewer.window.add_plugin_dock_widget("napari-labdct", "Line profiles")
