"""The options of every command, from ``options.yaml``; and the values of those that several commands have."""

import argparse
import inspect
import os
import textwrap
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from lowtex.errors import OptionError
from lowtex.files import obstacle
from lowtex.options import NonNegativeInt, PositiveFloat, PositiveInt, argument, number

_TABLE = yaml.safe_load((files("lowtex_lab.cli") / "options.yaml").read_text(encoding="utf-8"))

COMMANDS: dict[str, dict[str, Any]] = _TABLE["commands"]
"""By name: the command's module and summary, and its options or actions."""


def given_path(text: str) -> Path:
    """The type of every option that names a file or a folder: ``~`` is the home folder, after ``--option=`` too."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; name a file or a folder")
    return Path(os.path.expanduser(text))


def file_to_write(text: str, folder: bool = False) -> Path:
    """The type of an option that names a file to write: what is in the way is told before any work is done."""
    path = given_path(text)
    if reason := obstacle(path, folder):
        raise argparse.ArgumentTypeError(reason)
    return path


def folder_to_write(text: str) -> Path:
    """The type of an option that names a folder to write to, see `file_to_write`."""
    return file_to_write(text, folder=True)


TYPES: dict[str, Callable[[str], Any]] = {
    "path": given_path,
    "file": file_to_write,
    "folder": folder_to_write,
    "int": int,
    "whole >= 0": argument(NonNegativeInt),
    "whole >= 1": argument(PositiveInt),
    "whole 1 to 16": argument(number(int, (">=", 1), ("<=", 16))),
    "number > 0": argument(PositiveFloat),
}
"""What ``type`` says in ``options.yaml``."""


def add_command(commands: argparse._SubParsersAction, name: str, spec: Mapping[str, Any], module: ModuleType) -> None:
    """Add a command, whose ``--help`` is its summary and the docstring of the function that carries it out.

    Args:
        commands: where to add it.
        name: of the command, and of the function in ``module``. It returns the exit code, or None for success; its
            docstring ends in a block ``example:``.
        spec: its entry in ``options.yaml``.
        module: of that function, and of those of the command's actions.
    """
    run = getattr(module, name)
    told, _, example = inspect.getdoc(run).partition("\nexample:\n")
    described = f"{spec['summary'][0].upper()}{spec['summary'][1:]}. {told}"
    parser = commands.add_parser(
        name,
        help=spec["summary"],
        description=textwrap.fill(" ".join(described.split()), 100),
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    groups: dict[str, Any] = {}
    for option, own in spec.get("options", {}).items():
        settings = {**_TABLE["shared"].get(option, {}), **(own or {})}
        if option == "--profile":
            from lowtex.profiles import PROFILES

            settings["choices"] = tuple(PROFILES)
        if "type" in settings:
            settings["type"] = TYPES[settings["type"]]
        home = parser
        if group := settings.pop("one_of", None):
            home = groups.setdefault(group, groups.get(group) or parser.add_mutually_exclusive_group())
        home.add_argument(option, **settings)
    if "actions" in spec:
        actions = parser.add_subparsers(dest=f"{name}_action", metavar="ACTION", required=True)
        for action, inner in spec["actions"].items():
            add_command(actions, action, inner, module)
    # an action inside a command comes later, and counts
    parser.set_defaults(run=run)


def reader_options(texts: list[str], reader: str) -> dict[str, object]:
    """``--reader``: ``["variation=fog", "views=false"]`` -> values of the types that this reader's options have.

    Raises:
        OptionError: not of that form, no option of this reader, or a value of another type.
    """
    from lowtex.datasets import checked_options

    found: dict[str, object] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not (name and value):
            raise OptionError(f"--reader {text!r} must read NAME=VALUE, e.g. variation=fog")
        found[name] = value
    return checked_options(reader, found, from_text=True)
