"""Finding prepared samples for a reader, so that training and evaluation use them without being asked."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lowtex.datasets.prepared import PreparedPairs, Sources, read_header, say_once
from lowtex.datasets.prepared_format import HEADER, JOURNAL, covers, described, prepared_base, versions
from lowtex.datasets.prepared_journal import begun_as
from lowtex.datasets.reader import StereoReader, tolerates_missing
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError
from lowtex.paths import shown
from lowtex.progress import count


def prepared_for(
    reader: StereoReader, base: Path | None = None, tell: Callable[[str], None] = say_once
) -> PreparedPairs | None:
    """Prepared samples that are exactly those of ``reader``, in its order; None where there are none that are current.

    They may be part of another split that was prepared, and the data root may have been moved since. Before they are
    used, one sample is also read from its files and compared bit for bit.

    Args:
        reader: opened on its files.
        base: folder of prepared folders; None is `prepared_base`.
        tell: gets a line when samples are used, and one when they can't be; by default printed once a process.
    """
    base = base or prepared_base()
    if not len(reader) or tolerates_missing() or not base.is_dir():
        return None
    wanted = described(reader)
    for folder in sorted(base.glob(f"{wanted['dataset']}-*")):
        if not (folder / HEADER).is_file():
            if covers(begun_as(folder) or {}, wanted):
                tell(f"{shown(folder)} is not finished, and not used; the same lowtex data prepare goes on with it")
            continue
        try:
            header = read_header(folder)
            if not covers(header, wanted) or header["samples"] < len(reader):
                continue
            found = PreparedPairs(folder, check=False).selected(reader)
        except DataError as error:
            tell(f"prepared data are not used: {error}")
            continue
        if found is None:
            continue
        sources = found.sources(reader)
        why_not = _outdated(found, reader, sources, header, wanted)
        if why_not is None:
            gone = f" (gone: {count(sources.gone, 'file')} of those they were made of)" if sources.gone else ""
            tell(f"{shown(folder)}: its prepared samples are used{gone}")
            return found
        # files of another root that were never prepared are no news
        if header["root"] == wanted["root"]:
            tell(f"{shown(folder)} is not used: {why_not}; lowtex data prepare brings it up to date")
    return None


def is_prepared(folder: str | Path) -> bool:
    """Whether a folder given as a data root is one that ``lowtex data prepare`` made or began."""
    return any((Path(folder).expanduser() / name).is_file() for name in (HEADER, JOURNAL))


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
        OptionError: it holds another data set, split or size than asked for, or lacks what an option asks for.
        DataError: as `PreparedPairs`.
    """
    folder = Path(folder).expanduser()
    header = read_header(folder)
    views, depth = options.get("views", header["views"] == 2), options.get("depth", header["depth"])
    # a root's own list goes before a packaged one of that name, and Make3D's name says how much of it there is
    names = {split, getattr(reader, "aliases", {}).get(split, split)}
    kept_split = header["split"] if header["split"].partition(", ")[0] in names else split
    asked = {"data set": dataset, "split": kept_split, "size": _pair(size)}
    got = {"data set": header["dataset"], "split": header["split"], "size": _pair(header["size"])}
    asked |= {name: options.get(name, value) for name, value in header["options"].items()}
    got |= header["options"]
    got["resize"] = header["options"].get("resize", "area")
    asked["resize"] = options.get("resize", got["resize"])
    asked |= {"views": bool(views)} if views else {}
    got |= {"views": header["views"] == 2}
    asked |= {"depth": header["depth"] if depth is True and header["depth"] else depth} if depth else {}
    got |= {"depth": header["depth"]}
    for name, value in asked.items():
        if got[name] != value:
            raise OptionError(
                f"{folder} was prepared with {name}={got[name]!r}, but {value!r} is asked for; give the folder of the "
                "data set itself, or prepare it so"
            )
    return PreparedPairs(folder, bool(views), bool(depth))


def _pair(size: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if size is None else tuple(size)


def _outdated(
    found: PreparedPairs, reader: StereoReader, sources: Sources, header: dict, wanted: dict
) -> str | None:  # fmt: skip
    if sources.changed:
        changed = f"{len(sources.changed)} of {count(len(found), 'sample')}"
        return f"files of {changed} changed since it was made, first: {sources.first}"
    if versions(header) != versions(wanted):
        return f"it was made by {versions(header)}, this is {versions(wanted)}"
    there = (index for index in range(len(found)) if all(path.is_file() for path in found.needed(index)))
    index = next(there, None)
    if index is not None and not _equal(found[index], reader._read(index)):
        return f"{reader.names[index]} read from its files differs from the one prepared"
    return None


def _equal(ours: StereoSample, theirs: StereoSample) -> bool:
    pairs = ((getattr(ours, name), value) for name, value in vars(theirs).items())
    return all(
        torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a is b or (a == b) is True
        for a, b in pairs
    )
