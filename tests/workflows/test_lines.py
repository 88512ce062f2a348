import numpy as np
import pandas as pd
import pytest

from napari_labdct.core import SpotTable
from napari_labdct.workflows.lines import choose_lines

SIZE = 400


def scene(count, seed=0):
    """Spots of rising strength, a dark square in the middle of the background."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(30, SIZE - 30, (count, 2))
    at = at[np.abs(at - SIZE / 2).max(1) > 60]
    snr = np.geomspace(5, 500, len(at))
    row, column = np.mgrid[:SIZE, :SIZE]
    cleaned = np.zeros((SIZE, SIZE), np.float32)
    for (r, c), height in zip(at, snr, strict=True):
        cleaned += height * np.exp(-((row - r) ** 2 + (column - c) ** 2) / 5)
    background = np.full((SIZE, SIZE), 500, np.float32)
    background[150:250, 150:250] = 50
    names = ("omega_deg", "area_px", "peak", "intensity")
    table = pd.DataFrame(
        {"projection": 0, "row_px": at[:, 0], "column_px": at[:, 1], "snr": snr}
        | dict.fromkeys(names, 1.0)
    )
    return SpotTable(table), background, cleaned


def along(image, line):
    (row, column), (last_row, last_column) = line
    rows = np.rint(np.linspace(row, last_row, 200)).astype(int)
    columns = np.rint(np.linspace(column, last_column, 200)).astype(int)
    return image[rows, columns]


@pytest.mark.parametrize("seed", range(4))
def test_lines_show_what_their_names_promise(seed):
    spots, background, cleaned = scene(150, seed)
    lines = choose_lines(spots, background, cleaned)
    assert list(lines) == ["A", "B", "C"]
    for line in lines.values():
        assert np.min(line) >= 0
        assert np.max(line) <= SIZE - 1
    strong, weak = along(cleaned, lines["A"]), along(cleaned, lines["B"])
    assert strong.max() > 150
    assert 3 < weak.max() < 60
    assert np.ptp(along(background, lines["C"])) == 450
    assert np.ptp(along(background, lines["A"])) == 0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_frames_with_hardly_a_spot_get_level_lines(count):
    spots, background, cleaned = scene(60)
    few = SpotTable(spots.frame.iloc[:count])
    lines = choose_lines(few, background, cleaned)
    assert list(lines) == ["A", "B", "C"]
    assert all(start[0] == stop[0] for start, stop in lines.values()) or count == 2


def test_many_spots_are_quick_to_choose_from():
    spots, background, cleaned = scene(500)
    assert len(choose_lines(spots, background, cleaned)) == 3
