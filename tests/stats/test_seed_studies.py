"""Studies of few seeds, trainings that did not learn, choices of a weight, and ratios of tidy rows, by hand."""

import numpy as np
import pandas as pd
import pytest
from made_scores import FACTORS, design, factorial_scores, rows_of

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.learnt import failures, sound_seeds
from lowtex_lab.studies.stats.effect_rules import Rule
from lowtex_lab.studies.stats.effects import compare, pair_weights
from lowtex_lab.studies.stats.factorial import factorial_effects
from lowtex_lab.studies.stats.ratios import ratio_table, say_ratio
from lowtex_lab.studies.stats.seed_studies import (
    MOST_SEEDS,
    all_sizes,
    seed_ratios,
    seeds_needed,
    wrong_signs,
)
from lowtex_lab.studies.stats.tuning import chosen_weights


def pair(ratios) -> pd.DataFrame:
    """A method and a reference whose ratio is given seed by seed."""
    return rows_of({"method": 0.1 * np.outer(ratios, np.ones(4)), "reference": np.full((len(ratios), 4), 0.1)})


def test_each_seed_says_its_own_ratio_and_their_mean_is_the_effect():
    found = seed_ratios(pair([0.5, 0.8, 1.1]), pair_weights({"it": ("method", "reference")}))
    assert found["ratio"].tolist() == pytest.approx([0.5, 0.8, 1.1]) and set(found["images"]) == {4}
    scores = factorial_scores({("skips",): np.log(0.9)}, seed_noise=0.05, image_noise=0.05)
    by_seed = seed_ratios(scores, design().weights())
    means = np.exp(np.log(by_seed["ratio"]).groupby(by_seed["effect"], sort=False).mean())
    effects = factorial_effects(scores, design(), times=20).set_index("effect")["ratio"]
    pd.testing.assert_series_equal(means, effects, check_names=False)
    assert list(design().weights(1)) == list(FACTORS)


def test_wrong_signs_are_counted_over_all_sets_of_seeds():
    by_seed = seed_ratios(pair([0.5, 0.8, 1.1, 1.2]), pair_weights({"it": ("method", "reference")}))
    single = wrong_signs(by_seed).iloc[0]
    assert (single["studies"], single["wrong"], single["wrong_share"]) == (4, 2, 0.5)
    # of the six pairs only (1.1, 1.2) has a mean above 1
    double = wrong_signs(by_seed, 2).iloc[0]
    assert (double["studies"], double["wrong"]) == (6, 1)
    assert wrong_signs(by_seed, 4).iloc[0]["wrong"] == 0
    logs = np.log([0.5, 0.8, 1.1, 1.2])
    assert single["ratio"] == pytest.approx(np.exp(logs.mean())) and single["spread"] == pytest.approx(logs.std(ddof=1))
    judged = wrong_signs(by_seed, truth={("it", "all"): 1.3}).iloc[0]
    assert (judged["wrong"], judged["ratio"]) == (2, pytest.approx(1.3))
    assert wrong_signs(by_seed, 2, {("it", "all"): 1.3}).iloc[0]["wrong"] == 5
    with pytest.raises(OptionError, match="size=5.*has 4 seeds"):
        wrong_signs(by_seed, 5)


def test_studies_of_every_size_are_judged_by_what_is_taken_for_true():
    scores = pair([0.5, 0.8, 1.1, 1.2])
    judge = compare(scores, [("method", "reference")], clusters="fixed", times=4000).assign(effect="it")
    found = all_sizes(scores, pair_weights({"it": ("method", "reference")}), judge)
    assert found["size"].tolist() == [1, 2, 3, 4] and found["studies"].tolist() == [4, 6, 4, 1]
    assert found["wrong"].tolist() == [2, 1, 1, 0]
    by_hand = seeds_needed(found["ratio"].iloc[0], float(np.log([0.5, 0.8, 1.1, 1.2]).std(ddof=1)))
    assert int(found["needed"].iloc[0]) == by_hand
    alone = all_sizes(pair([0.5]), pair_weights({"it": ("method", "reference")}), judge.assign(se_seeds=float("nan")))
    assert alone["needed"].tolist() == ["not known"]


def test_seeds_needed_rise_with_the_spread_and_fall_with_the_effect():
    assert seeds_needed(0.5, 0.01) == Rule().least
    needed = [seeds_needed(0.9, spread) for spread in (0.02, 0.05, 0.1)]
    assert needed == sorted(needed) and needed[0] < needed[-1]
    # by hand: t(0.975, 5 df) * 0.07 / sqrt(6) = 0.0735 fits into log(0.98) - log(0.9) = 0.0852, with 5 seeds 0.0869
    # does not
    assert seeds_needed(0.9, 0.07) == 6
    assert seeds_needed(1 / 0.9, 0.07) == 6
    assert seeds_needed(1.0, 0.01) is not None, "no difference is a verdict too"
    assert seeds_needed(0.98, 0.05) is None and seeds_needed(0.9, float("nan")) is None
    assert seeds_needed(0.99, 0.5) is None and MOST_SEEDS >= 50


def test_weights_that_are_no_contrast_are_refused():
    with pytest.raises(OptionError, match="sum to 2"):
        seed_ratios(pair([1.0]), {"it": {"method": 1.0, "reference": 1.0}})


OUTCOMES = pd.DataFrame(
    [("a", 0, True), ("a", 1, True), ("a", 2, False), ("b", 0, True), ("b", 1, True), ("b", 2, True), ("b", 3, True)],
    columns=["experiment", "seed", "learnt"],
)


def test_a_seed_is_sound_where_every_training_is_there_and_learnt():
    assert sound_seeds(OUTCOMES, ["a", "b"]) == [0, 1]
    assert sound_seeds(OUTCOMES, ["b"]) == [0, 1, 2, 3]
    assert sound_seeds(OUTCOMES, ["a", "b", "c"]) == []


def test_failures_are_counted_at_each_level():
    levels = {"a": {"f": "old"}, "b": {"f": "new"}}
    counted = failures(OUTCOMES, levels)
    # one failure of seven falls on the three by chance in 3 of 7 cases, on the four in 4 of 7
    assert counted.values.tolist() == [
        ["f", "old", 3, 1, pytest.approx(3 / 7)],
        ["f", "new", 4, 0, pytest.approx(3 / 7)],
    ]


def sweep(**curves) -> pd.DataFrame:
    rows = [
        (method, weight, seed, error)
        for method, curve in curves.items()
        for weight, errors in curve.items()
        for seed, error in enumerate(errors)
    ]
    return pd.DataFrame(rows, columns=["method", "weight", "seed", "error"])


def test_the_smallest_mean_wins_not_the_luckiest_seed():
    chosen = chosen_weights(
        sweep(pixels={0.01: [0.3, 0.3], 0.1: [0.2, 0.22], 1.0: [0.1, 0.5]}, features={0: [1.0], 1: [1.0]})
    )
    assert chosen["method"].tolist() == ["pixels", "features"]
    pixels, features = chosen.iloc[0], chosen.iloc[1]
    assert (pixels["weight"], pixels["error"]) == (0.1, pytest.approx(0.21))
    assert (pixels["seeds"], pixels["tried"], bool(pixels["at_end"])) == (2, 3, False)
    assert (features["weight"], bool(features["at_end"])) == (0.0, True), "of equals the smaller weight"


def test_unfair_or_broken_sweeps_are_refused():
    with pytest.raises(DataError, match=r"weights of pixels have different seeds \(0.1: 0, 1; 1: 0\)"):
        chosen_weights(sweep(pixels={0.1: [0.2, 0.3], 1.0: [0.1]}))
    twice = pd.concat([sweep(pixels={0.1: [0.2]})] * 2)
    with pytest.raises(DataError, match="two errors for weight 0.1, seed 0"):
        chosen_weights(twice)
    with pytest.raises(DataError, match="weights not negative"):
        chosen_weights(sweep(pixels={-1.0: [0.2]}))
    with pytest.raises(DataError, match="no rows"):
        chosen_weights(twice.iloc[:0])
    with pytest.raises(DataError, match="lacks seed; it has: method, weight, error"):
        chosen_weights(twice.drop(columns="seed"))


SAME = {"eval_data": "vkitti2", "split": "test", "protocol": "vkitti2_dense", "scaling": "none", "flip": False}


def row(experiment, seed, value, stratum="all", kind="none", metric="abs_rel", **more):
    return {**SAME, "experiment": experiment, "seed": seed, "stratum_kind": kind, "stratum": stratum, "metric": metric,
            "value": value, "images": 20, "profile": "quick", **more}  # fmt: skip


def rows():
    return pd.DataFrame(
        [
            row("baseline", 0, 0.2), row("baseline", 1, 0.4), row("ours", 0, 0.1), row("ours", 1, 0.1),
            row("ours", 2, 9.0),  # a seed that the reference lacks
            row("baseline", 0, 0.5, "low", "known"), row("ours", 0, 0.25, "low", "known"),
            row("baseline", 0, 9.9, "all", "known"), row("ours", 0, 0.1, "all", "known"),
            row("baseline", 0, 7.0, metric="rmse"), row("ours", 0, 1.0, metric="rmse"),
        ]
    )  # fmt: skip


def test_ratios_are_taken_within_a_seed_and_then_averaged():
    line = ratio_table(rows()).iloc[0]
    # the ratio of the means would be 0.1 / 0.3
    assert line["ratio"] == pytest.approx((0.5 + 0.25) / 2)
    assert (line["ratio_min"], line["ratio_max"], line["seeds"], line["images"]) == (0.25, 0.5, 2, 20)
    assert line["ours"] == pytest.approx(0.1) and line["baseline"] == pytest.approx(0.3)


def test_whole_images_come_once_and_strata_in_reading_order():
    names = ["low/<10 m", "low/10-20 m", "low/>=20 m", "high/<10 m"]
    crossed = [row(e, 0, 0.1, s, "known*distance") for e in ("baseline", "ours") for s in reversed(names)]
    table = ratio_table(pd.concat([rows(), pd.DataFrame(crossed)]), stratum_kind="known*distance")
    assert table["stratum"].tolist() == ["all", *names]
    assert ratio_table(rows(), stratum_kind="known")["stratum"].tolist() == ["all", "low"]


def test_words_say_what_stands_behind_a_ratio():
    said = say_ratio(ratio_table(rows()).iloc[0])
    assert said == "all: ours / baseline = 0.38 (0.25 to 0.50), 0.100 against 0.300; 20 images, 2 seeds"
    one = ratio_table(rows(), stratum_kind="known").iloc[1]
    assert say_ratio(one) == "low: ours / baseline = 0.50, 0.250 against 0.500; 20 images, 1 seed"


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(DataError, match="no seed has both 'encoder' and 'baseline'.*baseline, ours"):
        ratio_table(rows(), "encoder")
    for column, other in (("protocol", "vkitti2_garg"), ("flip", True), ("profile", "standard")):
        with pytest.raises(DataError, match=f"rows of one {column}"):
            ratio_table(pd.concat([rows(), pd.DataFrame([row("ours", 0, 0.1, **{column: other})])]))
