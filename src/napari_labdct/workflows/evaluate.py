"""Which way to spots is best: every way on the same scan, against the same truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

from napari_labdct.analysis.indexed import Protocol, score_indexed
from napari_labdct.analysis.match import match_spots, sweep
from napari_labdct.core import Progress, ProjectionStack, SpotTable
from napari_labdct.workflows.measured_scan import MeasuredScan
from napari_labdct.workflows.routes import ROUTES, Way, iter_route

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_labdct.learning import Denoiser
    from napari_labdct.workflows.measured_scan import ScanLook
    from napari_labdct.workflows.virtual_scan import VirtualScan

Value = TypeVar("Value")


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
    """Score ways to spots on a measured scan with indexed grains.

    Parameters
    ----------
    stack
        The scan.
    truth, per_frame, uncertain, use, protocol
        As in `score_indexed`.
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
    scores
        As the generator's value, one row a way and number of spots: `route`,
        `spots_per_frame`, `net` (recall with chance taken off),
        `unexplained_per_frame`, `neutral`, and the recall by expected
        signal-to-noise ratio as `recall_1_2`, `recall_2_3`, …
    """
    rows = []
    total = len(routes) * len(stack)
    for number, route in enumerate(routes):
        tables = []
        for table in iter_route(stack, route, denoiser=denoiser, way=way):
            tables.append(table)
            yield Progress(number * len(stack) + len(tables), total, ROUTES[route])
        scores = score_indexed(
            SpotTable.concatenate(tables),
            truth,
            per_frame,
            uncertain=uncertain,
            frames=range(len(stack)),
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
                row[f"recall_{part.snr_from:g}_{part.snr_to:g}"] = part.recall
            rows.append(row)
    return pd.DataFrame(rows)


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
    """Score ways to spots on a simulated scan, each at its best threshold.

    Parameters
    ----------
    stack, truth
        As `iter_simulated` gives them.
    routes, denoiser, way
        As in `iter_route`.
    tolerance
        Largest distance between a found spot and a true one [px].
    band
        Expected signal-to-noise ratios for which the threshold is chosen.

    Returns
    -------
    scores
        As the generator's value, one row a way: `route`, `threshold`, `precision`,
        `recall` and `f1` of the spots in the band, `f1_above` of all spots that
        are at least as bright, `distance_px` and `intensity_ratio` (medians of
        spots above an SNR of 5 that overlap no other), and the recall by expected
        signal-to-noise ratio.
    """
    rows = []
    total = len(routes) * len(stack)
    for number, route in enumerate(routes):
        tables = []
        for table in iter_route(stack, route, denoiser=denoiser, way=way):
            tables.append(table)
            yield Progress(number * len(stack) + len(tables), total, ROUTES[route])
        found = SpotTable.concatenate(tables)
        scores = sweep(found, truth, tolerance, least_snr=band[0], most_snr=band[1])
        best = scores.iloc[int(scores["f1"].fillna(0).to_numpy().argmax())]
        kept = SpotTable(found.frame[found.frame["score"] >= best["threshold"]])
        score = match_spots(kept, truth, tolerance, least_snr=band[0])
        alone = truth.frame.iloc[score.pairs["truth"]].reset_index(drop=True)
        clear = alone["snr"] > 5
        if "overlap" in alone:
            clear &= ~alone["overlap"].astype(bool)
        pairs = score.pairs[clear.to_numpy()]
        row = {"route": route, **best.drop("found").to_dict(), "f1_above": score.f1}
        row["distance_px"] = pairs["distance_px"].median()
        row["intensity_ratio"] = pairs["intensity_ratio"].median()
        for part in score.by_snr.itertuples():
            row[f"recall_{part.snr_from:g}_{part.snr_to:g}"] = part.recall
        rows.append(row)
    return pd.DataFrame(rows)


def drained(steps: Generator[Progress, None, Value]) -> Value:
    """The value of a generator whose steps nobody watches."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: Value = end.value
            return value
