"""The networks: encoders, decoders, the depth network and the feature network, and published weights for them."""

from lowtex.networks.decoders import NestedDecoder, UNetDecoder
from lowtex.networks.depth_net import DepthNet, build_depth_net
from lowtex.networks.feature_net import FeatureNet, build_feature_net
from lowtex.networks.iresnet import IResNetEncoder
from lowtex.networks.pretrained import load_published
from lowtex.networks.resnet import ResNetEncoder
