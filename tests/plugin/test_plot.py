"""Axes, ticks, and what the plot widget draws."""

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QMouseEvent

from napari_labdct.plugin.drawing import Curve, Panel, Plot, thin
from napari_labdct.plugin.plot import CurvePlot
from napari_labdct.plugin.scale import Axis, label, round_step


@pytest.mark.parametrize(
    ("axis", "most", "ticks"),
    [
        (Axis(0, 10), 5, [0, 2, 4, 6, 8, 10]),
        (Axis(-1.3, 0.9), 4, [-1, 0]),
        (Axis(-700, 600), 2, [-500, 0, 500]),
        (Axis(97, 103), 3, [98, 100, 102]),
        (Axis(1, 1000, True), 8, [1, 10, 100, 1000]),
        (Axis(0.4, 12, True), 6, [0.5, 1, 2, 5, 10]),
        (Axis(0.4, 12, True), 3, [1, 10]),
    ],
)
def test_ticks_are_round(axis, most, ticks):
    np.testing.assert_allclose(axis.ticks(most), ticks)


def test_a_logarithmic_axis_of_less_than_a_decade_has_ticks():
    assert len(Axis(20, 80, True).ticks(5)) >= 3


@pytest.mark.parametrize("axis", [Axis(-3, 5), Axis(0.1, 1e4, True)])
def test_place_and_value_are_inverse(axis):
    for value in (0.2, 1.0, 4.0):
        (place,) = axis.place(np.array([value]))
        assert axis.value(place) == pytest.approx(value)


def test_an_axis_holds_its_data_and_ignores_nan():
    axis = Axis.around([np.array([1.0, np.nan, 3.0]), np.array([7.0])])
    assert axis.low < 1
    assert axis.high > 7
    assert Axis.around([]) == Axis(0, 1)
    assert Axis.around([np.array([5.0, 5.0])]).low < 5
    log = Axis.around([np.array([-4.0, 0.0, 10.0, 1e9])], log=True)
    assert log.low > 1e4


def test_round_steps():
    steps = [round_step(value) for value in (0.013, 0.2, 3, 5, 7)]
    assert steps == pytest.approx([0.02, 0.2, 5, 5, 10])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12000, "12k"), (0.25, "0.25"), (1e-4, "1e-4"), (2e7, "2e7")],
)
def test_labels_are_short(value, text):
    assert label(value) == text


def test_thinning_keeps_every_extreme():
    rng = np.random.default_rng(0)
    x, y = np.arange(10_000.0), rng.normal(size=10_000)
    y[4321], y[77] = 99, -99
    few_x, few_y = thin(x, y, 300)
    assert len(few_x) <= 2 * 300 + 2
    assert (few_y.max(), few_y.min()) == (99, -99)
    assert (few_x[0], few_x[-1]) == (0, 9999)
    assert np.all(np.diff(few_x) > 0)


@pytest.fixture
def plot(qtbot):
    widget = CurvePlot()
    qtbot.addWidget(widget)
    widget.resize(400, 300)
    widget.show()
    return widget


def curve(colour="#ff0000", height=1.0):
    x = np.arange(200.0)
    return Curve(x, height * np.sin(x / 9), colour, "cleaned")


def pixels(widget, colour):
    """How many pixels of the widget are nearly of a colour."""
    image = widget.grab().toImage()
    wanted = QColor(colour).getRgb()[:3]
    count = 0
    for row in range(image.height()):
        for column in range(image.width()):
            found = image.pixelColor(column, row).getRgb()[:3]
            count += max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 60
    return count


def test_curves_are_drawn_in_their_colours(plot):
    panel = Panel("A", "#00ff00", (curve("#ff0000"), curve("#0000ff", 0.3)))
    assert pixels(plot, "#ff0000") == 0
    plot.show_plot(Plot((panel,), "distance [px]", "grey value"))
    for colour in ("#ff0000", "#0000ff"):
        assert pixels(plot, colour) > 100


def test_panels_share_the_height_and_may_share_one_x_axis(plot):
    late = Curve(np.arange(100.0, 300.0), np.ones(200), "red")
    panels = Panel("A", "", (curve(),), share=2), Panel("B", "", (late,))
    plot.show_plot(Plot(panels, together=True))
    plot.grab()
    first, second = plot._frames
    assert first.box.height() > 1.6 * second.box.height()
    assert (first.x.low, first.x.high) == (second.x.low, second.x.high) == (0, 299)


def test_the_cursor_reads_the_values_above_the_curves(plot):
    dark = Curve(np.arange(200.0), np.linspace(0, 1, 200), "#000000")
    plot.show_plot(Plot((Panel("A", "", (dark,)),)))
    before = plot.grab().toImage()
    plot.set_cursor_at(0, 30.0)
    after = plot.grab().toImage()
    box = plot._frames[0].box
    changed = [
        (column, row)
        for row in range(int(box.bottom()))
        for column in range(int(box.left()), int(box.right()))
        if before.pixel(column, row) != after.pixel(column, row)
    ]
    line = box.left() + 30 / 199 * box.width()
    assert any(row < box.top() for _, row in changed)
    assert all(row < box.top() or abs(column - line) < 6 for column, row in changed)


def test_nothing_to_show_is_said_in_words(plot):
    ground = plot.palette().color(plot.backgroundRole()).name()
    before = pixels(plot, ground)
    plot.show_plot(Plot(empty="Press Draw, then drag a line over the image."))
    assert pixels(plot, ground) < before


@pytest.mark.parametrize(
    "curves",
    [
        (),
        (Curve(np.empty(0), np.empty(0), "red"),),
        (Curve(np.arange(5.0), np.full(5, np.nan), "red"),),
        (Curve(np.zeros(1), np.ones(1), "red"),),
        (Curve(np.arange(3.0), np.array([0.0, -1.0, 5.0]), "red"),),
    ],
)
@pytest.mark.parametrize("log", [False, True])
def test_odd_curves_do_not_break_it(plot, curves, log):
    plot.show_plot(Plot((Panel("A", "", curves, log_y=log),)))
    plot.set_cursor_at(0, 0.5)
    assert not plot.grab().isNull()


def test_the_mouse_tells_its_place_in_the_data(plot, qtbot):
    plot.show_plot(Plot((Panel("A", "", (curve(),)), Panel("B", "", (curve(),)))))
    plot.grab()
    seen = []
    plot.hovered.connect(lambda panel, x: seen.append((panel, x)))
    plot.left.connect(lambda: seen.append("left"))
    box = plot._frames[1].box

    def move(point):
        none = Qt.MouseButton.NoButton
        event = QMouseEvent(
            QMouseEvent.Type.MouseMove,
            point,
            point,
            none,
            none,
            Qt.KeyboardModifier.NoModifier,
        )
        plot.mouseMoveEvent(event)

    move(QPointF(box.left() + box.width() / 4, box.center().y()))
    panel, x = seen[0]
    assert panel == 1
    assert x == pytest.approx(199 / 4, abs=0.5)
    move(QPointF(1, 1))
    assert seen[1] == "left"


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_it_is_saved_whole(plot, tmp_path, suffix):
    plot.show_plot(Plot((Panel("A", "#ffb000", (curve(),)),), "distance [px]"))
    path = tmp_path / f"plot{suffix}"
    plot.save(path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    content = path.read_bytes()
    assert b"<polyline" in content if suffix == ".svg" else content[1:4] == b"PNG"
