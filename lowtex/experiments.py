"""Every named experiment.

An experiment is a value: its content hash (`Experiment.key`) names its folder, so the same training is found again by
whoever asks for it and is never done twice. A profile changes sizes and schedules only; the code path is one.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any

from lowtex.data_paths import content_digest
from lowtex.errors import OptionError, require_choice
from lowtex.options import NonNegativeInt, check_types, types_of
from lowtex.profiles import PROFILES, Profile, get_profile
from lowtex.settings import (
    FeatureNetSettings,
    LossSettings,
    NetworkSettings,
    ScheduleSettings,
    hashed_content,
    settings_from,
)

__all__ = [
    "NAMED",
    "PROFILES",
    "TRAINABLE",
    "TRAINING_VERSION",
    "DataSettings",
    "Experiment",
    "Profile",
    "change",
    "get_profile",
    "named_experiment",
]

TRAINING_VERSION = 1
"""Raised whenever the training code changes what the same settings lead to; old results are then not reused."""


TRAINABLE = ("vkitti2", "kitti", "cityscapes", "stereo")
"""Data sets of stereo pairs. Make3D has single images, the improved ground truth belongs to KITTI's pairs."""


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
        content = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}
        parts = {name: hashed_content(value) if is_dataclass(value) else value for name, value in content.items()}
        if self.start_from:
            parts["fine_tuning"] = FINE_TUNING_VERSION
        return _hash({"version": TRAINING_VERSION, **parts, **self._joint})

    @property
    def feature_net_key(self) -> str:
        """Twelve hex digits of what the feature network depends on: experiments share it where they can."""
        if self.feature_net is None:
            raise OptionError(f"experiment {self.name!r} has no feature network")
        return _hash(
            {
                "version": TRAINING_VERSION,
                "feature_net": hashed_content(self.feature_net),
                "data": hashed_content(self.data),
                "seed": self.seed,
                **self._joint,
            }
        )

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
        known = [f.name for f in fields(cls)]
        built = {}
        for name, value in values.items():
            if name not in known:
                raise OptionError(f"an experiment has no part {name!r}; it has: {', '.join(known)}")
            built[name] = settings_from(PARTS[name], value) if name in PARTS and value is not None else value
        return cls(**built)


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


_BASELINE_NETWORK = {"encoder": "resnet", "decoder": "unet"}
_BASELINE_LOSS = {"data_term": "pixels", "smooth_second": 0.0, "edge_decay": 1.0, "auto_mask": True}

_FEATDEPTH_NETWORK = {**_BASELINE_NETWORK, "nominal_baseline": 0.015, "initial_bias": -1.94}
_FEATDEPTH_LOSS = {
    "data_term": "both",
    "feature_weight": 1e-3,
    "feature_scales": "single",
    "pixel_l1_eps": 1e-3,
    "smooth_quantity": "disparity",
}
"""Shu et al., ECCV 2020 (arXiv 2007.10603), as their code has it where one of the frames is the other camera's: no
auto-mask, no division by the mean disparity, first- and second-order smoothness of weight 1e-3 with exp(-0.5 |dI|), and
Charbonnier's sqrt(x^2 + 1e-6) for |x| in both data terms and in the autoencoder's. The feature term takes the finest
disparity at each of the four scales, so its mean over scales is one term. The nominal baseline is 0.015 (their scale
factor of 36 is 0.54 / 0.015), so the largest disparity is 8.7 % of the width and the smoothness as strong as theirs.
Maps are taken as they are; the autoencoder's encoder pads with zeros, its decoder by reflection.

What differs from their code: A plain U-Net stands for RefineNet's decoder. The schedule is the profile's, as for all.
The sigmoid starts at as many pixels as in every other experiment (bias -1.94; theirs at about half of the largest
disparity). Maps are compared with the batch norms' running statistics; their extractor stays in training mode, where a
map depends on the other images of the batch. Coarse reconstructions are compared with the image resized by area, theirs
with a bilinear one."""

NAMED = {
    "baseline": {
        "what": "the Monodepth2-style recipe: ResNet, U-Net, pixels with auto-mask, first-order smoothness",
        "network": _BASELINE_NETWORK,
        "loss": _BASELINE_LOSS,
    },
    "featdepth": {
        "what": "FeatDepth's objective (Shu et al. 2020): pixels, plus feature maps of one scale with a small weight",
        "network": _FEATDEPTH_NETWORK,
        "loss": _FEATDEPTH_LOSS,
        "feature_net": {
            "padding_mode": "zeros",
            "decoder_padding": "reflect",
            "normalise": False,
            "pixel_l1_eps": 1e-3,
        },
    },
    "encoder": {
        "what": "baseline with the iResNet encoder",
        "network": {"encoder": "iresnet", "decoder": "unet"},
        "loss": _BASELINE_LOSS,
    },
    "encoder_features": {
        "what": "encoder, with feature maps compared instead of pixels",
        "network": {"encoder": "iresnet", "decoder": "unet"},
        "loss": {"data_term": "features", "smooth_second": 0.0, "edge_decay": 1.0},
    },
    "ours": {
        "what": "the paper's model: encoder_features, with first- plus second-order smoothness and nested skips",
        "network": {"encoder": "iresnet", "decoder": "nested"},
        "loss": {"data_term": "features"},
    },
}


def named_experiment(
    name: str, profile: str | Profile = "quick", seed: int = 0, source: str = "", **changes: object
) -> Experiment:
    """A named experiment at a profile's size.

    Args:
        name: one of `NAMED`.
        profile: name or value.
        seed: of everything random in it.
        source: which files are trained on, see `lowtex.catalog.identity_of`.
        changes: settings to change, as ``part__setting=value``, e.g. ``loss__smooth_first=1e-2``.

    Raises:
        OptionError: an unknown experiment, profile or setting.
    """
    require_choice("experiment", name, NAMED)
    chosen = profile if isinstance(profile, Profile) else get_profile(profile)
    recipe = NAMED[name]
    loss = LossSettings(**recipe["loss"])
    height, width = chosen.size
    experiment = Experiment(
        name=name,
        network=NetworkSettings(
            depth=chosen.depth, width=chosen.width, least_channels=chosen.least_channels, **recipe["network"]
        ),
        loss=loss,
        feature_net=replace(chosen.feature_net, **recipe.get("feature_net", {})) if loss.uses_features else None,
        schedule=chosen.schedule,
        data=DataSettings(height=height, width=width, source=source),
        seed=seed,
    )
    return change(experiment, **changes) if changes else experiment


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


def _hash(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
