"""What a detector adds to the spots of a scan: the settings of the chain."""

from __future__ import annotations

from pydantic import Field

from napari_labdct.core.geometry import Parameters


class ScanLook(Parameters):
    """The chain from expected photons to grey values; every link can be left out.

    Spots and background (smooth gradients, streaks, shadow of the beam stop) arrive
    as photons, random or not; hot pixels and direct hits come on top, a full pixel
    holds no more, and gain, read noise, offset and bits make grey values of it.
    """

    photons: float = Field(
        400,
        ge=0,
        le=1e6,
        description="Typical background photons per pixel; 0 for no background.",
    )
    typical_peak: float = Field(
        12,
        ge=0,
        le=1e4,
        description="Peak of the brighter quarter of the spots [σ]; 0 leaves the "
        "photons that the simulated exposure gives.",
    )
    gradients: bool = Field(
        True, description="Background with radial and corner gradients, not flat."
    )
    streaks: float = Field(
        2,
        ge=0,
        le=100,
        description="Strength of streaks that do not turn [σ]; 0 for none.",
    )
    shadow: bool = Field(True, description="Beam stop's shadow on the background.")
    stop_transmission: float = Field(
        0.15, ge=0, le=1, description="Background left in the beam stop's shadow."
    )
    drift: float = Field(
        0.03, ge=0, le=1, description="Change of the level between frames, σ."
    )
    poisson: bool = Field(True, description="Photons arrive at random (Poisson).")
    hot_rate: float = Field(
        5e-5, ge=0, le=0.1, description="Share of pixels that are always off."
    )
    zinger_rate: float = Field(
        2e-5,
        ge=0,
        le=0.1,
        description="Direct hits of the sensor per pixel, some with a track.",
    )
    full_well: float = Field(
        0, ge=0, le=1e9, description="Photons that fill a pixel; 0 for no limit."
    )
    gain: float = Field(1.5, gt=0, le=1e4, description="Grey values per photon.")
    read_noise: float = Field(
        0, ge=0, le=1e4, description="Noise of the read-out, σ [grey values]."
    )
    offset: float = Field(
        0, ge=0, le=60000, description="Grey value without any photon."
    )
    bits: int = Field(
        16,
        ge=8,
        le=16,
        description="Bits of a grey value: frames of 8 bit are uint8, others uint16.",
    )

    @property
    def highest(self) -> int:
        """Highest grey value."""
        return (1 << self.bits) - 1

    @property
    def noise(self) -> float:
        """Noise of the background, the unit σ [photons]; of 1 photon at least."""
        return float(max(self.photons, 1.0) ** 0.5)
