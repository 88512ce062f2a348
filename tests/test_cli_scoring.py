"""labdct evaluate and identify."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from napari_labdct.cli import main
from napari_labdct.core import Detector, Geometry, ProjectionStack, SpotTable
from napari_labdct.files import read_spots, write_spots, write_stack
from napari_labdct.files.grainlist import GrainList
from napari_labdct.physics import Crystal
from napari_labdct.workflows.identify import identify, predict_reflections

COUNT, ROWS, COLUMNS, SIGMA = 12, 150, 160, 1.3
WAYS = "log,conventional,classical"


def labdct(*words) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code or 0


def fails(capsys, *words) -> str:
    assert labdct(*words) == 1
    return capsys.readouterr().err.strip().splitlines()[-1]


def exposed(places, intensity, rng):
    """Frames of Gaussian spots on 400 photons of background."""
    images = np.zeros((COUNT, ROWS, COLUMNS))
    at = np.rint(places[:, 1:]).astype(int)
    images[places[:, 0].astype(int), at[:, 0], at[:, 1]] = intensity
    images = ndimage.gaussian_filter(images, (0, SIGMA, SIGMA))
    noisy = rng.poisson(images + 400).astype(np.uint16)
    return ProjectionStack(noisy, 10.0 * np.arange(COUNT))


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A scan in a file, and the table of its spots."""
    folder, rng = tmp_path_factory.mktemp("scan"), np.random.default_rng(0)
    number = 240
    places = np.column_stack(
        [
            np.arange(number) % COUNT,
            rng.integers(8, ROWS - 8, number),
            rng.integers(8, COLUMNS - 8, number),
        ]
    ).astype(float)
    snr = np.exp(rng.uniform(np.log(5), np.log(80), number))
    intensity = snr * 20 * 2 * np.sqrt(np.pi) * SIGMA
    stack = exposed(places, intensity, rng)
    truth = SpotTable(
        pd.DataFrame(
            {
                "projection": places[:, 0],
                "omega_deg": 10 * places[:, 0],
                "row_px": places[:, 1],
                "column_px": places[:, 2],
                "area_px": 2 * np.log(10) * np.pi * SIGMA**2,
                "peak": intensity / (2 * np.pi * SIGMA**2),
                "intensity": intensity,
                "snr": np.sqrt(intensity),
            }
        )
    )
    write_stack(stack, folder / "scan.tif")
    write_spots(truth, folder / "truth.csv")
    np.savez(
        folder / "truth.npz",
        frame=places[:, 0],
        y=places[:, 1],
        x=places[:, 2],
        snr_exp=snr,
        flux_exp=intensity,
        tier=np.where(np.arange(number) % 20, 1, 2),
    )
    return folder


def test_a_simulated_scan_is_scored_at_the_best_threshold(scan, tmp_path, capsys):
    out, picture = tmp_path / "scores.csv", tmp_path / "fails.png"
    words = ["--truth", scan / "truth.csv", "--ways", WAYS, "--log-sigma", 1.5]
    words += ["--conventional-least-area", 4, "--out", out, "--picture", picture]
    assert labdct("evaluate", scan / "scan.tif", *words) == 0
    text = capsys.readouterr().out
    assert "f1 by expected signal-to-noise ratio" in text
    assert "over 50" in text
    scores = pd.read_csv(out).set_index("route")
    assert list(scores.index) == WAYS.split(",")
    assert scores.f1_above["classical"] > 0.9
    assert scores.average_precision["classical"] > 0.9
    assert scores.distance_px["classical"] < 0.3
    assert scores.intensity_ratio["classical"] == pytest.approx(1, abs=0.05)
    assert scores.recall_50_inf["classical"] == 1
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_a_measured_scan_is_scored_by_the_protocol(scan, tmp_path, capsys):
    out = tmp_path / "scores.csv"
    words = ["--truth", scan / "truth.npz", "--ways", "classical", "--out", out]
    words += ["--per-frame", "5,15", "--box", "0,30,0,160"]
    assert labdct("evaluate", scan / "scan.tif", *words) == 0
    text = capsys.readouterr().out
    assert "recall by expected signal-to-noise ratio" in text
    assert "--flip" not in text
    scores = pd.read_csv(out)
    assert scores.spots_per_frame.tolist() == [5, 15]
    assert scores.net.is_monotonic_increasing
    assert scores.unexplained_per_frame[0] < 0.5
    assert scores.neutral.max() > 0


def test_frames_upside_down_are_told(scan, tmp_path, capsys):
    words = ["--truth", scan / "truth.npz", "--ways", "classical"]
    words += ["--per-frame", "15", "--flip", "both"]
    assert labdct("evaluate", scan / "scan.tif", *words) == 0
    assert "--flip no, rows, columns or both" in capsys.readouterr().out


def test_an_option_leaves_thresholds_to_be_chosen_afterwards(scan, tmp_path):
    counts = []
    for more in ([], ["--valley", 0.14]):
        out = tmp_path / "scores.csv"
        words = ["--truth", scan / "truth.npz", "--ways", "classical", "--out", out]
        words += ["--per-frame", 1000, *more]
        assert labdct("evaluate", scan / "scan.tif", *words) == 0
        counts.append(pd.read_csv(out).spots_per_frame[0])
    assert counts[1] == pytest.approx(counts[0], rel=0.05)


def test_mistakes_of_evaluate_are_one_sentence(scan, tmp_path, capsys):
    stack, truth = scan / "scan.tif", ["--truth", scan / "truth.csv"]
    answer = fails(capsys, "evaluate", stack, *truth, "--ways", "magic")
    assert "no way to spots named 'magic'" in answer
    answer = fails(capsys, "evaluate", stack, *truth, "--box", "1,2")
    assert "four numbers" in answer
    for border in ("1,2", "-3", ""):
        answer = fails(capsys, "evaluate", stack, *truth, f"--border={border}")
        assert "four for above" in answer
    assert "cannot be understood" in fails(
        capsys, "evaluate", stack, *truth, "--border", "nan"
    )
    indexed = ["--truth", scan / "truth.npz", "--border", "5000"]
    answer = fails(capsys, "evaluate", stack, *indexed)
    assert "leave nothing of the frames" in answer
    answer = fails(capsys, "evaluate", stack, *truth, "--per-frame", "many")
    assert "cannot be understood" in answer
    none = tmp_path / "none.npz"
    assert "none.npz" in fails(capsys, "evaluate", stack, "--truth", none)


GEOMETRY = Geometry(
    source_to_sample=50,
    sample_to_detector=60,
    detector=Detector(rows=ROWS, columns=COLUMNS, pixel_size=280),
)


@pytest.fixture(scope="module")
def grains(tmp_path_factory):
    """A list of grains in a file, and a scan of their reflections."""
    folder, rng = tmp_path_factory.mktemp("grains"), np.random.default_rng(4)
    listed = GrainList(
        rng.uniform(-0.2, 0.2, (5, 3)),
        Rotation.random(5, rng).as_matrix(),
        np.full(5, 80.0),
    )
    table = pd.DataFrame(listed.position, columns=["x_mm", "y_mm", "z_mm"])
    names = [f"u{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3)]
    table[names] = listed.orientation.reshape(-1, 9)
    table.to_csv(folder / "grains.csv", index=False)
    omega = 10.0 * np.arange(COUNT)
    seen = predict_reflections(
        listed, Crystal.preset("Fe"), GEOMETRY, omega, faintest=0.05
    )
    places = seen.frame[["projection", "row_px", "column_px"]].to_numpy()
    stack = exposed(places, np.full(len(places), 3000.0), rng)
    write_stack(ProjectionStack(stack.images, omega, GEOMETRY), folder / "scan.tif")
    return folder, listed, seen


def test_grains_explain_their_spots(grains, tmp_path, capsys):
    folder, _, seen = grains
    words = ["--grains", folder / "grains.csv", "--faintest", 0.05]
    words += ["--refine", "centre_row,centre_column", "--out", tmp_path / "out"]
    assert labdct("identify", folder / "scan.tif", *words) == 0
    text = capsys.readouterr().out
    assert "completeness" in text
    assert "centre_row" in text
    table = pd.read_csv(tmp_path / "out" / "grains.csv")
    assert (table.completeness > 0.85).all()
    spots = read_spots(tmp_path / "out" / "spots.csv").frame
    assert (spots.grain >= 0).mean() > 0.9
    reflections = read_spots(tmp_path / "out" / "reflections.csv").frame
    assert len(reflections) == pytest.approx(len(seen), abs=5)
    refined = json.loads((tmp_path / "out" / "geometry.json").read_text())
    assert refined["detector"]["centre_row"] == pytest.approx(74.5, abs=0.2)


def test_frames_upside_down_are_found_out(grains, tmp_path, capsys):
    """The advice is what to give, whatever was given before."""
    folder, _, _ = grains
    words = ["--grains", folder / "grains.csv", "--faintest", 0.05]
    words += ["--out", tmp_path / "out", "--flip"]
    assert labdct("identify", folder / "scan.tif", *words, "rows") == 0
    assert "Read them with --flip no." in capsys.readouterr().out
    assert labdct("identify", folder / "scan.tif", *words, "both") == 0
    assert "Read them with --flip no." in capsys.readouterr().out
    assert labdct("identify", folder / "scan.tif", *words, "no") == 0
    assert "flip" not in capsys.readouterr().out


def test_what_is_missed_and_what_nobody_explains(grains):
    _, listed, seen = grains
    crystal, omega = Crystal.preset("Fe"), 10.0 * np.arange(COUNT)
    stray = seen.frame.iloc[[0]].assign(row_px=3.0, column_px=3.0)
    found = SpotTable(pd.concat([seen.frame.iloc[5:], stray]))
    answer = identify(found, listed, crystal, GEOMETRY, omega, faintest=0.05)
    assert len(answer.unexplained) <= 1
    assert len(answer.missed) <= 5
    assert len(answer.missed) + len(answer.unexplained) >= 1
    assert answer.grains.found.sum() == len(seen) - len(answer.missed)
    assert (answer.grains.chance < 0.2).all()


def test_mistakes_of_identify_are_one_sentence(grains, tmp_path, capsys):
    folder, _, _ = grains
    words = ["--grains", folder / "grains.csv", "--out", tmp_path]
    answer = fails(capsys, "identify", folder / "scan.tif", *words, "--rows", 99)
    assert "rows and columns" in answer
    answer = fails(capsys, "identify", folder / "scan.tif", *words, "--crystal", "Xy")
    assert "Xy" in answer
