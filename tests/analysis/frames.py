"""Frames whose spots are known: Gaussian ellipses on noise."""

import numpy as np
import pandas as pd
from scipy import ndimage

from napari_labdct.core import SpotTable


def noise(shape, rng, correlation=0.0):
    """Gaussian noise of spread 1, correlated over `correlation` [px]."""
    frame = rng.normal(size=shape)
    if correlation:
        frame = ndimage.gaussian_filter(frame, correlation)
        frame /= frame.std()
    return frame.astype(np.float32)


def ellipses(
    shape, count, rng, *, sigma=10.0, snr=(4, 200), major=(1, 1), minor=(1, 1), gap=24
):
    """Signal of elliptic Gaussian spots, and their true table.

    Places are at least `gap` px apart, `snr` (as a matched filter would have it
    in white noise of spread `sigma`) is log-uniform, `major` and `minor` are
    ranges of the Gaussian σ [px].
    """
    rows, columns = shape
    places = []
    while len(places) < count:
        place = rng.uniform([15, 15], [rows - 16, columns - 16])
        if all(np.hypot(*(place - other)) >= gap for other in places):
            places.append(place)
    row, column = np.array(places).T
    long, short = rng.uniform(*major, count), rng.uniform(*minor, count)
    long, short = np.maximum(long, short), np.minimum(long, short)
    angle = rng.uniform(-90, 90, count)
    wanted = np.exp(rng.uniform(*np.log(snr), count))
    signal = np.zeros(shape, np.float64)
    intensity, true_snr, peak = (np.zeros(count) for _ in range(3))
    for k in range(count):
        half = int(5 * long[k] + 4)
        top, left = int(row[k]) - half, int(column[k]) - half
        y = np.arange(max(top, 0), min(top + 2 * half, rows))
        x = np.arange(max(left, 0), min(left + 2 * half, columns))
        dy, dx = np.meshgrid(y - row[k], x - column[k], indexing="ij")
        a = np.radians(angle[k])
        along = dx * np.cos(a) - dy * np.sin(a)
        across = dx * np.sin(a) + dy * np.cos(a)
        spot = np.exp(-((along / long[k]) ** 2 + (across / short[k]) ** 2) / 2)
        spot *= wanted[k] * sigma / np.sqrt((spot**2).sum())
        signal[y[0] : y[-1] + 1, x[0] : x[-1] + 1] += spot
        intensity[k], peak[k] = spot.sum(), spot.max()
        true_snr[k] = np.sqrt((spot**2).sum()) / sigma
    table = pd.DataFrame(
        {
            "projection": 0,
            "omega_deg": 0.0,
            "row_px": row,
            "column_px": column,
            "area_px": np.pi * long * short,
            "peak": peak,
            "intensity": intensity,
            "snr": true_snr,
            "major_px": 2.3548 * long,
            "minor_px": 2.3548 * short,
            "angle_deg": angle,
        }
    )
    return signal.astype(np.float32), SpotTable(table)
