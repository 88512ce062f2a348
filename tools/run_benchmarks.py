"""Run the benchmarks and keep what they print, with machine and date.

    python tools/run_benchmarks.py [name ...] [--threads 2]

Names are those of `benchmarks/bench_NAME.py`; all by default. Results of those that ran
replace their section of docs/benchmarks.md; the others stay as they were.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
QUICK = ("import", "clean", "spots", "simulate", "plugin")
"""Benchmarks of time and memory; the others score quality and take longer."""


def processor() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        found = re.search(r"model name\s*: (.+)", info.read_text())
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def section(name: str, threads: int) -> str | None:
    """What one benchmark prints, as a section of the page; None if it failed."""
    script = ROOT / "benchmarks" / f"bench_{name}.py"
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    print(f"bench_{name} …", flush=True)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return None
    title = script.read_text(encoding="utf-8").split('"""')[1].splitlines()[0]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    where = (
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, {os.cpu_count()} cores, "
        f"{threads} thread(s), load {load:.1f}; Python {platform.python_version()}, "
        f"PyTorch {version('torch')}, NumPy {version('numpy')}."
    )
    text = done.stdout.strip()
    body = text if text.startswith("|") else f"```text\n{text}\n```"
    return f"## {name}\n\n{title} `benchmarks/bench_{name}.py`\n\n{where}\n\n{body}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(QUICK))
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    chosen = parser.parse_args()
    ran = {name: section(name, chosen.threads) for name in chosen.names}
    failed = [name for name, found in ran.items() if found is None]
    # Read now: somebody may have worked on the page meanwhile.
    head, *parts = re.split(r"(?m)^(?=## )", PAGE.read_text(encoding="utf-8"))
    sections = {part.split("\n", 1)[0][3:].strip(): part for part in parts}
    sections |= {name: found for name, found in ran.items() if found is not None}
    text = head + "\n".join(part.rstrip() + "\n" for part in sections.values())
    PAGE.write_text(text, encoding="utf-8")
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
