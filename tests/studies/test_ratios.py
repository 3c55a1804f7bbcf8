"""Ratios of tidy rows, seed by seed, by hand."""

import pandas as pd
import pytest

from lowtex.errors import DataError
from lowtex_lab.studies.stats.ratios import ratio_table

SAME = {"eval_data": "vkitti2", "split": "test", "protocol": "vkitti2_dense", "scaling": "none", "flip": False}


def row(experiment, seed, value, stratum="all", kind="none", metric="abs_rel", **more):
    place = {"stratum_kind": kind, "stratum": stratum, "metric": metric, "images": 20, "profile": "quick"}
    return {**SAME, "experiment": experiment, "seed": seed, "value": value, **place, **more}


WHOLE = {"baseline": [0.2, 0.4], "ours": [0.1, 0.1, 9.0]}
"""The last is of a seed that the reference lacks."""

ROWS = [row(name, seed, value) for name, values in WHOLE.items() for seed, value in enumerate(values)]
ROWS += [row("baseline", 0, 0.5, "low", "known"), row("ours", 0, 0.25, "low", "known")]
ROWS += [row("baseline", 0, 9.9, "all", "known"), row("ours", 0, 0.1, "all", "known")]
ROWS += [row("baseline", 0, 7.0, metric="rmse"), row("ours", 0, 1.0, metric="rmse")]
ROWS = pd.DataFrame(ROWS)


def test_ratios_are_taken_within_a_seed_and_then_averaged():
    line = ratio_table(ROWS).iloc[0]
    # the ratio of the means would be 0.1 / 0.3
    assert line["ratio"] == pytest.approx((0.5 + 0.25) / 2)
    assert (line["ratio_min"], line["ratio_max"], line["seeds"], line["images"]) == (0.25, 0.5, 2, 20)
    assert line["ours"] == pytest.approx(0.1) and line["baseline"] == pytest.approx(0.3)


def test_whole_images_come_once_and_strata_in_reading_order():
    names = ["<5 m", "5-10 m", "10-20 m", ">=20 m"]
    bins = [row(e, 0, 0.1, s, "distance") for e in ("baseline", "ours") for s in names]
    table = ratio_table(pd.concat([ROWS, pd.DataFrame(bins)]), stratum_kind="distance")
    assert table["stratum"].tolist() == ["all", *names]
    known = ratio_table(ROWS, stratum_kind="known")
    assert known["stratum"].tolist() == ["all", "low"]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(DataError, match="no seed has both 'encoder' and 'baseline'.*baseline, ours"):
        ratio_table(ROWS, "encoder")
    for column, other in (("protocol", "vkitti2_garg"), ("flip", True), ("profile", "standard")):
        with pytest.raises(DataError, match=f"differ in {column}"):
            ratio_table(pd.concat([ROWS, pd.DataFrame([row("ours", 0, 0.1, **{column: other})])]))
