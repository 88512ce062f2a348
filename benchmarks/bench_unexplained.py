"""What is found on a measured scan where no spot is known, beside what was asked for.

    python benchmarks/bench_unexplained.py SCAN TRUTH.npz [--crystal Fe]
        [--distance 100] [--pixel 0.068334] [--centre 516.2,511.7] [--flip no]
        [--box 412,607,404,589] [--border 5,5,5,9] [--picture map.png]

Known spots are left out as wide as they are, and so is what is near the border and the
box, where spots stand whose middle is outside. Grains too small to be indexed still
shine where a characteristic line of the tungsten tube meets their strongest planes,
which is on the Debye rings of the crystal: finds are counted with these rings and
without. Prints a table in Markdown, found a frame and asked for on that area, and the
energy near whose rings the finds stand out most.
"""

import argparse

import numpy as np
from scipy import ndimage

from napari_labdct import read_stack
from napari_labdct.analysis import FindSettings
from napari_labdct.core import drained
from napari_labdct.learning import Denoiser
from napari_labdct.physics import Crystal
from napari_labdct.workflows.spot_finding import iter_spots
from napari_labdct.workflows.truth import read_truth, usable

ASKED = (0.5, 1, 10, 100)
LINES = {"Kα2": 57.98, "Kα1": 59.32, "Kβ1": 67.24}  # of tungsten [keV]
HC = 12.39842  # [keV Å]
FAMILIES = 5
SEEN = {"C0": 0, "C1": 1, "C2": 2}  # families that the picture shows, by colour
NEAR, HALO, BRIGHT = 5, 10, 40  # [px], [px] and the SNR from which spots have a halo
OUTSIDE = 9  # reach of spots whose middle is outside [px]
SPREAD = 25  # over which finds would be spread smoothly, Gaussian σ [px]
NEARBY = 330  # distance from the beam within which rings are told apart [px]
WIDTH = 6  # how sharply they show it, Gaussian σ [px]
RING = 12  # images of grains beside the axis are off the ring [px]


def numbers(text):
    """The numbers of an option such as 5,5,5,9."""
    return [float(part) for part in text.split(",")]


def pixels(spots):
    """Rows and columns of the pixels that spots are on."""
    return tuple(np.rint(spots[["row_px", "column_px"]].to_numpy()).astype(int).T)


def within(area, spots):
    """Which spots lie in an area, shape (projections, rows, columns)."""
    return area[(spots["projection"].to_numpy(), *pixels(spots))]


def without_known(table, shape, use):
    """Pixels of a frame that are far from all known spots."""
    free = ndimage.binary_erosion(use, iterations=OUTSIDE)
    for least, reach in ((-np.inf, NEAR), (BRIGHT, HALO)):
        spots = table[table["snr"] > least]
        away = np.ones(shape, bool)
        away[pixels(spots)] = False
        free &= ndimage.distance_transform_edt(away) > reach
    return free


def families(crystal):
    """Name and lattice spacing [Å] of the families of widest planes."""
    planes = crystal.reflections(FAMILIES)
    spacing, first = np.unique(planes.d.round(6), return_index=True)
    names = np.sort(np.abs(planes.hkl[first]))[:, ::-1]
    return ["".join(map(str, hkl)) for hkl in names[::-1]], spacing[::-1]


def radii(spacing, distance, energies):
    """Radius of Debye rings, shape (families, energies) [unit of the distance]."""
    spacing = spacing[:, None]
    return distance * np.tan(2 * np.arcsin(HC / np.array(energies) / 2 / spacing))


def standing_out(radius, rings):
    """How much nearer to rings finds are than if they were spread smoothly [σ].

    Radius of each find, and rings as `radii` gives them; shape (energies,).
    """
    grid = np.arange(0.0, NEARBY)
    count, _ = np.histogram(radius, np.arange(NEARBY + 1))
    smooth = ndimage.gaussian_filter1d(count.astype(float), SPREAD, mode="reflect")
    inside = (grid > radius.min()) & (smooth > 0)
    weight = smooth[inside] / smooth[inside].sum()

    def near(at):
        away = np.abs(at[:, None, None] - rings).min(1)
        return np.exp(-(away**2) / (2 * WIDTH**2))

    chance = near(grid[inside])
    mean = weight @ chance
    error = np.sqrt((weight @ chance**2 - mean**2) / radius.size)
    return (near(radius).mean(0) - mean) / error


def picture(path, finds, radius, names, rings, centre):
    """Where the finds are, and how far from the beam, with the rings."""
    from matplotlib.figure import Figure

    figure = Figure((11, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.scatter(finds["column_px"], finds["row_px"], s=9, c="k", lw=0)
    right.hist(radius, np.arange(100, 400, 5), color="0.6")
    turn = np.linspace(0, 2 * np.pi, 200)
    for colour, family in SEEN.items():
        for line, style in (("Kβ1", "-"), ("Kα1", "--")):
            ring = rings[family, list(LINES).index(line)]
            row, column = ring * np.sin(turn), ring * np.cos(turn)
            left.plot(column + centre[1], row + centre[0], colour, ls=style, lw=1)
            label = f"{names[family]}, tungsten {line}"
            right.axvline(ring, color=colour, ls=style, lw=1, label=label)
    reach = 1.15 * rings[: len(SEEN)].max()
    left.set(xlim=centre[1] + reach * np.array([-1, 1]), xlabel="column [px]")
    left.set(ylim=centre[0] + reach * np.array([1, -1]), ylabel="row [px]", aspect=1)
    right.set(xlabel="distance from the beam [px]", ylabel="finds in all frames")
    right.legend(title="Debye rings")
    figure.savefig(path, dpi=90)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan")
    parser.add_argument("truth")
    parser.add_argument("--crystal", default="Fe")
    parser.add_argument("--distance", type=float, default=99.989, help="[mm]")
    parser.add_argument("--pixel", type=float, default=0.068334, help="[mm]")
    parser.add_argument("--centre", default="516.2,511.7", help="row,column [px]")
    parser.add_argument("--flip", default="no")
    parser.add_argument("--box", default="412,607,404,589")
    parser.add_argument("--border", default="5,5,5,9")
    parser.add_argument("--picture")
    asked = parser.parse_args()
    stack = read_stack(asked.scan, flip=asked.flip)
    shape = stack.shape[1:]
    box, border = (numbers(part) for part in (asked.box, asked.border))
    use = usable(shape, *([int(x) for x in part] for part in (border, box)))
    known, unsure = (part.frame for part in read_truth(asked.truth))
    free = np.stack(
        [
            without_known(known[known["projection"] == i], shape, use)
            & without_known(unsure[unsure["projection"] == i], shape, use)
            for i in range(len(stack))
        ]
    )
    row, column = np.indices(shape)
    centre = numbers(asked.centre)
    radius = np.hypot(row - centre[0], column - centre[1])
    names, spacing = families(Crystal.preset(asked.crystal))
    distance = asked.distance / asked.pixel
    rings = radii(spacing, distance, list(LINES.values()))
    off_ring = np.all([np.abs(radius - r) > RING for r in rings.ravel()], axis=0)
    places = {"all": free, "off the rings": free & off_ring}
    denoiser = Denoiser.default()
    ways = {"filters": None, "network": denoiser}
    print("| neighbours | spots | place |", end="")
    print("".join(f" asked {n:g} |" for n in ASKED) + "\n|" + "---|" * (3 + len(ASKED)))
    for companions in (False, True):
        for way, cleaner in ways.items():
            asks = "asked" if companions else "not asked"
            found = []
            for n in ASKED:
                settings = FindSettings(false_alarms=n, companions=companions)
                found.append(drained(iter_spots(stack, cleaner, settings)).frame)
            for place, area in places.items():
                share = area.mean() / use.mean()
                cells = [
                    f"{within(area, spots).sum() / len(stack):.2f} of {n * share:.2f}"
                    for n, spots in zip(ASKED, found, strict=True)
                ]
                print(
                    f"| {asks} | {way} | {place} |", " | ".join(cells), "|", flush=True
                )
    spots = drained(iter_spots(stack, None, FindSettings(false_alarms=1))).frame
    finds = spots[within(free, spots)]
    away = radius[pixels(finds)]
    energies = np.arange(45, 105, 0.5)
    tried = radii(spacing[: len(SEEN)], distance, energies)
    clear = standing_out(away[away < NEARBY], tried)
    best = clear.argmax()
    print(
        f"\nFinds stand out near the rings of {energies[best]:g} keV more than of any "
        f"other energy: {clear[best]:.1f} standard errors nearer than by chance."
    )
    if asked.picture:
        picture(asked.picture, finds, away, names, rings, centre)


if __name__ == "__main__":
    main()
