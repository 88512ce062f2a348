"""Which way to spots is best: every way on the same scan, against the same truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_labdct.analysis.indexed import Protocol, score_indexed
from napari_labdct.analysis.match import match_spots, sweep
from napari_labdct.core import Progress, ProjectionStack, SpotTable, counted
from napari_labdct.workflows.measured_scan import MeasuredScan
from napari_labdct.workflows.routes import ROUTES, Way, iter_route

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_labdct.learning import Denoiser
    from napari_labdct.workflows.measured_scan import ScanLook
    from napari_labdct.workflows.virtual_scan import VirtualScan

SHOWN = 600
"""Spots a frame at which ways are compared in a picture."""


def iter_ways(
    stack: ProjectionStack,
    routes: Sequence[str] = tuple(ROUTES),
    *,
    denoiser: Denoiser | None = None,
    way: Way | None = None,
) -> Generator[Progress, None, dict[str, SpotTable]]:
    """Find the spots of a scan in several ways.

    Parameters
    ----------
    stack
        The scan.
    routes
        Some of `ROUTES`.
    denoiser, way
        As in `iter_route`.

    Yields
    ------
    progress
        After every projection of every way.

    Returns
    -------
    tables
        As the generator's value: the spots that each way found.
    """
    found: dict[str, SpotTable] = {}
    total = len(routes) * len(stack)
    for number, route in enumerate(routes):
        steps = iter_route(stack, route, denoiser=denoiser, way=way)
        done = number * len(stack)
        found[route] = yield from counted(steps, total, ROUTES[route], done)
    return found


def score_measured(
    tables: dict[str, SpotTable],
    truth: SpotTable,
    per_frame: Sequence[float] = (600,),
    *,
    frames: Sequence[int] | None = None,
    uncertain: SpotTable | None = None,
    use: NDArray[np.bool_] | None = None,
    protocol: Protocol | None = None,
) -> pd.DataFrame:
    """Score spots that several ways found on a measured scan with indexed grains.

    Parameters
    ----------
    tables
        Spots by way.
    truth, per_frame, frames, uncertain, use, protocol
        As in `score_indexed`.

    Returns
    -------
    scores
        One row a way and number of spots: `route`, `spots_per_frame`, `threshold`,
        `net` (recall with chance taken off), `unexplained_per_frame`, `neutral`, and
        recall and chance by expected signal-to-noise ratio as `recall_1_2`,
        `chance_1_2`, `recall_2_3`, …
    """
    rows = []
    for route, found in tables.items():
        scores = score_indexed(
            found,
            truth,
            per_frame,
            uncertain=uncertain,
            frames=frames,
            use=use,
            protocol=protocol,
        )
        for score in scores:
            row = {
                "route": route,
                "spots_per_frame": score.spots_per_frame,
                "threshold": score.threshold,
                "net": score.net,
                "unexplained_per_frame": score.unexplained_per_frame,
                "neutral": score.neutral,
            }
            for part in score.by_snr.itertuples():
                name = f"{part.snr_from:g}_{part.snr_to:g}"
                row |= {f"recall_{name}": part.recall, f"chance_{name}": part.chance}
            rows.append(row)
    return pd.DataFrame(rows)


def judged(tables: dict[str, SpotTable], scores: pd.DataFrame) -> dict[str, SpotTable]:
    """The spots that each way is judged by: those above the threshold of its score.

    Parameters
    ----------
    tables
        Spots by way.
    scores
        As `score_measured` (its number of spots nearest to 600 a frame counts) or
        `score_simulated` gives them.
    """
    kept = {}
    for route, found in tables.items():
        here = scores[scores["route"] == route]
        if "spots_per_frame" in here and len(here):
            nearest = (here["spots_per_frame"] - SHOWN).abs().to_numpy().argmin()
            here = here.iloc[[int(nearest)]]
        least = here["threshold"].min() if "threshold" in here else -np.inf
        kept[route] = SpotTable(found.frame[found.frame["score"] >= least])
    return kept


def iter_evaluate_measured(
    stack: ProjectionStack,
    truth: SpotTable,
    routes: Sequence[str] = tuple(ROUTES),
    *,
    denoiser: Denoiser | None = None,
    way: Way | None = None,
    per_frame: Sequence[float] = (600,),
    uncertain: SpotTable | None = None,
    use: NDArray[np.bool_] | None = None,
    protocol: Protocol | None = None,
) -> Generator[Progress, None, pd.DataFrame]:
    """Find spots in several ways, as `iter_ways`, and score them: `score_measured`."""
    tables = yield from iter_ways(stack, routes, denoiser=denoiser, way=way)
    return score_measured(
        tables,
        truth,
        per_frame,
        frames=range(len(stack)),
        uncertain=uncertain,
        use=use,
        protocol=protocol,
    )


def iter_simulated(
    scan: VirtualScan, look: ScanLook | None = None, seed: int | None = None
) -> Generator[Progress, None, tuple[ProjectionStack, SpotTable]]:
    """A simulated scan made to look measured, with what can be known of its spots.

    Parameters
    ----------
    scan
        Sample, beam, geometry and rotation.
    look
        What the detector adds.
    seed
        Seed of background and noise; the scan's own by default.

    Yields
    ------
    progress
        After every projection.

    Returns
    -------
    stack, truth
        As the generator's value: the scan (16 bit), and its spots with intensities
        in grey values and the `snr` that a matched filter would see in the
        background's noise. Pixels where spots overlap count for the stronger; a
        spot whose middle, or more than a third of which, lies under stronger ones
        is `hidden` and its `snr` 0: nobody could tell it apart.
    """
    from napari_labdct.physics import iter_projections

    plan, geometry = scan.plan, scan.geometry
    settings = scan.settings.model_copy(update={"labels": True})
    projections = iter_projections(
        scan.polycrystal(), geometry, scan.beam.spectrum(), plan, settings=settings
    )
    images = np.empty((plan.count, *geometry.detector.shape), np.uint16)
    tables, detector = [], None
    for projection in projections:
        clean, index = projection.image, projection.index
        if detector is None:
            detector = MeasuredScan.draw(
                clean, geometry, look, scan.seed if seed is None else seed
            )
        images[index] = detector.expose(clean, index)
        table = detector.in_grey_values(projection.spots)
        labels = projection.labels
        if labels is not None:
            photons = clean * np.float32(detector.scale)
            noise = np.maximum(detector.still, 1)
            power = np.bincount(
                labels.ravel(), (photons**2 / noise).ravel(), len(table) + 1
            )
            table = _visible(table, np.sqrt(power[1:]), labels)
        tables.append(table)
        yield Progress(index + 1, plan.count, "projection")
    stack = ProjectionStack(
        images, plan.omega_deg, geometry, "corrupted", scan.name, seed=scan.seed
    )
    return stack, SpotTable.concatenate(tables)


def _visible(
    table: SpotTable, snr: NDArray[np.float64], labels: NDArray[np.int32]
) -> SpotTable:
    """Spots with their SNR, 0 for those that lie under stronger ones."""
    frame = table.frame
    rows, columns = labels.shape
    row = frame["row_px"].round().clip(0, rows - 1).astype(int)
    column = frame["column_px"].round().clip(0, columns - 1).astype(int)
    owner = labels[row.to_numpy(), column.to_numpy()]
    own = np.bincount(labels.ravel(), minlength=len(frame) + 1)[1:]
    hidden = (owner != np.arange(1, len(frame) + 1)) & (owner > 0)
    hidden |= own < 2 / 3 * frame["area_px"].to_numpy()
    return SpotTable(frame.assign(snr=np.where(hidden, 0.0, snr), hidden=hidden))


def score_simulated(
    tables: dict[str, SpotTable],
    truth: SpotTable,
    tolerance: float = 3.0,
    band: tuple[float, float] = (2.0, 10.0),
) -> pd.DataFrame:
    """Score spots that several ways found on a simulated scan.

    Every way is scored at the threshold that suits it best, so find spots with
    thresholds as loose as those of `Way`.

    Parameters
    ----------
    tables
        Spots by way.
    truth
        As `iter_simulated` gives it.
    tolerance
        Largest distance between a found spot and a true one [px].
    band
        Expected signal-to-noise ratios for which the threshold is chosen.

    Returns
    -------
    scores
        One row a way: `route`, `threshold`, `precision`, `recall` and `f1` of the
        spots in the band, `f1_above` and `average_precision` of all spots that are
        at least as bright, `distance_px` and `intensity_ratio` (medians of spots
        above an SNR of 5 that overlap no other), and by expected signal-to-noise
        ratio `recall_…`, `precision_…`, `f1_…`, `distance_…` and `intensity_…`.
    """
    rows = []
    for route, found in tables.items():
        scores = sweep(found, truth, tolerance, least_snr=band[0], most_snr=band[1])
        row: dict[str, object] = {"route": route}
        if len(scores):
            best = scores.iloc[int(scores["f1"].fillna(0).to_numpy().argmax())]
            kept = ("threshold", "precision", "recall", "f1")
            row |= {name: float(best[name]) for name in kept}
            found = SpotTable(found.frame[found.frame["score"] >= best["threshold"]])
        score = match_spots(found, truth, tolerance, least_snr=band[0])
        alone = truth.frame.iloc[score.pairs["truth"]].reset_index(drop=True)
        clear = alone["snr"] > 5
        if "overlap" in alone:
            clear &= ~alone["overlap"].astype(bool)
        pairs = score.pairs[clear.to_numpy()]
        row["f1_above"] = score.f1
        row["average_precision"] = score.average_precision
        row["distance_px"] = pairs["distance_px"].median()
        row["intensity_ratio"] = pairs["intensity_ratio"].median()
        for part in score.by_snr[score.by_snr["snr_to"] > band[0]].itertuples():
            name = f"{part.snr_from:g}_{part.snr_to:g}"
            row |= {
                f"recall_{name}": part.recall,
                f"precision_{name}": part.precision,
                f"f1_{name}": part.f1,
                f"distance_{name}": part.distance_px,
                f"intensity_{name}": part.intensity_ratio,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def iter_evaluate_simulated(
    stack: ProjectionStack,
    truth: SpotTable,
    routes: Sequence[str] = tuple(ROUTES),
    *,
    denoiser: Denoiser | None = None,
    way: Way | None = None,
    tolerance: float = 3.0,
    band: tuple[float, float] = (2.0, 10.0),
) -> Generator[Progress, None, pd.DataFrame]:
    """Find spots in several ways, as `iter_ways`, and score them: `score_simulated`."""
    tables = yield from iter_ways(stack, routes, denoiser=denoiser, way=way)
    return score_simulated(tables, truth, tolerance, band)
