"""Values of settings and options, checked against the type that is written where they are defined.

The one place for it: the settings' dataclasses, ``--set``, ``--reader``, numbers on the command line and the parameters
of notebooks all come through `typed`. jsonargparse reads the values: ``false`` is False, and ``0,01`` is no number.
"""

import argparse
import ast
import math
from collections.abc import Callable
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml
from jsonargparse import ArgumentError, ArgumentParser, set_loader
from jsonargparse.typing import restricted_number_type

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


def number(base: type, *limits: tuple[str, float]) -> type:
    """The type of ``int`` or ``float`` numbers within limits such as ``(">", 0)``, none of them infinite."""
    sentence = f"{_WORDS[base]} {' and '.join(f'{sign} {limit:g}' for sign, limit in limits)}"
    end = 2**63 if base is int else math.inf
    return restricted_number_type(None, base, [*limits, ("<", end)], docstring=sentence)


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
    if type(value) in _members(kind) and not isinstance(value, float) and not (from_text and isinstance(value, str)):
        return value
    try:
        found = _read(kind, value)
    except TypeError:
        # a list or a mapping can't be looked up among what was read before
        found = _read.__wrapped__(kind, value)
    converted = any(isinstance(value, base) and not isinstance(found, base) for base in (str, float))
    if found is _NOT_OF_THIS_KIND or (converted and not from_text):
        shown = value if from_text else repr(value)
        raise OptionError(f"{option}={shown} must be {expected(kind)}")
    return found


def expected(kind: Any) -> str:
    """What a value of this type is, in plain words, for an error: ``a whole number >= 1``."""
    if get_origin(kind) is Literal:
        return f"one of: {', '.join(str(choice) for choice in get_args(kind))}"
    if len(_members(kind)) > 1:
        return " or ".join(expected(member) for member in _members(kind))
    if kind in _WORDS:
        return _WORDS[kind]
    if getattr(kind, "__module__", "") == "jsonargparse.typing":
        return kind.__doc__
    return f"of type {getattr(kind, '__name__', kind)}" if get_origin(kind) is None else "a list"


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
    return {name: kind for name, kind in get_type_hints(described).items() if name != "return"}


def argument(kind: Any) -> Callable[[str], Any]:
    """The ``type`` of an argparse option, so that its error too says what is expected."""

    def read(text: str) -> Any:
        try:
            return typed("", text, kind, from_text=True)
        except OptionError as error:
            raise argparse.ArgumentTypeError(f"{text!r} must be {expected(kind)}") from error

    return read


_NOT_OF_THIS_KIND = object()


@lru_cache(maxsize=4096, typed=True)
def _read(kind: Any, value: object) -> Any:
    """The value as that type, or `_NOT_OF_THIS_KIND`; remembered, since settings repeat and a look takes 0.5 ms."""
    if value is None and kind is not Any and None not in get_args(kind):
        # to a parser None is an option that was not given
        return _NOT_OF_THIS_KIND
    try:
        found = _parser(kind).parse_object({"value": value})["value"]
    except ArgumentError:
        return _NOT_OF_THIS_KIND
    if get_origin(kind) is Literal:
        return next(choice for choice in get_args(kind) if choice == found)
    if isinstance(found, float):
        # neither infinity nor NaN is a sensible value of anything here
        return float(found) if math.isfinite(found) else _NOT_OF_THIS_KIND
    return int(found) if isinstance(found, int) and not isinstance(found, bool) else found


@cache
def _parser(kind: Any) -> ArgumentParser:
    set_loader("lowtex", _load, (yaml.YAMLError,))
    parser = ArgumentParser(exit_on_error=False, parser_mode="lowtex")
    parser.add_argument("--value", type=kind)
    return parser


def _load(text: str) -> Any:
    """A text's value: Python's literals, such as None and ("fog", "rain"), and YAML's."""
    if text.lower() == "none":
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return yaml.safe_load(text)


def _members(kind: Any) -> tuple:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
