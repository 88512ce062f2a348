"""Draw axes, signs and pixels for docs/conventions.md.

python tools/draw_conventions.py [docs/images/conventions.png]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Circle, Rectangle

from napari_labdct import Detector, Geometry

INK, BEAM, TURN, SPOT = "#1f2933", "#d97706", "#1d70b8", "#c1121f"


def arrow(axes, start, stop, colour=INK, **style) -> None:
    """An arrow from start to stop."""
    look = {"arrowstyle": "-|>", "color": colour, "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", stop, start, arrowprops=look | style)


def from_above(axes) -> None:
    """Source, sample, detector, as seen from +z: x to the right, y up."""
    axes.set_title("From above (z towards you)", fontsize=11)
    axes.plot([-4, 4], [0, 0], color=BEAM, lw=1, ls="--", zorder=0)
    axes.plot(-4, 0, "o", color=BEAM, ms=9)
    axes.text(-4, 0.35, "source\n(−L_ss, 0, 0)", ha="center", va="bottom", fontsize=9)
    axes.plot([4, 4], [-2.2, 2.2], color=INK, lw=4)
    axes.text(4.25, 0.4, "detector\nx = +L_sd", va="bottom", fontsize=9)
    axes.add_patch(Circle((0, 0), 0.55, fc="#e5e7eb", ec=INK))
    arrow(axes, (0, 0), (1.9, 0))
    axes.text(1.95, -0.12, "x, the beam", va="top", fontsize=9)
    arrow(axes, (0, 0), (0, 1.9))
    axes.text(0.12, 1.85, "y, left as seen\nlooking downstream", va="top", fontsize=9)
    axes.add_patch(Arc((0, 0), 2, 2, theta1=10, theta2=70, ec=TURN, lw=1.8))
    angle = np.deg2rad([60, 72])
    arrow(axes, *np.stack([np.cos(angle), np.sin(angle)], 1), TURN, lw=1.8)
    axes.text(0.95, 0.62, "+ω: x towards y", color=TURN, fontsize=9)
    axes.text(0, -0.75, "rotation axis z\n(origin)", ha="center", va="top", fontsize=9)
    axes.text(-2, -0.25, "L_ss", ha="center", va="top", color=BEAM, fontsize=9)
    axes.text(3, -0.6, "L_sd", ha="center", va="top", color=BEAM, fontsize=9)
    axes.set(xlim=(-5.2, 5.9), ylim=(-2.6, 2.6), aspect="equal")
    axes.set_axis_off()


def downstream(axes) -> None:
    """The detector as seen from the sample: pixels, axes, azimuth."""
    axes.set_title("The detector, looking downstream", fontsize=11)
    detector = Detector(rows=6, columns=8, pixel_size=1000)
    geometry = Geometry(detector=detector)
    for row in range(6):
        for column in range(8):
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, fc="none", ec="#cbd2d9")
            )
    row, column = detector.centre
    axes.plot(column, row, "+", color=BEAM, ms=12, mew=2)
    axes.text(column + 0.15, row + 0.2, "beam axis", color=BEAM, va="top", fontsize=9)

    def at(y, z):
        # The package's own formula: the drawing cannot disagree with it.
        down, right = geometry.to_pixels(np.array(float(y)), np.array(float(z)))
        return float(right), float(down)

    arrow(axes, at(0, 0), at(2.2, 0))
    axes.text(*at(2.3, 0.12), "y", ha="right", fontsize=10)
    arrow(axes, at(0, 0), at(0, 2.2))
    axes.text(*at(0.15, 2.25), "z", ha="right", fontsize=10)
    spot = at(-2, 1.5)
    axes.plot(*spot, "o", color=SPOT)
    axes.plot(*zip(at(0, 0), spot, strict=True), color=SPOT, lw=1)
    axes.text(spot[0] + 0.2, spot[1], "spot (row, column)", color=SPOT, fontsize=9)
    axes.add_patch(Arc(at(0, 0), 2.4, 2.4, theta1=-90, theta2=-37, ec=TURN, lw=1.8))
    arrow(axes, at(-0.80, 0.90), at(-0.95, 0.74), TURN, lw=1.8)
    axes.text(*at(-0.35, 1.32), "η", color=TURN, fontsize=11)
    arrow(axes, (-1.2, -0.5), (-1.2, 1.5))
    axes.text(-1.35, 0.5, "row", rotation=90, ha="right", va="center", fontsize=9)
    arrow(axes, (-0.5, -1.2), (1.5, -1.2))
    axes.text(0.5, -1.4, "column", ha="center", fontsize=9)
    axes.plot(0, 0, ".", color=INK)
    axes.text(0.12, 0.1, "(0, 0)", va="top", fontsize=8)
    axes.set(xlim=(-2.2, 9.8), ylim=(6.0, -2.2), aspect="equal")
    axes.set_axis_off()


def main(path: Path) -> None:
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    from_above(left)
    downstream(right)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "docs" / "images" / "conventions.png"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
