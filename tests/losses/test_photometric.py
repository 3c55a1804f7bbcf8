"""The pixel error: hand-made values, fast against plain, exactness in flat patches, gradients, messages."""

import pytest
import torch

from lowtex.losses import patch_statistics, photometric_error, photometric_error_plain, structural_dissimilarity_plain

C1, C2 = 1e-4, 9e-4


def images(*shape, dtype=torch.float64, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return (torch.rand(2, *shape, generator=draw, dtype=torch.float64)).to(dtype).unbind()


def test_same_image_gives_exactly_zero():
    image, _ = images(2, 3, 7, 9, dtype=torch.float32)
    assert torch.equal(photometric_error(image, image.clone()), torch.zeros(2, 1, 7, 9))
    assert photometric_error_plain(image, image.clone()).max() < 1e-6


def spot(value):
    image = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    image[..., 1, 1] = value
    return image


def test_ssim_by_hand_where_the_window_is_whole():
    # a has one spot of 1, b one of 1/2: means 1/9, 1/18; variances 8/81, 2/81; covariance 4/81
    ssim = ((2 / 162 + C1) * (8 / 81 + C2)) / ((1 / 81 + 1 / 324 + C1) * (10 / 81 + C2))
    expected = 0.85 * (1 - ssim) / 2 + 0.15 * 0.5
    assert structural_dissimilarity_plain(spot(1.0), spot(0.5))[0, 0, 1, 1].item() == pytest.approx((1 - ssim) / 2)
    assert photometric_error(spot(1.0), spot(0.5))[0, 0, 1, 1].item() == pytest.approx(expected, rel=1e-12)


def test_ssim_by_hand_in_a_corner_mirrors_the_border():
    # the mirrored window of the corner sees the spot four times: mean 4/9, variance 4/9 - 16/81 = 20/81
    ssim = (C1 * C2) / ((16 / 81 + C1) * (20 / 81 + C2))
    error = photometric_error(spot(1.0), spot(0.0), alpha=1.0)
    assert error[0, 0, 0, 0].item() == pytest.approx((1 - ssim) / 2, rel=1e-12)
    assert error[0, 0, 2, 2].item() == pytest.approx((1 - ssim) / 2, rel=1e-12)


def test_alpha_weighs_the_two_parts_and_channels_are_averaged():
    a, b = images(1, 3, 5, 6)
    absolute = (a - b).abs().mean(1, keepdim=True)
    structure = structural_dissimilarity_plain(a, b).mean(1, keepdim=True)
    torch.testing.assert_close(photometric_error(a, b, alpha=0.0), absolute)
    torch.testing.assert_close(photometric_error(a, b, alpha=1.0), structure)
    torch.testing.assert_close(photometric_error(a, b), 0.85 * structure + 0.15 * absolute)


@pytest.mark.parametrize("shape", [(2, 3, 12, 17), (1, 3, 2, 2), (1, 1, 3, 2), (1, 4, 2, 9)])
def test_fast_equals_plain_in_float64_with_gradients(shape):
    a, b = (image.requires_grad_() for image in images(*shape))
    weight = torch.rand(shape[0], 1, *shape[2:], dtype=torch.float64)
    fast, plain = photometric_error(a, b), photometric_error_plain(a, b)
    torch.testing.assert_close(fast, plain, rtol=0, atol=1e-12)
    for x, y in zip(
        torch.autograd.grad((fast * weight).sum(), (a, b)),
        torch.autograd.grad((plain * weight).sum(), (a, b)),
        strict=True,
    ):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-10)


def pair_with_flat_patches(kind):
    """float32 pairs: textured, flat and bright with a trace of noise, or half and half."""
    a, b = images(1, 3, 48, 64, dtype=torch.float32, seed=3)
    flat_a, flat_b = 0.9 + 1e-3 * a, 0.9 + 1e-3 * b
    if kind == "flat":
        return flat_a, flat_b
    if kind == "half":
        a, b = a.clone(), b.clone()
        a[..., 32:], b[..., 32:] = flat_a[..., 32:], flat_b[..., 32:]
    return a, b


@pytest.mark.parametrize("kind", ["textured", "flat", "half"])
def test_fast_is_at_least_as_exact_as_plain_in_float32(kind):
    a, b = pair_with_flat_patches(kind)
    true_b = b.double().requires_grad_()
    truth = photometric_error_plain(a.double(), true_b)
    truth.sum().backward()
    value_errors, gradient_errors = {}, {}
    for name, function in (("fast", photometric_error), ("plain", photometric_error_plain)):
        leaf = b.clone().requires_grad_()
        error = function(a, leaf)
        error.sum().backward()
        value_errors[name] = (error.double() - truth).abs().max().item()
        gradient_errors[name] = (leaf.grad.double() - true_b.grad).abs().max().item()
    assert value_errors["fast"] <= value_errors["plain"]
    assert gradient_errors["fast"] <= gradient_errors["plain"]
    assert value_errors["fast"] < 1e-6
    if kind == "flat":
        assert value_errors["fast"] < 0.1 * value_errors["plain"]


def test_gradcheck_in_both_images():
    a, b = (image.requires_grad_() for image in images(2, 2, 4, 5))
    assert torch.autograd.gradcheck(photometric_error, (a, b))


def test_charbonnier_by_hand_plain_and_with_gradients():
    a, b = (image.requires_grad_() for image in images(2, 2, 4, 5))
    same = a.detach()
    torch.testing.assert_close(
        photometric_error(same, same.clone(), eps=0.02), torch.full_like(same[:, :1], 0.15 * 0.02)
    )
    lone = photometric_error(torch.full_like(same, 0.3), torch.full_like(same, 0.6), alpha=0.0, eps=0.4)
    torch.testing.assert_close(lone, torch.full_like(lone, 0.5))
    torch.testing.assert_close(photometric_error(a, b, eps=0.1), photometric_error_plain(a, b, eps=0.1))
    assert torch.autograd.gradcheck(lambda a, b: photometric_error(a, b, eps=0.1), (a, b))


def test_statistics_may_be_given_and_must_fit():
    a, b = images(2, 3, 6, 8)
    torch.testing.assert_close(photometric_error(a, b, statistics=patch_statistics(a)), photometric_error(a, b))
    statistics = patch_statistics(a)
    torch.testing.assert_close(statistics.mean[0, 0, 2, 3], a[0, 0, 1:4, 2:5].mean())
    torch.testing.assert_close(statistics.variance[0, 0, 2, 3], a[0, 0, 1:4, 2:5].var(correction=0))
    with pytest.raises(ValueError, match=r"\(2, 3, 6, 8\).*\(1, 3, 6, 8\)"):
        photometric_error(a[:1], b[:1], statistics=statistics)


def test_bfloat16_is_computed_in_float32():
    a, b = images(1, 3, 6, 8, dtype=torch.bfloat16)
    error = photometric_error(a, b)
    assert error.dtype == torch.float32
    assert torch.equal(error, photometric_error(a.float(), b.float()))
    leaf = b.clone().requires_grad_()
    photometric_error(a, leaf).sum().backward()
    assert leaf.grad.dtype == torch.bfloat16 and leaf.grad.abs().sum() > 0


def test_range():
    a, b = images(1, 3, 20, 20, dtype=torch.float32)
    error = photometric_error(a.round(), 1 - a.round())
    assert 0.5 < error.max() <= 1 and error.min() >= 0


@pytest.mark.parametrize("function", [photometric_error, structural_dissimilarity_plain])
def test_errors_name_the_shapes(function):
    with pytest.raises(ValueError, match=r"\(1, 3, 4, 4\) and \(1, 3, 4, 5\)"):
        function(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))
    with pytest.raises(ValueError, match=r"\(3, 4, 4\)"):
        function(torch.zeros(3, 4, 4), torch.zeros(3, 4, 4))
    with pytest.raises(ValueError, match=r"at least 2.*\(1, 3, 1, 4\)"):
        function(torch.zeros(1, 3, 1, 4), torch.zeros(1, 3, 1, 4))
