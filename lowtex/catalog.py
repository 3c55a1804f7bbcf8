"""Where each kind of ground truth and each kind of stereo pair comes from: root, reader, options, default protocol.

The one table of it (``catalog.yaml``). Studies and the commands ``train`` and ``evaluate`` open all their data here, so
that a data set is read the same way whoever asks.
"""

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import yaml

from lowtex.data_paths import Roots, content_digest, fingerprint, profile_of_miniature, values_digest
from lowtex.datasets import PreparedPairs, StereoReader, open_dataset
from lowtex.datasets.prepared import described
from lowtex.datasets.splits import AVAILABLE
from lowtex.errors import DataError, OptionError, require_choice
from lowtex.evaluation.protocols import Protocol, get_protocol
from lowtex.experiments import TRAINABLE, Experiment


@dataclass(frozen=True)
class Source:
    """How one kind of ground truth is read.

    Attributes:
        root: name of the data root (`lowtex.data_paths.DATASETS`), which is also the data set's name in rows.
        reader: name of the reader (`lowtex.datasets.READERS`).
        protocol: the protocol it is judged by if none is named.
        options: of the reader. A test set is predicted from one view, so the other is not read.
        cropped: the reader can crop its images; it makes the protocol's `Protocol.image_crop`, or none.
        split: evaluated on if none is named.
        more_roots: reader option -> the root whose folder it takes.
    """

    root: str
    reader: str
    protocol: str
    options: Mapping[str, object] = field(default_factory=dict)
    split: str = "test"
    more_roots: Mapping[str, str] = field(default_factory=dict)
    cropped: bool = False


_DATA = yaml.safe_load(Path(__file__).with_name("catalog.yaml").read_text(encoding="utf-8"))

SOURCES = {kind: Source(**values) for kind, values in _DATA["sources"].items()}
"""By kind of ground truth (`lowtex.evaluation.protocols.GROUND_TRUTHS`), the finest first."""

TRUTH_FILES: dict[str, str] = _DATA["truth_files"]
"""Where the ground truth of an image belongs, under the data set's root."""

PAIRS: dict[str, Mapping[str, object]] = _DATA["pairs"]
"""Reader options of stereo pairs to train on, by root (`lowtex.experiments.TRAINABLE`): ground truth is never read."""


AUTO = "auto"
"""The split of `open_test_set` that takes what a root holds."""


def source_of(protocol: str | Protocol) -> Source:
    """Where a protocol's ground truth comes from."""
    return SOURCES[get_protocol(protocol).ground_truth]


def default_protocol(roots: Collection[str]) -> str:
    """The protocol for the roots named, the finest ground truth first; ``vkitti2_dense`` where none is named.

    Raises:
        OptionError: what is named has no ground truth.
    """
    found = [source.protocol for source in SOURCES.values() if source.root in roots]
    if roots and not found:
        some = ", ".join(dict.fromkeys(source.root for source in SOURCES.values()))
        raise OptionError(f"{' and '.join(roots)} has no ground truth to score by; give --data NAME=FOLDER of: {some}")
    return found[0] if found else "vkitti2_dense"


def open_test_set(
    protocol: str | Protocol, roots: Roots, split: str | None, size: tuple[int, int] | None, **options: object
) -> StereoReader:
    """The images and ground truth that a protocol scores.

    Args:
        protocol: name or value; its kind of ground truth decides what is read.
        roots: the folders; miniatures among them must have been written.
        split: a split's name, or a text file; None = the source's; `AUTO` is that where the root holds all its frames,
            and otherwise ``available``.
        size: (height, width) of the images.
        options: of the reader, over the source's own, e.g. ``variation="fog"``.

    Raises:
        OptionError: an unknown protocol, split or option.
        DataError: the data set is not complete.
    """
    if split == AUTO:
        try:
            return open_test_set(protocol, roots, None, size, **options)
        except DataError:
            return open_test_set(protocol, roots, AVAILABLE, size, **options)
    source = source_of(protocol)
    crop = {"crop": get_protocol(protocol).image_crop} if source.cropped else {}
    settings = {**source.options, **crop, **options}
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


class Identity(NamedTuple):
    """What the samples of a reader are: equal for equal data wherever they lie, another one for any other data.

    Of the miniatures that the kit keeps for a profile ``images`` says it all, and the rest is empty.

    Attributes:
        images: `lowtex.data_paths.fingerprint` of the target views: their names and the content of their files.
        beside: a hash of calibration, ground truth and the reader's options.
        others: a hash of the other views.
    """

    images: str
    beside: str = ""
    others: str = ""


def identity_of(dataset: StereoReader) -> Identity:
    """The identity of a reader's samples, from names, sizes and contents of their files (of many images a sample).

    It takes a few seconds for the 45,200 pairs of KITTI, and is kept while the reader is.
    """
    return dataset._once("identity", lambda: _identify(dataset))


def _identify(dataset: StereoReader) -> Identity:
    names, root, views = dataset.names, dataset.root, dataset.views
    if isinstance(dataset, PreparedPairs):
        # the files that they were made of may be gone
        kept = zip(*(dataset.checksums(index) for index in range(len(dataset))), strict=True)
        targets, others, beside = (values_digest(list(part)) for part in kept)
    else:
        needed = [dataset.needed(index) for index in range(len(dataset))]
        if profile_of_miniature(root) and all(path.is_relative_to(root.parent) for path in needed[0]):
            return Identity(fingerprint(root, names))
        targets = content_digest(files[0] for files in needed)
        others = content_digest(files[1] for files in needed) if views else ""
        beside = content_digest(path for files in needed for path in files[1 + views :])
    return Identity(fingerprint(root, names, targets), values_digest([beside, _options(dataset)]), others)


def _options(dataset: StereoReader) -> dict[str, object]:
    """The reader's options that decide over its images and rigs, beside those that names and files show."""
    return dataset.header["options"] if isinstance(dataset, PreparedPairs) else described(dataset)["options"]


def data_name(dataset: StereoReader, root: str, network_size: tuple[int, int] | None = None) -> str:
    """What a test set is called in rows: its root, what distinguishes these images from others of that root in words,
    and a hash of them, so that rows of different images never pass for the same.

    ``kitti real:0123456789ab``, ``vkitti2 fog+rain real:0123456789ab``, ``stereo right camera real:0123456789ab``,
    ``cityscapes bottom_quarter typical camera real:0123456789ab``. The splits of the miniatures that the kit keeps go
    without the hash: ``vkitti2 clone``.

    Args:
        dataset: from `open_test_set`.
        root: name of its data set.
        network_size: (height, width) that the network was trained at; images of another size are told: ``at 640x192``.
    """
    words = [root, *_variants(dataset, root)]
    if network_size is not None and dataset.size != tuple(network_size):
        words.append("at native size" if dataset.size is None else f"at {dataset.size[1]}x{dataset.size[0]}")
    if dataset.resize != "area":
        words.append(dataset.resize)
    identity, options = identity_of(dataset), _options(dataset)
    if not identity.beside and not dataset.is_listed:
        usual = inspect.signature(type(dataset)).parameters
        if all(name in ("crop", "resize") or value == usual[name].default for name, value in options.items()):
            return " ".join(words)
    kind = identity.images.partition(":")[0]
    # the other views are not looked at
    return " ".join([*words, f"{kind}:{values_digest([identity.images, identity.beside, options])}"])


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
    identity = identity_of(dataset)
    rest = [values_digest([identity.beside, identity.others])] if identity.beside else []
    source = " ".join(["-".join([identity.images, *rest]), *told])
    settings = {"data__dataset": root, "data__split": dataset.split, "data__source": source}
    if root == "vkitti2":
        settings["data__variation"] = variations_of(dataset.names)
    return settings


def learnt_from(experiment: Experiment | str, dataset: StereoReader, root: str) -> bool:
    """Whether an experiment was trained on exactly these images (part of them goes unnoticed)."""
    if not isinstance(experiment, Experiment) or experiment.data.dataset != root:
        return False
    return experiment.data.source.split(" ")[0].partition("-")[0] == identity_of(dataset).images


def variations_of(names: Collection[str]) -> str:
    """The variations among names ``Scene01/clone/00000/l`` of Virtual KITTI 2: ``clone``, ``fog+rain``."""
    return "+".join(sorted({name.split("/")[1] for name in names if name.count("/") >= 2}))


def _variants(dataset: StereoReader, root: str) -> list[str]:
    """What distinguishes these images from others of their root, in words."""
    words = []
    if root == "vkitti2":
        words.append(variations_of(dataset.names))
    elif root == "cityscapes":
        words.append(getattr(dataset, "crop", None) or "uncropped")
        words += ["typical camera"] if getattr(dataset, "rig_is_nominal", False) else []
    # names end in the camera; the left one alone goes without saying
    sides = {name[-2:] for name in dataset.names} & {"/l", "/r"}
    return words if "/r" not in sides else [*words, "right camera" if len(sides) == 1 else "both cameras"]
