"""`lowtex data status`.

One table of all data sets: those named by --data, else those in data/NAME of the checkout, else the miniatures of the
profile; with the images, the pairs and the ground truth that each split has, told from the files' names. Training needs
pairs; scoring needs images (one view) and ground truth. Nothing is written and no file is opened, but for lists:
`lowtex data check` does that.
"""

import argparse
from pathlib import Path

from lowtex_lab.cli.options import add_data, add_profile

EXAMPLE = """\
  lowtex data status
  lowtex data status --data kitti=~/kitti_raw --data kitti_depth=~/kitti_depth"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_data(parser, "folder of a real data set; can be given several times")
    add_profile(parser)


def run(options: argparse.Namespace) -> int:
    """Print the table; returns 1 if a folder named can't be used."""
    from lowtex.data_paths import parse_roots

    problems = print_status(parse_roots(options.data), options.profile)
    for problem in problems:
        print(f"\n{problem}")
    return 1 if problems else 0


def print_status(named: dict[str, Path], profile: str = "quick") -> list[str]:
    """Print the table, the folders and where to get what is missing; gives what is wrong with folders named."""
    from lowtex.paths import shown
    from lowtex_lab.cli.checking.report import aligned, wrapped
    from lowtex_lab.cli.checking.status import prepared_folders, status

    found = status(named, profile)
    counts = ("frames", "images", "pairs", "ground truth")
    rows = [("data set", "what", "split", *counts, "on disk", "licence of the real one")]
    for data in found:
        rows += _rows(data)
    print("\n".join(f"  {line}".rstrip() for line in aligned(rows, left=(0, 1, 2, 8))))
    print("\nfolders")
    for data in found:
        print("\n".join(wrapped(f"{data.data:<12} {_place(data, profile)}", 2, 15)))
    for folder in prepared_folders():
        print("\n".join(wrapped(f"{'prepared':<12} {folder.text}, in {shown(folder.folder)}", 2, 15)))
    absent = [data for data in found if data.kind in ("miniature", "none")]
    if absent:
        print("\nto get the real ones")
        for data in absent:
            print("\n".join(wrapped(f"{data.data:<12} {data.way_out}", 2, 15)))
    return [f"{data.data}: {data.failure}" for data in found if data.named and data.failure]


def _rows(data) -> list[tuple[str, ...]]:
    from lowtex_lab.cli.checking.status import megabytes

    what = {"real": "real", "miniature": "miniature", "prepared": "prepared", "none": "not there"}[data.kind]
    if data.failure:
        what = "NOT USABLE"
    size = f"{'' if data.counted else '> '}{megabytes(data.bytes)}" if data.files else "-"
    first = (data.data, what)
    if not data.splits:
        return [(*first, "-", "-", "-", "-", "-", size, data.licence)]
    rows = []
    for index, split in enumerate(data.splits):
        counts = (split.split, *(f"{count:,}" for count in (split.frames, split.images, split.pairs, split.truths)))
        rows.append((*first, *counts, size, data.licence) if index == 0 else ("", "", *counts, "", ""))
    return rows


def _place(data, profile: str) -> str:
    from lowtex.paths import shown

    if data.kind == "none":
        return f"no miniature either: lowtex data miniature --profile {profile} writes it"
    if data.kind == "miniature" or data.named:
        return shown(data.root)
    return f"{shown(data.root)}, found; it is read only where it is named: --data {data.data}={shown(data.root)}"
