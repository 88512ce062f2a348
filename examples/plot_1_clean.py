"""
Clean a scan
============

From a stack of projections to spots on a background of zero.
"""

import matplotlib.pyplot as plt
import numpy as np

from napari_labdct import Denoiser, clean, read_stack
from napari_labdct.files import sample_path

# %%
# A scan is a folder of TIFF frames, one TIFF stack, or a ``.txrm`` file. The sample
# scan is simulated and made to look measured: background, a beam stop, streaks that
# do not turn with the sample, noise, hot pixels and direct hits.

scan = read_stack(sample_path())
print(scan.shape, scan.images.dtype, scan.omega)

# %%
# With nine projections or more the network is told what stays while the sample turns.

cleaned = clean(scan, Denoiser.default())
print(cleaned.history[-1])

# %%
# The three pictures have a grey range of one width, so a grey step means the same in
# each.

show = 5
before, after = scan.frame(show), cleaned.frame(show)
low, high = np.percentile(before, (0.5, 99.5))
span = high - low
figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
pictures = {
    "input": (before, low),
    "cleaned": (after, 0),
    "difference": (before - after, low),
}
for panel, (name, (image, start)) in zip(axes, pictures.items(), strict=True):
    panel.imshow(image, cmap="gray", vmin=start, vmax=start + span)
    panel.set_title(name)
    panel.set_axis_off()

# %%
# Where no spot is, the cleaned frame is zero.

print(f"{np.mean(after < 0.5):.0%} of the pixels are below half a grey value")
