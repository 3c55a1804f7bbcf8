"""Keys of experiments that exist must outlive every setting that is added later: a training is found by its key."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from lowtex.experiments import DataSettings, change, named_experiment
from lowtex.settings import ADDED_LATER, FeatureNetSettings, LossSettings, NetworkSettings, ScheduleSettings

SOURCE = "miniature:fixed"

FIRST_ONES = yaml.safe_load(Path(__file__).with_name("first_keys.yaml").read_text(encoding="utf-8"))
KEYS = {tuple(row[:3]): tuple(row[3:]) for row in FIRST_ONES["keys"]}
"""Key and feature network's key as the first trainings had them."""

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


@pytest.mark.parametrize("part", [NetworkSettings, FeatureNetSettings, LossSettings, ScheduleSettings, DataSettings])
def test_every_setting_is_one_of_the_first_or_in_the_table(part):
    first, later = FIRST_ONES["settings"][part.__name__].split(), ADDED_LATER.get(part, ())
    assert sorted(f.name for f in fields(part)) == sorted([*first, *later])


LATER = {"loss__pixel_error": "census", "network__nominal_baseline": 0.015, "feature_net__decoder_padding": "reflect"}


@pytest.mark.parametrize("setting", LATER)
def test_a_later_setting_counts_once_it_is_set(setting):
    first = named_experiment("ours", "quick", 0, SOURCE, **FIRST)
    part, _, name = setting.partition("__")
    settings = getattr(first, part)
    assert name in ADDED_LATER[type(settings)]
    changed = change(first, **{setting: LATER[setting]})
    assert changed.key != first.key
    assert (changed.feature_net_key != first.feature_net_key) == (part == "feature_net")
    back = change(changed, **{setting: getattr(settings, name)})
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
