"""`lowtex data` and its actions: for each, its options, and a function whose docstring is the action's help."""

import argparse
import re
import sys

from lowtex.errors import OptionError
from lowtex_lab.cli.options import reader_options


def data(options: argparse.Namespace) -> None:
    """The miniatures stand in for the real data sets wherever none is named: a small world of our own, in their
    layouts. Real data are looked at, checked, prepared and, where their licence lets everybody, downloaded.

    example:
      lowtex data status
      lowtex data check --data kitti=~/kitti_raw --split test
      lowtex data miniature --profile quick
    """


def status(options: argparse.Namespace) -> int:
    """One table of all data sets: those named by --data, else those in data/NAME of the checkout, else the miniatures
    of the profile; with the images, the pairs and the ground truth that each split has, told from the files' names.
    Training needs pairs; scoring needs images (one view) and ground truth. Nothing is written and no file is opened,
    but for lists: `lowtex data check` does that.

    example:
      lowtex data status
      lowtex data status --data kitti=~/kitti_raw --data kitti_depth=~/kitti_depth
    """
    from lowtex.data_paths import parse_roots
    from lowtex_lab.cli.status import print_status

    problems = print_status(parse_roots(options.data), options.profile)
    for problem in problems:
        print(f"\n{problem}")
    return 1 if problems else 0


def check(options: argparse.Namespace) -> int:
    """Every file of every frame of the split is looked at, and so is whatever else is complete in the folder. Without
    --deep a file is judged by its first and last bytes, which finds what is missing, cut off or of a wrong size; with
    it every sample is decoded as for training, which also finds damage in the middle. A split that is only scored
    (test lists, and val of cityscapes) needs one view of a frame; any other needs both. Nothing is written, but for
    --list. The exit code is 0 only if all of the split is there and fine, 1 if not.

    example:
      lowtex data check --data kitti=~/kitti_raw
      lowtex data check --data kitti=~/kitti_raw --split eigen_full/train --list missing.csv
      lowtex data check --data kitti_depth=~/kitti_depth --data kitti=~/kitti_raw --deep
    """
    from lowtex.data_paths import DATASETS, parse_roots
    from lowtex.progress import count
    from lowtex_lab.cli.checking import check_root, describe, write_list

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


def prepare(options: argparse.Namespace) -> int:
    """Images are decoded and resized once, in parallel, and kept as bytes in data/prepared (LOWTEX_PREPARED names
    another folder). Training and evaluation take samples from there without being asked, as long as the files they
    were made of are as they were; else the same command makes them anew. A folder that --out names can be given as a
    data root, --data kitti=FOLDER, even when the originals are gone. For training, both views are kept; with --depth or
    --protocol, what an evaluation reads: one view and the ground truth. Without --data it takes the miniature Virtual
    KITTI 2.

    example:
      lowtex data prepare --data kitti=~/kitti_raw --split train --size 640x192
      lowtex data prepare --data kitti=~/kitti_raw --data kitti_depth=~/kitti_depth --protocol improved --size 640x192
      lowtex data prepare --split test --depth
    """
    from lowtex import datasets
    from lowtex.experiments import get_profile

    size = get_profile(options.profile).size if options.size is None else _size(options.size)
    readers = _readers(options, size)
    if options.out is not None and len(readers) > 1:
        raise OptionError("--out takes one data set; prepare them one at a time, or leave --out away")
    for reader in readers:
        datasets.prepare(reader, options.out, workers=options.workers)
    return 0


def _readers(options: argparse.Namespace, size: tuple[int, int]) -> list:
    from lowtex.catalog import default_protocol, open_pairs, open_test_set, require_named, source_of
    from lowtex.data_paths import DATASETS, parse_roots, resolve_roots
    from lowtex.experiments import TRAINABLE
    from lowtex_lab.miniature.store import ensure_miniature

    miniatures = [name for name in options.data if name in DATASETS]
    roots = parse_roots([part for part in options.data if part not in miniatures])
    if miniatures or not roots:
        ensure_miniature(options.profile)
    paths = resolve_roots(roots, options.profile)
    names = [*roots, *miniatures] or ["vkitti2"]
    if options.protocol and not miniatures:
        require_named(options.protocol, [*roots])
    if "kitti_depth" in names and "kitti" in names:
        # it only lends its images, as in an evaluation
        names.remove("kitti")
    readers = []
    for name in ["what the protocol takes"] if options.protocol else names:
        protocol = options.protocol
        if protocol is None and (options.depth or name not in TRAINABLE):
            protocol = default_protocol([name])
        given = reader_options(options.reader, source_of(protocol).reader if protocol else name)
        if protocol:
            readers.append(open_test_set(protocol, paths, options.split, size, prepared=False, **given))
        else:
            readers.append(open_pairs(name, paths[name], options.split or "train", size, prepared=False, **given))
    return readers


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text.strip().lower())
    if match is None or not (int(match[1]) and int(match[2])):
        raise OptionError(f"--size {text!r} must read WIDTHxHEIGHT in pixels, e.g. 640x192")
    return int(match[2]), int(match[1])


def download(options: argparse.Namespace) -> int:
    """Fetches KITTI raw drives with the calibration of their dates, or the improved depth maps, and unpacks them so
    that the readers find them. What is there already is skipped; the same command goes on where it was cut off.
    Nothing is asked: by running it you accept the licence it prints.

    example:
      lowtex data download --to ~/kitti_raw --split eigen/test
      lowtex data download --to ~/kitti_raw --drive 2011_09_26_drive_0001_sync 2011_09_26_drive_0002_sync
      lowtex data download --to ~/kitti_raw --list archives.txt --jobs 4 --keep-archives
      lowtex data download --to ~/kitti_raw --calibration-only
      lowtex data download --to ~/kitti_depth --improved
    """
    from lowtex_lab.cli import BAD_INPUT
    from lowtex_lab.cli.download import download
    from lowtex_lab.cli.kitti_archives import chosen_archives

    archives = chosen_archives(
        options.source, options.drive, options.split, options.list, options.improved, options.calibration_only
    )
    problems = download(archives, options.to, options.jobs, options.keep_archives, options.again)
    for problem in problems:
        print(f"lowtex: {' '.join(problem.split())}", file=sys.stderr)
    return BAD_INPUT if problems else 0


def rig(options: argparse.Namespace) -> int:
    """Some pairs of a folder of one's own (left/, right/, rig.yaml) are matched without looking at the calibration, and
    compared with it: are left and right the right way round, do their rows agree, do the principal points fit, and,
    where there is ground truth, is focal length x baseline right? The verdict is printed, and drawn with what it rests
    on. The exit code is 0 where order and rows could be judged and nothing is wrong, else 1.

    example:
      lowtex data rig --template > ~/my_rig/rig.yaml       then write your numbers into it
      lowtex data rig --data stereo=~/my_rig
      lowtex data rig --data stereo=~/my_rig --pairs 8 --out ~/my_rig/check

      ~/my_rig/left/0001.png, right/0001.png, ...          rectified pairs, the same name in both folders
      ~/my_rig/depth/0001.npy or disparity/0001.pfm        optional ground truth of the left camera
    """
    from lowtex.datasets.stereo_folder import EXAMPLE_RIG

    if options.template:
        print(EXAMPLE_RIG, end="")
        return 0
    from lowtex.data_paths import parse_roots
    from lowtex.datasets import StereoFolder
    from lowtex.paths import from_root, shown
    from lowtex_lab.plots import draw_rig_check, save_figure
    from lowtex_lab.rig import RIGHT, check_rig

    roots = parse_roots(options.data)
    if set(roots) != {"stereo"}:
        raise OptionError("lowtex data rig looks at one folder of stereo pairs: give --data stereo=FOLDER")
    reader = StereoFolder(roots["stereo"], options.split, size=None)
    found = check_rig(reader, options.pairs, tell=lambda name: print(f"looking at {name.removesuffix('/l')}"))
    out = options.out.absolute() if options.out else from_root("results/rig_check")
    picture = save_figure(draw_rig_check(found), out / "rig_check")
    print("\n".join(found.lines()))
    print(f"picture: {shown(picture)}, with its numbers beside it")
    return 0 if found.verdict == RIGHT else 1


def miniature(options: argparse.Namespace) -> int:
    """What is complete is not written again.

    example:
      lowtex data miniature
      lowtex data miniature --profile standard --out ~/miniature
    """
    from lowtex.paths import shown
    from lowtex.progress import count
    from lowtex_lab.miniature.store import ensure_miniature

    folder = ensure_miniature(options.profile, options.out and options.out.absolute())
    for path in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        files = [file for file in path.rglob("*") if file.is_file()]
        print(f"{shown(path)}: {count(len(files), 'file')}, {sum(file.stat().st_size for file in files) / 1e6:.0f} MB")
    return 0
