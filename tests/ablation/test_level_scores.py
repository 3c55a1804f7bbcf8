"""A factor's levels pooled over settings: against the factorial where all is there, and with trainings missing."""

import numpy as np
import pandas as pd
import pytest

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.level_scores import EVERYWHERE, level_effects, level_scores, settings_of
from lowtex_lab.studies.stats.factorial import factorial_effects
from lowtex_lab.studies.tables import design, factor_pairs

CELLS = design().experiments
SEEDS, IMAGES = 4, 12


def made(ratio=0.9, noise=0.01, features=1.0):
    """Scores of all cells whose nested skips multiply the error by ``ratio``, by that times ``features`` with them."""
    random = np.random.default_rng(0)
    lines = []
    for name in CELLS:
        cell = design().cells[name]
        error = 3.0 if cell["data term"] == "pixels" else 0.5
        error *= ratio * (features if cell["data term"] == "features" else 1) if cell["skips"] == "nested" else 1
        for seed in range(SEEDS):
            values = error * (1 + 0.2 * np.arange(IMAGES) / IMAGES) * np.exp(noise * random.standard_normal(IMAGES))
            lines += [
                {"experiment": name, "seed": seed, "image": f"Scene01/clone/{i:05d}/l", "stratum_kind": "none",
                 "stratum": "all", "pixels": 100, "abs_rel": value, "d1": 0.5, "profile": "quick"}
                for i, value in enumerate(values)
            ]  # fmt: skip
    return pd.DataFrame(lines)


def outcomes_of(stuck=()):
    lines = [{"experiment": name, "seed": seed} for name in CELLS for seed in range(SEEDS)]
    return pd.DataFrame(lines).assign(learnt=[(row["experiment"], row["seed"]) not in stuck for row in lines])


def test_where_all_is_there_it_is_the_factorials_main_effect():
    scores = made(features=0.8)
    found = level_effects(scores, "skips", outcomes_of(), times=100).set_index("effect")
    whole = factorial_effects(scores, design(), times=100).set_index("effect")
    assert found.loc[EVERYWHERE, "ratio"] == pytest.approx(whole.loc["skips", "ratio"], rel=2e-3)
    assert (found.loc[EVERYWHERE, "pairs"], found.loc[EVERYWHERE, "seeds"]) == (8 * SEEDS, SEEDS)
    assert found.loc["pixels", "ratio"] == pytest.approx(0.9, rel=0.01)
    assert found.loc["features", "ratio"] == pytest.approx(0.72, rel=0.01)
    assert found.loc["features", "pairs"] == 4 * SEEDS


def test_a_stuck_training_takes_its_pair_with_it_and_no_other():
    nested, plain = factor_pairs("skips")["resnet, pixels, first"]
    scores = made()
    stuck = (scores["experiment"] == plain) & (scores["seed"] == 1)
    scores.loc[stuck, "abs_rel"] = 40.0
    found = level_effects(scores, "skips", outcomes_of({(plain, 1)}), times=100).set_index("effect")
    assert found["ratio"].to_numpy() == pytest.approx(0.9, rel=0.01)
    assert found.loc[EVERYWHERE, "pairs"] == 8 * SEEDS - 1
    assert level_effects(scores, "skips", outcomes_of(), times=100)["ratio"].iloc[0] < 0.85, "else nothing was tested"


def test_settings_weigh_alike_however_large_their_errors():
    # pixels have six times the errors: a mean of errors would say 0.9
    assert level_effects(made(features=0.5), "skips", outcomes_of(), times=100)["ratio"].iloc[0] == pytest.approx(
        0.9 * np.sqrt(0.5), rel=0.01
    )


def test_cells_that_are_not_there_yet_are_left_out():
    scores = made()
    few = scores[scores["experiment"].isin(factor_pairs("skips")["iresnet, features, both"])]
    found = level_effects(few, "skips", outcomes_of(), times=100)
    assert list(found["effect"]) == [EVERYWHERE, "iresnet", "features", "both"] and set(found["pairs"]) == {SEEDS}
    one = level_effects(few, "skips", outcomes_of(), settings=["features"], times=100)
    assert list(one["effect"]) == ["features"]
    with pytest.raises(OptionError, match="settings='nested'.*both"):
        level_effects(few, "skips", outcomes_of(), settings=["nested"])
    with pytest.raises(DataError, match="skips"):
        level_effects(scores[scores["experiment"] == CELLS[0]], "skips", outcomes_of())


def test_every_setting_of_the_others_is_split_evenly():
    found = settings_of("data term")
    assert {name: len(pairs) for name, pairs in found.items()} == {EVERYWHERE: 8} | dict.fromkeys(
        ["resnet", "iresnet", "first", "both", "plain", "nested"], 4
    )


def test_shares_of_good_pixels_and_scores_without_columns_are_refused():
    with pytest.raises(OptionError, match="d1"):
        level_scores(made(), settings_of("skips")[EVERYWHERE], outcomes_of(), "d1")
    with pytest.raises(DataError, match="abs_rel"):
        level_scores(made().drop(columns="abs_rel"), settings_of("skips")[EVERYWHERE], outcomes_of())
