"""The depth network: what a sigmoid value means, in metres and in pixels, and that it runs everywhere."""

import pytest
import torch
from torch import nn

from lowtex.errors import OptionError
from lowtex.geometry import COMMUNITY_KITTI_SCALE, StereoRig, depth_to_disparity
from lowtex.networks import DepthNet, IResNetEncoder, NestedDecoder, ResNetEncoder, UNetDecoder, build_depth_net
from lowtex.settings import NetworkSettings

RIG = StereoRig(focal_px=200.0, baseline_m=0.5, cx=160.0, cy=48.0, width=320, height=96)
PAIRS = (("resnet", "unet"), ("iresnet", "nested"))


def meaning(**options):
    """A network of which only the meaning of its output is looked at."""
    return DepthNet(nn.Identity(), nn.Identity(), **options)


def network(encoder="iresnet", decoder="nested", **options):
    return build_depth_net(NetworkSettings(encoder=encoder, decoder=decoder, depth=18, width=0.125, **options))


def values(*numbers):
    return torch.tensor(numbers, dtype=torch.float64).reshape(1, 1, 1, -1)


def test_ends_of_the_range():
    net = meaning(min_depth=0.1, max_depth=100.0, metres_per_unit=5.0)
    assert net.scaled_disparity(values(0.0, 1.0)).flatten().tolist() == pytest.approx([0.01, 10.0])
    assert net.metric_depth(values(0.0, 1.0), RIG).flatten().tolist() == pytest.approx([500.0, 0.5])
    # halfway in disparity: 1 / (0.01 + 0.5 * 9.99) units
    assert net.metric_depth(values(0.5), RIG).item() == pytest.approx(5.0 / 5.005)


def test_without_a_fixed_unit_the_baseline_sets_it():
    net = meaning()
    units = 1 / net.scaled_disparity(values(0.3))
    assert net.metric_depth(values(0.3), RIG).item() == pytest.approx(units.item() * 0.5 / 0.1)
    kitti = StereoRig(focal_px=721.5, baseline_m=0.54)
    assert net.metric_depth(values(0.3), kitti).item() == pytest.approx(units.item() * COMMUNITY_KITTI_SCALE)


def test_a_smaller_nominal_baseline_reaches_less_far_at_the_same_scale():
    usual, small = meaning(), meaning(nominal_baseline=0.015)
    assert small.shift_px(values(1.0), RIG).item() == pytest.approx(0.15 * usual.shift_px(values(1.0), RIG).item())
    assert small.metric_depth(values(1.0), RIG).item() == pytest.approx(RIG.baseline_m / 0.015 * 0.1)


def test_a_fixed_unit_ignores_the_baseline_and_a_reference_focal_follows_the_lens():
    wide = StereoRig(focal_px=200.0, baseline_m=1.7, width=320, height=96)
    net = meaning(metres_per_unit=4.0)
    assert torch.equal(net.metric_depth(values(0.2), RIG), net.metric_depth(values(0.2), wide))
    net.reference_focal = 200.0 / 320.0
    torch.testing.assert_close(net.metric_depth(values(0.2), RIG), 4.0 / net.scaled_disparity(values(0.2)))
    longer = StereoRig(focal_px=400.0, baseline_m=0.5, width=320, height=96)
    torch.testing.assert_close(net.metric_depth(values(0.2), longer), 8.0 / net.scaled_disparity(values(0.2)))
    # resizing the image changes neither focal / width nor the depth
    torch.testing.assert_close(
        net.metric_depth(values(0.2), longer.resized(640, 192)), net.metric_depth(values(0.2), longer)
    )
    with pytest.raises(ValueError, match="image width"):
        net.metric_depth(values(0.2), StereoRig(focal_px=200.0, baseline_m=0.5))


@pytest.mark.parametrize("unit, focal", ((None, None), (4.0, None), (4.0, 0.7)))
@pytest.mark.parametrize("offset", (0.0, 3.5))
def test_shift_is_the_disparity_of_the_depth(unit, focal, offset):
    net = meaning(metres_per_unit=unit, reference_focal=focal)
    one = StereoRig(focal_px=200.0, baseline_m=0.5, width=320, height=96, cx_offset_px=offset)
    two = StereoRig(focal_px=310.0, baseline_m=0.3, width=640, height=96, cx_offset_px=offset)
    sigmoid = torch.rand(2, 1, 3, 4, dtype=torch.float64)
    stacked = StereoRig.stack([one, two])
    torch.testing.assert_close(
        net.shift_px(sigmoid, stacked), depth_to_disparity(net.metric_depth(sigmoid, stacked), stacked)
    )
    for i, rig in enumerate((one, two)):
        alone = net.shift_px(sigmoid[i : i + 1], rig)
        torch.testing.assert_close(net.shift_px(sigmoid, stacked)[i : i + 1], alone, rtol=1e-6, atol=1e-6)


def test_shift_by_hand_and_its_gradient():
    net = meaning(metres_per_unit=2.0)
    # s = 0: 100 units = 200 m; 200 px * 0.5 m / 200 m = half a pixel
    assert net.shift_px(values(0.0), RIG).item() == pytest.approx(0.5)
    sigmoid = torch.rand(1, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: net.shift_px(s, RIG), (sigmoid,))
    assert torch.autograd.gradcheck(lambda s: net.metric_depth(s, RIG), (sigmoid,))


def test_depth_takes_the_finest_output():
    outputs = [torch.full((1, 1, 96 >> k, 320 >> k), 0.1 * (k + 1)) for k in range(4)]
    net = DepthNet(nn.Identity(), lambda maps: outputs, metres_per_unit=1.0)
    depth = net.depth(torch.rand(1, 3, 96, 320), RIG)
    assert depth.shape == (1, 1, 96, 320)
    torch.testing.assert_close(depth, torch.full_like(depth, 1 / (0.01 + 9.99 * 0.1)))


def test_bad_ranges_are_refused():
    for options in ({"min_depth": 0.0}, {"min_depth": 5.0, "max_depth": 5.0}):
        with pytest.raises(OptionError, match="min_depth"):
            meaning(**options)
    with pytest.raises(OptionError, match="metres_per_unit"):
        meaning(metres_per_unit=-1.0)
    with pytest.raises(OptionError, match="reference_focal"):
        meaning(reference_focal=float("inf"))


@pytest.mark.parametrize("encoder, decoder", PAIRS)
def test_export_gives_the_same_outputs(encoder, decoder):
    net, image = network(encoder, decoder, squeeze_excite=True).eval(), torch.rand(2, 3, 64, 96)
    batch = torch.export.Dim("batch", min=1, max=16)
    exported = torch.export.export(net, (image,), dynamic_shapes={"image": {0: batch}}).module()
    for images in (image, torch.rand(1, 3, 64, 96)):
        with torch.no_grad():
            for a, b in zip(exported(images), net(images), strict=True):
                torch.testing.assert_close(a, b)


def test_settings_reach_the_network():
    net = network("iresnet", "nested", rectify_after_start=True, projection="stride", squeeze_excite=True)
    assert isinstance(net.encoder, IResNetEncoder) and isinstance(net.decoder, NestedDecoder)
    assert (net.encoder.rectify_after_start, net.encoder.projection) == (True, "stride")
    assert type(net.decoder.rows[0][3]).__name__ == "GatedNode"
    net = network(
        "resnet", "unet", min_depth=0.5, max_depth=50.0, metres_per_unit=3.0, initial_bias=0.0, pretrained="gone.pth"
    )
    assert isinstance(net.encoder, ResNetEncoder) and isinstance(net.decoder, UNetDecoder)
    assert (net.min_depth, net.max_depth, net.metres_per_unit) == (0.5, 50.0, 3.0)
    assert net.decoder.heads[0].conv.bias.item() == 0.0
    assert net.encoder.channels == [8, 8, 16, 32, 64]
