"""The combo box of layers."""

import numpy as np
import pytest

from napari_labdct.plugin.choices import Choice, LayerChoice
from napari_labdct.plugin.layers import is_stack


@pytest.fixture
def choice(qtbot):
    made = Choice("nothing yet", "Which one.")
    qtbot.addWidget(made)
    return made


@pytest.fixture
def layer_choice(viewer, choice):
    made = LayerChoice(viewer, choice, is_stack)
    yield made
    made.close()


def test_it_says_when_there_is_nothing(choice):
    assert choice.name == ""
    assert choice.currentText() == "nothing yet"
    assert not choice.isEnabled()


def test_it_tells_only_when_the_choice_changes(choice):
    seen = []
    choice.chosen.connect(seen.append)
    choice.set_names(["a", "b"])
    choice.set_names(["z", "a", "b"])
    choice.set_names(["z", "b"])
    choice.set_names([])
    assert seen == ["a", "z", ""]


def test_it_follows_the_layers(viewer, choice, layer_choice):
    assert layer_choice.layer is None
    first = viewer.add_image(np.zeros((2, 5, 5)), name="first")
    viewer.add_points(np.zeros((1, 2)))
    second = viewer.add_image(np.zeros((2, 5, 5)), name="second")
    assert [choice.itemText(i) for i in range(choice.count())] == ["second", "first"]
    assert layer_choice.layer is first
    layer_choice.select(second)
    second.name = "renamed"
    assert layer_choice.layer is second
    assert choice.name == "renamed"
    viewer.layers.remove(second)
    assert layer_choice.layer is first
    viewer.layers.clear()
    assert layer_choice.layer is None


def test_closed_it_listens_no_more(viewer, choice, layer_choice):
    layer_choice.close()
    viewer.add_image(np.zeros((2, 5, 5)))
    assert choice.name == ""
    layer_choice.close()
