"""Try a wheel in an environment of its own: contents, size, version, and a first job.

    python tools/check_wheel.py [dist] [--version 0.1.0]

The environment knows nothing of this checkout; the job is run from an empty folder.
"""

import argparse
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

LARGEST_MB = 20
PARTS = (
    "napari_labdct/napari.yaml",
    "napari_labdct/py.typed",
    "napari_labdct/__init__.pyi",
    "napari_labdct/assets/spectra.npz",
    "napari_labdct/assets/attenuation.npz",
    "napari_labdct/assets/sample/scan.tif",
    "napari_labdct/assets/sample/truth.csv",
    "napari_labdct/assets/models/default/config.json",
    "napari_labdct/assets/models/default/weights.safetensors",
    "napari_labdct/assets/models/default/README.md",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dist", type=Path, nargs="?", default=Path("dist"))
    parser.add_argument("--version", help="what the wheel's version has to be")
    chosen = parser.parse_args()
    (wheel,) = sorted(chosen.dist.resolve().glob("*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    size = wheel.stat().st_size / 1e6
    print(f"{wheel.name}: {size:.1f} MB, {len(names)} files")
    if missing := [part for part in PARTS if part not in names]:
        sys.exit(f"The wheel lacks {', '.join(missing)}.")
    if size > LARGEST_MB:
        sys.exit(f"The wheel is larger than {LARGEST_MB} MB.")
    version = wheel.name.split("-")[1]
    if chosen.version and version != chosen.version:
        sys.exit(f"The wheel is of version {version}, not {chosen.version}.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        venv.create(folder / "env", with_pip=True)
        scripts = folder / "env" / ("Scripts" if sys.platform == "win32" else "bin")

        def run(*words: object) -> None:
            print("$", *words, flush=True)
            subprocess.run([str(word) for word in words], check=True, cwd=folder)

        pins = Path(__file__).parents[1] / "constraints.txt"
        run(scripts / "python", "-m", "pip", "install", "-q", "-c", pins, wheel)
        run(scripts / "labdct", "info")
        run(scripts / "labdct", "run", "--out", "out", "--no-window")
        found = {path.name for path in (folder / "out").iterdir()}
        expected = {"cleaned.tif", "difference.tif", "spots.csv", "figure.png"}
        if not expected <= found:
            sys.exit(f"labdct run left {sorted(found)}.")
        run(scripts / "python", "-m", "npe2", "validate", "napari-labdct")
    print("The wheel works.")


if __name__ == "__main__":
    main()
