"""The autoencoder's loss: each part against its formula, the signs of the regularisers, messages."""

import pytest
import torch
import torch.nn.functional as F

from lowtex.losses import (
    feature_net_loss,
    photometric_error,
    smoothness_first_order,
    smoothness_second_order,
)


@pytest.fixture
def made():
    draw = torch.Generator().manual_seed(0)

    def rand(*shape):
        return torch.rand(*shape, generator=draw, dtype=torch.float64).requires_grad_()

    maps = [rand(2, 3, 16 >> i, 32 >> i) for i in range(1, 5)]
    reconstructions = [rand(2, 3, 16 >> s, 32 >> s) for s in range(4)]
    return reconstructions, maps, rand(2, 3, 16, 32).detach()


@pytest.mark.parametrize("eps", [0.0, 1e-2])
def test_equals_the_formula(made, eps):
    reconstructions, maps, image = made
    loss, terms = feature_net_loss(reconstructions, maps, image, discriminative=0.3, convergent=0.7, eps=eps)
    expected = sum(
        photometric_error(F.adaptive_avg_pool2d(image, r.shape[2:]), r, eps=eps).mean() for r in reconstructions
    ) / len(reconstructions)
    for level, phi in enumerate(maps):
        small = F.adaptive_avg_pool2d(image, phi.shape[2:])
        first, second = smoothness_first_order(phi, small, 1.0), smoothness_second_order(phi, small, 1.0)
        expected = expected + (-0.3 * first + 0.7 * second) / 2**level / len(maps)
    torch.testing.assert_close(loss, expected)
    parts = terms["reconstruction"] - 0.3 * terms["map_first"] + 0.7 * terms["map_second"]
    torch.testing.assert_close(parts, loss.detach())
    assert terms["feature_net_total"] == loss and not any(value.requires_grad for value in terms.values())


def test_perfect_reconstructions_and_constant_maps_give_zero(made):
    _, maps, image = made
    perfect = [F.interpolate(image, (16 >> s, 32 >> s), mode="area") for s in range(4)]
    loss, _ = feature_net_loss(perfect, [torch.ones_like(phi) for phi in maps], image)
    assert loss.item() == pytest.approx(0, abs=1e-15)


def test_strong_maps_are_rewarded_and_bent_ones_punished(made):
    reconstructions, maps, image = made
    strong = [2 * phi for phi in maps]

    def loss(phi, **weights):
        return feature_net_loss(reconstructions, phi, image, **weights)[0]

    assert loss(strong, discriminative=1.0, convergent=0.0) < loss(maps, discriminative=1.0, convergent=0.0)
    assert loss(strong, discriminative=0.0, convergent=1.0) > loss(maps, discriminative=0.0, convergent=1.0)
    assert loss(strong, discriminative=0.0, convergent=0.0) == loss(maps, discriminative=0.0, convergent=0.0)


def test_gradcheck(made):
    reconstructions, maps, image = made
    inputs = (*reconstructions, *maps)
    assert torch.autograd.gradcheck(
        lambda *tensors: feature_net_loss(list(tensors[:4]), list(tensors[4:]), image, 0.5, 0.5)[0],
        inputs,
        fast_mode=True,
    )


def test_errors_name_what_they_got(made):
    reconstructions, maps, image = made
    with pytest.raises(ValueError, match=r"4 reconstructions, 0 maps and \(2, 3, 16, 32\)"):
        feature_net_loss(reconstructions, [], image)
    with pytest.raises(ValueError, match=r"\(2, 1, 16, 32\)"):
        feature_net_loss([reconstructions[0][:, :1]], maps, image)
