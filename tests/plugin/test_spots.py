"""*Spots*: the list, the table, the points, and how they keep together."""

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt

from napari_labdct.core import Detector, Geometry, ProjectionStack, SpotTable
from napari_labdct.files import read_spots, write_spots
from napari_labdct.plugin import adding, grid, layers, spots_layer
from napari_labdct.plugin.spot_list import Filter, SpotList, by_hand
from napari_labdct.plugin.spots import SpotsController, settings_form
from napari_labdct.plugin.spots_grains import known_spots
from napari_labdct.plugin.spots_table import SpotsTable
from napari_labdct.plugin.spots_view import SpotsView
from napari_labdct.plugin.tasks import State
from napari_labdct.workflows.spot_finding import iter_spots


def table(count=4, **more):
    number = np.arange(count)
    return SpotTable(
        pd.DataFrame(
            {
                "projection": number // 2,
                "omega_deg": -10 + 2.0 * (number // 2),
                "row_px": 10.0 + 10 * number,
                "column_px": 60.0 - 10 * number,
                "area_px": 3.0 + number,
                "peak": 50.0,
                "intensity": 200.0,
                "snr": 5.0 * (count - number),
                **more,
            }
        )
    )


TRUTH = {"grain": 1, "h": 1, "k": -1, "l": 1, "energy_keV": 40.123}


class TestList:
    def test_the_filter_hides_and_forgets_nothing(self):
        spots = SpotList(table(), Filter(least_snr=10, least_area=4))
        assert spots.shown.frame["snr"].tolist() == [15, 10]
        assert len(spots.table) == 4

    def test_what_is_not_known_is_never_hidden(self):
        spots = SpotList(by_hand(0, 0.0, 3.0, 4.0), Filter(least_snr=10))
        assert len(spots.shown) == 1

    def test_steps_can_be_taken_back_and_done_again(self):
        spots = SpotList(table())
        spots.remove([0, 2])
        spots.add(by_hand(1, -8.0, 1.0, 2.0))
        rows = [10, 20, 30, 40]
        assert spots.table.frame["row_px"].tolist() == [20, 40, 1]
        spots.undo()
        spots.undo()
        assert spots.table.frame["row_px"].tolist() == rows
        assert not spots.can_undo
        spots.redo()
        assert spots.table.frame["row_px"].tolist() == [20, 40]
        spots.remove([0])
        assert not spots.can_redo

    def test_removing_counts_shown_rows_only(self):
        spots = SpotList(table(), Filter(least_snr=0, least_area=5))
        spots.remove([0])
        assert spots.table.frame["row_px"].tolist() == [10, 20, 40]

    def test_a_spot_by_hand_fits_into_a_table_of_true_spots(self):
        spots = SpotList(table(**TRUTH))
        spots.add(by_hand(1, -8.0, 1.0, 2.0))
        last = spots.table.frame.iloc[-1]
        assert (last["grain"], last["h"]) == (-1, 0)
        assert np.isnan(last["energy_keV"])
        assert spots.table.is_truth


class TestTable:
    @pytest.fixture
    def view(self, qtbot):
        made = SpotsTable()
        qtbot.addWidget(made)
        made.show_frame(table(**TRUTH).frame)
        return made

    def cells(self, view, name):
        model = view.spots
        heads = [
            model.headerData(i, Qt.Orientation.Horizontal)
            for i in range(model.columnCount())
        ]
        column = heads.index(name)
        return [model.data(model.index(row, column)) for row in range(model.rowCount())]

    def test_it_shows_what_is_known(self, view):
        assert self.cells(view, "SNR") == ["20.0", "15.0", "10.0", "5.0"]
        assert self.cells(view, "hkl") == ["1 -1 1"] * 4
        assert self.cells(view, "keV")[0] == "40.1"
        view.show_frame(table().frame)
        with pytest.raises(ValueError, match="hkl"):
            self.cells(view, "hkl")

    def test_sorting_keeps_the_numbers_of_the_spots(self, view):
        told = []
        view.picked.connect(told.append)
        view.sortByColumn(3, Qt.SortOrder.AscendingOrder)
        assert self.cells(view, "SNR") == ["5.0", "10.0", "15.0", "20.0"]
        view.selectRow(0)
        assert told == [[3]]
        view.choose([0, 1])
        assert view.chosen == [0, 1]
        assert told == [[3]]

    def test_unknown_is_empty(self, view):
        view.show_frame(by_hand(0, 0.0, 1.0, 2.0).frame)
        assert self.cells(view, "SNR") == [""]


class TestWidget:
    @pytest.fixture
    def view(self, qtbot):
        made = SpotsView(settings_form())
        qtbot.addWidget(made)
        return made

    @pytest.fixture
    def controller(self, viewer, view, models, wait):
        made = SpotsController(viewer, view, models)
        wait(lambda: made.model.ready)
        yield made
        made.close()
        wait(lambda: not made.task.state.is_busy)

    @pytest.fixture
    def image(self, viewer, controller, small_stack):
        return adding.add_stack(viewer, small_stack, "scan")

    @pytest.fixture
    def shown(self, controller, image):
        controller._begin(image, table())
        return controller

    def points(self, viewer):
        return viewer.layers["scan spots"]

    @pytest.mark.parametrize("clean", [True, False])
    def test_it_finds_what_the_function_finds(
        self, viewer, view, controller, image, models, wait, clean
    ):
        view.clean_first.setChecked(clean)
        view.find.click()
        wait(lambda: controller.task.state is State.DONE)
        stack = layers.stack_of(image)
        tables = list(iter_spots(stack, models.network if clean else None))
        expected = SpotTable.concatenate(tables)
        assert len(expected) > 10
        np.testing.assert_allclose(
            self.points(viewer).data, spots_layer.coordinates(expected)
        )
        assert view.message == f"{len(expected)} spots found."
        assert view.count.text() == f"{len(expected)} of {len(expected)} spots"

    def test_cleaned_stacks_are_not_offered(self, viewer, view, image):
        adding.add_results(viewer, image, image.data * 0.0, image.data * 1.0)
        names = [view.layers.itemText(i) for i in range(view.layers.count())]
        assert names == ["scan"]

    def test_a_row_shows_its_frame_and_spot(self, viewer, view, shown, image):
        view.table.selectRow(2)
        assert layers.index_of(viewer, image) == 1
        assert viewer.scene.camera.center[1:] == pytest.approx((30 * 6.72, 40 * 6.72))
        assert set(self.points(viewer).selected_data) == {2}

    def test_a_point_shows_its_row(self, viewer, view, shown):
        self.points(viewer).selected_data = {1}
        self.points(viewer).events.highlight()
        assert view.table.chosen == [1]

    def test_the_filter_acts_on_both(self, viewer, view, shown):
        view.least_snr.setValue(12)
        assert len(self.points(viewer).data) == 2
        assert view.table.spots.rowCount() == 2
        assert view.count.text() == "2 of 4 spots"
        view.least_snr.setValue(0)
        assert len(self.points(viewer).data) == 4

    def test_a_row_of_another_frame_stays_chosen(self, viewer, view, shown, image):
        for number in (3, 0):
            view.table.selectRow(number)
            assert view.table.chosen == [number]
            assert set(self.points(viewer).selected_data) == {number}

    def test_chosen_spots_have_a_colour_of_their_own(self, viewer, view, shown):
        view.table.selectRow(2)
        colours = self.points(viewer).border_color
        assert (colours[2] != colours[[0, 1, 3]]).any(-1).all()
        view.table.selectRow(1)
        np.testing.assert_array_equal(
            self.points(viewer).border_color[2], colours[[0, 1, 3]][0]
        )

    def test_a_click_on_a_spot_chooses_its_row(self, viewer, view, shown, image, click):
        viewer.layers.selection.active = image
        click(viewer, image, (20.4, 49.8))
        assert view.table.chosen == [1]
        click(viewer, image, (30, 40))  # a spot of the other projection
        click(viewer, image, (10, 60), drag=20)  # moves the picture
        assert view.table.chosen == [1]
        layers.show_index(viewer, image, 1)
        click(viewer, image, (30, 40))
        assert view.table.chosen == [2]

    def test_a_hand_that_trembles_clicks_all_the_same(
        self, viewer, view, shown, image, click
    ):
        viewer.layers.selection.active = image
        zoom = float(image.scale[-1]) * viewer.scene.camera.zoom
        click(viewer, image, (20.4, 49.8), drag=2 / zoom)
        assert view.table.chosen == [1]

    def test_the_spot_under_the_mouse_is_told(self, viewer, view, shown, image, click):
        shown.spots.change(table(**TRUTH))
        shown._show()
        click(viewer, image, (10, 60), press=False)
        assert view.hover.text() == "hkl 1 -1 1 · grain 1 · 40.1 keV · SNR 20 · 3 px"
        click(viewer, image, (50, 10), press=False)
        assert "grain" not in view.hover.text()

    def test_add_remove_undo(self, viewer, view, shown, image, click):
        view.table.selectRow(0)
        view.remove.click()
        assert len(self.points(viewer).data) == 3
        view.add.setChecked(True)
        click(viewer, image, (50, 60))
        click(viewer, image, (-500, 0))
        click(viewer, image, (52, 62), drag=20)
        np.testing.assert_allclose(self.points(viewer).data[-1], [0, 50, 60])
        assert len(self.points(viewer).data) == 4
        view.add.setChecked(False)
        click(viewer, image, (40, 40))
        assert len(self.points(viewer).data) == 4
        view.undo.click()
        view.undo.click()
        assert len(self.points(viewer).data) == 4
        assert not view.undo.isEnabled()
        assert view.redo.isEnabled()

    def test_nothing_of_it_stays_in_the_viewer(self, viewer, view, models, qtbot):
        before = len(viewer.mouse_drag_callbacks), len(viewer.mouse_move_callbacks)
        made = SpotsController(viewer, view, models)
        made.close()
        after = len(viewer.mouse_drag_callbacks), len(viewer.mouse_move_callbacks)
        assert before == after

    def test_known_spots_are_not_written_over(
        self, viewer, view, controller, image, wait
    ):
        from napari.layers import Layer

        stack = layers.stack_of(image)
        data = spots_layer.spots_to_layer(table(**TRUTH), stack, "true spots")
        viewer.add_layer(Layer.create(*data))
        assert view.table.spots.rowCount() == 4
        view.find.click()
        wait(lambda: controller.task.state is State.DONE)
        assert len(viewer.layers["true spots"].data) == 4
        assert len(self.points(viewer).data) == view.table.spots.rowCount() > 10

    def test_without_image_and_points_there_is_nothing(self, viewer, view, shown):
        viewer.layers.clear()
        assert view.table.spots.rowCount() == 0
        assert view.count.text() == "no spots yet"

    def test_points_follow_a_scale_that_is_given(self, viewer, shown, image):
        grid.set_scan(viewer, image, 0, 2, 50.0)
        assert self.points(viewer).scale[-1] == 50

    def test_known_spots_name_the_found_ones(
        self, viewer, view, shown, wait, tmp_path, monkeypatch
    ):
        frame = table(**TRUTH).frame.iloc[[0, 2]]
        write_spots(SpotTable(frame), tmp_path / "known.csv")
        monkeypatch.setattr(view, "ask_open", lambda *a: tmp_path / "known.csv")
        view.grains.click()
        wait(lambda: "belong" in view.message)
        assert "2 of 4 spots belong to 1 of 1 grains" in view.message
        assert shown.spots.table.frame["grain"].tolist() == [1, -1, 1, -1]
        assert self.points(viewer).features["hkl"].tolist() == ["1 -1 1", ""] * 2
        view.undo.click()
        assert "grain" not in shown.spots.table.frame

    def test_a_list_of_grains_names_its_own_reflections(
        self, viewer, view, controller, wait, tmp_path, monkeypatch
    ):
        geometry = Geometry(
            source_to_sample=14,
            sample_to_detector=14,
            detector=Detector(rows=300, columns=300, pixel_size=60),
        )
        blank = np.zeros((3, 300, 300), np.uint16)
        stack = ProjectionStack(blank, np.array([0.0, 2, 4]), geometry)
        image = adding.add_stack(viewer, stack, "scan")
        rng = np.random.default_rng(3)
        grains = pd.DataFrame(
            rng.uniform(-0.02, 0.02, (4, 3)), columns=["x_mm", "y_mm", "z_mm"]
        ).assign(phi1=rng.uniform(0, 360, 4), phi=rng.uniform(0, 180, 4), phi2=10.0)
        path = tmp_path / "grains.csv"
        grains.to_csv(path, index=False)
        expected = known_spots(path, stack, "Fe")
        plain = expected.frame.drop(columns=["grain", "h", "k", "l", "energy_keV"])
        controller._begin(image, SpotTable(plain))
        monkeypatch.setattr(view, "ask_open", lambda *a: path)
        view.crystal.setCurrentText("Fe")
        view.grains.click()
        wait(lambda: "belong" in view.message)
        named = controller.spots.table.frame
        same = named["grain"].to_numpy() == expected.frame["grain"].to_numpy()
        assert same.mean() > 0.95
        wait(lambda: not controller.naming.state.is_busy)
        path.write_text("a,b\n1,2\n")
        view.grains.click()
        wait(lambda: view.message.startswith("⚠"))

    def test_napari_s_own_tools_are_followed(self, viewer, view, shown):
        points = self.points(viewer)
        points.selected_data = {0, 3}
        points.remove_selected()
        assert shown.spots.table.frame["row_px"].tolist() == [20, 30]
        points.add([1, 44, 55])
        assert shown.spots.table.frame["row_px"].tolist() == [20, 30, 44]
        assert shown.spots.table.frame["omega_deg"].tolist()[-1] == -8
        view.undo.click()
        view.undo.click()
        assert len(points.data) == 4

    def test_tables_are_written_and_read(
        self, viewer, view, shown, tmp_path, monkeypatch
    ):
        path = tmp_path / "spots.csv"
        monkeypatch.setattr(view, "ask_save", lambda *a: path)
        view.least_snr.setValue(12)
        view.save.click()
        assert read_spots(path).frame["snr"].tolist() == [20, 15]
        view.least_snr.setValue(0)
        monkeypatch.setattr(view, "ask_open", lambda *a: path)
        view.open_wanted.emit()
        assert len(self.points(viewer).data) == 2
        path.write_text("a,b\n1,2\n")
        view.open_wanted.emit()
        assert view.message.startswith("⚠")

    def test_removed_points_come_back_when_there_is_something_to_show(
        self, viewer, view, shown
    ):
        viewer.layers.remove("scan spots")
        view.least_snr.setValue(12)
        assert len(self.points(viewer).data) == 2

    def test_spots_of_the_sample_are_taken_over(
        self, viewer, view, controller, small_stack
    ):
        from napari.layers import Layer

        adding.add_stack(viewer, small_stack, "scan")
        data = spots_layer.spots_to_layer(table(**TRUTH), small_stack, "true spots")
        viewer.add_layer(Layer.create(*data))
        assert view.table.spots.rowCount() == 4
        features = viewer.layers["true spots"].features
        assert features["hkl"].tolist() == ["1 -1 1"] * 4

    def test_nothing_chosen_is_said(self, view, shown):
        view.table.clearSelection()
        view.remove.click()
        assert "Choose spots" in view.message


def test_the_clean_sample_is_the_noisy_one_without_noise():
    from napari_labdct.plugin.samples import clean_sample_scan, sample_scan

    (noisy,), (clean,) = sample_scan(), clean_sample_scan()
    assert clean[1]["metadata"][layers.KEY].kind == "simulated"
    one, other = (np.asarray(data[0][5], float) for data in (noisy, clean))
    bright = other > np.percentile(other, 99.8)
    assert one[bright].mean() > 1.5 * np.median(one)
    assert np.median(other) == 0


def test_the_sample_has_its_true_spots(viewer):
    from napari.layers import Layer

    from napari_labdct.plugin.samples import sample_scan, sample_scan_with_spots

    (scan,) = sample_scan()
    image, points = [Layer.create(*data) for data in sample_scan_with_spots()]
    assert scan[0].shape == image.data.shape
    viewer.add_layer(image)
    viewer.add_layer(points)
    spots = points.metadata[layers.KEY]
    assert spots.is_truth
    bright = spots.frame.nlargest(20, "peak")
    for _, spot in bright.iterrows():
        frame = np.asarray(image.data[int(spot["projection"])])
        row, column = round(spot["row_px"]), round(spot["column_px"])
        near = frame[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4]
        assert near.max() > np.median(frame) * 1.3
