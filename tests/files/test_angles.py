import numpy as np
import pytest

from napari_labdct.core import InputError
from napari_labdct.files import read_stack, write_stack
from napari_labdct.files.angles import read_angles


@pytest.mark.parametrize(
    "text",
    [
        "-180\n-177.5\n1e1\n",
        "# from the scanner\n\n-180\n-177.5\n10",
        "omega_deg\n-180\n-177.5\n10\n",
        "Omega [deg],file\n-180,a.tif\n-177.5,b.tif\n10,c.tif\n",
        "file;Angle (deg)\na 1.tif;-180\nb 2.tif;-177.5\nc 3.tif;10\n".replace(
            " ", "_"
        ),
        "1 -180\n2 -177.5\n3 10\n",
        "\ufeffname\ttheta\na\t-180\nb\t-177.5\nc\t10\n",
    ],
)
def test_every_way_to_list_angles(tmp_path, text):
    path = tmp_path / "angles.txt"
    path.write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_angles(path), [-180, -177.5, 10])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "holds no angles"),
        ("1\n2\nthree\n", "line 3: 'three' is no angle"),
        ("1\nnan\n", "line 2: 'nan' is no angle"),
        ("omega,file\n1,a\n", None),
        ("file,omega\na\n", "line 2: '' is no angle"),
    ],
)
def test_what_is_no_list_of_angles(tmp_path, text, what):
    path = tmp_path / "angles.csv"
    path.write_text(text)
    if what is None:
        assert read_angles(path) == [1]
        return
    with pytest.raises(InputError, match=what):
        read_angles(path)


def test_no_text_at_all(tmp_path):
    path = tmp_path / "angles.csv"
    with pytest.raises(InputError, match=r"angles\.csv cannot be read"):
        read_angles(path)
    path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(InputError, match=r"angles\.csv cannot be read"):
        read_angles(path)


def test_a_stack_takes_its_angles_from_a_file(tmp_path, small_stack):
    scan = write_stack(small_stack, tmp_path / "a.tif")
    path = tmp_path / "angles.txt"
    path.write_text("5\n4\n3\n1\n2\n")
    np.testing.assert_array_equal(read_stack(scan, angles=path).omega, [5, 4, 3, 1, 2])
    with pytest.raises(InputError, match="give one of them"):
        read_stack(scan, angles=path, omega_step=1)
    path.write_text("5\n4\n")
    with pytest.raises(InputError, match="2 angles, but the scan has 5"):
        read_stack(scan, angles=path)
