"""Checkpoints with a pretended baseline: x5.4 is one unit = 5.4 metres, by the kit's one conversion."""

import numpy as np
import pytest
import torch
from torch import nn

from lowtex.datasets.sample import StereoSample
from lowtex.evaluation.evaluate import evaluate
from lowtex.evaluation.protocols import PROTOCOLS
from lowtex.geometry import COMMUNITY_KITTI_SCALE, StereoRig
from lowtex.networks import DepthNet
from lowtex_lab.notebook.helpers import show

SIZE = (32, 64)
# the colour cameras of 2011_09_26
KITTI = StereoRig(721.5377, 0.5327, cx=609.0, cy=172.0, width=1242, height=375).resized(SIZE[1], SIZE[0])
SIGMOID = 0.002 + 0.05 * torch.rand(1, 1, *SIZE, generator=torch.Generator().manual_seed(1)).double()
TRUTH = 2 + 70 * torch.rand(1, *SIZE, generator=torch.Generator().manual_seed(3))


def make_sample(depth=TRUTH):
    return StereoSample(torch.zeros(3, *SIZE), KITTI, "drive/0/l", depth=depth)


def network(**options):
    """A network with known outputs."""
    return DepthNet(nn.Identity(), lambda maps: [SIGMOID], **options)


# Monodepth2: disp = 1/100 + (1/0.1 - 1/100) s, depth = 1/disp, then the factor
BY_FORMULA = np.clip(5.4 / (0.01 + 9.99 * SIGMOID[0, 0].numpy()), 1e-3, 80)


@pytest.mark.parametrize("meaning", [{}, {"metres_per_unit": 5.0}, {"metres_per_unit": 2.09, "reference_focal": 1.1}])
def test_units_times_5_4_whatever_the_network_says_of_metres(meaning):
    result = evaluate(network(**meaning), [make_sample()], "improved", scaling="x5.4")
    row = result.per_image.iloc[0]
    truth = TRUTH[0].double().numpy()
    assert row["abs_rel"] == pytest.approx(np.mean(np.abs(truth - BY_FORMULA) / truth), rel=1e-9)
    assert row["scale"] == pytest.approx(COMMUNITY_KITTI_SCALE, rel=1e-12)


def test_pictures_show_the_same_metres():
    class One(list):
        names, split = ["drive/0/l"], "x"

    changed = PROTOCOLS["improved"].changed(scaling="x5.4")
    for depth in (TRUTH, None):
        shown = show({"m": network(metres_per_unit=9.0)}, One([make_sample(depth)]), One.names, changed)
        [map_m] = shown.predictions["m"]
        assert map_m == pytest.approx(BY_FORMULA, rel=1e-9)
