"""`lowtex data rig`.

Some pairs of a folder of one's own (left/, right/, rig.yaml) are matched without looking at the calibration, and
compared with it: are left and right the right way round, do their rows agree, do the principal points fit, and, where
there is ground truth, is focal length x baseline right? The verdict is printed, and drawn with what it rests on. The
exit code is 0 where order and rows are right and nothing is wrong, else 1.
"""

import argparse

from lowtex_lab.cli.options import add_data, folder_to_write

EXAMPLE = """\
  lowtex data rig --template > ~/my_rig/rig.yaml       then write your numbers into it
  lowtex data rig --data stereo=~/my_rig
  lowtex data rig --data stereo=~/my_rig --pairs 8 --out ~/my_rig/check

  ~/my_rig/left/0001.png, right/0001.png, ...          rectified pairs, the same name in both folders
  ~/my_rig/depth/0001.npy or disparity/0001.pfm        optional ground truth of the left camera"""

WRONG_OR_UNKNOWN = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from lowtex.options import PositiveInt, argument

    add_data(parser, "the folder: stereo=FOLDER")
    parser.add_argument(
        "--pairs", type=argument(PositiveInt), default=4, metavar="N", help="pairs to look at, spread evenly; default 4"
    )
    parser.add_argument("--split", default="all", help="of which list: all, available, a name in splits/, or a file")
    parser.add_argument(
        "--out", type=folder_to_write, metavar="FOLDER", help="for the picture; default results/rig_check"
    )
    parser.add_argument("--template", action="store_true", help="print an example rig.yaml and stop")


def run(options: argparse.Namespace) -> int:
    """Look at the pairs, write the picture, print the verdict."""
    from lowtex.datasets.rig_file import EXAMPLE_RIG

    if options.template:
        print(EXAMPLE_RIG, end="")
        return 0
    from lowtex.data_paths import parse_roots
    from lowtex.datasets import StereoFolder
    from lowtex.errors import OptionError
    from lowtex.paths import from_root, shown
    from lowtex_lab.plots import draw_rig_check, save_figure
    from lowtex_lab.rig.check import check_rig
    from lowtex_lab.rig.rules import RIGHT

    roots = parse_roots(options.data)
    if set(roots) != {"stereo"}:
        raise OptionError("lowtex data rig looks at one folder of stereo pairs: give --data stereo=FOLDER")
    reader = StereoFolder(roots["stereo"], options.split, size=None)
    check = check_rig(reader, options.pairs, tell=lambda name: print(f"looking at {name.removesuffix('/l')}"))
    out = options.out.absolute() if options.out else from_root("results/rig_check")
    picture = save_figure(draw_rig_check(check), out / "rig_check")
    print("\n".join(check.lines()))
    print(f"picture: {shown(picture)}, with its numbers beside it")
    return 0 if check.verdict == RIGHT else WRONG_OR_UNKNOWN
