"""
Simulate a projection
=====================

A virtual sample, a tube and a detector; one projection, clean and as a detector would
write it.
"""

import matplotlib.pyplot as plt

from napari_labdct.workflows.measured_scan import MeasuredScan
from napari_labdct.workflows.virtual_scan import VIRTUAL_SCANS, VirtualScan

# %%
# A virtual scan holds everything: crystal, sample, beam, geometry, rotation. Start
# from a preset and change what differs. All presets:

print(", ".join(VIRTUAL_SCANS))
preset = VirtualScan.preset("hovad2020")
few = preset.plan.model_copy(update={"omega_start": 30.0, "count": 1})
scan = preset.model_copy(update={"plan": few, "seed": 7})

# %%
# The sample is grown once; its grains, their orientations and sizes are known.

sample = scan.polycrystal()
projection = next(scan.iter_projections(sample))
print(f"{len(projection.spots)} spots, {projection.image.sum():.0f} photons")
columns = ["grain", "h", "k", "l", "energy_keV", "two_theta_deg", "intensity"]
projection.spots.frame.sort_values("intensity", ascending=False)[columns].head().round(
    2
)

# %%
# Noise, background and gain are not physics of the sample; they are added afterwards.

detector = MeasuredScan.draw(projection.image, scan.geometry, seed=7)
frame = detector.expose(projection.image, 0)
figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
axes[0].imshow(projection.image, cmap="gray", vmax=0.2 * projection.image.max())
axes[0].set_title("photons")
axes[1].imshow(frame, cmap="gray", vmin=200, vmax=1200)
axes[1].set_title("grey values")
for panel in axes:
    panel.set_axis_off()
