"""Auto-mask, out-of-view mask, masked mean."""

import pytest
import torch

from lowtex.losses import auto_mask, identity_threshold, masked_mean, out_of_view_mask


def test_auto_mask_keeps_what_the_warp_explains_better():
    error = torch.tensor([0.1, 0.2, 0.3]).reshape(1, 1, 1, 3)
    threshold = torch.tensor([0.2, 0.2, 0.2]).reshape(1, 1, 1, 3)
    assert auto_mask(error, threshold).flatten().tolist() == [True, True, False]
    with pytest.raises(ValueError, match=r"\(1, 1, 1, 3\), \(1, 1, 1, 2\)"):
        auto_mask(error, threshold[..., :2])


def test_noise_is_small_and_comes_from_the_generator_alone():
    error = torch.full((1, 1, 50, 50), 0.25, requires_grad=True)
    before = torch.get_rng_state()
    first = identity_threshold(error, torch.Generator().manual_seed(7))
    again = identity_threshold(error, torch.Generator().manual_seed(7))
    assert torch.equal(first, again) and not first.requires_grad
    assert torch.equal(torch.get_rng_state(), before)
    assert 0.9e-5 < (first - 0.25).std() < 1.1e-5
    assert torch.equal(identity_threshold(error), error.detach())


def test_out_of_view_follows_the_sign_of_the_shift():
    shift = torch.full((1, 1, 1, 6), 2.0)
    assert out_of_view_mask(shift).flatten().tolist() == [False, False, True, True, True, True]
    assert out_of_view_mask(-shift).flatten().tolist() == [True, True, True, True, False, False]


def test_masked_mean():
    error = torch.tensor([1.0, 2.0, 6.0]).reshape(1, 1, 1, 3).requires_grad_()
    keep = torch.tensor([True, False, True]).reshape(1, 1, 1, 3)
    assert masked_mean(error, None).item() == 3
    assert masked_mean(error, keep).item() == 3.5
    nothing = masked_mean(error, torch.zeros_like(keep))
    nothing.backward()
    assert nothing.item() == 0 and error.grad.abs().sum() == 0
