"""The gradient that each data term sends to a pixel's disparity, against finite differences and known directions."""

import numpy as np
import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.errors import OptionError
from lowtex.geometry import StereoRig, warp_horizontal
from lowtex.losses import photometric_error
from lowtex_lab.studies.loss_analysis.error_terms import error_terms
from lowtex_lab.studies.loss_analysis.loss_gradients import (
    disparity_gradients,
    gradients_by_contrast,
    gradients_by_texture,
)


class Grey(torch.nn.Module):
    """A feature map that is the image at half its size."""

    def lowest(self, image):
        return torch.nn.functional.avg_pool2d(image, 2)


def sample(direction=1.0, contrast=None):
    """A wall 12 px of disparity away, a smooth wave on it, so that a small error has a clear downhill side."""
    rig = StereoRig(focal_px=60.0, baseline_m=1.0, width=96, height=32)
    x = torch.arange(96, dtype=torch.float32).expand(1, 3, 32, 96)
    image = 0.5 + 0.3 * torch.sin(x / 6)
    other = warp_horizontal(image, torch.full((1, 1, 32, 96), -direction * 12.0))
    depth = torch.full((1, 32, 96), 60.0 / 12.0)
    contrast = torch.full((1, 32, 96), 0.1) if contrast is None else contrast
    return StereoSample(image[0], rig, "d/0/l", other[0], direction, depth, contrast)


@pytest.mark.parametrize("direction", [1.0, -1.0])
@pytest.mark.parametrize("offset", [-1.0, 1.0])
def test_descent_leads_back_to_the_truth(direction, offset):
    found = disparity_gradients(sample(direction), offset, Grey())
    # away from the borders, which repeat
    inner = found["judged"].clone()
    inner[:, :24], inner[:, -24:] = False, False
    assert inner.any()
    for loss in ("pixels", "features"):
        right = (torch.sign(found[loss]) == np.sign(offset))[inner].float().mean()
        assert right > 0.7, f"{loss}: {right:.0%}"


def test_against_a_finite_difference():
    one = sample()
    # between two pixels: on one, linear interpolation has a kink
    found = disparity_gradients(one, 1.3, Grey())["pixels"]
    image, other = one.image[None].double(), one.other[None].double()
    shift = torch.full((1, 1, 32, 96), 13.3, dtype=torch.float64)

    def total(step):
        moved = shift.clone()
        moved[..., 16, 50] += step
        return float(photometric_error(image, warp_horizontal(other, moved)).sum())

    assert float(found[16, 50]) == pytest.approx((total(1e-4) - total(-1e-4)) / 2e-4, rel=1e-3)


def test_hidden_and_unknown_pixels_are_not_judged():
    one = sample()
    one.visible = torch.ones(1, 32, 96, dtype=torch.bool)
    one.visible[:, 10] = False
    one.depth[:, 20] = 0
    judged = disparity_gradients(one, 1.0, Grey())["judged"]
    assert not judged[10].any() and not judged[20].any() and judged[15, 40:].all()
    assert not judged[:, :12].any(), "their match lies outside the other image"
    with pytest.raises(ValueError, match="second view"):
        disparity_gradients(StereoSample(one.image, one.rig, "d/0/l", depth=one.depth), 1.0, Grey())


def test_table_and_figure():
    contrast = torch.full((1, 32, 96), 0.1)
    contrast[:, :16] = 0.0
    one = sample(contrast=contrast)
    one.image[:, :16], one.other[:, :16] = 0.5, 0.5
    table = gradients_by_texture([one, one], Grey(), (-1.0, 1.0), kind="known")
    by = table.set_index(["loss", "stratum"])
    assert by.loc[("pixels", "all"), "magnitude"] == pytest.approx(1.0) and (table["images"] == 2).all()
    # a wall without any texture: nothing pulls, and nothing has a direction
    assert by.loc[("pixels", "low"), "magnitude"] < 0.2 and by.loc[("pixels", "low"), "toward"] == pytest.approx(
        0.5, abs=0.15
    )
    assert by.loc[("features", "high"), "toward"] > 0.7 and np.isnan(by.loc[("features", "low"), "kept"])
    parts = table[(table["loss"] == "pixels") & (table["stratum"] != "all")]
    assert parts["pixels"].sum() == by.loc[("pixels", "all"), "pixels"]
    with pytest.raises(ValueError, match="at least one sample"):
        gradients_by_texture([], Grey())


def test_any_number_of_terms():
    terms = error_terms(Grey(), Grey())
    one = sample()
    found = disparity_gradients(one, 1.3, terms=terms)
    assert set(found) == {*terms, "kept", "judged"}
    # the two standard ones are the same whoever asks
    standard = disparity_gradients(one, 1.3, Grey())
    assert set(standard) == {"pixels", "features", "kept", "judged"}
    assert all(torch.equal(standard[name], found[name]) for name in standard)
    table = gradients_by_texture([one], offsets_px=(-1.0, 1.0), kind="known", terms=terms)
    assert list(table["loss"].unique()) == list(terms)
    by = table.set_index(["loss", "stratum"])
    assert all(by.loc[(name, "all"), "magnitude"] == pytest.approx(1.0) for name in terms)
    with pytest.raises(OptionError, match="give a feature_net"):
        disparity_gradients(one, 1.0)


def test_what_shrinking_contrast_leaves_of_a_pull():
    terms = error_terms(Grey(), names=["pixels", "features", "zncc"])
    table = gradients_by_contrast([sample(), sample()], terms, kept=(1.0, 0.1, 0.01))
    by = table.set_index(["loss", "kept"])
    assert list(table["loss"].unique()) == list(terms) and (table["frames"] == 2).all()
    assert (by.xs(1.0, level="kept")["magnitude"] == 1).all()
    # an L1 of linear maps shrinks in proportion until its eps is felt; SSIM faster, and normalised correlation hardly
    assert by.loc[("features", 0.1), "magnitude"] == pytest.approx(0.1, rel=0.15)
    assert by.loc[("pixels", 0.1), "magnitude"] < 0.1
    assert by.loc[("zncc", 0.1), "magnitude"] > 0.3
    # one frame was put too near and one too far, both are pulled back
    strong = by.xs(1.0, level="kept").loc[["pixels", "features"]]
    assert (strong["toward"] > 0.9).all()
    # where noise stays as it is, the share sinks towards chance
    faint = by.xs(0.01, level="kept").loc[["pixels", "features"]]
    assert (faint["toward_noisy"] < faint["toward"] - 0.1).all()
    with pytest.raises(ValueError, match="at least one sample"):
        gradients_by_contrast([], terms)
