"""Where Cityscapes keeps its files, with the archives unpacked into one folder or each into its own."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lowtex.datasets.images import read_text
from lowtex.datasets.reader import checked_root, entries
from lowtex.errors import DataError

CITYSCAPES_WAY_OUT = (
    "Cityscapes (non-commercial use, after registration): get the archives leftImg8bit_trainvaltest, "
    "rightImg8bit_trainvaltest, disparity_trainvaltest and camera_trainvaltest (and those ending in _trainextra) from "
    "https://www.cityscapes-dataset.com/downloads/ and unpack them into the root, as leftImg8bit/train/<city>/"
)

CITYSCAPES_COUNTS = {"train": 2975, "val": 500, "test": 1525, "train_extra": 19998}
"""The folders that splits are named after, and their official numbers of frames."""

VIEWS = {"l": "leftImg8bit", "r": "rightImg8bit"}
"""Folder of each camera's images."""

DISPARITY, CAMERA = "disparity", "camera"

KINDS = {VIEWS["l"]: "png|jpg|jpeg", VIEWS["r"]: "png|jpg|jpeg", DISPARITY: "png", CAMERA: "json"}
"""Folders a frame's files lie in, and what their names may end in."""

_CITY = r"[A-Za-z][A-Za-z0-9-]*"
_OFFICIAL_CITIES = {
    "train": "aachen bochum bremen cologne darmstadt dusseldorf erfurt hamburg hanover jena krefeld monchengladbach "
    "strasbourg stuttgart tubingen ulm weimar zurich",
    "val": "frankfurt lindau munster",
    "test": "berlin bielefeld bonn leverkusen mainz munich",
}
_NAMES = {
    kind: re.compile(rf"({_CITY})_(\d{{6}})_(\d{{6}})_{kind}\.({suffixes})", re.IGNORECASE)
    for kind, suffixes in KINDS.items()
}
_LOOKS_LIKE_DATA = re.compile(r".+\.(png|jpe?g|bmp|tiff?|webp|ppm|pgm)", re.IGNORECASE)
_LISTED = re.compile(
    rf"(?:\S*/)?({_CITY})_(\d{{6}})_(\d{{6}})(?:_(left|right)Img8bit(?:\.(?:png|jpg|jpeg))?)?", re.IGNORECASE
)


class CityFrame(NamedTuple):
    """One target view: the split's folder, the city, number of the drive and of the frame in it, and ``l`` or ``r``."""

    part: str
    city: str
    sequence: int
    frame: int
    side: str

    @property
    def stem(self) -> str:
        """``aachen_000029_000019``"""
        return f"{self.city}_{self.sequence:06d}_{self.frame:06d}"


class CityscapesTree:
    """The files under a root.

    ``leftImg8bit/`` and its like may lie in the root itself, or in a folder for each archive
    (``leftImg8bit_trainvaltest/leftImg8bit/``).

    Raises:
        DataError: the root is not a folder, is empty, or has images of neither camera.
    """

    def __init__(self, root: str | Path):
        self.root = checked_root(root, CITYSCAPES_WAY_OUT)
        above = [self.root, *(self.root / name for name in entries(self.root) if (self.root / name).is_dir())]
        self._places = {kind: [place / kind for place in above if (place / kind).is_dir()] for kind in KINDS}
        self._files: dict[tuple[str, str, str], dict[tuple[int, int], Path]] = {}
        self._parts_of: dict[str, list[str]] | None = None
        if not any(self._places[kind] for kind in VIEWS.values()):
            hint = f" (give the folder above it, {self.root.parent})" if self.root.name in KINDS else ""
            raise DataError(f"{self.root} holds no {' and no '.join(VIEWS.values())}{hint}; {CITYSCAPES_WAY_OUT}")

    def parts(self) -> list[str]:
        """The folders there are for splits: ``train``, ``val``..."""
        return _subfolders(place for kind in VIEWS.values() for place in self._places[kind])

    def cities(self, part: str, kinds: Iterable[str] = tuple(KINDS)) -> list[str]:
        """Cities of a split's folder of which there is a folder of any of these kinds."""
        return _subfolders(place / part for kind in kinds for place in self._places[kind])

    def files(self, kind: str, part: str, city: str) -> dict[tuple[int, int], Path]:
        """Files of one kind of a city by ``(sequence, frame)``.

        Raises:
            DataError: an image's name is not of the form this folder's names have, or it is of another city.
        """
        key = kind, part, city
        if key not in self._files:
            # the first place wins
            folders = [place / part / city for place in reversed(self._places[kind])]
            found = {}
            for folder in (folder for folder in folders if folder.is_dir()):
                found |= _parsed(folder, kind)
            self._files[key] = found
        return self._files[key]

    def numbers(self, part: str, city: str, kinds: Iterable[str] = tuple(KINDS)) -> set[tuple[int, int]]:
        """``(sequence, frame)`` of which there is a file of any of these kinds."""
        return {number for kind in kinds for number in self.files(kind, part, city)}

    def has(self, kind: str, f: CityFrame) -> bool:
        """Whether the frame has a file of this kind."""
        return (f.sequence, f.frame) in self.files(kind, f.part, f.city)

    def file(self, kind: str, f: CityFrame) -> Path:
        """Path of one file; the usual name if there is none."""
        place = next((p for p in self._places[kind] if (p / f.part).is_dir()), None)
        place = place or next(iter(self._places[kind]), self.root / kind)
        suffix = KINDS[kind].split("|")[0]
        usual = place / f.part / f.city / f"{f.stem}_{kind}.{suffix}"
        return self.files(kind, f.part, f.city).get((f.sequence, f.frame), usual)

    def located(self, f: CityFrame) -> CityFrame:
        """A listed frame, which names no split, with the split's folder it lies in, or belongs to."""
        if self._parts_of is None:
            self._parts_of = {}
            for part in self.parts():
                for city in self.cities(part):
                    self._parts_of.setdefault(city, []).append(part)
        parts = self._parts_of.get(f.city, [])
        holding = [part for part in parts if any(self.has(kind, f._replace(part=part)) for kind in KINDS)]
        return f._replace(part=next(iter(holding or parts), _official_part(f.city)))


def read_city_list(path: str | Path) -> list[CityFrame]:
    """Read a text file of frames, one a line; see `listed_frame` for a line's form. Their ``part`` is empty.

    Raises:
        DataError: the file is missing or empty, or a line is something else; names the file and the line.
    """
    frames = []
    for number, line in enumerate(read_text(path, "write one line for each frame").splitlines(), start=1):
        if line.strip():
            frame = listed_frame(line)
            if frame is None:
                raise DataError(
                    f"{path} line {number}: {line.strip()!r}; write a line for a frame like "
                    "'aachen/aachen_000029_000019 l'"
                )
            frames.append(frame)
    if not frames:
        raise DataError(f"{path} lists no frame; write one line for each frame")
    return frames


def listed_frame(line: str) -> CityFrame | None:
    """``aachen/aachen_000029_000019 l`` as a frame; None if it is something else.

    Also taken are an image's name, and the names of both images of a pair, target first, as in the published lists:
    ``aachen/aachen_000029_000019_leftImg8bit.jpg aachen/aachen_000029_000019_rightImg8bit.jpg``.
    """
    words = line.split()
    match = _LISTED.fullmatch(words[0]) if 1 <= len(words) <= 2 else None
    if match is None:
        return None
    view = match[4] and match[4][0].lower()
    frame = CityFrame("", match[1], int(match[2]), int(match[3]), view or "l")
    if len(words) == 1:
        return frame
    if words[1] in ("l", "r"):
        return frame._replace(side=words[1]) if view in (None, words[1]) else None
    other = _LISTED.fullmatch(words[1])
    is_pair = other is not None and other.groups()[:3] == match.groups()[:3]
    return frame if is_pair and {view, other[4] and other[4][0].lower()} == {"l", "r"} else None


def _parsed(folder: Path, kind: str) -> dict[tuple[int, int], Path]:
    files = {}
    for name in entries(folder):
        match = _NAMES[kind].fullmatch(name)
        if match is not None and match[1] == folder.name:
            files[int(match[2]), int(match[3])] = folder / name
        elif match is not None or _LOOKS_LIKE_DATA.fullmatch(name):
            raise DataError(
                f"{folder / name} does not belong into this folder, where names are "
                f"{folder.name}_<sequence>_<frame>_{kind}.{KINDS[kind].split('|')[0]}; take it away or rename it. "
                f"{CITYSCAPES_WAY_OUT}"
            )
    return files


def _subfolders(places: Iterable[Path]) -> list[str]:
    folders = [place for place in places if place.is_dir()]
    return sorted({name for place in folders for name in entries(place) if (place / name).is_dir()})


def _official_part(city: str) -> str:
    return next((part for part, cities in _OFFICIAL_CITIES.items() if city in cities.split()), "train_extra")
