"""The pixel error: hand-made values, the fast forms against the one to read, flat patches, gradients, messages."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from stereo_world import two_images

from lowtex.geometry import StereoRig
from lowtex.losses import (
    StereoObjective,
    census_error,
    fast_photometric,
    fast_photometric_error,
    photometric_error,
    structural_dissimilarity,
    zncc_error,
)
from lowtex.losses.fast_photometric import PixelPair
from lowtex.losses.objective import StereoStep
from lowtex.settings import LossSettings

C1, C2 = 1e-4, 9e-4


def test_same_image_gives_exactly_zero():
    image, _ = two_images(2, 3, 7, 9, dtype=torch.float32)
    assert torch.equal(photometric_error(image, image.clone()), torch.zeros(2, 1, 7, 9))
    assert fast_photometric_error(image, image.clone()).max() == 0


def spot(value):
    image = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    image[..., 1, 1] = value
    return image


def test_ssim_by_hand_where_the_window_is_whole():
    # a has one spot of 1, b one of 1/2: means 1/9, 1/18; variances 8/81, 2/81; covariance 4/81
    ssim = ((2 / 162 + C1) * (8 / 81 + C2)) / ((1 / 81 + 1 / 324 + C1) * (10 / 81 + C2))
    expected = 0.85 * (1 - ssim) / 2 + 0.15 * 0.5
    assert structural_dissimilarity(spot(1.0), spot(0.5))[0, 0, 1, 1].item() == pytest.approx((1 - ssim) / 2)
    assert photometric_error(spot(1.0), spot(0.5))[0, 0, 1, 1].item() == pytest.approx(expected, rel=1e-12)


def test_ssim_by_hand_in_a_corner_mirrors_the_border():
    # the mirrored window of the corner sees the spot four times: mean 4/9, variance 4/9 - 16/81 = 20/81
    ssim = (C1 * C2) / ((16 / 81 + C1) * (20 / 81 + C2))
    error = photometric_error(spot(1.0), spot(0.0), alpha=1.0)
    assert error[0, 0, 0, 0].item() == pytest.approx((1 - ssim) / 2, rel=1e-12)
    assert error[0, 0, 2, 2].item() == pytest.approx((1 - ssim) / 2, rel=1e-12)


@pytest.mark.parametrize("shape", [(2, 3, 12, 17), (1, 3, 2, 2), (1, 1, 3, 2), (1, 4, 2, 9)])
@pytest.mark.parametrize(("alpha", "eps"), [(0.85, 0.0), (0.5, 0.01), (1.0, 0.0), (0.0, 0.1)])
def test_fast_equals_the_form_to_read_with_its_gradient(shape, alpha, eps):
    a, b = two_images(*shape)
    b.requires_grad_()
    weight = torch.rand(shape[0], 1, *shape[2:], dtype=torch.float64)
    fast, plain = fast_photometric_error(a, b, alpha, eps), photometric_error(a, b, alpha, eps)
    torch.testing.assert_close(fast, plain, rtol=0, atol=1e-12)
    found, expected = (torch.autograd.grad((error * weight).sum(), b)[0] for error in (fast, plain))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def views(kind="textured", batch=3, height=11, width=17, dtype=torch.float64):
    """Two images, textured, flat and bright with a trace of noise, or half and half; and signed shifts of which some
    leave the image."""
    a, b = two_images(batch, 3, height, width)
    flat = slice({"textured": width, "flat": 0, "half": width // 2}[kind], None)
    a[..., flat], b[..., flat] = 0.9 + 1e-3 * a[..., flat], 0.9 + 1e-3 * b[..., flat]
    shift = two_images(batch, 1, height, width, seed=2)[0] * 6 - 3
    return a.to(dtype), b.to(dtype), shift.to(dtype)


@pytest.mark.parametrize(("function", "exact"), [(photometric_error, 1e-5), (fast_photometric_error, 1e-6)])
@pytest.mark.parametrize("kind", ["textured", "flat", "half"])
def test_flat_patches_keep_their_digits_in_float32(kind, function, exact):
    a, b, _ = views(kind, 1, 48, 64, torch.float32)
    true_b, leaf = b.double().requires_grad_(), b.clone().requires_grad_()
    truth, error = photometric_error(a.double(), true_b), function(a, leaf)
    truth.sum().backward()
    error.sum().backward()
    assert (error.double() - truth).abs().max() < exact
    assert (leaf.grad.double() - true_b.grad).abs().max() < 1e3 * exact * true_b.grad.abs().max()


def test_charbonnier_by_hand_plain_and_with_gradients():
    a, b = (image.requires_grad_() for image in two_images(2, 2, 4, 5))
    same = a.detach()
    torch.testing.assert_close(
        photometric_error(same, same.clone(), eps=0.02), torch.full_like(same[:, :1], 0.15 * 0.02)
    )
    lone = photometric_error(torch.full_like(same, 0.3), torch.full_like(same, 0.6), alpha=0.0, eps=0.4)
    torch.testing.assert_close(lone, torch.full_like(lone, 0.5))
    assert torch.autograd.gradcheck(lambda a, b: photometric_error(a, b, eps=0.1), (a, b))


PIXEL_ERRORS = [photometric_error, fast_photometric_error, census_error, zncc_error]


@pytest.mark.parametrize("pixel_error", PIXEL_ERRORS)
def test_bfloat16_is_computed_in_float32(pixel_error):
    a, b = two_images(1, 3, 6, 8, dtype=torch.bfloat16)
    error = pixel_error(a, b)
    assert error.dtype == torch.float32
    assert torch.equal(error, pixel_error(a.float(), b.float()))
    leaf = b.clone().requires_grad_()
    pixel_error(a, leaf).sum().backward()
    assert leaf.grad.dtype == torch.bfloat16 and leaf.grad.abs().sum() > 0


@pytest.mark.parametrize("function", [*PIXEL_ERRORS, structural_dissimilarity])
def test_errors_name_the_shapes(function):
    with pytest.raises(ValueError, match=r"\(1, 3, 4, 4\) and \(1, 3, 4, 5\)"):
        function(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))
    with pytest.raises(ValueError, match=r"\(3, 4, 4\)"):
        function(torch.zeros(3, 4, 4), torch.zeros(3, 4, 4))
    with pytest.raises(ValueError, match=r"at least 2.*\(1, 3, 1, 4\)"):
        function(torch.zeros(1, 3, 1, 4), torch.zeros(1, 3, 1, 4))


LOSS = LossSettings(data_term="pixels")
RIG = StereoRig(focal_px=10.0, baseline_m=0.5, width=17, height=11)
SHIFT_NETWORK = SimpleNamespace(shift_px=lambda sigmoid, rig: sigmoid)
"""Its output is the shift itself."""


def both_forms(loss, a, b, shift):
    """Value, kept fraction and gradient of the objective's pixel term as it is read and as it trains."""
    results = []
    for fast in (False, True):
        leaf = shift.clone().requires_grad_()
        outputs = [leaf, leaf[..., ::2, ::2] * 0.5]
        noise = {"pixels": torch.Generator().manual_seed(0)}
        step = StereoStep(SHIFT_NETWORK, outputs, a, b, RIG, torch.tensor([1.0, -1.0, 1.0]), noise=noise)
        value, kept = StereoObjective(loss).pixel_term(step, fast)
        value.backward()
        results.append((value.detach(), kept, leaf.grad))
    return results


@pytest.mark.parametrize("kind", ("textured", "flat", "half"))
@pytest.mark.parametrize(
    "changes",
    (
        {},
        {"auto_mask": True},
        {"out_of_view_mask": True},
        {"auto_mask": True, "out_of_view_mask": True},
        {"pixel_l1_eps": 0.01, "ssim_alpha": 0.5},
    ),
    ids=str,
)
def test_fast_form_equals_the_plain_one(changes, kind):
    plain, fast = both_forms(replace(LOSS, **changes), *views(kind))
    torch.testing.assert_close(fast, plain, rtol=1e-9, atol=1e-12)
    assert plain[2].abs().sum() > 0
    if changes.get("auto_mask"):
        assert 0 < fast[1] < 1


@pytest.mark.parametrize("count", (1, 2 * 3 * 11 * 17, 10**9))
def test_blocks_change_nothing(count, monkeypatch):
    a, b, shift = views()
    whole = both_forms(replace(LOSS, auto_mask=True), a, b, shift)[1]
    monkeypatch.setattr(fast_photometric, "BLOCK_VALUES", count)
    assert len(PixelPair(a, b).blocks()) == {1: 3, 2 * 3 * 11 * 17: 2, 10**9: 1}[count]
    torch.testing.assert_close(both_forms(replace(LOSS, auto_mask=True), a, b, shift)[1], whole)


def test_nothing_kept_is_zero_without_gradient():
    a, b, shift = views()
    value, kept = PixelPair(a, b).warped_mean(shift.requires_grad_(), None, torch.zeros_like(shift, dtype=torch.bool))
    value.backward()
    assert value == 0 and kept == 0 and shift.grad.abs().max() == 0
