"""Networks from settings."""

from lowtex.networks.decoders import NestedDecoder, UNetDecoder
from lowtex.networks.depth_net import DepthNet
from lowtex.networks.feature_net import FeatureNet
from lowtex.networks.iresnet import IResNetEncoder
from lowtex.networks.resnet import ResNetEncoder
from lowtex.settings import FeatureNetSettings, NetworkSettings


def build_depth_net(settings: NetworkSettings) -> DepthNet:
    """The depth network of ``settings`` with freshly drawn weights; seed the global generator first.

    ``settings.pretrained`` is not read here, because a trained checkpoint is rebuilt where that file may be missing;
    training reads it: ``load_published(network.encoder, settings.pretrained, as_start=True)``.
    """
    if settings.encoder == "iresnet":
        encoder = IResNetEncoder(
            settings.depth, settings.width, settings.rectify_after_start, projection=settings.projection
        )
    else:
        encoder = ResNetEncoder(settings.depth, settings.width)
    common = settings.width, settings.initial_bias, settings.least_channels
    if settings.decoder == "nested":
        decoder = NestedDecoder(encoder.channels, settings.squeeze_excite, *common)
    else:
        decoder = UNetDecoder(encoder.channels, *common)
    return DepthNet(
        encoder,
        decoder,
        settings.min_depth,
        settings.max_depth,
        settings.metres_per_unit,
        nominal_baseline=settings.nominal_baseline,
    )


def build_feature_net(settings: FeatureNetSettings) -> FeatureNet:
    """The feature network of ``settings``, with freshly drawn weights; kind ``random`` comes frozen.

    Training it, `FeatureNet.fit_normalisation` and `FeatureNet.freeze` are the caller's, in this order.
    """
    network = FeatureNet(
        settings.depth, settings.width, settings.padding_mode, settings.normalise, settings.decoder_padding
    )
    return network.freeze() if settings.kind == "random" else network
