"""Command line options out of parameter models: one parameter, one place."""

from __future__ import annotations

import functools
import inspect
import json
import types
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import typer
from pydantic import BaseModel, ValidationError

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo

Model = TypeVar("Model", bound=BaseModel)
Leaves = dict[tuple[str, ...], "tuple[FieldInfo, Any]"]
"""Fields and their defaults, by where they are in the model."""

_PLAIN = (bool, int, float, str)


def with_options(
    verb: Callable[..., None],
    argument: str,
    defaults: BaseModel,
    *,
    file: bool = True,
) -> Callable[..., None]:
    """A verb that takes the values of a parameter model, one option for each field.

    Parameters
    ----------
    verb
        Takes the given values as keyword `argument`, a dictionary that is nested as
        the model is (`validated` makes the model of it), and other typer parameters.
    argument
        Name of that keyword.
    defaults
        A parameter model. Its fields that hold a number, text, choice or flag
        become options, those of models inside it too.
    file
        Whether a file can set all of them, by the option ``--settings``.

    Returns
    -------
    command
        For `typer.Typer.command`.
    """
    leaves = _leaves(defaults)
    named = _names(leaves)
    own = [
        parameter
        for parameter in inspect.signature(verb).parameters.values()
        if parameter.name != argument
    ]
    options = [_option(name, *leaves[path]) for name, path in named.items()]
    any_of_them = inspect.Parameter(
        "settings",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            Path | None,
            typer.Option(help="JSON or YAML file with any of these settings."),
        ],
    )

    @functools.wraps(verb)
    def command(**given: Any) -> None:
        settings = given.pop("settings") if file else None
        values = _read(settings) if settings else {}
        for name, path in named.items():
            value = given.pop(name)
            if value is not None:
                one = {path[-1]: value}
                for step in reversed(path[:-1]):
                    one = {step: one}
                values = merged(values, one)
        verb(**given, **{argument: values})

    options[:0] = [any_of_them] * file
    command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]  # functions take it, mypy does not know
    command.__annotations__ = {}
    return command


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Nested values with some of them changed."""
    result = dict(values)
    for name, change in changes.items():
        old = result.get(name)
        inside = isinstance(old, dict) and isinstance(change, dict)
        result[name] = merged(result[name], change) if inside else change
    return result


def validated(model: type[Model], values: dict[str, Any]) -> Model:
    """A parameter model of these values.

    Raises
    ------
    InputError
        With the first value that does not fit, in words.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(step) for step in first["loc"]) or model.__name__
        raise InputError(
            f"{name} = {first['input']!r} cannot be used: {first['msg']}."
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() in {".yaml", ".yml"}:
            import yaml

            values = yaml.safe_load(text)
        else:
            values = json.loads(text)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): check the path."
        ) from error
    except Exception as error:  # YAML's errors are of its own kind
        why = str(error).splitlines()[0]
        raise InputError(
            f"{path} is neither JSON nor YAML ({why}): correct the file."
        ) from error
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no settings: give names with values.")
    return values


def _leaves(values: BaseModel, path: tuple[str, ...] = ()) -> Leaves:
    found: Leaves = {}
    for name, info in type(values).model_fields.items():
        value = getattr(values, name)
        if isinstance(value, BaseModel):
            found |= _leaves(value, (*path, name))
        elif info.description and _simple(info.annotation) is not None:
            found[(*path, name)] = info, value
    return found


def _simple(kind: Any) -> Any:
    """The plain type of a field that one option can hold, else None."""
    if get_origin(kind) in (Union, types.UnionType):
        inner = [each for each in get_args(kind) if each is not type(None)]
        return _simple(inner[0]) if len(inner) == 1 else None
    if get_origin(kind) is Literal:
        return kind if all(isinstance(each, str) for each in get_args(kind)) else None
    return kind if kind in _PLAIN else None


def _names(leaves: Leaves) -> dict[str, tuple[str, ...]]:
    """Shortest names that tell the fields apart: the field's own where it can be."""
    length = dict.fromkeys(leaves, 1)
    while True:
        names = {path: "_".join(path[-length[path] :]) for path in leaves}
        taken = list(names.values())
        doubled = [path for path in leaves if taken.count(names[path]) > 1]
        if not doubled:
            return {name: path for path, name in names.items()}
        for path in doubled:
            length[path] += 1


def _option(name: str, info: FieldInfo, default: Any) -> inspect.Parameter:
    bounds: dict[str, Any] = {}
    for rule in info.metadata:
        low = getattr(rule, "ge", getattr(rule, "gt", None))
        high = getattr(rule, "le", getattr(rule, "lt", None))
        bounds |= {"min": low} if low is not None else {}
        bounds |= {"max": high} if high is not None else {}
    kind = _simple(info.annotation)
    shown = "" if default in (None, "") else f"  [default: {default}]"
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            kind | None,
            typer.Option(
                help=f"{info.description}{shown}",
                show_default=False,
                **(bounds if kind in (int, float) else {}),
            ),
        ],
    )
