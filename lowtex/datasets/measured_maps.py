"""Ground truth of one's own rig: depth or disparity kept as NumPy, PFM, TIFF or PNG."""

import io
import re
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lowtex.datasets.images import read_bytes, read_gray_png, read_gray_tiff
from lowtex.errors import DataError

MAP_SUFFIXES = (".png", ".pfm", ".npy", ".npz", ".tif", ".tiff")
"""Kinds of map files, in small or capital letters."""

UNIT_KEYS = {"depth": "depth_unit_m", "disparity": "disparity_unit_px"}
"""Key of ``rig.yaml`` that says what one unit of whole numbers stands for, by the kind of map."""

FARTHEST_M = 1000.0
"""No rig of two cameras measures farther; most depths of a map in another unit are beyond."""

MAP_WAY_OUT = "write the map anew, as float32 .npy, .pfm, .tif or 16-bit .png"

_BITS = {"depth": (16,), "disparity": (8, 16)}
"""Of PNGs: disparities are published in 8 bits too (Middlebury), depth in 8 bits is mostly a picture of it."""

_EXAMPLES = {"depth": "0.001 for millimetres", "disparity": "1 for pixels, 0.5 for half pixels"}

_PFM_HEADER = re.compile(rb"(P[fF])\s+(\d+)\s+(\d+)\s+([+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)[ \t\r]*\n")


def read_map(path: str | Path, kind: str, unit: float | None) -> np.ndarray:
    """A map as ``(h, w)`` float32, top row first, with 0 where there is no value.

    Args:
        path: one of `MAP_SUFFIXES`; ``.npz`` holds one array.
        kind: ``depth`` (metres) or ``disparity`` (pixels).
        unit: metres or pixels that one unit of whole numbers stands for, whatever file they are kept in; None: not
            given. Real numbers are metres or pixels themselves.

    Infinity means no value, as in Middlebury's disparities, and so does 0.

    Raises:
        DataError: missing, damaged, not a map of numbers, whole numbers without a unit, or with not-a-number in it.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".png":
        values = read_gray_png(path, _BITS[kind], MAP_WAY_OUT)
    elif suffix in (".tif", ".tiff"):
        values = read_gray_tiff(path, MAP_WAY_OUT)
    elif suffix == ".pfm":
        values = read_pfm(path)
    else:
        values = _read_numpy(path)
    scale = 1.0
    if values.dtype.kind in "iu":
        if unit is None:
            raise DataError(
                f"{path} holds whole numbers and nothing says what 1 stands for: give {UNIT_KEYS[kind]} in rig.yaml "
                f"({_EXAMPLES[kind]})"
            )
        scale = unit
    with np.errstate(over="ignore"):
        values = values.astype(np.float32) * np.float32(scale)
    refuse_values(
        values,
        np.isnan(values),
        path,
        f"of {values.size:,} values are not a number",
        "write 0 or infinity where there is no ground truth, so that a failed computation is not taken for a gap",
    )
    values[np.isposinf(values)] = 0.0
    return values


def read_pfm(path: str | Path) -> np.ndarray:
    """A gray PFM (portable float map) as ``(h, w)`` float32, top row first.

    The file keeps the bottom row first; the sign of its scale says the byte order (negative: little endian). The
    scale's size is no unit that readers agree on and is left out.

    Raises:
        DataError: missing, not a gray PFM, or of another length than its header says.
    """
    path = Path(path)
    data = read_bytes(path, MAP_WAY_OUT)
    header = _PFM_HEADER.match(data)
    if header is None:
        raise DataError(f"{path} is not a PFM (starts with {data[:12]!r}); {MAP_WAY_OUT}")
    if header[1] == b"PF":
        raise DataError(f"{path} is a colour PFM where one number a pixel is expected; {MAP_WAY_OUT}")
    width, height, scale = int(header[2]), int(header[3]), float(header[4])
    if width * height == 0 or scale == 0:
        raise DataError(f"{path} has a PFM header of {width}x{height} and scale {scale:g}; {MAP_WAY_OUT}")
    expected = 4 * width * height
    if len(data) - header.end() != expected:
        raise DataError(
            f"{path} holds {len(data) - header.end():,} bytes of numbers where {width}x{height} need {expected:,}: "
            f"truncated or damaged; {MAP_WAY_OUT}"
        )
    values = np.frombuffer(data, "<f4" if scale < 0 else ">f4", offset=header.end())
    return values.reshape(height, width)[::-1].astype(np.float32)


def _read_numpy(path: Path) -> np.ndarray:
    data = read_bytes(path, MAP_WAY_OUT)
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            if len(loaded.files) != 1:
                raise DataError(f"{path} holds {len(loaded.files)} arrays where one is expected; {MAP_WAY_OUT}")
            loaded = loaded[loaded.files[0]]
    except (ValueError, OSError, EOFError, KeyError, BadZipFile, SyntaxError) as error:
        raise DataError(f"{path} is not a whole NumPy file ({str(error).splitlines()[0]}); {MAP_WAY_OUT}") from error
    if loaded.dtype.kind not in "fiu" or loaded.ndim != 2 or loaded.size == 0:
        raise DataError(f"{path} holds {loaded.dtype} of shape {loaded.shape}, not numbers (h, w); {MAP_WAY_OUT}")
    return loaded


def refuse_values(values: np.ndarray, impossible: np.ndarray, path: Path, what: str, way_out: str) -> None:
    """Raise if a map holds values that no scene has.

    Args:
        values: the map, 0 = none.
        impossible: bool ``(h, w)``, where a value can't be.
        path, what, way_out: for the message.
    """
    wrong = impossible & (values != 0)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{path}: {int(wrong.sum()):,} {what}, first {values[row, column]:g} at row {row}, column {column}; "
            f"{way_out}"
        )


def refuse_unit(values: np.ndarray, most: float, path: Path, kind: str, told: str) -> None:
    """Raise if more than half of a map's values are above ``most``, and so not in metres or pixels.

    Args:
        values: the map, 0 = none.
        most: of that kind of map, metres or pixels.
        path, kind, told: for the message: the file, ``depth`` or ``disparity``, what these values are.
    """
    if (values > most).sum() > (values > 0).sum() / 2:
        raise DataError(
            f"{path}: most {told}; keep them as whole numbers (.png, .npy) and give {UNIT_KEYS[kind]} in rig.yaml "
            f"({_EXAMPLES[kind]})"
        )
