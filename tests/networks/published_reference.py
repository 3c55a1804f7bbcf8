"""Published networks, on dictionaries with the original key names: their weights, and the maps that they give.

Narrow (8 channels in the stem, not 64) so that a whole file of weights is small. Encoders are the benchmarks' plain
ones, which have the original names; nothing else here uses the project's code.
"""

import torch
import torch.nn.functional as F

from benchmarks.yardstick.networks import Encoder

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
BASE = 8
WIDTH = BASE / 64


def put_conv(weights, name, out, inputs, size, random, bias=False):
    weights[f"{name}.weight"] = torch.randn(out, inputs, size, size, generator=random) * (2 / (inputs * size**2)) ** 0.5
    if bias:
        weights[f"{name}.bias"] = 0.1 * torch.randn(out, generator=random)


def put_norm(weights, name, channels, random):
    weights[f"{name}.weight"] = 0.5 + torch.rand(channels, generator=random)
    weights[f"{name}.bias"] = 0.2 * torch.randn(channels, generator=random)
    weights[f"{name}.running_mean"] = 0.2 * torch.randn(channels, generator=random)
    weights[f"{name}.running_var"] = 0.5 + torch.rand(channels, generator=random)
    weights[f"{name}.num_batches_tracked"] = torch.tensor(7)


def resnet_weights(depth, iresnet=False):
    """Names and shapes of torchvision's ResNet or of iduta's iResNet, narrow.

    iResNet has bn0 from a stage's third block on, a last norm in first and last block, and pools in its shortcut.
    """
    random, weights, bottleneck = torch.Generator().manual_seed(0), {}, depth >= 50
    put_conv(weights, "conv1", BASE, 3, 7, random)
    put_norm(weights, "bn1", BASE, random)
    inputs = BASE
    for stage, count in enumerate(BLOCKS[depth]):
        planes = BASE * 2**stage
        out = planes * 4 if bottleneck else planes
        for block in range(count):
            name = f"layer{stage + 1}.{block}"
            if iresnet and block > 1:
                put_norm(weights, f"{name}.bn0", inputs, random)
            sizes = [(planes, inputs, 1), (planes, planes, 3), (out, planes, 1)] if bottleneck else []
            sizes = sizes or [(planes, inputs, 3), (planes, planes, 3)]
            for k, (o, i, size) in enumerate(sizes):
                put_conv(weights, f"{name}.conv{k + 1}", o, i, size, random)
                if not iresnet or k < len(sizes) - 1 or block in (0, count - 1):
                    put_norm(weights, f"{name}.bn{k + 1}", o, random)
            if block == 0 and (inputs != out if iresnet else stage > 0 or bottleneck):
                first = 1 if iresnet else 0
                put_conv(weights, f"{name}.downsample.{first}", out, inputs, 1, random)
                put_norm(weights, f"{name}.downsample.{first + 1}", out, random)
            inputs = out
    weights["fc.weight"] = torch.randn(10, inputs, generator=random)
    weights["fc.bias"] = torch.randn(10, generator=random)
    return weights


def monodepth2_weights(encoder_channels, own):
    """Monodepth2's decoder: blocks numbered from deep to fine, two a size, then four heads from fine to coarse."""
    random, weights, number = torch.Generator().manual_seed(1), {}, 0
    for i in range(4, -1, -1):
        above = encoder_channels[4] if i == 4 else own[i + 1]
        put_conv(weights, f"decoder.{number}.conv.conv", own[i], above, 3, random, bias=True)
        skip = encoder_channels[i - 1] if i > 0 else 0
        put_conv(weights, f"decoder.{number + 1}.conv.conv", own[i], own[i] + skip, 3, random, bias=True)
        number += 2
    for scale in range(4):
        put_conv(weights, f"decoder.{number + scale}.conv", 1, own[scale], 3, random, bias=True)
    return weights


def encoder_maps(weights, image, depth, kind="resnet", rectified=False):
    """Five maps of a ResNet or an iResNet; ``rectified`` as iduta's released code computes, else as the papers say."""
    encoder = Encoder(kind, depth, WIDTH).eval()
    encoder.load_state_dict({name: value for name, value in weights.items() if not name.startswith("fc.")})
    if rectified:
        # the main path after each stage's first block
        for stage in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
            stage[1].register_forward_pre_hook(lambda block, inputs: (torch.relu(*inputs),))
    return encoder(image)


def mirrored(weights, name, x):
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weights[f"{name}.weight"], weights[f"{name}.bias"])


def monodepth2_disparities(weights, maps):
    """Four sigmoid disparities, finest first."""
    x, found, number = maps[4], {}, 0
    for i in range(4, -1, -1):
        x = F.elu(mirrored(weights, f"decoder.{number}.conv.conv", x))
        x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        if i > 0:
            x = torch.cat([x, maps[i - 1]], dim=1)
        x = F.elu(mirrored(weights, f"decoder.{number + 1}.conv.conv", x))
        number += 2
        if i < 4:
            found[i] = torch.sigmoid(mirrored(weights, f"decoder.{10 + i}.conv", x))
    return [found[i] for i in range(4)]
