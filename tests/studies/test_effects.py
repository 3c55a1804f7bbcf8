"""Comparisons of experiments: ratios by hand, verdicts by the rule, and what cannot be compared."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_scores import rows_of
from scipy import stats

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.stats.effect_rules import Rule, corrected
from lowtex_lab.studies.stats.effects import compare, effect_lines, seed_errors

CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
PAIR = ("ours", "baseline")
OURS = [[0.1, 0.1, 0.2, 0.2], [0.1, 0.2, 0.1, 0.2]]
BASE = [[0.2, 0.2, 0.4, 0.4], [0.4, 0.5, 0.4, 0.5]]


def hand_made() -> pd.DataFrame:
    """Means over images: ours 0.15 twice, baseline 0.3 and 0.45; in low texture ours 3 and baseline 2."""
    low = rows_of({"ours": [[3.0] * 4] * 2, "baseline": [[2.0] * 4] * 2}, "low", "known")
    other = rows_of({"ours": [[9.0] * 4] * 2, "baseline": [[1.0] * 4] * 2}, "all", "known")
    return pd.concat([rows_of({"ours": OURS, "baseline": BASE}), low, other])


def noisy(effect=0.0, seeds=5) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    street = np.exp(rng.normal(0, 0.5, 40))
    made = {}
    for name, level in (("ours", effect), ("baseline", 0.0)):
        noises = rng.normal(0, 0.02, (seeds, 1)) + rng.normal(0, 0.02, (seeds, 40))
        made[name] = street * np.exp(level + noises)
    return rows_of(made)


def test_ratio_is_of_means_over_images_within_a_seed_and_geometric_over_seeds():
    lines = compare(hand_made(), [PAIR], stratum_kind="known")
    assert lines["stratum"].tolist() == ["all", "low"], "a kind's own 'all' is not the whole image"
    line = lines.iloc[0]
    assert line["ratio"] == pytest.approx(np.sqrt(0.15 / 0.3 * 0.15 / 0.45))
    assert (line["method_error"], line["reference_error"]) == pytest.approx((0.15, 0.375))
    assert (line["seeds"], line["images"], line["pixels"], line["effect"]) == (2, 4, 400, "ours / baseline")
    assert (line["clusters"], line["cluster"]) == (4, "stretch")
    errors = seed_errors(hand_made(), ["baseline"], stratum_kind="known", strata=["all"])
    assert errors["error"].tolist() == pytest.approx([0.3, 0.45]) and set(errors["images"]) == {4}
    point = lines.loc[1, ["low", "ratio", "high"]].tolist()
    assert point == pytest.approx([1.5] * 3), "no spread at all, so the interval is the point"
    assert (lines["verdict"] == "cannot be judged: 2 seeds").all()
    by_two = compare(hand_made(), [PAIR], stratum_kind="known", rule=Rule(least=2))
    assert by_two["verdict"].tolist() == ["undecided", "harms"]


def test_images_held_fixed_leave_students_interval_over_seeds():
    line = compare(hand_made(), [PAIR], clusters="fixed").iloc[0]
    # by seed log ratios log 1/2 and log 1/3: standard error half their difference, Student's 12.706 at one degree
    reach = 12.706 * (np.log(1 / 2) - np.log(1 / 3)) / 2
    assert np.log(line["high"] / line["ratio"]) == pytest.approx(reach, rel=1e-4)
    assert line["cluster"] == "fixed" and line["se_images"] == 0


def test_of_shares_of_good_pixels_the_bad_ones_are_compared():
    scores = rows_of({"ours": [[0.9, 0.9]] * 2, "baseline": [[0.8, 0.8]] * 2}, metric="d1")
    line = compare(scores, [PAIR], "d1", rule=Rule(least=2)).iloc[0]
    assert (line["metric"], line["ratio"], line["verdict"]) == ("1 - d1", pytest.approx(0.5), "helps")


def test_one_seed_or_one_scene_is_never_judged():
    line = compare(noisy(-1.0, seeds=1), [PAIR]).iloc[0]
    assert line["verdict"] == "cannot be judged: one seed"
    assert line["ratio"] == pytest.approx(np.exp(-1), rel=0.1) and np.isnan([line["low"], line["high"]]).all()
    many = noisy(-1.0)
    one = many[many["image"].str.startswith("Scene01")]
    assert compare(one, [PAIR], clusters="scene")["verdict"].item() == "cannot be judged: one scene"
    two = compare(many, [PAIR], clusters="scene").iloc[0]
    assert two["verdict"] == "cannot be judged: 2 scenes" and two["low"] < two["ratio"] < two["high"]
    assert compare(one, [PAIR])["verdict"].item() == "helps", "but it has several stretches"
    both = compare(one[one["seed"] == 0], [PAIR], clusters="scene").iloc[0]
    assert both["verdict"] == "cannot be judged: one seed and one scene"
    said = effect_lines(both.to_frame().T)
    assert "[no interval]" in said["ratio"].item() and said["drawn as"].item() == "1 scene"


@pytest.mark.parametrize(("low", "high", "verdict"), CASES["verdicts"])
def test_rule_is_about_the_whole_interval(low, high, verdict):
    assert Rule().verdict(low, high) == verdict
    assert "0.98" in Rule().describe() and "95%" in Rule().describe()


def test_p_value_is_below_5_percent_exactly_where_the_rule_gives_a_verdict():
    rule = Rule(margin=0.05)
    log_ratio, se, df = np.meshgrid(np.linspace(-0.2, 0.2, 81), [0.005, 0.015, 0.05], [3.0, 12.0])
    reach = stats.t.ppf(0.975, df) * se
    ends = zip(np.exp(log_ratio - reach).flat, np.exp(log_ratio + reach).flat, strict=True)
    verdicts = [rule.verdict(low, high) for low, high in ends]
    called = np.array(verdicts) != "undecided"
    assert set(verdicts) == {"helps", "harms", "no difference seen", "undecided"}
    assert np.array_equal(rule.p_value(log_ratio, se, df).ravel() < 0.05, called)


@pytest.mark.parametrize(("ratio", "spread", "seeds"), CASES["seeds_needed"])
def test_seeds_needed_for_a_verdict(ratio, spread, seeds):
    assert Rule().seeds_needed(ratio, spread) == seeds


def test_seeds_that_decide_do_so_in_four_of_five_studies():
    rule, effect = Rule(), {"se_seeds": 0.03, "seeds": 4, "se_images": 0.0, "clusters": 1}
    seeds, clusters = rule.needed(effect, rule.room(np.log(0.9)))
    assert clusters == 1 and seeds > rule.seeds_needed(0.9, 0.06)

    def decided(number: int) -> float:
        logs = np.random.default_rng(0).normal(np.log(0.9), 0.06, (4000, number))
        reach = stats.t.ppf(0.975, number - 1) * logs.std(axis=1, ddof=1) / np.sqrt(number)
        return (logs.mean(axis=1) + reach < np.log(0.98)).mean()

    assert decided(seeds - 2) < 0.8 < decided(seeds) < 0.9


def test_where_the_images_share_is_too_wide_only_more_streets_decide():
    rule = Rule()
    wide = {"se_seeds": 0.001, "seeds": 5, "se_images": 0.06, "clusters": 10}
    seeds, clusters = rule.needed(wide, rule.room(np.log(0.85)))
    assert seeds == 5 and 10 < clusters < 30
    # by hand: Student's reach of the images' share alone, and the power's
    n = np.array([clusters, clusters - 1])
    enough, short = stats.t.ppf([[0.975], [0.8]], n - 1).sum(0) * 0.06 * (10 / n) ** 0.5
    assert enough < rule.room(np.log(0.85)) < short
    assert rule.needed(wide | {"se_seeds": 0.06}, 0.14)[0] == 10, "and more seeds, where both are too wide"
    assert rule.needed(wide, 0.001) is None and rule.needed(wide | {"se_seeds": np.nan}, 1.0) is None


def test_holm_and_false_discovery_rate_by_hand():
    # of 100 degrees, standard error 0.01, margin 0
    ratios = np.exp(-0.01 * stats.t.isf(np.array([0.03, 0.01, 0.04, 0.02]) / 2, 100))
    effects = pd.DataFrame({"ratio": ratios}).assign(verdict="helps", se_seeds=0.006, se_images=0.008, df=100.0)
    # sorted 0.01 x 4, 0.02 x 3, 0.03 x 2 -> raised to 0.06, 0.04 x 1 -> raised to 0.06
    holm = corrected(effects, "holm", Rule(margin=0.0))
    assert holm["p"].tolist() == pytest.approx([0.03, 0.01, 0.04, 0.02])
    assert holm["p_corrected"].tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm["verdict_corrected"].tolist() == ["undecided", "helps", "undecided", "undecided"]
    # a row without an interval is no comparison
    unknown = effects.iloc[:1].assign(se_seeds=np.nan, df=np.nan, verdict="cannot be judged: one seed")
    rate = corrected(pd.concat([effects, unknown], ignore_index=True), "fdr", Rule(margin=0.0))
    assert rate["p_corrected"].tolist() == pytest.approx([0.04] * 4 + [np.nan], nan_ok=True)
    assert rate["verdict_corrected"].tolist() == ["helps"] * 4 + ["cannot be judged: one seed"]
    assert (rate["comparisons"] == 4).all() and (holm["comparisons"] == 4).all()
    with pytest.raises(OptionError, match="method='bonferroni'.*holm, fdr"):
        corrected(effects, "bonferroni")
    with pytest.raises(DataError, match="needs the column df"):
        corrected(effects.drop(columns="df"))


def test_same_call_same_numbers_another_start_almost():
    first, again, other = (compare(noisy(-0.1), [PAIR], seed=s).iloc[0] for s in (0, 0, 1))
    assert first.equals(again)
    assert first["low"] != other["low"] and first["low"] == pytest.approx(other["low"], rel=0.005)


def test_seeds_that_only_one_has_are_left_out_with_a_warning_and_pairs_without_any_on_request():
    scores = noisy(-0.1)
    common = scores[scores["seed"] < 3]
    short = pd.concat([common, scores[(scores["experiment"] == "baseline") & (scores["seed"] >= 3)]])
    with pytest.warns(UserWarning, match="seeds 3, 4 are left out"):
        assert compare(short, [PAIR])["seeds"].item() == 3
    found = compare(short, [("ours", "nobody"), PAIR], skip_missing=True)
    pd.testing.assert_frame_equal(found, compare(common, [PAIR]))
    assert corrected(compare(scores, [("nobody", "baseline")], skip_missing=True)).empty


KNOWN = {"stratum_kind": "known"}


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda s: s[s["experiment"] == "ours"], {}, "no scores of baseline in all pixels; there are scores of: ours"),
        (lambda s: s.drop(s.index[7]), {}, "ours, seed 0 has no finite abs_rel of image Scene01/clone/00007/l"),
        (lambda s: pd.concat([s, s.iloc[:1]]), {}, "two scores of image Scene01/clone/00000/l"),
        (lambda s: s.assign(abs_rel=-1.0), {}, "an error is never negative"),
        (lambda s: s.assign(abs_rel=0.0), {}, "error is 0"),
        (lambda s: s.drop(columns="pixels"), {}, "scores of images .* needs the column pixels"),
        (lambda s: s.iloc[:0], {}, "scores of images .* got no rows"),
        (lambda s: s, KNOWN, "stratum_kind='known'.*there are: none"),
        (lambda s: hand_made(), KNOWN | {"strata": ["mid"]}, "strata=mid: 'known' has: all, low"),
        (lambda s: s, {"metric": "rmse"}, "metric='rmse'.*they have: abs_rel$"),
        (lambda s: s[(s["experiment"] == "ours") == (s["seed"] < 2)], {}, r"no seed has scores of all.*ours \[0, 1\]"),
        (lambda s: s.assign(protocol=s["seed"].map(lambda n: "ab"[n % 2])), {}, "differ in protocol"),
        (lambda s: s.assign(experiment_key=s["image"]), {}, "several settings"),
    ],
)
def test_what_cannot_be_compared_is_refused(spoil, options, message):
    with pytest.raises((DataError, OptionError), match=message):
        compare(spoil(noisy(seeds=4)), [PAIR], **options)


@pytest.mark.parametrize(("name", "value"), [("margin", 2), ("least", 1), ("level", 0.1)])
def test_a_rule_out_of_range_is_refused(name, value):
    with pytest.raises(OptionError, match=f"{name}={value}"):
        Rule(**{name: value})


def test_table_prints_every_n():
    two = Rule(least=2)
    lines = effect_lines(corrected(compare(hand_made(), [PAIR], stratum_kind="known", rule=two)))
    low = ["ours / baseline", "low", "1.500 [1.50, 1.50]", "+50.0 %", "harms", 2, 4, "4 stretches"]
    assert lines.iloc[1].tolist()[: len(low)] == low
