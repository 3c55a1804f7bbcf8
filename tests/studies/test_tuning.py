"""The choice of a weight on validation scenes, and the curve of made-up scores that it chooses from."""

import numpy as np
import pandas as pd
import pytest
from test_ablation_tables import write_evidence

from lowtex.errors import DataError
from lowtex.experiments import SMOOTHNESS_CURVE, curve_name
from lowtex_lab.studies.smoothness_evidence import curve_sweep
from lowtex_lab.studies.stats.tuning import chosen_weights


def sweep(curves: dict) -> pd.DataFrame:
    """Rows of (method, weight) -> an error a seed."""
    rows = [(*place, seed, error) for place, errors in curves.items() for seed, error in enumerate(errors)]
    return pd.DataFrame(rows, columns=["method", "weight", "seed", "error"])


def test_the_smallest_mean_wins_not_the_luckiest_seed():
    pixels = {("pixels", 0.01): [0.3, 0.3], ("pixels", 0.1): [0.2, 0.22], ("pixels", 1.0): [0.1, 0.5]}
    chosen = chosen_weights(sweep(pixels | {("features", 0): [1.0], ("features", 1): [1.0]}))
    assert chosen["method"].tolist() == ["pixels", "features"]
    assert chosen["weight"].tolist() == [0.1, 0.0], "of equals the smaller weight"
    assert chosen["error"].tolist() == pytest.approx([0.21, 1.0])
    assert chosen[["seeds", "tried", "at_end"]].values.tolist() == [[2, 3, False], [1, 2, True]]


ONE = sweep({("pixels", 0.1): [0.2]})
UNLIKE = sweep({("pixels", 0.1): [0.2, 0.3], ("pixels", 1.0): [0.1]})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (UNLIKE, r"weights of pixels have different seeds \(0.1: 0, 1; 1: 0\)"),
        (pd.concat([ONE, ONE]), "two errors for weight 0.1, seed 0"),
        (ONE.assign(weight=-1.0), "weights not negative"),
        (ONE.assign(error=float("nan")), "errors must be numbers"),
        (ONE.iloc[:0], "no rows"),
        (ONE.drop(columns="seed"), "lacks seed; it has: method, weight, error"),
    ],
)
def test_unfair_or_broken_sweeps_are_refused(wrong, message):
    with pytest.raises(DataError, match=message):
        chosen_weights(wrong)


def curve_ratio(weight):
    return 1 + 0.1 * np.log10(weight / 3e-3) ** 2


def test_curve_chooses_the_made_up_weight(tmp_path):
    curve = {curve_name(term, w): curve_ratio(w) for term in ("pixels", "census") for w in SMOOTHNESS_CURVE[term]}
    curve |= {curve_name("zncc", 1e-3): 1.0}
    stuck = ((curve_name("pixels", 1e-4), 0),)
    evidence = write_evidence(tmp_path / "curve", curve, seeds=3, stuck=stuck, val_only=tuple(curve))
    learnt = curve_sweep(evidence, learnt_only=True)
    assert set(learnt["method"]) == {"pixels", "census"}, "one weight is no curve"
    assert set(learnt.loc[learnt["method"] == "pixels", "seed"]) == {1, 2}
    assert set(curve_sweep(evidence)["seed"]) == {0, 1, 2} and set(learnt["images"]) == {40}
    assert list(chosen_weights(learnt)["weight"]) == [3e-3, 3e-3]
    one = learnt[(learnt["method"] == "census") & (learnt["weight"] == 1e-1)]["error"].mean()
    assert one == pytest.approx(0.1 * curve_ratio(1e-1), rel=0.02)
    assert curve_sweep(write_evidence(tmp_path / "none", {"census": 1.0}, seeds=1)).empty
