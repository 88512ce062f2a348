"""Clean projections of samples and set-ups drawn at random, to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_labdct.core import BeamStop, Detector, Geometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_labdct.physics.projection import Simulator

Kind = Literal["far field", "Laue focusing", "magnified"]

KINDS: dict[Kind, float] = {"far field": 0.55, "Laue focusing": 0.3, "magnified": 0.15}
"""Set-ups and how often each is drawn: points, arcs, images of grains."""

MATERIALS = ("Al", "Fe", "Ni", "Si", "Mg")
"""Crystals trained on. Copper is left out, to test on."""

PER_SCAN = 4
"""Projections taken of each virtual sample."""


def iter_clean_projections(
    count: int,
    seed: int,
    *,
    materials: Sequence[str] = MATERIALS,
    kinds: dict[Kind, float] | None = None,
    size: int = 1024,
) -> Iterator[NDArray[np.float16]]:
    """Simulate projections of `count` / `PER_SCAN` different samples and set-ups.

    Parameters
    ----------
    count
        How many projections.
    seed
        Seed of everything drawn.
    materials
        Names of crystals to draw from.
    kinds
        Set-ups to draw from and their shares.
    size
        Rows and columns of a projection [px].

    Yields
    ------
    projection
        Photons of the spots alone, brought to a common scale, shape (size, size).
        Half precision keeps their ratios to one part in a thousand.
    """
    for number in range(-(-count // PER_SCAN)):
        rng = np.random.default_rng([seed, number])
        simulator = draw_simulator(rng, materials, kinds or KINDS, size)
        for _ in range(min(PER_SCAN, count - number * PER_SCAN)):
            image = simulator.project(float(rng.uniform(0, 360))).image
            lit = image[image > 0]
            scale = float(np.quantile(lit, 0.99)) if lit.size else 1.0
            yield np.clip(image / scale, 0, 6e4).astype(np.float16)


def draw_simulator(
    rng: np.random.Generator,
    materials: Sequence[str],
    kinds: dict[Kind, float],
    size: int,
) -> Simulator:
    """A sample and a set-up drawn at random."""
    from napari_labdct.physics.crystal import Crystal
    from napari_labdct.physics.polycrystal import Polycrystal
    from napari_labdct.physics.projection import SimulationSettings, Simulator
    from napari_labdct.physics.spectrum import Spectrum

    share = np.array(list(kinds.values()))
    kind = list(kinds)[int(rng.choice(len(kinds), p=share / share.sum()))]
    geometry = draw_geometry(rng, kind, size)
    grain = float(np.exp(rng.uniform(np.log(25), np.log(140))))
    if kind == "magnified":
        # Images of grains between 8 and 60 px across.
        pixel = geometry.detector.pixel_size / geometry.magnification
        grain = float(np.exp(rng.uniform(np.log(8), np.log(60)))) * pixel
    # Elements of about 3 px in the image; finer ones cost time and show nothing.
    element = 3 * geometry.detector.pixel_size / (1 + geometry.magnification) * 1.5
    grains = int(np.exp(rng.uniform(np.log(15), np.log(250))))
    # A cylinder 1.5 times as high as wide: V = 1.5 π/4 d³ = n π/6 grain³.
    diameter = grain * (grains * (1 / 6) / (1.5 / 4)) ** (1 / 3)
    sample = Polycrystal.random_cylinder(
        Crystal.preset(str(rng.choice(list(materials)))),
        diameter_um=diameter,
        height_um=1.5 * diameter,
        grain_um=grain,
        grain_sd_um=grain * float(rng.uniform(0.05, 0.45)),
        element_um=float(np.clip(element, grain / 20, grain / 5)),
        rng=rng,
    )
    if rng.random() < 0.15:
        # Little: strongly deformed grains draw radial streaks, which nothing in a
        # single frame tells from the streaks of what does not turn.
        sample = sample.with_mosaic_spread(float(rng.uniform(0.005, 0.03)), rng=rng)
    return Simulator(
        sample,
        geometry,
        Spectrum.tube(float(rng.uniform(70, 160))),
        settings=SimulationSettings(families=int(rng.integers(4, 15)), workers=1),
    )


def draw_geometry(rng: np.random.Generator, kind: Kind, size: int) -> Geometry:
    """A set-up of the given kind; the detector sees 2θ up to 10 to 24 degrees."""
    near, far = {
        "far field": (40, 150),
        "Laue focusing": (8, 20),
        "magnified": (6, 15),
    }[kind]
    source = float(np.exp(rng.uniform(np.log(near), np.log(far))))
    ratio = float(rng.uniform(2, 6)) if kind == "magnified" else rng.uniform(0.9, 1.1)
    detector = source * ratio
    half = detector * float(rng.uniform(0.18, 0.45))
    return Geometry(
        source_to_sample=source,
        sample_to_detector=detector,
        detector=Detector(
            rows=size,
            columns=size,
            pixel_size=2000 * half / size,
            blur_sigma=float(rng.uniform(0.5, 1.9)),
        ),
        beam_stop=BeamStop(
            height=half * float(rng.uniform(0.05, 0.5)),
            width=half * float(rng.uniform(0.05, 0.5)),
        ),
    )
