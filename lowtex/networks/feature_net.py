"""The network whose lowest-level maps are compared instead of pixels: FeatDepth's autoencoder."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.networks.decoders import UNetDecoder
from lowtex.networks.layers import check_image, evaluation_mode
from lowtex.networks.resnet import ResNetEncoder
from lowtex.settings import FeatureNetSettings

DEAD_CHANNEL = 1e-3
"""A channel that varies less than this part of the average channel is dead; scaling it up would only amplify noise."""


class ImageDecoder(UNetDecoder):
    """The deepest encoder map alone -> the image at four scales, three-channel sigmoids, full size first.

    Five times `ConvBlock`, nearest doubling, `ConvBlock`, with 256, 128, 64, 32, 16 channels. No skip connections:
    the image has to pass through the deepest map.
    """

    def __init__(self, in_channels: int, width: float, padding_mode: str):
        super().__init__([0, 0, 0, 0, in_channels], width, 0.0, outputs=3, padding_mode=padding_mode)

    def forward(self, deepest: Tensor) -> list[Tensor]:
        """``(B, C, H/32, W/32)`` -> four ``(B, 3, H / 2^k, W / 2^k)`` in (0, 1), k = 0..3."""
        return self.decode(deepest, [None] * 5)


class FeatureNet(nn.Module):
    """FeatDepth's autoencoder (Shu et al. 2020, arXiv 2007.10603): a ResNet encoder and an image decoder.

    It learns by reconstructing images; the depth network is then trained on its lowest map (7x7 convolution of
    stride 2, batch norm, ReLU), which is all that `lowest` runs. The image goes in as it is, in [0, 1].

    With zero padding, the border columns of the maps look alike in both views: an attractor of zero disparity that
    spreads inwards. So every convolution here, the stem's too, repeats the border by default.

    Args:
        depth: of the ResNet: 18, 34, 50 or 101.
        width: multiplies every channel count (rounded to multiples of 8).
        padding_mode: ``replicate``, ``reflect`` or ``zeros``, for every convolution.
        normalise: bring each channel to zero mean and unit deviation once `fit_normalisation` has measured them.
        decoder_padding: for the decoder's convolutions, if not ``padding_mode``.

    Attributes:
        channels: channels of the five encoder maps.
        mean_0 .. mean_4, deviation_0 .. deviation_4: buffers ``(C,)``, 0 and 1 until they are fitted.
        frozen: set by `freeze`.

    Raises:
        OptionError: another depth. ValueError: another padding mode.
    """

    def __init__(
        self,
        depth: int = 50,
        width: float = 1.0,
        padding_mode: str = "replicate",
        normalise: bool = True,
        decoder_padding: str | None = None,
    ):
        super().__init__()
        self.encoder = ResNetEncoder(depth, width, padding_mode, normalise_image=False)
        self.channels = self.encoder.channels
        self.decoder = ImageDecoder(self.channels[4], width, decoder_padding or padding_mode)
        self.normalise = normalise
        self.frozen = False
        for level, count in enumerate(self.channels):
            self.register_buffer(f"mean_{level}", torch.zeros(count))
            self.register_buffer(f"deviation_{level}", torch.ones(count))

    def forward(
        self, image: Tensor, all_levels: bool = False
    ) -> tuple[Tensor, list[Tensor]] | tuple[list[Tensor], list[Tensor]]:
        """Lowest map ``(B, C, H/2, W/2)``, normalised, and four reconstructions ``(B, 3, H / 2^k, W / 2^k)``.

        Args:
            image: ``(B, 3, H, W)`` RGB in [0, 1], H and W multiples of 32.
            all_levels: return instead of the lowest map the list of all five, as they leave the encoder, not
                normalised: what the network's own loss needs.

        Raises:
            ValueError: another shape, with the shape got.
        """
        maps = self.encoder(image)
        reconstructions = self.decoder(maps[4])
        return (maps if all_levels else self._scaled(maps[0], 0)), reconstructions

    def lowest(self, image: Tensor) -> Tensor:
        """The lowest map ``(B, C, H/2, W/2)``, normalised, from the stem alone; H and W need only be even.

        Batch norms use their running statistics even in training mode, so that both views of a pair are always
        measured with the same rule.
        """
        check_image(image, multiple=2)
        with evaluation_mode(self.encoder):
            return self._scaled(self.encoder.stem(image), 0)

    def levels(self, image: Tensor) -> list[Tensor]:
        """All five maps at strides 2 .. 32, normalised, with running statistics (see `lowest`)."""
        with evaluation_mode(self.encoder):
            return [self._scaled(x, level) for level, x in enumerate(self.encoder(image))]

    def freeze(self) -> "FeatureNet":
        """End its training: no gradients to its weights, and evaluation mode that a later ``.train()`` cannot undo.

        Gradients with respect to the image still pass. Returns itself.
        """
        self.frozen = True
        self.requires_grad_(False)
        return self.eval()

    def unfreeze(self) -> "FeatureNet":
        """Undo `freeze`: gradients again, and training mode. Returns itself."""
        self.frozen = False
        return self.requires_grad_(True).train()

    def train(self, mode: bool = True) -> "FeatureNet":
        """As in torch, but a frozen network stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    @torch.no_grad()
    def fit_normalisation(self, images: Iterable[Tensor]) -> "FeatureNet":
        """Measure each channel's mean and deviation at all five levels over the training images, in float64 sums.

        Channels that (almost) never vary are only centred and divided by the average deviation. Call it after the
        network's own training; calling again measures anew. Does nothing with ``normalise=False``. Returns itself.

        Args:
            images: ``(3, H, W)`` or ``(B, 3, H, W)`` tensors in [0, 1].

        Raises:
            ValueError: no images, or a map that is not finite.
        """
        if not self.normalise:
            return self
        count = [0] * 5
        sums = [torch.zeros(2, c, dtype=torch.float64) for c in self.channels]
        for image in images:
            with evaluation_mode(self.encoder):
                maps = self.encoder(image.to(self.mean_0).reshape(-1, *image.shape[-3:]))
            for level, x in enumerate(maps):
                x = x.double().cpu()
                count[level] += x.numel() // x.shape[1]
                sums[level] += torch.stack([x.sum(dim=(0, 2, 3)), x.square().sum(dim=(0, 2, 3))])
        if not count[0]:
            raise ValueError("fit_normalisation needs at least one image")
        for level in range(5):
            mean, square = sums[level] / count[level]
            deviation = (square - mean.square()).clamp(min=0).sqrt()
            if not torch.isfinite(deviation).all():
                raise ValueError(f"feature maps of level {level} are not finite; the weights or images are bad")
            average = deviation.mean()
            dead = deviation <= DEAD_CHANNEL * average
            deviation[dead] = average if average > 0 else 1.0
            getattr(self, f"mean_{level}").copy_(mean)
            getattr(self, f"deviation_{level}").copy_(deviation)
        return self

    def _scaled(self, x: Tensor, level: int) -> Tensor:
        if not self.normalise:
            return x
        mean, deviation = getattr(self, f"mean_{level}"), getattr(self, f"deviation_{level}")
        # one pass instead of two
        return F.batch_norm(x, mean, deviation.square(), eps=0.0)


def build_feature_net(settings: FeatureNetSettings) -> FeatureNet:
    """The feature network of ``settings``, with freshly drawn weights; kind ``random`` comes frozen.

    Training it, `FeatureNet.fit_normalisation` and `FeatureNet.freeze` are the caller's, in this order.
    """
    network = FeatureNet(
        settings.depth, settings.width, settings.padding_mode, settings.normalise, settings.decoder_padding
    )
    return network.freeze() if settings.kind == "random" else network
