"""The feature network: sizes, normalisation, freezing, and no border signature unless padding is zero."""

import pytest
import torch
from torch import nn

from lowtex.errors import OptionError
from lowtex.networks import FeatureNet, build_feature_net
from lowtex.networks.layers import Conv2d
from lowtex.settings import FeatureNetSettings


def network(**options):
    return FeatureNet(depth=18, width=0.125, **options)


def images(count=4, seed=0, size=(64, 96)):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("depth", (18, 50))
def test_sizes(depth):
    net = FeatureNet(depth, 0.125).eval()
    for size in ((64, 96), (32, 32)):
        with torch.no_grad():
            lowest, reconstructions = net(images(2, size=size))
            levels = net.levels(images(2, size=size))
        assert lowest.shape == (2, 8, size[0] // 2, size[1] // 2)
        assert [tuple(r.shape) for r in reconstructions] == [(2, 3, size[0] >> k, size[1] >> k) for k in range(4)]
        assert all(0 < r.min() and r.max() < 1 for r in reconstructions)
        assert [m.shape[1] for m in levels] == net.channels
        assert [m.shape[2] for m in levels] == [size[0] >> (k + 1) for k in range(5)]


def test_lowest_is_the_stem_alone():
    net, batch = network().fit_normalisation(images(3)).eval(), images(2, seed=1)
    ran = []
    for name, part in net.named_modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(lambda *_, name=name: ran.append(name))
    with torch.no_grad():
        lowest = net.lowest(batch)
    assert ran == ["encoder.conv1"]
    with torch.no_grad():
        torch.testing.assert_close(lowest, net(batch)[0])
        torch.testing.assert_close(lowest, net.levels(batch)[0])
    assert net.lowest(torch.rand(1, 3, 50, 70)).shape == (1, 8, 25, 35)
    with pytest.raises(ValueError, match="multiples of 2, got 51x70"):
        net.lowest(torch.rand(1, 3, 51, 70))


def test_normalisation_gives_zero_mean_and_unit_deviation_at_every_level():
    net, training = network().eval(), images(6)
    net.fit_normalisation([training[0], training[1:4], training[4:]])  # single images and batches alike
    with torch.no_grad():
        levels = net.levels(training)
    for x in levels:
        flat = x.double().transpose(0, 1).flatten(1)
        raw_varies = flat.std(dim=1, correction=0) > 0.01
        assert raw_varies.sum() >= x.shape[1] // 2
        torch.testing.assert_close(flat.mean(1), torch.zeros(x.shape[1], dtype=torch.float64), rtol=0, atol=1e-4)
        spread = flat.std(dim=1, correction=0)[raw_varies]
        torch.testing.assert_close(spread, torch.ones_like(spread), rtol=1e-3, atol=1e-3)


def test_a_dead_channel_is_not_blown_up():
    net = network().eval()
    net.encoder.bn1.bias.data[2] = -1e3  # the ReLU never lets it through
    net.fit_normalisation(images(2))
    with torch.no_grad():
        raw = net.encoder.stem(images(2)).std(dim=(0, 2, 3), correction=0)
    assert raw[2] == 0
    assert net.deviation_0[2].item() == pytest.approx(raw.mean().item(), rel=1e-4)
    with torch.no_grad():
        assert net.lowest(images(2, seed=5))[:, 2].abs().max() == 0


def test_fitting_needs_images_and_finite_maps_and_can_be_switched_off():
    with pytest.raises(ValueError, match="at least one image"):
        network().fit_normalisation([])
    with pytest.raises(ValueError, match="not finite"):
        network().fit_normalisation([torch.full((3, 32, 32), float("nan"))])
    net = network(normalise=False).eval().fit_normalisation(images(2))
    assert torch.equal(net.mean_0, torch.zeros(8))
    with torch.no_grad():
        torch.testing.assert_close(net.lowest(images(1)), net.encoder.stem(images(1)))
        assert torch.equal(net.levels(images(1))[0], net.lowest(images(1)))


def test_frozen_stays_in_evaluation_mode_and_learns_nothing():
    net = network().freeze()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert net.train() is net and not any(part.training for part in net.modules())
    nn.ModuleDict({"net": net}).train()
    assert not any(part.training for part in net.modules())
    net(images(2))
    assert not any(p.requires_grad for p in net.parameters())
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    net.unfreeze()
    assert all(part.training for part in net.modules())
    assert net.training and all(p.requires_grad for p in net.parameters())


def test_reconstructions_depend_on_the_deepest_map_alone():
    net = network().train()
    maps, reconstructions = net(images(2), all_levels=True)
    before = net.decoder(maps[4].detach())
    for a, b in zip(before, reconstructions, strict=True):
        torch.testing.assert_close(a, b)
    loss = sum(r.mean() for r in reconstructions)
    loss.backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize("padding_mode, shows", (("replicate", False), ("reflect", False), ("zeros", True)))
def test_only_zero_padding_writes_the_border_into_the_maps(padding_mode, shows):
    net = network(padding_mode=padding_mode).double().eval()
    flat = torch.full((1, 3, 64, 96), 0.4, dtype=torch.float64)
    with torch.no_grad():
        maps, reconstructions = net(flat, all_levels=True)
        lowest = net.lowest(flat)
    for x in [lowest, *maps, *reconstructions]:
        spread = (x.amax((2, 3)) - x.amin((2, 3))).max().item()
        assert (spread > 1e-3 * x.abs().max()) if shows else (spread < 1e-9)
    inside = lowest[..., 2:-2, 2:-2]  # a 7x7 kernel of stride 2 reads padding in the outermost two positions only
    assert (inside.amax((2, 3)) - inside.amin((2, 3))).max() < 1e-9


def test_settings_and_wrong_settings():
    net = build_feature_net(FeatureNetSettings(depth=34, width=0.125, padding_mode="zeros", normalise=False))
    assert (net.encoder.depth, net.encoder.padding_mode, net.normalise, net.frozen) == (34, "zeros", False, False)
    assert {part.border_mode for part in net.decoder.modules() if isinstance(part, Conv2d)} == {"zeros"}
    mixed = FeatureNetSettings(depth=18, width=0.125, padding_mode="zeros", decoder_padding="reflect")
    net = build_feature_net(mixed)
    assert {part.border_mode for part in net.decoder.modules() if isinstance(part, Conv2d)} == {"reflect"}
    assert {part.border_mode for part in net.encoder.modules() if isinstance(part, Conv2d)} == {"zeros"}
    random = build_feature_net(FeatureNetSettings(kind="random", depth=18, width=0.125))
    assert random.frozen and not any(p.requires_grad for p in random.parameters())
    with pytest.raises(OptionError, match="depth"):
        FeatureNet(depth=20)


def test_a_look_at_the_maps_leaves_a_training_network_alone():
    net = network().train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    one = net.lowest(images(1))
    net.levels(images(2))
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(part.training for part in net.modules())
    # the same image gives the same map whatever stands beside it in the batch
    torch.testing.assert_close(net.lowest(images(3))[:1], one)
    net(images(2))
    assert not torch.equal(net.encoder.bn1.running_mean, before["encoder.bn1.running_mean"])
