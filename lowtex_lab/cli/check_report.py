"""What `lowtex data check` found, in words: a table, the first files of each kind, and how to get what is missing."""

import re
import shlex
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import pandas as pd

from lowtex.data_paths import is_miniature
from lowtex.datasets.splits import AVAILABLE, KITTI_SPLITS
from lowtex.evaluation.results import write_csv
from lowtex.progress import count
from lowtex_lab.cli.checking import KINDS, Problem, RootCheck, SplitCheck
from lowtex_lab.cli.origins import ORIGINS

SHOWN_FILES = 3
SHOWN_DRIVES = 6
WIDTH = 110

_COLUMNS = ("missing", "empty", "truncated", "wrong size")
_FOLDER = re.compile(
    r"(?<![^/])(groundtruth/image_0\d|image_0\d|velodyne_points|(?:rgb|depth|lowtex\w+)/Camera_\d|leftImg8bit"
    r"|rightImg8bit|disparity|camera|Test134|Gridlaserdata|left|right|depth|\w+\.txt|rig\.yaml)(?![^/])"
)


def describe(check: RootCheck) -> str:
    """The whole report on one root."""
    named = check.named
    kind = "a miniature written by lowtex" if is_miniature(named.root) else ORIGINS[named.data].title
    how = "every sample decoded" if named.thorough else "a quick look at both ends of each file; --deep decodes all"
    lines = [f"{named.data}: {named.root}", f"  {kind}; {how}"]
    if named.images is not None:
        lines += [f"  images from {named.images}"]
    if all(part.failure for part in check.parts):
        return "\n".join([*lines, "", *wrapped(named.failure, 2)])
    head = ("split", "frames complete", "with ground truth", "files needed", *_COLUMNS, "other")
    table = aligned([head, *map(_row, check.parts)])
    lines += ["", *(f"  {line}".rstrip() for line in table), ""]
    notes = dict.fromkeys(f"note: {note}" for part in check.parts for note in (*part.caveats, *part.notes))
    for sentence in [*map(_verdict, check.parts), *notes]:
        lines += wrapped(sentence, 2)
    files = {problem.path: problem for part in check.parts for problem in part.problems}
    lines += _files(list(files.values()), named.root)
    if not named.fine:
        lines += _way_out(check)
    return "\n".join(lines)


def write_list(path: str | Path, checks: Iterable[RootCheck]) -> int:
    """All files with a problem as CSV: data, split, kind, file, reason; gives their number.

    Raises:
        DataError: it can't be written there.
    """
    parts = [part for check in checks for part in check.parts]
    rows = [(part.data, part.split, p.kind, p.path, p.reason) for part in parts for p in part.problems]
    frame = pd.DataFrame(rows, columns=["data", "split", "kind", "file", "reason"]).drop_duplicates("file")
    write_csv(Path(path), frame)
    return len(frame)


def aligned(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> list[str]:
    """Rows of a table as lines of text; columns are set to the right, but for those in ``left``."""
    columns = []
    for number, column in enumerate(zip(*rows, strict=True)):
        width = max(map(len, column))
        columns.append([cell.ljust(width) if number in left else cell.rjust(width) for cell in column])
    return ["  ".join(row) for row in zip(*columns, strict=True)]


def _row(check: SplitCheck) -> tuple[str, ...]:
    counts = check.counts
    shown = [counts[kind] for kind in _COLUMNS]
    return (
        f"{check.split} (one view)" if _half(check) else check.split,
        f"{check.complete:,} of {check.expected:,}",
        *(f"{number:,}" for number in (check.with_truth, check.files, *shown, len(check.problems) - sum(shown))),
    )


def _half(check: SplitCheck) -> bool:
    """Only one of two views was looked at."""
    return check.one_view and check.data != "make3d"


def _verdict(check: SplitCheck) -> str:
    what = "what is there" if check.split == AVAILABLE else f"split {check.split}"
    if _half(check):
        what += ", one view of each frame"
    if check.failure:
        return f"{what}: {check.failure.split('; ')[0].replace(str(check.root), 'the root')}"
    if check.fine:
        but = ", but see the note" if check.caveats else ""
        return f"{what}: {count(check.complete, 'frame')}, {check.with_truth:,} with ground truth, all fine{but}"
    text = f"{what}: {check.complete:,} of {count(check.expected, 'frame')} complete"
    if check.frames < check.expected:
        text += f"; of the official {check.expected:,}, {check.expected - check.frames:,} are not here at all"
    found = [f"{kind}: {number:,}" for kind, number in check.counts.items() if number]
    return f"{text}; files {', '.join(found)}" if found else text


def _files(problems: list[Problem], root: Path) -> list[str]:
    lines = []
    for kind in KINDS:
        found = [problem for problem in problems if problem.kind == kind]
        if not found:
            continue
        where = Counter(_sort(problem.path, root) for problem in found).most_common()
        lines += ["", *wrapped(f"{kind}: {', '.join(f'{number:,} {name}' for name, number in where)}", 2)]
        for problem in found[:SHOWN_FILES]:
            reason = "" if problem.reason == "is missing" else f": {problem.reason.replace(f'{root}/', '')}"
            lines.append(f"    {_inside(problem.path, root)}{reason}")
        if len(found) > SHOWN_FILES:
            lines.append(f"    and {len(found) - SHOWN_FILES:,} more; --list FILE writes them all")
    return lines


def _sort(path: Path, root: Path) -> str:
    """Which sort of file it is: the part of its path that all of that sort share."""
    # the last one, because an archive's folder may have the name of what is in it
    names = _FOLDER.findall(_inside(path, root))
    return names[-1] if names else path.suffix or path.name


def _inside(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _way_out(check: RootCheck) -> list[str]:
    named = check.named
    if is_miniature(named.root):
        return ["", "  to mend it, write it again: lowtex data miniature"]
    if named.data == "stereo" and not named.failure and not named.counts["missing"]:
        # nowhere to get it from: the reasons above say what to mend
        return []
    lines = ["", "  how to get what is missing:"]
    if named.data in ("kitti", "kitti_depth"):
        lines += _kitti_commands(named)
    lines += wrapped(ORIGINS[named.data].way_out, 4)
    return lines + (wrapped(ORIGINS["kitti"].way_out, 4) if named.data == "kitti_depth" and named.gaps else [])


def _kitti_commands(named: SplitCheck) -> list[str]:
    """The commands that fetch the drives, calibrations and maps which are missing."""
    lines = []
    there = [p for p in named.problems if p.kind not in ("missing", "empty") and p.path.suffix != ".txt"]
    # without it a download leaves alone what seems to be there
    again = " --again" if there else ""
    if there:
        lines += wrapped(
            f"--again also replaces {count(len(there), 'damaged file')} (--list FILE writes the names); what is "
            "replaced is kept in archives/replaced",
            4,
        )
    drives = [folder.split("/")[1] for folder, _, _ in named.gaps]
    raw = shlex.quote(str(named.images or named.root))
    if drives:
        told = ", ".join(f"{name.split('/')[1]} ({lack} of {all_})" for name, lack, all_ in named.gaps[:SHOWN_DRIVES])
        more = f", and {len(drives) - SHOWN_DRIVES} more" if len(drives) > SHOWN_DRIVES else ""
        some = f"{count(len(drives), 'drive')} (frames without a good image or scan, of those listed)"
        lines += wrapped(f"{some}: {told}{more}", 4)
        chosen = f"--split {named.split}" if named.split in KITTI_SPLITS else f"--drive {' '.join(drives)}"
        if len(drives) <= SHOWN_DRIVES:
            chosen = f"--drive {' '.join(drives)}"
        lines.append(f"      lowtex data download --to {raw} {chosen}{again}")
    elif any(problem.path.name.startswith("calib_") for problem in named.problems):
        lines.append(f"      lowtex data download --to {raw} --calibration-only{again}")
    if any("groundtruth" in problem.path.parts for problem in named.problems):
        lines.append(f"      lowtex data download --to {shlex.quote(str(named.root))} --improved{again}")
    return lines


def wrapped(text: str, indent: int, hanging: int | None = None) -> list[str]:
    """A sentence as lines of `WIDTH`, the first indented by ``indent``, the others by ``hanging`` or as the first."""
    first, others = " " * indent, " " * (indent if hanging is None else hanging)
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
