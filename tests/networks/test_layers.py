"""The decoders' fast convolutions against the plain ones: values, gradients, borders, layouts, NaN, export."""

import pytest
import torch
import torch.nn.functional as F

from lowtex.networks.layers import (
    PADDING_MODES,
    ConvBlock,
    SigmoidHead,
    convolve_joined,
    convolve_to_one,
    pad_border,
    upsample,
)

SIZES = ((1, 1), (1, 3), (2, 2), (3, 5))
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def draw(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def plain_joined(small, skip, weight, bias, mode, skip_first=False):
    parts = [upsample(small)] if skip is None else [upsample(small), skip]
    x = torch.cat(parts[::-1] if skip_first else parts, 1)
    return F.conv2d(pad_border(x, 1, mode), weight, bias)


def assert_same(fast, plain, tensors):
    """Both functions give the same output, and the same gradient of each tensor under a random weight."""
    results = []
    for function in (fast, plain):
        own = [None if t is None else t.clone(memory_format=torch.preserve_format).requires_grad_() for t in tensors]
        out = function(*own)
        (out * draw(*out.shape, seed=9).to(out)).sum().backward()
        results.append([out.detach(), *(t.grad for t in own if t is not None)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("skips, first", ((0, False), (3, False), (3, True)))
def test_join_equals_doubling_and_convolving(size, mode, skips, first, layout):
    height, width = size
    small = draw(2, 4, height, width).contiguous(memory_format=layout)
    skip = draw(2, skips, 2 * height, 2 * width, seed=1).contiguous(memory_format=layout) if skips else None
    tensors = small, skip, draw(5, 4 + skips, 3, 3, seed=2), draw(5, seed=3)
    assert_same(lambda *t: convolve_joined(*t, mode, first), lambda *t: plain_joined(*t, mode, first), tensors)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("size", SIZES)
def test_one_channel_equals_the_convolution(size, mode, layout):
    tensors = draw(2, 4, *size).contiguous(memory_format=layout), draw(1, 4, 3, 3, seed=1), draw(1, seed=2)
    assert_same(lambda *t: convolve_to_one(*t, mode), lambda x, w, b: F.conv2d(pad_border(x, 1, mode), w, b), tensors)


@pytest.mark.parametrize("dtype, tolerance", ((torch.float32, 1e-5), (torch.bfloat16, 0.05)))
def test_block_and_head_in_lower_precision(dtype, tolerance):
    torch.manual_seed(0)
    block, head = ConvBlock(12, 8), SigmoidHead(8)
    small, skip = draw(2, 8, 4, 6, dtype=torch.float32), draw(2, 4, 8, 12, dtype=torch.float32, seed=1)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        joined = block.join(small, skip)
        out = head(joined)
    assert joined.dtype == dtype and out.dtype == torch.float32
    plain = block(torch.cat([upsample(small), skip], 1))
    torch.testing.assert_close(joined.float(), plain, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(out, torch.sigmoid(head.conv(plain)), atol=tolerance, rtol=tolerance)
    # the head rounds nothing on the way: bfloat16 would be off by 1e-3
    torch.testing.assert_close(out, torch.sigmoid(head.conv(joined.float())), atol=1e-6, rtol=1e-5)
