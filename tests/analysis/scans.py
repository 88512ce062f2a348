"""Candidate spots of a turning sample: real reflections among noise."""

from functools import cache

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from napari_labdct.analysis.detection import expected_false_alarms, kernels
from napari_labdct.core import Detector, Geometry, SpotTable
from napari_labdct.files.grainlist import GrainList
from napari_labdct.physics import Crystal
from napari_labdct.workflows.identify import predict_reflections

SHAPE = (900, 1000)
GEOMETRY = Geometry(
    source_to_sample=100,
    sample_to_detector=100,
    detector=Detector(
        rows=SHAPE[0],
        columns=SHAPE[1],
        pixel_size=75,
        centre_row=440.0,
        centre_column=511.0,
    ),
)
FILTERS = kernels((1.0, 2.0))
AREA = SHAPE[0] * SHAPE[1]
LEAST = 3.2


def reflections(omega, count=15, spread=0.0, seed=0):
    """Reflections of grains within `spread` mm of the axis."""
    rng = np.random.default_rng(seed)
    grains = GrainList(
        rng.uniform(-spread, spread, (count, 3)),
        Rotation.random(count, rng).as_matrix(),
        np.full(count, 60.0),
    )
    return predict_reflections(
        grains, Crystal.preset("Fe"), GEOMETRY, omega, families=6
    ).frame


@cache
def candidates(step, projections, seed=0, count=15):
    """Table of candidates, with what is real in the column `real`.

    Every reflection has a significance that is the same for all of its spots but
    for noise; as many noise maxima of every significance come with it as matched
    filters leave.
    """
    rng = np.random.default_rng(seed)
    omega = step * np.arange(projections)
    true = reflections(omega, count, 0.1, seed)
    lattice = true.groupby(["grain", "h", "k", "l"]).ngroup().to_numpy()
    strength = np.exp(rng.uniform(np.log(2), np.log(60), lattice.max() + 1))
    spots = pd.DataFrame(
        {
            "projection": true["projection"],
            "row_px": true["row_px"] + rng.normal(0, 0.2, len(true)),
            "column_px": true["column_px"] + rng.normal(0, 0.2, len(true)),
            "score": strength[lattice] + rng.normal(size=len(true)),
            "real": True,
        }
    )
    made = [spots[spots["score"] > LEAST]]
    for projection in range(len(omega)):
        made.append(noise(rng, projection))
    table = pd.concat(made, ignore_index=True)
    rest = dict.fromkeys(("area_px", "peak", "intensity", "snr"), 1.0)
    table["significance"] = table["score"]
    return SpotTable(table.assign(omega_deg=omega[table["projection"]], **rest))


def noise(rng, projection):
    """Maxima of noise in one projection."""
    levels = np.linspace(LEAST, 6, 200)
    expected = np.array([expected_false_alarms(at, AREA, FILTERS) for at in levels])
    count = rng.poisson(expected[0])
    score = np.interp(-rng.uniform(0, expected[0], count), -expected, levels)
    return pd.DataFrame(
        {
            "projection": projection,
            "row_px": rng.uniform(0, SHAPE[0] - 1, count),
            "column_px": rng.uniform(0, SHAPE[1] - 1, count),
            "score": score,
            "real": False,
        }
    )
