"""`lowtex data miniature`.

What is complete is not written again.
"""

import argparse

from lowtex_lab.cli.options import add_profile, folder_to_write

EXAMPLE = """\
  lowtex data miniature
  lowtex data miniature --profile standard --out ~/miniature"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_profile(parser)
    parser.add_argument(
        "--out", type=folder_to_write, metavar="FOLDER", help="default data/miniature/PROFILE, where all look"
    )


def run(options: argparse.Namespace) -> int:
    """Write the miniatures."""
    from lowtex.paths import shown
    from lowtex.progress import count
    from lowtex_lab.miniature.store import ensure_miniature

    folder = ensure_miniature(options.profile, options.out and options.out.absolute())
    for path in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        files = [file for file in path.rglob("*") if file.is_file()]
        print(f"{shown(path)}: {count(len(files), 'file')}, {sum(file.stat().st_size for file in files) / 1e6:.0f} MB")
    return 0
