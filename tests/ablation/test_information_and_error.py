"""Whether a measured change goes along with the error: made-up networks whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of

from lowtex.errors import DataError
from lowtex_lab.studies.information_and_error import beside_error, change_table, paired_changes, rank_correlations

PAIRS = {f"beside {i}": (f"new{i}", f"old{i}") for i in range(5)}


def measured(rises=(0.1, 0.2, 0.3, 0.4, 0.5), seeds=(0, 1)) -> pd.DataFrame:
    """``read`` is 0.2 without the change and rises by so much with it, in every seed; ``zeroed`` falls by as much."""
    rows = []
    for place, rise in enumerate(rises):
        for seed in seeds:
            # stages differ, their mean is what counts
            for stage, off in ((1, -0.1), (2, 0.1)):
                for name, value in ((f"new{place}", 0.2 + rise), (f"old{place}", 0.2)):
                    rows.append((name, seed, stage, "read", value + off))
                    rows.append((name, seed, stage, "zeroed", 1 - value + off))
    return pd.DataFrame(rows, columns=["experiment", "seed", "stage", "quantity", "value"])


class Made:
    """Evidence whose errors are 0.1 without the change and ``ratios`` times that with it; some trainings are stuck."""

    def __init__(self, ratios, seeds=2, stuck=(), absent=()):
        self.errors = {f"old{i}": 0.1 for i in range(len(ratios))} | {f"new{i}": 0.1 * r for i, r in enumerate(ratios)}
        self.seeds, self.stuck, self.absent = seeds, stuck, absent

    def present(self, names):
        return [name for name in dict.fromkeys(names) if name not in self.absent]

    def scores(self, names, split="test"):
        return pd.concat(
            rows_of({name: np.full((1, 4), 3.0 if (name, seed) in self.stuck else self.errors[name])}, split=split)
            .assign(seed=seed)
            for name in names
            for seed in range(self.seeds)
        )  # fmt: skip


def test_changes_are_taken_pair_by_pair_within_a_seed():
    found = paired_changes(measured(), PAIRS)
    assert list(found.columns) == ["quantity", "pair", "seed", "new", "old", "change"]
    read = found[found["quantity"] == "read"].set_index(["pair", "seed"])
    assert len(read) == 10 and read.loc[("beside 2", 1), "change"] == pytest.approx(0.3)
    assert read["old"].tolist() == pytest.approx([0.2] * 10)
    assert (found.loc[found["quantity"] == "zeroed", "change"] < 0).all()


def test_a_seed_or_side_that_is_missing_is_left_out():
    table = measured()
    table = table[~((table["experiment"] == "new0") & (table["seed"] == 1)) & (table["experiment"] != "old1")]
    counted = paired_changes(table, PAIRS).groupby("pair")["seed"].nunique()
    assert counted.to_dict() == {"beside 0": 1, "beside 2": 2, "beside 3": 2, "beside 4": 2}


def test_nothing_in_common_names_what_to_measure():
    with pytest.raises(DataError, match="measure some of: new0, new1"):
        paired_changes(measured()[lambda t: t["experiment"].str.startswith("old")], PAIRS)
    with pytest.raises(DataError, match="column stage"):
        paired_changes(measured().drop(columns="stage"), PAIRS)


def test_the_table_counts_what_rises():
    table = change_table(paired_changes(measured(rises=(0.1, -0.2, 0.3)), PAIRS)).set_index("quantity")
    assert list(table.loc["read", ["rises in", "pairs", "seeds"]]) == ["4 of 6", 3, 2]
    assert table.loc["read", "new"] == pytest.approx(0.2 + 0.2 / 3)
    assert table.loc["zeroed", "rises in"] == "2 of 6"


def test_the_ratio_is_of_the_same_pair_and_seed():
    ratios = (0.9, 0.8, 0.7, 0.6, 0.5)
    points = beside_error(paired_changes(measured(), PAIRS), Made(ratios), PAIRS)
    assert len(points) == 20
    for place, ratio in enumerate(ratios):
        assert points.loc[points["pair"] == f"beside {place}", "ratio"].tolist() == pytest.approx([ratio] * 4)


def test_trainings_that_did_not_learn_and_those_without_rows_are_left_out():
    made = Made((0.9, 0.8, 0.7, 0.6, 0.5), stuck={("new1", 0), ("old2", 1)}, absent={"old4"})
    points = beside_error(paired_changes(measured(), PAIRS), made, PAIRS)
    kept = set(points[["pair", "seed"]].itertuples(index=False, name=None))
    assert kept == {
        ("beside 0", 0),
        ("beside 0", 1),
        ("beside 1", 1),
        ("beside 2", 0),
        ("beside 3", 0),
        ("beside 3", 1),
    }
    assert beside_error(paired_changes(measured(), PAIRS), Made((1.0,) * 5, absent=set(made.errors)), PAIRS).empty


def test_rank_correlation_has_the_right_sign_and_counts_pairs_not_seeds():
    points = beside_error(paired_changes(measured(), PAIRS), Made((0.9, 0.8, 0.7, 0.6, 0.5)), PAIRS)
    found = rank_correlations(points).set_index("quantity")
    assert found.loc["read", "rho"] == pytest.approx(-1) and found.loc["zeroed", "rho"] == pytest.approx(1)
    assert (found["pairs"] == 5).all() and (found["seeds"] == 2).all()
    mixed = beside_error(paired_changes(measured(), PAIRS), Made((0.9, 0.5, 0.7, 0.8, 0.6)), PAIRS)
    one = rank_correlations(mixed).set_index("quantity").loc["read"]
    # ranks 1..5 against 5, 1, 3, 4, 2: 1 - 6 * 26 / 120
    assert one["rho"] == pytest.approx(-0.3) and one["p"] > 0.5
    assert one["p_all"] == pytest.approx(min(1, 2 * one["p"]))


def test_few_pairs_and_constant_changes_have_no_correlation():
    few = {name: PAIRS[name] for name in list(PAIRS)[:3]}
    points = beside_error(paired_changes(measured(), few), Made((0.9, 0.8, 0.7)), few)
    assert rank_correlations(points)["rho"].isna().all()
    flat = beside_error(paired_changes(measured(rises=(0.1,) * 5), PAIRS), Made((0.9, 0.8, 0.7, 0.6, 0.5)), PAIRS)
    assert rank_correlations(flat)["rho"].isna().all()
