"""Data terms as functions of disparity, their basins and gradients, on pairs whose disparity is known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lowtex import experiments as ablations
from lowtex.datasets.sample import StereoSample
from lowtex.errors import OptionError
from lowtex.geometry import StereoRig, warp_horizontal
from lowtex.losses import StereoObjective, photometric_error
from lowtex.losses.objective import StereoStep
from lowtex.networks import FeatureNet
from lowtex.seeding import generator, seed_everything
from lowtex_lab.studies import loss_analysis as analysis
from lowtex_lab.studies.loss_analysis import HALF_SIZE, SETTINGS, TERMS, error_terms

SIZE, SHIFT = (32, 96), 4
INNER = (slice(4, -4), slice(12, -12))
TRAINED = ("resnet-pixels-first-plain", "ours", "features-ssim", "census", "zncc", "random-features")
TRAINED += ("features-added-equal",)
LOSS_SETTINGS = ("data_term", "pixel_error", "pixel_window", "pixel_l1_eps", "ssim_alpha", "feature_distance")
LOSS_SETTINGS += ("pixel_weight", "feature_weight")


def pair(seed: int = 0, direction: float = 1.0) -> StereoSample:
    """A pair whose disparity is 4 px everywhere, smooth enough that the error has one basin; its upper half is plain
    by name alone."""
    noise = torch.rand(1, 3, 8, 32, generator=generator(seed, "basins"))
    wide = F.interpolate(noise, (32, 128), mode="bicubic", align_corners=False).clamp(0, 1)[0]
    rig = StereoRig(focal_px=40.0, baseline_m=0.5, width=SIZE[1], height=SIZE[0])
    views = [wide[:, :, 16 - SHIFT : 112 - SHIFT], wide[:, :, 16:112]][:: int(direction)]
    known = torch.full((1, *SIZE), 0.1)
    known[:, :16] = 0.0
    depth = torch.full((1, *SIZE), 20.0 / SHIFT)
    return StereoSample(views[0], rig, f"s/{seed}/l", views[1], direction, depth, known)


@pytest.fixture(scope="module")
def nets():
    seed_everything(0, "weights")
    return FeatureNet(18, 0.125).freeze(), FeatureNet(18, 0.25).freeze()


VIEWS = [torch.stack([getattr(pair(seed), name) for seed in (0, 1)]) for name in ("image", "other")]
SHIFTS = 1 + 6 * torch.rand(2, 1, *SIZE, generator=generator(0, "shift"))
FRACTIONS = SimpleNamespace(shift_px=lambda sigmoid, rig: sigmoid * rig.width)
"""A depth network's geometry whose outputs are fractions of the width."""


@pytest.mark.parametrize("name", SETTINGS)
def test_mean_is_the_objectives_own_term(name, nets):
    rig = StereoRig(focal_px=60.0, baseline_m=1.0, width=SIZE[1], height=SIZE[0])
    step = StereoStep(FRACTIONS, [SHIFTS / SIZE[1]], *VIEWS, rig, torch.ones(2))
    loss, net = SETTINGS[name], nets[name == "random features"]
    objective, expected = StereoObjective(loss, net), 0.0
    if loss.uses_pixels:
        expected = expected + loss.pixel_weight * objective.pixel_term(step)[0]
    if loss.uses_features:
        step.maps = objective._feature_maps(step)
        expected = expected + loss.feature_weight * objective.feature_term(step)[0]
    error = error_terms(*nets)[name](*VIEWS)(SHIFTS)
    assert error.shape == (2, 1, *SIZE)
    assert torch.allclose(error.mean(), expected, rtol=1e-5)
    with_gradient = [view.clone().requires_grad_() for view in VIEWS]
    assert not error_terms(*nets)[name](*with_gradient)(SHIFTS).requires_grad, "the shift alone is moved"


def test_settings_are_what_the_ablation_trains():
    for name, row in zip(SETTINGS, TRAINED, strict=True):
        trained = ablations.named_experiment(row, "quick").loss
        for setting in LOSS_SETTINGS:
            assert getattr(SETTINGS[name], setting) == getattr(trained, setting), (name, setting)


@pytest.mark.parametrize("name", ["pixels", HALF_SIZE, "pixels + features"])
def test_a_number_is_the_same_as_a_map_of_it(name, nets):
    error_of = error_terms(*nets, names=[name])[name](*VIEWS)
    for disparity in (0.0, 3.0, -4.5, 100.0):
        assert torch.allclose(error_of(disparity), error_of(torch.full((2, 1, *SIZE), disparity)), atol=2e-5)


def test_what_is_compared(nets):
    found = {name: term(*VIEWS)(SHIFTS) for name, term in error_terms(*nets, names=TERMS).items()}
    assert len({round(float(error.mean()), 5) for error in found.values()}) == len(TERMS), "no two are the same"
    half = [F.avg_pool2d(view, 2) for view in VIEWS]
    small = photometric_error(half[0], warp_horizontal(half[1], F.avg_pool2d(SHIFTS, 2) / 2))
    assert torch.allclose(found[HALF_SIZE][..., ::2, ::2], small, atol=1e-6)


def test_names_and_networks(nets):
    assert list(error_terms()) == ["pixels", "census", "zncc"]
    assert list(error_terms(nets[0])) == [name for name in SETTINGS if name != "random features"]
    assert list(error_terms(nets[0], names=("zncc", "features"))) == ["zncc", "features"]
    missing = {"random features": "give a random_net", "features ssim": "'features ssim' .*: give a feature_net"}
    for name, message in (missing | {"patches": "data term"}).items():
        with pytest.raises(OptionError, match=message):
            error_terms(names=[name])


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_volume_and_gradient_lead_to_the_true_disparity(direction, nets):
    sample, tried = pair(direction=direction), list(range(9))
    assert torch.allclose(analysis.true_disparity_px(sample), torch.tensor(float(SHIFT)))
    for name, term in error_terms(*nets, TERMS).items():
        volume = analysis.error_volume(sample, tried, term)
        assert volume.shape == (9, *SIZE)
        assert volume[:, 8:-8, 16:-16].mean((1, 2)).argmin() == SHIFT, name
        for offset in (0.6, -0.6):
            pull = analysis.error_gradient(sample, torch.full(SIZE, SHIFT + offset), term)
            assert pull[INNER].mean() * offset > 0, name


@pytest.mark.parametrize(
    ("message", "ask"),
    [
        ("s/0/l has no second view", lambda bare: analysis.error_volume(bare, [1.0], error_terms()["pixels"])),
        ("s/0/l has no ground-truth", analysis.true_disparity_px),
        ("at least one sample", lambda bare: analysis.basins_of_frames([], error_terms())),
        ("at least one sample", lambda bare: analysis.gradients_by_texture([], (-1.0, 1.0), "known", error_terms())),
    ],
)
def test_what_is_missing_is_named(message, ask):
    bare = pair()
    bare.other = bare.depth = None
    with pytest.raises(ValueError, match=message):
        ask(bare)


def test_what_the_other_camera_cannot_see_is_left_out_of_what_is_judged_and_of_regions():
    sample = pair()
    seen = analysis.seen_by_both(sample)
    assert not seen[:, :SHIFT].any() and seen[:, SHIFT:].all()
    sample.visible = torch.ones(1, *SIZE, dtype=torch.bool)
    sample.visible[0, 3, 40] = False
    sample.depth[0, 5, 41] = 0.0
    hidden = seen & ~analysis.seen_by_both(sample)
    assert hidden.sum() == 2 and hidden[3, 40] and hidden[5, 41]
    judged = analysis.disparity_gradients(sample, 2.0, terms=error_terms(names=["pixels"]))["judged"].numpy()
    assert not judged[:, : SHIFT + 2].any() and not judged[3, 40] and judged[0, SHIFT + 2 :].all()
    # regions of texture lie inside of that
    sample = pair()
    sample.texture_contrast[0] = 0.1
    sample.texture_contrast[0, :, 20:40] = 0.0
    sample.depth[0, :, 50:] /= 4
    regions = analysis.texture_regions(sample, margin_px=2)
    assert regions["low"][:, 20:40].all() and regions["low"].sum() == 32 * 20 and not regions["middle"].any()
    # columns 0-3 are out of view, and the depth edge between 49 and 50 keeps its distance
    assert not regions["high"][:, :SHIFT].any() and not regions["high"][:, 48:52].any()
    assert regions["high"][:, SHIFT:20].all()
    sample.texture_contrast = None
    assert analysis.texture_regions(sample)["high"].any()


TRIED = np.arange(7.0)
CURVES = np.stack([np.abs(TRIED - 3), [5, 1, 4, 2, 4, 3, 9], np.full(7, 0.5)], axis=1)


def test_basins_and_pull_of_curves_by_hand():
    truth = np.full(3, 3.0)
    assert analysis.basin_px(CURVES, TRIED, truth, near_px=0.5).tolist() == [6, 2, 0]
    # within 2 px, the second curve's smallest value is at 1
    assert analysis.basin_px(CURVES, TRIED, truth, near_px=2.0).tolist() == [6, 2, 0]
    # a grid coarser than near_px still has a nearest value
    assert analysis.basin_px(CURVES[::3], TRIED[::3], np.full(3, 2.6), near_px=0.1).tolist() == [6, 6, 0]
    for offset, expected in ((1, [1, 1, 0.5]), (2, [1, 0, 0.5]), (-2, [1, 0, 0.5]), (4, [np.nan] * 3)):
        found = [analysis.toward_truth(CURVES, TRIED, np.full(3, truth), offset) for truth in (3.0, 2.6, 3.4)]
        assert np.array_equal(found, [expected] * 3, equal_nan=True)


def test_frames_of_clear_pairs_have_their_basin_at_the_truth(nets):
    terms = error_terms(nets[0], names=["pixels", "features"])
    frames = analysis.basins_of_frames([pair(seed) for seed in range(3)], terms, offsets_px=(1, 3))
    assert list(frames["loss"].unique()) == list(terms) and set(frames["stratum"]) == {"low", "high"}
    found = frames[frames["measure"] == "found"]
    # tried up to 11 px: that many columns of 96 end outside of the other image
    assert (found.groupby(["frame", "loss"])["pixels"].sum() == 32 * (96 - 11)).all() and (found["value"] > 0.9).all()
    assert sorted(frames.loc[frames["measure"] == "toward", "offset_px"].unique()) == [1, 3]
    assert (frames[(frames["measure"] == "toward") & (frames["offset_px"] == 1)]["value"] > 0.9).all()


def test_gradients_by_texture(nets):
    one, terms = pair(), error_terms(*nets)
    one.image[:, :16], one.other[:, :16] = 0.5, 0.5
    table = analysis.gradients_by_texture([one, one], (-1.0, 1.0), "known", terms)
    assert list(table["loss"].unique()) == list(terms) and (table["images"] == 2).all()
    by = table.set_index(["loss", "stratum"])
    assert by.xs("all", level="stratum")["magnitude"].to_numpy() == pytest.approx(1)
    # a wall without any texture: nothing pulls, and nothing has a direction
    assert by.loc[("pixels", "low"), "magnitude"] < 0.2
    assert by.loc[("pixels", "low"), "toward"] == pytest.approx(0.5, abs=0.15)
    assert by.loc[("features", "high"), "toward"] > 0.7
    assert 0 < by.loc[("pixels", "high"), "kept"] <= 1 and by.loc["features", "kept"].isna().all()
    parts = table[(table["loss"] == "pixels") & (table["stratum"] != "all")]
    assert parts["pixels"].sum() == by.loc[("pixels", "all"), "pixels"]
    assert set(analysis.disparity_gradients(one, 1.0, terms)) == {*terms, "kept", "judged"}
