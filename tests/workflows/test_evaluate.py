"""Ways to spots, scored on a small simulated scan."""

import numpy as np
import pytest

from napari_labdct.core import (
    Detector,
    Geometry,
    InputError,
    ProjectionStack,
    ScanPlan,
    SpotTable,
    drained,
)
from napari_labdct.physics import SimulationSettings
from napari_labdct.workflows.evaluate import (
    iter_evaluate_measured,
    iter_evaluate_simulated,
    iter_simulated,
)
from napari_labdct.workflows.routes import ROUTES, Way, iter_route
from napari_labdct.workflows.truth import usable
from napari_labdct.workflows.virtual_sample import CylinderSample
from napari_labdct.workflows.virtual_scan import VirtualScan

SCAN = VirtualScan(
    crystal="Fe",
    sample=CylinderSample(
        diameter=300, height=300, grain_size=110, grain_size_sd=0, element_size=40
    ),
    geometry=Geometry(
        source_to_sample=100,
        sample_to_detector=100,
        detector=Detector(rows=300, columns=320, pixel_size=200, blur_sigma=1.2),
    ),
    plan=ScanPlan(omega_step=30, count=12),
    settings=SimulationSettings(families=3, workers=1),
    seed=3,
)
CLASSICS = ("raw", "log", "conventional", "classical")


@pytest.fixture(scope="module")
def simulated():
    return drained(iter_simulated(SCAN))


def test_expected_snr_is_that_of_the_background_noise(simulated):
    stack, truth = simulated
    assert stack.shape == (12, 300, 320)
    assert stack.images.dtype == np.uint16
    frame = truth.frame
    clear = frame[~frame.hidden & ~frame.overlap & ~frame.cut & (frame.snr > 20)]
    assert len(clear) > 30
    # For a Gaussian spot of width s: SNR = I / (2 √π s σ).
    level = np.median(stack.images, axis=0)
    at = clear[["row_px", "column_px"]].round().astype(int).to_numpy()
    sigma = np.sqrt(1.5 * level[tuple(at.T)])
    ratio = clear.intensity / (2 * np.sqrt(np.pi) * 1.35 * sigma) / clear.snr
    assert ratio.median() == pytest.approx(1, abs=0.25)


def test_the_scan_helps(simulated):
    stack, truth = simulated
    scores = drained(iter_evaluate_simulated(stack, truth, CLASSICS, tolerance=2))
    table = scores.set_index("route")
    assert list(table.index) == list(CLASSICS)
    assert table.f1_above["classical"] > 0.8
    assert table.f1_above["classical"] >= table.f1_above["raw"] - 0.01
    assert table.distance_px["classical"] < 0.3
    assert table.intensity_ratio["classical"] == pytest.approx(1, abs=0.06)
    assert table.recall_50_inf["classical"] > 0.95


def test_measured_scans_are_scored_by_the_protocol(simulated):
    stack, truth = simulated
    steps = iter_evaluate_measured(stack, truth, ["classical"], per_frame=[10, 30])
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            scores = end.value
            break
    assert [step.done for step in seen] == list(range(1, 13))
    assert seen[-1].total == 12
    assert scores.spots_per_frame.tolist() == [10, 30]
    assert scores.net.is_monotonic_increasing
    assert scores.unexplained_per_frame[0] < 1
    assert "recall_3_5" in scores


def test_every_way_without_a_network_gives_a_table_a_projection(simulated):
    stack, _ = simulated
    few = ProjectionStack(stack.images[:12], stack.omega, source="few")
    for route in ("raw", "log", "dog", "tophat", "conventional", "classical"):
        tables = list(iter_route(few, route))
        assert len(tables) == 12
        assert all(isinstance(table, SpotTable) for table in tables)
        assert (tables[5].frame.projection == 5).all()
        assert (tables[5].frame.omega_deg == 150).all()


def test_the_network_is_asked_where_it_is_part_of_the_way(small_stack, threshold):
    way = Way()
    for route in ("network", "network-single"):
        tables = list(iter_route(small_stack, route, denoiser=threshold, way=way))
        assert len(tables) == len(small_stack)
        assert sum(len(table) for table in tables) > 10
        assert (tables[3].frame.projection == 3).all()


def test_mendable_mistakes_are_named(small_stack):
    with pytest.raises(InputError, match="no way to spots named 'magic'"):
        next(iter_route(small_stack, "magic"))
    with pytest.raises(InputError, match="give a denoiser"):
        next(iter_route(small_stack, "network"))
    assert set(CLASSICS) <= set(ROUTES)


def test_an_uneven_border_and_a_box_do_not_count():
    use = usable((10, 12), (1, 2, 3, 4), (4, 6, 5, 7))
    expected = np.zeros((10, 12), bool)
    expected[1:8, 3:8] = True
    expected[4:6, 5:7] = False
    assert np.array_equal(use, expected)
    assert np.array_equal(usable((10, 12), 2), usable((10, 12), (2, 2, 2, 2)))
