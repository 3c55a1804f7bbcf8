"""The depth network: an encoder, a decoder, and the one place that says what its sigmoid output means in metres."""

from torch import Tensor, nn

from lowtex.errors import OptionError
from lowtex.geometry import NOMINAL_BASELINE_M, StereoRig, nominal_to_metres, per_image
from lowtex.networks.decoders import NestedDecoder, UNetDecoder
from lowtex.networks.iresnet import IResNetEncoder
from lowtex.networks.resnet import ResNetEncoder
from lowtex.settings import NetworkSettings


class DepthNet(nn.Module):
    """Image -> four sigmoid disparities, with their meaning in metres and in pixels of disparity.

    A sigmoid value s is the scaled disparity ``sd = 1/max_depth + (1/min_depth - 1/max_depth) s`` (Godard et al.
    2019); ``1 / sd`` is depth in the network's unit, between ``min_depth`` and ``max_depth``; metres are that times
    ``metres_per_unit``. With ``metres_per_unit=None`` a unit is ``baseline / nominal_baseline`` metres of the rig in
    hand: the range of Monodepth2, whose training pretends a baseline of 0.1, at the true scale.

    Args:
        encoder: image ``(B, 3, H, W)`` -> five maps.
        decoder: five maps -> four disparities in (0, 1), full size first.
        min_depth, max_depth: range in units.
        metres_per_unit: metres in a unit, or None (see above). Training fixes it, so that a prediction for another rig
            does not change with that rig's baseline, which one image says nothing about.
        reference_focal: focal length over image width of the training images, or None. If set, metres are multiplied
            by ``(rig.focal_px / rig.width) / reference_focal``: a longer lens makes things look nearer.
        nominal_baseline: metres that the unit pretends as the baseline, see above.

    Attributes:
        metres_per_unit, reference_focal: plain attributes that may be set later. They are not in the state dict;
            whoever saves the weights saves them too.

    Raises:
        OptionError: a range or a scale that is not positive.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        min_depth: float = 0.1,
        max_depth: float = 100.0,
        metres_per_unit: float | None = None,
        reference_focal: float | None = None,
        nominal_baseline: float = NOMINAL_BASELINE_M,
    ):
        super().__init__()
        if not 0.0 < min_depth < max_depth:
            raise OptionError(f"need 0 < min_depth < max_depth, got min_depth={min_depth}, max_depth={max_depth}")
        for name, value in (("metres_per_unit", metres_per_unit), ("reference_focal", reference_focal)):
            if value is not None and not 0.0 < value < float("inf"):
                raise OptionError(f"{name} must be a positive number or None, got {value}")
        self.encoder, self.decoder = encoder, decoder
        self.min_depth, self.max_depth = float(min_depth), float(max_depth)
        self.metres_per_unit, self.reference_focal = metres_per_unit, reference_focal
        self.nominal_baseline = nominal_baseline

    def forward(self, image: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` RGB in [0, 1] -> four disparities ``(B, 1, H / 2^k, W / 2^k)`` in (0, 1), k = 0..3.

        Raises:
            ValueError: H or W is not a multiple of 32, with the size got.
        """
        return self.decoder(self.encoder(image))

    def scaled_disparity(self, sigmoid: Tensor) -> Tensor:
        """Inverse depth in 1/units of a sigmoid value, any shape: ``1/max_depth`` at 0, ``1/min_depth`` at 1."""
        least, greatest = 1.0 / self.max_depth, 1.0 / self.min_depth
        return least + (greatest - least) * sigmoid

    def metric_depth(self, sigmoid: Tensor, rig: StereoRig) -> Tensor:
        """Depth in metres, > 0, of sigmoid values ``(B, 1, h, w)`` for images of ``rig``."""
        return self._unit_m(rig, sigmoid) / self.scaled_disparity(sigmoid)

    def shift_px(self, sigmoid: Tensor, rig: StereoRig) -> Tensor:
        """Disparity in pixels at the rig's image size, ``focal * baseline / metres + cx_offset``, ``(B, 1, h, w)``.

        The values do not depend on the map's own size: a coarse map resized to the image needs no factor.
        """
        parallax_units = per_image(rig.focal_px, sigmoid) * per_image(rig.baseline_m, sigmoid)
        scale = parallax_units / self._unit_m(rig, sigmoid)
        return scale * self.scaled_disparity(sigmoid) + per_image(rig.cx_offset_px, sigmoid)

    def depth(self, image: Tensor, rig: StereoRig) -> Tensor:
        """Depth in metres ``(B, 1, H, W)`` of images ``(B, 3, H, W)`` in [0, 1].

        Args:
            rig: of these images at this size, floats or stacked; its baseline matters only without a fixed
                ``metres_per_unit``, its focal length only with a ``reference_focal``.

        Raises:
            ValueError: H or W is not a multiple of 32, or the focal length is needed and the rig has no width.
        """
        return self.metric_depth(self(image)[0], rig)

    def depth_in_units(self, image: Tensor) -> Tensor:
        """Depth ``1 / sd`` in the network's own units, ``(B, 1, H, W)``, between ``min_depth`` and ``max_depth``.

        For a checkpoint that was trained with a pretended baseline these are what the literature multiplies by 5.4 on
        KITTI; neither ``metres_per_unit`` nor a rig has a part in them.
        """
        return 1.0 / self.scaled_disparity(self(image)[0])

    def _unit_m(self, rig: StereoRig, like: Tensor) -> Tensor | float:
        """Metres in one unit for this rig, a float or ``(B, 1, 1, 1)``."""
        unit = self.metres_per_unit
        if unit is None:
            unit = nominal_to_metres(1.0, per_image(rig.baseline_m, like), self.nominal_baseline)
        if self.reference_focal is None:
            return unit
        if rig.width is None:
            raise ValueError("the network knows its training focal length, so the rig needs its image width")
        return unit * (per_image(rig.focal_px, like) / per_image(rig.width, like)) / self.reference_focal


def build_depth_net(settings: NetworkSettings) -> DepthNet:
    """The depth network of ``settings`` with freshly drawn weights; seed the global generator first.

    ``settings.pretrained`` is not read here, because a trained checkpoint is rebuilt where that file may be missing;
    training reads it: ``load_published(network.encoder, settings.pretrained, as_start=True)``.
    """
    size = settings.depth, settings.width
    if settings.encoder == "iresnet":
        encoder = IResNetEncoder(*size, settings.rectify_after_start, projection=settings.projection)
    else:
        encoder = ResNetEncoder(*size)
    common = settings.width, settings.initial_bias, settings.least_channels
    if settings.decoder == "nested":
        decoder = NestedDecoder(encoder.channels, settings.squeeze_excite, *common)
    else:
        decoder = UNetDecoder(encoder.channels, *common)
    units = settings.min_depth, settings.max_depth, settings.metres_per_unit
    return DepthNet(encoder, decoder, *units, nominal_baseline=settings.nominal_baseline)
