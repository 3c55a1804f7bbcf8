"""Which files a stereo folder holds, by their stems, and lists of stems."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lowtex.datasets.images import read_text
from lowtex.datasets.reader import checked_root, entries, tolerates_missing
from lowtex.errors import DataError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
"""Image formats read, in small or capital letters."""

OTHER_PICTURES = (".gif", ".heic", ".heif", ".avif", ".jp2", ".exr", ".raw", ".dng", ".nef", ".cr2", ".arw", ".svg")
"""Formats not read; to pass them over would make a smaller data set in silence."""

FOLDERS = {"l": "left", "r": "right"}
"""Folder of each side's images."""


def read_stems(path: str | Path) -> list[str]:
    """The stems that a text file lists, one a line; an image's ending may stand there or not.

    Raises:
        DataError: the file is missing or damaged, lists nothing, or lists a stem twice.
    """
    lines = [line.strip() for line in read_text(path, "write the stem of one pair a line").splitlines()]
    paths = [Path(line) for line in lines if line]
    stems = [p.stem if p.suffix.lower() in IMAGE_SUFFIXES else str(p) for p in paths]
    if not stems:
        raise DataError(f"{path} lists no pair; write the stem of one pair a line")
    stem, count = Counter(stems).most_common(1)[0]
    if count > 1:
        raise DataError(f"{path} lists {stem!r} {count} times; write each pair once")
    return stems


def checked_pair_root(root: str | Path, sides: str, way_out: str) -> Path:
    """The root as a path, with the folders of ``sides`` in it (or not, within `tolerating_missing`).

    Raises:
        DataError: it is not such a folder; says which one seems to be, if that is one level below.
    """
    root = checked_root(root, way_out)
    gone = [name for name in map(FOLDERS.get, sides) if not (root / name).is_dir()]
    if gone and not tolerates_missing():
        inner = next((root / name for name in entries(root) if (root / name / "left").is_dir()), None)
        suggestion = f" (but {inner} seems to: give that folder)" if inner else ""
        raise DataError(f"{root} does not hold {' and '.join(f'{name}/' for name in gone)}{suggestion}; {way_out}")
    return root


def files_by_stem(folder: Path, suffixes: Sequence[str], way_out: str) -> dict[str, Path]:
    """The files of a folder by stem, sorted; hidden files and those of other kinds don't count.

    Raises:
        DataError: no file counts, two have one stem, or one is a picture of a format that is not read.
    """
    if not folder.is_dir():
        return {}
    found: dict[str, Path] = {}
    for path in (folder / name for name in entries(folder)):
        suffix = path.suffix.lower()
        if suffix in OTHER_PICTURES:
            raise DataError(f"{path}: {suffix} is not read; write it as one of {', '.join(suffixes)}")
        if suffix not in suffixes:
            continue
        if path.stem in found:
            raise DataError(
                f"{folder} holds {found[path.stem].name} and {path.name}, which have one stem; give it once"
            )
        found[path.stem] = path
    if not found and not tolerates_missing():
        raise DataError(f"{folder} holds no file of a kind that is read ({', '.join(suffixes)}); {way_out}")
    return found
