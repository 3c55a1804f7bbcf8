"""`lowtex predict`.

For each photo NAME.* it writes NAME.npy (metres, float32, at the photo's size), NAME.png (16 bit, metres x 256, as in
KITTI) and NAME_depth_colour.png (coloured, with a colour bar in metres). How far things are depends on the lens: give
the camera's focal length in pixels of the photo, or it is taken to be the training camera's. Photos kept in 16 bits by
a camera of fewer need --image-bits, unless the network was trained on such images. Files that are there already are
never replaced unasked: --overwrite does, --skip-existing predicts only the other photos.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from lowtex_lab.cli.options import add_device, folder_to_write, given_path, natural

EXAMPLE = """\
  lowtex predict photo.png --checkpoint results/quick/experiments/ours-s0-0123456789ab
  lowtex predict photos/ --checkpoint network.safetensors --focal 721.5 --out depth/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
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


def run(options: argparse.Namespace) -> int:
    """Predict; returns 0 only if every photo could be read."""
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
        OptionError: two photos would be written under one name.
    """
    from lowtex.datasets.reader import entries
    from lowtex.datasets.stereo_folder import IMAGE_SUFFIXES
    from lowtex.errors import DataError, OptionError

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
            photos += sorted(inside, key=lambda file: natural(file.name))
        elif path.is_file():
            photos.append(path)
        else:
            raise DataError(f"{path} does not exist; give image files, or folders of them")
    by_stem: dict[str, Path] = {}
    for photo in photos:
        other = by_stem.setdefault(photo.stem, photo)
        if other.resolve() != photo.resolve():
            raise OptionError(
                f"{other} and {photo} would both be written as {photo.stem}.npy; predict them into two --out folders"
            )
    return list(by_stem.values())
