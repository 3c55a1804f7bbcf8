"""The ``lowtex`` command. The module of a subcommand is imported only when it is called."""

import argparse
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NoReturn

from lowtex import __version__
from lowtex.errors import LowtexError, OptionError
from lowtex.files import file_problem
from lowtex_lab.cli.options import COMMANDS, add_command

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

LAB_IS_MISSING = "The lowtex command needs the packages of the notebooks: pip install 'lowtex[lab]'"


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line as every other error: in one line, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(f"{message}; `{self.prog} --help` shows the options")


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser; just the arguments of subcommand ``only`` are filled in, because the others need not be imported."""
    parser = _Parser(
        prog="lowtex",
        description="Self-supervised monocular depth learning in low-texture areas: a reproduction kit.",
        epilog="lowtex COMMAND --help shows the options of a command, with an example.",
    )
    parser.add_argument("--version", action="version", version=f"lowtex {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, spec in COMMANDS.items():
        if name == only:
            add_command(commands, name, spec, importlib.import_module(f"lowtex_lab.cli.{spec['module']}"))
        else:
            commands.add_parser(name, help=spec["summary"], add_help=False)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code: 0 on success only, 2 for bad input, 130 when interrupted.

    Where ``accelerate launch`` started several processes of it, everything is printed once.
    """
    for stream in (sys.stdout, sys.stderr):
        # a terminal whose encoding lacks a letter gets a question mark; no work may end for that
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    only = next((word for word in words if word in COMMANDS), None)
    several, only_main_prints, report_failure = False, nullcontext, _print_error
    try:
        if several := _several_processes():
            from lowtex_lab.cli.several_processes import only_main_prints, report_failure, reported_already
        with _terminated_like_interrupted(), only_main_prints():
            options = build_parser(only).parse_args(words)
            if several and options.command != "train":
                raise OptionError(f"several processes share one training: start lowtex {options.command} by itself")
            code = options.run(options) or 0
            # what is still to be printed is printed here, where a failure is told in one line
            print(end="", flush=True)
            return code
    except LowtexError as error:
        report_failure(f"lowtex: {' '.join(str(error).split())}")
        return BAD_INPUT
    except KeyboardInterrupt as stop:
        how = str(stop) or "the same command goes on from there"
        report_failure(f"lowtex: interrupted; what was finished is kept, and {how}")
        return INTERRUPTED
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("lowtex", "lowtex_lab"):
            raise
        report_failure(f"{LAB_IS_MISSING} ({error.name} is missing)")
        return FAILED
    except BrokenPipeError:
        # the reader of a pipe (head, say) went away; that is no news to anybody
        sys.stdout = None
        return FAILED
    except Exception as error:
        if isinstance(error, OSError) and (line := file_problem(error)):
            report_failure(f"lowtex: {' '.join(line.split())}")
            if error.filename is None:
                # or the interpreter would try to print once more when it ends, and say so
                sys.stdout = None
            return FAILED
        if not several:
            raise
        if not reported_already():
            report_failure(traceback.format_exc().rstrip())
        return FAILED


def _several_processes() -> bool:
    if (os.environ.get("WORLD_SIZE") or "1") == "1":
        return False
    # a single process does without, because it takes torch
    from lowtex.distributed import world_size

    return world_size() > 1


def _print_error(line: str) -> None:
    print(line, file=sys.stderr)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM, by which a batch system ends a job, ends it as orderly as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
