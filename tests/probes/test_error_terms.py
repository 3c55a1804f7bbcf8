"""Data terms as functions of disparity: the same numbers as the objective's own terms, at every size."""

import pytest
import torch
import torch.nn.functional as F

from lowtex import experiments as ablations
from lowtex.errors import OptionError
from lowtex.geometry import StereoRig, warp_horizontal
from lowtex.losses import StereoObjective, feature_map_error, photometric_error
from lowtex.losses.objective import StereoStep
from lowtex.networks import FeatureNet
from lowtex.seeding import generator, seed_everything
from lowtex_lab.studies.loss_analysis.error_terms import SETTINGS, TERMS, error_terms

SIZE = (32, 64)


@pytest.fixture(scope="module")
def nets():
    seed_everything(0, "weights")
    return FeatureNet(18, 0.125).freeze(), FeatureNet(18, 0.25).freeze()


@pytest.fixture(scope="module")
def views():
    random = generator(0, "views")
    return [F.interpolate(torch.rand(2, 3, 16, 32, generator=random), SIZE, mode="bilinear") for _ in range(2)]


@pytest.fixture(scope="module")
def shift():
    return 1 + 6 * torch.rand(2, 1, *SIZE, generator=generator(0, "shift"))


class Fractions(torch.nn.Module):
    """A depth network's geometry whose outputs are fractions of the width."""

    def shift_px(self, sigmoid, rig):
        return sigmoid * rig.width


@pytest.mark.parametrize("name", SETTINGS)
def test_mean_is_the_objectives_own_term(name, nets, views, shift):
    image, other = views
    rig = StereoRig(focal_px=60.0, baseline_m=1.0, width=SIZE[1], height=SIZE[0])
    step = StereoStep(Fractions(), [shift / SIZE[1]], image, other, rig, torch.ones(2))
    loss, net = SETTINGS[name], nets[name == "random features"]
    objective, expected = StereoObjective(loss, net), 0.0
    if loss.uses_pixels:
        expected = expected + loss.pixel_weight * objective.pixel_term(step)[0]
    if loss.uses_features:
        expected = expected + loss.feature_weight * objective.feature_term(step)[0]
    error = error_terms(*nets)[name].between(image, other)(shift)
    assert error.shape == (2, 1, *SIZE)
    assert torch.allclose(error.mean(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("disparity", [0.0, 3.0, 2.25, -4.5, 100.0])
def test_a_number_is_the_same_as_a_map_of_it(name, disparity, nets, views):
    [term] = error_terms(*nets, names=[name]).values()
    error_of = term.between(*views)
    assert torch.allclose(error_of(disparity), error_of(torch.full((2, 1, *SIZE), disparity)), atol=2e-5)


def test_what_is_compared(nets, views, shift):
    image, other = views
    terms = error_terms(*nets, names=TERMS)
    # what follows tells the terms apart: no two are the same
    found = {name: term.between(image, other)(shift) for name, term in terms.items()}
    assert len({round(float(error.mean()), 5) for error in found.values()}) == len(TERMS)
    assert torch.equal(found["pixels"], photometric_error(image, warp_horizontal(other, shift)))
    half = [F.avg_pool2d(view, 2) for view in views]
    small = photometric_error(half[0], warp_horizontal(half[1], F.avg_pool2d(shift, 2) / 2))
    assert torch.allclose(found["pixels at half size"][..., ::2, ::2], small, atol=1e-6)
    maps = [nets[1].lowest(view) for view in views]
    moved = warp_horizontal(maps[1], F.avg_pool2d(shift, 2) / 2)
    assert torch.allclose(found["random features"][..., 1::2, 1::2], feature_map_error(maps[0], moved), atol=1e-5)
    both = found["pixels"] + found["features"]
    assert torch.allclose(found["pixels + features"], both, atol=1e-6)


def test_features_at_full_size_hold_the_map(nets, views):
    [term] = error_terms(nets[0], names=["features at full size"]).values()
    full = term.parts[0].prepare(views[0])
    assert full.shape[2:] == SIZE
    assert torch.allclose(full[..., ::2, ::2], nets[0].lowest(views[0]), atol=1e-6)
    # one pixel on, the network sees the image moved by one
    moved = F.pad(views[0], (0, 1, 0, 0), mode="replicate")[..., 1:]
    assert torch.allclose(full[..., ::2, 1::2], nets[0].lowest(moved), atol=1e-6)


@pytest.mark.parametrize("name", TERMS)
def test_gradient_reaches_the_shift_alone(name, nets, views):
    [term] = error_terms(*nets, names=[name]).values()
    exact = [view.double().requires_grad_() for view in views]
    if "features" in name:
        term = error_terms(*(FeatureNet(18, 0.125).double().freeze() for _ in nets), names=[name])[name]
    error_of = term.between(*exact)
    at = torch.full((2, 1, *SIZE), 3.3, dtype=torch.float64).requires_grad_()
    error_of(at).sum().backward()
    with torch.no_grad():
        by_difference = (error_of(3.3 + 1e-6).sum() - error_of(3.3 - 1e-6).sum()) / 2e-6
    assert float(at.grad.sum()) == pytest.approx(float(by_difference), rel=1e-4)
    assert exact[0].grad is None and exact[1].grad is None


def test_settings_are_what_the_ablation_trains():
    rows = {"census": "census", "zncc": "zncc", "features": "ours", "features ssim": "features-ssim",
            "random features": "random-features", "pixels": "resnet-pixels-first-plain",
            "pixels + features": "features-added-equal"}  # fmt: skip
    assert set(rows) == set(SETTINGS)
    for name, row in rows.items():
        trained = ablations.named_experiment(row, "quick").loss
        for setting in ("data_term", "pixel_error", "pixel_window", "pixel_l1_eps", "ssim_alpha", "feature_distance",
                        "pixel_weight", "feature_weight"):  # fmt: skip
            assert getattr(SETTINGS[name], setting) == getattr(trained, setting), f"{name}: {setting}"


def test_names_and_networks(nets):
    assert list(error_terms()) == ["pixels", "census", "zncc"]
    assert list(error_terms(nets[0])) == [name for name in SETTINGS if name != "random features"]
    assert list(error_terms(*nets)) == list(SETTINGS)
    assert list(error_terms(nets[0], names=("zncc", "features"))) == ["zncc", "features"]
    with pytest.raises(OptionError, match="give a random_net"):
        error_terms(nets[0], names=["random features"])
    with pytest.raises(OptionError, match="'features ssim' compares feature maps: give a feature_net"):
        error_terms(names=["features ssim"])
    with pytest.raises(OptionError, match="data term"):
        error_terms(names=["patches"])
