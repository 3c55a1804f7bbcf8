"""What a folder of prepared samples holds: its files, what it says it was made of, and how maps are packed.

``views.npy`` is one memory-mapped array ``(N, V, 3, H, W)`` uint8, V = 2 with the other camera's view. ``maps.bin``
holds ground truth, map after map, each packed so that it comes back bit for bit. ``samples.json`` has a record a
sample: rig, direction, checksums, where its maps lie, and size and time of every file it was made of.
``prepared.json`` says what the whole is, and is written last: a folder without it is not finished, and
``journal.jsonl`` then lists the samples that are.
"""

import hashlib
import inspect
import json
import os
import re
import zlib
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from lowtex import __version__
from lowtex.data_paths import REPOSITORY
from lowtex.datasets.reader import StereoReader

FORMAT = 1
"""Raised whenever the files below change their meaning."""

HEADER, SAMPLES, VIEWS, MAPS, JOURNAL = "prepared.json", "samples.json", "views.npy", "maps.bin", "journal.jsonl"

SAMPLE_MAPS = ("depth", "texture_contrast", "visible")
"""The maps of a `StereoSample`."""

SAME_SAMPLE = frozenset(
    {"root", "split", "size", "camera", "variation", "depth_required", "typical_camera", "views", "depth"}
)
"""Options of readers that choose samples or files, and so show in names, in source files or in `described` itself.
Folders (``raw_root`` and so on) show in source files too. Any other option is recorded by its value."""

PREPARE_AGAIN = "delete that folder and make it again: lowtex data prepare"

_UNITS = (100.0, 256.0, 10000.0)
_ALIGNMENT = 4


def prepared_base() -> Path:
    """The folder that prepared data are looked for in: ``data/prepared``, or ``LOWTEX_PREPARED``."""
    return Path(os.environ.get("LOWTEX_PREPARED") or REPOSITORY / "data" / "prepared").expanduser()


def described(reader: StereoReader) -> dict:
    """What decides over the samples of a reader, apart from the names and the files, as plain values."""
    from lowtex.datasets import READERS

    names = {kind: name for name, kind in READERS.items()}
    options = [option for option in inspect.signature(type(reader)).parameters if _matters(option)]
    if reader.resize != "area":
        # what was prepared before there was a choice has no word of it
        options.append("resize")
    facts = {name: getattr(reader, name, None) for name in ("ground_truth", "rig_is_nominal", "image_bits")}
    return {
        "format": FORMAT,
        "lowtex_version": __version__,
        "opencv_version": cv2.__version__,
        "dataset": names.get(type(reader), type(reader).__name__.lower()),
        "root": os.path.abspath(reader.root),
        "split": reader.split,
        "size": None if reader.size is None else list(reader.size),
        "views": 2 if getattr(reader, "views", False) else 1,
        "depth": _ground_truth(reader),
        "options": {option: getattr(reader, option) for option in options},
        **{name: value for name, value in facts.items() if value is not None},
    }


def covers(header: dict, wanted: dict) -> bool:
    """Samples made as ``header`` says hold all that a reader described by ``wanted`` gives, made the same way."""
    return (
        all(header.get(name, "") == wanted[name] for name in ("format", "dataset", "size", "options"))
        and header["views"] >= wanted["views"]
        and wanted["depth"] in (None, header["depth"])
    )


def default_folder(reader: StereoReader) -> Path:
    """``<base>/<data set>-<split>-<WxH>-<hash>``; the hash is of all that `described` says and of the names."""
    about = described(reader)
    text = json.dumps([about, list(reader.names)], sort_keys=True)
    size = "native" if reader.size is None else f"{reader.size[1]}x{reader.size[0]}"
    split = re.sub(r"[^\w.]+", "_", reader.split)
    return prepared_base() / f"{about['dataset']}-{split}-{size}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def stamp(path: str | Path) -> tuple[int, int] | None:
    """Size in bytes and time of change in nanoseconds; None where the file is not there."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size, status.st_mtime_ns


def relative(path: Path, root: Path) -> str:
    """``path`` as written down: relative to the root, with ``..`` where it lies beside it."""
    text, start = str(path), f"{root}{os.sep}"
    inside = text[len(start) :] if text.startswith(start) else os.path.relpath(text, root)
    return inside.replace(os.sep, "/")


def source_path(root: Path, inside: str) -> str:
    """The path that `relative` wrote down; ``..`` is taken by name, so that a root may be a link."""
    path = f"{root}{os.sep}{inside}"
    return os.path.normpath(path) if inside.startswith("..") else path


def versions(header: dict) -> str:
    """What the samples were decoded by, in words."""
    return f"lowtex {header.get('lowtex_version')}, OpenCV {header.get('opencv_version')}"


def pack_map(values: Tensor) -> tuple[dict, bytes]:
    """A map as a record (shape, packing, checksum) and bytes, such that `unpack_map` gives the same bits.

    Args:
        values: ``(1, h, w)`` bool or float32, whatever its values.
    """
    array = np.ascontiguousarray(values.numpy())
    if array.dtype == bool:
        return _record("bits", array, np.packbits(array).tobytes())
    if array.dtype != np.float32:
        raise ValueError(f"a map must be bool or float32, got {values.dtype}")
    flat = array.reshape(-1)
    index = np.flatnonzero(flat.view(np.uint32))
    if 4 * index.size < flat.size:
        return _record("sparse", array, index.astype("<u4").tobytes() + flat[index].astype("<f4").tobytes())
    for unit in _UNITS:
        with np.errstate(invalid="ignore", over="ignore"):
            units = np.rint(array * np.float32(unit))
            whole = np.where((units >= 0) & (units < 65536), units, 0).astype("<u2")
        if np.array_equal((whole.astype(np.float32) / np.float32(unit)).view(np.uint32), array.view(np.uint32)):
            return _record(f"units {unit:g}", array, whole.tobytes())
    return _record("plain", array, array.astype("<f4").tobytes())


def unpack_map(record: dict, data: bytes | np.ndarray, check: bool = True) -> Tensor:
    """The map of a record, from its bytes; ``check`` compares them with their checksum first.

    Raises:
        ValueError: these are not the bytes that were packed.
    """
    if check and zlib.crc32(data) != record["crc"]:
        raise ValueError("checksum")
    shape, packing = tuple(record["shape"]), record["packing"]
    count = int(np.prod(shape))
    if packing == "bits":
        array = np.unpackbits(np.frombuffer(data, np.uint8), count=count).astype(bool)
    elif packing == "sparse":
        index, values = np.frombuffer(data, "<u4", len(data) // 8), np.frombuffer(data, "<f4", offset=len(data) // 2)
        array = np.zeros(count, np.float32)
        array[index] = values
    elif packing == "plain":
        array = np.frombuffer(data, "<f4").astype(np.float32)
    else:
        array = np.frombuffer(data, "<u2").astype(np.float32)
        array /= np.float32(packing.removeprefix("units "))
    return torch.from_numpy(array.reshape(shape))


def padded(length: int) -> int:
    """Bytes that a packed map takes in its file, so that the next one begins at a whole number of words."""
    return -(-length // _ALIGNMENT) * _ALIGNMENT


def view_bytes(image: Tensor) -> np.ndarray:
    """``(3, H, W)`` float32 in [0, 1] as the uint8 it was made of."""
    return (image * 255.0).round().to(torch.uint8).numpy()


def _record(packing: str, array: np.ndarray, data: bytes) -> tuple[dict, bytes]:
    return {"packing": packing, "shape": list(array.shape), "bytes": len(data), "crc": zlib.crc32(data)}, data


def _matters(option: str) -> bool:
    return option not in SAME_SAMPLE and not option.endswith("_root")


def _ground_truth(reader: StereoReader) -> str | None:
    """What kind of depth the reader gives, None for none: an option where there is one, else what it found."""
    kind = getattr(reader, "depth", getattr(reader, "truth_folder", True))
    return None if not kind else "given" if kind is True else kind
