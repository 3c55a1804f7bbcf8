"""`lowtex data check`.

(being written)
"""

import argparse

from lowtex.errors import OptionError

EXAMPLE = "  lowtex data check"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""


def run(options: argparse.Namespace) -> int:
    """Not there yet."""
    raise OptionError("lowtex data check is not written yet")
