"""How long spot finding takes: one frame of 1024 × 1024 pixels with 600 spots.

Run with one thread: `OMP_NUM_THREADS=1 python benchmarks/bench_spots.py`.
"""

import time

import numpy as np
from scipy import ndimage

from napari_labdct.analysis import find_spots, line_profile

SIDE, SPOTS = 1024, 600


def frame(rng):
    """Signal and residual of a frame of round spots, SNR 6 to 300."""
    signal = np.zeros((SIDE, SIDE))
    row, column = rng.integers(12, SIDE - 12, (2, SPOTS))
    snr = np.exp(rng.uniform(np.log(6), np.log(300), SPOTS))
    signal[row, column] = snr * 10 * 2 * np.sqrt(np.pi) * 1.2
    signal = ndimage.gaussian_filter(signal, 1.2).astype(np.float32)
    return signal, signal + rng.normal(0, 10, signal.shape).astype(np.float32)


def best(work, repeats=15):
    """Least processor time of some runs [ms]: one core, other programs left out."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def main():
    """Print processor times and what is aimed at; fail on missed spots."""
    signal, residual = frame(np.random.default_rng(0))
    sigma = np.full(signal.shape, 10, np.float32)
    count, spent = (
        len(find_spots(residual, sigma)),
        best(lambda: find_spots(residual, sigma)),
    )
    print(f"spots of a frame: {count} spots in {spent:.0f} ms (aim: 50)")
    assert count > 0.85 * SPOTS
    images = {"input": residual, "output": signal, "difference": residual - signal}
    lines = [((20, 30 * k), (1000, 900 - 40 * k)) for k in range(3)]
    spent = best(lambda: [line_profile(images, *line) for line in lines])
    print(f"three lines across three layers: {spent:.1f} ms (aim: 5)")


if __name__ == "__main__":
    main()
