"""The subcommands of ``lowtex``, one module each, and the few options several of them share."""

import argparse
import os
import re
import textwrap
from pathlib import Path
from types import ModuleType


def parser_texts(module: ModuleType, summary: str) -> dict:
    """What ``add_parser`` takes so that ``--help`` shows a command's summary, its docstring's rest and its example."""
    told = f"{summary[0].upper()}{summary[1:]}. {module.__doc__.partition('.')[2]}"
    return {
        "help": summary,
        "description": textwrap.fill(" ".join(told.split()), 100),
        "epilog": f"example:\n{module.EXAMPLE}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def add_profile(parser: argparse.ArgumentParser) -> None:
    """``--profile``: sizes and schedules."""
    from lowtex.experiments import PROFILES

    parser.add_argument(
        "--profile",
        choices=tuple(PROFILES),
        default="quick",
        help="sizes and schedules: quick (2 cores, minutes), standard (a GPU or a night), paper (real data); "
        "default quick",
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """``--seed``: of everything random."""
    parser.add_argument("--seed", type=int, default=0, help="of everything random; default 0")


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device``: where to compute."""
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto is a GPU where there is one"
    )


def add_data(parser: argparse.ArgumentParser, what: str) -> None:
    """``--data``: folders of real data sets."""
    parser.add_argument("--data", action="append", default=[], metavar="NAME=FOLDER", help=what)


def given_path(text: str) -> Path:
    """The type of every option that names a file or a folder: ``~`` is the home folder, after ``--option=`` too."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; name a file or a folder")
    return Path(os.path.expanduser(text))


def file_to_write(text: str) -> Path:
    """The type of an option that names a file to write: what is in the way is told before any work is done."""
    return _unhindered(given_path(text), folder=False)


def folder_to_write(text: str) -> Path:
    """The type of an option that names a folder to write to, see `file_to_write`."""
    return _unhindered(given_path(text), folder=True)


def _unhindered(path: Path, folder: bool) -> Path:
    from lowtex.files import obstacle

    if reason := obstacle(path, folder):
        raise argparse.ArgumentTypeError(reason)
    return path


def natural(text: str) -> list:
    """Sort key under which ``frame_2`` comes before ``frame_10``."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", text)]


def named_values(texts: list[str], option: str) -> dict[str, object]:
    """``["variation=fog", "typical_camera=True"]`` -> a dict; a value that is no Python literal is a text.

    Raises:
        OptionError: not of that form; names ``option``.
    """
    import ast

    from lowtex.errors import OptionError

    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name and value):
            raise OptionError(f"{option} {text!r} must read name=value, e.g. variation=fog")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found
