"""Keys of experiments that exist must outlive every setting that is added later: a training is found by its key."""

from dataclasses import fields, replace

import pytest

from lowtex.experiments import DataSettings, change, named_experiment
from lowtex.settings import ADDED_LATER, FeatureNetSettings, LossSettings, NetworkSettings, ScheduleSettings

SOURCE = "miniature:fixed"

KEYS = {
    ("quick", "baseline", 0): ("472258f2f3f1", None),
    ("quick", "baseline", 1): ("d0acb1143125", None),
    ("quick", "encoder", 0): ("904d5133c25d", None),
    ("quick", "encoder", 1): ("1c20906b2395", None),
    ("quick", "encoder_features", 0): ("23d783cf9e2c", "24d536cf9018"),
    ("quick", "encoder_features", 1): ("1b3404567886", "0658aa6062b2"),
    ("quick", "ours", 0): ("70243a129811", "24d536cf9018"),
    ("quick", "ours", 1): ("95aadfa536ab", "0658aa6062b2"),
    ("standard", "baseline", 0): ("f82823530526", None),
    ("standard", "encoder", 0): ("3cda5a34eba7", None),
    ("standard", "encoder_features", 0): ("f2df35fdfb14", "03c4227212d7"),
    ("standard", "ours", 0): ("9ddd7da31e92", "03c4227212d7"),
}
"""Key and feature network's key as the first trainings had them; written down before any setting was added."""

FIRST = {"network__least_channels": None}
"""What all profiles had then; the quick one's networks were found to be too narrow at full size later."""


@pytest.mark.parametrize(("profile", "name", "seed"), KEYS)
def test_keys_of_the_named_experiments_never_change(profile, name, seed):
    experiment = named_experiment(name, profile, seed, SOURCE, **FIRST)
    assert (experiment.key, experiment.feature_net and experiment.feature_net_key) == KEYS[profile, name, seed]


def test_the_decoder_of_quick_is_nowhere_narrower_than_the_published_one():
    experiment = named_experiment("ours", "quick", 0, SOURCE)
    assert experiment.network.least_channels == 16 and experiment.key != KEYS["quick", "ours", 0][0]
    assert experiment.feature_net_key == KEYS["quick", "ours", 0][1], "the feature network has no such level"
    assert named_experiment("ours", "standard", source=SOURCE).network.least_channels is None


def test_keys_of_changed_experiments_never_change():
    zeros = named_experiment("ours", "quick", 0, SOURCE, **FIRST, feature_net__padding_mode="zeros")
    assert (zeros.key, zeros.feature_net_key) == ("f6f037cb0e12", "b005af322365")


FIRST_SETTINGS = {
    NetworkSettings: "encoder depth width rectify_after_start projection decoder squeeze_excite min_depth max_depth "
    "metres_per_unit initial_bias pretrained",
    FeatureNetSettings: "kind depth width padding_mode normalise discriminative convergent steps batch_size "
    "learning_rate",
    LossSettings: "data_term pixel_weight feature_weight feature_distance feature_scales ssim_alpha smooth_first "
    "smooth_second edge_decay smooth_quantity auto_mask out_of_view_mask",
    ScheduleSettings: "steps batch_size learning_rate drop_at drop_factor flip jitter precision",
    DataSettings: "dataset split height width variation source",
}


@pytest.mark.parametrize("part", FIRST_SETTINGS)
def test_every_setting_is_one_of_the_first_or_in_the_table(part):
    assert {f.name for f in fields(part)} == {*FIRST_SETTINGS[part].split(), *ADDED_LATER.get(part, ())}
    assert not set(FIRST_SETTINGS[part].split()) & set(ADDED_LATER.get(part, ()))


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("loss", "pixel_error", "census"),
        ("network", "nominal_baseline", 0.015),
        ("feature_net", "decoder_padding", "reflect"),
        ("schedule", "decay", "cosine"),
    ],
)
def test_a_later_setting_counts_once_it_is_set(part, name, value):
    first = named_experiment("ours", "quick", 0, SOURCE, **FIRST)
    settings = getattr(first, part)
    assert name in ADDED_LATER[type(settings)]
    changed = change(first, **{f"{part}__{name}": value})
    assert changed.key != first.key
    assert (changed.feature_net_key != first.feature_net_key) == (part == "feature_net")
    back = change(changed, **{f"{part}__{name}": getattr(settings, name)})
    assert back.key == first.key == KEYS["quick", "ours", 0][0]


def test_feature_networks_are_shared_but_for_tf32_and_deterministic():
    """They change their own training, bf16 does not; a network that others share must not depend on who trained it."""
    ours = named_experiment("ours", "quick", 0, SOURCE, **FIRST)
    keys = {p: change(ours, schedule__precision=p).feature_net_key for p in ("fp32", "tf32", "bf16")}
    assert keys["fp32"] == keys["bf16"] == KEYS["quick", "ours", 0][1] != keys["tf32"]
    assert change(ours, schedule__deterministic=True).feature_net_key not in keys.values()


def test_only_joint_feature_networks_and_fine_tunings_have_a_version_of_their_own(monkeypatch):
    ours = named_experiment("ours", "quick", 0, SOURCE, **FIRST)
    joint, tuned = change(ours, feature_net__kind="joint"), replace(ours, start_from="0123456789ab")
    before = joint.key, joint.feature_net_key, tuned.key
    for name in ("JOINT_VERSION", "FINE_TUNING_VERSION"):
        monkeypatch.setattr(f"lowtex.experiments.{name}", 99)
    assert not {joint.key, joint.feature_net_key, tuned.key} & set(before)
    assert (ours.key, ours.feature_net_key) == KEYS["quick", "ours", 0]
