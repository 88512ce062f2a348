"""
Which spot is this?
===================

With grains that are known (from an earlier reconstruction), every spot gets its
grain, its reflection and its energy, and every grain its completeness.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial.transform import Rotation

from napari_labdct import BeamStop, Detector, Geometry, ProjectionStack
from napari_labdct.analysis import explain
from napari_labdct.core import ScanPlan, drained
from napari_labdct.files.grainlist import GrainList
from napari_labdct.physics import Crystal, Polycrystal, Spectrum, iter_projections
from napari_labdct.workflows.identify import predict_reflections
from napari_labdct.workflows.measured_scan import MeasuredScan
from napari_labdct.workflows.spot_finding import iter_spots

# %%
# Fifteen grains of iron as a reconstruction would list them; ``read_grain_list``
# reads such a list from a CSV file.

rng = np.random.default_rng(3)
grains = GrainList(
    position=rng.uniform(-0.2, 0.2, (15, 3)),
    orientation=Rotation.random(15, rng).as_matrix(),
    diameter_um=np.full(15, 90.0),
)
iron = Crystal.named("Fe")
tube = Spectrum.tube(kvp=140)
geometry = Geometry(
    source_to_sample=100,
    sample_to_detector=100,
    detector=Detector(rows=512, columns=512, pixel_size=130, blur_sigma=1.2),
    beam_stop=BeamStop(height=13, width=13),
)

# %%
# Nine projections of them, simulated and made to look measured, and the spots found
# on these. Nothing of the truth goes on from here but the grains themselves.

sample = Polycrystal.from_spheres(
    iron,
    grains.position,
    Rotation.from_matrix(grains.orientation),
    diameter_um=grains.diameter_um,
)
plan = ScanPlan(omega_step=12, count=9)
clean = [p.image for p in iter_projections(sample, geometry, tube, plan)]
detector = MeasuredScan.draw(clean[0], geometry, seed=3)
frames = np.stack([detector.expose(image, i) for i, image in enumerate(clean)])
scan = ProjectionStack(frames, plan.omega_deg, geometry)
spots = drained(iter_spots(scan, None))

# %%
# Where should the reflections be, and which spot lies there?

predicted = predict_reflections(
    grains, iron, geometry, scan.omega, spectrum=tube, faintest=0.003
)
answer = explain(spots, predicted, tolerance=2.5)
explained = len(answer.spots) - len(answer.unexplained)
print(f"{explained} of {len(spots)} spots are explained")
columns = ["row_px", "column_px", "snr", "grain", "h", "k", "l", "energy_keV"]
answer.spots.frame.sort_values("snr", ascending=False)[columns].head().round(2)

# %%
# Completeness: found over predicted, beside what chance alone would give.

answer.grains.sort_values("completeness", ascending=False).head().round(2)

# %%
# Spots in grey, reflections in the colour of their grain.

here = answer.reflections.frame[answer.reflections.frame["projection"] == 4]
figure, axes = plt.subplots(figsize=(6.4, 6), layout="constrained")
low, high = np.percentile(frames[4], (1, 99.7))
axes.imshow(frames[4], cmap="gray", vmin=low, vmax=high)
shown = axes.scatter(
    here["column_px"],
    here["row_px"],
    s=70,
    fc="none",
    linewidth=1.2,
    edgecolor=plt.get_cmap("tab20")(here["grain"] % 20),
)
axes.set_axis_off()
