"""Every way to spots on measured far-field frames of iron, against indexed grains.

The frames are not part of the project: give their folder as LABDCT_REAL_FRAMES. It
holds the frames as TIFF files and `truth.npz` with the predicted reflections of the
indexed grains: frame, y (row), x (column), grain, snr_exp, flux_exp, tier.

    python benchmarks/bench_real.py [way ...] [--model FOLDER] [--csv FILE]
                                    [--figure FILE]

The figure shows a part of one frame with what each way finds, misses and invents.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd

from napari_labdct.analysis import ConventionalSettings, pair_up
from napari_labdct.core import SpotTable
from napari_labdct.files import read_stack
from napari_labdct.workflows.evaluate import drained, iter_evaluate_measured
from napari_labdct.workflows.routes import NETWORK, ROUTES, Way, iter_route

BORDER, STOP = 5, (slice(412, 607), slice(404, 589))
BUDGETS = (200, 400, 600, 800)


def truth_of(folder):
    """Reflections of confident grains, and of uncertain ones, flipped as read."""
    with np.load(folder / "truth.npz") as table:
        columns = {name: table[name] for name in table.files}
    frame = pd.DataFrame(
        {
            "projection": columns["frame"],
            "omega_deg": 180 - 3.0 * columns["frame"],
            "row_px": columns["y"],
            "column_px": columns["x"],
            "area_px": 1.0,
            "peak": np.nan,
            "intensity": columns["flux_exp"],
            "snr": columns["snr_exp"],
        }
    )
    sure = (columns["tier"] == 1) & (columns["snr_exp"] >= 0.3)
    unsure = (columns["tier"] == 2) & (columns["snr_exp"] >= 2)
    return SpotTable(frame[sure]), SpotTable(frame[unsure])


def usable(shape):
    """All pixels but the border and the beam stop's shadow."""
    use = np.zeros(shape, bool)
    use[BORDER:-BORDER, BORDER : -BORDER - 4] = True
    use[STOP] = False
    return use


def draw(path, stack, truth, tables, shown=9, part=(600, 100, 300), least=5.0):
    """What each way finds (green), misses (red) and cannot explain (blue)."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    from napari_labdct.calibration import statistics_of

    known = statistics_of(stack).of(shown)
    units = (stack.frame(shown) - known.background) / known.sigma
    real = truth.frame[truth.frame["projection"] == shown]
    top, left, side = part
    figure, axes = plt.subplots(1, len(tables), figsize=(4.2 * len(tables), 4.6))
    for axis, (way, table) in zip(np.atleast_1d(axes), tables.items(), strict=True):
        budget = table.frame.nlargest(600 * len(stack), "score")
        found = budget[budget["projection"] == shown]
        spots, wanted = found.reset_index(), real[real["snr"] >= least].reset_index()
        seen, hit, _ = pair_up(spots, wanted, 2.5)
        explained, _, _ = pair_up(spots, real.reset_index(), 3.0)
        axis.imshow(units, cmap="gray", vmin=-2, vmax=8)
        strange = spots.drop(index=np.union1d(seen, explained))
        missed = wanted.drop(index=hit)
        for points, colour, marker in (
            (spots.loc[explained], "tab:green", "o"),
            (strange, "deepskyblue", "s"),
            (missed, "tab:red", "x"),
        ):
            fill = {"facecolors": "none"} if marker != "x" else {}
            edge = {"edgecolors": colour} if fill else {"c": colour}
            axis.scatter(
                points["column_px"],
                points["row_px"],
                s=70,
                marker=marker,
                **fill,
                **edge,
            )
        axis.set(xlim=(left, left + side), ylim=(top + side, top), title=way)
        axis.set_axis_off()
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main():
    """Print the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", default=[], help=", ".join(ROUTES))
    parser.add_argument("--model", default=None)
    parser.add_argument("--csv", type=Path, default=None)
    parser.add_argument("--figure", type=Path, default=None)
    given = parser.parse_args()
    folder = Path(os.environ["LABDCT_REAL_FRAMES"])
    # The truth counts rows as they are in the files.
    stack = read_stack(sorted(folder.glob("*.tif*")), flip="no")
    truth, uncertain = truth_of(folder)
    ways = given.ways or list(ROUTES)
    denoiser = None
    if set(ways) & set(NETWORK):
        from napari_labdct.learning import Denoiser

        denoiser = Denoiser.load(given.model) if given.model else Denoiser.default()
    # Far field: spots are points, so the recipe's Laplacian is narrow.
    points = ConventionalSettings(log_sigma=1.5, least_area=4, offset=1.0)
    way = Way(conventional=points)
    if given.figure:
        tables = {
            name: SpotTable.concatenate(
                list(iter_route(stack, name, denoiser=denoiser, way=way))
            )
            for name in ways
        }
        draw(given.figure, stack, truth, tables)
        return
    scores = drained(
        iter_evaluate_measured(
            stack,
            truth,
            ways,
            denoiser=denoiser,
            way=way,
            per_frame=BUDGETS,
            uncertain=uncertain,
            use=usable(stack.shape[1:]),
        )
    )
    print(scores.round(3).to_string(index=False))
    if given.csv:
        scores.to_csv(given.csv, index=False)


if __name__ == "__main__":
    main()
