"""Every choice of the method as a named, frozen setting; the defaults are the default reading of the paper.

The paper's body could not be obtained, so where its abstract and a published review leave a choice open the most
defensible one is the default and the others are one word away. A setting that changes a result is part of an
experiment's content hash (`lowtex.experiments.Experiment.key`). Each setting's type says which values it takes, and is
checked when the settings are made, wherever they come from: a command, a notebook or a file.
"""

import math
from dataclasses import dataclass, fields
from typing import Literal

from lowtex.errors import OptionError, require_choice
from lowtex.options import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Share,
    check_types,
    number,
    typed,
)

Width = number(float, (">", 0), ("<=", 4))


class Settings:
    """Base: every value is checked against the type that is written beside it."""

    def __post_init__(self):
        check_types(self)


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """The depth network.

    Attributes:
        encoder: ``resnet`` or ``iresnet`` (Duta et al. 2020).
        depth: 18, 34, 50, 101 (and 152 for iResNet). 18 has no middle block, so it is a smoke-test size only.
        width: multiplies every channel count; 1.0 is the published network.
        rectify_after_start: the released iResNet code rectifies the main path after a stage's first block
            (an in-place ReLU); the text does not. False follows the text.
        projection: shortcut of a down-sampling iResNet block: ``max_pool`` before the 1x1 convolution, or a
            ``stride``-2 1x1 convolution as in ResNet.
        decoder: ``unet`` (Monodepth2's) or ``nested`` (UNet++ grid).
        squeeze_excite: HR-Depth's channel gate in the nested decoder's nodes.
        min_depth, max_depth: range of the sigmoid output, in units of ``metres_per_unit``.
        metres_per_unit: metres in one unit of network depth; None = the training rig's baseline / ``nominal_baseline``,
            which is the range of a network that pretends that baseline, at the true scale.
        initial_bias: bias of the sigmoid heads at the start; 0 starts at half of the largest disparity, which from
            scratch sometimes collapses. -4 starts at small ones, 3.5 pixels at the quick size; from -2.5 (14 pixels)
            and, on one of three worlds, from -3 (9 pixels) the finest head of a network trained on pixels never left
            its start: that is farther from the truth than the photometric error reaches.
        pretrained: path of encoder weights to start from, or None.
        least_channels: fewest channels of any level of the decoder; None = 8. With 8 at full size (a quarter of the
            width) the finest head of networks trained on pixels mostly stays at its start while the three coarser
            heads learn: after 100 steps of quick in 6 of 6 trainings, and with 16, which the published decoder has
            there, in none of 5 of them (1 CPU thread, seeds 0 and 1; looked at on validation images).
        pretrained_content: hash of what ``pretrained`` holds, so that other weights of the same name are another
            experiment; `lowtex.experiments.change` fills it in.
        nominal_baseline: metres that the unit pretends: 0.1 in Monodepth2, 0.015 in FeatDepth. The largest disparity
            is ``nominal_baseline / min_depth`` focal lengths, so with a smaller one the sigmoid covers fewer pixels.
    """

    encoder: Literal["resnet", "iresnet"] = "iresnet"
    depth: Literal[18, 34, 50, 101, 152] = 50
    width: Width = 1.0
    rectify_after_start: bool = False
    projection: Literal["max_pool", "stride"] = "max_pool"
    decoder: Literal["unet", "nested"] = "nested"
    squeeze_excite: bool = False
    min_depth: PositiveFloat = 0.1
    max_depth: PositiveFloat = 100.0
    metres_per_unit: PositiveFloat | None = None
    initial_bias: float = -4.0
    pretrained: str | None = None
    least_channels: PositiveInt | None = None
    pretrained_content: str = ""
    nominal_baseline: PositiveFloat = 0.1

    def __post_init__(self):
        super().__post_init__()
        if self.encoder == "resnet":
            require_choice("depth", self.depth, (18, 34, 50, 101))
        if self.min_depth >= self.max_depth:
            raise OptionError(f"min_depth={self.min_depth} must be less than max_depth={self.max_depth}")


@dataclass(frozen=True)
class FeatureNetSettings(Settings):
    """The network whose lowest-level maps replace the pixels (FeatDepth's autoencoder).

    Attributes:
        kind: ``autoencoder`` (trained by its own loss, then frozen), ``joint`` (the same, trained beside the depth
            network; no gradient of the depth objective reaches it, and the maps compared are those of its running
            statistics, whatever else is in the batch), ``random`` (never trained).
        depth, width: of its ResNet encoder.
        padding_mode: of its convolutions. With ``zeros`` the border columns of the maps look alike in both views,
            an attractor of zero disparity; ``replicate`` has no such border.
        normalise: scale each channel to zero mean and unit deviation over the training images, so that the weight of
            the smoothness term keeps its meaning.
        discriminative, convergent: weights of FeatDepth's first- and second-order feature regularisers.
        steps, batch_size, learning_rate: its own training.
        decoder_padding: of the image decoder's convolutions, where it is another than ``padding_mode``.
        pixel_l1_eps: of its reconstruction error, as in `LossSettings`: 0 is |a - b|, 1e-3 FeatDepth's.
    """

    kind: Literal["autoencoder", "joint", "random"] = "autoencoder"
    depth: Literal[18, 34, 50, 101] = 50
    width: Width = 1.0
    padding_mode: Literal["zeros", "replicate", "reflect"] = "replicate"
    normalise: bool = True
    discriminative: NonNegativeFloat = 1e-3
    convergent: NonNegativeFloat = 1e-3
    steps: NonNegativeInt = 3000
    batch_size: PositiveInt = 12
    learning_rate: PositiveFloat = 1e-4
    decoder_padding: Literal["zeros", "replicate", "reflect"] | None = None
    pixel_l1_eps: NonNegativeFloat = 0.0


@dataclass(frozen=True)
class LossSettings(Settings):
    """The training objective; each term is the mean over the four disparity scales.

    Attributes:
        data_term: ``features`` (the paper: feature maps instead of pixels), ``pixels``, or ``both`` (FeatDepth).
        pixel_weight, feature_weight: of the two data terms.
        feature_distance: ``robust_l1`` (Charbonnier, FeatDepth) or ``ssim_l1``.
        feature_scales: ``lowest`` (each disparity scale, brought to the lowest map's size, against that map),
            ``levels`` (level against level at its own size), ``single`` (finest disparity only, as FeatDepth's code).
        ssim_alpha: weight of SSIM in ``ssim_l1``, of pixels and of feature maps; L1 has the rest.
        pixel_error: ``ssim_l1``, or pixels after local contrast normalisation: ``census`` or ``zncc``.
        pixel_window: side of the window of ``census`` and ``zncc``, pixels: 3, 5 or 7.
        pixel_l1_eps: the L1 of ``ssim_l1`` is sqrt((a - b)^2 + eps^2): 0 is |a - b|, 1e-3 FeatDepth's.
        features_until: share of the training's steps in which feature maps are compared; after them pixels alone are.
        smooth_first, smooth_second: weights of first- and second-order smoothness, divided by 2^scale.
        edge_decay: a in exp(-a |image gradient|): 0.5 in FeatDepth, 1 in Monodepth2.
        smooth_quantity: ``normalised_disparity`` (d / mean d), ``disparity`` or ``depth``.
        auto_mask: drop pixels that the unwarped other view explains better (Monodepth2).
        out_of_view_mask: drop pixels whose match lies outside the other image.
    """

    data_term: Literal["features", "pixels", "both"] = "features"
    pixel_weight: NonNegativeFloat = 1.0
    feature_weight: NonNegativeFloat = 1.0
    feature_distance: Literal["robust_l1", "ssim_l1"] = "robust_l1"
    feature_scales: Literal["lowest", "levels", "single"] = "lowest"
    ssim_alpha: Share = 0.85
    smooth_first: NonNegativeFloat = 1e-3
    smooth_second: NonNegativeFloat = 1e-3
    edge_decay: NonNegativeFloat = 0.5
    smooth_quantity: Literal["normalised_disparity", "disparity", "depth"] = "normalised_disparity"
    auto_mask: bool = False
    out_of_view_mask: bool = False
    pixel_error: Literal["ssim_l1", "census", "zncc"] = "ssim_l1"
    pixel_window: Literal[3, 5, 7] = 7
    pixel_l1_eps: NonNegativeFloat = 0.0
    features_until: Share = 1.0

    @property
    def uses_features(self) -> bool:
        """A feature network is needed."""
        return self.data_term in ("features", "both")

    @property
    def uses_pixels(self) -> bool:
        """The photometric error is part of the objective."""
        return self.data_term in ("pixels", "both")


@dataclass(frozen=True)
class ScheduleSettings(Settings):
    """How long and with what an experiment is trained.

    Attributes:
        steps: optimiser steps in all.
        batch_size: pairs a step, over all processes.
        learning_rate: Adam's, at its highest; see `rate`.
        decay: ``drop`` multiplies it by ``drop_factor`` after ``drop_at`` (a fraction of the steps); ``linear`` lets it
            fall to 0 along a line from there on (warm-up, stable, decay: Dremov et al. 2025, arXiv 2508.01483);
            ``cosine`` along half a cosine from the start (Loshchilov and Hutter 2017, arXiv 1608.03983, no restarts).
        warm_up_steps: over which it rises from 0 first.
        flip: probability of mirroring a pair and swapping its views.
        jitter: probability of colour jitter (network input only): brightness, contrast, saturation +-0.2, hue +-0.1.
        precision: ``fp32``; ``tf32``, the same with convolutions and matrix products of 10 bits mantissa on GPUs that
            have them (on a CPU it is fp32); or ``bf16`` round the network only, with tf32 for the rest. A feature
            network's own training is in tf32 where this is tf32, else in fp32, so that others can share it.
        accumulate: parts of a batch that go through the network one after the other and give one step together, for
            GPUs of little memory. What is learnt is the same but for batch norms' statistics, which are each part's
            own, the noise of the auto-mask and the count of places behind a mask.
        deterministic: ask torch for kernels that give the same bits again, on a GPU; some are slower, and it is an
            error where torch has none. On a CPU the bits are the same anyway, at one number of threads.
    """

    steps: PositiveInt = 75_000
    batch_size: PositiveInt = 12
    learning_rate: PositiveFloat = 1e-4
    drop_at: number(float, (">", 0), ("<=", 1)) = 0.75
    drop_factor: PositiveFloat = 0.1
    decay: Literal["drop", "linear", "cosine"] = "drop"
    warm_up_steps: NonNegativeInt = 0
    flip: Share = 0.5
    jitter: Share = 0.5
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    accumulate: PositiveInt = 1
    deterministic: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.batch_size % self.accumulate:
            raise OptionError(f"accumulate={self.accumulate} must divide batch_size={self.batch_size}")

    @property
    def full_steps(self) -> int:
        """Steps before the learning rate begins to fall, for all but ``cosine``."""
        return math.ceil(self.drop_at * self.steps)

    def rate(self, step: int) -> float:
        """What the learning rate is multiplied by at a step, 0 .. ``steps`` - 1: in (0, 1]."""
        rise = min(1.0, (step + 1) / self.warm_up_steps) if self.warm_up_steps else 1.0
        if self.decay == "cosine":
            return rise * (1 + math.cos(math.pi * step / self.steps)) / 2
        if step < self.drop_at * self.steps:
            return rise
        if self.decay == "linear":
            return rise * (self.steps - step) / (self.steps * (1 - self.drop_at))
        return rise * self.drop_factor


ADDED_LATER: dict[type, tuple[str, ...]] = {
    NetworkSettings: ("least_channels", "pretrained_content", "nominal_baseline"),
    FeatureNetSettings: ("decoder_padding", "pixel_l1_eps"),
    LossSettings: ("pixel_error", "pixel_window", "pixel_l1_eps", "features_until"),
    ScheduleSettings: ("accumulate", "deterministic", "decay", "warm_up_steps"),
}
"""Settings that came after the first trainings, by the class that has them.

At its default such a setting is left out of the content hash, because it then says what was done before there was a
choice: so every older training keeps its key. A new setting goes into this table, with the old behaviour as default.
"""


def hashed_content(settings) -> dict[str, object]:
    """The values of a settings object that count in a content hash, by name; see `ADDED_LATER`."""
    later = {f.name: f.default for f in fields(settings) if f.name in ADDED_LATER.get(type(settings), ())}
    return {name: value for name, value in vars(settings).items() if name not in later or value != later[name]}


def settings_from(cls, values: dict):
    """Build a settings object from plain values.

    Raises:
        OptionError: a name is not a setting of ``cls``, or its value not of the setting's type.
    """
    known = [f.name for f in fields(cls)]
    typed(cls.__name__, values, dict)
    for name in values:
        if name not in known:
            raise OptionError(f"{cls.__name__} has no setting {name!r}; it has: {', '.join(known)}")
    return cls(**values)
