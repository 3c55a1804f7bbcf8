"""Records of samples that are finished, while others are not: written line by line, read back after a kill."""

import json
from pathlib import Path

from lowtex.datasets.prepared import read_header
from lowtex.datasets.prepared_format import HEADER, JOURNAL, SAMPLES, versions
from lowtex.datasets.reader import entries
from lowtex.errors import DataError, OptionError
from lowtex.files import disk_problem, read_json, write_text

_SAME = ("format", "dataset", "size", "views", "depth", "options", "samples")


class Journal:
    """Records appended to ``journal.jsonl``, one line each; use it as a context manager.

    Beginning one replaces what is there in one move: first a line that says what is being made, then the records that
    are kept, so that a line torn by a kill never has another one behind it.
    """

    def __init__(self, folder: Path, about: dict, names: list[str], kept: dict[int, dict]):
        self.path = folder / JOURNAL
        lines = [_line({"about": about, "names": names}), *(_line([i, kept[i]]) for i in sorted(kept))]
        write_text(self.path, "".join(lines))

    def __enter__(self) -> "Journal":
        self._file = open(self.path, "ab", buffering=0)
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._file.close()

    def add(self, index: int, record: dict) -> None:
        """Sample ``index`` is finished: its views and maps are in their files."""
        try:
            self._file.write(_line([index, record]).encode())
        except OSError as error:
            raise disk_problem(error, self.path) from error


def begun_as(folder: Path) -> dict | None:
    """What an unfinished folder is to become, None where it holds no journal of ours."""
    try:
        with open(folder / JOURNAL, encoding="utf-8") as file:
            return json.loads(file.readline())["about"]
    except (OSError, KeyError, TypeError, ValueError):
        return None


def finished_records(folder: Path, about: dict, names: list[str]) -> tuple[dict[int, dict], str | None]:
    """What a folder already holds of the samples that are to be made.

    Args:
        folder: finished, half finished, damaged or empty.
        about: what is to be made, of `lowtex.datasets.prepared_format.described`, with ``samples``.
        names: of the samples.

    Returns:
        A record a sample by index, and the versions that made them; none where nothing can be used.

    Raises:
        OptionError: the folder holds something else, which must not be written over.
    """
    begun, whole = (folder / JOURNAL).is_file(), (folder / HEADER).is_file()
    if not (begun or whole):
        strangers = entries(folder)
        if strangers:
            raise OptionError(f"{folder} holds other files ({strangers[0]}, …); choose a new or empty folder")
        return {}, None
    try:
        made, theirs, records = _whole(folder) if whole else _begun(folder / JOURNAL)
    except (DataError, KeyError, TypeError, ValueError, IndexError):
        # whatever it was, this is a folder of ours that is damaged
        return {}, None
    differ = [name for name in _SAME if made.get(name) != about[name]] + ["names"] * (theirs != names)
    if differ:
        raise OptionError(
            f"{folder} holds other prepared samples ({differ[0]} is {_short(made.get(differ[0]))} there, "
            f"{_short(about.get(differ[0]))} here); choose another folder, or delete that one"
        )
    return {index: record for index, record in records.items() if 0 <= index < len(names)}, versions(made)


def _whole(folder: Path) -> tuple[dict, list[str], dict[int, dict]]:
    header, kept = read_header(folder), read_json(folder / SAMPLES)
    records = {
        index: {
            **record,
            "rig": kept["rigs"][record["rig"]],
            "sources": [kept["sources"][i] for i in record["sources"]],
        }
        for index, record in enumerate(kept["samples"])
    }
    return header, kept["names"], records


def _begun(path: Path) -> tuple[dict, list[str], dict[int, dict]]:
    first, *lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    opening, records = json.loads(first), {}
    for line in lines:
        try:
            index, record = json.loads(line)
        except ValueError:
            # torn by the kill
            continue
        records[index] = record
    return opening["about"], opening["names"], records


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"
