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


def test_errors_name_what_they_got(made):
    reconstructions, maps, image = made
    with pytest.raises(ValueError, match=r"4 reconstructions, 0 maps and \(2, 3, 16, 32\)"):
        feature_net_loss(reconstructions, [], image)
    with pytest.raises(ValueError, match=r"\(2, 1, 16, 32\)"):
        feature_net_loss([reconstructions[0][:, :1]], maps, image)
