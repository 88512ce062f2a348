"""The widget *Line profiles*: joins lines and frames of the viewer with the plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_labdct.plugin import grid, layers, lines, profiling, settings
from napari_labdct.plugin.choices import bare
from napari_labdct.plugin.drawing import Plot
from napari_labdct.plugin.grab import Grab
from napari_labdct.plugin.profiles_cursor import Cursor
from napari_labdct.plugin.profiles_files import ProfileFiles
from napari_labdct.plugin.profiles_through import Through
from napari_labdct.plugin.profiles_view import ProfilesView
from napari_labdct.plugin.tasks import Task

if TYPE_CHECKING:
    import napari.viewer
    from napari.components import ViewerModel
    from napari.layers import Image, Shapes

    from napari_labdct.core import LineProfile

PAUSE = 16
"""Time after a change before the plot is made anew [ms]: one frame of a screen."""

MODES = {"draw": "add_line", "move": "pan_zoom"}


class LineProfiles(ProfilesView):
    """Grey values along lines that can be dragged, over every layer at once."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.controller = ProfilesController(bare(viewer), self)


def recall_options() -> profiling.ProfileOptions:
    """The options that were set last."""
    names = profiling.ProfileOptions.model_fields
    kept = {name: settings.recall("profiles", name) for name in names}
    known = {name: value for name, value in kept.items() if value is not None}
    try:
        return profiling.ProfileOptions(**known)
    except ValueError:
        return profiling.ProfileOptions()


class ProfilesController(QObject):
    """Wires a `ProfilesView` to a viewer.

    Parameters
    ----------
    viewer
        Where lines and stacks are.
    view
        What the user sees.
    """

    def __init__(self, viewer: ViewerModel, view: ProfilesView) -> None:
        super().__init__(view)
        self._viewer, self._view = viewer, view
        self._shapes: Shapes | None = None
        self._grab: Grab | None = None
        self._images: list[Image] = []
        self.profiles: list[LineProfile] = []
        self._frames: dict[int, tuple[int, Any]] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE)
        self._timer.timeout.connect(self.refresh)
        self.cursor = Cursor(viewer, view.plot, self)
        self.through = Through(viewer, self)
        self.files = ProfileFiles(view, self)
        self.warming = Task("Get ready for profiles", urgent=True)
        self.warming.failed.connect(self._trouble)
        self.warming.start(profiling.get_ready)
        view.show_options(recall_options())
        self._connect()
        self._list()

    def _connect(self) -> None:
        view, viewer = self._view, self._viewer
        view.tool_chosen.connect(self._take_tool)
        view.layers_changed.connect(self.later)
        view.options_changed.connect(self._keep_options)
        view.shown.connect(self.later)
        view.clear_wanted.connect(self._clear)
        view.through_wanted.connect(self.through.set_active)
        view.closed.connect(self.close)
        view.destroyed.connect(self.close)
        self.through.changed.connect(self.later)
        self.through.failed.connect(self._trouble)
        for event in self._layer_events():
            event.connect(self._list)
        viewer.dims.events.current_step.connect(self.later)
        viewer.layers.selection.events.active.connect(self._show_tool)

    def _keep_options(self) -> None:
        for key, value in self._view.options.model_dump().items():
            settings.keep("profiles", key, value)
        self.later()

    def _layer_events(self) -> list[Any]:
        events = self._viewer.layers.events
        return [events.inserted, events.removed, events.reordered, events.renamed]

    def close(self) -> None:
        """Let go of the viewer; the lines stay in it."""
        self._timer.stop()
        self.warming.cancel()
        self.cursor.close()
        self.through.close()
        for event in self._layer_events():
            event.disconnect(self._list)
        self._viewer.dims.events.current_step.disconnect(self.later)
        self._viewer.layers.selection.events.active.disconnect(self._show_tool)
        self._watch(None, [])

    @property
    def drawn(self) -> list[lines.Line]:
        """The lines as they are."""
        return lines.get_lines(self._shapes) if self._shapes is not None else []

    @property
    def image(self) -> Image | None:
        """The stack that the lines are drawn on."""
        return next(iter(self.chosen or self._images), None)

    @property
    def chosen(self) -> list[Image]:
        """Layers whose grey values are plotted."""
        unchecked = self._view.unchecked
        return [layer for layer in self._images if layer.name not in unchecked]

    @property
    def alike(self) -> list[Image]:
        """Chosen layers of one size: that of the first."""
        shapes = [layer.data.shape[-2:] for layer in self.chosen]
        pairs = zip(self.chosen, shapes, strict=True)
        return [layer for layer, shape in pairs if shape == shapes[0]]

    @property
    def coloured(self) -> list[tuple[Image, str]]:
        """Layers whose grey values are plotted, with their colours."""
        colours = self._colours()
        return [(layer, colours[layer.name]) for layer in self.alike]

    @property
    def width(self) -> int:
        """Width that profiles are averaged over [px]."""
        return self._view.options.width

    def later(self, event: object = None) -> None:
        """Make the plot anew soon; many calls make one plot."""
        if not self._timer.isActive():
            self._timer.start()

    def refresh(self) -> None:
        """Take the profiles and show them; nothing while the widget is hidden."""
        if not self._view.isVisible():
            return
        found, sources = self.drawn, self._sources()
        plot = Plot(empty=self._hint(found))
        self.profiles = []
        options = self._view.options
        if sources and found:
            image = self.chosen[0]
            if self._shapes is not None:
                lines.lay_on(self._shapes, image)
            index = layers.index_of(self._viewer, image)
            self.profiles = profiling.take(found, sources, options.width, index)
            size = grid.pixel_size_um(image)
            plot = profiling.to_plot(self.profiles, found, sources, options, size)
        self._tell_others()
        self._view.plot.show_plot(self.through.extend(plot, options.log))

    def _sources(self) -> list[profiling.Source]:
        """Visible frames of the chosen layers, all of one size."""
        colours = self._colours()
        sources = []
        for layer in self.alike:
            kind = layers.kind_of(layer)
            frame = self._frame(layer)
            sources.append(
                profiling.Source(layer.name, frame, colours[layer.name], kind)
            )
        return sources

    def _tell_others(self) -> None:
        """Say which ticked layers are not plotted, and why."""
        others = [layer.name for layer in self.chosen if layer not in self.alike]
        text = (
            f"Projections of another size are not plotted ({', '.join(others)}): "
            "untick the other layers to see them."
        )
        if others and self.drawn:
            self._view.say(text)
        elif self._view.message.startswith("Projections of another size"):
            self._view.say("")

    def _frame(self, layer: Image) -> Any:
        """The visible frame; one that has to be read from files is kept."""
        index = layers.index_of(self._viewer, layer)
        if isinstance(layer.data, np.ndarray):
            return layers.frame_of(layer, index)
        known = self._frames.get(id(layer))
        if known is None or known[0] != index:
            known = self._frames[id(layer)] = index, layers.frame_of(layer, index)
        return known[1]

    def _colours(self) -> dict[str, str]:
        kinds = {layer.name: layers.kind_of(layer) for layer in self._images}
        return profiling.colours(kinds)

    def _hint(self, found: list[lines.Line]) -> str:
        if not self._images:
            return "Open projections first: drop them on Clean stack or on the canvas."
        if not found:
            return "Press Draw, then drag a line over the image."
        return "Tick at least one layer above."

    def _list(self, event: object = None) -> None:
        """Layers came, went or changed their names."""
        found = [layer for layer in self._viewer.layers if layers.is_stack(layer)]
        # A difference hides the input's curve, so it waits to be asked for.
        known = {layer.name for layer in self._images}
        extra = {
            layer.name
            for layer in found
            if layer.name not in known and layers.kind_of(layer) == "difference"
        }
        unchecked = self._view.unchecked | extra
        if found and not self._images:
            self._view.say("")
        self._watch(lines.find_lines(self._viewer), found)
        self._view.set_layers(self._colours(), unchecked)
        self.later()

    def _watch(self, shapes: Shapes | None, images: list[Image]) -> None:
        """Listen to these layers and to no others."""
        if shapes is not self._shapes:
            if self._grab is not None:
                self._grab.close()
            if self._shapes is not None:
                self._shapes.events.set_data.disconnect(self.later)
                self._shapes.events.data.disconnect(self._edited)
                self._shapes.events.mode.disconnect(self._show_tool)
            if shapes is not None:
                # `set_data` comes with every move of the mouse, after the vertices
                # have moved; `data` when a line is added, removed or let go.
                shapes.events.set_data.connect(self.later)
                shapes.events.data.connect(self._edited)
                shapes.events.mode.connect(self._show_tool)
                self._grab = Grab(self._viewer, shapes)
            self._shapes = shapes
        for layer in self._images:
            if layer not in images:
                layer.events.set_data.disconnect(self.later)
                layer.events.data.disconnect(self._forget_frames)
                layer.events.scale.disconnect(self.later)
        for layer in images:
            if layer not in self._images:
                layer.events.set_data.connect(self.later)
                layer.events.data.connect(self._forget_frames)
                layer.events.scale.connect(self.later)
        self._images = images
        self._frames = {}

    def _forget_frames(self, event: object = None) -> None:
        self._frames = {}
        self.later()

    def _edited(self, event: Any) -> None:
        if str(getattr(event.action, "value", event.action)) in ("added", "removed"):
            lines.prepare_next(event.source)
        self.later()

    def _take_tool(self, tool: str) -> None:
        shapes = self.make_shapes()
        if shapes is None:
            self._view.show_tool("")
            self._trouble("There is nothing to draw on: open projections first.")
            return
        self._view.say("")
        self._view.through.setChecked(False)
        self._viewer.layers.selection.active = shapes
        shapes.mode = MODES[tool]
        self._show_tool()

    def make_shapes(self) -> Shapes | None:
        """The layer of the lines, made where there is none."""
        if self._shapes is None and self.image is not None:
            lines.add_lines(self._viewer, self.image)
        return self._shapes

    def _show_tool(self, event: object = None) -> None:
        shapes = self._shapes
        active = shapes is not None and self._viewer.layers.selection.active is shapes
        mode = str(shapes.mode) if shapes is not None and active else ""
        self._view.show_tool(next((t for t, m in MODES.items() if m == mode), ""))

    def _clear(self) -> None:
        if self._shapes is not None:
            lines.set_lines(self._shapes, [])
        self.through.clear()
        self.later()

    def _trouble(self, sentence: str) -> None:
        self._view.say(sentence, trouble=True)
