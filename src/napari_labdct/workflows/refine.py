"""The geometry that brings predicted reflections nearest to the found spots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import optimize

from napari_labdct.analysis.explain import Explanation, explain
from napari_labdct.core import Geometry, InputError
from napari_labdct.workflows.identify import Lattice, predict_reflections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_labdct.core import SpotTable
    from napari_labdct.files.grainlist import GrainList
    from napari_labdct.physics import Crystal

DETECTOR = {
    "centre_row": ("px", 1.0),
    "centre_column": ("px", 1.0),
    "tilt_x": ("deg", 0.1),
    "tilt_y": ("deg", 0.1),
    "tilt_z": ("deg", 0.1),
}
PLACES = {
    "source_to_sample": ("mm", 0.1),
    "sample_to_detector": ("mm", 0.1),
    "source_offset_y": ("mm", 0.01),
    "source_offset_z": ("mm", 0.01),
    "axis_offset_y": ("mm", 0.01),
}
SAMPLE = {
    "sample_x": ("mm", 0.01),
    "sample_y": ("mm", 0.01),
    "sample_z": ("mm", 0.01),
}
REFINABLE = DETECTOR | PLACES | SAMPLE
"""What can be refined: unit, and the step that its fit starts with."""

SAME_SHIFT = (
    ("centre_column", "source_offset_y", "axis_offset_y"),
    ("centre_row", "source_offset_z", "sample_z"),
)
"""Parameters that, changed together, shift the whole set-up and no spot."""

USUAL = ("centre_row", "centre_column", "sample_to_detector", *list(DETECTOR)[2:])
"""What is refined by default: the detector's place and tilt."""

PLANES = ("families", "d_min")
"""Arguments of `predict_reflections` that choose lattice planes."""

FEWEST_PAIRS = 20
"""Fewest spots with a reflection that a geometry is refined from."""


@dataclass(frozen=True)
class Refinement:
    """A refined geometry and how well it fits.

    Attributes
    ----------
    geometry
        Refined.
    sample_offset
        Shift of all grains in the sample's frame, shape (3,) [mm].
    parameters
        One row a parameter: `name`, `unit`, `start`, `value`, `error` (standard,
        from the scatter of the residuals).
    explanation
        Found spots and reflections with the refined geometry.
    before_px, after_px
        Median distance of spots and reflections, before and after [px].
    """

    geometry: Geometry
    sample_offset: NDArray[np.float64]
    parameters: pd.DataFrame
    explanation: Explanation
    before_px: float
    after_px: float


def refine_geometry(
    found: SpotTable,
    grains: GrainList,
    crystal: Crystal,
    geometry: Geometry,
    omega_deg: Sequence[float] | NDArray[np.float64],
    free: Sequence[str] = USUAL,
    *,
    tolerance: float = 5.0,
    rounds: int = 3,
    **predicting: Any,
) -> Refinement:
    """Refine a geometry by least squares on matched spots.

    Spots and reflections are matched, the distances of the pairs are made small
    (with a loss that wrong pairs hardly weigh on), and again with a tolerance that
    shrinks to what the scatter asks for.

    Parameters
    ----------
    found
        Found spots.
    grains, crystal, geometry, omega_deg
        As in `predict_reflections`.
    free
        Names out of `REFINABLE`, but no set of `SAME_SHIFT` as a whole.
    tolerance
        Largest distance of a pair in the first round [px].
    rounds
        Times to match and fit.
    **predicting
        Further arguments of `predict_reflections`.

    Raises
    ------
    InputError
        If a name is not refinable, the parameters shift the whole set-up, or
        fewer than `FEWEST_PAIRS` spots match.
    """
    unknown = [name for name in free if name not in REFINABLE]
    if unknown or not free:
        raise InputError(
            f"{', '.join(unknown) or 'Nothing'} cannot be refined: "
            f"choose some of {', '.join(REFINABLE)}."
        )
    for together in SAME_SHIFT:
        if set(together) <= set(free):
            raise InputError(
                f"{', '.join(together)} changed together shift everything and no "
                "spot: keep one of them fixed."
            )
    omega = np.asarray(omega_deg, np.float64)
    planes = {key: predicting[key] for key in predicting if key in PLANES}
    lattice = Lattice.of(grains, crystal, **planes)
    start = _values(geometry, np.zeros(3), free)
    values, before, reach = start, np.nan, tolerance
    fit = None

    def misfit(x: NDArray[np.float64], pairs: _Pairs) -> NDArray[np.float64]:
        return pairs.misfit(*_applied(geometry, x, free), lattice, omega)

    for _ in range(rounds):
        here, offset = _applied(geometry, values, free)
        moved = _shifted(grains, offset)
        predicted = predict_reflections(moved, crystal, here, omega, **predicting)
        matched = explain(found, predicted, reach)
        before = matched.spots.frame["distance_px"].median() if fit is None else before
        pairs = _Pairs.of(matched, lattice)
        fit = optimize.least_squares(
            misfit,
            values,
            args=(pairs,),
            loss="soft_l1",
            f_scale=0.5,
            x_scale=np.array([REFINABLE[name][1] for name in free]),
        )
        values = fit.x
        scatter = 1.4826 * float(np.median(np.abs(fit.fun)))
        reach = float(np.clip(5 * scatter, 1.0, tolerance))
    here, offset = _applied(geometry, values, free)
    predicted = predict_reflections(
        _shifted(grains, offset), crystal, here, omega, **predicting
    )
    final = explain(found, predicted, reach)
    return Refinement(
        geometry=here,
        sample_offset=offset,
        parameters=_parameters(free, start, fit),
        explanation=final,
        before_px=float(before),
        after_px=float(final.spots.frame["distance_px"].median()),
    )


@dataclass(frozen=True)
class _Pairs:
    """Found places of spots and the planes that reflect them."""

    projection: NDArray[np.intp]
    grain: NDArray[np.intp]
    direction: NDArray[np.intp]
    row: NDArray[np.float64]
    column: NDArray[np.float64]

    @classmethod
    def of(cls, matched: Explanation, lattice: Lattice) -> _Pairs:
        spots = matched.spots.frame
        spots = spots[spots["grain"] >= 0].sort_values("projection")
        if len(spots) < FEWEST_PAIRS:
            raise InputError(
                f"Only {len(spots)} spots lie near a reflection, too few to refine a "
                f"geometry from ({FEWEST_PAIRS}): check crystal, angles and geometry, "
                "or raise the tolerance."
            )
        primitive = lattice.reflections.primitive
        number = {tuple(hkl): index for index, hkl in enumerate(primitive.tolist())}
        hkl = spots[["h", "k", "l"]].to_numpy()
        hkl //= np.gcd.reduce(hkl, axis=1)[:, None]
        direction = np.array([number[tuple(one)] for one in hkl.tolist()], np.intp)
        return cls(
            spots["projection"].to_numpy(np.intp),
            spots["grain"].to_numpy(np.intp),
            direction,
            spots["row_px"].to_numpy(np.float64),
            spots["column_px"].to_numpy(np.float64),
        )

    def misfit(
        self,
        geometry: Geometry,
        offset: NDArray[np.float64],
        lattice: Lattice,
        omega: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Predicted minus found row and column of every pair [px]."""
        out = np.empty((2, self.row.size))
        for index in np.unique(self.projection):
            part = slice(*np.searchsorted(self.projection, [index, index + 1]))
            rays = lattice.traced(
                geometry, omega[index], self.grain[part], self.direction[part], offset
            )
            out[0, part] = rays.row - self.row[part]
            out[1, part] = rays.column - self.column[part]
        return out.ravel()


def _values(
    geometry: Geometry, offset: NDArray[np.float64], free: Sequence[str]
) -> NDArray[np.float64]:
    """Present values of the free parameters."""
    row, column = geometry.detector.centre
    known = {"centre_row": row, "centre_column": column}
    known |= {name: getattr(geometry.detector, name) for name in list(DETECTOR)[2:]}
    known |= {name: getattr(geometry, name) for name in PLACES}
    known |= dict(zip(SAMPLE, offset.tolist(), strict=True))
    return np.array([known[name] for name in free], np.float64)


def _applied(
    geometry: Geometry, values: NDArray[np.float64], free: Sequence[str]
) -> tuple[Geometry, NDArray[np.float64]]:
    """Geometry and sample offset with other values of the free parameters."""
    given = dict(zip(free, values.tolist(), strict=True))
    detector = geometry.detector.model_copy(
        update={name: value for name, value in given.items() if name in DETECTOR}
    )
    places = {name: value for name, value in given.items() if name in PLACES}
    offset = np.array([given.get(name, 0.0) for name in SAMPLE])
    return geometry.model_copy(update={"detector": detector, **places}), offset


def _shifted(grains: GrainList, offset: NDArray[np.float64]) -> GrainList:
    return replace(grains, position=grains.position + offset)


def _parameters(
    free: Sequence[str], start: NDArray[np.float64], fit: Any
) -> pd.DataFrame:
    """Values with the standard errors that the residuals' scatter gives."""
    curvature = fit.jac.T @ fit.jac
    variance = 2 * fit.cost / max(fit.fun.size - len(free), 1)
    covariance = np.linalg.pinv(curvature) * variance
    return pd.DataFrame(
        {
            "name": list(free),
            "unit": [REFINABLE[name][0] for name in free],
            "start": start,
            "value": fit.x,
            "error": np.sqrt(np.diag(covariance)),
        }
    )
