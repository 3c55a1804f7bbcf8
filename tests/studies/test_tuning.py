"""The choice of a weight on validation scenes."""

import pandas as pd
import pytest

from lowtex.errors import DataError
from lowtex_lab.studies.stats.tuning import chosen_weights


def sweep(**curves) -> pd.DataFrame:
    rows = [
        (method, weight, seed, error)
        for method, curve in curves.items()
        for weight, errors in curve.items()
        for seed, error in enumerate(errors)
    ]
    return pd.DataFrame(rows, columns=["method", "weight", "seed", "error"])


def test_the_smallest_mean_wins_not_the_luckiest_seed():
    pixels = {0.01: [0.3, 0.3], 0.1: [0.2, 0.22], 1.0: [0.1, 0.5]}
    chosen = chosen_weights(sweep(pixels=pixels, features={0: [1.0], 1: [1.0]}))
    assert chosen["method"].tolist() == ["pixels", "features"]
    assert chosen["weight"].tolist() == [0.1, 0.0], "of equals the smaller weight"
    assert chosen["error"].tolist() == pytest.approx([0.21, 1.0])
    assert chosen[["seeds", "tried", "at_end"]].values.tolist() == [[2, 3, False], [1, 2, True]]


ONE = sweep(pixels={0.1: [0.2]})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (sweep(pixels={0.1: [0.2, 0.3], 1.0: [0.1]}), r"weights of pixels have different seeds \(0.1: 0, 1; 1: 0\)"),
        (pd.concat([ONE, ONE]), "two errors for weight 0.1, seed 0"),
        (sweep(pixels={-1.0: [0.2]}), "weights not negative"),
        (ONE.assign(error=float("nan")), "errors must be numbers"),
        (ONE.iloc[:0], "no rows"),
        (ONE.drop(columns="seed"), "lacks seed; it has: method, weight, error"),
    ],
)
def test_unfair_or_broken_sweeps_are_refused(wrong, message):
    with pytest.raises(DataError, match=message):
        chosen_weights(wrong)
