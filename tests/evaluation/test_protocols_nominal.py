"""Checkpoints with a pretended baseline: x5.4 is one unit = 5.4 metres, by the kit's one conversion."""

import numpy as np
import pytest
import torch
from torch import nn

from lowtex.datasets.sample import StereoSample
from lowtex.evaluation.evaluate import evaluate, predict
from lowtex.evaluation.protocols import PROTOCOLS
from lowtex.geometry import COMMUNITY_KITTI_SCALE, StereoRig
from lowtex.networks import DepthNet
from lowtex_lab.notebook.helpers import show

SIZE = (32, 64)
# the colour cameras of 2011_09_26
KITTI = StereoRig(721.5377, 0.5327, cx=609.0, cy=172.0, width=1242, height=375).resized(SIZE[1], SIZE[0])
SIGMOID = 0.002 + 0.05 * torch.rand(1, 1, *SIZE, generator=torch.Generator().manual_seed(1)).double()
MIRRORED = 0.002 + 0.05 * torch.rand(1, 1, *SIZE, generator=torch.Generator().manual_seed(2)).double()
TRUTH = 2 + 70 * torch.rand(1, *SIZE, generator=torch.Generator().manual_seed(3))


def make_sample(name="drive/0/l", rig=KITTI):
    image = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0))
    return StereoSample(image, rig, name, depth=TRUTH)


def sigmoids(image):
    """The decoder of a network with known outputs, for the sample's image and for its mirror image."""
    return [SIGMOID if torch.equal(image[0], make_sample().image) else MIRRORED]


def network(**options):
    return DepthNet(nn.Identity(), sigmoids, **options)


def formula(factor, sigmoid=SIGMOID):
    """Monodepth2: disp = 1/100 + (1/0.1 - 1/100) s, depth = 1/disp, then the factor; numpy ``(H, W)``."""
    return factor / (0.01 + 9.99 * sigmoid[0, 0].numpy())


def abs_rel(depth):
    truth = TRUTH[0].double().numpy()
    return np.mean(np.abs(truth - np.clip(depth, 1e-3, 80)) / truth)


@pytest.mark.parametrize(
    "meaning",
    [{}, {"metres_per_unit": 5.0}, {"metres_per_unit": 1.0}, {"metres_per_unit": 2.09, "reference_focal": 1.1}],
)
def test_units_times_5_4_whatever_the_network_says_of_metres(meaning):
    result = evaluate(network(**meaning), [make_sample()], "improved", scaling="x5.4")
    row = result.per_image.iloc[0]
    assert row["abs_rel"] == pytest.approx(abs_rel(formula(5.4)), rel=1e-9)
    assert row["scale"] == pytest.approx(COMMUNITY_KITTI_SCALE, rel=1e-12)


def test_without_it_the_rig_gives_the_metres():
    row = evaluate(network(), [make_sample()], "improved").per_image.iloc[0]
    assert row["abs_rel"] == pytest.approx(abs_rel(formula(0.5327 / 0.1)), rel=1e-6)
    assert row["abs_rel"] != pytest.approx(abs_rel(formula(5.4)), rel=1e-3), "1.4 % apart, and seen"


def test_flipping_is_done_in_units_too():
    inverse = predict(network(), [make_sample()], flip=True, units=True)[0]
    a, b = 1 / formula(1.0), (1 / formula(1.0, MIRRORED))[:, ::-1]
    middle = slice(10, -10)
    assert inverse[:, middle] == pytest.approx((0.5 * (a + b))[:, middle], rel=1e-12)
    row = evaluate(network(), [make_sample()], "improved", scaling="x5.4", flip=True).per_image.iloc[0]
    assert row["abs_rel"] == pytest.approx(abs_rel(5.4 / inverse), rel=1e-9)


def test_pictures_show_the_same_metres():
    class One(list):
        names, split = ["drive/0/l"], "x"

    changed = PROTOCOLS["improved"].changed(scaling="x5.4")
    for depth in (TRUTH, None):
        sample = make_sample()
        sample.depth = depth
        [map_m] = show({"m": network(metres_per_unit=9.0)}, One([sample]), One.names, changed).predictions["m"]
        assert map_m == pytest.approx(np.clip(formula(5.4), 1e-3, 80), rel=1e-9)
