"""`lowtex data`.

The miniatures stand in for the real data sets wherever none is named: a small world of our own, in their layouts.
Real data are looked at, checked, prepared and, where their licence lets everybody, downloaded.
"""

import argparse
import importlib

from lowtex_lab.cli.options import parser_texts

ACTIONS = {
    "status": "say which data sets are found, where, and how complete they are",
    "check": "verify a data root against its split: what is missing, truncated or of a wrong size",
    "prepare": "keep a split at training size, so that no image is decoded twice",
    "download": "fetch KITTI raw drives and calibrations, resumable",
    "rig": "draw whether a stereo folder's rig.yaml, order and rectification are right",
    "miniature": "write the miniature data sets",
}

EXAMPLE = """\
  lowtex data status
  lowtex data check --data kitti=~/kitti_raw --split test
  lowtex data miniature --profile quick"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions; each is a module ``lowtex_lab.cli.options.data_<action>``, made like a subcommand's."""
    actions = parser.add_subparsers(dest="data_action", metavar="ACTION", required=True)
    for name, summary in ACTIONS.items():
        module = importlib.import_module(f"lowtex_lab.cli.data_{name}")
        child = actions.add_parser(name, **parser_texts(module, summary))
        module.add_arguments(child)
        child.set_defaults(data_run=module.run)


def run(options: argparse.Namespace) -> int | None:
    """Carry the chosen action out."""
    return options.data_run(options)
