"""How long it takes to import the package and to start the command, and the memory.

    python benchmarks/bench_import.py [--runs 5]

Each in a fresh interpreter; medians of wall time and of processor time, and the largest
resident memory. The interpreter alone is the limit.
"""

import argparse
import os
import subprocess
import sys
import time
from statistics import median

COMMAND = "import sys; sys.argv = {}; from napari_labdct.cli import main; main()"
CASES = {
    "the interpreter alone": "pass",
    "numpy": "import numpy",
    "torch (PyTorch)": "import torch",
    "import napari_labdct": "import napari_labdct",
    "read_stack": "import napari_labdct; napari_labdct.read_stack",
    "Denoiser.default()": "import napari_labdct as n; n.Denoiser.default('cpu')",
    "labdct --help": COMMAND.format(["labdct", "--help"]),
    "labdct info": COMMAND.format(["labdct", "info"]),
}


def once(code: str) -> tuple[float, float, float]:
    """Wall time [s], processor time [s] and largest resident memory [MB]."""
    started = time.perf_counter()
    words = [sys.executable, "-c", code]
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    taken = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{code!r} ended with status {child.returncode}")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return taken, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print(f"medians of {runs}")
    print("| what | wall [s] | processor [s] | memory [MB] |")
    print("|---|---|---|---|")
    for name, code in CASES.items():
        once(code)
        measured = zip(*(once(code) for _ in range(runs)), strict=True)
        wall, processor, memory = (median(values) for values in measured)
        print(f"| {name} | {wall:.2f} | {processor:.2f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
