"""The ablation's rows: what each sets, that names and keys fit together, and that nothing is named twice by mistake."""

import pytest

from lowtex.errors import OptionError
from lowtex.experiments import (
    ALTERNATIVES,
    FACTORS,
    GROUPS,
    HALVED,
    NAMED,
    RIVALS,
    SMOOTHNESS_CURVE,
    VARIANTS,
    change,
    curve_name,
    factorial,
    half_name,
    levels_of,
    listing,
    named_experiment,
)
from lowtex.losses import StereoObjective
from lowtex.networks import build_depth_net, build_feature_net
from lowtex.profiles import PROFILES
from lowtex_lab.studies.evidence import REFERENCE, Evidence
from lowtex_lab.studies.smoothness_evidence import curve_sweep
from lowtex_lab.studies.stats.tuning import chosen_weights

SOURCE = "miniature:fixed"


def test_the_factorial_is_whole_and_its_keys_are_those_of_ours_changed():
    rows = factorial()
    assert len(rows) == 16 and list(rows)[0] == "resnet-pixels-first-plain"
    for name, changes in rows.items():
        encoder, data, smoothness, skips = name.split("-")
        written_out = {
            "network__encoder": encoder,
            "network__decoder": {"plain": "unet", "nested": "nested"}[skips],
            "loss__data_term": data,
            "loss__smooth_second": {"first": 0.0, "both": 1e-3}[smoothness],
        }
        assert changes == written_out
        for profile, seed in (("quick", 0), ("quick", 3), ("standard", 1)):
            expected = named_experiment("ours", profile, seed, SOURCE, **written_out)
            got = named_experiment(name, profile, seed, SOURCE)
            assert got.key == expected.key and got.name == name
        assert (got.loss.edge_decay, got.loss.auto_mask, got.loss.smooth_first) == (0.5, False, 1e-3)
    assert len({named_experiment(name).key for name in rows}) == 16


def test_a_known_cell_has_the_key_it_was_trained_under():
    first = {"network__least_channels": None}
    assert named_experiment("resnet-pixels-first-plain", "quick", 0, SOURCE, **first).key == "95cd99164f12"
    assert named_experiment("iresnet-features-both-nested", "quick", 0, SOURCE, **first).key == "70243a129811"


def test_longer_trainings_differ_in_their_length_alone():
    for name in GROUPS["budget"]:
        base, steps, _ = name.rsplit("-", 2)
        assert (
            named_experiment(name, "quick", 1, SOURCE).key
            == change(named_experiment(base, "quick", 1, SOURCE), schedule__steps=int(steps)).key
        )
    assert {name.rsplit("-", 2)[1] for name in GROUPS["budget"]} == {"400", "800"}


def test_tuned_rows_are_points_of_the_curve_and_those_that_the_committed_rows_choose():
    tuned = {name.removesuffix("-tuned"): row.changes["loss__smooth_first"] for name, row in GROUPS["tuned"].items()}
    for term, weight in tuned.items():
        assert weight in SMOOTHNESS_CURVE[term]
        assert named_experiment(f"{term}-tuned").key == named_experiment(curve_name(term, weight)).key
    chosen = chosen_weights(curve_sweep(Evidence(REFERENCE, "quick", own=False)))
    chosen = chosen[chosen["seeds"] >= 3]  # of the rivals one seed has been tried, which chooses nothing
    assert dict(zip(chosen["method"], chosen["weight"], strict=True)) == tuned


def test_rows_in_bfloat16_differ_in_their_precision_alone():
    assert list(GROUPS["precision"]) == [half_name(base) for base in HALVED]
    for base in HALVED:
        half, whole = (named_experiment(name, "quick", 2, SOURCE) for name in (half_name(base), base))
        assert (whole.schedule.precision, half.schedule.precision) == ("fp32", "bf16")
        assert half.key == change(whole, schedule__precision="bf16").key != whole.key


def test_levels_of_a_cell():
    found = levels_of("iresnet-pixels-both-plain")
    assert found == {"encoder": "iresnet", "data term": "pixels", "smoothness": "both", "skips": "plain"}
    assert list(found) == list(FACTORS)
    with pytest.raises(OptionError, match="factorial row='ours'"):
        levels_of("ours")


@pytest.mark.parametrize("name", [*ALTERNATIVES, *RIVALS])
def test_each_alternative_changes_ours_in_what_it_says_and_has_its_reason(name):
    row = VARIANTS[name]
    assert row.what and row.why and (row.dossier or name in ("census", "zncc"))
    ours, changed = named_experiment("ours"), named_experiment(name)
    assert changed.key != ours.key
    if row.base == "ours":
        for path, value in row.changes.items():
            part, _, setting = path.partition("__")
            assert getattr(getattr(changed, part), setting) == value != getattr(getattr(ours, part), setting)


def test_every_ambiguous_choice_has_its_row():
    """What each row sets is held by `test_each_alternative_changes_ours_in_what_it_says_and_has_its_reason`."""
    maps = {"features-levels", "features-ssim", "features-added", "features-joint", "random-features"}
    wiring = {"features-zero-padding", "rectified-path", "squeeze-excite", "strided-shortcut"}
    losses = {"auto-mask", "smooth-depth", "smooth-disparity", "edge-decay-1", "census", "zncc"}
    assert maps | wiring | losses <= {*ALTERNATIVES, *RIVALS}
    assert named_experiment("features-added").loss.feature_weight == 1e-3


def test_the_curve_passes_through_the_default_weight():
    keys = {term: named_experiment(curve_name(term, 1e-3)).key for term in SMOOTHNESS_CURVE}
    assert keys["features"] == named_experiment("ours").key
    assert keys["pixels"] == named_experiment("iresnet-pixels-both-nested").key
    assert (keys["census"], keys["zncc"]) == (named_experiment("census").key, named_experiment("zncc").key)
    point = named_experiment("pixels-smooth-0.03").loss
    assert (point.smooth_first, point.smooth_second, point.data_term) == (0.03, 0.03, "pixels")


def test_a_name_means_one_thing_and_only_known_pairs_share_a_training():
    every = [name for rows in GROUPS.values() for name in rows]
    named_twice = {name for name in every if every.count(name) > 1}
    assert named_twice == {"featdepth"}
    names: dict[str, list[str]] = {}
    for name in set(VARIANTS) - set(GROUPS["tuned"]):
        names.setdefault(named_experiment(name).key, []).append(name)
    shared = {tuple(sorted(group)) for group in names.values() if len(group) > 1}
    assert shared == {
        ("features-smooth-0.001", "iresnet-features-both-nested", "ours"),
        ("iresnet-pixels-both-nested", "pixels-smooth-0.001"),
        ("census", "census-smooth-0.001"),
        ("zncc", "zncc-smooth-0.001"),
    }
    assert set(NAMED) <= set(VARIANTS)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_row_can_be_built_at_every_profile(profile):
    for name in VARIANTS:
        experiment = named_experiment(name, profile, 2, SOURCE)
        assert (experiment.name, experiment.seed, experiment.data.source) == (name, 2, SOURCE)


def test_every_network_and_objective_can_be_made():
    made = {named_experiment(name, "smoke") for name in (*ALTERNATIVES, *RIVALS)}
    for settings in {experiment.network for experiment in made}:
        build_depth_net(settings)
    for experiment in made:
        StereoObjective(experiment.loss, experiment.feature_net and build_feature_net(experiment.feature_net))


def test_changes_go_on_top_and_errors_name_what_is_near():
    assert named_experiment("census", loss__pixel_window=5).loss.pixel_window == 5
    with pytest.raises(OptionError, match="experiment='censu' is not known, did you mean census.*train --list"):
        named_experiment("censu")
    with pytest.raises(OptionError, match="experiment='q' is not known; choose one of: baseline, featdepth"):
        named_experiment("q")


def test_the_listing_has_every_name_once_a_group():
    lines = listing().splitlines()
    for group, rows in GROUPS.items():
        start = lines.index(f"{group}:")
        block = lines[start + 1 : start + 1 + len(rows)]
        assert [line.split()[0] for line in block] == list(rows)
        assert all(len(line.split()) > 3 for line in block)
