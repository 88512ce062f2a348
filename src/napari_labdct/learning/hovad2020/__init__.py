"""The recipe of Hovad et al. 2020, with what it leaves open stated as settings.

E. Hovad, H. Fang, Y. Zhang, L. K. H. Clemmensen, B. K. Ersbøll and D. Juul Jensen,
"Unsupervised Deep Learning for Laboratory-Based Diffraction Contrast Tomography",
Integrating Materials and Manufacturing Innovation 9, 315 (2020).
"""

from napari_labdct.learning.hovad2020.settings import Hovad2020Settings
from napari_labdct.learning.hovad2020.training import Hovad2020Report, iter_epochs

__all__ = ["Hovad2020Report", "Hovad2020Settings", "iter_epochs"]
