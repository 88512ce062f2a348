"""Forms of parameter models."""

from typing import Literal

import pytest
from pydantic import Field, model_validator

from napari_labdct.core import InputError
from napari_labdct.core.geometry import Parameters
from napari_labdct.plugin.forms import Form
from napari_labdct.workflows.virtual_scan import VIRTUAL_SCANS, VirtualScan


class Inner(Parameters):
    size: float = Field(2.5, gt=0, le=100, description="Size of it [µm].")
    odd: tuple[float, ...] = (1.0, 2.0)


class Outer(Parameters):
    count: int = Field(7, ge=1, le=100000, description="How many.")
    rate: float = Field(2e-3, gt=0, le=1, description="How fast.")
    colour: Literal["red", "blue"] = "red"
    sure: bool = True
    name: str = "it"
    kind: Literal["only"] = "only"
    inner: Inner = Inner()

    @model_validator(mode="after")
    def _check(self):
        if self.count > 50 and self.colour == "blue":
            raise ValueError("blue ones are few")
        return self


@pytest.fixture
def form(qtbot):
    made = Form(Outer(), shown=("count", "inner.size"))
    qtbot.addWidget(made)
    return made


def test_it_gives_back_what_it_got(form):
    assert form.parameters == Outer()


def test_every_kind_can_be_edited(form):
    form.editor("count").setValue(12)
    form.editor("rate").setValue(0.25)
    form.editor("colour").setCurrentText("blue")
    form.editor("sure").setChecked(False)
    form.editor("name").setText("that")
    form.editor("inner.size").setValue(80)
    assert form.parameters == Outer(
        count=12,
        rate=0.25,
        colour="blue",
        sure=False,
        name="that",
        inner=Inner(size=80),
    )
    form.reset()
    assert form.parameters == Outer()


def test_few_fields_are_in_sight(qtbot, form):
    form.show()
    in_sight = {
        path: form.editor(path).isVisible() and form.editor(path).visibleRegion()
        for path in ("count", "inner.size", "rate", "name")
    }
    assert [bool(region) for region in in_sight.values()] == [True, True, False, False]


def test_bounds_and_help_come_from_the_model(form):
    size = form.editor("inner.size")
    size.setValue(1e6)
    assert size.value() == 100
    size.setValue(0)
    assert size.value() > 0
    assert size.toolTip() == "Size of it [µm]."
    count = form.editor("count")
    count.setValue(0)
    assert count.value() == 1


def test_small_numbers_are_not_rounded(form):
    form.editor("rate").setValue(1e-5)
    assert form.parameters.rate == pytest.approx(1e-5)
    assert form.editor("rate").text() == "1e-05"


def test_it_tells_of_edits_once(form):
    told = []
    form.changed.connect(lambda: told.append(1))
    form.editor("count").setValue(8)
    assert len(told) == 1
    form.show_parameters(Outer(count=3, inner=Inner(size=4, odd=(9,))))
    assert len(told) == 2
    assert form.parameters == Outer(count=3, inner=Inner(size=4, odd=(9,)))


def test_values_that_do_not_go_together_are_one_sentence(form):
    form.editor("count").setValue(60)
    form.editor("colour").setCurrentText("blue")
    with pytest.raises(InputError, match=r"blue ones are few.*correct this entry\.$"):
        _ = form.parameters


@pytest.mark.parametrize("name", list(VIRTUAL_SCANS))
def test_virtual_scans_go_through_unchanged(qtbot, name):
    form = Form(VirtualScan())
    qtbot.addWidget(form)
    form.show_parameters(VIRTUAL_SCANS[name])
    assert form.parameters == VIRTUAL_SCANS[name]


def test_a_model_of_another_shape_gets_its_own_fields(form):
    class Other(Parameters):
        weight: float = Field(3.0, ge=0, le=9, description="Weight [kg].")

    form.show_parameters(Other())
    form.editor("weight").setValue(5)
    assert form.parameters == Other(weight=5)


def test_what_nobody_touched_is_not_rounded(qtbot):
    form = Form(Outer(inner=Inner(size=1 / 3 * 1e-3)))
    qtbot.addWidget(form)
    assert form.parameters.inner.size == 1 / 3 * 1e-3
