"""What all readers share: a pair of views at one size, and errors that count what is missing."""

import os
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lowtex.datasets.images import read_rgb, read_text, resize_area, resize_lanczos, to_tensor
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError, require_choice
from lowtex.geometry import StereoRig

Value = TypeVar("Value")

CAMERAS = {"left": "l", "right": "r", "both": "lr"}
"""The cameras a sample's target view may come from, by option."""

RESIZES = ("area", "lanczos")
"""``area`` averages, as the kit's networks are trained; ``lanczos`` is Monodepth2's."""

_OF_SYSTEMS = ("thumbs.db", "desktop.ini", "__macosx")
"""What Windows and macOS leave in folders and archives, beside names that begin with a dot."""

DIRECTIONS = {"l": 1.0, "r": -1.0}
"""`StereoSample.direction` by side."""

OTHER = {"l": "r", "r": "l"}
"""The other camera of a pair."""


class StereoReader(Dataset):
    """Base of the readers: ``len(reader)``, ``reader[i] -> StereoSample``, and ``reader.names`` without reading files.

    Attributes:
        root: folder of the data set.
        split: full name of the split.
        size: ``(H, W)`` of the samples' images, or None for native size.
        names: one name a sample.
        absent: folders of the split that are not there at all, so that it is not known which files they would hold;
            only within `tolerating_missing`, elsewhere they are an error.
        is_listed: the split is a text file given by its path, so that its name alone does not say which frames.
        resize: how images are brought to that size: a name of `RESIZES`.
        prepared: gives the same samples faster (`lowtex.datasets.prepared`), or None.
        image_bits: bits that its 16-bit images fill, where that was given; a network trained on them expects it.
    """

    root: Path
    split: str
    size: tuple[int, int] | None
    names: list[str]
    absent: tuple[Path, ...] = ()
    is_listed: bool = False
    resize: str = "area"
    prepared: "StereoReader | None" = None
    image_bits: int | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> StereoSample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)} in split {self.split!r} of {self.root}")
        return (self if self.prepared is None else self.prepared)._read(range(len(self))[index])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r}, split={self.split!r}, size={self.size}): {len(self)} samples"

    def needed(self, index: int) -> list[Path]:
        """The files that sample ``index`` is made of: views, ground truth and calibration, whether there or not.

        A file that a sample may lack (the scan of a frame without ground truth, say) is named only where it exists.
        """
        raise NotImplementedError

    def _read(self, index: int) -> StereoSample:
        raise NotImplementedError

    def _decode(self, path: Path, way_out: str) -> np.ndarray:
        """One image as ``(H, W, 3)`` uint8 RGB; a reader that takes more kinds of images has its own."""
        return read_rgb(path, way_out)

    def _views(
        self,
        target: Path,
        other: Path | None,
        native_rig: Callable[[Path, int, int], StereoRig],
        way_out: str,
        kept_rows: Callable[[int], slice] | None = None,
    ) -> tuple[Tensor, Tensor | None, StereoRig, tuple[int, int]]:
        """Decode one or two views and bring them, and the rig, to the reader's size; also gives the native (H, W).

        ``native_rig`` is asked for the rig of the target's width and height; it raises if they don't fit.
        ``kept_rows`` says which rows of an image of that height a crop keeps; the crop comes before the resizing.
        """
        image = self._decode(target, way_out)
        height, width = image.shape[:2]
        rig = native_rig(target, width, height)
        views = [image]
        if other is not None:
            views.append(self._decode(other, way_out))
            if views[1].shape != image.shape:
                raise DataError(
                    f"{other} is {views[1].shape[1]}x{views[1].shape[0]} pixels, but the other view of the pair, "
                    f"{target}, is {width}x{height}; {way_out}"
                )
        if kept_rows is not None:
            rows = kept_rows(height)
            rig = rig.cropped(0, rows.start, width, rows.stop - rows.start)
            views = [view[rows] for view in views]
        if self.size is not None:
            rig = rig.resized(self.size[1], self.size[0])
            resized = resize_lanczos if self.resize == "lanczos" else resize_area
            views = [resized(view, self.size) for view in views]
        tensors = [to_tensor(view) for view in views]
        return tensors[0], tensors[1] if other is not None else None, rig, (height, width)


def checked_root(root: str | Path, way_out: str) -> Path:
    """The root as a path.

    Raises:
        DataError: it is not a folder, or an empty one.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise DataError(f"data root {root} is not a folder; {way_out}")
    if not entries(root):
        raise DataError(f"data root {root} is empty; {way_out}")
    return root


def entries(folder: Path) -> list[str]:
    """Sorted names in a folder, without those that systems leave there (``._*``, ``.DS_Store``, ``Thumbs.db``).

    Raises:
        DataError: the folder can't be listed.
    """
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise DataError(f"{folder} can't be listed ({error.strerror}); check its permissions and the disk") from error
    return sorted(name for name in names if not name.startswith(".") and name.lower() not in _OF_SYSTEMS)


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, without those of `entries`' exceptions."""
    return [folder / name for name in entries(folder) if (folder / name).is_dir()]


def numbered(folder: Path, pattern: re.Pattern) -> dict[int, Path]:
    """Files of a folder by the number that ``pattern`` finds in their names, none if there is no such folder.

    A PNG goes before a JPEG of the same number.
    """
    # this order puts .png last, so that it stays
    names = sorted(entries(folder), key=str.lower) if folder.is_dir() else []
    return {int(match[1]): folder / match[0] for match in map(pattern.fullmatch, names) if match}


def hint_below(root: Path, is_root: Callable[[Path], bool]) -> str:
    """Part of a message: which folder of ``root`` seems to be the one that was meant; empty if none."""
    inner = next((folder for folder in subfolders(root) if is_root(folder)), None)
    return "" if inner is None else f" (but {inner} seems to: give that folder)"


class Tree:
    """The files under a root, whose folders are listed once, when first asked for.

    Raises:
        DataError: the root is not a folder or is empty; the message ends with ``way_out``.
    """

    def __init__(self, root: str | Path, way_out: str):
        self.root = checked_root(root, way_out)
        self._kept: dict[Hashable, object] = {}

    def _once(self, key: Hashable, make: Callable[[], Value]) -> Value:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


def read_lines(path: str | Path, parse: Callable[[str], Value | None], what: str, example: str) -> list[Value]:
    """What a text file lists, one a line.

    Args:
        path: the file; empty lines don't count.
        parse: makes something of a line, None where it is of another form.
        what, example: what a line stands for, and such a line, for messages.

    Raises:
        DataError: the file is missing or lists nothing, or a line is something else; names the file and the line.
    """
    found = []
    for number, line in enumerate(read_text(path, f"write one line for each {what}").splitlines(), start=1):
        if line.strip():
            found.append(parse(line))
            if found[-1] is None:
                raise DataError(
                    f"{path} line {number}: {line.strip()!r}; write a line for each {what}, like {example!r}"
                )
    if not found:
        raise DataError(f"{path} lists no {what}; write one line for each {what}")
    return found


def require_size(path: Path, shape: Sequence[int], image: Path, size: tuple[int, int], way_out: str) -> None:
    """Raise unless a map of ``(height, width)`` is as large as the image it belongs to."""
    if tuple(shape) != size:
        raise DataError(
            f"{path} is {shape[1]}x{shape[0]} pixels, but its image {image} is {size[1]}x{size[0]}; they belong to "
            f"different frames, or one was resized: {way_out}"
        )


def checked_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    """``(height, width)`` in pixels, or None.

    Raises:
        OptionError: not two whole numbers > 0.
    """
    if size is None:
        return None
    if isinstance(size, str) or len(size) != 2 or any(int(side) != side or side < 1 for side in size):
        raise OptionError(f"size={size!r} must be (height, width) in pixels, or None for native size")
    return int(size[0]), int(size[1])


def checked_camera(camera: str | None) -> str | None:
    """Sides of the option ``camera``: ``l``, ``r`` or ``lr``; None stays None (what the split says)."""
    if camera is None:
        return None
    require_choice("camera", camera, CAMERAS)
    return CAMERAS[camera]


_tolerant: ContextVar[bool] = ContextVar("tolerant", default=False)


@contextmanager
def tolerating_missing() -> Iterator[None]:
    """Within it, readers open although files of their split are missing; `StereoReader.needed` then names them all."""
    token = _tolerant.set(True)
    try:
        yield
    finally:
        _tolerant.reset(token)


def tolerates_missing() -> bool:
    """Whether this is within `tolerating_missing`; a reader then opens no file that might be missing or damaged."""
    return _tolerant.get()


def report_missing(missing: Sequence[Path], total: int, split: str, what: str, way_out: str) -> None:
    """Raise one error that counts the missing files of a split, if there are any; see also `tolerating_missing`."""
    if missing and not tolerates_missing():
        raise DataError(
            f"{len(missing)} of {total} {what} of split {split!r} are missing, first: {missing[0]}; {way_out}. "
            "--split available takes the frames that are there"
        )


def depth_tensor(depth: np.ndarray) -> Tensor:
    """``(h, w)`` float32 metres -> ``(1, h, w)``."""
    return torch.from_numpy(depth)[None]
