"""
Grey values along a line
========================

The way cleaned frames are judged: the same line through input and output, and the
peaks on it.
"""

import matplotlib.pyplot as plt

from napari_labdct import Denoiser, read_stack
from napari_labdct.analysis import line_profile, profile_peaks
from napari_labdct.files import sample_path
from napari_labdct.workflows.cleanup import iter_clean

# %%
# ``iter_clean`` yields frame after frame, with all that was assumed about it; with
# ``order`` it cleans only what is asked for.

scan = read_stack(sample_path())
done = next(iter_clean(scan, Denoiser.default(), order=[5]))

# %%
# Ends are (row, column) in pixels, sub-pixel if you like; ``width`` averages across
# the line.

layers = {"input": done.frame, "cleaned": done.image}
profile = line_profile(layers, (296, 236), (300, 312), width=3, name="A")
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
for name, values in profile.values.items():
    axes.plot(profile.distance_px, values, label=name)
axes.set(xlabel="distance along the line [px]", ylabel="grey value")
axes.legend()

# %%
# Three things stand out in the input: a streak that stays while the sample turns, at
# 33 px along the line; a spot, at 43 px; a zinger, at 60 px. The spot alone is left.
# Its height above the local background, and its full width at half maximum:

columns = ["row_px", "column_px", "height", "fwhm_px"]
profile_peaks(profile, "cleaned")[columns].round(2)
