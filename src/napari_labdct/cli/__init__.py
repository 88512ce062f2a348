"""The command `labdct`: the package's verbs for a terminal."""

import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature
from typing import Any

import typer

from napari_labdct.cli.calibrating import calibrate
from napari_labdct.cli.cleaning import clean, prepare, run
from napari_labdct.cli.looking import info, profile, spots
from napari_labdct.cli.making import simulate, train
from napari_labdct.cli.options import with_options
from napari_labdct.cli.reproducing import reproduce
from napari_labdct.cli.scoring import evaluate, identify
from napari_labdct.core import InputError
from napari_labdct.core.geometry import Parameters

_HELP = """Spot cleanup in laboratory X-ray diffraction contrast tomography (LabDCT).

A scan is a folder of TIFF frames, one TIFF or HDF5 stack, or a .txrm file. Try
"labdct run" without anything else to see what the package does with its own sample
scan."""


def _reading() -> Parameters:
    from napari_labdct.workflows.scan_source import ScanSource

    return ScanSource(path="")


def _find_settings() -> Parameters:
    from napari_labdct.analysis.find import FindSettings

    return FindSettings()


def _preparation() -> Parameters:
    from napari_labdct.preparation import Preparation

    return Preparation()


def _ways() -> Parameters:
    from napari_labdct.workflows.routes import Way

    return Way()


def _setup() -> Parameters:
    from napari_labdct.core import Geometry

    return Geometry()


def _virtual_scan() -> Parameters:
    from napari_labdct.workflows.virtual_scan import VirtualScan

    return VirtualScan.preset("hovad2020")


def _training_settings(recipe: str = "default") -> Parameters:
    if recipe == "hovad2020":
        from napari_labdct.learning.hovad2020 import Hovad2020Settings

        return Hovad2020Settings()
    from napari_labdct.learning import TrainingSettings

    return TrainingSettings()


_VERBS: tuple[Callable[..., None], ...] = (
    run,
    prepare,
    clean,
    spots,
    evaluate,
    identify,
    profile,
    simulate,
    train,
    calibrate,
    reproduce,
    info,
)
_MODELS: dict[str, tuple[str, Callable[[], Parameters]]] = {
    "prepare": ("steps", _preparation),
    "spots": ("find", _find_settings),
    "evaluate": ("settings_of_ways", _ways),
    "identify": ("setup", _setup),
    "simulate": ("scan", _virtual_scan),
    "train": ("training", _training_settings),
}
"""Verbs with a parameter model: the keyword it fills, and its defaults."""


def build(asked: str = "", recipe: str = "default") -> typer.Typer:
    """The command with all its verbs.

    Parameters
    ----------
    asked
        The verb that will run. Only its parameter model is imported and turned
        into options: the others may bring whole libraries with them.
    recipe
        Recipe whose settings are the options of `train`.
    """
    models = _MODELS | {"train": ("training", partial(_training_settings, recipe))}
    app = typer.Typer(
        help=_HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # units in brackets would pass for markup
    )
    for verb in _VERBS:
        name = verb.__name__
        if "reading" in signature(verb).parameters:  # a verb that opens a scan
            how = _reading() if name == asked else Parameters()
            verb = with_options(verb, "reading", how, file=False)
        if name in models:
            keyword, model = models[name]
            defaults = model() if name == asked else Parameters()
            verb = with_options(verb, keyword, defaults)
        app.command(name)(verb)
    return app


def _recipe(given: Sequence[str]) -> str:
    """The recipe on a command line: what `train` can be told depends on it."""
    words = [part for word in given for part in word.split("=", 1)]
    if "--recipe" not in words[:-1]:
        return "default"
    return words[words.index("--recipe") + 1]


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"labdct: warning: {message}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; errors a user can mend are one sentence and exit status 1."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Its remarks on damaged files come on top of our own sentence.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    asked = next((word for word in given if not word.startswith("-")), "")
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            build(asked, _recipe(given))(args=given, prog_name="labdct")
        except InputError as error:
            print(f"labdct: {error}", file=sys.stderr)
            raise SystemExit(1) from None
