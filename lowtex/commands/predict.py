"""`lowtex predict`.

For each photo NAME.* it writes NAME.npy (metres, float32, at the photo's size), NAME.png (16 bit, metres x 256, as in
KITTI) and NAME_depth_colour.png (coloured, with a colour bar in metres). How far things are depends on the lens: give
the camera's focal length in pixels of the photo, or it is taken to be the training camera's. Photos kept in 16 bits by
a camera of fewer need --image-bits, unless the network was trained on such images.
"""

import argparse
from pathlib import Path

from lowtex.commands import add_device, natural

EXAMPLE = """\
  lowtex predict photo.png --checkpoint results/quick/experiments/ours-s0-0123456789ab
  lowtex predict photos/ --checkpoint network.safetensors --focal 721.5 --out depth/"""

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="image files, or folders of them")
    parser.add_argument(
        "--checkpoint", required=True, type=Path, help="a trained network (.safetensors), or the folder it is in"
    )
    parser.add_argument("--focal", type=float, metavar="PIXELS", help="the camera's focal length, at the photo's size")
    parser.add_argument(
        "--image-bits",
        type=int,
        choices=range(8, 17),
        metavar="BITS",
        help="bits that the camera fills in 16-bit photos: 12 for a 12-bit camera; default those of its training",
    )
    parser.add_argument("--out", type=Path, default=Path("predictions"), metavar="FOLDER", help="default predictions/")
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Predict; returns 0 only if every photo could be read."""
    from lowtex.prediction import predict_files

    predict_files(
        find_photos(options.photos),
        options.checkpoint,
        options.out,
        focal_px=options.focal,
        image_bits=options.image_bits,
        device=options.device,
    )
    return 0


def find_photos(paths: list[Path]) -> list[Path]:
    """The files named, and the images directly inside the folders named, in natural order.

    Raises:
        DataError: a path does not exist, or a folder holds no image.
        OptionError: two photos would be written under one name.
    """
    from lowtex.datasets.reader import entries
    from lowtex.errors import DataError, OptionError

    photos: list[Path] = []
    for path in paths:
        if path.is_dir():
            files = (path / name for name in entries(path))
            inside = [file for file in files if file.suffix.lower() in ENDINGS and file.is_file()]
            if not inside:
                raise DataError(f"{path} holds no image ({', '.join(ENDINGS)}); name the folder the photos are in")
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
