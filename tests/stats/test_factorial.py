"""Factorial effects: contrasts by hand, effects put in and found again, and designs that are none."""

import numpy as np
import pytest
from made_scores import FACTORS, design, factorial_scores, rows_of

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.stats.effect_rules import Rule
from lowtex_lab.studies.stats.factorial import Factorial, factorial_effects, interaction_means, simple_effects

TWO = Factorial(
    {"A": ("a0", "a1"), "B": ("b0", "b1")},
    {
        "none": {"A": "a0", "B": "b0"},
        "only A": {"A": "a1", "B": "b0"},
        "only B": {"A": "a0", "B": "b1"},
        "both": {"A": "a1", "B": "b1"},
    },
)


def test_two_factors_by_hand():
    # A halves the error where B is old and quarters it where B is new; B alone doubles it
    table = {"none": 1.0, "only A": 0.5, "only B": 2.0, "both": 0.5}
    scores = rows_of({name: np.full((2, 4), value) for name, value in table.items()})
    effects = factorial_effects(scores, TWO).set_index("effect")
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
    table = {"none": 1.0, "only A": 0.5, "only B": 2.0, "both": 0.5}
    scores = rows_of({name: np.full((2, 4), value) for name, value in table.items()})
    new = simple_effects(scores, TWO).set_index("effect")
    assert new["ratio"].tolist() == pytest.approx([0.25, 1.0])
    assert new.loc["A", "others"] == "B b1"
    old = simple_effects(scores, TWO, at="old").set_index("effect")
    assert old["ratio"].tolist() == pytest.approx([0.5, 2.0])
    given = simple_effects(scores, TWO, at={"A": "a1", "B": "b0"}).set_index("effect")
    assert given["ratio"].tolist() == pytest.approx([0.5, 1.0])
    # cells that no simple effect looks at need not be there
    three = scores[scores["experiment"] != "none"]
    assert simple_effects(three, TWO)["ratio"].tolist() == pytest.approx([0.25, 1.0])


def test_contrasts_are_balanced_and_orthogonal():
    contrasts = design().contrasts()
    assert contrasts.shape == (15, 16)
    assert np.allclose(contrasts.sum(axis=1), 0)
    assert np.allclose(np.maximum(contrasts, 0).sum(axis=1), 1)
    assert np.allclose(contrasts @ contrasts.T, np.eye(15) / 4)


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


def test_null_effects_are_called_in_about_5_percent_without_a_margin():
    called = []
    for seed in range(20):
        scores = factorial_scores({}, seed_noise=0.05, image_noise=0.05, seed=seed)
        effects = factorial_effects(scores, design(), rule=Rule(margin=0.0), times=300)
        called += effects["verdict"].isin(["helps", "harms"]).tolist()
    # 300 effects; those of one table share seeds and images
    assert np.mean(called) <= 0.08


def test_interaction_means_are_geometric_over_the_other_factors():
    scores = factorial_scores({("encoder",): np.log(0.25), ("smoothness",): np.log(0.5)}, images=4, seeds=2)
    table = interaction_means(scores, design(), "encoder", "data term")
    assert len(table) == 4 * 2 and set(table["cells"]) == {4}
    means = table.groupby("first_level")["error"].mean()
    assert means["iResNet"] / means["ResNet"] == pytest.approx(0.25)
    assert table.groupby("second_level")["error"].mean().nunique() <= 2
    with pytest.raises(OptionError, match="choose two of: encoder, data term"):
        interaction_means(scores, design(), "encoder", "encoder")


def test_missing_cells_are_named():
    scores = factorial_scores({}, seeds=2, images=4)
    short = scores[~scores["experiment"].isin(["+++-", "----"])]
    match = r"2 of 16 cells.*\+\+\+- \(iResNet, features, first \+ second, plain\)"
    for function in (factorial_effects, lambda s, d: interaction_means(s, d, "encoder", "skips")):
        with pytest.raises(DataError, match=match):
            function(short, design())
    cells = dict(design().cells)
    del cells["+-+-"]
    with pytest.raises(OptionError, match=r"1 of 16 cells.*iResNet, pixels, first \+ second, plain"):
        Factorial(FACTORS, cells)


def test_designs_that_are_none_are_refused():
    one = {"old": {"A": "a0"}, "new": {"A": "a1"}}
    Factorial({"A": ("a0", "a1")}, one)
    with pytest.raises(OptionError, match="'new' has A='a2'.*a0, a1"):
        Factorial({"A": ("a0", "a1")}, one | {"new": {"A": "a2"}})
    with pytest.raises(OptionError, match="'old' and 'again' are the same cell"):
        Factorial({"A": ("a0", "a1")}, one | {"again": {"A": "a0"}})
    with pytest.raises(OptionError, match="expected two"):
        Factorial({"A": ("a0", "a1", "a2")}, one)
    with pytest.raises(OptionError, match="'old' sets A; expected a level of each of: A, B"):
        Factorial({"A": ("a0", "a1"), "B": ("b0", "b1")}, one)
    with pytest.raises(OptionError, match="at='newest'"):
        simple_effects(factorial_scores({}, seeds=2, images=4), design(), at="newest")
    with pytest.raises(OptionError, match=r"encoder \(ResNet, iResNet\)"):
        design().setting({"encoder": "ResNet"})


def test_one_seed_gives_ratios_and_no_verdict():
    effects = factorial_effects(factorial_scores({("skips",): np.log(0.5)}, seeds=1), design()).set_index("effect")
    assert effects.loc["skips", "ratio"] == pytest.approx(0.5)
    assert set(effects["verdict"]) == {"cannot be judged: one seed"}
    assert effects["low"].isna().all()
