"""Published networks written plainly from their formulas, on dictionaries with the original key names.

Narrow (8 channels in the stem, not 64) so that a whole file of weights is small. Nothing here uses lowtex.
"""

import torch
import torch.nn.functional as F

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


def norm(weights, name, x):
    mean, var = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
    scale = weights[f"{name}.weight"] / torch.sqrt(var + 1e-5)
    return (x - mean[:, None, None]) * scale[:, None, None] + weights[f"{name}.bias"][:, None, None]


def conv(weights, name, x, stride=1):
    kernel = weights[f"{name}.weight"]
    return F.conv2d(x, kernel, weights.get(f"{name}.bias"), stride, kernel.shape[-1] // 2)


def resnet_maps(weights, image, depth):
    """Five maps of a ResNet for an image normalised as Monodepth2 does."""
    x = torch.relu(norm(weights, "bn1", conv(weights, "conv1", (image - 0.45) / 0.225, 2)))
    maps, x, last = [x], F.max_pool2d(x, 3, 2, 1), 3 if depth >= 50 else 2
    for stage, count in enumerate(BLOCKS[depth]):
        for block in range(count):
            name, y = f"layer{stage + 1}.{block}", x
            stride = 2 if stage > 0 and block == 0 else 1
            for k in range(1, last + 1):
                y = torch.relu(y) if k > 1 else y
                # the first 3x3 convolution of a block is the one that strides
                y = norm(weights, f"{name}.bn{k}", conv(weights, f"{name}.conv{k}", y, stride if k == last - 1 else 1))
            if f"{name}.downsample.0.weight" in weights:
                x = norm(weights, f"{name}.downsample.1", conv(weights, f"{name}.downsample.0", x, stride))
            x = torch.relu(y + x)
        maps.append(x)
    return maps


def iresnet_maps(weights, image, depth, rectified):
    """Five maps of an iResNet; ``rectified`` as the released code computes, else as its paper's text says."""
    x = torch.relu(norm(weights, "bn1", conv(weights, "conv1", (image - 0.45) / 0.225, 2)))
    maps, last = [x], 3 if depth >= 50 else 2
    for stage, count in enumerate(BLOCKS[depth]):
        for block in range(count):
            name, stride, y = f"layer{stage + 1}.{block}", 2 if block == 0 else 1, x
            if block == 1:
                y = torch.relu(x)
                x = y if rectified else x
            elif block > 1:
                y = torch.relu(norm(weights, f"{name}.bn0", x))
            strides = {1: stride if last == 2 else 1, 2: stride if last == 3 else 1, 3: 1}
            for k in range(1, last):
                y = torch.relu(norm(weights, f"{name}.bn{k}", conv(weights, f"{name}.conv{k}", y, strides[k])))
            y = conv(weights, f"{name}.conv{last}", y)
            if block == 0:
                y = norm(weights, f"{name}.bn{last}", y)
                x = F.max_pool2d(x, 3, 2, 1)
                if f"{name}.downsample.1.weight" in weights:
                    x = norm(weights, f"{name}.downsample.2", conv(weights, f"{name}.downsample.1", x))
            x = y + x
            if block == count - 1:
                x = torch.relu(norm(weights, f"{name}.bn{last}", x))
        maps.append(x)
    return maps


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
