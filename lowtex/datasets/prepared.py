"""Prepared samples: a split decoded and resized once (`lowtex.datasets.preparing`), then read at memory speed.

They equal the reader's own samples bit for bit, ground truth included. `open_dataset` uses them without being asked,
where they are there and made of the files as they are now.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowtex.datasets.images import unit_range
from lowtex.datasets.prepared_format import (
    FORMAT,
    HEADER,
    JOURNAL,
    MAPS,
    PREPARE_AGAIN,
    SAMPLES,
    VIEWS,
    described,
    relative,
    source_path,
    stamp,
    unpack_map,
)
from lowtex.datasets.reader import StereoReader
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.files import read_json
from lowtex.geometry import StereoRig
from lowtex.paths import shown
from lowtex.progress import count, say

_REOPENED = ("_views", "_maps", "_seen", "_seen_maps")
_HEADER_KEYS = ("format", "dataset", "root", "split", "size", "views", "depth", "options", "samples", "bytes")


@dataclass(frozen=True)
class Sources:
    """How the files that samples were made of are now.

    Attributes:
        changed: samples of which a file has another size or time.
        first: the first such file.
        gone: how many files are not there any more, of ``files`` in all.
    """

    changed: list[int]
    first: Path | None
    gone: int
    files: int


class PreparedPairs(StereoReader):
    """Prepared samples as a data set.

    Args:
        folder: made by ``lowtex data prepare``.
        views: also give the other camera's view, where it was prepared.
        depth: give the ground truth, where it was prepared.
        check: compare the source files with how they were. Where they are gone, moved away to save room say, the
            prepared samples still serve, and a line says so.

    Attributes:
        folder, root: the folder itself; ``source_root`` is where the files were that the samples are made of.
        header: what ``prepared.json`` says.

    Raises:
        DataError: not such a folder, not finished, damaged (on reading, too: each view and map is compared with its
            checksum when it is first read), or source files that changed since. Names the way out.
    """

    def __init__(self, folder: str | Path, views: bool = True, depth: bool = True, check: bool = True):
        self.folder = self.root = Path(folder).expanduser()
        self.header = read_header(self.folder)
        kept = self._json(SAMPLES)
        try:
            self._samples, self._rigs = kept["samples"], [StereoRig(**values) for values in kept["rigs"]]
            self._sources, self.names = kept["sources"], list(kept["names"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(SAMPLES, repr(error)) from error
        if len(self.names) != self.header["samples"] or len(self._samples) != len(self.names):
            raise self._damaged(SAMPLES, f"{len(self._samples)} samples instead of {self.header['samples']}")
        for name, expected in self.header["bytes"].items():
            got = (stamp(self.folder / name) or (0,))[0]
            if got != expected:
                raise self._damaged(name, f"{got} bytes instead of {expected}")
        self.split, self.size = self.header["split"], self.header["size"] and tuple(self.header["size"])
        self.source_root = Path(self.header["root"])
        self.ground_truth = self.header.get("ground_truth")
        self.rig_is_nominal = self.header.get("rig_is_nominal", False)
        self.image_bits = self.header.get("image_bits")
        for option, value in self.header["options"].items():
            setattr(self, option, value)
        self.views, self.depth = views and self.header["views"] == 2, depth and self.header["depth"]
        self._rows: Sequence[int] = range(len(self.names))
        self._open_files()
        if check:
            self._report(self.sources())

    def selected(self, reader: StereoReader) -> "PreparedPairs | None":
        """These samples as ``reader`` gives them: its names in its order, without what it leaves out.

        None where a name is not among them.
        """
        rows = {name: row for row, name in enumerate(self.names)}
        if any(name not in rows for name in reader.names):
            return None
        chosen = object.__new__(PreparedPairs)
        chosen.__dict__.update(self.__dict__, names=list(reader.names), _rows=[rows[name] for name in reader.names])
        wanted = described(reader)
        chosen.views, chosen.depth = wanted["views"] == 2, wanted["depth"]
        chosen.source_root, chosen.split = Path(reader.root), reader.split
        return chosen

    def packed(self, index: int) -> tuple[Tensor, Tensor | None, StereoSample]:
        """The views as uint8 ``(3, H, W)``, and the sample without images and maps."""
        record = self._samples[self._rows[index]]
        bare = StereoSample(None, self._rigs[record["rig"]], self.names[index], direction=record["direction"])
        image = torch.from_numpy(self._view(index, 0))
        return image, torch.from_numpy(self._view(index, 1)) if self.views else None, bare

    def checksums(self, index: int) -> tuple[int, int | None, list]:
        """What a sample holds: checksums of its two views, and its rig with the checksums of its maps."""
        record = self._samples[self._rows[index]]
        views = (*record["crc"], None) if self.views else (record["crc"][0], None)
        maps = [(name, kept["crc"]) for name, kept in sorted(record["maps"].items())] if self.depth else []
        return views[0], views[1], [self._rigs[record["rig"]].as_dict(), maps]

    def sources(self, reader: StereoReader | None = None) -> Sources:
        """Compare the source files with how they were; with a reader, also which files it would read today."""
        now = [stamp(source_path(self.source_root, path)) for path, _, _ in self._sources]
        as_before = [
            old is None or old == (size, time) for old, (_, size, time) in zip(now, self._sources, strict=True)
        ]
        changed, first = [], None
        for index, row in enumerate(self._rows):
            used = self._samples[row]["sources"]
            bad = next((self._sources[i][0] for i in used if not as_before[i]), None)
            if bad is None and reader is not None:
                known = {self._sources[i][0] for i in used}
                needed = (relative(path, reader.root) for path in reader.needed(index))
                bad = next((path for path in needed if path not in known), None)
            if bad is not None:
                changed.append(index)
                first = first or Path(source_path(self.source_root, bad))
        used = {i for row in self._rows for i in self._samples[row]["sources"] if self._sources[i][1] is not None}
        return Sources(changed, first, sum(now[i] is None for i in used), len(used))

    def needed(self, index: int) -> list[Path]:
        """The files the sample was made of, wherever they are now."""
        record = self._samples[self._rows[index]]
        return [Path(source_path(self.source_root, self._sources[i][0])) for i in record["sources"]]

    def _read(self, index: int) -> StereoSample:
        image, other, bare = self.packed(index)
        maps = self._samples[self._rows[index]]["maps"] if self.depth else {}
        return replace(
            bare,
            image=unit_range(image),
            other=None if other is None else unit_range(other),
            **{name: self._map(index, name, record) for name, record in maps.items()},
        )

    def _view(self, index: int, view: int) -> np.ndarray:
        row = self._rows[index]
        pixels = np.array(self._views[row, view])
        if not self._seen[row, view]:
            if zlib.crc32(pixels) != self._samples[row]["crc"][view]:
                raise self._damaged(VIEWS, f"checksum of {self.names[index]}")
            self._seen[row, view] = True
        return pixels

    def _map(self, index: int, name: str, record: dict) -> Tensor:
        data = self._maps[record["place"] : record["place"] + record["bytes"]]
        try:
            values = unpack_map(record, data, check=record["place"] not in self._seen_maps)
        except ValueError as error:
            raise self._damaged(MAPS, f"{error} of {name} of {self.names[index]}") from error
        self._seen_maps.add(record["place"])
        return values

    def _open_files(self) -> None:
        try:
            self._views = np.load(self.folder / VIEWS, mmap_mode="r")
            shape = (self.header["samples"], self.header["views"], 3, *self._views.shape[3:])
            if self._views.dtype != np.uint8 or self._views.shape != shape:
                raise ValueError(f"shape {self._views.shape}")
            path = self.folder / MAPS
            self._maps = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.empty(0, np.uint8)
        except (ValueError, EOFError, FileNotFoundError) as error:
            raise self._damaged(VIEWS, str(error)) from error
        self._seen, self._seen_maps = np.zeros(self._views.shape[:2], bool), set()

    def __getstate__(self) -> dict:
        # a memory map would be pickled with all it holds
        return {name: value for name, value in self.__dict__.items() if name not in _REOPENED}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._open_files()

    def _json(self, name: str):
        try:
            return read_json(self.folder / name)
        except DataError as error:
            raise self._damaged(name, str(error)) from error

    def _damaged(self, name: str, why: str) -> DataError:
        return DataError(f"{self.folder / name} is damaged ({why}); {PREPARE_AGAIN}")

    def _report(self, sources: Sources) -> None:
        if sources.changed:
            raise DataError(
                f"{self.folder}: {len(sources.changed)} of {count(len(self), 'sample')} made of files that changed "
                f"since, first: {sources.first}; lowtex data prepare makes those samples anew"
            )
        if sources.gone:
            say_once(
                f"{shown(self.folder)}: gone are {sources.gone} of the {count(sources.files, 'file')} it was made of; "
                "what was prepared is used"
            )


def read_header(folder: Path) -> dict:
    """``prepared.json`` of a folder.

    Raises:
        DataError: the folder holds no finished prepared data, or of another format.
    """
    path = folder / HEADER
    if not path.is_file():
        if (folder / JOURNAL).is_file():
            raise DataError(f"{folder} is not finished; the same lowtex data prepare goes on from where it stopped")
        raise DataError(f"{folder} holds no prepared data ({HEADER} is missing); lowtex data prepare makes some")
    try:
        header = read_json(path)
        if not all(name in header for name in _HEADER_KEYS):
            raise DataError("a field is missing")
    except (DataError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); {PREPARE_AGAIN}") from error
    if header["format"] != FORMAT:
        raise DataError(f"{folder} was prepared by another version of lowtex; {PREPARE_AGAIN}")
    return header


_said: set[str] = set()


def say_once(line: str) -> None:
    """Say what holds for every opening alike a first time only."""
    if line not in _said:
        _said.add(line)
        say(line)
