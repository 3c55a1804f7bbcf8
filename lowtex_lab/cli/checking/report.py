"""What `lowtex data check` found, in words: a table, the first files of each kind, and how to get what is missing."""

import csv
import re
import shlex
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from lowtex.data_paths import is_miniature
from lowtex.datasets.splits import AVAILABLE, KITTI_SPLITS
from lowtex.files import atomic_path
from lowtex.progress import count
from lowtex_lab.cli.checking.check import RootCheck, SplitCheck
from lowtex_lab.cli.checking.files import KINDS, Problem
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
    named, there = check.named, check.there
    kind = "a miniature written by lowtex" if is_miniature(named.root) else ORIGINS[named.data].title
    how = "every sample decoded" if named.thorough else "a quick look at both ends of each file; --deep decodes all"
    lines = [f"{named.data}: {named.root}", f"  {kind}; {how}"]
    if named.images is not None:
        lines += [f"  images from {named.images}"]
    lines += [""]
    if named.failure and (there is None or there.failure):
        return "\n".join([*lines, *wrapped(named.failure, 2)])
    rows = [_row(named)] + ([_row(there)] if there is not None else [])
    head = ("split", "frames complete", "with ground truth", "files needed", *_COLUMNS, "other")
    lines += [f"  {line}".rstrip() for line in aligned([head, *rows])]
    lines += ["", *wrapped(_verdict(named), 2)]
    if there is not None:
        lines += wrapped(_verdict(there), 2)
    parts = [part for part in (named, there) if part is not None]
    notes = dict.fromkeys(note for part in parts for note in (*part.caveats, *part.notes))
    lines += [line for note in notes for line in wrapped(f"note: {note}", 2)]
    files = {problem.path: problem for part in parts for problem in part.problems}
    lines += _files(list(files.values()), named.root)
    if not named.fine:
        lines += _way_out(check)
    return "\n".join(lines)


def write_list(path: str | Path, checks: Iterable[RootCheck]) -> int:
    """All files with a problem as CSV: data, split, kind, file, reason; gives their number.

    Raises:
        DataError: it can't be written there.
    """
    rows = {}
    for part in (part for check in checks for part in (check.named, check.there) if part is not None):
        for problem in part.problems:
            rows.setdefault(problem.path, (part.data, part.split, problem.kind, problem.path, problem.reason))
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("data", "split", "kind", "file", "reason"))
        writer.writerows(rows.values())
    return len(rows)


def aligned(rows: Sequence[Sequence[object]], left: Collection[int] = (0,)) -> list[str]:
    """Rows of a table as lines of text; columns are set to the right, but for those in ``left``."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in texts
    ]


def _row(check: SplitCheck) -> tuple[str, ...]:
    counts = check.counts
    other = sum(counts[kind] for kind in KINDS if kind not in _COLUMNS)
    return (
        f"{check.split} (one view)" if check.one_view and check.data != "make3d" else check.split,
        f"{check.complete:,} of {check.expected:,}",
        f"{check.with_truth:,}",
        f"{check.files:,}",
        *(f"{counts[kind]:,}" for kind in _COLUMNS),
        f"{other:,}",
    )


def _verdict(check: SplitCheck) -> str:
    what = "what is there" if check.split == AVAILABLE else f"split {check.split}"
    if check.one_view and check.data != "make3d":
        what += ", one view of each frame"
    if check.failure:
        return f"{what}: {_first_clause(check.failure, check.root)}"
    if check.fine:
        but = ", but see the note" if check.caveats else ""
        return f"{what}: {count(check.complete, 'frame')}, {check.with_truth:,} with ground truth, all fine{but}"
    text = f"{what}: {check.complete:,} of {count(check.expected, 'frame')} complete"
    if check.frames < check.expected:
        text += f"; of the official {check.expected:,}, {check.expected - check.frames:,} are not here at all"
    found = [f"{kind}: {number:,}" for kind, number in check.counts.items() if number]
    if found:
        text += f"; files {', '.join(found)}"
    return text


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


def _first_clause(message: str, root: Path) -> str:
    return message.split("; ")[0].replace(str(root), "the root")


def wrapped(text: str, indent: int, hanging: int | None = None) -> list[str]:
    """A sentence as lines of `WIDTH`, the first indented by ``indent``, the others by ``hanging`` or as the first."""
    first, others = " " * indent, " " * (indent if hanging is None else hanging)
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
