"""Choosing a weight: by the mean over seeds, said aloud at the end of the range, never from unequal seeds."""

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
