"""Decoding images so that a damaged file is an error, never a picture.

Decoders differ in what they make of a damaged file: some return None, some a picture whose lower half is gray. So a
file is checked before it is decoded: every chunk of a PNG against its own checksum, a JPEG for its end marker (it
holds no checksums, so damage in the middle of one can't be seen). The check costs 0.3 ms for a KITTI image.
"""

import codecs
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from lowtex.errors import DataError

UNPACK_AGAIN = "unpack or download it again"

IMAGE_BITS = range(8, 17)
"""Bits that a camera may fill in a 16-bit image."""

_FULL_RANGE = 2**14
"""The brightest value of an image that fills 16 bits is not below this, a quarter of white."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_COLOURS = {0: "gray", 2: "RGB", 3: "palette", 4: "gray with alpha", 6: "RGB with alpha"}


def read_bytes(path: str | Path, way_out: str = UNPACK_AGAIN) -> bytes:
    """All bytes of a file.

    Raises:
        DataError: it is missing, a folder, empty, or can't be read; the message ends with ``way_out``.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing; {way_out}") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder where a file is expected; {way_out}") from error
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}); check its permissions and the disk") from error
    if not data:
        raise DataError(f"{path} is empty (0 bytes); {way_out}")
    return data


def read_text(path: str | Path, way_out: str = UNPACK_AGAIN) -> str:
    """A text file as one string, without the byte order mark that Windows editors put first.

    Raises:
        DataError: as `read_bytes`, or the file is not text.
    """
    data = read_bytes(path, way_out)
    # Windows PowerShell's `>` writes UTF-16
    coding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(coding)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file ({error.reason} at byte {error.start}); {way_out}") from error


def read_rgb(
    path: str | Path,
    way_out: str = UNPACK_AGAIN,
    any_kind: bool = False,
    bits: int | None = None,
    bits_option: str = "image_bits in rig.yaml",
) -> np.ndarray:
    """Decode a colour image.

    Args:
        path: PNG or JPEG, whatever its name ends in.
        way_out: end of the message if the file is missing or damaged.
        any_kind: also take gray, 16-bit, transparent and rotated (EXIF) images and formats other than PNG and JPEG,
            and make 8-bit RGB of them: right for a photograph, wrong for a data set, where such a file is a mix-up.
        bits: that a 16-bit image fills, with ``any_kind``: ``2 ** bits - 1`` becomes 255. A 12-bit camera's values
            are mostly kept as they are, and would be all but black taken for 16 bits. None: not known; it is then
            taken for 16 bits, unless its brightest value is below a quarter of white.
        bits_option: where the user gives the bits, for the message.

    Returns:
        ``(H, W, 3)`` uint8, RGB.

    Raises:
        DataError: missing, empty, truncated, damaged, not an image, not 8-bit RGB, or brighter than ``bits`` allow; or
            ``bits`` are not given and its brightest value shows that it does not fill 16.
    """
    path = Path(path)
    data = read_bytes(path, way_out)
    if data.startswith(_PNG_SIGNATURE):
        _check_png(data, path, way_out)
    elif data.startswith(b"\xff\xd8"):
        _check_jpeg(data, path, way_out)
    elif not any_kind:
        raise DataError(f"{path} is not a PNG or JPEG image (starts with {data[:8]!r}); {way_out}")
    image = _decode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH if any_kind else cv2.IMREAD_UNCHANGED, path, way_out)
    if any_kind and image.dtype == np.uint16:
        image = _to_8_bit(image, bits, path, bits_option)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(
            f"{path} is {_describe(image)} where 8-bit RGB is expected; "
            "check that the file is of the right kind and camera, then " + way_out
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_gray_png(path: str | Path, bits: int | Sequence[int] = 16, way_out: str = UNPACK_AGAIN) -> np.ndarray:
    """Decode a map of whole numbers kept as a one-channel PNG (depth, disparity, contrast).

    Args:
        path: the PNG.
        bits: 8, 16, or both: what it may have.
        way_out: end of the message if it is missing or damaged.

    Returns:
        ``(H, W)`` uint16 or, of 8 bits, uint8; the numbers as stored.

    Raises:
        DataError: missing, empty, truncated, damaged, not a PNG, or not one channel of ``bits`` bits.
    """
    path, allowed = Path(path), (bits,) if isinstance(bits, int) else tuple(bits)
    data = read_bytes(path, way_out)
    if not data.startswith(_PNG_SIGNATURE):
        raise DataError(f"{path} is not a PNG (starts with {data[:8]!r}); {way_out}")
    got_bits, colour = _check_png(data, path, way_out)
    if got_bits not in allowed or colour != 0:
        expected = " or ".join(f"{count}-bit" for count in allowed)
        raise DataError(
            f"{path} is {got_bits}-bit {_PNG_COLOURS.get(colour, colour)} where {expected} gray is expected in a PNG; "
            "it was saved by a tool that changed it, or it is not the map that belongs here: " + way_out
        )
    return _decode(data, cv2.IMREAD_UNCHANGED, path, way_out)


def read_gray_tiff(path: str | Path, way_out: str = UNPACK_AGAIN) -> np.ndarray:
    """Decode a map kept as a one-channel TIFF: ``(H, W)`` of the whole or real numbers that it holds.

    Raises:
        DataError: missing, empty, truncated, damaged, not a TIFF, or of several channels.
    """
    path = Path(path)
    data = read_bytes(path, way_out)
    if not data.startswith(_TIFF_SIGNATURES):
        raise DataError(f"{path} is not a TIFF (starts with {data[:8]!r}); {way_out}")
    image = _decode(data, cv2.IMREAD_UNCHANGED, path, way_out)
    if image.ndim != 2:
        raise DataError(f"{path} is {_describe(image)} where one number a pixel is expected; {way_out}")
    return image


def resize_area(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize ``(h, w, C)`` uint8 to ``size = (H, W)``: area average where it shrinks, linear where it grows.

    Both place pixel centres as `StereoRig.resized` does: x -> (x + 0.5) s - 0.5.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrunk = (min(width, image.shape[1]), min(height, image.shape[0]))
    image = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
    if shrunk == (width, height):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def resize_lanczos(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As `resize_area`, by Pillow's Lanczos filter: sharper, and what Monodepth2's networks were trained on."""
    # here, because only published weights need it, and the rest of the package should do without
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS))


def to_tensor(image: np.ndarray) -> Tensor:
    """``(H, W, 3)`` uint8 -> ``(3, H, W)`` float32 in [0, 1]."""
    return unit_range(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))


def unit_range(image: Tensor) -> Tensor:
    """uint8 -> float32 in [0, 1]; the one conversion, so that cached and decoded images agree bit for bit."""
    return image.float() / 255.0


def _check_png(data: bytes, path: Path, way_out: str) -> tuple[int, int]:
    """Walk the chunks; returns bit depth and colour type."""
    view = memoryview(data)
    place, header = 8, None
    while place + 12 <= len(data):
        length = int.from_bytes(view[place : place + 4], "big")
        kind = bytes(view[place + 4 : place + 8])
        end = place + 12 + length
        if end > len(data):
            break
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise DataError(f"{path} is damaged (checksum of its {kind!r} part at byte {place}); {way_out}")
        if kind == b"IHDR" and length == 13:
            header = data[place + 16], data[place + 17]
        if kind == b"IEND" and header is not None:
            return header
        place = end
    raise DataError(f"{path} is truncated (a PNG without its end, {len(data)} bytes); {way_out}")


def _check_jpeg(data: bytes, path: Path, way_out: str) -> None:
    """Find the start of the picture itself, past any thumbnail, then the end marker after it."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xDA:
            if data.rfind(b"\xff\xd9", place) < 0:
                break
            return
        # 0xFF repeats as filling; every other marker before the picture carries its length
        place += 1 if marker == 0xFF else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    raise DataError(f"{path} is truncated or damaged (a JPEG without its end, {len(data)} bytes); {way_out}")


def _decode(data: bytes, flags: int, path: Path, way_out: str) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"{path} can't be decoded ({error.err}); {way_out}") from error
    if image is None:
        raise DataError(f"{path} can't be decoded as an image; {way_out}")
    return image


def _to_8_bit(image: np.ndarray, bits: int | None, path: Path, option: str) -> np.ndarray:
    brightest = int(image.max())
    if bits is None:
        if 0 < brightest < _FULL_RANGE:
            likely = next(count for count in (8, 10, 12, 14) if brightest < 2**count)
            raise DataError(
                f"{path} is a 16-bit image whose brightest value is {brightest}, as of a camera of {likely} bits; "
                f"give the bits it fills by {option}: {likely}, or 16 if the picture really is that dark"
            )
        bits = 16
    white = 2**bits - 1
    if brightest > white:
        raise DataError(
            f"{path} holds values up to {brightest}, but {bits} bits end at {white}; give the bits it really fills by "
            f"{option}"
        )
    return np.rint(image * (255.0 / white)).astype(np.uint8)


def _describe(image: np.ndarray) -> str:
    channels = 1 if image.ndim == 2 else image.shape[2]
    kind = {1: "gray", 3: "RGB", 4: "RGB with alpha"}.get(channels, f"{channels}-channel")
    return f"{image.dtype.itemsize * 8}-bit {kind}"
