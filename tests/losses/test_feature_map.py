"""The feature-map error and its warped form."""

import pytest
import torch
from stereo_world import two_images

from lowtex.errors import OptionError
from lowtex.geometry import warp_horizontal
from lowtex.losses import feature_map, feature_map_error, photometric_error, warped_feature_error


def shifts(batch, height, width, seed=5):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 1, height, width, generator=draw, dtype=torch.float64) * 6 - 3


def test_equals_the_formula_and_stays_near_l1():
    a, b = two_images(2, 5, 4, 6)
    torch.testing.assert_close(feature_map_error(a, b), ((a - b) ** 2 + 1e-6).sqrt().mean(1, keepdim=True))
    torch.testing.assert_close(feature_map_error(a, b), (a - b).abs().mean(1, keepdim=True), atol=1e-3, rtol=0)
    torch.testing.assert_close(feature_map_error(a, b, "ssim_l1"), photometric_error(a, b))


@pytest.mark.parametrize("distance", ["robust_l1", "ssim_l1"])
def test_gradcheck(distance):
    a, b = (m.requires_grad_() for m in two_images(2, 3, 3, 4))
    assert torch.autograd.gradcheck(lambda x, y: feature_map_error(x, y, distance), (a, b))
    shift = shifts(2, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: warped_feature_error(a.detach(), b.detach(), s, distance), (shift,))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_warped_form_equals_warp_then_error_with_gradient(layout):
    a, b = two_images(2, 6, 5, 9)
    first, second = shifts(2, 5, 9).requires_grad_(), shifts(2, 5, 9).requires_grad_()
    weight = torch.rand(2, 1, 5, 9, dtype=torch.float64)
    fused = warped_feature_error(a.contiguous(memory_format=layout), b.contiguous(memory_format=layout), first)
    separate = feature_map_error(a, warp_horizontal(b, second))
    torch.testing.assert_close(fused, separate)
    (fused * weight).sum().backward()
    (separate * weight).sum().backward()
    torch.testing.assert_close(first.grad, second.grad)
    assert first.grad.abs().sum() > 0


def test_warped_form_keeps_gradient_from_the_maps():
    a, b = (m.requires_grad_() for m in two_images(1, 3, 4, 8))
    shift = shifts(1, 4, 8).requires_grad_()
    for distance in ("robust_l1", "ssim_l1"):
        warped_feature_error(a, b, shift, distance).sum().backward()
    assert a.grad is None and b.grad is None and shift.grad is not None


def test_blocks_of_pixels_change_nothing(monkeypatch):
    target, other = two_images(2, 5, 7, 9, dtype=torch.float32)
    found = []
    for block in (10**9, 5 * 20, 1):
        monkeypatch.setattr(feature_map, "BLOCK_VALUES", block)
        shift = shifts(2, 7, 9).float().requires_grad_()
        error = warped_feature_error(target, other, shift)
        (error * shifts(2, 7, 9, seed=6).float()).sum().backward()
        found.append((error.detach(), shift.grad))
    for error, grad in found[1:]:
        assert torch.equal(error, found[0][0]) and torch.equal(grad, found[0][1])


def test_half_precision_is_computed_in_float32():
    a, b = two_images(1, 4, 3, 8, dtype=torch.bfloat16)
    error = feature_map_error(a, b)
    assert error.dtype == torch.float32 and torch.equal(error, feature_map_error(a.float(), b.float()))
    shift = shifts(1, 3, 8).float()
    assert torch.equal(warped_feature_error(a, b, shift), warped_feature_error(a.float(), b.float(), shift))


def test_errors_name_what_they_got():
    with pytest.raises(ValueError, match=r"\(1, 2, 3, 4\) and \(1, 3, 3, 4\)"):
        feature_map_error(torch.zeros(1, 2, 3, 4), torch.zeros(1, 3, 3, 4))
    with pytest.raises(ValueError, match=r"\(1, 2, 3, 4\).*\(1, 1, 6, 8\)"):
        warped_feature_error(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4), torch.zeros(1, 1, 6, 8))
    with pytest.raises(OptionError, match="cosine.*robust_l1, ssim_l1"):
        feature_map_error(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4), "cosine")
