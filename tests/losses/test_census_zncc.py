"""Census and ZNCC: values by hand, what they forget, flat patches, gradients, and their place in the objective."""

import math

import pytest
import torch
from stereo_world import LinearNetwork, constant_outputs, make_batch, two_images

from lowtex.errors import OptionError
from lowtex.geometry import warp_horizontal
from lowtex.losses import StereoObjective, census_error, photometric_error, zncc_error
from lowtex.losses.census_zncc import CENSUS_SOFTNESS, WINDOWS, ZNCC_NOISE
from lowtex.settings import LossSettings

ERRORS = [census_error, zncc_error]
N = ZNCC_NOISE**2


def soft(difference):
    return difference / math.sqrt(difference**2 + CENSUS_SOFTNESS**2)


def robust(first, second):
    squared = (soft(first) - soft(second)) ** 2
    return squared / (0.1 + squared)


def test_census_is_the_literal_formula_for_every_window():
    a, b = two_images(1, 2, 6, 5)
    for window in WINDOWS:
        reach = window // 2
        expected = torch.zeros(6, 5, dtype=torch.float64)
        for y in range(6):
            for x in range(5):
                found = [
                    robust((a[0, c, v, u] - a[0, c, y, x]).item(), (b[0, c, v, u] - b[0, c, y, x]).item())
                    for c in range(2)
                    for v in range(max(0, y - reach), min(6, y + reach + 1))
                    for u in range(max(0, x - reach), min(5, x + reach + 1))
                    if (v, u) != (y, x)
                ]
                expected[y, x] = sum(found) / len(found)
        torch.testing.assert_close(census_error(a, b, window)[0, 0], expected)


def test_zncc_is_the_literal_formula_with_windows_cut_at_the_border():
    a, b = two_images(2, 3, 6, 8)
    for window in WINDOWS:
        reach, found = window // 2, torch.zeros(2, 1, 6, 8, dtype=torch.float64)
        for y in range(6):
            for x in range(8):
                window_of = (..., slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1))
                pa, pb = (i[window_of] - i[window_of].mean((2, 3), keepdim=True) for i in (a, b))
                cov, va, vb = ((p * q).mean((2, 3)) for p, q in ((pa, pb), (pa, pa), (pb, pb)))
                r = (cov + N) / ((va + N) * (vb + N)).sqrt()
                found[..., 0, y, x] = ((1 - r) / 2).mean(1)
        torch.testing.assert_close(zncc_error(a, b, window), found)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("error", ERRORS)
def test_equal_images_give_exactly_zero_and_all_values_lie_in_the_unit_interval(error, window):
    a, b = two_images(2, 3, 9, 11, dtype=torch.float32)
    assert torch.equal(error(a, a.clone(), window), torch.zeros(2, 1, 9, 11))
    values = error(a.round(), b, window)
    assert values.shape == (2, 1, 9, 11) and 0.1 < values.min() and values.max() <= 1
    torch.testing.assert_close(error(a, b, window), error(b, a, window))


@pytest.mark.parametrize("error", ERRORS)
def test_an_offset_of_one_image_changes_nothing_and_a_gain_little(error):
    a, b = two_images(1, 3, 16, 20)
    torch.testing.assert_close(error(a, b + 0.3), error(a, b), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(error(a, a - 0.2), torch.zeros(1, 1, 16, 20, dtype=torch.float64), rtol=0, atol=1e-12)
    assert (error(a, 0.5 * b) - error(a, b)).abs().max() < 0.03
    changed = error(a, 0.5 * a + 0.1).mean()
    assert changed < 0.01 and photometric_error(a, 0.5 * a + 0.1).mean() > 15 * changed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("error", ERRORS)
def test_flat_patches_are_alike_whatever_their_brightness_and_have_no_gradient(error, dtype):
    a, b = torch.full((1, 3, 9, 9), 0.7, dtype=dtype), torch.full((1, 3, 9, 9), 0.2, dtype=dtype).requires_grad_()
    values = error(a, b)
    values.sum().backward()
    # the largest gradient there can be is about 1 / noise = 255
    assert torch.equal(values, torch.zeros_like(values)) and b.grad.abs().max() < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("error", ERRORS)
def test_a_flat_patch_against_a_textured_one_is_finite(error, dtype):
    a, b = two_images(1, 3, 24, 24, dtype=dtype)
    a = a.clone()
    a[..., :12] = 0.4
    b = b.clone()
    b[..., 6:12] = 0.9
    b.requires_grad_()
    values = error(a, b)
    values.sum().backward()
    assert values.isfinite().all() and b.grad.isfinite().all()
    # columns 9 .. 11 of both are flat, but windows that hold them see texture; a shift of the flat part finds none
    shift = torch.zeros(1, 1, 24, 24, dtype=dtype, requires_grad=True)
    error(a, warp_horizontal(b.detach(), shift)).sum().backward()
    assert shift.grad.isfinite().all() and shift.grad[..., 8:11].abs().max() == 0 and shift.grad.abs().max() > 0


def test_zncc_of_a_faint_texture_on_a_bright_ground_keeps_its_digits():
    a, b = (0.9 + 4e-3 * image for image in two_images(1, 3, 24, 32, dtype=torch.float32))
    torch.testing.assert_close(zncc_error(a, b).double(), zncc_error(a.double(), b.double()), rtol=0, atol=2e-3)


@pytest.mark.parametrize("window", [3, 7])
def test_gradcheck_in_both_images(window):
    a, b = (image.requires_grad_() for image in two_images(1, 2, 4, 5))
    assert torch.autograd.gradcheck(lambda a, b: census_error(a, b, window, softness=0.3), (a, b))
    assert torch.autograd.gradcheck(lambda a, b: zncc_error(a, b, window), (a, b))
    assert torch.autograd.gradcheck(lambda b: census_error(a.detach(), b, window, softness=0.3), (b,))


@pytest.mark.parametrize("error", ERRORS)
def test_a_window_that_is_not_known_is_refused(error):
    with pytest.raises(OptionError, match="window=4"):
        error(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), 4)


@pytest.mark.parametrize("kind", ["census", "zncc"])
def test_the_pixel_term_takes_the_error_and_the_window_that_are_set(kind):
    batch, outputs = make_batch([3]), constant_outputs(5)
    error = {"census": census_error, "zncc": zncc_error}[kind]
    for window in (3, 7):
        loss = LossSettings("pixels", smooth_first=0.0, smooth_second=0.0, pixel_error=kind, pixel_window=window)
        total, terms = StereoObjective(loss)(LinearNetwork(), outputs, batch)
        shift = torch.full((1, 1, 32, 64), 5.0)
        expected = error(batch.image, warp_horizontal(batch.other, shift), window).mean()
        torch.testing.assert_close(total, expected)
        assert terms["pixel"] == total.detach()
