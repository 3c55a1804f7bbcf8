"""`lowtex data check`.

Every file of every frame of the split is looked at, and so is whatever else is complete in the folder. Without --deep
a file is judged by its first and last bytes, which finds what is missing, cut off or of a wrong size; with it every
sample is decoded as for training, which also finds damage in the middle. A split that is only scored (test lists, and
val of cityscapes) needs one view of a frame; any other needs both. Nothing is written, but for --list. The exit code is
0 only if all of the split is there and fine, 1 if not.
"""

import argparse

from lowtex.errors import OptionError
from lowtex_lab.cli.options import add_data, file_to_write

EXAMPLE = """\
  lowtex data check --data kitti=~/kitti_raw
  lowtex data check --data kitti=~/kitti_raw --split eigen_full/train --list missing.csv
  lowtex data check --data kitti_depth=~/kitti_depth --data kitti=~/kitti_raw --deep"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_data(parser, "folder to check, with the data set's name before it; can be given several times")
    parser.add_argument(
        "--split",
        metavar="SPLIT",
        help="of every folder named; default: the frames that are scored (test; val of cityscapes; all of stereo). "
        "'available' is whatever is complete",
    )
    parser.add_argument(
        "--deep", action="store_true", help="decode every sample; what is there beside a --split is not decoded"
    )
    parser.add_argument(
        "--one-view", action="store_true", help="of any split look at one view of a frame: enough to score it"
    )
    parser.add_argument("--list", type=file_to_write, metavar="FILE", help="write all files with a problem to a CSV")


def run(options: argparse.Namespace) -> int:
    """Check every folder named; returns 1 if anything is wrong with a split asked for."""
    from lowtex.data_paths import DATASETS, parse_roots
    from lowtex.progress import count
    from lowtex_lab.cli.checking.check import check_root
    from lowtex_lab.cli.checking.report import describe, write_list

    roots = parse_roots(options.data)
    if not roots:
        raise OptionError(f"give --data NAME=FOLDER, with NAME one of {', '.join(DATASETS)}")
    checks, listed = [], 0
    for name, root in roots.items():
        raw_root = roots.get("kitti") if name == "kitti_depth" else None
        checks.append(check_root(name, root, options.split, options.deep, options.one_view, raw_root))
        if options.list is not None:
            listed = write_list(options.list, checks)
        print(f"\n{describe(checks[-1])}\n", flush=True)
    if options.list is not None:
        print(f"{count(listed, 'file')} with a problem, in {options.list}")
    return 0 if all(check.named.fine for check in checks) else 1
