"""`lowtex predict`: metric depth of photos, written to files that other programs read."""

import argparse
import io
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from lowtex.errors import DataError, OptionError
from lowtex.files import atomic_path

PNG_UNITS = 256.0
"""One metre in a 16-bit PNG, as in KITTI's depth maps; the largest depth it holds is 65535 / 256 = 255.996 m."""

ODD_SHAPE = 1.5
"""A photo whose aspect ratio differs from the training images' by more than this factor is squeezed noticeably."""


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


def find_photos(paths: list[Path]) -> list[Path]:
    """The files named, and the images directly inside the folders named, in natural order.

    Files of a folder that are no images are told in a line.

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
                print(f"note: left out of {path}, because they are no images of a kind that is read here: {told}")
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


def predict_files(
    photos: Sequence[Path],
    checkpoint: str | Path,
    out: str | Path,
    *,
    focal_px: float | None = None,
    image_bits: int | None = None,
    device: str = "auto",
    existing: str = "refuse",
) -> list[Path]:
    """Predict several photos, and print warnings; see `lowtex predict --help` for what is written.

    Args:
        photos: image files with different stems.
        checkpoint: see `lowtex.checkpoints.load_network`.
        out: folder to write to.
        focal_px: of the camera at the photos' size, > 0; None is the training camera's, with a warning.
        image_bits: that the camera fills in 16-bit photos, 8 to 16; None is what the checkpoint was trained with, if
            its rig said so.
        device: ``auto``, ``cpu`` or ``cuda``.
        existing: what becomes of a photo with a file in ``out`` already: ``refuse`` raises an error before any work is
            done, ``skip`` leaves the photo out, ``overwrite`` replaces the file.

    Returns:
        The ``.npy`` files that were written.

    Raises:
        CheckpointError: no such checkpoint, or it is damaged.
        OptionError: an output would overwrite a photo or another output.
        DataError: the disk is full; or photos that can't be read, or that the focal length can't be of, after all
            others are done; names the first.
    """
    from lowtex.checkpoints import load_network
    from lowtex.datasets.images import read_rgb
    from lowtex.devices import resolve_device
    from lowtex.evaluation.evaluate import predict_photo
    from lowtex.geometry import implausible_focal
    from lowtex.progress import Progress

    out = Path(out)
    photos = _free_to_write(photos, out, existing)
    if not photos:
        return []
    network, known = load_network(checkpoint)
    network = network.to(resolve_device(device)).eval()
    facts = known.get("facts", {})
    rig, bits = facts.get("rig", {}), image_bits or facts.get("image_bits")
    size, baseline_m = known["size"], rig.get("baseline_m") or 1.0
    focal_over_width = network.reference_focal or (rig["focal_px"] / rig["width"] if rig else None)
    if focal_px is None:
        if focal_over_width is None:
            raise OptionError("the checkpoint does not name its camera, so --focal is needed")
        print(
            "warning: the focal length is unknown, so the photos are taken to come from the training camera "
            f"(focal length = {focal_over_width:.3f} x image width). If they do not, all depths are wrong by one "
            "common factor: give --focal in pixels"
        )
    written, failed = [], []
    with Progress("predicting", len(photos), "photo") as progress:
        for photo in photos:
            try:
                image = read_rgb(photo, "give a whole image file", any_kind=True, bits=bits, bits_option="--image-bits")
                focal = focal_over_width * image.shape[1] if focal_px is None else focal_px
                if problem := implausible_focal(focal, image.shape[1]):
                    raise DataError(f"{photo}: {problem} with --focal")
                depth = predict_photo(network, size, image, focal, baseline_m)
            except DataError as error:
                failed.append(error)
                continue
            stretch = (image.shape[1] / image.shape[0]) / (size[1] / size[0])
            if not 1 / ODD_SHAPE < stretch < ODD_SHAPE:
                print(
                    f"warning: {photo.name} is {image.shape[1]}x{image.shape[0]}; the network saw {size[1]}x{size[0]} "
                    "in training, and squeezes photos of another shape: crop it to that shape for better depth"
                )
            written.append(write_depth(out / photo.stem, depth, image))
            progress.update()
    print(f"{len(written)} of {len(photos)} photos done, in {out}: metres in .npy, metres x {PNG_UNITS:g} in .png")
    if failed:
        raise DataError(f"{len(failed)} of {len(photos)} photos could not be predicted; the first: {failed[0]}")
    return written


def _free_to_write(photos: Sequence[Path], out: Path, existing: str) -> list[Path]:
    """The photos to predict, so that no photo, no other output and, unasked, no earlier file is overwritten."""
    sources = {photo.resolve(): photo for photo in photos}
    writers: dict[Path, Path] = {}
    for photo in photos:
        for path in outputs(out / photo.stem):
            if source := sources.get(path.resolve()):
                raise OptionError(f"{source} would be overwritten by its depth map; choose another folder with --out")
            if (other := writers.setdefault(path, photo)) != photo:
                raise OptionError(f"{other} and {photo} would both write {path}; predict them into two --out folders")
    there = [path for path in writers if path.exists()]
    done = {writers[path] for path in there}
    if done and existing == "refuse":
        raise OptionError(
            f"{out} already holds depth of {len(done)} of {len(photos)} photos (such as {there[0].name}); add "
            "--overwrite to replace it, --skip-existing to predict only the others, or choose another folder with --out"
        )
    if done and existing == "skip":
        print(f"{len(done)} of {len(photos)} photos left out: their depth is in {out}")
        return [photo for photo in photos if photo not in done]
    return list(photos)


def outputs(base: Path) -> list[Path]:
    """The files that `write_depth` writes: metres, metres x 256, and the picture."""
    return [base.parent / f"{base.name}{ending}" for ending in (".npy", ".png", "_depth_colour.png")]


def write_depth(base: str | Path, depth: np.ndarray, image: np.ndarray) -> Path:
    """Write ``base.npy``, ``base.png`` and ``base_depth_colour.png``, all three or none; returns the first.

    Args:
        base: path without ending.
        depth: ``(H, W)`` metres > 0; the 16-bit PNG holds at most 255.996 m, and what is farther is clipped to it.
        image: the photo, ``(H, W, 3)`` uint8 RGB, shown above the coloured depth.

    Raises:
        DataError: the disk is full, or the folder can't be written to.
    """
    from lowtex_lab.plots import image_grid

    metres, picture = io.BytesIO(), io.BytesIO()
    np.save(metres, depth.astype(np.float32))
    units = np.clip(np.rint(depth.astype(np.float64) * PNG_UNITS), 1, 65535).astype(np.uint16)
    # a wide photo stands above its depth, a tall one beside it
    columns = 1 if depth.shape[0] < 0.8 * depth.shape[1] else 2
    shown = {"photo": image / np.float32(255), "near is bright, far is dark": depth}
    figure = image_grid(shown, f"Predicted depth of {Path(base).name}", columns, colors="depth")
    figure.savefig(picture, format="png", dpi=150)
    contents = metres.getvalue(), cv2.imencode(".png", units)[1].tobytes(), picture.getvalue()
    paths = outputs(Path(base))
    with ExitStack() as stack:
        # none is moved into place before all are written
        temporaries = [stack.enter_context(atomic_path(path)) for path in paths]
        for temporary, content in zip(temporaries, contents, strict=True):
            temporary.write_bytes(content)
    return paths[0]
