"""Every choice of the method as a named, frozen setting; the defaults are the default reading of the paper.

The paper's body could not be obtained, so where its abstract and a published review leave a choice open the most
defensible one is the default and the others are one word away. A setting that changes a result is part of an
experiment's content hash (`lowtex.experiments.Experiment.key`).
"""

from dataclasses import dataclass, fields

from lowtex.errors import OptionError, require_choice


@dataclass(frozen=True)
class NetworkSettings:
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

    encoder: str = "iresnet"
    depth: int = 50
    width: float = 1.0
    rectify_after_start: bool = False
    projection: str = "max_pool"
    decoder: str = "nested"
    squeeze_excite: bool = False
    min_depth: float = 0.1
    max_depth: float = 100.0
    metres_per_unit: float | None = None
    initial_bias: float = -4.0
    pretrained: str | None = None
    least_channels: int | None = None
    pretrained_content: str = ""
    nominal_baseline: float = 0.1

    def __post_init__(self):
        require_choice("encoder", self.encoder, ("resnet", "iresnet"))
        require_choice("decoder", self.decoder, ("unet", "nested"))
        require_choice("projection", self.projection, ("max_pool", "stride"))
        require_choice("depth", self.depth, (18, 34, 50, 101, 152) if self.encoder == "iresnet" else (18, 34, 50, 101))
        _require(0.0 < self.width <= 4.0, "width", self.width, "a number in (0, 4]")
        _require(0 < self.min_depth < self.max_depth, "min_depth", self.min_depth, "0 < min_depth < max_depth")
        fine = self.least_channels
        _require(fine is None or fine >= 1, "least_channels", fine, "a number >= 1, or None")
        _require(self.nominal_baseline > 0, "nominal_baseline", self.nominal_baseline, "a number of metres > 0")


@dataclass(frozen=True)
class FeatureNetSettings:
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

    kind: str = "autoencoder"
    depth: int = 50
    width: float = 1.0
    padding_mode: str = "replicate"
    normalise: bool = True
    discriminative: float = 1e-3
    convergent: float = 1e-3
    steps: int = 3000
    batch_size: int = 12
    learning_rate: float = 1e-4
    decoder_padding: str | None = None
    pixel_l1_eps: float = 0.0

    def __post_init__(self):
        require_choice("kind", self.kind, ("autoencoder", "joint", "random"))
        require_choice("padding_mode", self.padding_mode, ("zeros", "replicate", "reflect"))
        require_choice("decoder_padding", self.decoder_padding, (None, "zeros", "replicate", "reflect"))
        require_choice("depth", self.depth, (18, 34, 50, 101))
        _require(self.steps >= 0, "steps", self.steps, "a number of steps >= 0")
        _require(self.pixel_l1_eps >= 0, "pixel_l1_eps", self.pixel_l1_eps, "a number >= 0")


@dataclass(frozen=True)
class LossSettings:
    """The training objective, summed over the four disparity scales.

    Attributes:
        data_term: ``features`` (the paper: feature maps instead of pixels), ``pixels``, or ``both`` (FeatDepth).
        pixel_weight, feature_weight: of the two data terms.
        feature_distance: ``robust_l1`` (Charbonnier, FeatDepth) or ``ssim_l1``.
        feature_scales: ``lowest`` (each disparity scale, brought to the lowest map's size, against that map),
            ``levels`` (level against level at its own size), ``single`` (finest disparity only, as FeatDepth's code).
        ssim_alpha: weight of SSIM in the pixel term; L1 has the rest.
        pixel_error: ``ssim_l1``, or pixels after local contrast normalisation: ``census`` or ``zncc``.
        pixel_window: side of the window of ``census`` and ``zncc``, pixels: 3, 5 or 7.
        pixel_l1_eps: the L1 of ``ssim_l1`` is sqrt((a - b)^2 + eps^2): 0 is |a - b|, 1e-3 FeatDepth's.
        smooth_first, smooth_second: weights of first- and second-order smoothness, divided by 2^scale.
        edge_decay: a in exp(-a |image gradient|): 0.5 in FeatDepth, 1 in Monodepth2.
        smooth_quantity: ``normalised_disparity`` (d / mean d), ``disparity`` or ``depth``.
        auto_mask: drop pixels that the unwarped other view explains better (Monodepth2).
        out_of_view_mask: drop pixels whose match lies outside the other image.
    """

    data_term: str = "features"
    pixel_weight: float = 1.0
    feature_weight: float = 1.0
    feature_distance: str = "robust_l1"
    feature_scales: str = "lowest"
    ssim_alpha: float = 0.85
    smooth_first: float = 1e-3
    smooth_second: float = 1e-3
    edge_decay: float = 0.5
    smooth_quantity: str = "normalised_disparity"
    auto_mask: bool = False
    out_of_view_mask: bool = False
    pixel_error: str = "ssim_l1"
    pixel_window: int = 7
    pixel_l1_eps: float = 0.0

    def __post_init__(self):
        require_choice("data_term", self.data_term, ("features", "pixels", "both"))
        require_choice("pixel_error", self.pixel_error, ("ssim_l1", "census", "zncc"))
        require_choice("pixel_window", self.pixel_window, (3, 5, 7))
        require_choice("feature_distance", self.feature_distance, ("robust_l1", "ssim_l1"))
        require_choice("feature_scales", self.feature_scales, ("lowest", "levels", "single"))
        require_choice("smooth_quantity", self.smooth_quantity, ("normalised_disparity", "disparity", "depth"))
        _require(0.0 <= self.ssim_alpha <= 1.0, "ssim_alpha", self.ssim_alpha, "a number in [0, 1]")
        for name in ("pixel_weight", "feature_weight", "smooth_first", "smooth_second", "pixel_l1_eps"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "a number >= 0")

    @property
    def uses_features(self) -> bool:
        """A feature network is needed."""
        return self.data_term in ("features", "both")

    @property
    def uses_pixels(self) -> bool:
        """The photometric error is part of the objective."""
        return self.data_term in ("pixels", "both")


@dataclass(frozen=True)
class ScheduleSettings:
    """How long and with what an experiment is trained.

    Attributes:
        steps: optimiser steps in all.
        batch_size: pairs a step, over all processes.
        learning_rate: Adam's; multiplied by ``drop_factor`` after ``drop_at`` (a fraction of the steps).
        flip: probability of mirroring a pair and swapping its views.
        jitter: probability of colour jitter (network input only): brightness, contrast, saturation +-0.2, hue +-0.1.
        precision: ``fp32``, or ``bf16`` round the network only.
    """

    steps: int = 75_000
    batch_size: int = 12
    learning_rate: float = 1e-4
    drop_at: float = 0.75
    drop_factor: float = 0.1
    flip: float = 0.5
    jitter: float = 0.5
    precision: str = "fp32"

    def __post_init__(self):
        _require(self.steps >= 1, "steps", self.steps, "a number of steps >= 1")
        _require(self.batch_size >= 1, "batch_size", self.batch_size, "a number >= 1")
        _require(self.learning_rate > 0, "learning_rate", self.learning_rate, "a number > 0")
        _require(0 < self.drop_at <= 1, "drop_at", self.drop_at, "a fraction in (0, 1]")
        for name in ("flip", "jitter"):
            _require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a probability in [0, 1]")
        require_choice("precision", self.precision, ("fp32", "bf16"))


ADDED_LATER: dict[type, tuple[str, ...]] = {
    NetworkSettings: ("least_channels", "pretrained_content", "nominal_baseline"),
    FeatureNetSettings: ("decoder_padding", "pixel_l1_eps"),
    LossSettings: ("pixel_error", "pixel_window", "pixel_l1_eps"),
}
"""Settings that came after the first trainings, by the class that has them.

At its default such a setting is left out of the content hash, because it then says what was done before there was a
choice: so every older training keeps its key. A new setting goes into this table, with the old behaviour as default.
"""


def hashed_content(settings) -> dict[str, object]:
    """The values of a settings object that count in a content hash, by name; see `ADDED_LATER`."""
    later = ADDED_LATER.get(type(settings), ())
    return {
        f.name: getattr(settings, f.name)
        for f in fields(settings)
        if f.name not in later or getattr(settings, f.name) != f.default
    }


def settings_from(cls, values: dict):
    """Build a settings object from plain values.

    Raises:
        OptionError: a name is not a setting of ``cls``; lists the known ones.
    """
    known = [f.name for f in fields(cls)]
    for name in values:
        if name not in known:
            raise OptionError(f"{cls.__name__} has no setting {name!r}; it has: {', '.join(known)}")
    return cls(**values)


def _require(condition: bool, option: str, value: object, expected: str) -> None:
    if not condition:
        raise OptionError(f"{option}={value!r} is out of range; expected {expected}")
