"""`lowtex data rig`.

(being written)
"""

import argparse

from lowtex.errors import OptionError

EXAMPLE = "  lowtex data rig"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""


def run(options: argparse.Namespace) -> int:
    """Not there yet."""
    raise OptionError("lowtex data rig is not written yet")
