"""Comparisons of experiments: ratios by hand, verdicts by the rule, and what cannot be compared."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_scores import rows_of
from scipy import stats

from lowtex.errors import DataError, OptionError
from lowtex.evaluation.results import to_markdown
from lowtex_lab.studies.stats.effect_rules import Rule, corrected
from lowtex_lab.studies.stats.effects import compare, effect_lines, seed_errors

CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
OURS = [[0.1, 0.1, 0.2, 0.2], [0.1, 0.2, 0.1, 0.2]]
BASE = [[0.2, 0.2, 0.4, 0.4], [0.4, 0.5, 0.4, 0.5]]


def hand_made() -> pd.DataFrame:
    """Means over images: ours 0.15 twice, baseline 0.3 and 0.45; in low texture ours 3 and baseline 2."""
    low = {"stratum": "low", "kind": "known"}
    return pd.concat(
        [
            rows_of({"ours": OURS, "baseline": BASE}),
            rows_of({"ours": [[3.0] * 4] * 2, "baseline": [[2.0] * 4] * 2}, **low),
            rows_of({"ours": [[9.0] * 4] * 2, "baseline": [[1.0] * 4] * 2}, "all", "known"),
        ]
    )


def noisy(effect=0.0, seeds=5, images=40, noise=0.02, seed=0, **more) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    street = np.exp(rng.normal(0, 0.5, images))
    made = {
        name: street * np.exp(level + rng.normal(0, noise, (seeds, 1)) + rng.normal(0, noise, (seeds, images)))
        for name, level in (("ours", effect), ("baseline", 0.0))
    }
    return rows_of(made, **more)


def test_ratio_is_of_means_over_images_within_a_seed_and_geometric_over_seeds():
    lines = compare(hand_made(), [("ours", "baseline")], stratum_kind="known")
    assert lines["stratum"].tolist() == ["all", "low"], "a kind's own 'all' is not the whole image"
    line = lines.iloc[0]
    assert line["ratio"] == pytest.approx(np.sqrt(0.15 / 0.3 * 0.15 / 0.45))
    assert (line["method_error"], line["reference_error"]) == pytest.approx((0.15, 0.375))
    assert (line["seeds"], line["images"], line["pixels"], line["effect"]) == (2, 4, 400, "ours / baseline")
    assert (line["clusters"], line["cluster"]) == (4, "stretch")
    assert lines["ratio"].iloc[1] == pytest.approx(1.5)
    assert lines["low"].iloc[1] == pytest.approx(1.5), "no spread at all, so the interval is the point"
    assert lines["high"].iloc[1] == pytest.approx(1.5)
    assert (lines["verdict"] == "cannot be judged: 2 seeds").all()
    by_two = compare(hand_made(), [("ours", "baseline")], stratum_kind="known", rule=Rule(least=2))
    assert by_two["verdict"].tolist() == ["undecided", "harms"]


def test_images_held_fixed_leave_students_interval_over_seeds():
    line = compare(hand_made(), [("ours", "baseline")], clusters="fixed").iloc[0]
    # by seed log ratios log 1/2 and log 1/3: standard error half their difference, Student's 12.706 at one degree
    reach = 12.706 * (np.log(1 / 2) - np.log(1 / 3)) / 2
    assert np.log(line["high"] / line["ratio"]) == pytest.approx(reach, rel=1e-4)
    assert line["cluster"] == "fixed" and line["se_images"] == 0


def test_of_shares_of_good_pixels_the_bad_ones_are_compared():
    scores = rows_of({"ours": [[0.9, 0.9]] * 2, "baseline": [[0.8, 0.8]] * 2}, metric="d1")
    line = compare(scores, [("ours", "baseline")], "d1", rule=Rule(least=2)).iloc[0]
    assert (line["metric"], line["ratio"], line["verdict"]) == ("1 - d1", pytest.approx(0.5), "helps")


def test_one_seed_or_one_scene_is_never_judged():
    line = compare(noisy(-1.0, seeds=1), [("ours", "baseline")]).iloc[0]
    assert line["verdict"] == "cannot be judged: one seed"
    assert line["ratio"] == pytest.approx(np.exp(-1), rel=0.1) and np.isnan([line["low"], line["high"]]).all()
    one = noisy(-1.0)
    one = one[one["image"].str.startswith("Scene01")]
    assert compare(one, [("ours", "baseline")], clusters="scene")["verdict"].item() == "cannot be judged: one scene"
    two = compare(noisy(-1.0), [("ours", "baseline")], clusters="scene").iloc[0]
    assert two["verdict"] == "cannot be judged: 2 scenes" and two["low"] < two["ratio"] < two["high"]
    assert compare(one, [("ours", "baseline")])["verdict"].item() == "helps", "but it has several stretches"
    both = compare(one[one["seed"] == 0], [("ours", "baseline")], clusters="scene").iloc[0]
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
    verdicts = [
        rule.verdict(a, b) for a, b in zip(np.exp(log_ratio - reach).flat, np.exp(log_ratio + reach).flat, strict=True)
    ]
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
    reach = [
        (stats.t.ppf(0.975, n - 1) + stats.t.ppf(0.8, n - 1)) * 0.06 * (10 / n) ** 0.5 for n in (clusters, clusters - 1)
    ]
    assert reach[0] < rule.room(np.log(0.85)) < reach[1]
    assert rule.needed(wide | {"se_seeds": 0.06}, 0.14)[0] == 10, "and more seeds, where both are too wide"
    assert rule.needed(wide, 0.001) is None and rule.needed(wide | {"se_seeds": np.nan}, 1.0) is None


def made_effects(p_values) -> pd.DataFrame:
    """Effects of 100 degrees, se 0.01, margin 0, that have these p-values, all below 1."""
    t = stats.t.isf(np.array(p_values) / 2, 100)
    verdict = np.where(np.array(p_values) < 0.05, "helps", "undecided")
    effects = pd.DataFrame({"ratio": np.exp(-0.01 * t), "verdict": verdict})
    return effects.assign(se_seeds=0.006, se_images=0.008, df=100.0)


def test_holm_by_hand():
    # sorted 0.01 x 4, 0.02 x 3, 0.03 x 2 -> raised to 0.06, 0.04 x 1 -> raised to 0.06
    frame = corrected(made_effects([0.03, 0.01, 0.04, 0.02]), "holm", Rule(margin=0.0))
    assert frame["p"].tolist() == pytest.approx([0.03, 0.01, 0.04, 0.02])
    assert frame["p_corrected"].tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert frame["verdict_corrected"].tolist() == ["undecided", "helps", "undecided", "undecided"]
    assert (frame["comparisons"] == 4).all()


def test_false_discovery_rate_by_hand_and_rows_without_interval_are_no_comparisons():
    effects = made_effects([0.03, 0.01, 0.04, 0.02])
    unknown = effects.iloc[:1].assign(se_seeds=np.nan, df=np.nan, verdict="cannot be judged: one seed")
    frame = corrected(pd.concat([effects, unknown], ignore_index=True), "fdr", Rule(margin=0.0))
    assert frame["p_corrected"].tolist()[:4] == pytest.approx([0.04] * 4)
    assert frame["verdict_corrected"].tolist() == ["helps"] * 4 + ["cannot be judged: one seed"]
    assert frame["comparisons"].iloc[0] == 4 and np.isnan(frame["p_corrected"].iloc[4])
    with pytest.raises(OptionError, match="method='bonferroni'.*holm, fdr"):
        corrected(effects, "bonferroni")
    with pytest.raises(DataError, match="needs the column df"):
        corrected(effects.drop(columns="df"))


def test_same_call_same_numbers_another_start_almost():
    first, again, other = (compare(noisy(-0.1), [("ours", "baseline")], seed=s).iloc[0] for s in (0, 0, 1))
    assert first.equals(again)
    assert first["low"] != other["low"] and first["low"] == pytest.approx(other["low"], rel=0.005)


def test_seeds_that_only_one_has_are_left_out_with_a_warning():
    scores = noisy(-0.1)
    short = scores[(scores["experiment"] == "baseline") | (scores["seed"] < 3)]
    with pytest.warns(UserWarning, match="seeds 3, 4 are left out"):
        assert compare(short, [("ours", "baseline")])["seeds"].item() == 3


def test_pairs_without_a_common_seed_are_left_out_on_request():
    scores = noisy(-0.1)
    scores = scores[(scores["experiment"] == "ours") | (scores["seed"] < 3)]
    found = compare(scores, [("ours", "nobody"), ("ours", "baseline")], skip_missing=True)
    direct = compare(scores[scores["seed"] < 3], [("ours", "baseline")])
    pd.testing.assert_frame_equal(found, direct)
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
        compare(spoil(noisy(seeds=4)), [("ours", "baseline")], **options)


@pytest.mark.parametrize("option", [{"margin": 2}, {"least": 1}, {"level": 0.1}])
def test_a_rule_out_of_range_is_refused(option):
    [(name, value)] = option.items()
    with pytest.raises(OptionError, match=f"{name}={value}"):
        Rule(**option)


def test_table_prints_every_n():
    two = Rule(least=2)
    lines = effect_lines(corrected(compare(hand_made(), [("ours", "baseline")], stratum_kind="known", rule=two)))
    assert lines["ratio"].iloc[1] == "1.500 [1.50, 1.50]" and lines["change"].iloc[1] == "+50.0 %"
    text = to_markdown(lines)
    assert "| ours / baseline | low | 1.500 [1.50, 1.50] | +50.0 % | harms | 2 | 4 | 4 stretches |" in text


def test_seed_errors_are_means_over_images():
    table = seed_errors(hand_made(), ["baseline", "ours"], stratum_kind="known", strata=["all"])
    found = {(row.experiment, row.seed): row.error for row in table.itertuples()}
    assert found == pytest.approx({("baseline", 0): 0.3, ("baseline", 1): 0.45, ("ours", 0): 0.15, ("ours", 1): 0.15})
    assert (table["images"] == 4).all() and (table["profile"] == "quick").all()
