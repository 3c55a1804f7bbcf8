"""Values of settings and options, checked against the type that is written where they are defined.

The one place for it: the settings' dataclasses, ``--set``, ``--reader``, numbers on the command line and the parameters
of notebooks all come through `typed`.
"""

import argparse
import ast
import operator
import sys
from collections.abc import Callable, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from lowtex.errors import OptionError

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a mapping",
    NoneType: "None",
}
_SIGNS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_UNFIT = object()


def number(base: type, *limits: tuple[str, float]) -> Any:
    """The type of ``int`` or ``float`` numbers within limits such as ``(">", 0)``, none of them infinite."""
    return Annotated[base, limits]


PositiveInt, NonNegativeInt = number(int, (">=", 1)), number(int, (">=", 0))
PositiveFloat, NonNegativeFloat = number(float, (">", 0)), number(float, (">=", 0))
Share = number(float, (">=", 0), ("<=", 1))


def typed(option: str, value: object, kind: Any, *, from_text: bool = False) -> Any:
    """``value`` as the type ``kind`` has it: a whole number is also a real one, so 1 becomes 1.0.

    Args:
        option: what the person calls it, for the error.
        value: from Python, or a text from the command line.
        kind: a plain type, a ``Literal``, one of `number`'s, a sequence, or a union of these.
        from_text: a text may stand for a value of another type, as it must on the command line: ``false``, ``None``,
            ``[fog, rain]``. Elsewhere a text is only a text.

    Raises:
        OptionError: names the option, the value and what is expected.
    """
    readings = [_meaning(value), value] if from_text and isinstance(value, str) else [value]
    for reading in readings:
        found = _fitted(kind, reading)
        if found is not _UNFIT:
            return found
    raise OptionError(f"{option}={value if from_text else repr(value)} must be {expected(kind)}")


def expected(kind: Any) -> str:
    """What a value of this type is, in plain words, for an error: ``a whole number >= 1``."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of: {', '.join(str(choice) for choice in args)}"
    if origin in (Union, UnionType):
        return " or ".join(expected(member) for member in args)
    if origin is Annotated:
        return f"{_WORDS[args[0]]} {' and '.join(f'{sign} {limit:g}' for sign, limit in args[1])}"
    if origin is not None:
        return "a list"
    return _WORDS.get(kind) or f"of type {getattr(kind, '__name__', kind)}"


def check_types(settings: object) -> None:
    """Check every field of a dataclass by its annotation; for ``__post_init__``, also of frozen ones.

    Raises:
        OptionError: names the field, its value and what is expected.
    """
    for name, kind in types_of(type(settings)).items():
        object.__setattr__(settings, name, typed(name, getattr(settings, name), kind))


@cache
def types_of(described: Callable) -> dict[str, Any]:
    """The annotations of a class's fields, or of a function's parameters, by name."""
    return {name: kind for name, kind in get_type_hints(described, include_extras=True).items() if name != "return"}


def argument(kind: Any) -> Callable[[str], Any]:
    """The ``type`` of an argparse option, so that its error too says what is expected."""

    def read(text: str) -> Any:
        try:
            return typed("", text, kind, from_text=True)
        except OptionError as error:
            raise argparse.ArgumentTypeError(f"{text!r} must be {expected(kind)}") from error

    return read


def _meaning(text: str) -> Any:
    """A text's value: one of Python's literals, such as None and ("fog", "rain"), or of YAML's."""
    try:
        return None if text.lower() == "none" else ast.literal_eval(text)
    except Exception:  # neither parser says all that it may raise
        pass
    try:
        return yaml.safe_load(text)
    except Exception:
        return text


def _fitted(kind: Any, value: object) -> Any:
    """The value as that type has it, or `_UNFIT`."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        return next((found for found in (_fitted(member, value) for member in args) if found is not _UNFIT), _UNFIT)
    if origin is Literal:
        return next((choice for choice in args if type(choice) is type(value) and choice == value), _UNFIT)
    if origin is Annotated:
        found = _fitted(args[0], value)
        fits = found is not _UNFIT and all(_SIGNS[sign](found, limit) for sign, limit in args[1])
        return found if fits else _UNFIT
    kind = origin or kind
    if kind in (list, tuple, Sequence):
        if not isinstance(value, list | tuple):
            return _UNFIT
        items = [_fitted(args[0], item) for item in value] if args else list(value)
        return _UNFIT if any(item is _UNFIT for item in items) else items
    if isinstance(value, bool) and kind is not bool:
        return _UNFIT
    if kind is float:
        # neither infinity nor NaN is a sensible value of anything here
        finite = isinstance(value, int | float) and abs(value) <= sys.float_info.max
        return float(value) if finite else _UNFIT
    if kind is int and isinstance(value, int) and abs(value) >= 2**63:
        return _UNFIT
    return value if isinstance(value, kind) else _UNFIT
