"""Factorial effects: contrasts by hand, effects put in and found again, missing trainings, designs that are none."""

import numpy as np
import pandas as pd
import pytest
from made_scores import FACTORS, design, factorial_scores, rows_of

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.stats.effects import compare, contrast_effects, pair_weights, seed_errors
from lowtex_lab.studies.stats.factorial import Factorial, factorial_effects, interaction_means

CELLS = {("a0", "b0"): "none", ("a1", "b0"): "only A", ("a0", "b1"): "only B", ("a1", "b1"): "both"}
TWO = Factorial(
    {"A": ("a0", "a1"), "B": ("b0", "b1")},
    {name: dict(zip("AB", levels, strict=True)) for levels, name in CELLS.items()},
)
TABLE = {"none": 1.0, "only A": 0.5, "only B": 2.0, "both": 0.5}
"""A halves the error where B is old and quarters it where B is new; B alone doubles it."""


SCORES = rows_of({name: np.full((2, 4), value) for name, value in TABLE.items()})


def test_two_factors_by_hand():
    effects = factorial_effects(SCORES, TWO).set_index("effect")
    assert list(effects.index) == ["A", "B", "A × B"]
    assert effects["order"].tolist() == [1, 1, 2]
    half = np.log(0.5)
    # mean log effects: A (-1 and -2 halvings) / 2; B (+1 and 0) / 2; interaction (-2 - -1) / 2
    assert np.log(effects["ratio"]).tolist() == pytest.approx([1.5 * half, -0.5 * half, 0.5 * half])
    assert effects["share"].tolist() == pytest.approx([2.25 / 2.75, 0.25 / 2.75, 0.25 / 2.75])
    # as the module says: A's effect with B new is main x interaction, with B old main / interaction
    assert effects.loc["A", "ratio"] * effects.loc["A × B", "ratio"] == pytest.approx(0.25)
    assert effects.loc["A", "ratio"] / effects.loc["A × B", "ratio"] == pytest.approx(0.5)


def test_simple_effects_hold_the_others_where_they_are_told():
    for others, ratios in (("new", [0.25, 1.0]), ("old", [0.5, 2.0])):
        assert contrast_effects(SCORES, pair_weights(TWO.pairs(others)))["ratio"].tolist() == pytest.approx(ratios)
    # cells that no simple effect looks at need not be there
    three = SCORES[SCORES["experiment"] != "none"]
    assert contrast_effects(three, pair_weights(TWO.pairs()))["ratio"].tolist() == pytest.approx([0.25, 1.0])
    assert design().pairs()["skips"] == ("++++", "+++-")
    assert [reference for _, reference in design().pairs().values()] == ["-+++", "+-++", "++-+", "+++-"]


def test_contrasts_are_balanced_and_orthogonal_and_a_part_keeps_the_cells_with_its_levels():
    contrasts = pd.DataFrame(design().weights()).T.to_numpy()
    assert contrasts.shape == (15, 16) and list(design().weights(1)) == list(FACTORS)
    assert np.allclose(contrasts.sum(axis=1), 0)
    assert np.allclose(np.maximum(contrasts, 0).sum(axis=1), 1)
    assert np.allclose(contrasts @ contrasts.T, np.eye(15) / 4)
    part = design().held({"encoder": "iResNet", "data term": "features"})
    assert list(part.factors) == ["smoothness", "skips"] and list(part.cells) == ["++--", "++-+", "+++-", "++++"]
    assert part.cells["++-+"] == {"smoothness": "first", "skips": "nested"}
    assert (part.at(), part.at(["skips"]), part.at(part.factors)) == ("++--", "++-+", "++++")


def test_effects_put_in_are_found_and_only_those():
    truth = {("data term",): np.log(0.7), ("encoder",): np.log(0.9), ("data term", "skips"): np.log(0.95)}
    scores = factorial_scores(truth, seed_noise=0.02, image_noise=0.05)
    effects = factorial_effects(scores, design()).set_index("effect")
    for chosen, value in truth.items():
        line = effects.loc[" × ".join(chosen)]
        assert line["low"] < np.exp(value) < line["high"] and line["verdict"] == "helps"
    others = effects.drop([" × ".join(chosen) for chosen in truth])
    assert set(others["verdict"]) <= {"no difference seen", "undecided"}
    assert effects.loc["data term", "share"] > 0.8 and effects["share"].sum() == pytest.approx(1)
    assert (effects["seeds"] == 5).all() and (effects["images"] == 40).all() and (effects["clusters"] == 10).all()


def test_interaction_means_are_geometric_over_the_other_factors():
    scores = factorial_scores({("encoder",): np.log(0.25), ("smoothness",): np.log(0.5)}, images=4, seeds=2)
    table = interaction_means(seed_errors(scores, design().experiments), design(), "encoder", "data term")
    assert len(table) == 4 * 2 and set(table["cells"]) == {4}
    means = table.groupby("first_level")["error"].mean()
    assert means["iResNet"] / means["ResNet"] == pytest.approx(0.25)
    assert table.groupby("second_level")["error"].mean().nunique() <= 2
    with pytest.raises(OptionError, match="choose two of: encoder, data term"):
        interaction_means(table, design(), "encoder", "encoder")


def test_missing_cells_are_named():
    short = factorial_scores({}, seeds=2, images=4).query("experiment not in ('+++-', '----')")
    match = r"2 of 16 cells.*\+\+\+- \(iResNet, features, first \+ second, plain\)"
    with pytest.raises(DataError, match=match):
        factorial_effects(short, design())
    with pytest.raises(DataError, match=match):
        interaction_means(short, design(), "encoder", "skips")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: design().pairs("newest"), "others='newest'.*new, old"),
        (lambda: design().at(["colour"]), "factor='colour'.*encoder, data term"),
        (lambda: design().held({"data term": "edges"}), "data term='edges'.*pixels, features"),
        (lambda: TWO.held({"A": "a0", "B": "b1"}), "no factor is left"),
    ],
)
def test_parts_that_a_design_has_not_are_refused(call, message):
    with pytest.raises(OptionError, match=message):
        call()


TRUTH = {("data term",): np.log(0.7), ("skips",): np.log(1.1), ("data term", "skips"): np.log(0.95)}


def without(scores, gone) -> pd.DataFrame:
    return scores[[pair not in gone for pair in zip(scores["experiment"], scores["seed"], strict=True)]]


def test_where_nothing_is_missing_each_cells_own_seeds_are_the_common_ones():
    scores = factorial_scores(TRUTH, seed_noise=0.05, image_noise=0.1)
    common, own = (factorial_effects(scores, design(), common_seeds=some, times=200) for some in (True, False))
    pd.testing.assert_frame_equal(common, own)
    pair = contrast_effects(scores, pair_weights({"it": ("++++", "----")}), clusters="fixed", times=200).iloc[0]
    other = compare(scores, [("++++", "----")], clusters="fixed", times=200).iloc[0]
    assert pair[["ratio", "low", "high"]].tolist() == pytest.approx(other[["ratio", "low", "high"]].tolist())


def test_a_cells_mean_and_its_spread_are_over_the_seeds_it_has():
    scores = rows_of({"a": np.outer([1, 2, 4], np.ones(4)), "b": np.outer([2, 8, 99], np.ones(4))})
    found = contrast_effects(without(scores, {("b", 2)}), pair_weights({"a / b": ("a", "b")}), times=50).iloc[0]
    # a: geometric mean 2, b: 4 of two seeds
    assert found["ratio"] == pytest.approx(0.5)
    # in logarithms to the base 2 each seed pulls by its own share: a by -1/3, 0 and 1/3, b by -1/2 and 1/2
    pulls = np.array([-1 / 3 + 1 / 2, 0 - 1 / 2, 1 / 3])
    # corrected by n / (n - 1), the mean of both sides' 3 / 2 and 2 / 1
    assert found["se_seeds"] == pytest.approx(np.log(2) * np.sqrt((pulls**2).sum() * 1.75))
    # harmonic mean of 3 and 2 is 2.4
    assert (found["seeds"], found["fewest"]) == (2, 2) and found["verdict"].startswith("cannot be judged: 2 seeds")
    with pytest.raises(DataError, match="no training is left of a"):
        contrast_effects(scores[scores["experiment"] == "b"], pair_weights({"it": ("a", "b")}))


def test_intervals_hold_the_truth_with_a_fifth_of_trainings_missing():
    truth = {"data term": 0.7, "skips": 1.1, "encoder": 1.0}
    held = []
    for draw in range(15):
        rng = np.random.default_rng(1000 + draw)
        scores = factorial_scores(TRUTH, seed_noise=0.05, image_noise=0.05, images=20, seed=draw)
        gone = {(name, seed) for name in design().cells for seed in range(5) if rng.random() < 0.2 and seed}
        found = contrast_effects(without(scores, gone), design().weights(1), times=200).set_index("effect")
        held += [found.loc[name, "low"] < value < found.loc[name, "high"] for name, value in truth.items()]
        assert (found["fewest"] <= found["seeds"]).all() and found["seeds"].max() <= 5
    # 45 intervals of 95 %
    assert np.mean(held) >= 0.87


def test_a_cell_with_one_training_gets_the_others_spread():
    rng = np.random.default_rng(0)
    scores = rows_of({name: np.exp(0.1 * rng.normal(size=(5, 1)) + np.zeros((5, 8))) for name in "abc"})
    lonely = without(scores, {("a", seed) for seed in range(1, 5)})
    weights = {"it": {"a": 1.0, "b": -0.5, "c": -0.5}}
    one, all_five = (contrast_effects(part, weights, times=200).iloc[0] for part in (lonely, scores))
    assert one["se_seeds"] > 1.5 * all_five["se_seeds"] and one["fewest"] == 1 and one["seeds"] == 1
    assert one["verdict"] == "cannot be judged: one seed"


def test_interaction_means_fill_a_hole_by_its_cells_mean():
    errors = seed_errors(factorial_scores(TRUTH, seed_noise=0.05), design().experiments)
    hole = (errors["experiment"] == "----") & (errors["seed"] == 2)
    found = interaction_means(errors[~hole], design(), "data term", "skips")
    assert found["error"].max() < 1 and len(found) == 20
    own = errors[(errors["experiment"] == "----") & ~hole]["error"]
    plain = [name for name in design().cells if name[1] == "-" and name[3] == "-" and name != "----"]
    others = errors[errors["experiment"].isin(plain) & (errors["seed"] == 2)]["error"]
    expected = np.exp((np.log(others).sum() + np.log(own).mean()) / 4)
    line = found[(found["seed"] == 2) & (found["first_level"] == "pixels") & (found["second_level"] == "plain")]
    assert line["error"].item() == pytest.approx(expected)
