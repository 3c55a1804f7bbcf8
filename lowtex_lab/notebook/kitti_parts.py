"""Which frames of a KITTI root a network may go on learning from, and which then score it; never the same ones."""

from pathlib import Path

from lowtex.datasets import KittiImproved, KittiRaw
from lowtex.errors import DataError
from lowtex_lab.notebook.frame_lists import learning_and_scoring_lists
from lowtex_lab.notebook.study import AUTO

TRAIN, TEST = "train", "test"


def kitti_parts(
    target: str | Path, raw_root: str | Path, depth_root: str | Path | None, drive: str, learn: str, score: str
) -> tuple[str | Path | None, str | Path]:
    """The split to learn from and the one to score, each a name or a list, as `notebook.study.Study` takes them.

    A root (or miniature) that holds its train and test splits whole gives these. Any other gives lists of one drive
    (`notebook.frame_lists.learning_and_scoring_lists`), which needs the improved ground truth; without that nothing is
    learnt from (None), and whatever there is can be scored (`lowtex_lab.notebook.study.AUTO`).

    Args:
        target: folder for the lists.
        raw_root, depth_root: of KITTI raw, and of its improved ground truth where there is one.
        drive, learn, score: of the lists.

    Raises:
        OptionError: a frame is in both lists. DataError: too few frames to part.
    """
    if _is_whole(raw_root, depth_root):
        return TRAIN, TEST
    if depth_root is None:
        return None, AUTO
    return learning_and_scoring_lists(target, depth_root, raw_root, drive, learn, score)


def _is_whole(raw_root: str | Path, depth_root: str | Path | None) -> bool:
    try:
        KittiRaw(raw_root, TRAIN, depth=None)
        KittiRaw(raw_root, TEST, depth=None, views=False)
        if depth_root is not None:
            KittiImproved(depth_root, TEST, raw_root=raw_root, views=False)
    except DataError:
        return False
    return True
