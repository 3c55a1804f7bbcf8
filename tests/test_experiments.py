"""Experiments are values: the key follows the content, the named rows differ only by what they name."""

from dataclasses import replace

import pytest
import torch

from lowtex.errors import OptionError
from lowtex.experiments import NAMED, DataSettings, Experiment, change, get_profile, named_experiment
from lowtex.geometry import StereoRig
from lowtex.networks import build_depth_net
from lowtex.profiles import PROFILES
from lowtex.settings import FeatureNetSettings, LossSettings, NetworkSettings, ScheduleSettings, settings_from


def differences(first: str, second: str) -> set[str]:
    a, b = (named_experiment(name, "quick").as_dict() for name in (first, second))
    found = set()
    for part in ("network", "loss", "schedule", "data"):
        found |= {f"{part}.{name}" for name in a[part] if a[part][name] != b[part][name]}
    return found


def test_each_row_differs_only_by_what_it_names():
    assert differences("baseline", "encoder") == {"network.encoder"}
    assert differences("encoder", "encoder_features") == {"loss.data_term", "loss.auto_mask"}
    assert differences("encoder_features", "ours") == {"network.decoder", "loss.smooth_second", "loss.edge_decay"}


def test_featdepth_is_its_own_objective():
    """Dossier 3.2: (1/4) sum_s [pe_s + 1e-3 L_fm + 1e-3 (S1 + S2)_s / 2^s], no mask, no mean normalisation."""
    featdepth, baseline = named_experiment("featdepth"), named_experiment("baseline")
    assert featdepth.network == replace(baseline.network, nominal_baseline=0.015, initial_bias=-1.94)
    terms = {"data_term": "both", "feature_weight": 1e-3, "feature_scales": "single", "pixel_l1_eps": 1e-3}
    assert featdepth.loss == LossSettings(**terms, smooth_quantity="disparity")
    assert (featdepth.feature_net.padding_mode, featdepth.feature_net.normalise) == ("zeros", False)
    assert (featdepth.feature_net.decoder_padding, featdepth.feature_net.pixel_l1_eps) == ("reflect", 1e-3)
    assert featdepth.feature_net.kind == "autoencoder"
    assert featdepth.feature_net.steps == get_profile("quick").feature_net.steps


def test_featdepth_has_their_range_of_disparities_and_the_start_of_all():
    """A focal length of 0.58 widths, as KITTI's: theirs reach 8.7 % of the width, Monodepth2's 58 %."""
    rig = StereoRig(focal_px=0.58 * 320, baseline_m=0.54, width=320, height=96)
    sizes = {"network__depth": 18, "network__width": 0.125}
    theirs, usual = (build_depth_net(named_experiment(name, **sizes).network) for name in ("featdepth", "baseline"))
    largest = [float(net.shift_px(torch.ones(1, 1, 1, 1), rig)) / 320 for net in (theirs, usual)]
    assert largest == pytest.approx([0.087, 0.58])
    # smoothness of the sigmoid's value: a pixel of disparity is so much more of the range
    assert largest[1] / largest[0] == pytest.approx(0.1 / 0.015)
    first = [net.decoder.heads[0].conv.bias.detach().sigmoid().reshape(1, 1, 1, 1) for net in (theirs, usual)]
    start = [float(net.shift_px(sigmoid, rig)) for net, sigmoid in zip((theirs, usual), first, strict=True)]
    assert start[0] == pytest.approx(start[1], rel=1e-2)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", NAMED)
def test_all_methods_of_a_profile_share_depth_width_and_size(name, profile):
    experiment, chosen = named_experiment(name, profile), get_profile(profile)
    assert (experiment.network.depth, experiment.network.width) == (chosen.depth, chosen.width)
    assert experiment.network.depth >= 34, "an 18-layer iResNet has no middle block"
    assert experiment.data.size == chosen.size
    assert experiment.schedule == chosen.schedule


def test_key_follows_content_and_ignores_the_name():
    first = named_experiment("ours")
    assert first.key == named_experiment("ours").key
    assert replace(first, name="something else").key == first.key
    keys = {
        first.key,
        named_experiment("baseline").key,
        replace(first, seed=1).key,
        change(first, loss__smooth_first=0.01).key,
        change(first, feature_net__padding_mode="zeros").key,
        change(first, schedule__steps=7).key,
        change(first, data__source="real:1").key,
        replace(first, start_from="abc").key,
    }
    assert len(keys) == 8
    assert change(first, loss__smooth_first=1).key == change(first, loss__smooth_first=1.0).key
    plain = named_experiment("baseline")
    assert replace(plain, feature_net=FeatureNetSettings(depth=18)).key == plain.key, "it uses none"


def test_other_weights_to_start_from_are_another_experiment(tmp_path):
    weights, keys = tmp_path / "resnet.pth", set()
    for content in (b"a", b"b", b"a"):
        weights.write_bytes(content)
        started = named_experiment("baseline", network__pretrained=str(weights))
        keys.add(started.key)
    assert len(keys) == 2 and Experiment.from_dict(started.as_dict()).key in keys
    assert change(started, network__pretrained=None).key == named_experiment("baseline").key


def test_round_trip_through_plain_values():
    for name in NAMED:
        experiment = named_experiment(name, "standard", seed=4, source="real:x")
        assert Experiment.from_dict(experiment.as_dict()) == experiment


BAD_VALUES = {
    NetworkSettings: {"encoder": "vgg", "width": 0.0, "metres_per_unit": 0.0},
    FeatureNetSettings: {"padding_mode": "circular", "batch_size": 0, "width": -1.0},
    LossSettings: {
        "data_term": "census",
        "pixel_error": "ncc",
        "pixel_window": 4,
        "pixel_l1_eps": -1.0,
        "ssim_alpha": 1.5,
        "smooth_first": -1.0,
        "auto_mask": 1,
    },
    ScheduleSettings: {"steps": 0, "flip": 2.0, "precision": "fp16", "learning_rate": float("nan")},
    DataSettings: {"height": 100, "width": "96", "dataset": "nyu"},
}


@pytest.mark.parametrize("part", BAD_VALUES)
def test_bad_values_are_named(part):
    for name, value in BAD_VALUES[part].items():
        with pytest.raises(OptionError, match=f"{name}={value!r} (must|is not known; choose)"):
            part(**{name: value})


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: named_experiment("ours", "fast"), "profile='fast'"),
        (lambda: named_experiment("ours", steps=1), "part__setting"),
        (lambda: named_experiment("ours", seed=-1), "seed=-1 must be a whole number >= 0"),
        (lambda: change(named_experiment("ours"), colour__x=1), "part='colour'"),
        (lambda: change(named_experiment("ours"), loss__auto_mask="false"), "loss.auto_mask='false' must be true or"),
        (lambda: NetworkSettings(encoder="resnet", depth=152), "depth=152"),
        (lambda: NetworkSettings(min_depth=5.0, max_depth=1.0), "min_depth"),
        (lambda: Experiment("x", loss=LossSettings()), "feature_net"),
        (lambda: settings_from(LossSettings, {"smoothness": 1}), "no setting 'smoothness'"),
        (lambda: settings_from(LossSettings, 5), "LossSettings=5 must be a mapping"),
        (lambda: Experiment.from_dict({"name": "x", "colour": 1}), "no setting 'colour'"),
        (lambda: Experiment.from_dict({"name": "x", "loss": {"auto_mask": "no"}}), "auto_mask='no' must be true or"),
        (lambda: named_experiment("baseline").feature_net_key, "no feature network"),
    ],
)
def test_bad_options_are_named(make, named):
    with pytest.raises(OptionError) as error:
        make()
    assert named in str(error.value)
