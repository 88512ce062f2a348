import json

import numpy as np
import pytest

from napari_labdct.core import InputError, ScanPlan
from napari_labdct.files import read_spots, read_stack
from napari_labdct.workflows.simulation_run import RunFiles, iter_to_files
from napari_labdct.workflows.virtual_sample import (
    BoxSample,
    CylinderSample,
    GrainListSample,
)
from napari_labdct.workflows.virtual_scan import VIRTUAL_SCANS, VirtualScan


def small(**update):
    """A scan of a few grains on a coarse detector."""
    scan = VirtualScan.preset("hovad2020")
    detector = scan.geometry.detector.model_copy(
        update={"rows": 250, "columns": 250, "pixel_size": 27.3}
    )
    return scan.model_copy(
        update={
            "sample": CylinderSample(diameter=150, height=150, element_size=20),
            "geometry": scan.geometry.model_copy(update={"detector": detector}),
            "plan": ScanPlan(omega_start=0, omega_step=5, count=4),
            **update,
        }
    )


def test_the_paper_to_the_letter():
    scan = VirtualScan.preset("hovad2020")
    geometry, detector = scan.geometry, scan.geometry.detector
    assert geometry.source_to_sample == geometry.sample_to_detector == 11
    assert detector.shape == (1015, 1015)
    assert detector.pixel_size == 6.72
    assert scan.plan.count == 181
    assert scan.plan.omega_step == 2
    assert scan.beam.kvp == 140
    assert scan.crystal == "Al"
    assert scan.sample.diameter == 400
    assert scan.sample.height == 600
    assert geometry.beam_stop.height == geometry.beam_stop.width == 3.24
    flux = scan.beam.spectrum().total_flux(11)
    assert flux == pytest.approx(5e8, rel=0.2)


@pytest.mark.parametrize("name", list(VIRTUAL_SCANS))
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_run_files_give_back_the_same_scan(tmp_path, name, suffix):
    scan = VirtualScan.preset(name)
    path = scan.write(tmp_path / f"run.{suffix}")
    assert VirtualScan.read(path) == scan
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", list(VIRTUAL_SCANS))
def test_every_preset_makes_spots(name):
    scan = VirtualScan.preset(name)
    sample = scan.sample.model_copy(
        update={
            "diameter": 2.5 * scan.sample.grain_size,
            "height": 2.5 * scan.sample.grain_size,
            "element_size": scan.sample.grain_size / 6,
        }
    )
    plan = scan.plan.model_copy(update={"count": 1})
    scan = scan.model_copy(update={"sample": sample, "plan": plan})
    (projection,) = scan.iter_projections()
    assert projection.image.shape == scan.geometry.detector.shape
    assert len(projection.spots) > 5
    assert projection.image.max() > 1


def test_the_seed_is_the_sample():
    one, same, other = (small(seed=seed).polycrystal() for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.centre, same.centre)
    assert not np.allclose(one.orientation.as_quat(), other.orientation.as_quat())


def test_a_scan_comes_with_its_table_and_its_name():
    scan = small()
    stack, spots = scan.simulate()
    assert stack.source == "hovad2020"
    assert stack.seed == scan.seed
    np.testing.assert_array_equal(stack.omega, [0, 5, 10, 15])
    total = spots.frame.groupby("projection")["intensity"].sum()
    np.testing.assert_allclose(stack.images.sum(axis=(1, 2)), total, rtol=1e-3)


def test_boxes_and_mosaic_spread():
    box = BoxSample(
        width_x=120, width_y=100, height=150, element_size=20, mosaic_spread=0.1
    )
    sample = small(sample=box).polycrystal()
    assert sample.misorientation is not None
    assert np.abs(sample.centre[:, 2]).max() < 0.075


def test_a_list_of_grains(tmp_path):
    path = tmp_path / "grains.csv"
    path.write_text(
        "x_mm,y_mm,z_mm,phi1,Phi,phi2,diameter_um\n"
        "0.01,0.02,0.03,10,20,30,60\n-0.01,0,0,80,70,60,\n"
    )
    scan = small(sample=GrainListSample(path=str(path), grain_size=40))
    sample = scan.polycrystal()
    np.testing.assert_allclose(sample.grain_size_um, [60, 40])
    assert sample.outline is None
    assert next(scan.iter_projections()).image.sum() > 0


class TestFiles:
    def test_everything_is_there(self, tmp_path):
        scan = small(noise=True)
        tables = list(iter_to_files(scan, tmp_path / "run.tif"))
        stack, spots = scan.simulate()
        files = RunFiles(tmp_path / "run.tif")
        measured, clean = read_stack(files.frames), read_stack(files.clean)
        assert measured.images.dtype == np.uint16
        assert (measured.kind, clean.kind) == ("corrupted", "simulated")
        np.testing.assert_allclose(clean.frame(2), stack.images[2])
        labels = read_stack(files.labels)
        assert labels.frame(3).max() == len(tables[3])
        table = read_spots(files.spots)
        assert len(table) == len(spots)
        # noise changes the unit of brightness, and nothing else
        grey = table.frame["intensity"] / spots.frame["intensity"]
        bright = spots.frame["intensity"] > 1
        np.testing.assert_allclose(grey[bright], grey[bright].iloc[0])
        assert VirtualScan.read(files.run) == scan
        assert len(list(tmp_path.iterdir())) == 5

    def test_a_stop_in_the_middle_leaves_what_was_written(self, tmp_path):
        steps = iter_to_files(small(), tmp_path / "run.tif")
        first = [next(steps), next(steps)]
        steps.close()
        files = RunFiles(tmp_path / "run.tif")
        stack = read_stack(files.frames)
        np.testing.assert_array_equal(stack.omega, [0, 5])
        whole, _ = small().simulate()
        np.testing.assert_allclose(stack.frame(1), whole.images[1])
        assert len(read_stack(files.labels)) == 2
        assert len(read_spots(files.spots)) == sum(len(one) for one in first)
        assert len(list(tmp_path.iterdir())) == 4

    def test_a_stop_before_the_first_leaves_nothing(self, tmp_path):
        steps = iter_to_files(small(), tmp_path / "run.tif")
        steps.close()
        assert not list(tmp_path.iterdir())

    def test_an_error_of_the_scan_leaves_nothing(self, tmp_path):
        scan = small()
        far = scan.geometry.detector.model_copy(update={"centre_row": 1e6})
        geometry = scan.geometry.model_copy(update={"detector": far})
        with pytest.raises(InputError, match="meets the detector"):
            list(iter_to_files(small(geometry=geometry), tmp_path / "run.tif"))
        assert not list(tmp_path.iterdir())


class TestImpossibleRequests:
    def test_unknown_preset(self):
        with pytest.raises(InputError, match="simap"):
            VirtualScan.preset("synchrotron")

    def test_a_run_file_with_a_mistake_names_the_entry(self, tmp_path):
        path = tmp_path / "run.json"
        text = json.loads(small().model_dump_json())
        text["beam"]["kvp"] = 1000
        path.write_text(json.dumps(text))
        with pytest.raises(InputError, match=r"beam\.kvp"):
            VirtualScan.read(path)

    @pytest.mark.parametrize(
        ("name", "text"),
        [("run.json", "{"), ("run.yaml", "a: [1"), ("run.json", "[]")],
    )
    def test_a_file_that_is_no_run_file(self, tmp_path, name, text):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="run"):
            VirtualScan.read(tmp_path / name)

    def test_a_missing_run_file(self, tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            VirtualScan.read(tmp_path / "none.json")

    def test_one_sentence_each(self):
        scan = small(crystal="Cheese")
        with pytest.raises(InputError, match="no crystal named"):
            list(scan.iter_projections())
        far = scan.geometry.detector.model_copy(update={"centre_row": 1e6})
        geometry = scan.geometry.model_copy(update={"detector": far})
        with pytest.raises(InputError, match="meets the detector") as error:
            list(small(geometry=geometry).iter_projections())
        assert str(error.value).count(". ") == 0
