"""How Sphinx builds the documentation: `make docs`, warnings are errors."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from pydantic import BaseModel

# One thread is enough for the examples, and the same on every machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "napari-labdct"
author = "napari-labdct developers"
project_copyright = author
release = installed("napari-labdct")
version = release.split("+")[0]

extensions = [
    "myst_parser",
    "sphinx_design",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/**/*.ipynb", "gallery/**/*.py"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Drawings in text and terminal output are no Python.
highlight_language = "none"
default_role = "code"

html_theme = "furo"
html_title = "napari-labdct"
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["labdct.css"]
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config, model_post_init"}
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": str(HERE.parent / "examples"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    # Tables are shown, what else the last line of a block returns is not.
    "capture_repr": ("_repr_html_",),
    "min_reported_time": 0,
    "remove_config_comments": True,
    "within_subsection_order": "FileNameSortKey",
    "default_thumb_file": str(HERE / "images" / "sample.png"),
}


def finish_docstring(
    _app: Any, _kind: str, _name: str, thing: Any, _options: Any, lines: list[str]
) -> None:
    """Append the fields of a parameter model; |F| is no substitution here."""
    lines[:] = [line.replace("|", r"\|") for line in lines]
    if not (isinstance(thing, type) and issubclass(thing, BaseModel)):
        return
    for name, field in thing.model_fields.items():
        if not field.description:
            continue
        given = "" if field.is_required() else f" Default: ``{field.default!r}``."
        lines += ["", f":ivar {name}: {field.description}{given}"]


def setup(app: Any) -> None:
    """Register the above."""
    app.connect("autodoc-process-docstring", finish_docstring)
