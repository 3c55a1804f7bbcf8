"""Encoders: published parameter counts, sizes, start, padding; what they compute is in the benchmarks' tests."""

import pytest
import torch
from torch import nn

from lowtex.networks import IResNetEncoder, ResNetEncoder
from lowtex.networks.layers import Conv2d, pad_border, scaled_channels

COUNTS = {18: 11_176_512, 34: 21_284_672, 50: 23_508_032, 101: 42_500_160, 152: 58_143_808}
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


@pytest.mark.parametrize(
    "family, depth", [(IResNetEncoder, depth) for depth in COUNTS] + [(ResNetEncoder, d) for d in COUNTS if d < 152]
)
def test_parameters_are_as_many_as_published(family, depth):
    with torch.device("meta"):
        encoder = family(depth)
    assert sum(p.numel() for p in encoder.parameters()) == COUNTS[depth]
    assert [len(getattr(encoder, f"layer{i}")) for i in (1, 2, 3, 4)] == list(BLOCKS[depth])


@pytest.mark.parametrize("family", (ResNetEncoder, IResNetEncoder))
@pytest.mark.parametrize("depth, channels", ((18, [16, 16, 32, 64, 128]), (50, [16, 64, 128, 256, 512])))
def test_five_maps_at_strides_2_to_32(family, depth, channels):
    encoder = family(depth, width=0.25).eval()
    assert encoder.channels == channels
    for batch, height, width in ((1, 32, 32), (2, 64, 96)):
        with torch.no_grad():
            maps = encoder(torch.rand(batch, 3, height, width))
        expected = [(batch, c, height // s, width // s) for c, s in zip(channels, (2, 4, 8, 16, 32), strict=True)]
        assert [tuple(m.shape) for m in maps] == expected
        assert all(m.min() >= 0 for m in maps)


def test_channels_at_a_width():
    assert [scaled_channels(c, 0.375) for c in (16, 64, 128, 256, 512)] == [8, 24, 48, 96, 192]
    assert scaled_channels(16, 0.1) == 8 and scaled_channels(64, 0.3) == 16, "a multiple of eight"
    assert scaled_channels(20, 1.0) == 20
    assert IResNetEncoder(34, width=0.375).channels == [24, 24, 48, 96, 192]


def test_wrong_input_is_named():
    encoder = ResNetEncoder(18, width=0.125)
    for shape, message in (
        ((1, 3, 100, 320), "multiples of 32, got 100x320; resize to 96x320"),
        ((1, 1, 96, 320), r"\(B, 3, H, W\), got \(1, 1, 96, 320\)"),
        ((3, 96, 320), r"got \(3, 96, 320\)"),
    ):
        with pytest.raises(ValueError, match=message):
            encoder(torch.rand(shape))
    for family, options, message in (
        (ResNetEncoder, {"depth": 152}, "depth=152"),
        (IResNetEncoder, {"depth": 20}, "depth=20"),
        (IResNetEncoder, {"depth": 18, "projection": "avg"}, "projection='avg'"),
        (ResNetEncoder, {"depth": 18, "width": 0}, "width"),
        (ResNetEncoder, {"depth": 18, "padding_mode": "circular"}, "padding_mode"),
    ):
        with pytest.raises(ValueError, match=message):
            family(**options)


def test_weights_start_as_kaiming_normal_fan_out():
    torch.manual_seed(0)
    for encoder in (ResNetEncoder(18, width=0.5), IResNetEncoder(34, width=0.5)):
        kernel = encoder.layer4[0].conv1.weight  # 128 inputs, 256 outputs
        fan_out = kernel.shape[0] * 9
        assert kernel.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
        norms = [part for part in encoder.modules() if isinstance(part, nn.BatchNorm2d)]
        assert all((n.weight == 1).all() and (n.bias == 0).all() for n in norms)


def test_a_strided_shortcut_is_the_strided_convolution():
    convolution = IResNetEncoder(34, width=0.125, projection="stride").layer1[0].downsample[0]
    x = torch.rand(2, 8, 32, 96).requires_grad_()
    torch.testing.assert_close(convolution(x), nn.functional.conv2d(x, convolution.weight, stride=2))
    convolution(x).sum().backward()
    assert (x.grad[..., 1::2, :] == 0).all() and (x.grad[..., ::2, ::2] != 0).any()


def test_shortcuts_of_8_channels_train_in_channels_last():
    # torch's own strided 1x1 convolution of 8 channels ends the process (torch 2.13, CPU)
    for encoder in (ResNetEncoder(18, width=0.125), IResNetEncoder(18, width=0.125, projection="stride")):
        shortcut = encoder.layer2[0].downsample.to(memory_format=torch.channels_last).train()
        for _ in range(8):
            image = torch.rand(4, 8, 48, 160).contiguous(memory_format=torch.channels_last).requires_grad_()
            shortcut(image).sum().backward()
            assert image.grad.isfinite().all()


def test_padding_by_hand():
    row = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3)
    assert pad_border(row, 1, "zeros")[0, 0, 1].tolist() == [0, 1, 2, 3, 0]
    assert pad_border(row, 1, "replicate")[0, 0, 1].tolist() == [1, 1, 2, 3, 3]
    square = row.expand(1, 1, 3, 3)
    assert pad_border(square, 1, "reflect")[0, 0, 1].tolist() == [2, 1, 2, 3, 2]
    # a single row cannot be mirrored, so it is repeated
    assert pad_border(row, 1, "reflect").shape == (1, 1, 3, 5)
    same = Conv2d(1, 1, 3, padding_mode="zeros")
    same.weight.data.fill_(1.0)
    assert same(square)[0, 0, 0].tolist() == [6, 12, 10]
