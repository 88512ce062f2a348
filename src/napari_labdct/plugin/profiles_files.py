"""Curves, plots and sessions of *Line profiles*, to files and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_labdct.core import InputError
from napari_labdct.plugin import grid, layers, lines
from napari_labdct.plugin.session import (
    ProfileSession,
    curves_table,
    load_session,
    save_curves,
    save_session,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_labdct.plugin.profiles import ProfilesController
    from napari_labdct.plugin.profiles_view import ProfilesView


class ProfileFiles(QObject):
    """Saves what the view asks for, and loads sessions.

    Parameters
    ----------
    view
        Asks for files.
    profiles
        Knows the lines and their profiles.
    """

    def __init__(self, view: ProfilesView, profiles: ProfilesController) -> None:
        super().__init__(profiles)
        self._view, self._profiles = view, profiles
        view.export_wanted.connect(self._export)
        view.load_wanted.connect(self._load)

    def _export(self, kind: str) -> None:
        if not self._profiles.profiles:
            self._trouble("There are no profiles to save yet: draw a line first.")
            return
        pattern = f"{kind.upper()} (*.{kind})"
        path = self._view.ask_save(f"profiles.{kind}", pattern)
        if path is not None:
            try:
                self.save(kind, path)
            except (InputError, OSError) as error:
                self._trouble(str(error))
            else:
                self._view.say(f"Saved {path.name}.")

    def save(self, kind: str, path: Path) -> None:
        """Write curves ("csv"), the plot ("png", "svg") or the session ("json")."""
        profiles = self._profiles
        if kind == "json":
            save_session(ProfileSession.of(profiles.drawn, self._view.options), path)
        elif kind == "csv":
            image = profiles.chosen[0]
            omega = layers.stack_of(image).omega[profiles.profiles[0].projection]
            size = grid.pixel_size_um(image)
            save_curves(curves_table(profiles.profiles, float(omega), size), path)
        else:
            self._view.plot.save(path)

    def _load(self) -> None:
        path = self._view.ask_open("Load session", "Session (*.json)")
        if path is not None:
            try:
                self.load(path)
            except InputError as error:
                self._trouble(str(error))

    def load(self, path: Path) -> None:
        """Draw the lines of a session in place of those that are there.

        Raises
        ------
        InputError
            If the file is no session, or there is no stack to draw on.
        """
        session = load_session(path)
        shapes = self._profiles.make_shapes()
        if shapes is None:
            raise InputError("There is nothing to draw on: open projections first.")
        self._view.show_options(session.options)
        lines.set_lines(shapes, session.to_lines())
        self._view.say(f"{len(session.lines)} lines from {path.name}.")
        self._profiles.later()

    def _trouble(self, sentence: str) -> None:
        self._view.say(sentence, trouble=True)
