import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_labdct
from napari_labdct import _version
from napari_labdct.cli import build, main
from napari_labdct.cli.window import fill, has_screen
from napari_labdct.files import read_spots, read_stack, write_stack
from napari_labdct.learning import Denoiser

VERBS = (
    "run",
    "prepare",
    "clean",
    "spots",
    "profile",
    "simulate",
    "train",
    "reproduce",
    "info",
)


@pytest.fixture
def scan(small_stack, tmp_path):
    return write_stack(small_stack, tmp_path / "scan.tif")


@pytest.fixture(autouse=True)
def quick(monkeypatch, threshold):
    monkeypatch.setattr(Denoiser, "load", lambda *_: threshold)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def labdct(*words) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code or 0


def fails(capsys, *words) -> str:
    """The one sentence a user sees."""
    assert labdct(*words) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("labdct: ")
    return error


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    assert labdct(verb, "--help") == 0
    text = capsys.readouterr().out
    assert f"labdct {verb}" in text
    options = re.split(r"^  (?=--)", text, flags=re.M)[1:]
    assert all(len(option.split()) > 4 for option in options), "an option says nothing"


def test_without_a_verb_all_are_listed(capsys):
    labdct()
    text = "".join(capsys.readouterr())
    assert all(re.search(rf"^  {verb} ", text, re.M) for verb in VERBS)


def test_run_does_the_main_job_and_says_so(scan, tmp_path, capsys):
    out = tmp_path / "out"
    assert labdct("run", scan, "--out", out) == 0
    names = {path.name for path in out.iterdir()}
    assert names == {"cleaned.tif", "difference.tif", "spots.csv", "figure.png"}
    text = capsys.readouterr().out
    assert "5 projections of 96 × 128 px" in text
    assert re.search(r"^noise of a pixel, σ +[\d.]+ +0$", text, re.M)
    assert "no screen" in text
    assert str(out / "figure.png") in text


def test_clean_writes_stacks(scan, tmp_path, small_stack):
    out, rest = tmp_path / "c.tif", tmp_path / "d.tif"
    words = ("--omega-start", 90, "--omega-step", -1)
    assert labdct("clean", scan, "--out", out, "--difference", rest, *words) == 0
    cleaned, difference = read_stack(out), read_stack(rest)
    np.testing.assert_allclose(
        cleaned.images + difference.images, small_stack.images, rtol=1e-6
    )
    np.testing.assert_allclose(cleaned.omega, 90 - np.arange(5))


def test_spots_finds_with_and_without_a_network(scan, tmp_path):
    out = tmp_path / "s.csv"
    counts = {}
    for name, words in {
        "network": (),
        "none": ("--model", "none"),
        "strict": ("--model", "none", "--false-alarms", "1e-9"),
    }.items():
        assert labdct("spots", scan, "--out", out, *words) == 0
        counts[name] = len(read_spots(out))
    assert counts["network"] > 25
    assert 25 < counts["strict"] <= counts["none"] < 80


def test_spots_of_a_cleaned_stack_are_refused(scan, tmp_path, capsys):
    labdct("clean", scan, "--out", tmp_path / "c.tif")
    capsys.readouterr()
    error = fails(capsys, "spots", tmp_path / "c.tif", "--out", tmp_path / "s.csv")
    assert "cleaned already" in error


def test_a_matlab_table_without_angles_is_refused_before_the_work(
    scan, tmp_path, capsys
):
    blind = tmp_path / "blind.tif"
    tifffile.imwrite(
        blind, np.asarray(read_stack(scan).images), photometric="minisblack"
    )
    words = ["--out", tmp_path / "s.mat", "--model", "none"]
    assert "give the scan's start and step" in fails(capsys, "spots", blind, *words)
    assert not list(tmp_path.glob("s.mat*"))
    assert labdct("spots", blind, *words, "--omega-step", 2) == 0


def test_profile_through_two_stacks(scan, tmp_path, small_stack):
    labdct("clean", scan, "--out", tmp_path / "cleaned.tif")
    out = tmp_path / "p.csv"
    lines = ("--line", "10,20,10,60", "--line", "5,5,50,5")
    words = ("--against", tmp_path / "cleaned.tif", "--projection", 2, "--out", out)
    assert labdct("profile", scan, *lines, *words) == 0
    table = pd.read_csv(out)
    assert list(table["line"].unique()) == ["A", "B"]
    first = table[table["line"] == "A"]
    np.testing.assert_allclose(first["scan"], small_stack.frame(2)[10, 20:61])
    np.testing.assert_allclose(first["column_px"], np.arange(20, 61))
    assert {"cleaned", "distance_px", "row_px"} <= set(table.columns)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--line", "1,2,3"), "row,column,row,column"),
        (("--line", "1,2,3,900"), "outside of the frame"),
        (("--line", "1,2,3,4", "--projection", "9"), "no projection 9"),
    ],
)
def test_bad_lines(scan, tmp_path, capsys, words, what):
    assert what in fails(capsys, "profile", scan, *words, "--out", tmp_path / "p.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["scan.tif"]


SMALL = (
    *("--count", 2, "--rows", 100, "--columns", 120, "--pixel-size", 66),
    *("--diameter", 150, "--sample-height", 150, "--grain-size", 60),
)


def test_simulate_writes_frames_and_all_that_belongs_to_them(tmp_path, capsys):
    out = tmp_path / "a.tif"
    assert labdct("simulate", *SMALL, "--out", out, "--workers", 1) == 0
    scan = read_stack(out)
    assert scan.shape == (2, 100, 120)
    assert scan.kind == "simulated"
    assert scan.geometry.detector.pixel_size == 66
    assert scan.geometry.beam_stop.height > 3  # the preset's
    table = read_spots(tmp_path / "a_spots.csv")
    assert table.is_truth
    labels = read_stack(tmp_path / "a_labels.tif")
    for index, spots in table.frame.groupby("projection"):
        lit = np.unique(labels.frame(index))
        assert set(lit) - {0} <= set(spots["label"])
        assert len(lit) > 5
    names = ["a.tif", "a_labels.tif", "a_run.json", "a_spots.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    said = capsys.readouterr().out
    assert re.search(r"Sample: \d+ grains of [56]\d\.\d ± \d+\.\d µm", said)
    assert "2 projections" in said


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_run_file_gives_the_same_scan_again(tmp_path, suffix):
    from napari_labdct.workflows.virtual_scan import VirtualScan

    first, again = tmp_path / "a.tif", tmp_path / "b.tif"
    bits = ("--bits", 8, "--gain", 0.1, "--read-noise", 0.5)
    assert labdct("simulate", *SMALL, "--noise", *bits, "--out", first) == 0
    run = tmp_path / f"run.{suffix}"
    VirtualScan.read(tmp_path / "a_run.json").write(run)
    assert labdct("simulate", run, "--out", again) == 0
    assert read_stack(again).images.dtype == np.uint8
    for ending in (".tif", "_clean.tif", "_labels.tif", "_spots.csv", "_run.json"):
        one, other = (tmp_path / f"{name}{ending}" for name in "ab")
        assert one.read_bytes() == other.read_bytes(), ending


def test_simulate_with_noise_takes_settings_from_a_file(tmp_path):
    settings = tmp_path / "run.yaml"
    settings.write_text("plan: {omega_step: 7}\nseed: 5\n")
    out = tmp_path / "a.tif"
    words = ("--noise", "--settings", settings, "--out", out, "--seed", 6)
    assert labdct("simulate", *SMALL, *words) == 0
    scan = read_stack(out)
    assert scan.images.dtype == np.uint16
    assert scan.seed == 6  # the command line has the last word
    np.testing.assert_allclose(scan.omega, [0, 7])
    assert read_stack(tmp_path / "a_clean.tif").kind == "simulated"


@pytest.mark.slow
def test_train_writes_a_model_folder(tmp_path):
    labdct("simulate", *SMALL, "--out", tmp_path / "a.tif")
    small = ("--epochs", 1, "--steps", 2, "--validation-steps", 1, "--batch", 2)
    words = (*small, "--crop", 64, "--base", 4, "--depth", 1, "--device", "cpu")
    out = tmp_path / "model"
    assert labdct("train", tmp_path / "a.tif", "--out", out, *words) == 0
    assert {"config.json", "weights.safetensors"} <= {p.name for p in out.iterdir()}


@pytest.mark.slow
def test_train_by_the_papers_recipe(tmp_path, capsys):
    clean, out = tmp_path / "a.tif", tmp_path / "model"
    labdct("simulate", *SMALL, "--out", clean)
    words = ("train", clean, "--recipe", "hovad2020", "--out", out, "--device", "cpu")
    nowhere = tmp_path / "nowhere"
    error = fails(capsys, *words, "--weights", nowhere)
    assert "vgg16-397923af.pth" in error
    assert "nowhere" in error
    assert not out.exists()
    small = ("--encoder", "random", "--width", 4, "--size", 64)
    epochs = ("--frozen-epochs", 1, "--unfrozen-epochs", 0, "--perceptual", "none")
    assert labdct(*words, *small, *epochs) == 0
    assert json.loads((out / "config.json").read_text())["recipe"] == "hovad2020"


def test_info(scan, capsys):
    assert labdct("info", scan) == 0
    text = capsys.readouterr().out
    for expected in ("5 of 96 × 128 px, uint16", "-10° to -2°", "6.72 µm", "Drawn."):
        assert expected in text
    assert labdct("info") == 0
    assert "torch" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["run", "clean", "spots"])
def test_bad_input_is_one_sentence(verb, tmp_path, capsys):
    place = tmp_path / "in"
    place.mkdir()
    bad = place / "bad.tif"
    out = ("--out", tmp_path / "result")
    assert "does not exist" in fails(capsys, verb, bad, *out)
    assert "holds no TIFF files" in fails(capsys, verb, place, *out)
    bad.write_text("grey values")
    assert re.search(r"bad\.tif is not a TIFF", fails(capsys, verb, bad, *out))
    whole = np.ones((3, 40, 50), np.uint16)
    tifffile.imwrite(bad, whole, photometric="minisblack")
    bad.write_bytes(bad.read_bytes()[:-3000])
    assert re.search(r"bad\.tif.* truncated", fails(capsys, verb, place, *out))
    frames = np.ones((3, 40, 50), np.float32)
    frames[1, 2, 3] = np.nan
    tifffile.imwrite(bad, frames, photometric="minisblack")
    assert re.search(r"bad\.tif holds NaN", fails(capsys, verb, bad, *out))
    result = tmp_path / "result"
    assert not result.exists() or not list(result.iterdir())
    kept = {"result.part", "result.journal"}  # of the frames before the bad one
    assert {path.name for path in tmp_path.iterdir()} <= {"in", "result"} | kept


@pytest.mark.filterwarnings("default")
def test_colour_pictures_are_read_with_one_warning(tmp_path, capsys):
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture, photometric="rgb")
    assert labdct("info", path) == 0
    error = capsys.readouterr().err
    assert error.count("labdct: warning:") == 1
    assert "luminance" in error


def test_settings_out_of_range(scan, tmp_path, capsys):
    assert labdct("spots", scan, "--valley", 2) == 2
    assert "valley" in capsys.readouterr().err
    settings = tmp_path / "s.json"
    settings.write_text('{"valley": 2}')
    assert "valley = 2" in fails(capsys, "spots", scan, "--settings", settings)
    settings.write_text('{"vallay": 0.2}')
    assert "vallay" in fails(capsys, "spots", scan, "--settings", settings)
    settings.write_text("[")
    assert "JSON" in fails(capsys, "spots", scan, "--settings", settings)
    assert labdct("simulate", "--preset", "none") == 1


@pytest.mark.gl
@pytest.mark.skipif(not has_screen(), reason="no display: run under xvfb-run")
def test_results_open_in_napari(small_stack, threshold, tmp_path, make_napari_viewer):
    from napari_labdct.workflows.main_job import clean_to_folder

    results = clean_to_folder(small_stack, threshold, tmp_path)
    viewer = make_napari_viewer()
    fill(viewer, small_stack, results)
    names = [layer.name for layer in viewer.layers]
    shown = "drawn for a test"
    for expected in (shown, f"{shown} cleaned", f"{shown} difference", "Lines"):
        assert expected in names
    assert len(viewer.layers["Lines"].data) == 3
    assert viewer.dims.current_step[0] == len(small_stack) // 2


def test_help_is_quick():
    code = (
        "import sys; from napari_labdct.cli import build; build(); print(*sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "napari", "matplotlib", "scipy", "tifffile", "dask", "gemmi"}
    assert not heavy & set(found.stdout.split())
    assert build().registered_commands


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_is_done(tmp_path, number):
    out = tmp_path / "a.tif"
    words = ["-c", "from napari_labdct.cli import main; main()", "simulate"]
    # More than the job can finish before the signal reaches it.
    words += [str(word) for word in SMALL[2:]]
    words += ["--count", "20000", "--workers", "1", "--out", str(out)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    job = subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A test run in the background may have been told to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    shown = ""
    while not re.search(r" [1-9]\d*/20000", shown):  # the bar: projections done
        letter = job.stderr.read(1)
        assert letter, shown
        shown += letter
    for _ in range(5):  # as often as an impatient user would press it
        job.send_signal(number)
    said, error = job.communicate(timeout=60)
    assert job.returncode == 130
    assert "Traceback" not in error
    stopped = re.search(r"Stopped early: (\d+) of 20000 projections are kept\.", said)
    kept = int(stopped[1])
    scan = read_stack(out)
    assert len(scan) == len(read_stack(tmp_path / "a_labels.tif")) == kept
    assert scan.frame(kept - 1).any()
    np.testing.assert_allclose(scan.omega, 2 * np.arange(kept))
    spots = read_spots(tmp_path / "a_spots.csv").frame
    assert spots["projection"].max() == kept - 1
    names = ["a.tif", "a_labels.tif", "a_run.json", "a_spots.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_the_package_knows_its_version():
    # Not the installed metadata's: a wheel built since then renews the file alone.
    assert napari_labdct.__version__ == _version.version
    assert re.match(r"\d+\.\d+", napari_labdct.__version__)
