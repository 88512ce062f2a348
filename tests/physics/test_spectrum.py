import numpy as np
import pytest

from napari_labdct.core import InputError
from napari_labdct.physics import Filter, Spectrum


@pytest.mark.parametrize("kvp", [60, 77, 100, 140, 160])
def test_a_tube_ends_at_its_voltage(kvp):
    spectrum = Spectrum.tube(kvp)
    assert np.all(spectrum.flux[spectrum.energy > kvp] == 0)
    assert spectrum.range[1] > kvp - 2


def test_tungsten_lines_stand_apart():
    spectrum = Spectrum.tube(140)
    between = spectrum.at(np.array([57.75, 58.6, 59.25, 62.0, 67.25]))
    assert between[0] > 5 * between[3]
    assert between[2] > 5 * between[3]
    assert between[4] > 2 * between[3]
    assert between[1] < 0.3 * between[2]  # K alpha 1 and 2 are two lines


def test_no_lines_below_the_edge():
    spectrum = Spectrum.tube(65)
    assert spectrum.at(np.array([59.25]))[0] < 2 * spectrum.at(np.array([61.0]))[0]


def test_flux_at_the_sample_is_that_of_a_microfocus_tube():
    # 0.5 mm Al, 140 kV: 5.5e10 photons s⁻¹ mm⁻² mA⁻¹ at 11 mm
    spectrum = Spectrum.tube(140, current_ua=1000)
    assert spectrum.total_flux(11) == pytest.approx(5.5e10, rel=0.02)
    assert spectrum.total_flux(22) == pytest.approx(spectrum.total_flux(11) / 4)
    assert Spectrum.tube(140, current_ua=10).total_flux(11) == pytest.approx(
        spectrum.total_flux(11) / 100
    )


def test_filters_harden():
    thin = Spectrum.tube(140, filters=())
    thick = Spectrum.tube(140, filters=(Filter(material="Al", thickness=2),))
    assert thick.mean_energy > thin.mean_energy + 10
    assert np.all(thick.flux <= thin.flux)


def test_voltages_between_tables_lie_between():
    low, mid, high = (Spectrum.tube(kvp).total_flux(100) for kvp in (80, 82, 85))
    assert low < mid < high


@pytest.mark.parametrize("kvp", [30, 200])
def test_voltages_without_table(kvp):
    with pytest.raises(InputError, match="60 to 160 kV"):
        Spectrum.tube(kvp)


def test_a_spectrum_without_photons():
    with pytest.raises(InputError, match="no photons"):
        Spectrum(np.arange(10, 50, 1.0), np.zeros(40))
    with pytest.raises(InputError, match="no photons"):
        Spectrum.tube(60, filters=(Filter(material="W", thickness=100),))


@pytest.mark.parametrize(
    ("energy", "flux"),
    [([20, 10], [1, 1]), ([10], [1]), ([10, 20, 30], [1, 1]), ([0, 10], [1, 1])],
)
def test_a_spectrum_that_is_none(energy, flux):
    with pytest.raises(InputError):
        Spectrum(np.array(energy, float), np.array(flux, float))


def test_a_measured_spectrum(tmp_path):
    path = tmp_path / "spectrum.csv"
    path.write_text("energy,flux\n10,1\n20,3\n30,2\n")
    spectrum = Spectrum.read(path)
    np.testing.assert_allclose(spectrum.energy, [10, 20, 30])
    assert spectrum.at(np.array([15.0]))[0] == pytest.approx(2)


@pytest.mark.parametrize("text", ["", "1\n2\n", "a,b\nc,d\n"])
def test_a_file_that_holds_no_spectrum(tmp_path, text):
    (tmp_path / "spectrum.csv").write_text(text)
    with pytest.raises(InputError):
        Spectrum.read(tmp_path / "spectrum.csv")
    with pytest.raises(InputError, match="cannot be read"):
        Spectrum.read(tmp_path / "none.csv")


def test_other_tubes_agree_with_the_table():
    pytest.importorskip("spekpy")
    table, computed = Spectrum.tube(100), Spectrum.from_spekpy(100)
    assert computed.total_flux(100) == pytest.approx(table.total_flux(100), rel=0.01)
