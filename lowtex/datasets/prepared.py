"""Prepared samples: a split decoded and resized once, then read at memory speed.

They equal the reader's own samples bit for bit, ground truth included. `open_dataset` uses them without being asked,
where they are there and made of the files as they are now. A folder of prepared samples holds three files:

* ``views.npy``: one memory-mapped array ``(N, V, 3, H, W)`` uint8, V = 2 with the other camera's view.
* ``maps.bin``: ground truth, map after map, each packed so that it comes back bit for bit.
* ``prepared.json``: what the samples are, a record for each (rig, direction, checksums, where its maps lie), and size
  and time of every file they were made of. It is written last: a folder without it is not finished, and is made anew.
"""

import inspect
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from lowtex import __version__
from lowtex.data_paths import REPOSITORY, ROOT_MANIFEST, miniature_manifest, values_digest
from lowtex.datasets.images import unit_range
from lowtex.datasets.reader import CAMERAS, StereoReader, entries, tolerates_missing
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError
from lowtex.files import disk_problem, read_json, require_space, shown_size, write_text
from lowtex.geometry import StereoRig
from lowtex.paths import shown
from lowtex.progress import count, say, track

FORMAT = 2
"""Raised whenever the files change their meaning."""

HEADER, VIEWS, MAPS = "prepared.json", "views.npy", "maps.bin"
OUR_FILES = (HEADER, VIEWS, MAPS, ROOT_MANIFEST)

SAME_SAMPLE = frozenset(
    {"root", "split", "size", "camera", "variation", "depth_required", "typical_camera", "views", "depth"}
)
"""Options of readers that choose samples or files, and so show in names, in source files or in `described` itself.
Folders (``raw_root`` and so on) show in source files too. Any other option is recorded by its value."""

PREPARE_AGAIN = "lowtex data prepare makes it anew"

_SAME = ("dataset", "size", "views", "depth", "options", "names")
_HEADER_KEYS = (*_SAME, "root", "split", "samples", "bytes", "records", "sources", "rigs")
_VERSIONS = {"lowtex_version": __version__, "opencv_version": cv2.__version__}


def prepared_base() -> Path:
    """The folder that prepared data are looked for in: ``data/prepared``, or ``LOWTEX_PREPARED``."""
    return Path(os.environ.get("LOWTEX_PREPARED") or REPOSITORY / "data" / "prepared").expanduser()


def default_folder(reader: StereoReader) -> Path:
    """``<base>/<data set>-<split>-<WxH>-<hash>``; the hash is of all that `described` says and of the names."""
    about = described(reader)
    about = {name: about[name] for name in (*_SAME, "root", "split")}
    size = "native" if reader.size is None else f"{reader.size[1]}x{reader.size[0]}"
    split = re.sub(r"[^\w.]+", "_", reader.split)
    return prepared_base() / f"{about['dataset']}-{split}-{size}-{values_digest(about)[:8]}"


def described(reader: StereoReader) -> dict:
    """What decides over the samples of a reader, apart from the files, as plain values."""
    from lowtex.datasets import READERS

    dataset = {kind: name for name, kind in READERS.items()}.get(type(reader), type(reader).__name__.lower())
    unnamed = [option for option in inspect.signature(type(reader)).parameters if option not in SAME_SAMPLE]
    options = {option: getattr(reader, option) for option in unnamed if not option.endswith("_root")}
    if reader.resize != "area":
        options["resize"] = reader.resize
    # the kind of ground truth: an option where there is one, else what the reader found
    depth = getattr(reader, "depth", getattr(reader, "truth_folder", True))
    facts = {name: getattr(reader, name, None) for name in ("ground_truth", "rig_is_nominal", "image_bits")}
    return {
        "dataset": dataset,
        "root": os.path.abspath(reader.root),
        "split": reader.split,
        "size": None if reader.size is None else list(reader.size),
        "views": 2 if reader.views else 1,
        "depth": "given" if depth is True else depth or None,
        "options": options,
        "names": list(reader.names),
        **{name: value for name, value in facts.items() if value is not None},
    }


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
        self.header = header = read_header(self.folder)
        self._rigs = [StereoRig(**values) for values in header["rigs"]]
        self.names, self._records, self._sources = header["names"], header["records"], header["sources"]
        self.split, self.size = header["split"], header["size"] and tuple(header["size"])
        self.source_root, self.ground_truth = Path(header["root"]), header.get("ground_truth")
        self.rig_is_nominal, self.image_bits = header.get("rig_is_nominal", False), header.get("image_bits")
        self.views, self.depth = views and header["views"] == 2, depth and header["depth"]
        # the options that decide over images: resize, crop
        self.__dict__.update(header["options"])
        self._open_files()
        if check:
            self._check_sources()

    def as_bytes(self, index: int) -> StereoSample:
        """The sample with its views as they are kept, uint8."""
        record = self._records[index]
        maps = {name: self._kept_map(index, name, kept) for name, kept in record["maps"].items()} if self.depth else {}
        rig, other = self._rigs[record["rig"]], self._view(index, 1) if self.views else None
        return StereoSample(self._view(index, 0), rig, self.names[index], other, record["direction"], **maps)

    def checksums(self, index: int) -> tuple[int, int | None, list]:
        """What a sample holds: checksums of its two views, and its rig with the checksums of its maps."""
        record = self._records[index]
        views = (*record["crc"], None) if self.views else (record["crc"][0], None)
        maps = [(name, kept["crc"]) for name, kept in sorted(record["maps"].items())] if self.depth else []
        return views[0], views[1], [self._rigs[record["rig"]].as_dict(), maps]

    def needed(self, index: int) -> list[Path]:
        """The files the sample was made of, wherever they are now."""
        return [self._source_path(self._sources[i][0]) for i in self._records[index]["sources"]]

    def outdated(self, reader: StereoReader) -> str | None:
        """Why these are no longer the samples that ``reader`` makes of its files, in words; None where they are.

        One sample is also decoded from its files and compared.
        """
        made_by, now = versions(self.header), versions(_VERSIONS)
        if made_by != now:
            return f"it was made by {made_by}, this is {now}"
        stamped = cache(stamp)
        many, first = self._changed(
            lambda index: {(relative(path, reader.root), *stamped(path)) for path in reader.needed(index)}
        )
        if many:
            return f"files of {many} of {count(len(self), 'sample')} changed since it was made, first: {first}"
        fresh, kept = _decoded(reader, 0)[0], self._records[0]
        if (fresh["crc"], fresh["rig"]) != (kept["crc"], self._rigs[kept["rig"]].as_dict()) or any(
            fresh["maps"][name]["crc"] != record["crc"] for name, record in kept["maps"].items()
        ):
            return f"{reader.names[0]} read from its files differs from the one prepared"
        return None

    def _changed(self, today: Callable[[int], set[tuple]]) -> tuple[int, Path | None]:
        """How many samples are made of other files today (path inside the root, size, time) and the first such file."""
        first = []
        for index, record in enumerate(self._records):
            before, now = {tuple(self._sources[i]) for i in record["sources"]}, today(index)
            first += sorted(now - before)[:1] or sorted(before - now)[:1]
        return len(first), self._source_path(first[0][0]) if first else None

    def _read(self, index: int) -> StereoSample:
        sample = self.as_bytes(index)
        other = None if sample.other is None else unit_range(sample.other)
        return replace(sample, image=unit_range(sample.image), other=other)

    def _view(self, index: int, view: int) -> Tensor:
        pixels = np.array(self._views[index, view])
        self._check(VIEWS, f"view {view} of {self.names[index]}", pixels, self._records[index]["crc"][view])
        return torch.from_numpy(pixels)

    def _kept_map(self, index: int, name: str, kept: dict) -> Tensor:
        with open(self.folder / MAPS, "rb") as file:
            file.seek(kept["place"])
            data = file.read(kept["bytes"])
        self._check(MAPS, f"{name} of {self.names[index]}", data, kept["crc"])
        return unpack_map(kept, data)

    def _check(self, file: str, what: str, data: bytes | np.ndarray, crc: int) -> None:
        if what not in self._seen and zlib.crc32(data) != crc:
            raise self._damaged(file, f"checksum of {what}")
        self._seen.add(what)

    def _open_files(self) -> None:
        for name, expected in self.header["bytes"].items():
            got = stamp(self.folder / name)[0] or 0
            if got != expected:
                raise self._damaged(name, f"{got} bytes instead of {expected}")
        try:
            self._views = np.load(self.folder / VIEWS, mmap_mode="r")
        except (ValueError, EOFError) as error:
            raise self._damaged(VIEWS, str(error)) from error
        self._seen: set[str] = set()

    def __reduce__(self) -> tuple:
        # a memory map would be pickled with all it holds
        return PreparedPairs, (self.folder, self.views, bool(self.depth), False)

    def _source_path(self, inside: str) -> Path:
        # by name, so that a root may be a link
        return Path(os.path.normpath(self.source_root / inside))

    def _check_sources(self) -> None:
        now = [(path, *stamp(self._source_path(path))) for path, _, _ in self._sources]
        gone = sum(size is None for _, size, _ in now)
        # what is gone counts as unchanged
        now = [new if new[1] is not None else tuple(old) for new, old in zip(now, self._sources, strict=True)]
        many, first = self._changed(lambda index: {now[i] for i in self._records[index]["sources"]})
        if many:
            raise DataError(
                f"{self.folder}: {many} of {count(len(self), 'sample')} made of files that changed since, first: "
                f"{first}; {PREPARE_AGAIN}"
            )
        if gone:
            say_once(
                f"{shown(self.folder)}: gone are {gone} of the {count(len(now), 'file')} it was made of; what was "
                "prepared is used"
            )

    def _damaged(self, name: str, why: str) -> DataError:
        return DataError(f"{self.folder / name} is damaged ({why}); {PREPARE_AGAIN}")


def read_header(folder: Path) -> dict:
    """``prepared.json`` of a folder.

    Raises:
        DataError: the folder holds no finished prepared data, or of another format.
    """
    path = folder / HEADER
    if not path.is_file():
        raise DataError(
            f"{folder} holds no finished prepared data ({HEADER} is missing); lowtex data prepare makes some"
        )
    try:
        header = read_json(path)
        is_ours = header["format"] == FORMAT
        if is_ours and not all(name in header for name in _HEADER_KEYS):
            raise KeyError("a field is missing")
    except (DataError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); {PREPARE_AGAIN}") from error
    if not is_ours:
        raise DataError(f"{folder} was prepared by another version of lowtex; {PREPARE_AGAIN}")
    return header


def is_prepared(folder: str | Path) -> bool:
    """Whether a folder given as a data root is one that ``lowtex data prepare`` made."""
    return (Path(folder).expanduser() / HEADER).is_file()


def open_prepared(
    dataset: str,
    reader: type[StereoReader],
    folder: str | Path,
    split: str,
    size: Sequence[int] | None,
    options: Mapping[str, object],
) -> PreparedPairs:
    """A prepared folder given as a data root, so that the files it was made of need not be there at all.

    Args:
        dataset, reader: name and class of the reader that would be opened.
        split, size, options: that it would get; they must be those the folder was prepared with.

    Raises:
        OptionError: it holds another data set, split, size, camera or variation than asked for, or lacks what an
            option asks for.
        DataError: as `PreparedPairs`.
    """
    folder = Path(folder).expanduser()
    header = read_header(folder)
    got = {"data set": header["dataset"], "split": header["split"], "size": header["size"] and tuple(header["size"])}
    got |= {"resize": "area", **header["options"], "views": header["views"] == 2, "depth": header["depth"]}
    asked = {name: options.get(name, value) for name, value in got.items()}
    chosen, chosen_by_options = _chosen(header, options)
    got, asked = got | chosen, asked | chosen | chosen_by_options
    # a root's own list goes before a packaged one of that name, and Make3D's name says how much of it there is
    is_named = header["split"].partition(", ")[0] in (split, getattr(reader, "aliases", {}).get(split, split))
    asked |= {"data set": dataset, "split": header["split"] if is_named else split, "size": size and tuple(size)}
    if asked["depth"] is True:
        asked["depth"] = header["depth"] or True
    for name, value in asked.items():
        # less than there is can be had
        if value != got[name] and not (name in ("views", "depth") and not value):
            raise OptionError(
                f"{folder} was prepared with {name}={got[name]!r}, but {value!r} is asked for; give the folder of the "
                "data set itself, or prepare it so"
            )
    return PreparedPairs(folder, bool(asked["views"]), bool(asked["depth"]))


def _chosen(header: dict, options: Mapping[str, object]) -> tuple[dict[str, str | None], dict[str, object]]:
    """Camera and variation, which names alone show: those of the samples, and those of the options that are given."""
    letters = "".join(sorted({name[-1] for name in header["names"]}))
    got = {"camera": next((camera for camera, sides in CAMERAS.items() if sides == letters), None)}
    if header["dataset"] == "vkitti2":
        got["variation"] = "+".join(sorted({name.split("/")[1] for name in header["names"]}))
    asked = {name: options[name] for name in got if options.get(name) is not None}
    if not isinstance(variation := asked.get("variation", ""), str):
        asked["variation"] = "+".join(sorted(set(variation)))
    elif variation == "all" and "+" in got["variation"]:
        # how many the data set has is not known here
        asked["variation"] = got["variation"]
    return got, asked


@cache
def say_once(line: str) -> None:
    """Say what holds for every opening alike a first time only."""
    say(line)


def prepared_for(reader: StereoReader, tell: Callable[[str], None] = say_once) -> PreparedPairs | None:
    """What ``lowtex data prepare`` made of this very reader (`default_folder`); None if nothing, or not current.

    Args:
        reader: opened on its files.
        tell: gets a line when samples are used, and one when they can't be; by default printed once a process.
    """
    if not len(reader) or tolerates_missing():
        return None
    folder = default_folder(reader)
    if not folder.is_dir():
        return None
    try:
        found = PreparedPairs(folder, check=False)
    except DataError as error:
        tell(f"prepared data are not used: {error}")
        return None
    if why_not := found.outdated(reader):
        tell(f"{shown(folder)} is not used: {why_not}; {PREPARE_AGAIN}")
        return None
    tell(f"{shown(folder)}: its prepared samples are used")
    return found


def prepare(
    reader: StereoReader,
    folder: str | Path | None = None,
    *,
    workers: int | None = None,
    progress: bool = True,
    tell: Callable[[str], None] = say,
) -> Path:
    """Decode, resize and keep every sample of a reader, unless that was done before.

    Args:
        reader: opened on its files, with ``size=(H, W)``; its ground truth, if it reads any, is kept too.
        folder: where to; None is `default_folder`, where `prepared_for` finds it. What is there already of the same
            samples is checked, and kept if it is whole and current.
        workers: threads; None is one a core, at most 16.
        progress: show a bar.
        tell: gets lines about what is done.

    Returns:
        The folder, for `PreparedPairs`.

    Raises:
        DataError: a source file is missing or damaged, or the disk is too small or can't be written to; nothing is
            left of what was begun.
        OptionError: the folder holds something else.
    """
    if isinstance(reader, PreparedPairs) or not len(reader):
        raise OptionError(f"{reader!r} has nothing to prepare; give the data set it was made of")
    # absolute, because "." has no name for the lock beside it
    folder = default_folder(reader) if folder is None else Path(os.path.abspath(Path(folder).expanduser()))
    lock = folder.parent / f".{folder.name}.lock"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # another process that prepares the same is waited for
        with FileLock(lock):
            try:
                why_anew = _why_anew(reader, folder)
                if why_anew:
                    tell(f"{shown(folder)}: {why_anew}; it is made anew")
                if why_anew is not None:
                    _make(reader, folder, workers or min(16, os.cpu_count() or 1), progress, tell)
            finally:
                lock.unlink(missing_ok=True)
    except OSError as error:
        raise disk_problem(error, error.filename or folder) from error
    told = "already prepared, and all right" if why_anew is None else "prepared"
    size = sum(read_header(folder)["bytes"].values())
    tell(f"{shown(folder)}: {count(len(reader), 'sample')} {told}, {shown_size(size)}")
    return folder


def _why_anew(reader: StereoReader, folder: Path) -> str | None:
    """Why the samples must be made: "" where none are there, else in words; None where they are all right.

    Raises:
        OptionError: the folder holds something else, which must not be written over.
    """
    if not is_prepared(folder):
        strangers = [name for name in entries(folder) if name not in OUR_FILES] if folder.is_dir() else []
        if strangers:
            raise OptionError(f"{folder} holds other files ({strangers[0]}, …); choose a new or empty folder")
        return ""
    try:
        kept = PreparedPairs(folder, check=False)
        wanted = described(reader)
        for name in _SAME:
            if kept.header[name] != wanted[name]:
                raise OptionError(
                    f"{folder} holds other prepared samples ({name} is {str(kept.header[name])[:60]} there, "
                    f"{str(wanted[name])[:60]} here); choose another folder, or delete that one"
                )
        for index in range(len(kept)):
            kept.as_bytes(index)
        return kept.outdated(reader)
    except DataError as error:
        return str(error).removesuffix(f"; {PREPARE_AGAIN}")


def _make(reader: StereoReader, folder: Path, workers: int, progress: bool, tell: Callable[[str], None]) -> None:
    _, views, maps = _decoded(reader, 0)
    truth = len(reader) * sum(map(len, maps))
    needed = len(reader) * sum(view.nbytes for view in views) + truth
    note = f", about {shown_size(truth)} of them for ground truth" if truth else ""
    tell(f"{count(len(reader), 'sample')} to prepare in {shown(folder)}: {shown_size(needed)} of disk{note}")
    require_space(folder.parent, needed, f"preparing {count(len(reader), 'sample')}")
    about, manifest, threads = described(reader), miniature_manifest(reader.root), torch.get_num_threads()
    samples = _decoded_by(reader, workers)
    if progress:
        samples = track(samples, f"preparing {about['dataset']} {reader.split}", len(reader), "sample")
    _remove(folder)
    folder.mkdir(exist_ok=True)
    try:
        written = _write_samples(samples, folder, (len(reader), len(views), *views[0].shape))
        if manifest is not None:
            # so that prepared miniatures can't be taken for real data, wherever they are moved
            write_text(folder / ROOT_MANIFEST, manifest.read_text(encoding="utf-8"))
        write_text(folder / HEADER, json.dumps(_VERSIONS | about | written))
    except BaseException:
        _remove(folder)
        raise
    finally:
        torch.set_num_threads(threads)


def _remove(folder: Path) -> None:
    """Remove our files from a folder, and the folder if nothing else is in it and it is not the working folder."""
    for name in OUR_FILES:
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()) and not folder.samefile("."):
        folder.rmdir()


Decoded = tuple[dict, list[np.ndarray], list[bytes]]
"""A sample's record, its views and its maps as they are written."""


def _write_samples(samples: Iterator[Decoded], folder: Path, shape: tuple[int, ...]) -> dict:
    """Write views and maps; returns what the header says of them."""
    records, rigs, sources = [], {}, {}
    with open(folder / VIEWS, "wb") as view_file, open(folder / MAPS, "wb") as map_file:
        np.lib.format.write_array_header_1_0(view_file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for record, views, maps in samples:
            if (len(views), *views[0].shape) != shape[1:]:
                got = f"{count(len(views), 'view')} of {views[0].shape[2]}x{views[0].shape[1]} pixels"
                raise OptionError(
                    f"{record['sources'][0][0]} gives {got}, others have {shape[4]}x{shape[3]}; all prepared samples "
                    "have one size and as many views: choose a size, or another split"
                )
            view_file.writelines(views)
            record["rig"] = rigs.setdefault(json.dumps(record["rig"]), len(rigs))
            record["sources"] = [sources.setdefault(source, len(sources)) for source in record["sources"]]
            for kept, data in zip(record["maps"].values(), maps, strict=True):
                kept["place"] = map_file.tell()
                map_file.write(data)
            records.append(record)
        sizes = {VIEWS: view_file.tell(), MAPS: map_file.tell()}
    index = {"records": records, "rigs": [*map(json.loads, rigs)], "sources": [*sources]}
    return {"format": FORMAT, "samples": len(records), "bytes": sizes, **index}


def _decoded_by(reader: StereoReader, workers: int) -> Iterator[Decoded]:
    """All samples in order, decoded by threads, because OpenCV lets go of Python's lock while it decodes."""
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        # a few at a time, so that a slow disk does not fill the memory
        for start in range(0, len(reader), 8 * workers):
            part = range(start, min(start + 8 * workers, len(reader)))
            yield from pool.map(lambda index: _decoded(reader, index), part)


def _decoded(reader: StereoReader, index: int) -> Decoded:
    # stamped before the files are read, so that a change meanwhile shows
    sources = [(relative(path, reader.root), *stamp(path)) for path in reader.needed(index)]
    sample = reader._read(index)
    images = [image for image in (sample.image, sample.other) if image is not None]
    views = [(image * 255.0).round().to(torch.uint8) for image in images]
    if not all(map(torch.equal, map(unit_range, views), images)):
        raise DataError(f"{sample.name} has more than 8 bits a colour, which is all that can be prepared")
    views = [view.numpy() for view in views]
    maps = {name: getattr(sample, name) for name in ("depth", "texture_contrast", "visible")}
    maps = {name: pack_map(values) for name, values in maps.items() if values is not None}
    record = {
        "direction": float(sample.direction),
        "rig": sample.rig.as_dict(),
        "crc": [zlib.crc32(view) for view in views],
        "maps": {name: kept for name, (kept, _) in maps.items()},
        "sources": sources,
    }
    return record, views, [data for _, data in maps.values()]


def pack_map(values: Tensor) -> tuple[dict, bytes]:
    """A map as a record (shape, packing, checksum) and bytes, such that `unpack_map` gives the same bits.

    Args:
        values: ``(1, h, w)`` bool or float32, whatever its values. Sparse ones take 8 bytes for each that is not 0.
    """
    array = np.ascontiguousarray(values.numpy())
    packing, data = str(array.dtype), array.tobytes()
    index = np.flatnonzero(np.frombuffer(data, np.uint32)) if packing == "float32" else None
    if index is not None and 2 * index.size < array.size:
        packing, data = "sparse", index.astype(np.uint32).tobytes() + array.reshape(-1)[index].tobytes()
    return {"packing": packing, "shape": list(array.shape), "bytes": len(data), "crc": zlib.crc32(data)}, data


def unpack_map(record: dict, data: bytes) -> Tensor:
    """The map that `pack_map` packed, from its record and bytes."""
    if record["packing"] != "sparse":
        return torch.from_numpy(np.frombuffer(data, record["packing"]).reshape(record["shape"]).copy())
    index, values = np.frombuffer(data, np.uint32).reshape(2, -1)
    flat = np.zeros(int(np.prod(record["shape"])), np.float32)
    flat[index] = values.view(np.float32)
    return torch.from_numpy(flat.reshape(record["shape"]))


def stamp(path: str | Path) -> tuple[int | None, int | None]:
    """Size in bytes and time of change in nanoseconds; two None where the file is not there."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    return status.st_size, status.st_mtime_ns


def relative(path: Path, root: Path) -> str:
    """``path`` as written down: relative to the root, with ``..`` where it lies beside it."""
    text, start = str(path), f"{root}{os.sep}"
    inside = text[len(start) :] if text.startswith(start) else os.path.relpath(text, root)
    return inside.replace(os.sep, "/")


def versions(header: Mapping[str, object]) -> str:
    """What the samples were decoded by, in words."""
    return f"lowtex {header.get('lowtex_version')}, OpenCV {header.get('opencv_version')}"
