"""Effects where trainings are missing: the same as elsewhere where none is, and right where some are."""

import numpy as np
import pandas as pd
import pytest
from made_scores import FACTORS, design, factorial_scores, rows_of

from lowtex.errors import DataError
from lowtex_lab.studies.stats.effects import compare, seed_errors
from lowtex_lab.studies.stats.factorial import factorial_effects, interaction_means, simple_effects
from lowtex_lab.studies.stats.learnt_effects import (
    combination_means,
    contrast_effects,
    learnt_factorial,
    learnt_scores,
    learnt_simple,
)
from lowtex_lab.studies.stats.seed_studies import main_effect_weights, pair_weights

TRUTH = {("data term",): np.log(0.7), ("skips",): np.log(1.1), ("data term", "skips"): np.log(0.95)}


def without(scores, gone) -> pd.DataFrame:
    return scores[[pair not in gone for pair in zip(scores["experiment"], scores["seed"], strict=True)]]


def test_where_nothing_is_missing_it_is_the_factorial_and_the_comparison():
    scores = factorial_scores(TRUTH, seed_noise=0.05, image_noise=0.1)
    known = factorial_effects(scores, design(), times=200)
    found = contrast_effects(scores, main_effect_weights(design(), 4), times=200)
    columns = [
        "effect",
        "ratio",
        "low",
        "high",
        "verdict",
        "seeds",
        "images",
        "clusters",
        "se_seeds",
        "se_images",
        "df",
    ]
    pd.testing.assert_frame_equal(found[columns], known[columns])
    whole = learnt_factorial(scores, design(), times=200)
    pd.testing.assert_frame_equal(whole[[*columns, "order", "share"]], known[[*columns, "order", "share"]])
    for at in ("new", "old"):
        simple = simple_effects(scores, design(), at=at, times=200)
        pd.testing.assert_frame_equal(learnt_simple(scores, design(), at=at, times=200)[columns], simple[columns])
    pair = contrast_effects(scores, pair_weights({"it": ("++++", "----")}), clusters="fixed", times=200).iloc[0]
    other = compare(scores, [("++++", "----")], clusters="fixed", times=200).iloc[0]
    assert pair[["ratio", "low", "high"]].tolist() == pytest.approx(other[["ratio", "low", "high"]].tolist())


def test_with_a_hole_the_spread_is_nearly_what_it_is_without():
    scores = factorial_scores(TRUTH, seeds=12, seed_noise=0.05, image_noise=0.1)
    weights = main_effect_weights(design())
    full, holed = (contrast_effects(part, weights) for part in (scores, without(scores, {("----", 3)})))
    for column in ("se_seeds", "se_images", "df"):
        assert holed[column].tolist() == pytest.approx(full[column].tolist(), rel=0.2), column
    assert holed["ratio"].tolist() != full["ratio"].tolist()


def test_a_cells_mean_is_over_the_seeds_it_has():
    scores = rows_of({"a": np.outer([1, 2, 4], np.ones(4)), "b": np.outer([2, 2, 99], np.ones(4))})
    found = contrast_effects(without(scores, {("b", 2)}), pair_weights({"a / b": ("a", "b")}), times=50).iloc[0]
    # a: geometric mean 2, b: 2 of two seeds
    assert found["ratio"] == pytest.approx(1.0)
    # harmonic mean of 3 and 2 is 2.4
    assert (found["seeds"], found["fewest"]) == (2, 2) and found["verdict"].startswith("cannot be judged: 2 seeds")


def test_intervals_hold_the_truth_with_a_fifth_of_trainings_missing():
    held = {"data term": [], "skips": [], "encoder": []}
    for draw in range(25):
        rng = np.random.default_rng(1000 + draw)
        scores = factorial_scores(TRUTH, seed_noise=0.05, image_noise=0.05, images=20, seed=draw)
        gone = {(name, seed) for name in design().cells for seed in range(5) if rng.random() < 0.2 and seed}
        found = contrast_effects(without(scores, gone), main_effect_weights(design()), times=200).set_index("effect")
        for name, value in (("data term", 0.7), ("skips", 1.1), ("encoder", 1.0)):
            held[name].append(found.loc[name, "low"] < value < found.loc[name, "high"])
        assert (found["fewest"] <= found["seeds"]).all() and found["seeds"].max() <= 5
    shares = {name: np.mean(values) for name, values in held.items()}
    # 75 intervals of 95 %
    assert np.mean(list(shares.values())) >= 0.89, shares


def test_a_cell_with_one_training_gets_the_others_spread():
    rng = np.random.default_rng(0)
    scores = rows_of({name: np.exp(0.1 * rng.normal(size=(5, 1)) + np.zeros((5, 8))) for name in "abc"})
    lonely = without(scores, {("a", seed) for seed in range(1, 5)})
    weights = {"it": {"a": 1.0, "b": -0.5, "c": -0.5}}
    one, all_five = (contrast_effects(part, weights, times=200).iloc[0] for part in (lonely, scores))
    assert one["se_seeds"] > 1.5 * all_five["se_seeds"] and one["fewest"] == 1 and one["seeds"] == 1
    assert one["verdict"] == "cannot be judged: one seed"


def test_what_did_not_learn_is_left_out_and_a_cell_without_any_is_an_error():
    scores = rows_of({"a": [[0.1], [9.0]], "b": [[0.2], [0.2]]})
    found = pd.DataFrame(
        {"experiment": ["a", "a", "b", "b"], "seed": [0, 1, 0, 1], "learnt": [True, False, True, True]}
    )
    kept = learnt_scores(scores, found)
    assert sorted(zip(kept["experiment"], kept["seed"], strict=True)) == [("a", 0), ("b", 0), ("b", 1)]
    assert contrast_effects(kept, pair_weights({"it": ("a", "b")}), times=20)["ratio"].item() == pytest.approx(0.5)
    with pytest.raises(DataError, match="no training is left of a"):
        contrast_effects(kept[kept["experiment"] == "b"], pair_weights({"it": ("a", "b")}))
    mixed = pd.concat([kept[kept["experiment"] == "a"], kept[kept["experiment"] == "b"].assign(profile="standard")])
    with pytest.raises(DataError, match="differ in profile"):
        contrast_effects(mixed, pair_weights({"it": ("a", "b")}), times=20)


def test_combinations_fill_a_hole_by_its_cells_mean():
    scores = factorial_scores(TRUTH, seed_noise=0.05)
    errors = seed_errors(scores, design().experiments).assign(learnt=True)
    columns = ["first_level", "second_level", "seed", "error", "cells", "images"]
    known = interaction_means(scores, design(), "data term", "skips")
    pd.testing.assert_frame_equal(combination_means(errors, design(), "data term", "skips")[columns], known[columns])
    hole = (errors["experiment"] == "----") & (errors["seed"] == 2)
    spoilt = errors.assign(error=errors["error"].where(~hole, 50.0), learnt=~hole)
    found = combination_means(spoilt, design(), "data term", "skips")
    assert found["error"].max() < 1 and list(FACTORS) and len(found) == 20
    own = errors[(errors["experiment"] == "----") & ~hole]["error"]
    plain = [name for name in design().cells if name[1] == "-" and name[3] == "-" and name != "----"]
    others = errors[errors["experiment"].isin(plain) & (errors["seed"] == 2)]["error"]
    expected = np.exp((np.log(others).sum() + np.log(own).mean()) / 4)
    line = found[(found["seed"] == 2) & (found["first_level"] == "pixels") & (found["second_level"] == "plain")]
    assert line["error"].item() == pytest.approx(expected)
