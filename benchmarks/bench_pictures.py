"""How well spots can be told in the pictures themselves, by one plain spot finder.

Gaussian of 1.3 px, local maxima, ranked by their height in units of the noise: on
frames less their background, on the network's own answer and on the cleaned picture,
of single frames, with the scan's median, and with neighbouring projections asked.
Scored as `labdct evaluate` does.

    python benchmarks/bench_pictures.py SCAN TRUTH.npz [--box 412,607,404,589]
        [--border 5,5,5,9] [--per-frame 200,600,800] [--flip no] [--model default]
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import ndimage

from napari_labdct import ProjectionStack, read_stack
from napari_labdct.core import SpotTable, drained
from napari_labdct.learning import Denoiser
from napari_labdct.workflows.cleanup import iter_clean
from napari_labdct.workflows.evaluate import score_measured
from napari_labdct.workflows.scan_word import iter_word
from napari_labdct.workflows.truth import read_truth

WIDTH, APART, MOST = 1.3, 5, 1500


def maxima(image, sigma, projection):
    """The highest maxima of a picture, as a spot table."""
    smooth = ndimage.gaussian_filter(image, WIDTH)
    rank = ndimage.gaussian_filter(image / sigma, WIDTH)
    top = (smooth == ndimage.maximum_filter(smooth, APART)) & (smooth > 0)
    row, column = np.nonzero(top[1:-1, 1:-1])
    row, column = row + 1, column + 1
    best = np.argsort(-rank[row, column], kind="stable")[:MOST]
    row, column = row[best], column[best]
    middle = smooth[row, column]
    at = []
    for place, (down, across) in ((row, (1, 0)), (column, (0, 1))):
        before = smooth[row - down, column - across]
        after = smooth[row + down, column + across]
        bend = np.maximum(2 * middle - before - after, 1e-12)
        at.append(place + np.clip((after - before) / (2 * bend), -0.5, 0.5))
    nothing = np.full(row.size, np.nan)
    table = {"projection": projection, "omega_deg": nothing}
    table |= {"row_px": at[0], "column_px": at[1], "area_px": nothing}
    table |= {"peak": middle, "intensity": nothing, "snr": rank[row, column]}
    return SpotTable(pd.DataFrame(table | {"score": rank[row, column]}))


def pictures(stack, denoiser):
    """Name, picture, noise and number of every frame's pictures, in all ways."""
    for index in range(len(stack)):
        single = ProjectionStack(stack.frame(index)[None])
        yield from three("alone", next(iter_clean(single, denoiser)), index)
    word = drained(iter_word(stack, denoiser))
    for done in iter_clean(stack, denoiser):
        yield from three("in its scan", done, done.index)
        asked = replace(done, heard=word[done.index])
        name = "in its scan: cleaned picture, neighbours asked"
        yield name, asked.image, done.statistics.sigma, done.index


def three(way, done, index):
    """Pictures of one frame by itself."""
    sigma = done.statistics.sigma
    yield f"{way}: less background", done.residual, sigma, index
    yield f"{way}: network's answer", done.answer.image, sigma, index
    yield f"{way}: cleaned picture", done.image, sigma, index


def numbers(text):
    """Whole numbers from a list with commas."""
    return [int(part) for part in text.split(",")]


def main():
    """Print one row a picture and number of spots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan")
    parser.add_argument("truth")
    parser.add_argument("--box", type=numbers, default=[0, 0, 0, 0])
    parser.add_argument("--border", type=numbers, default=[0, 0, 0, 0])
    parser.add_argument("--per-frame", type=numbers, default=[200, 600, 800])
    parser.add_argument("--flip", default="auto")
    parser.add_argument("--model", default="default")
    chosen = parser.parse_args()
    stack = read_stack(chosen.scan, flip=chosen.flip)
    truth, uncertain = read_truth(chosen.truth)
    rows, columns = stack.shape[1:]
    top, bottom, left, right = chosen.border
    use = np.zeros((rows, columns), bool)
    use[top : rows - bottom, left : columns - right] = True
    use[slice(*chosen.box[:2]), slice(*chosen.box[2:])] = False
    tables = {}
    for name, image, sigma, index in pictures(stack, Denoiser.load(chosen.model)):
        tables.setdefault(name, []).append(maxima(image, sigma, index))
    scores = score_measured(
        {name: SpotTable.concatenate(parts) for name, parts in tables.items()},
        truth,
        chosen.per_frame,
        frames=range(len(stack)),
        uncertain=uncertain,
        use=use,
    )
    print("| picture | spots a frame | net recall | unexplained |\n|---|---|---|---|")
    for score in scores.itertuples():
        print(
            f"| {score.route} | {score.spots_per_frame:.0f} | {score.net:.3f} | "
            f"{score.unexplained_per_frame:.1f} |"
        )


if __name__ == "__main__":
    main()
