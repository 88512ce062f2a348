import numpy as np
import pytest
from skimage import io

from napari_labdct.core import InputError, Progress, ProjectionStack
from napari_labdct.files import read_spots, read_stack
from napari_labdct.workflows.main_job import (
    clean_to_folder,
    iter_clean_to_files,
    iter_clean_to_folder,
)

FILES = {"cleaned.tif", "difference.tif", "spots.csv", "figure.png"}


@pytest.fixture
def results(small_stack, threshold, tmp_path):
    return clean_to_folder(small_stack, threshold, tmp_path / "out")


def test_everything_is_in_the_folder(results):
    assert {path.name for path in results.folder.iterdir()} == FILES


def test_stacks_are_linear_and_remember_their_scan(results, small_stack):
    cleaned = read_stack(results.cleaned)
    difference = read_stack(results.difference)
    assert cleaned.images.dtype == difference.images.dtype == np.float32
    np.testing.assert_allclose(
        cleaned.images + difference.images, small_stack.images, rtol=1e-6
    )
    assert (cleaned.kind, difference.kind) == ("cleaned", "difference")
    assert cleaned.geometry == small_stack.geometry
    np.testing.assert_array_equal(cleaned.omega, small_stack.omega)
    assert cleaned.history[0] == "Drawn."
    assert "threshold" in cleaned.history[-1]


def test_spots_are_those_drawn(results, small_stack):
    spots = read_spots(results.spots_file).frame
    np.testing.assert_array_equal(spots, results.spots.frame)
    assert set(spots["projection"]) == set(range(len(small_stack)))
    omega = small_stack.omega[spots["projection"]]
    np.testing.assert_array_equal(spots["omega_deg"], omega)
    # Twelve were drawn into each, a few of them faint or behind the beam stop.
    assert 6 * len(small_stack) <= len(spots) <= 13 * len(small_stack)


def test_wide_spots_are_found_on_binned_frames(threshold, tmp_path):
    rng = np.random.default_rng(2)
    row, column = np.indices((192, 256))
    frames, places = [], []
    for _ in range(9):
        at = rng.uniform([30, 30], [162, 226])
        away = (row - at[0]) ** 2 + (column - at[1]) ** 2
        frames.append(300 + 200 * np.exp(-away / (2 * 7**2)))
        places.append(at)
    noise = rng.normal(0, 10, (9, 192, 256))
    stack = ProjectionStack((np.stack(frames) + noise).astype(np.float32))
    threshold.scan = {
        "projections": 8,
        "level": 300,
        "sigma": 10,
        "drift": 0,
        "correlation": 0,
        "zinger_rate": 0,
        "spots": 1,
        "width": (6, 7, 8),
        "elongation": 1,
    }
    results = clean_to_folder(stack, threshold, tmp_path / "out")
    spots = read_spots(results.spots_file).frame
    best = spots.sort_values("score").groupby("projection").tail(1)
    best = best.sort_values("projection")
    assert list(best["projection"]) == list(range(9))
    assert (best["area_px"] % 16 == 0).all()
    np.testing.assert_allclose(best[["row_px", "column_px"]], places, atol=1.5)
    assert read_stack(results.cleaned).shape == stack.shape


def test_profiles_cross_the_shown_projection(results, small_stack):
    assert [profile.name for profile in results.profiles] == ["A", "B", "C"]
    cleaned = read_stack(results.cleaned)
    for profile in results.profiles:
        assert profile.projection == len(small_stack) // 2
        row, column = (round(at) for at in profile.start)
        shown = small_stack.frame(profile.projection)
        assert abs(profile.values["input"][0] - shown[row, column]) < 200
        assert np.isfinite(profile.values["output"]).all()
        assert profile.values["output"].max() <= cleaned.images.max()


def test_figure_can_be_opened(results):
    picture = io.imread(results.figure)
    assert picture.shape[0] > 800
    assert picture.shape[1] > 1200
    assert picture[..., :3].std() > 30


def test_summary_tells_input_from_output(results):
    table = results.summary
    assert list(table.columns) == ["input", "output"]
    assert float(table.loc["grey value, median", "input"]) > 300
    assert float(table.loc["grey value, median", "output"]) == 0
    assert int(table.loc["spots", "output"]) == len(results.spots)


def test_progress_counts_to_its_total(small_stack, threshold, tmp_path):
    steps = list(iter_clean_to_folder(small_stack, threshold, tmp_path))
    assert all(isinstance(step, Progress) for step in steps)
    assert [step.done for step in steps] == list(range(1, len(small_stack) + 2))
    assert steps[-1].done == steps[-1].total


def test_a_stop_on_the_way_leaves_nothing(small_stack, threshold, tmp_path):
    steps = iter_clean_to_folder(small_stack, threshold, tmp_path)
    next(steps)
    steps.close()
    assert not list(tmp_path.iterdir())


def test_a_bad_frame_leaves_earlier_results_alone(small_stack, threshold, tmp_path):
    clean_to_folder(small_stack, threshold, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    images = small_stack.images.astype(np.float32)
    images[3, 5, 6] = np.nan
    with pytest.raises(InputError, match="NaN"):
        clean_to_folder(ProjectionStack(images), threshold, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_folder_that_cannot_be_made(small_stack, threshold, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        clean_to_folder(small_stack, threshold, tmp_path / "file" / "out")


@pytest.mark.parametrize("show", [-1, 5])
def test_projection_that_is_not_there(small_stack, threshold, tmp_path, show):
    with pytest.raises(InputError, match="scan has 5"):
        clean_to_folder(small_stack, threshold, tmp_path, show=show)


def test_scan_without_a_spot(threshold, tmp_path):
    noise = np.random.default_rng(0).poisson(300, (2, 64, 80)).astype(np.uint16)
    results = clean_to_folder(ProjectionStack(noise), threshold, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert len(results.profiles) == 3


def test_difference_is_left_out_when_not_wanted(small_stack, threshold, tmp_path):
    steps = iter_clean_to_files(small_stack, threshold, tmp_path / "a.tif")
    assert [done.index for done in steps] == list(range(len(small_stack)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
