"""
A table of spots
================

Find and measure the spots of a scan, and compare with the truth where it is known.
"""

import matplotlib.pyplot as plt

from napari_labdct import Denoiser, SpotTable, read_stack
from napari_labdct.analysis import match_spots
from napari_labdct.core import drained
from napari_labdct.files import read_spots, sample_path
from napari_labdct.workflows.spot_finding import iter_spots

# %%
# Give the scan as measured: it is cleaned on the way, and intensities are summed on
# what was measured, above the background.

scan = read_stack(sample_path())
spots = drained(iter_spots(scan, Denoiser.default()))
columns = ["projection", "row_px", "column_px", "area_px", "intensity", "snr"]
spots.frame[columns].sort_values("snr", ascending=False).head().round(2)

# %%
# On the frame: strong spots in one colour, weak ones in another.

show = 5
here = spots.frame[spots.frame["projection"] == show]
strong = here["snr"] > 20
figure, axes = plt.subplots(figsize=(6, 6), layout="constrained")
axes.imshow(scan.frame(show), cmap="gray", vmin=300, vmax=1400)
for part, colour in ((here[strong], "#ffb000"), (here[~strong], "#4cc9f0")):
    axes.scatter(part["column_px"], part["row_px"], s=60, fc="none", ec=colour, lw=0.9)
axes.set_axis_off()

# %%
# The sample scan is simulated, so the truth is known.

truth = read_spots(sample_path().with_name("truth.csv"))
bright = SpotTable(truth.frame[truth.frame["intensity"] > 2000])
score = match_spots(spots, bright, 3.0)
print(f"{score.recall:.0%} of {len(bright)} true spots above 2000 are found")
print(f"median distance {score.pairs['distance_px'].median():.2f} px")
