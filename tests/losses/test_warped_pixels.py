"""The pixel term's fast form against the one to read: values, gradients, masks, blocks, flat patches, messages."""

from dataclasses import replace

import pytest
import torch

from lowtex.geometry import warp_horizontal
from lowtex.losses import fast_photometric as warped_pixels
from lowtex.losses import identity_threshold, photometric_error, photometric_error_plain
from lowtex.losses.data_terms import PixelTerm, StereoStep
from lowtex.losses.fast_photometric import PixelPair
from lowtex.settings import LossSettings

LOSS = LossSettings(data_term="pixels")


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def views(kind="textured", batch=3, height=11, width=17, dtype=torch.float64):
    """Two images, and signed shifts of which some leave the image."""
    a, b = draw(batch, 3, height, width), draw(batch, 3, height, width, seed=1)
    if kind == "flat":
        a, b = 0.9 + 1e-3 * a, 0.9 + 1e-3 * b
    if kind == "half":
        a[..., 8:], b[..., 8:] = 0.9 + 1e-3 * a[..., 8:], 0.2
    shift = draw(batch, 1, height, width, seed=2) * 6 - 3
    return a.to(dtype), b.to(dtype), shift.to(dtype)


class ShiftNetwork:
    """Its output is the shift itself."""

    def shift_px(self, sigmoid, rig):
        return sigmoid


class AnyRig:
    def resized(self, width, height):
        return self


def both_forms(loss, a, b, shift):
    """Value, kept fraction and gradient of the term by `PixelTerm.plain` and as it trains."""
    results = []
    for form in ("plain", "__call__"):
        leaf = shift.clone().requires_grad_()
        outputs = [leaf, leaf[..., ::2, ::2] * 0.5]
        step = StereoStep(
            ShiftNetwork(), outputs, a, b, AnyRig(), torch.tensor([1.0, -1.0, 1.0]), torch.Generator().manual_seed(0)
        )
        value, kept = getattr(PixelTerm(loss), form)(step)
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
        {"ssim_alpha": 1.0},
        {"ssim_alpha": 0.0},
    ),
    ids=str,
)
def test_fast_form_equals_the_plain_one(changes, kind):
    plain, fast = both_forms(replace(LOSS, **changes), *views(kind))
    torch.testing.assert_close(fast, plain, rtol=1e-9, atol=1e-12)
    assert plain[2].abs().sum() > 0
    if changes.get("auto_mask"):
        assert 0 < fast[1] < 1


def test_equals_the_formula_of_the_papers():
    a, b, shift = views()
    leaf, other = shift.clone().requires_grad_(), shift.clone().requires_grad_()
    value, _ = PixelPair(a, b).warped_mean(leaf, None, None)
    expected = photometric_error_plain(a, warp_horizontal(b, other)).mean()
    value.backward()
    expected.backward()
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(leaf.grad, other.grad, rtol=1e-7, atol=1e-11)


def test_gradcheck_with_both_masks():
    a, b, shift = views(batch=2, height=4, width=6)
    pair = PixelPair(a, b)
    threshold, keep = identity_threshold(pair.identity_error()), draw(2, 1, 4, 6, seed=5) > 0.3
    assert torch.autograd.gradcheck(
        lambda s: pair.warped_mean(s, threshold, keep)[0], (shift.requires_grad_(),), eps=1e-7
    )


@pytest.mark.parametrize("kind", ("textured", "flat", "half"))
def test_in_float32_as_exact_as_the_form_to_read(kind):
    a, b, shift = (x.double() for x in views(kind, height=48, width=64, dtype=torch.float32))

    def run(of, dtype):
        leaf = shift.clone().to(dtype).detach().requires_grad_()
        of(a.to(dtype), b.to(dtype), leaf).backward()
        return leaf.grad.double()

    def fast(a, b, s):
        return PixelPair(a, b).warped_mean(s, None, None)[0]

    def plain(a, b, s):
        return photometric_error_plain(a, warp_horizontal(b, s)).mean()

    # a position that rounding moves over a pixel has the other neighbour's slope, so these are left out
    settled = (shift - shift.round()).abs() > 1e-3
    truth = run(plain, torch.float64)[settled]
    errors = {f.__name__: (run(f, torch.float32)[settled] - truth).norm() / truth.norm() for f in (fast, plain)}
    assert errors["fast"] <= errors["plain"] and errors["fast"] < 1e-4


def test_identity_error_is_the_photometric_error():
    a, b, _ = views()
    torch.testing.assert_close(PixelPair(a, b).identity_error(), photometric_error(a, b))
    assert torch.equal(PixelPair(a, a.clone()).identity_error(), torch.zeros(3, 1, 11, 17, dtype=torch.float64))


@pytest.mark.parametrize("count", (1, 2 * 3 * 11 * 17, 10**9))
def test_blocks_change_nothing(count, monkeypatch):
    a, b, shift = views()
    whole = both_forms(replace(LOSS, auto_mask=True), a, b, shift)[1]
    monkeypatch.setattr(warped_pixels, "BLOCK_VALUES", count)
    assert len(PixelPair(a, b).blocks()) == {1: 3, 2 * 3 * 11 * 17: 2, 10**9: 1}[count]
    torch.testing.assert_close(both_forms(replace(LOSS, auto_mask=True), a, b, shift)[1], whole)


def test_nothing_kept_is_zero_without_gradient():
    a, b, shift = views()
    value, kept = PixelPair(a, b).warped_mean(shift.requires_grad_(), None, torch.zeros_like(shift, dtype=torch.bool))
    value.backward()
    assert value == 0 and kept == 0 and shift.grad.abs().max() == 0


def test_nan_shift_ends_in_a_nan_loss_not_in_a_wild_index():
    a, b, shift = views()
    shift[0, 0, 3, 3] = float("nan")
    assert PixelPair(a, b).warped_mean(shift, None, None)[0].isnan()


def test_without_gradient_the_value_is_the_same():
    a, b, shift = views()
    with torch.no_grad():
        quiet = PixelPair(a, b).warped_mean(shift, None, None)[0]
    assert not quiet.requires_grad
    assert quiet == PixelPair(a, b).warped_mean(shift.requires_grad_(), None, None)[0]


def test_errors_name_the_shapes():
    with pytest.raises(ValueError, match=r"\(1, 3, 4, 4\) and \(1, 3, 4, 5\)"):
        PixelPair(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))
    with pytest.raises(ValueError, match=r"at least 2.*\(1, 3, 1, 4\)"):
        PixelPair(torch.zeros(1, 3, 1, 4), torch.zeros(1, 3, 1, 4))
