"""`lowtex data download`.

Fetches KITTI raw drives with the calibration of their dates, or the improved depth maps, and unpacks them so that the
readers find them. What is there already is skipped; the same command goes on where it was cut off. Nothing is asked:
by running it you accept the licence it prints.
"""

import argparse
import sys

from lowtex.errors import OptionError
from lowtex_lab.cli.options import folder_to_write, given_path

EXAMPLE = """\
  lowtex data download --to ~/kitti_raw --split eigen/test
  lowtex data download --to ~/kitti_raw --drive 2011_09_26_drive_0001_sync 2011_09_26_drive_0002_sync
  lowtex data download --to ~/kitti_raw --list archives.txt --jobs 4 --keep-archives
  lowtex data download --to ~/kitti_raw --calibration-only
  lowtex data download --to ~/kitti_depth --improved"""

MOST_JOBS = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--to", type=folder_to_write, required=True, metavar="FOLDER", help="root of the data set; made if missing"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--drive", nargs="+", action="extend", metavar="NAME", help="drives of KITTI raw")
    what.add_argument("--split", metavar="SPLIT", help="the drives a packaged split needs, e.g. eigen/test")
    what.add_argument("--list", type=given_path, metavar="FILE", help="archives by address: lines URL [sha256:DIGITS]")
    what.add_argument(
        "--improved", action="store_true", help="all improved depth maps, about 14 GB; give them a root of their own"
    )
    parser.add_argument(
        "--calibration-only",
        action="store_true",
        help="only the calibrations of the drives' dates; alone: of all five dates",
    )
    parser.add_argument("--jobs", type=int, default=2, help=f"archives fetched at a time, 1 to {MOST_JOBS}; default 2")
    parser.add_argument("--keep-archives", action="store_true", help="leave the archives in FOLDER/archives")
    parser.add_argument(
        "--again",
        action="store_true",
        help="fetch what seems to be there, too: files that differ from the archive's are set aside and replaced",
    )
    parser.add_argument("--source", metavar="URL", help="a mirror of KITTI's own server, which is the default")


def run(options: argparse.Namespace) -> int:
    """Fetch what is asked for; every problem is one line, and the exit code is 0 only if all of it is there."""
    from lowtex_lab.cli import BAD_INPUT
    from lowtex_lab.cli.download import download

    if not 1 <= options.jobs <= MOST_JOBS:
        raise OptionError(f"--jobs {options.jobs} must be 1 to {MOST_JOBS}")
    problems = download(
        chosen_archives(options),
        options.to,
        jobs=options.jobs,
        keep_archives=options.keep_archives,
        again=options.again,
    )
    for problem in problems:
        print(f"lowtex: {' '.join(problem.split())}", file=sys.stderr)
    return BAD_INPUT if problems else 0


def chosen_archives(options: argparse.Namespace) -> list:
    """The archives the options name, calibrations first: they are small, and no drive is of use without."""
    from lowtex_lab.cli import kitti_archives as kitti

    source = kitti.checked_source(options.source or kitti.SOURCE)
    if options.list is not None:
        archives = kitti.read_archive_list(options.list)
        if options.calibration_only:
            archives = [archive for archive in archives if archive.kind == "calibration"]
            if not archives:
                raise OptionError(f"{options.list} lists no calibration; leave --calibration-only or --list out")
        return archives
    if options.improved:
        if options.calibration_only:
            raise OptionError("--improved and --calibration-only exclude each other")
        return [kitti.improved_archive(source)]
    names = options.drive if options.drive else kitti.split_drives(options.split) if options.split else []
    if not names and not options.calibration_only:
        raise OptionError(
            "say what to fetch: --drive NAME, --split SPLIT, --list FILE, --improved or --calibration-only"
        )
    drives = kitti.drive_archives(names, source)
    dates = {drive.date for drive in drives} or kitti.DATES
    return kitti.calibration_archives(dates, source) + ([] if options.calibration_only else drives)
