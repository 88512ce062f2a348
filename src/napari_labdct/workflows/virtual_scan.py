"""A whole virtual scan in one run file: sample, beam, geometry, rotation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, ValidationError

from napari_labdct.core import BeamStop, Detector, Geometry, InputError, ScanPlan
from napari_labdct.core.geometry import Parameters
from napari_labdct.files import replacing
from napari_labdct.physics import (
    Crystal,
    Filter,
    SimulationSettings,
    Simulator,
    iter_projections,
    simulate,
)
from napari_labdct.workflows.scan_look import ScanLook
from napari_labdct.workflows.virtual_sample import Beam, CylinderSample, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_labdct.core import ProjectionStack, SpotTable
    from napari_labdct.physics import Polycrystal, Projection


class VirtualScan(Parameters):
    """Everything a simulation needs; the run file holds just this."""

    name: str = Field("virtual scan", description="What people call the scan.")
    crystal: str = Field("Al", description="Al, Fe, Ni, Si, Cu, Mg, or a CIF file.")
    sample: Sample = CylinderSample()
    beam: Beam = Beam()
    geometry: Geometry = Geometry()
    plan: ScanPlan = ScanPlan()
    settings: SimulationSettings = SimulationSettings()
    noise: bool = Field(
        False,
        title="look measured",
        description="Make it look measured: background, streaks, noise, zingers.",
    )
    look: ScanLook = ScanLook()
    seed: int = Field(
        0, ge=0, description="Seed of the random grains, and of the noise."
    )

    @classmethod
    def preset(cls, name: str) -> VirtualScan:
        """One of `VIRTUAL_SCANS` by name."""
        if name not in VIRTUAL_SCANS:
            raise InputError(
                f"There is no virtual scan named {name!r}: "
                f"choose one of {', '.join(VIRTUAL_SCANS)}."
            )
        return VIRTUAL_SCANS[name]

    @classmethod
    def read(cls, path: str | Path) -> VirtualScan:
        """Read a run file, JSON or YAML by its suffix."""
        path = Path(path)
        try:
            return cls.model_validate(_entries(path))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise InputError(
                f"{path.name}: {where}: {first['msg']}; correct this entry."
            ) from error

    def write(self, path: str | Path) -> Path:
        """Write the run file, JSON or YAML by its suffix."""
        path = Path(path)
        text = self.model_dump_json(indent=2) + "\n"
        if path.suffix.lower() in {".yaml", ".yml"}:
            import yaml

            text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
        return path

    def polycrystal(self) -> Polycrystal:
        """The sample: the same for the same seed."""
        rng = np.random.default_rng(self.seed)
        return self.sample.polycrystal(Crystal.named(self.crystal), rng)

    def simulator(self, polycrystal: Polycrystal | None = None) -> Simulator:
        """What computes single projections of the scan, at any angle.

        Parameters
        ----------
        polycrystal
            The sample, when it was made before; otherwise it is made.
        """
        return Simulator(
            polycrystal or self.polycrystal(),
            self.geometry,
            self.beam.spectrum(),
            exposure=self.plan.exposure,
            settings=self.settings,
        )

    def iter_projections(
        self, polycrystal: Polycrystal | None = None
    ) -> Iterator[Projection]:
        """Simulate projection by projection.

        Parameters
        ----------
        polycrystal
            The sample, when it was made before; otherwise it is made.
        """
        yield from iter_projections(
            polycrystal or self.polycrystal(),
            self.geometry,
            self.beam.spectrum(),
            self.plan,
            settings=self.settings,
        )

    def simulate(
        self, polycrystal: Polycrystal | None = None
    ) -> tuple[ProjectionStack, SpotTable]:
        """Simulate the whole scan: clean photon images and the spot table."""
        from dataclasses import replace

        stack, spots = simulate(
            polycrystal or self.polycrystal(),
            self.geometry,
            self.beam.spectrum(),
            self.plan,
            settings=self.settings,
        )
        return replace(stack, source=self.name, seed=self.seed), spots


def _entries(path: Path) -> Any:
    """What a JSON or YAML file holds."""
    import json

    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() in {".yaml", ".yml"}:
            return yaml.safe_load(text)
        return json.loads(text)
    except OSError as error:
        raise InputError(
            f"The run file {path} cannot be read ({error.strerror}): "
            "give the path of a JSON or YAML file."
        ) from error
    except (ValueError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"{path.name} is neither JSON nor YAML ({why}): correct the file."
        ) from error


_STOP = BeamStop(height=3.24, width=3.24)

_HOVAD = VirtualScan(
    # Hovad et al. (2020), Crystals 10, 9: the scan the network was trained on
    name="hovad2020",
    crystal="Al",
    sample=CylinderSample(diameter=400, height=600, grain_size=100, grain_size_sd=10),
    beam=Beam(kvp=140, current=10),
    geometry=Geometry(
        source_to_sample=11,
        sample_to_detector=11,
        detector=Detector(rows=1015, columns=1015, pixel_size=6.72),
        beam_stop=_STOP,
    ),
    plan=ScanPlan(omega_start=0, omega_step=2, count=181, exposure=600),
)

_VERSA = VirtualScan(
    # the same paper's measured scan: a Zeiss Versa, silicon
    name="versa-13-si",
    crystal="Si",
    sample=CylinderSample(diameter=500, height=700, grain_size=140, grain_size_sd=40),
    beam=Beam(kvp=80, current=50),
    geometry=Geometry(
        source_to_sample=13,
        sample_to_detector=13,
        detector=Detector(rows=1015, columns=1015, pixel_size=6.72),
        beam_stop=_STOP,
    ),
    plan=ScanPlan(omega_start=-180, omega_step=2, count=181, exposure=600),
)

_MAGNIFIED = VirtualScan(
    # 3.7-fold: spots are inverted images of the grains
    name="magnified",
    crystal="Al",
    sample=CylinderSample(element_size=6),
    beam=Beam(kvp=140, current=70),
    geometry=Geometry(
        source_to_sample=11,
        sample_to_detector=30,
        detector=Detector(rows=2032, columns=2032, pixel_size=3.3623, blur_sigma=1.0),
        beam_stop=BeamStop(height=3.0, width=3.0),
    ),
    plan=ScanPlan(omega_start=0, omega_step=2, count=181, exposure=600),
)

_SIMAP = VirtualScan(
    # a laboratory set-up with a large flat panel close to the source
    name="simap",
    crystal="Al",
    sample=CylinderSample(element_size=8),
    beam=Beam(kvp=140, current=70),
    geometry=Geometry(
        source_to_sample=6.6,
        sample_to_detector=53,
        detector=Detector(rows=2040, columns=2040, pixel_size=24, blur_sigma=0.8),
        beam_stop=BeamStop(height=7, width=7),
        source_size=3,
    ),
    plan=ScanPlan(omega_start=0, omega_step=2, count=181, exposure=60),
)

_FARFIELD = VirtualScan(
    # Zhang & Lindkvist (2025), J. Appl. Cryst. 58: pure iron, far field
    name="farfield-100",
    crystal="Fe",
    sample=CylinderSample(
        diameter=360, height=500, grain_size=92, grain_size_sd=24, element_size=16
    ),
    beam=Beam(kvp=140, current=70, filters=(Filter(material="Al", thickness=1.0),)),
    geometry=Geometry(
        source_to_sample=100,
        sample_to_detector=99.989,
        detector=Detector(
            rows=1024,
            columns=1024,
            pixel_size=68.334,
            centre_row=506.79,
            centre_column=511.325,
            tilt_x=-0.0074,
            tilt_y=-0.212,
            tilt_z=-0.304,
            blur_sigma=1.3,
        ),
        beam_stop=BeamStop(
            height=12.5, width=11.8, offset_y=-1.07, offset_z=-0.49, edge=0.1
        ),
        source_size=30,
    ),
    plan=ScanPlan(omega_start=180, omega_step=-3, count=121, exposure=600),
)

VIRTUAL_SCANS: dict[str, VirtualScan] = {
    scan.name: scan for scan in (_HOVAD, _VERSA, _MAGNIFIED, _SIMAP, _FARFIELD)
}
"""Virtual scans by name."""
