"""Which way is up: frames stored upside down, mirrored or half a turn round."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from napari_labdct.core.stack import ProjectionStack

Flip = Literal["auto", "no", "rows", "columns", "both"]
"""What to do with frames on reading; `Turn.named` tells what each means."""

TURNS = {
    "rows": "upside down",
    "columns": "left and right swapped",
    "both": "half a turn",
}
"""Ways to turn frames, by their name in `Flip`, and what each is called."""


@dataclass(frozen=True)
class Turn:
    """Rows, columns or both in the opposite order.

    Attributes
    ----------
    rows
        The last row first: upside down.
    columns
        The last column first: left and right swapped.
    """

    rows: bool = False
    columns: bool = False

    @classmethod
    def named(cls, flip: str) -> Turn:
        """The turn for ``"no"``, ``"rows"``, ``"columns"`` or ``"both"``."""
        return cls(flip in ("rows", "both"), flip in ("columns", "both"))

    @property
    def name(self) -> str:
        """What `named` makes this turn of."""
        names = {"rows": "rows", "columns": "columns", "rows and columns": "both"}
        return names.get(self.words, "no")

    def after(self, first: Turn) -> Turn:
        """Both turns, one after the other, as one."""
        return Turn(self.rows != first.rows, self.columns != first.columns)

    @property
    def words(self) -> str:
        """What is turned; empty for nothing."""
        done = (("rows", self.rows), ("columns", self.columns))
        return " and ".join(word for word, there in done if there)

    def images(self, images: Any) -> Any:
        """A view of images of shape (…, rows, columns), turned."""
        images = images[..., ::-1, :] if self.rows else images
        return images[..., ::-1] if self.columns else images

    def stack(self, stack: ProjectionStack, reason: str) -> ProjectionStack:
        """A stack with its frames turned, and `reason` for it in the history.

        The geometry stays: it tells where detector and source really were.
        """
        if not self.words:
            return stack
        step = f"{self.words.capitalize()} flipped {reason}."
        images, history = self.images(stack.images), (*stack.history, step)
        return replace(stack, images=images, history=history)
