"""The parameters of a notebook: read from its source, and checked before it is run."""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lowtex.errors import DataError, OptionError
from lowtex.options import typed


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
        kind = Any if known[name] is None else type(known[name])
        plain = str(value) if isinstance(value, Path) else value
        checked[name] = typed(f"parameter {name}", plain, kind, from_text=True)
    return checked
