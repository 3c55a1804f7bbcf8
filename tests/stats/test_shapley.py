"""Orders of adding changes: steps by hand, credits that share out the whole, and what a single order hides."""

from math import factorial

import numpy as np
import pytest
from made_scores import FACTORS, design, factorial_scores, rows_of

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.stats.factorial import Factorial, factorial_effects
from lowtex_lab.studies.stats.shapley import ALL, all_orders, one_order, order_credits, order_steps

TWO = Factorial(
    {"A": ("a0", "a1"), "B": ("b0", "b1")},
    {
        "none": {"A": "a0", "B": "b0"},
        "only A": {"A": "a1", "B": "b0"},
        "only B": {"A": "a0", "B": "b1"},
        "both": {"A": "a1", "B": "b1"},
    },
)
TABLE = {"none": 1.0, "only A": 0.5, "only B": 2.0, "both": 0.5}


def two(seeds=3):
    return rows_of({name: np.full((seeds, 4), value) for name, value in TABLE.items()})


@pytest.fixture(scope="module")
def noisy():
    truth = {("data term",): np.log(0.6), ("data term", "skips"): np.log(0.9), ("encoder",): np.log(1.1),
             ("encoder", "data term", "skips"): np.log(0.95)}  # fmt: skip
    return factorial_scores(truth, seed_noise=0.03, image_noise=0.05)


def test_two_changes_by_hand():
    steps = order_steps(two(), TWO).set_index("effect")
    assert steps["ratio"].to_dict() == pytest.approx(
        {"A after nothing": 0.5, "A after B": 0.25, "B after nothing": 2.0, "B after A": 1.0}
    )
    assert steps["place"].tolist() == [1, 2, 1, 2] and set(steps["orders"]) == {1}
    found = order_credits(two(), TWO).set_index("effect")
    # A: the geometric mean of 0.5 and 0.25; B: of 2 and 1; together 0.5
    assert found["ratio"].to_dict() == pytest.approx({"A": 0.125**0.5, "B": 2**0.5, ALL: 0.5})
    assert found["share"].to_dict() == pytest.approx({"A": 1.5, "B": -0.5, ALL: 1.0})
    columns = ["first", "last", "least", "most"]
    assert found.loc["A", columns].tolist() == pytest.approx([0.5, 0.25, 0.25, 0.5])
    assert found.loc["B", columns].tolist() == pytest.approx([2, 1, 1, 2])


def test_every_order_multiplies_to_the_whole(noisy):
    steps = order_steps(noisy, design(), times=50)
    whole = order_credits(noisy, design(), times=50).set_index("effect")
    orders = all_orders(design())
    assert len(orders) == len(set(orders)) == 24 and len(steps) == 32
    sizes = {name: [] for name in FACTORS}
    for order in orders:
        taken = one_order(steps, order)
        assert taken["change"].tolist() == list(order) and taken["place"].tolist() == [1, 2, 3, 4]
        assert taken["so_far"].iloc[-1] == pytest.approx(whole.loc[ALL, "ratio"])
        for row in taken.to_dict("records"):
            sizes[row["change"]].append(np.log(row["ratio"]))
    # a credit is the plain mean over the 24 orders, walked one by one
    for name, values in sizes.items():
        assert np.log(whole.loc[name, "ratio"]) == pytest.approx(np.mean(values))
        assert np.log(whole.loc[name, ["least", "most"]].astype(float)).tolist() == pytest.approx(
            [min(values), max(values)]
        )
    assert whole["share"].iloc[:-1].sum() == pytest.approx(1)
    assert steps.groupby("change")["orders"].sum().tolist() == [factorial(4)] * 4


def test_credits_share_out_three_way_interactions_and_main_effects_do_not(noisy):
    effects = factorial_effects(noisy, design(), times=50).set_index("effect")["ratio"]
    found = order_credits(noisy, design(), times=50).set_index("effect")["ratio"]
    three = np.log(effects.loc["encoder × data term × skips"])
    others = np.log(effects.loc["encoder × data term × smoothness"]) + np.log(
        effects.loc["data term × smoothness × skips"]
    )
    assert np.log(found["data term"]) == pytest.approx(np.log(effects["data term"]) + (three + others) / 3)
    assert abs(three) > 0.02, "else the test could not fail"


def test_credits_without_interactions_are_main_effects_and_intervals_hold_the_truth():
    truth, held_it = {"data term": 0.7, "skips": 1.1, "encoder": 1.0, ALL: 0.77}, []
    effects = {("data term",): np.log(0.7), ("skips",): np.log(1.1)}
    for draw in range(12):
        scores = factorial_scores(effects, seed_noise=0.02, image_noise=0.05, seed=draw)
        found = order_credits(scores, design(), times=300).set_index("effect")
        held_it += [found.loc[name, "low"] < value < found.loc[name, "high"] for name, value in truth.items()]
    # 48 intervals of 95 %, four of one table share seeds
    assert 0.88 <= np.mean(held_it)
    assert found.loc["data term", "verdict"] == "helps" and found.loc["skips", "verdict"] == "harms"
    assert (found["seeds"] == 5).all() and (found["images"] == 40).all()


def test_no_gain_at_all_has_no_shares():
    flat = rows_of({name: np.ones((2, 4)) for name in TABLE})
    found = order_credits(flat, TWO)
    assert found["ratio"].tolist() == [1, 1, 1] and found["share"].isna().all()


def test_a_missing_training_leaves_the_cells_mean_and_the_sums():
    scores = two()
    scores.loc[(scores["experiment"] == "none") & (scores["seed"] == 1), "abs_rel"] = 99.0
    kept = scores[~((scores["experiment"] == "none") & (scores["seed"] == 1))]
    found = order_credits(kept, TWO, times=20).set_index("effect")
    assert found["ratio"].to_dict() == pytest.approx({"A": 0.125**0.5, "B": 2**0.5, ALL: 0.5})
    assert found["fewest"].tolist() == [2, 2, 2] and found["seeds"].tolist() == [3, 3, 2]


def test_held_keeps_the_cells_with_these_levels():
    part = design().held({"encoder": "iResNet", "data term": "features"})
    assert list(part.factors) == ["smoothness", "skips"] and list(part.cells) == ["++--", "++-+", "+++-", "++++"]
    assert part.cells["++-+"] == {"smoothness": "first", "skips": "nested"}
    scores = factorial_scores({("skips",): np.log(0.8)})
    assert order_credits(scores, part, times=20).set_index("effect").loc["skips", "ratio"] == pytest.approx(0.8)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(OptionError, match="data term.*pixels, features"):
        design().held({"data term": "edges"})
    with pytest.raises(OptionError, match="no factor is left"):
        TWO.held({"A": "a0", "B": "b1"})
    with pytest.raises(DataError, match="no training is left of only B"):
        order_steps(two().query("experiment != 'only B'"), TWO)
    steps = order_steps(two(), TWO, times=20)
    with pytest.raises(OptionError, match="give each once: A, B"):
        one_order(steps, ["A", "A"])
    with pytest.raises(DataError, match="lack change"):
        one_order(steps.drop(columns="change"), ["A", "B"])
