"""`lowtex data prepare`.

(being written)
"""

import argparse

from lowtex.errors import OptionError

EXAMPLE = "  lowtex data prepare"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""


def run(options: argparse.Namespace) -> int:
    """Not there yet."""
    raise OptionError("lowtex data prepare is not written yet")
