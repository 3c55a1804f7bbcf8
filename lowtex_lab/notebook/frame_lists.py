"""Lists of frames made on the spot: some to learn from, others, never the same ones, to score."""

import re
from collections.abc import Sequence
from pathlib import Path

from lowtex.datasets.kitti_improved import KittiImproved
from lowtex.datasets.splits import KITTI_FOLDER
from lowtex.datasets.stereo_folder import StereoFolder, read_stems
from lowtex.datasets.virtual_kitti2 import VirtualKitti2
from lowtex.errors import DataError, OptionError
from lowtex.files import write_text
from lowtex.progress import count

_PART = re.compile(r"(\d+)(?:-(\d+))?")


def parse_frames(text: str) -> list[int]:
    """``"0-5,25"`` -> ``[0, 1, 2, 3, 4, 5, 25]``.

    Raises:
        OptionError: anything else than numbers and rising ranges.
    """
    frames: list[int] = []
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if not match or (match[2] and int(match[2]) < int(match[1])):
            raise OptionError(f"frames {text!r} must be numbers and ranges such as '0-5,25', not {part.strip()!r}")
        frames += range(int(match[1]), int(match[2] or match[1]) + 1)
    return list(dict.fromkeys(frames))


def write_frame_list(path: str | Path, folder: str, frames: Sequence[int], side: str = "l") -> Path:
    """Write a list that the KITTI readers take as a split; ``folder`` is ``<date>/<drive>``.

    Raises:
        OptionError: the folder is not of that form, or there is no frame.
    """
    if not KITTI_FOLDER.fullmatch(folder) or not frames:
        raise OptionError(f"a frame list needs <date>/<drive> and at least one frame, got {folder!r}, {list(frames)}")
    write_text(Path(path), "".join(f"{folder} {frame:010d} {side}\n" for frame in frames))
    return Path(path)


def write_common_frames(path: str | Path, readers: Sequence[VirtualKitti2]) -> Path:
    """Write a list of the frames that all of some readers have, each in all of their variations.

    Their errors can then be compared frame by frame: open the list as a split, one ``variation`` at a time.

    Args:
        path: of the list.
        readers: of the same scenes in different variations; one or more.

    Raises:
        OptionError: no reader, or no frame that all of them have.
    """
    frames = [{(f.folder.split("/")[0], f.frame, f.side) for f in reader.frames} for reader in readers]
    common = sorted(set.intersection(*frames)) if frames else []
    if not common:
        raise OptionError(f"no frame is in all of the {len(frames)} readers given, so there is none to list")
    variations = sorted({f.folder.split("/")[1] for reader in readers for f in reader.frames})
    lines = [f"{scene}/{name} {frame} {side}\n" for name in variations for scene, frame, side in common]
    write_text(Path(path), "".join(lines))
    return Path(path)


def learning_and_scoring_lists(
    target: str | Path,
    depth_root: str | Path,
    raw_root: str | Path,
    drive: str,
    learn: str,
    score: str,
) -> tuple[Path, Path]:
    """Two disjoint lists of one real KITTI drive: ``learn.txt`` and ``score.txt`` in the folder ``target``.

    A root that lacks frames asked for gives its own: the last third of the annotated frames of its first drive are
    scored, and learnt from are the drive's pairs before the first of those.

    Args:
        target: folder for the lists.
        depth_root, raw_root: of the improved ground truth and of KITTI raw.
        drive: ``<date>_drive_<number>_sync``.
        learn, score: frames, as `parse_frames` takes them; those to score need ground truth.

    Raises:
        OptionError: a frame is in both lists.
        DataError: the root has too few frames to part.
    """
    learning, scoring = parse_frames(learn), parse_frames(score)
    if both := sorted(set(learning) & set(scoring)):
        raise OptionError(f"frame {both[0]} is to be learnt from and to be scored; the two lists must share none")
    annotated = KittiImproved(depth_root, "available", raw_root=raw_root)
    drives = {f.folder.split("/")[1]: f.folder for f in annotated.frames}
    folder = drives.get(drive)
    if (
        folder is None
        or not set(learning) <= _pairs(annotated, folder)
        or not set(scoring) <= _truths(annotated, folder)
    ):
        folder = annotated.frames[0].folder
        truths = sorted(_truths(annotated, folder))
        scoring = truths[-max(1, len(truths) // 3) :]
        learning = sorted(frame for frame in _pairs(annotated, folder) if frame < scoring[0])
    if not learning:
        raise DataError(
            f"{folder} has no pair before its frame {scoring[0]}, the first to score: too few frames to learn from "
            "some and score others; give a root with more of the drive"
        )
    target = Path(target)
    return (
        write_frame_list(target / "learn.txt", folder, learning),
        write_frame_list(target / "score.txt", folder, scoring),
    )


def own_parts(target: str | Path, reader: StereoFolder) -> tuple[str | Path, str | Path]:
    """The split to learn from and the one to score, of a folder of one's own pairs: no pair is in both.

    These are its own lists ``train`` and ``test`` where it has both. Elsewhere ``learn.txt`` and ``score.txt`` are
    written: a third of the pairs is scored, at least one, the last ones with ground truth (if any has it); learnt
    from are the pairs before the first of those.

    Args:
        target: folder for the lists.
        reader: of the pairs, from the left.

    Raises:
        DataError: its own two lists share a pair, or there are too few to part.
    """
    lists = [reader.root / "splits" / f"{name}.txt" for name in ("train", "test")]
    if all(path.is_file() for path in lists):
        learning, scoring = (read_stems(path) for path in lists)
        if both := sorted(set(learning) & set(scoring)):
            raise DataError(f"{lists[0]} and {lists[1]} both list {both[0]}; a pair is learnt from or scored, not both")
        return "train", "test"
    stems = [name.removesuffix("/l") for name in reader.names]
    scoring = ([stem for stem in stems if stem in reader.maps] or stems)[-max(1, len(stems) // 3) :]
    # where nothing lies before the first of them, fewer are scored
    while scoring and stems.index(scoring[0]) == 0:
        scoring = scoring[1:]
    if not scoring:
        raise DataError(
            f"{reader.root} has no pair before the first one to score ({count(len(stems), 'pair')}, {len(reader.maps)} "
            "with ground truth): too few to learn from some and score others; add pairs"
        )
    paths = Path(target) / "learn.txt", Path(target) / "score.txt"
    for path, part in zip(paths, (stems[: stems.index(scoring[0])], scoring), strict=True):
        write_text(path, "".join(f"{stem}\n" for stem in part))
    return paths


def _pairs(dataset: KittiImproved, folder: str) -> set[int]:
    return set(dataset.tree.images(folder, "l")) & set(dataset.tree.images(folder, "r"))


def _truths(dataset: KittiImproved, folder: str) -> set[int]:
    return {frame.frame for frame in dataset.frames if frame.folder == folder}
