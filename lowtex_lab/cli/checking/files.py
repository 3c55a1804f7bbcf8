"""Is one file of a data set whole? Told from its first and last bytes, or by decoding it as the readers do.

The quick look reads less than a kilobyte of an image: its size in pixels and its kind stand at the beginning, and a
file that was cut off lacks its end. Damage in the middle is found by the thorough look only.
"""

import errno
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lowtex.datasets import images
from lowtex.datasets.cityscapes import read_camera
from lowtex.datasets.kitti import read_kitti_calibration, read_velodyne, read_velodyne_to_camera
from lowtex.datasets.make3d import read_grid
from lowtex.datasets.measured_maps import read_map
from lowtex.datasets.rig_file import read_rig_file
from lowtex.datasets.virtual_kitti2 import read_vkitti2_baselines, read_vkitti2_intrinsics
from lowtex.errors import DataError

KINDS = ("missing", "empty", "truncated", "wrong size", "wrong kind", "damaged", "unreadable")
"""What can be wrong with a file."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"
_HEAD, _TAIL = 4096, 64
_RGB_8, _GRAY = (8, 2), 0
_POINT = 16
_SOME_POINTS = 256


@dataclass(frozen=True)
class Problem:
    """What is wrong with one file: its path, the kind (of `KINDS`) and a reason of one line."""

    path: Path
    kind: str
    reason: str


@dataclass(frozen=True)
class Look:
    """What a look at a file found: ``(width, height)`` if it is a good image or map, or what is wrong with it."""

    size: tuple[int, int] | None = None
    problem: Problem | None = None


def look_at(path: Path, role: str, thorough: bool = False) -> Look:
    """Look at one file; nothing is raised, whatever is found.

    Args:
        path: of the file.
        role: what it has to be, one of `ROLES`.
        thorough: decode it, however long that takes, instead of judging by its ends.
    """
    quick, decode = ROLES[role]
    try:
        size = None if thorough else _glance(path, quick)
        # None: its ends do not tell, or look wrong; the readers' own function gives the verdict
        return Look(decode(path) if size is None else size or None)
    except DataError as error:
        return Look(problem=Problem(path, *explained(str(error), path)))


def explained(message: str, path: Path) -> tuple[str, str]:
    """A reader's message as kind and reason: without the path, which is told apart, and without the way out."""
    reason = message.replace(f"{path}: ", "").replace(f"{path} ", "").split("; ")[0].strip()
    if len(reason) > 160:
        reason = reason[:157] + "..."
    return next((kind for kind, words in _WORDS.items() if words.match(reason)), "damaged"), reason


def first_named(message: str, paths: Iterable[Path]) -> Path | None:
    """The one of some files that a reader's message names first, which is the one it is about."""
    named = [path for path in paths if str(path) in message]
    return min(named, key=lambda path: message.index(str(path)), default=None)


_WORDS = {
    "missing": re.compile(r"is missing"),
    "empty": re.compile(r"is empty"),
    "unreadable": re.compile(r"can't be read \(|is a folder "),
    "truncated": re.compile(r".*\btruncated\b"),
    "wrong kind": re.compile(
        r"is .* is expected|is not a (PNG|PFM|TIFF|text file)"
        r"|is a 16-bit image whose|holds (whole numbers|values up)|most "
    ),
    "wrong size": re.compile(r"is \d+x\d+\b"),
}
"""How the readers' messages begin, after the path."""


def _glance(path: Path, quick: Callable | None) -> tuple[int, int] | tuple[()] | None:
    """Existence, bytes, and what ``quick`` makes of both ends."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror})") from error
    try:
        length = os.fstat(handle).st_size
        if not length:
            raise DataError(f"{path} is empty (0 bytes)")
        if quick is None:
            return None
        head = os.pread(handle, _HEAD, 0)
        tail = head[-_TAIL:] if length <= _HEAD else os.pread(handle, _TAIL, length - _TAIL)
        return quick(handle, path, length, head, tail)
    except OSError as error:
        if error.errno == errno.EISDIR:
            raise DataError(f"{path} is a folder where a file is expected") from error
        raise DataError(f"{path} can't be read ({error.strerror})") from error
    finally:
        os.close(handle)


def _png_size(head: bytes, tail: bytes, kind: tuple[int, int] | None) -> tuple[int, int] | None:
    """(width, height) if the header is sound and of that (bits, colour type) and the end is there; else None."""
    if not tail.endswith(_PNG_END) or len(head) < 33 or head[12:16] != b"IHDR":
        return None
    width, height, *got = struct.unpack(">IIBB", head[16:26])
    sound = zlib.crc32(head[12:29]) == int.from_bytes(head[29:33], "big")
    return (width, height) if sound and kind in (None, tuple(got)) else None


def _jpeg_size(head: bytes, tail: bytes, gray: bool = False) -> tuple[int, int] | None:
    """(width, height) of an 8-bit JPEG of three colours (or ``gray``) whose end is there; else None."""
    if not tail.endswith(b"\xff\xd9"):
        return None
    place = 2
    while place + 10 <= len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, height, width, colours = struct.unpack(">BHHB", head[place + 4 : place + 10])
            return (width, height) if bits == 8 and height and (colours == 3 or gray) else None
        if marker == 0xDA:
            return None
        place += 1 if marker == 0xFF else 2 + int.from_bytes(head[place + 2 : place + 4], "big")
    return None


def _quick_picture(handle: int, path: Path, length: int, head: bytes, tail: bytes):
    if head.startswith(_PNG_SIGNATURE):
        return _png_size(head, tail, _RGB_8)
    return _jpeg_size(head, tail) if head.startswith(b"\xff\xd8") else None


def _quick_photo(handle: int, path: Path, length: int, head: bytes, tail: bytes):
    if head.startswith(_PNG_SIGNATURE):
        return _png_size(head, tail, None)
    # a camera held upright says so in its EXIF, and width and height then change places
    if head.startswith(b"\xff\xd8") and b"Exif" not in head:
        return _jpeg_size(head, tail, gray=True)
    return None


def _quick_map(bits: int) -> Callable:
    def quick(handle: int, path: Path, length: int, head: bytes, tail: bytes):
        return _png_size(head, tail, (bits, _GRAY)) if head.startswith(_PNG_SIGNATURE) else None

    return quick


def _quick_scan(handle: int, path: Path, length: int, head: bytes, tail: bytes):
    if length % _POINT:
        return None
    last = os.pread(handle, _SOME_POINTS * _POINT, max(0, length - _SOME_POINTS * _POINT))
    some = np.frombuffer(head[: len(head) // _POINT * _POINT] + last, "<f4")
    return () if np.isfinite(some).all() else None


def _picture_size(path: Path) -> tuple[int, int]:
    return _size(images.read_rgb(path))


def _photo_size(path: Path) -> tuple[int, int]:
    # whether these are the bits it fills is told by the reader, which knows the rig
    return _size(images.read_rgb(path, any_kind=True, bits=16))


def _size(values: np.ndarray) -> tuple[int, int]:
    return values.shape[1], values.shape[0]


def _own_map_size(path: Path) -> tuple[int, int]:
    # likewise the unit
    return _size(read_map(path, path.parent.name, 1.0))


def _only_errors(read: Callable, *more) -> Callable:
    """A reader's function of which the result does not matter."""

    def decode(path: Path) -> None:
        read(path, *more)

    return decode


ROLES: dict[str, tuple[Callable | None, Callable]] = {
    "picture": (_quick_picture, _picture_size),
    "depth map": (_quick_map(16), lambda path: _size(images.read_gray_png(path, 16))),
    "mask": (_quick_map(8), lambda path: _size(images.read_gray_png(path, 8))),
    "photo": (_quick_photo, _photo_size),
    "own map": (None, _own_map_size),
    "scan": (_quick_scan, _only_errors(read_velodyne)),
    "grid": (None, _only_errors(read_grid)),
    "rig file": (None, _only_errors(read_rig_file)),
    "KITTI cameras": (None, _only_errors(read_kitti_calibration, images.UNPACK_AGAIN)),
    "KITTI laser": (None, _only_errors(read_velodyne_to_camera, images.UNPACK_AGAIN)),
    "VKITTI2 intrinsics": (None, _only_errors(read_vkitti2_intrinsics, images.UNPACK_AGAIN)),
    "VKITTI2 extrinsics": (None, _only_errors(read_vkitti2_baselines, images.UNPACK_AGAIN)),
    "Cityscapes camera": (None, _only_errors(read_camera, images.UNPACK_AGAIN)),
}
"""What a file has to be: how to judge it by its ends (None: it is small, so it is read), and the readers' function."""
