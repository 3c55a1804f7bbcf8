"""Verify a data root against a split: every file of every frame is looked at, and all that is wrong is counted."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lowtex.data_paths import is_miniature
from lowtex.datasets import Cityscapes, KittiRaw, VirtualKitti2
from lowtex.datasets.kitti_improved import DepthMaps
from lowtex.datasets.prepared import is_prepared
from lowtex.datasets.reader import StereoReader, tolerating_missing
from lowtex.datasets.splits import AVAILABLE
from lowtex.datasets.virtual_kitti2 import VKITTI2_FRAMES_A_VARIATION
from lowtex.errors import DataError, require_choice
from lowtex_lab.cli.checking.files import KINDS, Problem
from lowtex_lab.cli.checking.passes import Looks
from lowtex_lab.cli.checking.rules import RULES, TRUTHS, Rules


@dataclass(frozen=True)
class SplitCheck:
    """What was found for one split of one root.

    Attributes:
        data: name of the data set, as `lowtex.data_paths.DATASETS` has it.
        root: its folder.
        split: full name of the split.
        thorough: every sample was decoded, not only looked at.
        expected: frames the split has to have; where it is not a list, the official number.
        frames: frames it has, complete or not.
        complete: frames of which every file is there and whole.
        with_truth: complete frames with ground truth.
        files: distinct files looked at.
        problems: one for each file that something is wrong with.
        failure: why the root could not be opened at all; empty if it could.
        caveats: what was not looked at, or is not as good as it could be, a sentence each.
        notes: what else a person should know, a sentence each.
        gaps: for KITTI, ``(<date>/<drive>, frames that lack an image or a scan, frames listed)`` where any does.
        images: folder of the images, if it is another one than the root.
        one_view: only the view that is scored was asked for, not its partner.
    """

    data: str
    root: Path
    split: str
    thorough: bool = False
    expected: int = 0
    frames: int = 0
    complete: int = 0
    with_truth: int = 0
    files: int = 0
    problems: tuple[Problem, ...] = ()
    failure: str = ""
    caveats: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    gaps: tuple[tuple[str, int, int], ...] = ()
    images: Path | None = None
    one_view: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """Files by kind of problem, all kinds."""
        found = Counter(problem.kind for problem in self.problems)
        return {kind: found[kind] for kind in KINDS}

    @property
    def fine(self) -> bool:
        """All of the split is there and nothing is wrong with it."""
        return not self.failure and not self.problems and self.expected > 0 and self.complete == self.expected


@dataclass(frozen=True)
class RootCheck:
    """The split that was asked for, and what is there at all (None if that was what was asked for)."""

    named: SplitCheck
    there: SplitCheck | None


def check_root(
    name: str,
    root: str | Path,
    split: str | None = None,
    thorough: bool = False,
    one_view: bool = False,
    raw_root: Path | None = None,
) -> RootCheck:
    """Check a root against a split, and beside it whatever complete frames it has.

    Args:
        name: of the data set, as `lowtex.data_paths.DATASETS` has it.
        root: its folder.
        split: as its reader takes it; None is the split that is scored (`Rules.split`), and then what is there is
            checked as thoroughly.
        thorough: decode every sample through the reader.
        one_view: without the partner of the view that is scored, which only training needs. A split that is only
            scored (`Rules.needs_one_view`) is always checked so; what is there beside it too, where there is no pair.
        raw_root: of KITTI raw, for ``kitti_depth``; None looks beside the root.

    Raises:
        OptionError: the data set or the split is unknown. Anything else that is wrong is in the result.
    """
    require_choice("data set", name, RULES)
    rules, options = RULES[name], dict(raw_root=raw_root, looks=Looks())
    asked = split or rules.split
    named = check_split(name, root, asked, thorough, one_view or rules.needs_one_view(asked), **options)
    if named.split == AVAILABLE:
        return RootCheck(named, None)
    decoded = thorough and split is None
    there = check_split(name, root, AVAILABLE, decoded, one_view, **options)
    if there.failure and named.one_view and not one_view:
        there = check_split(name, root, AVAILABLE, decoded, True, **options)
    return RootCheck(named, there)


def check_split(
    name: str,
    root: str | Path,
    split: str,
    thorough: bool = False,
    one_view: bool = False,
    raw_root: Path | None = None,
    looks: Looks | None = None,
) -> SplitCheck:
    """Check one split; arguments as in `check_root`. ``looks`` keeps what was seen, so that no file is looked at twice.

    Raises:
        OptionError: the data set or the split is unknown.
    """
    rules, root = RULES[name], Path(root)
    official = official_frames(name, root, split)
    try:
        if is_prepared(root):
            raise DataError(f"{root} holds samples prepared by lowtex; name the folder of the data set itself")
        reader, caveats = open_tolerantly(name, root, split, one_view, raw_root)
        with tolerating_missing():
            needed = [reader.needed(index) for index in range(len(reader))]
    except DataError as error:
        return SplitCheck(name, root, split, thorough, expected=official, failure=str(error), one_view=one_view)
    files = list(dict.fromkeys(path for paths in needed for path in paths))
    looks = Looks() if looks is None else looks
    looks.at_ends(rules, reader, needed)
    looks.by_decoding(rules, reader, needed, thorough)
    problems = {path: looks.problems[path] for path in files if path in looks.problems}
    problems |= {path: Problem(path, "missing", "is a folder of the split and missing") for path in reader.absent}
    whole = [all(path not in problems for path in paths) for paths in needed]
    truths = [any(rules.role(path) in TRUTHS for path in paths) for paths in needed]
    return SplitCheck(
        data=name,
        root=root,
        split=reader.split,
        thorough=thorough,
        expected=max(len(reader), official),
        frames=len(reader),
        complete=sum(whole),
        with_truth=sum(both for both in map(min, whole, truths)),
        files=len(files),
        problems=tuple(problems.values()),
        caveats=tuple(caveats),
        notes=tuple(_counted_variations(reader, root)),
        gaps=_gaps(rules, reader, needed, problems),
        images=reader.tree.root if name == "kitti_depth" and not isinstance(reader, DepthMaps) else None,
        one_view=one_view,
    )


def official_frames(name: str, root: Path, split: str) -> int:
    """How many frames a split has officially, where it is whatever a folder holds; 0 where that is not known."""
    if is_miniature(root) or (root / "splits" / f"{split}.txt").is_file():
        return 0
    return RULES[name].official.get(split, 0)


def open_tolerantly(
    name: str, root: Path, split: str, one_view: bool = False, raw_root: Path | None = None
) -> tuple[StereoReader, list[str]]:
    """A reader whose files may be missing, at native size; and what a person should know of how it was opened.

    Raises:
        DataError: the root holds nothing of that data set.
        OptionError: the split is unknown.
    """
    rules, options, caveats = RULES[name], {}, []
    with tolerating_missing():
        if name == "kitti_depth":
            if raw_root is None and not (root.resolve().parent / "kitti_raw").is_dir():
                try:
                    return rules.open(root, split, one_view, raw_root=root), caveats
                except DataError:
                    caveats.append(
                        "only the depth maps were looked at, not the images they belong to: name the folder of those "
                        "with --data kitti=FOLDER"
                    )
                    return DepthMaps(root, split), caveats
            options["raw_root"] = raw_root
        if name == "cityscapes" and split == AVAILABLE:
            options["typical_camera"] = True
        reader = rules.open(root, split, one_view, **options)
    if isinstance(reader, Cityscapes) and reader.rig_is_nominal:
        caveats.append(
            "camera files are missing: without them metres rest on typical values, right to a few percent only, and "
            "only where --reader typical_camera=true asks for that"
        )
    return reader, caveats


def _counted_variations(reader: StereoReader, root: Path) -> Iterator[str]:
    """Virtual KITTI 2's scenes are whole if a variation has its official number of frames."""
    if isinstance(reader, VirtualKitti2) and reader.split == AVAILABLE and not is_miniature(root):
        counts = Counter(f.folder.split("/")[1] for f in reader.frames)
        told = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
        yield f"frames by variation, of {VKITTI2_FRAMES_A_VARIATION:,} each in all five scenes: {told}"


def _gaps(rules: Rules, reader: StereoReader, needed: list[list[Path]], problems: dict[Path, Problem]) -> tuple:
    """Drives of KITTI of which a frame lacks an image or a scan, or has a damaged one."""
    if not isinstance(reader, KittiRaw) or isinstance(reader, DepthMaps):
        return ()
    listed, lacking = Counter(), Counter()
    for f, paths in zip(reader.frames, needed, strict=True):
        listed[f.folder] += 1
        lacking[f.folder] += any(path in problems and rules.role(path) in ("picture", "scan") for path in paths)
    return tuple((folder, lacking[folder], listed[folder]) for folder in sorted(listed) if lacking[folder])
