"""Where each kind of ground truth and each kind of stereo pair comes from: root, reader, options, default protocol.

The one table of it. Studies and the commands ``train`` and ``evaluate`` open all their data here, so that a data set
is read the same way whoever asks.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from lowtex.datasets import StereoReader, open_dataset
from lowtex.errors import DataError, OptionError, require_choice
from lowtex.experiments import TRAINABLE, Experiment
from lowtex.protocols import Protocol, get_protocol
from lowtex.roots import Roots, fingerprint


@dataclass(frozen=True)
class Source:
    """How one kind of ground truth is read.

    Attributes:
        root: name of the data root (`lowtex.roots.DATASETS`), which is also the data set's name in rows.
        reader: name of the reader (`lowtex.datasets.READERS`).
        protocol: the protocol it is judged by if none is named.
        options: of the reader. A test set is predicted from one view, so the other is not read.
        split: evaluated on if none is named.
        more_roots: reader option -> the root whose folder it takes.
    """

    root: str
    reader: str
    protocol: str
    options: Mapping[str, object] = field(default_factory=dict)
    split: str = "test"
    more_roots: Mapping[str, str] = field(default_factory=dict)


SOURCES: dict[str, Source] = {
    "velodyne_x": Source("kitti", "kitti", "eigen_raw", {"depth": "velodyne", "views": False}),
    "velodyne_z": Source("kitti", "kitti", "eigen_raw_z", {"depth": "velodyne_z", "views": False}),
    "improved": Source("kitti_depth", "kitti_improved", "improved", {"views": False}, more_roots={"raw_root": "kitti"}),
    "vkitti2": Source("vkitti2", "vkitti2", "vkitti2_dense", {"views": False}),
    "make3d": Source("make3d", "make3d", "make3d_c1", {"crop": "c1"}),
    # the validation images: ManyDepth scores the 1,525 of `test`, which a copy for training may lack
    "cityscapes": Source(
        "cityscapes", "cityscapes", "cityscapes", {"crop": "bottom_quarter", "views": False}, split="val"
    ),
    "stereo": Source("stereo", "stereo", "stereo_dense", {"views": False}, split="all"),
}
"""By kind of ground truth (`lowtex.protocols.GROUND_TRUTHS`)."""

PAIRS: dict[str, Mapping[str, object]] = {
    "vkitti2": {"depth": False},
    "kitti": {"depth": None},
    "cityscapes": {"depth": False, "crop": "bottom_quarter"},
    "stereo": {"depth": False},
}
"""Reader options of stereo pairs to train on, by root (`lowtex.experiments.TRAINABLE`): ground truth is never read."""

_FIRST = ("kitti_depth", "kitti", "vkitti2", "make3d", "cityscapes", "stereo")


def source_of(protocol: str | Protocol) -> Source:
    """Where a protocol's ground truth comes from."""
    return SOURCES[get_protocol(protocol).ground_truth]


def default_protocol(roots: Collection[str]) -> str:
    """The protocol for the roots named, the finest ground truth first; ``vkitti2_dense`` where none is named."""
    root = next((name for name in _FIRST if name in roots), "vkitti2")
    return next(source.protocol for source in SOURCES.values() if source.root == root)


def open_test_set(
    protocol: str | Protocol, roots: Roots, split: str | None, size: tuple[int, int] | None, **options: object
) -> StereoReader:
    """The images and ground truth that a protocol scores.

    Args:
        protocol: name or value; its kind of ground truth decides what is read.
        roots: the folders; miniatures among them must have been written.
        split: a split's name, or a text file; None = the source's.
        size: (height, width) of the images.
        options: of the reader, over the source's own, e.g. ``variation="fog"``.

    Raises:
        OptionError: an unknown protocol, split or option.
        DataError: the data set is not complete.
    """
    source = source_of(protocol)
    settings = {**source.options, **options}
    for option, root in source.more_roots.items():
        # beside real files a miniature is never read: the reader then looks in its own root
        if root in roots.named or source.root not in roots.named:
            settings.setdefault(option, roots[root])
    return open_dataset(source.reader, roots[source.root], split or source.split, size, **settings)


def open_pairs(
    root: str, folder: str | Path, split: str, size: tuple[int, int] | None, **options: object
) -> StereoReader:
    """Stereo pairs to train on, without ground truth.

    Args:
        root: name of the data set (`lowtex.experiments.TRAINABLE`).
        folder: of that root.
        split: a split's name, or a text file that lists frames.
        size: (height, width) of the images.
        options: of the reader, over the usual ones.

    Raises:
        OptionError: a data set without stereo pairs of its own, an unknown split or option.
        DataError: the data set is not complete.
    """
    require_choice("training data", root, TRAINABLE)
    return open_dataset(root, folder, split, size, **{**PAIRS[root], **options})


def needed_roots(protocol: str | Protocol) -> tuple[str, ...]:
    """The roots that a protocol reads, the ground truth's first."""
    source = source_of(protocol)
    return source.root, *source.more_roots.values()


def require_named(protocol: str | Protocol, named: Collection[str]) -> None:
    """Raise `OptionError` where folders are named and the protocol's is not among them."""
    protocol = get_protocol(protocol)
    root = source_of(protocol).root
    if named and root not in named:
        raise OptionError(f"protocol {protocol.name} needs --data {root}=FOLDER; named are: {', '.join(named)}")


def data_name(dataset: StereoReader, root: str) -> str:
    """What a test set is called in rows: its root, and what distinguishes these images from others of that root.

    ``vkitti2 clone``, ``vkitti2 fog+rain``, ``cityscapes bottom_quarter``, ``cityscapes bottom_quarter typical
    camera``; for the others the root alone. ``lanczos`` follows where the images were resized so.
    """
    resize = getattr(dataset, "resize", "area")
    return " ".join([root, *_variants(dataset, root)] + ([resize] if resize != "area" else []))


def training_settings(
    dataset: StereoReader, root: str, folder: str | Path, options: Mapping[str, object] = MappingProxyType({})
) -> dict[str, str]:
    """The settings of an experiment that say which pairs it learns from, for `lowtex.experiments.change`.

    Args:
        dataset: from `open_pairs`.
        root, folder: name and folder of the data set.
        options: that `open_pairs` was given; they are told in ``data__source``, because other options make other
            pairs of the same files and must lead to another key.
    """
    told = [f"{name}={value}" for name, value in sorted(options.items()) if name != "variation"]
    source = " ".join([fingerprint(folder, dataset.names), *told])
    settings = {"data__dataset": root, "data__split": dataset.split, "data__source": source}
    if root == "vkitti2":
        settings["data__variation"] = variations_of(dataset.names)
    return settings


def learnt_from(experiment: Experiment | str, dataset: StereoReader, root: str) -> bool:
    """Whether an experiment was trained on exactly these images (part of them goes unnoticed)."""
    if not isinstance(experiment, Experiment) or experiment.data.dataset != root:
        return False
    return experiment.data.source.split(" ")[0] == fingerprint(dataset.root, dataset.names)


def variations_of(names: Collection[str]) -> str:
    """The variations among names ``Scene01/clone/00000/l`` of Virtual KITTI 2: ``clone``, ``fog+rain``."""
    found = sorted({name.split("/")[1] for name in names if name.count("/") >= 2})
    if not found:
        raise DataError(f"no variation in the names of Virtual KITTI 2's frames: {', '.join(list(names)[:3])}")
    return "+".join(found)


def _variants(dataset: StereoReader, root: str) -> list[str]:
    if root == "vkitti2":
        return [variations_of(dataset.names)]
    if root != "cityscapes":
        return []
    crop = getattr(dataset, "crop", None)
    return [crop or "uncropped"] + (["typical camera"] if getattr(dataset, "rig_is_nominal", False) else [])
