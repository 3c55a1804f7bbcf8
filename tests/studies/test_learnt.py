"""Which trainings learnt, and what is left without the others."""

import pandas as pd
import pytest
from made_scores import rows_of

from lowtex_lab.studies.learnt import failures, learnt_only, outcomes_of, sound_seeds

FOUND = pd.DataFrame(
    [("a", 0, True), ("a", 1, True), ("a", 2, False), ("b", 0, True), ("b", 1, True), ("b", 2, True), ("b", 3, True)],
    columns=["experiment", "seed", "learnt"],
)


def test_it_is_told_by_the_error_on_whole_validation_images():
    table = {"ours": [[0.2, 0.3], [0.2, 0.3]], "baseline": [[0.2, 0.3], [0.9, 1.3]]}
    whole, part = rows_of(table, split="eigen_like/val"), rows_of({"ours": [[9.0, 9.0]]}, "low", "known")
    found = outcomes_of(pd.concat([whole, part]))
    assert found.loc[~found["learnt"], ["experiment", "seed"]].values.tolist() == [["baseline", 1]]


def test_the_others_are_left_out_and_a_seed_is_sound_where_every_training_is_there_and_learnt():
    kept = learnt_only(rows_of({"a": [[0.1]] * 4, "b": [[0.2]] * 3}), FOUND)
    trainings = [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)]
    assert list(zip(kept["experiment"], kept["seed"], strict=True)) == trainings
    assert sound_seeds(FOUND, ["a", "b"]) == [0, 1]
    assert sound_seeds(FOUND, ["b"]) == [0, 1, 2, 3]
    assert sound_seeds(FOUND, ["a", "b", "c"]) == []


def test_failures_are_counted_at_each_level():
    counted = failures(FOUND, {"a": {"f": "old"}, "b": {"f": "new"}})
    # one failure of seven falls on the three by chance in 3 of 7 cases, on the four in 4 of 7
    p = pytest.approx(3 / 7)
    assert counted.values.tolist() == [["f", "old", 3, 1, p], ["f", "new", 4, 0, p]]
