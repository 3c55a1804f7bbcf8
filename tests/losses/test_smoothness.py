"""Smoothness of both orders: exact numbers on a plane, a ramp and a step, and what an image edge does to them."""

import math

import pytest
import torch

from lowtex.losses import normalise_disparity, smoothness_first_order, smoothness_second_order


def grid(height, width):
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )
    return x.reshape(1, 1, height, width), y.reshape(1, 1, height, width)


def plain_image(height, width):
    return torch.full((1, 3, height, width), 0.5, dtype=torch.float64)


def test_plane_costs_its_slopes_in_first_order_and_nothing_in_second():
    x, y = grid(5, 7)
    plane, image = 0.1 * x + 0.2 * y + 3, plain_image(5, 7)
    assert smoothness_first_order(plane, image).item() == pytest.approx(0.3, rel=1e-12)
    assert smoothness_second_order(plane, image).item() == pytest.approx(0, abs=1e-14)


def test_step_by_hand_with_and_without_an_image_edge():
    x, _ = grid(3, 4)
    step = (x >= 2).double()
    # along x the first differences are 0 1 0, the second ones 1 -1
    assert smoothness_first_order(step, plain_image(3, 4)).item() == pytest.approx(1 / 3)
    assert smoothness_second_order(step, plain_image(3, 4)).item() == pytest.approx(1)
    edge = 0.6 * step.expand(-1, 3, -1, -1)
    for decay in (0.5, 1.0):
        weight = math.exp(-decay * 0.6)
        assert smoothness_first_order(step, edge, decay).item() == pytest.approx(weight / 3)
        assert smoothness_second_order(step, edge, decay).item() == pytest.approx(weight)
    assert smoothness_first_order(step, edge, 0.0).item() == pytest.approx(1 / 3)


def test_absolute_value_is_taken_before_the_channels_are_averaged():
    x, _ = grid(3, 4)
    step = (x >= 2).double()
    # one channel rises by 0.6 and one falls by 0.6: |dI| is 0.4, not 0
    edge = torch.cat([0.6 * step, 1 - 0.6 * step, torch.zeros_like(step)], 1)
    assert smoothness_first_order(step, edge, 0.5).item() == pytest.approx(math.exp(-0.5 * 0.4) / 3)
    assert smoothness_second_order(step, edge, 0.5).item() == pytest.approx(math.exp(-0.5 * 0.4))


def test_mixed_difference_counts_twice():
    x, y = grid(4, 4)
    assert smoothness_second_order(x * y, plain_image(4, 4)).item() == pytest.approx(2)
    assert smoothness_second_order(x * x, plain_image(4, 4)).item() == pytest.approx(2)
    assert smoothness_second_order(3 * y * y, plain_image(4, 4)).item() == pytest.approx(6)


def test_mixed_edge_uses_the_mixed_difference_of_the_image():
    x, y = grid(2, 2)
    disparity = x * y
    image = (0.8 * x * y).expand(-1, 3, -1, -1)
    assert smoothness_second_order(disparity, image, 0.5).item() == pytest.approx(2 * math.exp(-0.5 * 0.8))


def test_normalised_disparity_has_mean_one_in_each_image():
    disparity = torch.tensor([1.0, 2.0, 3.0, 6.0, 10.0, 10.0, 10.0, 30.0]).reshape(2, 1, 2, 2)
    torch.testing.assert_close(normalise_disparity(disparity).mean((2, 3)), torch.ones(2, 1))
    torch.testing.assert_close(normalise_disparity(disparity)[0, 0, 1, 1], torch.tensor(2.0))


def test_axis_too_short_for_a_difference_adds_nothing():
    x, _ = grid(1, 4)
    assert smoothness_first_order(x, plain_image(1, 4)).item() == pytest.approx(1)
    assert smoothness_second_order(x * x, plain_image(1, 4)).item() == pytest.approx(2)
    assert smoothness_second_order(x[..., :1], plain_image(1, 1)).item() == 0


@pytest.mark.parametrize("function", [smoothness_first_order, smoothness_second_order])
def test_formats_and_errors(function):
    assert function(torch.rand(1, 1, 4, 4).bfloat16(), torch.rand(1, 3, 4, 4).bfloat16()).dtype == torch.float32
    with pytest.raises(ValueError, match=r"\(1, 1, 4, 4\) and \(1, 3, 8, 8\)"):
        function(torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        function(torch.zeros(4, 4), torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        normalise_disparity(torch.zeros(4, 4))
