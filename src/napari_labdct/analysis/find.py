"""Spots in a frame: where, how bright, how certain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field
from scipy import special

from napari_labdct.analysis.candidates import Candidates, spot_table
from napari_labdct.analysis.detection import (
    Kernel,
    Response,
    kernels,
    respond,
    threshold_for,
)
from napari_labdct.analysis.odds import SOLID, SURE, odds_alone, odds_in_scan
from napari_labdct.analysis.regions import (
    connected_to,
    largest,
    maxima,
    split_regions,
)
from napari_labdct.core import InputError, SpotTable
from napari_labdct.core.geometry import Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUPPORT = 2.5
"""Response of the fine filter above which a pixel may belong to a spot."""

BEYOND_NOISE = 5.5
"""Significance from which the network may doubt what filters find in a scan: noise
reaches it once in some 30 frames."""

TRUST = 8.0
"""Significance up to which a spot is taken for one that the network calls even odds."""

CANDIDATES = 3000.0
"""False alarms a frame among the candidates that companions are looked for."""

CREST = 3.5
"""Least rise of a crest between touching spots [standard deviations]."""

SHOULDER = 1 / 3
"""Least rise of a crest as a part of the significance there: light that is spread out
has crests of its own."""

STRUCTURE = 0.1
"""Least rise beside a brighter spot as a part of its significance: the images of grains
are not smooth."""

WIDE = 0.7
"""Part of the significance below which the fine filter does not show a spot."""


class FindSettings(Parameters):
    """How spots are told from noise and from each other."""

    false_alarms: float = Field(
        0.5,
        gt=0,
        le=1e4,
        description="False alarms a frame that noise alone may cause, on average.",
    )
    scales: tuple[float, ...] = Field(
        (1.0, 1.5),
        min_length=1,
        description="Widths of the matched filters, Gaussian σ [px]; the response "
        "of the finest is divided into spots.",
    )
    binning: int = Field(
        0,
        ge=0,
        le=32,
        description="Side of the squares of pixels binned together first; 4 to 8 for "
        "spots of 30 to 100 px, as magnified set-ups have. All lengths above and "
        "below are then in bins. 0 is as the width of the scan's clear spots needs "
        "it; a frame alone is then not binned.",
    )
    elongation: float = Field(
        0.0,
        ge=0,
        le=10,
        description="How many times longer than wide the filters are; 2 to 3 for the "
        "lines of Laue focusing and the streaks of strained grains. 1 is round and "
        "quickest, 0 as the scan's clear spots need it.",
    )
    direction: Literal["across", "radial"] = Field(
        "across",
        description="How long filters lie: at right angles to the direction of the "
        "beam centre, as Laue focusing draws spots out, or along it, as strain does. "
        "With an elongation of 0 as the scan's clear spots do.",
    )
    point_spread: float = Field(
        0.7,
        ge=0,
        le=20,
        description="Narrowest width of a spot, Gaussian σ of the detector's point "
        "spread [px]; what is sharper is a particle track. 0 keeps everything.",
    )
    peak_fraction: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Spots end where they fall to this part of the peak.",
    )
    valley: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="Touching spots are split where the valley between them is at "
        "least this part of the lower peak deep, or where both have a crest.",
    )
    least_area: int = Field(1, ge=1, le=10000, description="Smallest spot [px].")
    least_probability: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Least probability, by the network, of a spot's likeliest pixel.",
    )
    companions: bool = Field(
        True,
        description="Let the projections before and after a faint spot say whether "
        "it is one: the same lattice planes shine there too. Needs a scan of 9 "
        "projections or more.",
    )
    least_companions: int = Field(
        0,
        ge=0,
        le=4,
        description="Projections, of the two before and the two after, that must "
        "confirm a spot. 1 leaves out most light that is no diffraction, and some "
        "spots; where projections cannot be asked, all spots stay.",
    )

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """Shapes of the matched filters, the finest first."""
        radial = self.direction == "radial"
        return kernels(self.scales, self.elongation, radial=radial)


def find_spots(
    residual: NDArray[np.float32],
    sigma: NDArray[np.float32],
    *,
    probability: NDArray[np.float32] | None = None,
    mask: NDArray[np.bool_] | None = None,
    centre: tuple[float, float] | None = None,
    settings: FindSettings | None = None,
    threshold: float | None = None,
    by_network: bool = False,
    projection: int = 0,
    omega_deg: float = np.nan,
) -> SpotTable:
    """Find and measure the diffraction spots of one frame.

    Maxima that noise would reach less often than `settings.false_alarms` times
    a frame are spots: significance is the largest response of matched filters
    of several widths, in standard deviations of the noise.

    Parameters
    ----------
    residual
        Measured frame minus background, shape (rows, columns).
    sigma
        Standard deviation of the noise in a pixel, shape (rows, columns) [grey
        values].
    probability
        Probability that a pixel belongs to a spot, 0 to 1, shape (rows, columns).
        What stands out by more than 5.5 standard deviations, as noise does not, is
        no spot where it stays below `settings.least_probability`.
    mask
        Pixels to leave out, such as a beam stop's, shape (rows, columns).
    centre
        Row and column where the beam axis meets the detector [px], to which long
        filters lie at right angles; the middle by default.
    settings
        How spots are told from noise and from each other. The frame is taken as it
        is: scans are binned by `iter_spots`, which also tells how long filters are.
    threshold
        Least significance [standard deviations] in place of the one that
        follows from `settings.false_alarms`.
    by_network
        Score spots by `probability` and by how much they look like the bright ones
        of the frame. Where nothing is known about its scan, streaks that stay are as
        significant as spots, and only their look tells them apart.
    projection, omega_deg
        0-based index and rotation angle [deg], for the table.

    Returns
    -------
    spots
        The columns of every table and those of `FOUND_COLUMNS`, the most
        significant spot first.

    Raises
    ------
    InputError
        If the arrays differ in shape, or a network's word is wanted and not given.
    """
    settings = settings or FindSettings()
    spots = find_candidates(
        residual,
        sigma,
        settings,
        probability=probability,
        mask=mask,
        centre=centre,
        threshold=threshold,
        by_network=by_network,
    )
    return spot_table(
        spots.cut_off(),
        residual,
        sigma,
        np.ones(residual.shape, bool) if mask is None else ~mask,
        probability=probability,
        projection=projection,
        omega_deg=omega_deg,
    )


def find_candidates(
    residual: NDArray[np.float32],
    sigma: NDArray[np.float32],
    settings: FindSettings,
    *,
    probability: NDArray[np.float32] | None = None,
    mask: NDArray[np.bool_] | None = None,
    centre: tuple[float, float] | None = None,
    threshold: float | None = None,
    by_network: bool = False,
) -> Candidates:
    """The spots that `find_spots` measures, with all pixels that belong to them.

    Parameters and errors are those of `find_spots`.
    """
    given = [part for part in (sigma, probability, mask) if part is not None]
    if residual.ndim != 2 or any(part.shape != residual.shape for part in given):
        raise InputError(
            f"The frame has shape {residual.shape}, its companions "
            f"{', '.join(str(part.shape) for part in given)}: give one shape for all."
        )
    if by_network and probability is None:
        raise InputError(
            "Spots cannot be scored by a network that has said nothing: give its "
            "probability, or leave `by_network` out."
        )
    use = np.ones(residual.shape, bool) if mask is None else ~mask
    units = residual / sigma
    if mask is not None:
        units[mask] = 0
    area = int(np.count_nonzero(use))
    if threshold is None:
        threshold = threshold_for(settings.false_alarms, area, settings.kernels)
    response = respond(units, settings.kernels, use, centre)
    spots = from_response(response, use, threshold, settings).looked_at(units)
    sharp = spots.sharp(settings.point_spread)
    if by_network:
        spots = spots.only(~sharp)
    score = spots.score
    likely = np.ones(score.size) if probability is None else spots.most(probability)
    if by_network:
        odds = odds_alone(spots, likely, response, units, use)
        # Of two that look the same, the brighter is the likelier.
        score = TRUST + odds + np.log(spots.significance / TRUST)
        keep = special.expit(odds) >= settings.least_probability
    else:
        if probability is not None:
            solid = spots.significance > SOLID
            odds = odds_in_scan(likely, solid & ~sharp)
            # Noise may raise as many as were asked for.
            open_to_doubt = spots.significance > BEYOND_NOISE
            doubted = open_to_doubt & (odds < special.logit(SURE))
            score = np.where(doubted, np.minimum(score, TRUST + odds), score)
            likely = np.where(open_to_doubt, likely, 1.0)
        # Neighbouring projections may still confirm a spot that is doubted here.
        doubt = threshold_for(CANDIDATES, area, settings.kernels)
        score = np.where(sharp, doubt, np.maximum(score, doubt))
        keep = (likely >= settings.least_probability) & (score >= threshold)
    keep &= spots.area() >= settings.least_area
    return spots.scored(score).only(keep)


def from_response(
    response: Response,
    use: NDArray[np.bool_],
    threshold: float,
    settings: FindSettings,
) -> Candidates:
    """Candidate spots where the response of filters is significant.

    Parameters
    ----------
    response
        Of the matched filters.
    use
        Pixels that may belong to spots, shape (rows, columns).
    threshold
        Least significance [standard deviations].
    settings
        How spots are told from each other.
    """
    fine, best, crests = response
    strong = use & (best > threshold)
    pixels = connected_to(strong, use & (fine > SUPPORT) | strong)
    spot = split_regions(
        fine, pixels, depth=3.0, contrast=settings.valley, least=threshold
    )
    if crests is not None:
        spot = _parted(pixels, spot, crests, fine, settings)
    height = fine.ravel()[pixels].astype(np.float64)
    core, score = largest(height, spot), largest(best.ravel()[pixels], spot)
    cut = np.maximum(settings.peak_fraction * core, SUPPORT)
    blur = np.full(core.size, min(settings.scales))
    # Faint wide spots are seen by the wide filters alone.
    wide = (core < 2 * SUPPORT) & (core < WIDE * score)
    height[wide[spot]] = best.ravel()[pixels][wide[spot]]
    cut[wide], blur[wide] = score[wide] / 2, max(settings.scales)
    unseen = np.full(core.size, np.nan)
    return Candidates(pixels, spot, height, score, core, cut, blur, score, unseen)


def _parted(
    pixels: NDArray[np.intp],
    spot: NDArray[np.intp],
    crests: NDArray[np.float32],
    fine: NDArray[np.float32],
    settings: FindSettings,
) -> NDArray[np.intp]:
    """Spots that have run into one, each with its own crest, told apart.

    Parameters
    ----------
    pixels, spot
        Flat index of every pixel, ascending, and the number of its spot, shape (N,).
    crests, fine
        As in `Response`.
    settings
        How spots are told from each other.

    Returns
    -------
    spot
        Number of each pixel's spot (0, 1, …), shape (N,).
    """
    count = int(spot.max(initial=-1)) + 1
    tops = np.bincount(spot[maxima(crests, pixels, CREST)], minlength=count)
    several = np.flatnonzero((tops > 1)[spot])
    parts = split_regions(
        crests,
        pixels[several],
        depth=CREST,
        contrast=max(SHOULDER, settings.valley),
        least=CREST,
        within=spot[several],
        light=fine,
        structure=STRUCTURE,
    )
    apart = spot.copy()
    apart[several] = count + parts
    present = np.bincount(apart) > 0
    return (np.cumsum(present) - 1)[apart]
