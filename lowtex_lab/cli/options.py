"""What the subcommands of ``lowtex`` share: how one is added, and the options that several have."""

import argparse
import inspect
import os
import textwrap
from collections.abc import Callable
from pathlib import Path


def add_command(
    commands: argparse._SubParsersAction,
    name: str,
    summary: str,
    add_options: Callable[[argparse.ArgumentParser], None],
    run: Callable[[argparse.Namespace], int | None],
) -> None:
    """Add a command, whose ``--help`` is its summary and the docstring of the function that carries it out.

    Args:
        commands: where to add it.
        name: of the command.
        summary: a few words for the list of commands.
        add_options: adds the command's options to its parser.
        run: returns the exit code, or None for success. Its docstring ends in a block ``example:``.
    """
    told, _, example = inspect.getdoc(run).partition("\nexample:\n")
    described = f"{summary[0].upper()}{summary[1:]}. {told}"
    parser = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(" ".join(described.split()), 100),
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    # an action inside a command comes later, and counts
    parser.set_defaults(run=run)


def add_profile(parser: argparse.ArgumentParser) -> None:
    """``--profile``: sizes and schedules."""
    from lowtex.profiles import PROFILES

    parser.add_argument(
        "--profile",
        choices=tuple(PROFILES),
        default="quick",
        help="sizes and schedules: quick (2 cores, minutes), standard (a GPU or a night), paper (real data); "
        "default quick",
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """``--seed``: of everything random."""
    from lowtex.options import NonNegativeInt, argument

    parser.add_argument("--seed", type=argument(NonNegativeInt), default=0, help="of everything random; default 0")


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device``: where to compute."""
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto is a GPU where there is one"
    )


def add_data(parser: argparse.ArgumentParser, what: str) -> None:
    """``--data``: folders of real data sets."""
    parser.add_argument("--data", action="append", default=[], metavar="NAME=FOLDER", help=what)


def add_reader(parser: argparse.ArgumentParser) -> None:
    """``--reader``: options of a data set's reader, see `reader_options`."""
    parser.add_argument(
        "--reader", action="append", default=[], metavar="NAME=VALUE", help="an option of the reader: variation=fog"
    )


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


def reader_options(texts: list[str], reader: str) -> dict[str, object]:
    """``--reader``: ``["variation=fog", "views=false"]`` -> values of the types that this reader's options have.

    Raises:
        OptionError: not of that form, no option of this reader, or a value of another type.
    """
    from lowtex.datasets import checked_options
    from lowtex.errors import OptionError

    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name and value):
            raise OptionError(f"--reader {text!r} must read NAME=VALUE, e.g. variation=fog")
        found[name] = value
    return checked_options(reader, found, from_text=True)
