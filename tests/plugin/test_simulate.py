"""*Simulate projections* from the form to layers."""

import numpy as np
import pytest

from napari_labdct.core import BeamStop, Detector, Geometry, Progress, ScanPlan
from napari_labdct.physics import ipf_colours
from napari_labdct.plugin import grain_layer, layers
from napari_labdct.plugin.forms import Form
from napari_labdct.plugin.simulate import SHOWN, SimulateController
from napari_labdct.plugin.simulate_view import SimulateView
from napari_labdct.plugin.simulating import Simulating, one_projection
from napari_labdct.plugin.tasks import State
from napari_labdct.workflows.virtual_sample import BoxSample, CylinderSample
from napari_labdct.workflows.virtual_scan import VIRTUAL_SCANS, VirtualScan

SMALL = VirtualScan(
    name="small",
    sample=CylinderSample(diameter=200, height=200, grain_size=100, element_size=25),
    geometry=Geometry(
        detector=Detector(rows=100, columns=120, pixel_size=70),
        beam_stop=BeamStop(height=1, width=1),
    ),
    plan=ScanPlan(omega_start=10, omega_step=5, count=3),
    noise=True,
    seed=3,
)


SPOTS = "small preview spots"


@pytest.fixture
def view(qtbot):
    made = SimulateView(Form(SMALL, shown=SHOWN))
    qtbot.addWidget(made)
    return made


@pytest.fixture
def controller(viewer, view, wait):
    made = SimulateController(viewer, view)
    view.scan.show_parameters(SMALL)
    yield made
    made.close()
    wait(lambda: not made.task.state.is_busy)


def test_the_scan_is_what_the_function_simulates(viewer, view, controller, wait):
    view.simulate.click()
    wait(lambda: controller.task.state is State.DONE)
    names = [layer.name for layer in viewer.layers]
    assert names == ["small measured", "small clean", "small spots"]
    measured, clean, points = viewer.layers
    stack, spots = SMALL.simulate()
    np.testing.assert_allclose(clean.data, stack.images, rtol=1e-5)
    assert len(points.data) == len(spots)
    assert measured.data.dtype == np.uint16
    assert measured.data.min() > 0
    low, high = measured.contrast_limits  # of a frame that was there to be seen
    assert measured.data[0].min() <= low < np.median(measured.data[0]) < high
    np.testing.assert_allclose(layers.stack_of(clean).omega, [10, 15, 20])
    assert layers.stack_of(clean).kind == "simulated"
    assert layers.stack_of(measured).seed == 3
    assert str(clean.units[-1]) == "micrometer"
    assert {"hkl", "grain", "energy_keV"} <= set(points.features)
    assert view.message.startswith(f"3 projections with {len(spots)} spots. Sample: ")
    sample = SMALL.polycrystal()
    assert sample.summary in view.message


def test_a_preview_replaces_the_last_one(viewer, view, controller, wait):
    view.scan.editor("noise").setChecked(False)
    for _ in range(2):
        view.preview.click()
        wait(lambda: controller.task.state is State.DONE)
        names = [layer.name for layer in viewer.layers]
        assert names == ["small preview clean", SPOTS]


def test_the_last_scan_is_there_at_the_next_start(viewer, qtbot, kept):
    for last, expected in ((SMALL.model_dump_json(), "small"), ("{", "hovad2020")):
        kept["simulation", "scan"] = last
        view = SimulateView(Form(VIRTUAL_SCANS["hovad2020"], shown=SHOWN))
        qtbot.addWidget(view)
        assert SimulateController(viewer, view).scan.name == expected


def test_the_same_seed_is_the_same_measured_scan():
    made = []
    for _ in range(2):
        empty = np.zeros((3, 100, 120), np.float32)
        job = Simulating(SMALL, empty, np.zeros((3, 100, 120), np.uint16))
        steps = list(job.steps())
        made.append(job.measured)
    np.testing.assert_array_equal(*made)
    assert [step for step in steps if not isinstance(step, Progress)] == [0, 1, 2]
    assert steps[-1] == Progress(3, 3, "3 of 3 projections")


def test_cancel_keeps_what_is_done(viewer, view, controller, wait):
    many = SMALL.model_copy(update={"plan": ScanPlan(omega_step=1, count=300)})
    view.scan.show_parameters(many)
    view.simulate.click()
    wait(lambda: "small clean" in viewer.layers)
    view.cancel.click()
    wait(lambda: controller.task.state is State.DONE)
    assert view.message.startswith("Stopped: ")
    assert viewer.layers["small clean"].data[0].any()


def test_a_live_preview_follows_the_form(viewer, view, controller, wait):
    view.live.setChecked(True)
    wait(lambda: SPOTS in viewer.layers and not controller.task.state.is_busy)
    clean = viewer.layers["small preview clean"]
    clean.contrast_limits = (0, 7)
    before = clean.data.copy()
    view.scan.editor("geometry.sample_to_detector").setValue(15)
    wait(lambda: (clean.data != before).any() and not controller.task.state.is_busy)
    assert viewer.layers["small preview clean"] is clean
    assert tuple(clean.contrast_limits) == (0, 7)
    assert layers.stack_of(clean).geometry.sample_to_detector == 15
    view.live.setChecked(False)
    view.scan.editor("geometry.sample_to_detector").setValue(11)
    assert not controller._soon.isActive()


def test_grains_in_three_dimensions(view, controller, wait, monkeypatch):
    from napari.components import ViewerModel

    assert not view.grains.isEnabled()
    view.preview.click()
    wait(view.grains.isEnabled)
    other = ViewerModel()
    monkeypatch.setattr(grain_layer, "new_viewer", lambda title: other)
    view.grains.click()
    assert other.dims.ndisplay == 3
    (grains,) = other.layers
    assert grains.name == "small grains"
    sample = SMALL.polycrystal()
    assert set(np.unique(grains.data)) == {0, *range(1, len(sample) + 1)}
    colour = ipf_colours(sample.orientation, sample.crystal)
    np.testing.assert_allclose(grains.get_color(2)[:3], colour[1], atol=1e-6)
    # rows run down and columns to the right, as on the detector
    x, y, z = sample.centre[sample.grain_of == 1][0] * 1000
    assert grains.get_value((x, -z, -y), world=True) == 2
    assert grains.features["size_um"][2] == round(sample.grain_size_um[1], 1)


def test_one_projection_keeps_all_but_the_plan():
    one = one_projection(SMALL, 33.0)
    assert one.plan.omega_deg.tolist() == [33]
    assert (one.geometry, one.sample, one.seed) == (SMALL.geometry, SMALL.sample, 3)


def test_presets_fill_the_form(view, controller):
    view.preset.setCurrentText("versa-13-si")
    versa = VIRTUAL_SCANS["versa-13-si"].model_copy(update={"noise": True})
    assert controller.scan == versa
    view.scan.editor("plan.count").setValue(7)
    assert controller.scan.plan.count == 7
    view.reset_wanted.emit()
    assert controller.scan == versa


def test_run_files_are_read_and_written(view, controller, tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    box = SMALL.model_copy(update={"sample": BoxSample(width_x=50)})
    view.scan.show_parameters(box)
    monkeypatch.setattr(view, "ask_save", lambda *a: path)
    view.save_wanted.emit()
    view.preset.setCurrentText("simap")
    monkeypatch.setattr(view, "ask_open", lambda *a: path)
    view.open_wanted.emit()
    assert controller.scan == box
    path.write_text("{")
    view.open_wanted.emit()
    assert "run.json" in view.message


def test_what_cannot_be_simulated_is_said(viewer, view, controller, wait):
    view.scan.editor("crystal").setText("Unobtainium")
    view.simulate.click()
    wait(lambda: controller.task.state is State.FAILED)
    assert view.message.startswith("⚠")
    assert "Unobtainium" in view.message
    assert view.simulate.isEnabled()
    assert not viewer.layers
