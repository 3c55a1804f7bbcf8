"""Error volumes, gradients and places, on cases whose answer is known."""

import numpy as np
import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import StereoRig
from lowtex.losses import photometric_error
from lowtex.networks import FeatureNet, build_depth_net
from lowtex.seeding import generator
from lowtex.settings import NetworkSettings
from lowtex_lab.studies.loss_analysis.error_terms import error_terms
from lowtex_lab.studies.loss_analysis.landscape import (
    curves_at,
    deepest_places,
    error_gradient,
    error_volume,
    mean_by_stratum,
    reach_px,
    seen_by_both,
    texture_regions,
    true_disparity_px,
    true_outputs,
    with_contrast,
)

SHIFT = 4
PIXELS = error_terms()["pixels"]


def shifted_pair(direction: float = 1.0, contrast: float = 1.0) -> StereoSample:
    """A pair whose disparity is 4 px everywhere, smooth enough that the error has one basin."""
    noise = torch.rand(1, 3, 8, 24, generator=generator(0, "landscape"))
    wide = torch.nn.functional.interpolate(noise, (32, 96), mode="bicubic", align_corners=False).clamp(0, 1)[0]
    wide = 0.5 + contrast * (wide - 0.5)
    rig = StereoRig(focal_px=40.0, baseline_m=0.5, width=64, height=32)
    left, right = wide[:, :, 16 - SHIFT : 80 - SHIFT], wide[:, :, 16:80]
    pair = (left, right) if direction > 0 else (right, left)
    depth = torch.full((1, 32, 64), 40.0 * 0.5 / SHIFT)
    return StereoSample(image=pair[0], other=pair[1], rig=rig, name="made", direction=direction, depth=depth)


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_volume_is_smallest_at_the_true_disparity(direction):
    sample = shifted_pair(direction)
    tried = list(range(0, 9))
    for term in error_terms(FeatureNet(18, 0.125).freeze()).values():
        volume = error_volume(sample, tried, term)
        assert volume.shape == (9, 32, 64)
        assert volume[:, 8:-8, 16:-16].mean((1, 2)).argmin() == SHIFT
    assert torch.allclose(true_disparity_px(sample), torch.tensor(float(SHIFT)))
    assert error_volume(sample, tried, PIXELS)[SHIFT, 4:-4, 12:-12].max() < 1e-6


def test_volume_entry_equals_the_loss_itself():
    sample = shifted_pair()
    moved = torch.cat([sample.other[..., :1].expand(-1, -1, 2), sample.other[..., :-2]], dim=-1)
    expected = photometric_error(sample.image[None], moved[None])[0, 0]
    assert torch.allclose(error_volume(sample, [2], PIXELS)[0], expected, atol=1e-6)


def test_gradient_is_that_of_the_sum_and_points_to_the_truth():
    sample = shifted_pair()
    at = torch.full((32, 64), SHIFT + 0.6)
    inner = (slice(4, -4), slice(12, -12))
    step = 1e-2
    for name, term in error_terms(FeatureNet(18, 0.125).freeze()).items():
        gradient = error_gradient(sample, at, term)
        assert gradient[inner].mean() > 0, name
        assert error_gradient(sample, at - 1.2, term)[inner].mean() < 0, name
        sums = [float(error_volume(sample, [SHIFT + 0.6 + e], term).double().sum()) for e in (-step, step)]
        # terms of half-size maps too: a place counts for the four pixels it stands for
        assert float(gradient.double().sum()) == pytest.approx((sums[1] - sums[0]) / (2 * step), rel=2e-2), name


def test_gradient_is_by_disparity_whichever_view_is_the_target():
    at = torch.full((32, 64), SHIFT + 0.6)
    for direction in (1.0, -1.0):
        assert error_gradient(shifted_pair(direction), at, PIXELS)[4:-4, 12:-12].mean() > 0


def test_plain_wall_has_no_gradient():
    flat = shifted_pair(contrast=0.0)
    at = torch.full((32, 64), 2.5)
    net = FeatureNet(18, 0.125, padding_mode="replicate").freeze()
    for name, term in error_terms(net, net).items():
        assert error_gradient(flat, at, term).abs().max() < 1e-5, name


def test_what_is_missing_is_named():
    bare = shifted_pair()
    bare.other = bare.depth = None
    with pytest.raises(ValueError, match="second view"):
        error_volume(bare, [1.0], PIXELS)
    with pytest.raises(ValueError, match="ground-truth"):
        true_disparity_px(bare)


def test_seen_by_both_leaves_out_what_the_other_camera_cannot_see():
    sample = shifted_pair()
    seen = seen_by_both(sample)
    assert not seen[:, :SHIFT].any() and seen[:, SHIFT:].all()
    sample.visible = torch.ones(1, 32, 64, dtype=torch.bool)
    sample.visible[0, 3, 40] = False
    sample.depth[0, 5, 41] = 0.0
    assert (seen & ~seen_by_both(sample)).sum() == 2


def test_contrast_shrinks_round_the_mean():
    sample = shifted_pair()
    faint = with_contrast(sample, 0.1)
    assert torch.allclose(faint.image.std((1, 2)), 0.1 * sample.image.std((1, 2)), rtol=1e-4)
    assert torch.allclose(faint.image.mean((1, 2)), sample.image.mean((1, 2)), atol=1e-6)
    assert torch.allclose(with_contrast(sample, 1.0).other, sample.other, atol=1e-6)
    noisy = with_contrast(sample, 0.0, noise=0.02)
    assert noisy.image.std((1, 2)).mean() == pytest.approx(0.02, rel=0.1)
    both = torch.stack([noisy.image[0].flatten(), noisy.other[0].flatten()])
    assert torch.corrcoef(both)[0, 1].abs() < 0.05, "the views get noise of their own"
    assert torch.equal(noisy.image, with_contrast(sample, 0.0, noise=0.02).image)


def test_tables_of_a_made_volume():
    tried = [0.0, 1.0, 2.0, 3.0]
    truth = torch.tensor([[1.0, 2.0], [torch.nan, 2.0]])
    volume = (torch.tensor(tried)[:, None, None] - torch.tensor([[1.0, 0.0], [0.0, 2.0]])).abs()
    masks = {"top": np.array([[True, True], [False, False]]), "none": np.zeros((2, 2), bool)}
    curves = curves_at({"made": volume}, tried, truth, {"corner": (1, 0)})
    assert curves["value"].tolist() == [0.0, 1.0, 2.0, 3.0] and set(curves["truth_px"]) == {2.0}
    assert set(curves["place"]) == {"corner (1, 0)"}
    means = mean_by_stratum({"truth": truth}, masks)
    assert means.to_dict("records") == [{"stratum": "top", "truth": 1.5, "count": 2}]


def test_deepest_place_is_the_middle_of_a_square():
    mask = np.zeros((9, 12), bool)
    mask[1:6, 4:9] = True
    assert deepest_places({"square": mask, "empty": np.zeros((9, 12), bool)}) == {"square": (6, 3)}


def test_regions_are_known_contrast_inside_what_both_cameras_see():
    sample = shifted_pair()
    sample.texture_contrast = torch.full((1, 32, 64), 0.1)
    sample.texture_contrast[0, :, 20:40] = 0.0
    sample.depth[0, :, 50:] /= 4
    regions = texture_regions(sample, margin_px=2)
    assert regions["low"][:, 20:40].all() and regions["low"].sum() == 32 * 20 and not regions["middle"].any()
    # columns 0-3 are out of view, and the depth edge between 49 and 50 keeps its distance
    assert not regions["high"][:, :SHIFT].any() and not regions["high"][:, 48:52].any()
    assert regions["high"][:, SHIFT:20].all()
    assert reach_px(regions["low"]) == 10 and reach_px(regions["middle"]) == 0
    sample.texture_contrast = None
    assert texture_regions(sample)["high"].any()


def test_true_outputs_give_the_true_shift_back():
    sample = shifted_pair()
    network = build_depth_net(NetworkSettings(encoder="resnet", decoder="unet", depth=18, width=0.125))
    like = [torch.zeros(1, 1, 32 // 2**k, 64 // 2**k) for k in range(4)]
    outputs = true_outputs(network, true_disparity_px(sample), sample.rig, like)
    assert [o.shape for o in outputs] == [o.shape for o in like]
    for output in outputs:
        assert torch.allclose(network.shift_px(output, sample.rig), torch.tensor(float(SHIFT)), atol=1e-4)
