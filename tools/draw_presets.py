"""Draw ``docs/images/presets.png``: one projection of four virtual scans."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import PowerNorm

from napari_labdct.workflows.virtual_scan import VirtualScan

TARGET = Path(__file__).parents[1] / "docs/images/presets.png"
SHOWN = {
    "hovad2020": "Laue focusing, 11/11 mm: arcs",
    "magnified": "magnified, 11/30 mm: grain images",
    "simap": "flat panel, 6.6/53 mm: many small images",
    "farfield-100": "far field, 100/100 mm: points",
}


def main() -> None:
    figure, axes = plt.subplots(2, 2, figsize=(9, 9.4), layout="constrained")
    for axis, (name, words) in zip(axes.flat, SHOWN.items(), strict=True):
        projection = VirtualScan.preset(name).simulator().project(10.0)
        lit = projection.image[projection.image > 0]
        norm = PowerNorm(0.5, vmin=0, vmax=float(np.quantile(lit, 0.995)))
        axis.imshow(projection.image, cmap="gray", norm=norm)
        axis.set_title(f"{name}: {words}\n{len(projection.spots)} spots", fontsize=10)
        axis.set_axis_off()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(TARGET, dpi=80)
    print(TARGET.stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
