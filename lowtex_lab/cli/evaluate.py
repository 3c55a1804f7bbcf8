"""`lowtex evaluate` and `lowtex predict`."""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from lowtex.errors import DataError, OptionError
from lowtex_lab.cli.options import (
    add_data,
    add_device,
    add_profile,
    add_reader,
    file_to_write,
    folder_to_write,
    given_path,
    reader_options,
)


def evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate`."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        type=given_path,
        help="a trained network (.safetensors) or its folder, or a folder with Monodepth2's encoder.pth and depth.pth",
    )
    add_data(parser, "evaluate on this folder: kitti, kitti_depth, vkitti2, make3d, cityscapes or stereo=FOLDER")
    parser.add_argument("--protocol", help="eigen_raw, improved, make3d_c1, …; default the one of the data")
    parser.add_argument("--split", help="a split's name, 'available', or a file that lists frames; default test")
    add_reader(parser)
    parser.add_argument("--flip", action="store_true", help="average with the prediction for the mirrored image")
    parser.add_argument("--scaling", metavar="HOW", help="none, median, or x5.4; default the protocol's")
    parser.add_argument("--strata", metavar="KIND,KIND", help="also by known or gradient texture, distance, edges, …")
    parser.add_argument("--out", type=file_to_write, metavar="FILE", help="add the rows to this CSV file")
    parser.add_argument(
        "--per-image", type=file_to_write, metavar="FILE", help="add the scores of each single image to this CSV file"
    )
    add_profile(parser)
    add_device(parser)


def evaluate(options: argparse.Namespace) -> int:
    r"""Prints a table and, with --out, adds tidy rows to a file; --per-image adds the scores of single images to
    another. Each row states protocol, crop, cap, scaling and flip. Nothing is scaled by the median unless asked or the
    protocol says so (Make3D's), because stereo training gives metres. Without --data it takes the miniatures. An image
    whose files are damaged is named and left out; the rows of the others then say so in their split, and the exit code
    is 1.

    A checkpoint trained with a pretended baseline, as Monodepth2's are, gives units instead of metres: --scaling x5.4
    says that one of its units is 5.4 m, the literature's factor for KITTI (0.54 m where 0.1 was pretended). For
    Monodepth2's folders images are resized by Lanczos, as in their training, else by area; --reader resize=area or
    lanczos says which.

    example:
      lowtex evaluate --checkpoint results/quick/experiments/ours-s0-0123456789ab
      lowtex evaluate --checkpoint network.safetensors --data kitti=~/kitti_raw \
          --data kitti_depth=~/kitti_depth --protocol improved --split available --out rows.csv
      lowtex evaluate --checkpoint network.safetensors --data make3d=~/make3d --protocol make3d_c1
      lowtex evaluate --checkpoint mono+stereo_640x192/ --data kitti=~/kitti_raw --scaling x5.4
    """
    import warnings

    from lowtex.catalog import TRUTH_FILES, data_name, learnt_from, source_of
    from lowtex.data_paths import is_miniature, parse_roots
    from lowtex.devices import resolve_device
    from lowtex.evaluation.evaluate import NO_TRUTH, evaluate
    from lowtex.evaluation.results import append_rows, per_image_rows, read_rows, rows_from, table, to_markdown
    from lowtex.progress import count
    from lowtex.provenance import provenance
    from lowtex_lab.cli import FAILED

    if options.out and options.per_image and options.out.resolve() == options.per_image.resolve():
        raise OptionError(f"--out and --per-image both name {options.out}; give each a file of its own")
    if options.out and options.out.is_file():
        # a file that holds something else is refused before the work, not after it
        read_rows(options.out)
    earlier = read_images(options.per_image)
    device = resolve_device(options.device)
    network, known = load_any(options.checkpoint)
    protocol, dataset = open_for(
        options.protocol, parse_roots(options.data), options, known["size"], **known.get("reader", {})
    )
    root = source_of(protocol).root
    strata = [kind.strip() for kind in options.strata.split(",")] if options.strata else None
    with warnings.catch_warnings():
        # the sentence printed below says the same
        warnings.simplefilter("ignore")
        result = evaluate(
            network.to(device),
            dataset,
            protocol,
            flip=options.flip or None,
            scaling=options.scaling,
            strata=strata,
            progress=True,
            keep_going=True,
        )
    if not result.images and NO_TRUTH in result.unscored.values():
        raise DataError(
            f"nothing to score by: {result.describe()}; ground truth belongs in {dataset.root}/{TRUTH_FILES[root]}"
        )
    told = {"eval_data": data_name(dataset, root, known["size"]), "split": dataset.split, **known.get("row", {})}
    if result.damaged:
        # rows of fewer images must not pass for rows of the whole split
        told["split"] += f" without {len(result.damaged)} damaged"
    rows = rows_from(
        result,
        known["experiment"],
        miniature=is_miniature(dataset.root),
        profile=options.profile,
        origin=provenance(device),
        **told,
    )
    if options.out:
        append_rows(options.out, rows)
    if options.per_image:
        told.pop("train_data", None)
        write_images(options.per_image, earlier, per_image_rows(result, known["experiment"], **told))
    print(f"{told['eval_data']}, split {told['split']}; {result.describe()}")
    if learnt_from(known["experiment"], dataset, root):
        print("note: these are the very images it was trained on; no test of how it does on others")
    if known["facts"].get("use_stereo") is False and result.protocol.scaling != "median":
        print("note: this checkpoint was trained with one camera and has no scale; evaluate it with --scaling median")
    for kind in dict.fromkeys(rows["stratum_kind"]):
        print()
        print(to_markdown(table(rows[rows["stratum_kind"] == kind], stratum_kind=kind)))
    if options.out:
        print(f"{count(len(rows), 'row')} in {options.out}")
    if options.per_image:
        print(f"scores of {count(result.images, 'image')} in {options.per_image}")
    for name, reason in result.damaged.items():
        print(f"lowtex: {name} is left out: {' '.join(reason.split())}", file=sys.stderr)
    return FAILED if result.damaged else 0


def read_images(path: Path | None):
    """Scores of single images that ``--per-image`` wrote before, as a frame of texts; None where there are none.

    Raises:
        DataError: a file that is not such a table.
    """
    import pandas as pd

    if path is None or not path.is_file():
        return None
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise DataError(f"--per-image {path} is not a CSV file ({error}); name another file") from error
    if missing := [name for name in ("experiment", "image", "stratum") if name not in frame]:
        raise DataError(
            f"--per-image {path} is no table of scores of images: it lacks {', '.join(missing)}; name another file"
        )
    return frame


def write_images(path: Path, earlier, frame) -> None:
    """Add scores of single images to those of `read_images`; of two of one image and stratum the later stays."""
    import io

    import pandas as pd

    from lowtex.evaluation.results import write_csv

    if earlier is not None:
        key = list(frame.columns[: frame.columns.get_loc("stratum") + 1])
        # as texts, or 80 in the file would not be the 80.0 measured now
        now = io.StringIO(frame.to_csv(index=False, float_format="%.10g"))
        frame = pd.concat([earlier, pd.read_csv(now, dtype=str, keep_default_na=False)]).fillna("")
        frame = frame.drop_duplicates(key, keep="last")
    write_csv(path, frame)


def open_for(
    name: str | None, named: dict[str, Path], options: argparse.Namespace, size: tuple[int, int], **reader: object
):
    """The protocol and the data set it needs, from the folders named or from the miniatures.

    ``reader`` has options of the reader that ``--reader`` overrides.

    Raises:
        OptionError: an unknown protocol, or folders are named and the one it needs is not.
        DataError: the data set is not complete.
    """
    from lowtex.catalog import default_protocol, open_test_set, require_named, source_of
    from lowtex.data_paths import resolve_roots
    from lowtex.evaluation.protocols import get_protocol
    from lowtex_lab.miniature.store import ensure_miniature

    protocol = get_protocol(name or default_protocol(named)).changed(scaling=options.scaling)
    require_named(protocol, named)
    if not named:
        ensure_miniature(options.profile)
    roots = resolve_roots(named, options.profile)
    given = reader | reader_options(options.reader, source_of(protocol).reader)
    return protocol, open_test_set(protocol, roots, options.split, size, **given)


def load_any(checkpoint: Path):
    """A network of this kit, or one of Monodepth2's folders, and what is known about it.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    from lowtex.checkpoints import load_network
    from lowtex.networks.pretrained import is_monodepth2, load_monodepth2

    return load_monodepth2(checkpoint) if is_monodepth2(checkpoint) else load_network(checkpoint)


def predict_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `predict`."""
    parser.add_argument("photos", nargs="+", type=given_path, metavar="PHOTO", help="image files, or folders of them")
    parser.add_argument(
        "--checkpoint", required=True, type=given_path, help="a trained network (.safetensors), or the folder it is in"
    )
    parser.add_argument("--focal", type=float, metavar="PIXELS", help="the camera's focal length, at the photo's size")
    parser.add_argument(
        "--image-bits",
        type=int,
        choices=range(8, 17),
        metavar="BITS",
        help="bits that the camera fills in 16-bit photos: 12 for a 12-bit camera; default those of its training",
    )
    parser.add_argument(
        "--out", type=folder_to_write, default="predictions", metavar="FOLDER", help="default predictions/"
    )
    there = parser.add_mutually_exclusive_group()
    there.add_argument("--overwrite", action="store_true", help="replace depth that is in the folder already")
    there.add_argument(
        "--skip-existing", action="store_true", help="leave out photos whose depth is in the folder, e.g. to go on"
    )
    add_device(parser)


def predict(options: argparse.Namespace) -> int:
    """For each photo NAME.* it writes NAME.npy (metres, float32, at the photo's size), NAME.png (16 bit, metres x 256,
    as in KITTI) and NAME_depth_colour.png (coloured, with a colour bar in metres). How far things are depends on the
    lens: give the camera's focal length in pixels of the photo, or it is taken to be the training camera's. Photos kept
    in 16 bits by a camera of fewer need --image-bits, unless the network was trained on such images. Files that are
    there already are never replaced unasked: --overwrite does, --skip-existing predicts only the other photos.

    example:
      lowtex predict photo.png --checkpoint results/quick/experiments/ours-s0-0123456789ab
      lowtex predict photos/ --checkpoint network.safetensors --focal 721.5 --out depth/
    """
    from lowtex_lab.cli.predict_files import predict_files

    try:
        predict_files(
            find_photos(options.photos),
            options.checkpoint,
            options.out,
            focal_px=options.focal,
            image_bits=options.image_bits,
            device=options.device,
            existing="overwrite" if options.overwrite else "skip" if options.skip_existing else "refuse",
        )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("the same command with --skip-existing goes on from there") from stop
    return 0


def find_photos(paths: list[Path], tell: Callable[[str], None] = print) -> list[Path]:
    """The files named, and the images directly inside the folders named, in natural order.

    Args:
        paths: files and folders.
        tell: gets a line about the files of a folder that are no images.

    Raises:
        DataError: a path does not exist, or a folder holds no image.
    """
    from lowtex.datasets.reader import entries
    from lowtex.datasets.stereo_folder import IMAGE_SUFFIXES

    photos: list[Path] = []
    for path in paths:
        if path.is_dir():
            files = [path / name for name in entries(path) if (path / name).is_file()]
            inside = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
            others = Counter(file.suffix.lower() or "no ending" for file in files if file not in inside)
            told = ", ".join(f"{ending} ({number})" for ending, number in sorted(others.items()))
            if not inside:
                raise DataError(
                    f"{path} holds no image of a kind that is read here ({', '.join(IMAGE_SUFFIXES)})"
                    f"{f', but {told}' if told else ''}; name the folder the photos are in, or save them as PNG or JPEG"
                )
            if told:
                tell(f"note: left out of {path}, because they are no images of a kind that is read here: {told}")
            photos += sorted(inside, key=lambda file: _natural(file.name))
        elif path.is_file():
            photos.append(path)
        else:
            raise DataError(f"{path} does not exist; give image files, or folders of them")
    # one that is named, and is in a folder named too, is one photo
    return list({(photo.resolve(), photo.stem): photo for photo in photos}.values())


def _natural(text: str) -> list:
    """Sort key under which ``frame_2`` comes before ``frame_10``."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", text)]
