"""Decoders: sizes, which map reaches which output, the nested grid's wiring, the gate, the heads' start."""

import pytest
import torch

from lowtex.networks import NestedDecoder, UNetDecoder
from lowtex.networks.decoders import GatedNode, PlainNode

CHANNELS = [8, 16, 24, 32, 40]
DECODERS = {
    "unet": lambda **kw: UNetDecoder(CHANNELS, width=0.25, **kw),
    "nested": lambda **kw: NestedDecoder(CHANNELS, width=0.25, **kw),
    "gated": lambda **kw: NestedDecoder(CHANNELS, squeeze_excite=True, width=0.25, **kw),
}


def maps_for(height, width):
    random = torch.Generator().manual_seed(0)
    return [torch.rand(2, c, height >> i, width >> i, generator=random) for i, c in enumerate(CHANNELS, start=1)]


@pytest.mark.parametrize("kind", DECODERS)
def test_four_disparities_finest_first_and_every_weight_learns(kind):
    decoder = DECODERS[kind]()
    for height, width in ((32, 32), (64, 96)):
        outputs = decoder(maps_for(height, width))
        assert [tuple(o.shape) for o in outputs] == [(2, 1, height >> k, width >> k) for k in range(4)]
        assert all(0 < o.min() and o.max() < 1 for o in outputs)
    sum(o.square().sum() for o in outputs).backward()
    silent = [name for name, p in decoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize("kind", DECODERS)
def test_heads_start_at_the_bias(kind):
    for bias in (0.0, -4.0):
        decoder = DECODERS[kind](initial_bias=bias)
        assert [head.conv.bias.item() for head in decoder.heads] == [bias] * 4
        for head in decoder.heads:
            head.conv.weight.data.zero_()
        with torch.no_grad():
            outputs = decoder(maps_for(32, 32))
        for output in outputs:
            torch.testing.assert_close(output, torch.full_like(output, torch.sigmoid(torch.tensor(bias)).item()))
    assert DECODERS[kind]().heads[0].conv.bias.item() == -4.0


@pytest.mark.parametrize("kind", DECODERS)
def test_wrong_maps_are_named(kind):
    decoder, maps = DECODERS[kind](), maps_for(64, 64)
    with pytest.raises(ValueError, match="five"):
        decoder(maps[:4])
    with pytest.raises(ValueError, match=r"channels \[8, 16, 24, 32, 40\] .*got \[\(2, 40, 2, 2\)"):
        decoder(maps[::-1])
    odd = [torch.rand(1, c, h, h) for c, h in zip(CHANNELS, (25, 13, 7, 4, 2), strict=True)]
    with pytest.raises(ValueError, match=r"twice the size.*multiples of 32"):
        decoder(odd)


def test_squeeze_excite_gates_the_last_node_of_each_row_by_the_means_of_its_channels():
    plain, gated = DECODERS["nested"](), DECODERS["gated"]()
    assert all(isinstance(node, PlainNode) for row in plain.rows for node in row)
    kinds = {(i, j + 1): type(node) for i, row in enumerate(gated.rows) for j, node in enumerate(row)}
    assert {position for position, kind in kinds.items() if kind is GatedNode} == {(3, 1), (2, 2), (1, 3), (0, 4)}
    # a sixteenth of the channels, and 8 at least
    assert [GatedNode(channels, 8).squeeze.out_features for channels in (192, 32)] == [12, 8]
    node, row, below = GatedNode(24, 8), [torch.rand(2, 8, 6, 10), torch.rand(2, 8, 6, 10)], torch.rand(2, 8, 3, 5)
    x = torch.cat([*row, below.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)], 1)
    gate = torch.sigmoid(node.excite(torch.relu(node.squeeze(x.mean(dim=(2, 3))))))
    torch.testing.assert_close(node(row, below), torch.relu(node.project(x * gate[:, :, None, None])))


@pytest.mark.parametrize("kind", DECODERS)
def test_no_level_of_a_narrow_network_need_be_narrower_than_the_published_finest_one(kind):
    narrow, kept = DECODERS[kind](), DECODERS[kind](least_channels=16)
    assert [head.conv.in_channels for head in narrow.heads] == [8, 8, 16, 32]
    assert [head.conv.in_channels for head in kept.heads] == [16, 16, 16, 32]
    maps = maps_for(64, 96)
    assert [output.shape for output in kept(maps)] == [output.shape for output in narrow(maps)]
