"""Studies of few seeds, trainings that did not learn, and budgets: by hand and on made-up scores."""

import numpy as np
import pandas as pd
import pytest
from made_scores import FACTORS, design, factorial_scores, rows_of

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.budgets import at_steps, budget_pairs, budget_ratios, split_name
from lowtex_lab.studies.learnt import failures, sound_seeds
from lowtex_lab.studies.stats.effect_rules import Rule
from lowtex_lab.studies.stats.effects import compare, pair_weights
from lowtex_lab.studies.stats.factorial import factorial_effects
from lowtex_lab.studies.stats.seed_studies import (
    MOST_SEEDS,
    all_sizes,
    seed_ratios,
    seeds_needed,
    wrong_signs,
)


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


def test_names_of_budgets():
    assert split_name("ours-800-steps") == ("ours", 800)
    for other in ("ours", "pixels-smooth-0.003", "ours-0-steps", "-800-steps", "ours-800-steps-more"):
        assert split_name(other) is None, other
    names = ["ours", "baseline", "ours-800-steps", "baseline-800-steps", "ours-100-steps", "encoder-100-steps"]
    assert at_steps(names, "ours", 200) == {100: "ours-100-steps", 200: "ours", 800: "ours-800-steps"}
    assert budget_pairs(names, "ours", "baseline", 200) == {
        200: ("ours", "baseline"),
        800: ("ours-800-steps", "baseline-800-steps"),
    }


def test_ratios_are_taken_within_a_length_of_training():
    made = {"ours": 0.5, "baseline": 1.0, "ours-800-steps": 0.3, "baseline-800-steps": 0.4}
    scores = rows_of({name: np.full((3, 20), value) for name, value in made.items()})
    pairs = budget_pairs(made, "ours", "baseline", 200)
    found = budget_ratios(scores, pairs, times=20)
    assert found[["steps", "ratio"]].values.tolist() == [[200, 0.5], [800, pytest.approx(0.75)]]
    with pytest.raises(DataError, match="at least two"):
        budget_ratios(scores, {200: ("ours", "baseline")})
