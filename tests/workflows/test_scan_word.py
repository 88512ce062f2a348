"""A scan is asked which faint light is diffraction, before its pictures are painted."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial import cKDTree
from tests.analysis.scans import GEOMETRY, SHAPE, reflections
from tests.conftest import draw_stack

from napari_labdct.core import Progress, ProjectionStack, drained
from napari_labdct.files import write_stack
from napari_labdct.learning import Denoiser
from napari_labdct.workflows.cleanup import clean, iter_clean
from napari_labdct.workflows.jobs import CleanJob
from napari_labdct.workflows.scan_source import ScanSource
from napari_labdct.workflows.scan_word import iter_word

OMEGA = 2.0 * np.arange(14)
WIDTH, SIGMA = 1.2, 20.0
HIT = (200, 300)
FILTERS = SimpleNamespace(knows_noise=True)


@pytest.fixture(scope="module")
def truth():
    """Reflections, each with one signal-to-noise ratio in all projections."""
    true = reflections(OMEGA, 15, 0.1)
    lattice = true.groupby(["grain", "h", "k", "l"]).ngroup().to_numpy()
    rng = np.random.default_rng(1)
    strength = np.exp(rng.uniform(np.log(2.5), np.log(60), lattice.max() + 1))
    true = true.assign(snr=strength[lattice])
    rows, columns = SHAPE
    inside = true["row_px"].between(8, rows - 9)
    return true[inside & true["column_px"].between(8, columns - 9)]


@pytest.fixture(scope="module")
def scan(truth):
    """Those spots on noise, and a direct hit in the first projection."""
    rng = np.random.default_rng(2)
    frames = 400 + SIGMA * rng.standard_normal((len(OMEGA), *SHAPE), np.float32)
    offset = np.arange(-7, 8)
    for spot in truth.itertuples():
        row, column = round(spot.row_px), round(spot.column_px)
        down = np.exp(-((offset + row - spot.row_px) ** 2) / (2 * WIDTH**2))
        right = np.exp(-((offset + column - spot.column_px) ** 2) / (2 * WIDTH**2))
        height = spot.snr * SIGMA / (np.sqrt(np.pi) * WIDTH)
        part = np.s_[row - 7 : row + 8, column - 7 : column + 8]
        frames[spot.projection][part] += height * np.outer(down, right)
    frames[0][HIT] += 15 * SIGMA
    return ProjectionStack(frames, OMEGA, GEOMETRY)


@pytest.fixture(scope="module")
def word(scan):
    return drained(iter_word(scan, FILTERS))


@pytest.fixture
def network(threshold):
    """A stand-in that filters may contradict."""
    threshold.knows_noise = True
    return threshold


def shown(picture, truth):
    """Which spots of a projection are seen in its picture."""
    row, column = (truth[name].round().astype(int) for name in ("row_px", "column_px"))
    return picture[row, column] > SIGMA / 4


def specks(picture, truth):
    """Pixels that shine, far from any spot."""
    lit = np.argwhere(picture > 0)
    away, _ = cKDTree(truth[["row_px", "column_px"]]).query(lit)
    return int(np.count_nonzero(away > 8))


def test_faint_spots_that_come_back_are_shown_and_noise_is_not(
    scan, truth, word, network
):
    faint, extra = [], []
    for asked in ((), word):
        steps = iter_clean(scan, network, order=range(4, 10), word=asked)
        seen, false = [], 0
        for done in steps:
            here = truth[truth["projection"] == done.index]
            some = here[here["snr"].between(3.5, 6)]
            seen.append(shown(done.image, some))
            false += specks(done.image, here)
        faint.append(np.concatenate(seen).mean())
        extra.append(false)
    assert faint[1] > faint[0] + 0.1
    assert extra[1] < extra[0] / 2


def test_bright_spots_keep_their_grey_values(scan, truth, word, network):
    done = next(iter_clean(scan, network, order=[5], word=word))
    here = truth[(truth["projection"] == 5) & (truth["snr"] > 30)]
    row, column = (here[name].round().astype(int) for name in ("row_px", "column_px"))
    answer = done.answer.image[row, column]
    np.testing.assert_array_equal(done.image[row, column], answer)


def test_direct_hits_go(scan, word, network):
    done = next(iter_clean(scan, network, order=[0], word=word))
    assert done.answer.image[HIT] > 200
    assert done.image[HIT] == 0


def test_progress_counts_projections(scan):
    steps = iter_word(scan, FILTERS)
    first = next(steps)
    assert first == Progress(1, len(scan), "projection 1 asked")


def test_too_few_projections_are_not_asked(small_stack):
    assert drained(iter_word(small_stack, FILTERS)) == ()


def test_who_cleans_without_filters_is_not_asked(scan, threshold):
    assert drained(iter_word(scan, threshold)) == ()


def test_asking_can_be_left_out(scan, network):
    assert drained(iter_word(scan, network, companions=False)) == ()


@pytest.mark.parametrize("companions", [True, False])
def test_the_history_tells_whether_projections_were_asked(network, companions):
    cleaned = clean(draw_stack(12), network, companions=companions)
    assert cleaned.history[-1].endswith("projections asked.") == companions


def test_a_job_paints_what_cleaning_in_memory_paints(tmp_path, monkeypatch, network):
    monkeypatch.setattr(Denoiser, "load", lambda *_: network)
    stack = draw_stack(12)
    path = write_stack(stack, tmp_path / "scan.tif")
    job = CleanJob(source=ScanSource(path=str(path)))
    opened = job.open()
    # In blocks, as workers do them: what was asked once is not asked again.
    results = [*opened.frames([3, 1]), *opened.frames([7])]
    waits = [step for step in results if isinstance(step, Progress)]
    assert len(waits) == 12
    wanted = clean(stack, network)
    for result in results[12:]:
        np.testing.assert_array_equal(
            result.images["cleaned"], wanted.images[result.index]
        )
    assert opened.outputs["cleaned"].history[-1] == wanted.history[-1]
    plain = job.model_copy(update={"companions": False}).open()
    assert plain.outputs["cleaned"].history[-1] != wanted.history[-1]
    assert not any(isinstance(step, Progress) for step in plain.frames([1]))
