"""What encoders throw away: every quantity against a case whose answer is known by hand, or by brute force."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from lowtex.errors import DataError, OptionError
from lowtex.networks import IResNetEncoder, ResNetEncoder
from lowtex.seeding import generator, seed_everything
from lowtex_lab.studies.diagnostics import encoder_information as info

SIZE = (64, 96)

FAMILIES = {"resnet": (ResNetEncoder, {}), "iresnet": (IResNetEncoder, {})}
FAMILIES["rectified"] = (IResNetEncoder, {"rectify_after_start": True})
FAMILIES["strided"] = (IResNetEncoder, {"projection": "stride"})


def encoder(family, depth=34):
    """With batch norms that have statistics of their own, so that none is the identity."""
    seed_everything(0, "test encoder", family)
    made, options = FAMILIES[family]
    network = made(depth, width=0.125, **options)
    with torch.no_grad():
        for _ in range(3):
            network.train()(image())
    return network.eval()


def image():
    return torch.rand(2, 3, *SIZE, generator=generator(0, "test image"))


@pytest.mark.parametrize(("family", "depth"), [*((family, 34) for family in FAMILIES), ("resnet", 50), ("iresnet", 50)])
def test_a_relu_on_the_main_path_zeroes_what_is_negative_before_it(family, depth, monkeypatch):
    network, rectified = encoder(family, depth), []
    with torch.no_grad():
        maps = network(image())
    for stage in info.STAGES:
        found = info.zeroed(network, stage, maps[stage - 1])
        counts = {"resnet": [3, 4, 6, 3], "rectified": [2] * 4}.get(family, [1] * 4)
        assert found.shape == (counts[stage - 1], *maps[stage].shape)
        assert torch.equal(found[-1], maps[stage] == 0) and all(0.05 < one.float().mean() < 0.95 for one in found)
    # all ReLUs of one stage, of which those on the main path come last in their block, or first in the rectified one
    plain = F.relu
    monkeypatch.setattr(F, "relu", lambda x: rectified.append(x) or plain(x))
    info.zeroed(network, 2, maps[1])
    zeros = [x <= 0 for x in rectified if x.shape == maps[2].shape]
    assert all(any(torch.equal(one, other) for other in zeros) for one in info.zeroed(network, 2, maps[1]))


@pytest.mark.parametrize("family", FAMILIES)
def test_dependence_is_what_disturbing_each_value_shows(family):
    network = encoder(family)
    x = torch.randn(1, network.channels[1], 8, 8, generator=generator(0, "map"))
    for part in (info.shortcut_of(network, 2), info.stage_of(network, 2)):
        found = (info.dependence(part, x, generator(0, "mixture")) != 0)[0]
        disturbed = x + 1e-3 * torch.eye(x.numel()).reshape(-1, *x.shape[1:])
        with torch.no_grad():
            moved = (part(disturbed) - part(x)).abs().flatten(1).amax(1) > 0
        # float32 hides some of the smallest effects, and a step may pass a value over the largest one
        assert (found.flatten() == moved).float().mean() > 0.97


def test_shares_of_the_four_places():
    gradient = torch.zeros(1, 2, 4, 4)
    gradient[0, :, 0::2, 0::2] = 3.0
    gradient[0, 0, 1::2, 0::2] = -3.0
    assert info.by_place(gradient).tolist() == pytest.approx([2 / 3, 0, 1 / 3, 0])
    assert info.by_place(torch.zeros(1, 1, 2, 2)).isnan().all()


def test_a_linear_reading_finds_what_is_linear_and_nothing_else():
    draw = generator(0, "samples")
    x, x_new = torch.randn(3000, 6, generator=draw), torch.randn(2000, 6, generator=draw)
    weights = torch.randn(6, 3, generator=draw) * torch.tensor([1.0, 100.0, 0.01])

    def read(target, **options):
        return info.read_linearly((x, target(x)), (x_new, target(x_new)), **options)

    assert read(lambda v: v @ weights + 5) > 0.999
    # half of the variance of each target is noise of its own
    noisy = read(lambda v: v[:, :2] + torch.randn(len(v), 2, generator=draw))
    assert noisy == pytest.approx(0.5, abs=0.05)
    assert abs(read(lambda v: v[:, :1].abs())) < 0.02
    # a ridge as large as the variance halves each coefficient: 1 - 1/4
    assert read(lambda v: v[:, :1], ridge=1.0) == pytest.approx(0.75, abs=0.02)
    # dead features and constant targets are left out
    x[:, 1], x_new[:, 1] = 0, 0
    assert read(lambda v: torch.stack([v[:, 0], torch.full((len(v),), 4.0)], dim=1)) > 0.999
    assert np.isnan(read(lambda v: torch.full((len(v), 1), 4.0)))


@pytest.mark.parametrize("family", FAMILIES)
def test_measure_gives_every_quantity_of_every_stage_the_same_each_time(written, family):
    network = torch.nn.Module().eval()
    network.encoder = encoder(family)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = info.measure(network, written, SIZE)
    assert list(found.columns) == ["stage", "quantity", "value", "images"]
    assert set(zip(found["stage"], found["quantity"], strict=True)) == set(product(info.STAGES, info.QUANTITIES))
    assert (found["images"] == 3).all() and np.isfinite(found["value"]).all()
    table = found.pivot(index="stage", columns="quantity", values="value")
    shares = [name for name in info.QUANTITIES if not name.endswith("_read")]
    assert ((table[shares] >= 0) & (table[shares] <= 1)).all(axis=None)
    assert (table.filter(like="_read") <= 1).all(axis=None)
    strided, read = family in ("resnet", "strided"), table["shortcut_positions"]
    assert (read.loc[2:] == 0.25).all() if strided else (read > 0.4).all(), "a strided shortcut reads one of four"
    # the branch goes round it; nothing goes round ResNet's first max-pool
    assert (table["stage_positions"].loc[2:] == 1).all()
    assert (table.loc[1, "stage_positions"] < 0.95) == (family == "resnet")
    pd.testing.assert_frame_equal(found, info.measure(network, written, SIZE))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_training_mode_and_another_encoder_are_refused():
    with pytest.raises(OptionError, match=r"network\.eval\(\)"):
        info.measure(torch.nn.Module(), None, SIZE)
    with pytest.raises(DataError, match="Sequential.*use ResNet or iResNet"):
        info.blocks_of(torch.nn.Sequential(), 1)
