"""The parameters of a notebook: read from its source, and checked before it is run."""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lowtex.errors import DataError, OptionError


def parameters_of(source: str | Path) -> dict[str, Any]:
    """The names and default values in a notebook's cell tagged ``parameters``.

    Raises:
        DataError: not a notebook, or it has no such cell, or a default is not a plain literal.
    """
    source = Path(source)
    try:
        # as plain JSON: nbformat's import takes more than a second, and every call of the batch comes through here
        cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
        tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
        code = "".join(tagged[0]["source"]) if len(tagged) == 1 else ""
    except FileNotFoundError as error:
        raise DataError(f"there is no notebook {source}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{source} is not a notebook ({error!r})") from error
    if len(tagged) != 1:
        raise DataError(f"{source} has {len(tagged)} cells tagged 'parameters'; it needs exactly one")
    found = {}
    for statement in ast.parse(code).body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        try:
            found[target.id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError, TypeError) as error:
            line = ast.unparse(statement)
            raise DataError(f"{source}: {line!r} in the parameters cell is not of the form name = literal") from error
    return found


def check_parameters(source: str | Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` with each value brought to the type of the notebook's default; papermill itself would only warn.

    Raises:
        OptionError: a name the notebook does not have, or a value of another type.
    """
    known = parameters_of(source)
    checked = {}
    for name, value in given.items():
        if name not in known:
            raise OptionError(f"{Path(source).name} has no parameter {name!r}; it has: {', '.join(known)}")
        checked[name] = _convert(name, value, known[name])
    return checked


def _convert(name: str, value: Any, default: Any) -> Any:
    kind = type(default)
    if default is None or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
        return value
    if kind is bool and str(value).lower() in ("true", "false", "1", "0", "yes", "no"):
        return str(value).lower() in ("true", "1", "yes")
    try:
        if kind in (int, float) and not isinstance(value, bool):
            return kind(value)
        if kind in (list, dict, tuple) and isinstance(parsed := ast.literal_eval(value), list | dict | tuple):
            return parsed
        if kind is str and isinstance(value, Path):
            return str(value)
    except (TypeError, ValueError, SyntaxError):
        pass
    raise OptionError(f"parameter {name}={value!r} must be of type {kind.__name__}, like its default {default!r}")
