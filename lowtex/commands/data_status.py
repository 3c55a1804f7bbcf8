"""`lowtex data status`.

(being written)
"""

import argparse

from lowtex.errors import OptionError

EXAMPLE = "  lowtex data status"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""


def run(options: argparse.Namespace) -> int:
    """Not there yet."""
    raise OptionError("lowtex data status is not written yet")
