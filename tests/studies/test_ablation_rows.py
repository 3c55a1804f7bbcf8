"""The ablation's rows: what each sets, that names and keys fit together, and that nothing is named twice by mistake."""

from itertools import product

import pytest

from lowtex import experiments
from lowtex.errors import OptionError
from lowtex.experiments import ALTERNATIVES, GROUPS, RIVALS, SMOOTHNESS_CURVE, VARIANTS, curve_name, named_experiment
from lowtex.losses import StereoObjective
from lowtex.networks import build_depth_net, build_feature_net
from lowtex.profiles import PROFILES
from lowtex_lab import cli
from lowtex_lab.studies.evidence import REFERENCE, Evidence
from lowtex_lab.studies.smoothness_evidence import curve_sweep
from lowtex_lab.studies.stats.tuning import chosen_weights

SOURCE = "miniature:fixed"


def changed(base: str, seed: int = 0, **changes):
    return named_experiment(base, "quick", seed, SOURCE, **changes)


def test_the_factorial_is_whole_and_its_keys_are_those_of_ours_changed():
    rows = experiments.factorial()
    assert len(rows) == 16 and list(rows)[0] == "resnet-pixels-first-plain"
    for name, changes in rows.items():
        encoder, data, smoothness, skips = name.split("-")
        written_out = {"network__encoder": encoder, "network__decoder": {"plain": "unet"}.get(skips, skips)}
        written_out |= {"loss__data_term": data, "loss__smooth_second": {"first": 0.0, "both": 1e-3}[smoothness]}
        assert changes == written_out
        got = changed(name, 3)
        assert got.key == changed("ours", 3, **changes).key and got.name == name
        assert (got.loss.edge_decay, got.loss.auto_mask, got.loss.smooth_first) == (0.5, False, 1e-3)
        levels = {"encoder": encoder, "data term": data, "smoothness": smoothness, "skips": skips}
        assert experiments.levels_of(name) == levels and list(levels) == list(experiments.FACTORS)
    assert len({named_experiment(name).key for name in rows}) == 16
    with pytest.raises(OptionError, match="factorial row='ours'"):
        experiments.levels_of("ours")


def test_rows_made_from_others_differ_by_one_setting_alone():
    lengths = [int(name.rsplit("-", 2)[1]) for name in GROUPS["budget"]]
    assert set(lengths) == set(experiments.BUDGETS) and lengths == sorted(lengths)
    for name, steps in zip(GROUPS["budget"], lengths, strict=True):
        assert changed(name, 1).key == changed(name.rsplit("-", 2)[0], 1, schedule__steps=steps).key
    halved = {experiments.half_name(base): base for base in experiments.HALVED}
    assert list(GROUPS["precision"]) == list(halved)
    for name, base in halved.items():
        assert changed(base).schedule.precision == "fp32"
        assert changed(name).key == changed(base, schedule__precision="bf16").key != changed(base).key


def test_the_curve_passes_through_the_default_weight_and_tuned_rows_are_its_best_points():
    default = {"features": "ours", "pixels": "iresnet-pixels-both-nested", "census": "census", "zncc": "zncc"}
    assert set(default) == set(SMOOTHNESS_CURVE)
    assert all(changed(curve_name(term, 1e-3)).key == changed(name).key for term, name in default.items())
    point = changed("pixels-smooth-0.03").loss
    assert (point.smooth_first, point.smooth_second, point.data_term) == (0.03, 0.03, "pixels")
    tuned = {name.removesuffix("-tuned"): row.changes["loss__smooth_first"] for name, row in GROUPS["tuned"].items()}
    for term, weight in tuned.items():
        assert weight in SMOOTHNESS_CURVE[term]
        assert changed(f"{term}-tuned").key == changed(curve_name(term, weight)).key
    chosen = chosen_weights(curve_sweep(Evidence(REFERENCE, "quick", own=False)))
    chosen = chosen[chosen["seeds"] >= 3]  # of the rivals one seed has been tried, which chooses nothing
    assert dict(zip(chosen["method"], chosen["weight"], strict=True)) == tuned


def test_each_alternative_changes_ours_in_what_it_says_and_has_its_reason():
    ours = named_experiment("ours")
    for name in (*ALTERNATIVES, *RIVALS):
        row, other = VARIANTS[name], named_experiment(name)
        assert row.what and row.why and (row.dossier or name in ("census", "zncc")) and other.key != ours.key, name
        for path, value in row.changes.items() if row.base == "ours" else ():
            part, _, setting = path.partition("__")
            assert getattr(getattr(other, part), setting) == value != getattr(getattr(ours, part), setting), name
    maps = {"features-levels", "features-ssim", "features-added", "features-joint", "random-features"}
    wiring = {"features-zero-padding", "rectified-path", "squeeze-excite", "strided-shortcut"}
    losses = {"auto-mask", "smooth-depth", "smooth-disparity", "edge-decay-1", "census", "zncc"}
    assert maps | wiring | losses <= {*ALTERNATIVES, *RIVALS}, "every ambiguous choice has its row"
    assert named_experiment("features-added").loss.feature_weight == 1e-3


def test_a_name_means_one_thing_and_only_known_pairs_share_a_training():
    every = [name for rows in GROUPS.values() for name in rows]
    assert {name for name in every if every.count(name) > 1} == {"featdepth"}
    names: dict[str, list[str]] = {}
    # one length of the learning curves is the profile's own
    own = [name for name in GROUPS["budget"] if name.endswith(f"-{PROFILES['quick'].schedule.steps}-steps")]
    assert own and all(named_experiment(name).key == named_experiment(name.rsplit("-", 2)[0]).key for name in own)
    for name in sorted(set(VARIANTS) - {*GROUPS["tuned"], *own}):
        names.setdefault(named_experiment(name).key, []).append(name)
    assert sorted(group for group in names.values() if len(group) > 1) == [
        ["baseline-400-steps", "baseline-drop-1e-3"],
        ["census", "census-smooth-0.001"],
        ["features-smooth-0.001", "iresnet-features-both-nested", "ours"],
        ["iresnet-pixels-both-nested", "pixels-smooth-0.001"],
        ["lowtex-best", "maps-then-zncc"],
        ["ours-400-steps", "ours-drop-1e-3"],
        ["zncc", "zncc-smooth-0.001"],
    ]
    assert set(experiments.NAMED) <= set(VARIANTS)


def test_every_row_can_be_built_at_every_profile():
    for profile, name in product(PROFILES, VARIANTS):
        made = named_experiment(name, profile, 2, SOURCE)
        assert (made.name, made.seed, made.data.source) == (name, 2, SOURCE)
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


def test_the_listing_has_every_name_once_a_group(capsys):
    assert cli.main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for group, rows in GROUPS.items():
        start = lines.index(f"{group}:") + 1
        block = lines[start : start + len(rows)]
        assert [line.split()[0] for line in block] == list(rows) and all(len(line.split()) > 3 for line in block)
