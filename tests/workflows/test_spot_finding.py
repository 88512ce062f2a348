from types import SimpleNamespace

import numpy as np
import pytest

from napari_labdct.analysis import FindSettings
from napari_labdct.core import InputError, ProjectionStack, SpotTable
from napari_labdct.workflows.cleanup import clean
from napari_labdct.workflows.scan_traits import ScanTraits
from napari_labdct.workflows.spot_finding import iter_spots, settings_for


def found(stack, denoiser, **settings):
    tables = list(iter_spots(stack, denoiser, FindSettings(**settings)))
    assert len(tables) == len(stack)
    return SpotTable.concatenate(tables).frame


def test_network_and_significance_find_the_same_strong_spots(small_stack, threshold):
    one, other = found(small_stack, threshold), found(small_stack, None)
    # What the stand-in leaves of the background is larger than any spot.
    strong = one[(one["snr"] > 30) & (one["area_px"] < 300)]
    assert len(strong) > 20
    nearest = []
    for spot in strong.itertuples():
        near = other[other["projection"] == spot.projection]
        away = np.hypot(near.row_px - spot.row_px, near.column_px - spot.column_px)
        nearest.append(away.min())
    # Spots that overlap may be split by one and not by the other.
    assert np.median(nearest) < 0.3
    assert np.mean(np.array(nearest) < 4) > 0.9


def test_settings_reach_the_finder(small_stack):
    few = found(small_stack, None, false_alarms=1e-9)
    many = found(small_stack, None, false_alarms=100)
    assert len(few) < len(many)


def test_angles_are_in_the_table(small_stack, threshold):
    table = found(small_stack, threshold)
    omega = small_stack.omega[table["projection"]]
    np.testing.assert_array_equal(table["omega_deg"], omega)


def test_cleaned_stack_is_refused(small_stack, threshold):
    with pytest.raises(InputError, match="cleaned already"):
        next(iter_spots(clean(small_stack, threshold), None))


def test_a_calibrated_model_gives_the_widths_that_nobody_sets():
    traits = ScanTraits(
        projections=8,
        level=500,
        sigma=20,
        drift=0.01,
        correlation=0,
        zinger_rate=0,
        spots=50,
        width=(2.5, 9.0, 15.0),
        elongation=3,
    )
    model = SimpleNamespace(scan=traits.model_dump(mode="json"))
    usual = settings_for(model, FindSettings(false_alarms=7))
    assert usual.binning == traits.find_settings.binning > 1
    assert usual.scales == traits.find_settings.scales
    assert usual.arc_length == traits.find_settings.arc_length > 0
    assert usual.false_alarms == 7
    own = FindSettings(scales=(3.0,))
    assert settings_for(model, own) == own
    assert settings_for(SimpleNamespace(scan=None)) == FindSettings()
    assert settings_for(None, own) == own


def test_the_widths_of_a_calibrated_model_reach_the_finder(small_stack, threshold):
    few = ProjectionStack(small_stack.images[:1], small_stack.omega[:1])
    (plain,) = iter_spots(few, threshold)
    calibrated = type(threshold)()
    calibrated.scan = {
        "projections": 8,
        "level": 500,
        "sigma": 20,
        "drift": 0.01,
        "correlation": 0,
        "zinger_rate": 0,
        "spots": 50,
        "width": (2.5, 9.0, 15.0),
        "elongation": 1,
    }
    (wide,) = iter_spots(few, calibrated)
    assert set(plain.frame.area_px % 4) != {0}
    assert set(wide.frame.area_px % 4) == {0}
