"""What several notebooks do with sentences and images, beyond training and scoring.

Sentences with a run's numbers in them (`answer`), predictions ready to be looked at (`show`), depth by matching a pair
(`matched_depth`), and lists of frames: some to learn from, others, never the same ones, to score
(`learning_and_scoring_lists`, `kitti_parts`, `own_parts`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display
from torch import Tensor
from torch.utils.data import Dataset

from lowtex.catalog import AUTO
from lowtex.datasets import KittiImproved, KittiRaw, StereoFolder
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.splits import Frame
from lowtex.datasets.stereo_folder import read_stems
from lowtex.errors import DataError, OptionError
from lowtex.evaluation.evaluate import Evaluation, compare, predict
from lowtex.evaluation.postprocessing import resize_map
from lowtex.evaluation.protocols import Protocol, get_protocol
from lowtex.files import write_text
from lowtex.geometry import NOMINAL_BASELINE_M, disparity_to_depth, nominal_to_metres
from lowtex.progress import count
from lowtex_lab.plots import prediction_panel
from lowtex_lab.rig import match_densely
from lowtex_lab.studies.batch import parse_numbers

REACH = 1 / 16
"""Largest disparity looked for, as a share of the width; the official files of Cityscapes reach 126 of 2,048 pixels."""


def answer(*sentences: str, label: str = "Answer") -> None:
    """Show sentences as one paragraph of prose, after ``label`` in bold; right after the cell that shows it."""
    text = " ".join(filter(None, sentences))
    display(Markdown(f"**{label}.** {text[:1].upper()}{text[1:]}"))


@dataclass
class Shown:
    """A few images with what several networks predict for them.

    Attributes:
        samples: the images.
        truths: ground truth ``(h, w)`` in metres, 0 outside of what the protocol counts; None where there is none.
        predictions: method -> a depth map in metres for each image, at its truth's size; without one, at that of
            another image's truth, else at the network's.
    """

    samples: list[StereoSample]
    truths: list[np.ndarray | None]
    predictions: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def figure(self, title: str, miniature: bool, methods: Sequence[str] | None = None, **options):
        """The images with depth and error maps of ``methods`` (None = all); see `lowtex_lab.plots.prediction_panel`."""
        chosen = {name: self.predictions[name] for name in methods or self.predictions}
        names = [short_name(sample.name) for sample in self.samples]
        images = [sample.image for sample in self.samples]
        return prediction_panel(images, self.truths, chosen, names, title=title, miniature=miniature, **options)


def show(networks: Mapping[str, object], dataset: Dataset, names: Sequence[str], protocol: str | Protocol) -> Shown:
    """Predict some images of a data set by several networks, and bring all to the ground truth's size.

    Args:
        networks: method -> network, see `lowtex.evaluation.evaluate.predict`.
        dataset: a reader.
        names: of its images, one or more; see ``dataset.names``.
        protocol: how predictions are scaled and clamped, and which pixels of the truth are kept.

    Raises:
        OptionError: a name the data set does not have.
        DataError: a file is damaged, or a prediction cannot be shown.
    """
    protocol = get_protocol(protocol)
    places = {name: place for place, name in enumerate(dataset.names)}
    if unknown := [name for name in names if name not in places]:
        raise OptionError(f"there is no image {unknown[0]!r} in split {dataset.split!r} ({len(places)} images)")
    samples = [dataset[places[name]] for name in names]
    shown = Shown(samples, [None] * len(samples))
    # what has no truth is shown at the size of what has one, so that a row of maps lines up
    size = next((tuple(s.depth.shape[-2:]) for s in samples if s.depth is not None), None)
    units = protocol.nominal_factor is not None
    for method, network in networks.items():
        shown.predictions[method] = []
        for place, sample in enumerate(samples):
            inverse = predict(network, [sample], flip=protocol.flip, units=units)[0]
            if sample.depth is None or not bool((sample.depth != 0).any()):
                depth = 1.0 / (inverse if size is None else resize_map(inverse, *size))
                if units:
                    depth = nominal_to_metres(depth, protocol.nominal_factor * NOMINAL_BASELINE_M)
                shown.predictions[method].append(np.clip(depth, protocol.min_depth_m, protocol.cap_m))
                continue
            compared = compare(inverse, sample, protocol, quantity="inverse_depth")
            shown.truths[place] = np.where(compared.valid, compared.truth, 0.0)
            shown.predictions[method].append(compared.prediction)
    return shown


def ranked(evaluation: Evaluation) -> pd.DataFrame:
    """Whole images from the best to the worst by AbsRel: image, pixels, scale and the metrics."""
    whole = evaluation.per_image[evaluation.per_image["stratum_kind"] == "none"]
    return whole.sort_values("abs_rel", kind="stable").reset_index(drop=True)


def best_and_worst(evaluation: Evaluation) -> list[str]:
    """Names of the best and the worst image by AbsRel; one name where only one image was scored."""
    order = ranked(evaluation)["image"].tolist()
    return order[:1] + order[1:][-1:]


def short_name(name: str) -> str:
    """A sample's name without zeros and synchronisation marks, short enough to stand above a small picture.

    A name that is a number alone keeps its zeros: it is how the file is called.
    """
    parts = [part.removesuffix("_sync") for part in name.split("/") if part != "l"]
    if len(parts) == 1:
        return parts[0]
    return " ".join(str(int(part)) if part.isdecimal() else part for part in parts)


def matched_depth(sample: StereoSample, reach: float = REACH) -> Tensor:
    """Depth of a left view by semi-global matching, ``(1, H, W)`` float32 metres at the views' size, 0 = no match.

    Args:
        sample: a pair, best at native size; its own ground truth is not looked at.
        reach: largest disparity looked for, as a share of the width.

    Raises:
        DataError: a sample without a second view, or whose target is the right one.
    """
    if sample.other is None or sample.direction != 1:
        raise DataError(f"{sample.name}: matching needs both views and the left one as the target")
    left, right = ((view * 255).round().byte().permute(1, 2, 0).numpy() for view in (sample.image, sample.other))
    infinity = float(sample.rig.cx_offset_px)
    found = match_densely(left, right, reach * left.shape[1] + infinity, infinity)
    # no disparity gives depth 0
    disparity = torch.from_numpy(np.where(np.isfinite(found), found, infinity).astype(np.float32))[None]
    return disparity_to_depth(disparity, sample.rig)


def learning_and_scoring_lists(
    target: str | Path, depth_root: str | Path, raw_root: str | Path, drive: str, learn: str, score: str
) -> tuple[Path, Path]:
    """Two disjoint lists of one real KITTI drive: ``learn.txt`` and ``score.txt`` in the folder ``target``.

    A root that lacks frames asked for gives its own: the last third of the annotated frames of its first drive are
    scored, and learnt from are the drive's pairs before the first of those.

    Args:
        target: folder for the lists.
        depth_root, raw_root: of the improved ground truth and of KITTI raw.
        drive: ``<date>_drive_<number>_sync``.
        learn, score: frames, e.g. ``0-5,25``; those to score need ground truth.

    Raises:
        OptionError: a frame is in both lists.
        DataError: the root has too few frames to part.
    """
    learning, scoring = parse_numbers("frames", learn), parse_numbers("frames", score)
    if both := sorted(set(learning) & set(scoring)):
        raise OptionError(f"frame {both[0]} is to be learnt from and to be scored; the two lists must share none")
    annotated = KittiImproved(depth_root, "available", raw_root=raw_root)

    def pairs_and_truths(folder: str) -> tuple[set[int], set[int]]:
        pairs = set.intersection(*(set(annotated.files("image", Frame(folder, 0, side))) for side in "lr"))
        return pairs, {frame.frame for frame in annotated.frames if frame.folder == folder}

    folder = next((f.folder for f in annotated.frames if f.folder.split("/")[1] == drive), annotated.frames[0].folder)
    pairs, truths = pairs_and_truths(folder)
    if folder.split("/")[1] != drive or not set(learning) <= pairs or not set(scoring) <= truths:
        folder = annotated.frames[0].folder
        pairs, truths = pairs_and_truths(folder)
        scoring = sorted(truths)[-max(1, len(truths) // 3) :]
        learning = sorted(frame for frame in pairs if frame < scoring[0])
    if not learning:
        raise DataError(
            f"{folder} has no pair before its frame {scoring[0]}, the first to score: too few frames to learn from "
            "some and score others; give a root with more of the drive"
        )
    return _write_lists(target, *([f"{folder} {frame:010d} l" for frame in part] for part in (learning, scoring)))


def _write_lists(target: str | Path, learning: Sequence[str], scoring: Sequence[str]) -> tuple[Path, Path]:
    """The lists ``learn.txt`` and ``score.txt``, a line an entry."""
    paths = Path(target) / "learn.txt", Path(target) / "score.txt"
    for path, lines in zip(paths, (learning, scoring), strict=True):
        write_text(path, "".join(f"{line}\n" for line in lines))
    return paths


def kitti_parts(
    target: str | Path, raw_root: str | Path, depth_root: str | Path | None, drive: str, learn: str, score: str
) -> tuple[str | Path | None, str | Path]:
    """The split to learn from and the one to score, each a name or a list, as a study takes them.

    A root (or miniature) that holds its train and test splits whole gives these. Any other gives lists of one drive
    (`learning_and_scoring_lists`), which needs the improved ground truth; without that nothing is
    learnt from (None), and whatever there is can be scored (`lowtex.catalog.AUTO`).

    Args:
        target: folder for the lists.
        raw_root, depth_root: of KITTI raw, and of its improved ground truth where there is one.
        drive, learn, score: of the lists.

    Raises:
        OptionError: a frame is in both lists. DataError: too few frames to part.
    """
    try:
        KittiRaw(raw_root, "train", depth=None)
        KittiRaw(raw_root, "test", depth=None, views=False)
        if depth_root is not None:
            KittiImproved(depth_root, "test", raw_root=raw_root, views=False)
    except DataError:
        if depth_root is None:
            return None, AUTO
        return learning_and_scoring_lists(target, depth_root, raw_root, drive, learn, score)
    return "train", "test"


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
    return _write_lists(target, stems[: stems.index(scoring[0])], scoring)
