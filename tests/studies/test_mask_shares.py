"""What the auto-mask leaves out, on pairs made by hand."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import StereoRig, warp_horizontal
from lowtex.seeding import generator
from lowtex_lab.studies.diagnostics.mask_shares import ignored, measure

SIZE = (16, 64)
RIG = StereoRig(focal_px=40.0, baseline_m=0.5, width=SIZE[1], height=SIZE[0])
"""A depth of 5 m is a disparity of 4 px."""


def made_pair(texture: float, direction: float = 1.0) -> StereoSample:
    """A wall 5 m away, of grey with that much random texture; left or right view is the target."""
    other = 0.5 + texture * torch.randn((1, 3, *SIZE), generator=generator(0, "mask"))
    image = warp_horizontal(other, torch.full((1, 1, *SIZE), 4.0 * direction))
    return StereoSample(image=image[0], other=other[0], rig=RIG, direction=direction, name="drive/00000/l")


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_the_right_depth_of_a_textured_wall_is_kept_and_a_wrong_one_dropped(direction):
    sample = made_pair(0.1, direction)
    assert not ignored(sample, torch.full((1, 1, *SIZE), 5.0))[:, 8:-8].any()
    assert ignored(sample, torch.full((1, 1, *SIZE), 1.7))[:, 20:-20].mean() > 0.3
    # equal errors pass the mask; any noise then decides, which is what makes plain pixels come and go
    assert not ignored(made_pair(0.0, direction), torch.full((1, 1, *SIZE), 5.0)).any()


def test_a_single_view_is_refused():
    with pytest.raises(ValueError, match="drive/00000/l has no second view"):
        ignored(replace(made_pair(0.1), other=None), torch.ones(1, 1, *SIZE))


def test_measure_counts_what_has_depth_and_a_match(written):
    flat = SimpleNamespace(depth=lambda image, rig: torch.full((len(image), 1, *image.shape[-2:]), 20.0))
    frame = measure(flat, written, (48, 160))
    assert set(frame["stratum_kind"]) == {"known"} and frame["ignored"].between(0, 1).all()
    parts = frame.groupby(["image", frame["stratum"] == "all"])["pixels"].sum().unstack()
    assert (parts[True] == parts[False]).all() and (parts[True] < 48 * 160).all(), "the sky is left out"
