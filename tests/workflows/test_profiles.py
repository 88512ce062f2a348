from dataclasses import replace

import numpy as np
import pytest

from napari_labdct.core import InputError
from napari_labdct.workflows.profiles import profiles_of

LINE = ((10.0, 20.0), (10.0, 60.0))


def test_all_stacks_along_all_lines(small_stack):
    twice = replace(small_stack, images=2 * small_stack.images)
    stacks = {"one": small_stack, "twice": twice}
    found = profiles_of(stacks, [LINE] * 28, projection=3)
    assert [p.name for p in found][:2] + [p.name for p in found][-3:] == [
        *("A", "B"),
        *("Z", "A2", "B2"),
    ]
    values = found[0].values
    np.testing.assert_allclose(values["one"], small_stack.images[3, 10, 20:61])
    np.testing.assert_allclose(values["twice"], 2 * values["one"])


def test_stacks_of_other_shape(small_stack):
    other = replace(small_stack, images=small_stack.images[:, 1:])
    with pytest.raises(InputError, match="differ in shape"):
        profiles_of({"a": small_stack, "b": other}, [LINE])


@pytest.mark.parametrize("end", [(-1, 5), (5, 128), (96, 0), (np.nan, 0)])
def test_ends_outside(small_stack, end):
    with pytest.raises(InputError, match="outside"):
        profiles_of({"a": small_stack}, [((1, 1), end)])
