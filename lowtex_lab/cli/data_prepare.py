"""`lowtex data prepare`.

Images are decoded and resized once, in parallel, and kept as bytes in data/prepared (LOWTEX_PREPARED names another
folder). Training and evaluation take samples from there without being asked, as long as the files they were made of are
as they were; else the same command makes them anew. A folder that --out names can be given as a data root, --data
kitti=FOLDER, even when the originals are gone. For training, both views are kept; with --depth or --protocol, what an
evaluation reads: one view and the ground truth.
Without --data it takes the miniature Virtual KITTI 2.
"""

import argparse
import re

from lowtex.errors import OptionError
from lowtex_lab.cli.options import add_data, add_profile, folder_to_write, reader_options

EXAMPLE = """\
  lowtex data prepare --data kitti=~/kitti_raw --split train --size 640x192
  lowtex data prepare --data kitti=~/kitti_raw --data kitti_depth=~/kitti_depth --protocol improved --size 640x192
  lowtex data prepare --split test --depth"""

_SIZE = re.compile(r"(\d+)x(\d+)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_data(parser, "prepare this data set: NAME=FOLDER, or NAME alone for its miniature; can be given several times")
    parser.add_argument(
        "--split", help="a split's name, or a file that lists frames; default train, or what the evaluation takes"
    )
    parser.add_argument("--size", metavar="WxH", help="size of the kept images, pixels; default the profile's")
    parser.add_argument("--depth", action="store_true", help="keep what an evaluation reads: ground truth, one view")
    parser.add_argument("--protocol", help="keep what this protocol reads: eigen_raw, eigen_raw_z, improved, …")
    parser.add_argument(
        "--reader", action="append", default=[], metavar="NAME=VALUE", help="an option of the reader: variation=fog"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="threads that decode; default one a core")
    parser.add_argument(
        "--out", type=folder_to_write, metavar="FOLDER", help="default a folder of its own in data/prepared"
    )
    add_profile(parser)


def run(options: argparse.Namespace) -> int:
    """Prepare; says where and how much."""
    from lowtex.datasets import prepare
    from lowtex.profiles import get_profile

    if options.workers is not None and options.workers < 1:
        raise OptionError(f"--workers {options.workers} must be 1 or more")
    size = get_profile(options.profile).size if options.size is None else _size(options.size)
    readers = _readers(options, size)
    if options.out is not None and len(readers) > 1:
        raise OptionError("--out takes one data set; prepare them one at a time, or leave --out away")
    for reader in readers:
        prepare(reader, options.out, workers=options.workers)
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
    names = [*roots, *miniatures]
    if options.protocol:
        given = reader_options(options.reader, source_of(options.protocol).reader)
        if not miniatures:
            require_named(options.protocol, names)
        return [open_test_set(options.protocol, paths, options.split, size, prepared=False, **given)]
    if "kitti_depth" in names and "kitti" in names:
        # it only lends its images, as in an evaluation
        names.remove("kitti")
    readers = []
    for name in names or ["vkitti2"]:
        if options.depth or name not in TRAINABLE:
            protocol = default_protocol([name])
            given = reader_options(options.reader, source_of(protocol).reader)
            readers.append(open_test_set(protocol, paths, options.split, size, prepared=False, **given))
        else:
            given = reader_options(options.reader, name)
            readers.append(open_pairs(name, paths[name], options.split or "train", size, prepared=False, **given))
    return readers


def _size(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None or not (int(match[1]) and int(match[2])):
        raise OptionError(f"--size {text!r} must read WIDTHxHEIGHT in pixels, e.g. 640x192")
    return int(match[2]), int(match[1])
