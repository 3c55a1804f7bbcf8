"""Every experiment: its settings, and the named ones, the rows of the ablation among them.

An experiment is a value: its content hash (`Experiment.key`) names its folder, so the same training is found again by
whoever asks for it and is never done twice. A profile changes sizes and schedules only; the code path is one.

A row of the ablation is a small difference over a named experiment, nearly always `ours`, and has a name of its own by
which it is trained (``lowtex train resnet-pixels-first-plain``), scored and plotted. Two names may mean the same
training, as ``ours`` and ``iresnet-features-both-nested`` do; then they share its key, and it is done once. What is
written out row by row stands in ``experiments.yaml``; what follows a rule is built here.
"""

import difflib
import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from lowtex.data_paths import content_digest, values_digest
from lowtex.errors import OptionError, require_choice
from lowtex.options import NonNegativeInt, check_types, types_of
from lowtex.profiles import Profile, get_profile
from lowtex.settings import (
    FeatureNetSettings,
    LossSettings,
    NetworkSettings,
    ScheduleSettings,
    hashed_content,
    settings_from,
)

TRAINING_VERSION = 1
"""Raised whenever the training code changes what the same settings lead to; old results are then not reused."""


TRAINABLE = ("vkitti2", "kitti", "kitti_pairs", "cityscapes", "stereo")
"""Data sets of stereo pairs. Make3D has single images, the improved ground truth belongs to KITTI's pairs, and KITTI
stereo 2015 is kept for testing."""


FINE_TUNING_VERSION = 2
"""The same for fine-tunings alone. 2: metres and the feature network are carried over from the start."""


JOINT_VERSION = 2
"""The same for feature networks of kind ``joint`` alone. 2: their batch norms learn too."""


@dataclass(frozen=True)
class DataSettings:
    """What an experiment is trained on.

    Attributes:
        dataset: one of `TRAINABLE`, a name of `lowtex.datasets.open_dataset`.
        split: of that data set.
        height, width: size the network sees, pixels, multiples of 32.
        variation: of Virtual KITTI 2.
        source: which files these are: ``miniature:<hash>`` or ``real:<hash>``, see `lowtex.catalog.identity_of`.
    """

    dataset: str = "vkitti2"
    split: str = "train"
    height: int = 192
    width: int = 640
    variation: str = "clone"
    source: str = ""

    def __post_init__(self):
        check_types(self)
        require_choice("dataset", self.dataset, TRAINABLE)
        for name in ("height", "width"):
            value = getattr(self, name)
            if value < 32 or value % 32:
                raise OptionError(f"{name}={value} must be a positive multiple of 32 (the deepest stride)")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


@dataclass(frozen=True)
class Experiment:
    """One training, whole: network, objective, data, schedule and seed.

    Attributes:
        name: for people; not part of the key.
        network, loss, feature_net, schedule, data: the settings; ``feature_net`` is None where no feature is compared.
        seed: of weights, order and augmentation.
        start_from: content hash of the checkpoint that a fine-tuning starts from; empty for a fresh start.
    """

    name: str
    network: NetworkSettings = field(default_factory=NetworkSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    feature_net: FeatureNetSettings | None = None
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    data: DataSettings = field(default_factory=DataSettings)
    seed: NonNegativeInt = 0
    start_from: str = ""

    def __post_init__(self):
        check_types(self)
        if self.loss.uses_features and self.feature_net is None:
            raise OptionError(f"experiment {self.name!r} compares feature maps but names no feature_net settings")
        if not self.loss.uses_features and self.feature_net is not None:
            # so that settings nobody uses can't split one experiment into two folders
            object.__setattr__(self, "feature_net", None)

    @property
    def key(self) -> str:
        """Twelve hex digits that depend on everything but the name."""
        parts = {name: hashed_content(v) if is_dataclass(v) else v for name, v in vars(self).items() if name != "name"}
        if self.start_from:
            parts["fine_tuning"] = FINE_TUNING_VERSION
        return values_digest({"version": TRAINING_VERSION, **parts, **self._joint})

    @property
    def beginning_key(self) -> str:
        """The key less everything that only decides how long the training is and how it ends."""
        # a share of the steps is another step in another length
        names = ["decay", "drop_at", "drop_factor"] + (["steps"] if self.loss.features_until == 1 else [])
        endless = {name: getattr(ScheduleSettings, name) for name in names}
        return replace(self, schedule=replace(self.schedule, **endless)).key

    @property
    def feature_net_precision(self) -> str:
        """That of the feature network's own training; with ``bf16`` only the depth network rounds."""
        return "tf32" if self.schedule.precision == "tf32" else "fp32"

    @property
    def feature_net_key(self) -> str:
        """Twelve hex digits of what the feature network depends on: experiments share it where they can."""
        if self.feature_net is None:
            raise OptionError(f"experiment {self.name!r} has no feature network")
        parts = {"feature_net": hashed_content(self.feature_net), "data": hashed_content(self.data)}
        parts |= {"precision": self.feature_net_precision} if self.feature_net_precision != "fp32" else {}
        parts |= {"deterministic": True} if self.schedule.deterministic else {}
        return values_digest({"version": TRAINING_VERSION, **parts, "seed": self.seed, **self._joint})

    @property
    def _joint(self) -> dict[str, int]:
        joint = self.feature_net is not None and self.feature_net.kind == "joint"
        return {"joint": JOINT_VERSION} if joint else {}

    def as_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Experiment":
        """The experiment that `as_dict` described.

        Raises:
            OptionError: an unknown name, as in a checkpoint of a newer kit, or a value of another type.
        """
        given = {name: value for name, value in values.items() if name in PARTS and value is not None}
        return settings_from(cls, values | {name: settings_from(PARTS[name], value) for name, value in given.items()})


PARTS = {
    "network": NetworkSettings,
    "loss": LossSettings,
    "feature_net": FeatureNetSettings,
    "schedule": ScheduleSettings,
    "data": DataSettings,
}
"""The parts of an experiment that have settings of their own."""


def setting_type(part: str, name: str) -> Any:
    """The type of a setting, e.g. of ``smooth_first`` in ``loss``.

    Raises:
        OptionError: there is no such part or setting; lists those there are.
    """
    require_choice("part", part, PARTS)
    types = types_of(PARTS[part])
    if name not in types:
        raise OptionError(f"{part}.{name} is not a setting; {part} has: {', '.join(types)}")
    return types[name]


def change(experiment: Experiment, name: str | None = None, **changes: object) -> Experiment:
    """A copy with some settings changed: ``change(e, loss__smooth_first=1e-2, seed=3)``.

    Raises:
        OptionError: an unknown part or setting, or a value that is not of the setting's type.
    """
    parts: dict[str, dict] = {}
    top: dict[str, object] = {} if name is None else {"name": name}
    for path, value in changes.items():
        part, _, setting = path.partition("__")
        if not setting:
            if part not in ("seed", "start_from", "feature_net"):
                raise OptionError(f"{path!r} is not a setting; write part__setting, e.g. loss__smooth_first")
            top[part] = value
            continue
        setting_type(part, setting)
        if getattr(experiment, part) is None:
            raise OptionError(f"{part}.{setting}: experiment {experiment.name!r} compares no feature maps")
        parts.setdefault(part, {})[setting] = value
    if "pretrained" in parts.get("network", {}):
        weights = parts["network"]["pretrained"]
        parts["network"].setdefault("pretrained_content", content_digest([str(weights)]) if weights else "")
    for part, values in parts.items():
        try:
            top[part] = replace(getattr(experiment, part), **values)
        except OptionError as error:
            raise OptionError(f"{part}.{error}") from error
    return replace(experiment, **top)


Changes = Mapping[str, object]
"""What a row sets, by ``part__setting``, as `change` takes it."""


@dataclass(frozen=True)
class Variant:
    """One row of the ablation.

    Attributes:
        what: it changes, in a few words.
        changes: settings over those of ``base``.
        base: named experiment.
        dossier: row of the table of unknowns it answers (``U8``), or the section of the component.
        why: somebody would choose it.
    """

    what: str
    changes: Changes = field(default_factory=dict)
    base: str = "ours"
    dossier: str = ""
    why: str = ""


def _changes(row: dict[str, dict]) -> Changes:
    return {f"{part}__{name}": value for part in PARTS for name, value in row.get(part, {}).items()}


def _variants(group: str) -> dict[str, Variant]:
    return {
        name: Variant(changes=_changes(row), **{word: text for word, text in row.items() if word not in PARTS})
        for name, row in _DATA[group].items()
    }


_DATA = yaml.safe_load(Path(__file__).with_name("experiments.yaml").read_text(encoding="utf-8"))

NAMED: dict[str, dict] = _DATA["named"]
"""The named experiments: what each is (``what``), and its settings by part (``network``, ``loss``, ``feature_net``)."""

ALTERNATIVES = _variants("alternatives")
"""The choices that the paper leaves open, each changed alone in `ours`."""

RIVALS = _variants("rivals")
"""The simpler explanations, and the method the paper builds on."""

FACTORS: dict[str, dict[str, Changes]] = {
    factor: {level: _changes(row) for level, row in levels.items()} for factor, levels in _DATA["factors"].items()
}
"""The paper's four changes: factor -> level -> what it sets in `ours`. The second level is the paper's."""


def factorial() -> dict[str, Changes]:
    """All combinations of the levels of `FACTORS`: 16 names such as ``resnet-pixels-first-plain``, each's changes."""
    rows = {}
    for levels in itertools.product(*FACTORS.values()):
        chosen = zip(FACTORS.values(), levels, strict=True)
        rows["-".join(levels)] = {name: value for factor, level in chosen for name, value in factor[level].items()}
    return rows


def levels_of(name: str) -> dict[str, str]:
    """Factor -> level of a name of the factorial, for a table of effects.

    Raises:
        OptionError: another name.
    """
    require_choice("factorial row", name, factorial())
    return dict(zip(FACTORS, name.split("-"), strict=True))


def _cells() -> dict[str, Variant]:
    what = "{encoder}, {data term}, {smoothness} order of smoothness, {skips} skips"
    return {
        name: Variant(what.format(**levels_of(name)).replace("both order", "both orders"), changes)
        for name, changes in factorial().items()
    }


SMOOTHNESS_CURVE: dict[str, list[float]] = _DATA["curve"]
"""Weights of both orders of smoothness to try for each data term."""


def curve_name(data_term: str, weight: float) -> str:
    """Name of a point of the curve: ``pixels-smooth-0.003``."""
    return f"{data_term}-smooth-{weight:g}"


def half_name(base: str) -> str:
    """Name of an experiment whose network computes in bfloat16: ``ours-bf16``."""
    return f"{base}-bf16"


def _curve() -> dict[str, Variant]:
    points = [(term, weight) for term, weights in SMOOTHNESS_CURVE.items() for weight in weights]
    terms = FACTORS["data term"] | {name: row.changes for name, row in RIVALS.items()}
    return {
        curve_name(term, weight): Variant(
            f"{term}, smoothness of both orders with weight {weight:g}",
            {**terms[term], "loss__smooth_first": weight, "loss__smooth_second": weight},
        )
        for term, weight in points
    }


def _courses(group: str, courses: Mapping[str | int, dict]) -> dict[str, Variant]:
    """Other courses of the learning rate, or other lengths: ``ours-cosine-2e-3``, ``ours-400-steps``."""
    why = "a change may only speed learning up, and then its gain fades with training"
    rows = {}
    for (course, parts), base in itertools.product(courses.items(), _DATA[group]["experiments"]):
        name, what = f"{base}-{course}", f"{base}, learning rate {course}"
        if isinstance(course, int):
            name, what = f"{name}-steps", f"{base}, trained for {course} steps"
        rows[name] = Variant(what, _changes({"schedule": parts}), base, why=why)
    return rows


BUDGETS: tuple[int, ...] = tuple(_DATA["budget"]["steps"])
"""Lengths of the learning curves, optimiser steps."""

GROUPS: dict[str, dict[str, Variant]] = {
    "named": {name: Variant(recipe["what"], base=name) for name, recipe in NAMED.items()},
    "factorial": _cells(),
    "alternatives": ALTERNATIVES,
    "rivals": RIVALS,
    "curve": _curve(),
    "tuned": _variants("tuned"),
    "budget": _courses("budget", {steps: {"steps": steps} for steps in BUDGETS}),
    "recipes": _variants("recipes"),
    "best": _variants("best"),
    "course": _courses("course", _DATA["course"]["courses"]),
    "precision": _variants("precision"),
}
"""All rows, by what they are for."""

TO_CHOOSE = frozenset(name for group in ("curve", "course", "recipes") for name in GROUPS[group])
"""Rows that something is chosen from, by validation scenes alone: they never see a test scene."""

HALVED = tuple(row.base for row in GROUPS["precision"].values())
"""Named experiments that are trained in bfloat16 too."""

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {name: row for group in GROUPS.values() for name, row in group.items()}
)
"""All rows by name."""


def named_experiment(
    name: str, profile: str | Profile = "quick", seed: int = 0, source: str = "", **changes: object
) -> Experiment:
    """A named experiment, or a row of the ablation, at a profile's size.

    Args:
        name: one of `VARIANTS`.
        profile: name or value.
        seed: of everything random in it.
        source: which files are trained on, see `lowtex.catalog.identity_of`.
        changes: settings to change, as ``part__setting=value``, e.g. ``loss__smooth_first=1e-2``.

    Raises:
        OptionError: an unknown experiment, profile or setting.
    """
    if name not in VARIANTS:
        close = difflib.get_close_matches(name, VARIANTS, 3, 0.5)
        hint = f", did you mean {' or '.join(close)}?" if close else ";"
        raise OptionError(
            f"experiment={name!r} is not known{hint} choose one of: {', '.join(NAMED)}, "
            "or a row of the ablation (`lowtex train --list` shows all)"
        )
    chosen = profile if isinstance(profile, Profile) else get_profile(profile)
    row = VARIANTS[name]
    recipe = NAMED[row.base]
    size = {"depth": chosen.depth, "width": chosen.width, "least_channels": chosen.least_channels}
    experiment = Experiment(
        name=name,
        network=NetworkSettings(**size, **recipe["network"]),
        loss=LossSettings(**recipe["loss"]),
        feature_net=replace(chosen.feature_net, **recipe.get("feature_net", {})),
        schedule=chosen.schedule,
        data=DataSettings(height=chosen.size[0], width=chosen.size[1], source=source),
        seed=seed,
    )
    return change(experiment, **{**row.changes, **changes})


def listing() -> str:
    """All names with a line each, by group."""
    width = max(len(name) for name in VARIANTS)
    lines = []
    for group, rows in GROUPS.items():
        lines.append(f"{group}:")
        for name, row in rows.items():
            lines.append(f"  {name:{width}}  {row.what}{f' [{row.dossier}]' if row.dossier else ''}")
    return "\n".join(lines)
