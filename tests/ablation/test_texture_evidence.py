"""Errors and gains by texture, on scores whose effects are known."""

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of

from lowtex.errors import DataError
from lowtex_lab.studies.stats.effect_rules import CANNOT, HELPS
from lowtex_lab.studies.texture_evidence import errors_by_stratum, gain_between, gain_lines

SEEDS, IMAGES = 4, 40


def noisy(level, seed, spread=0.05, images=IMAGES):
    rng = np.random.default_rng(seed)
    street = np.random.default_rng(99).normal(0, 0.3, images)
    return level * np.exp(street + rng.normal(0, spread, (SEEDS, 1)) + rng.normal(0, spread, (SEEDS, images)))


def scores(ratio_low=0.5, ratio_high=0.9, kind="known", suffix="", **more):
    """Two methods; ``ours`` has so much of the baseline's error on low and on high texture."""
    low = {"baseline": noisy(0.2, 0), "ours": noisy(0.2 * ratio_low, 1)}
    high = {"baseline": noisy(0.1, 2), "ours": noisy(0.1 * ratio_high, 3)}
    whole = {name: (low[name] + high[name]) / 2 for name in low}
    parts = [rows_of(low, "low" + suffix, kind, **more), rows_of(high, "high" + suffix, kind, **more)]
    return pd.concat([rows_of(whole, **more), *parts], ignore_index=True)


def test_errors_are_means_and_intervals_hold_seeds_and_images():
    made = scores()
    table = errors_by_stratum(made, ["baseline", "ours"], stratum_kind="known")
    assert list(table["stratum"].unique()) == ["all", "low", "high"]
    for row in table.to_dict("records"):
        own = made[(made["experiment"] == row["experiment"]) & (made["stratum"] == row["stratum"])]
        assert row["error"] == pytest.approx(own["abs_rel"].mean()) and row["low"] < row["error"] < row["high"]
        assert (row["seeds"], row["images"], row["pixels"]) == (SEEDS, IMAGES, 100 * IMAGES)
    # streets differ by 30 %: far wider than the seeds' 5 % would make it
    first = table.iloc[0]
    assert (first["high"] - first["low"]) / first["error"] > 0.1
    alone = errors_by_stratum(made[made["seed"] == 0], ["ours"], stratum_kind="known")
    assert alone["low"].isna().all() and (alone["seeds"] == 1).all()


def test_each_experiment_stands_on_its_own_seeds():
    made = scores()
    fewer = made[(made["experiment"] == "baseline") | (made["seed"] < 2)]
    table = errors_by_stratum(fewer, ["baseline", "ours"], stratum_kind="known").set_index(["experiment", "stratum"])
    assert table.loc[("baseline", "low"), "seeds"] == SEEDS and table.loc[("ours", "low"), "seeds"] == 2


def test_a_larger_gain_in_low_texture_is_found():
    found = gain_between(scores(0.5, 0.9), [("ours", "baseline")]).iloc[0]
    assert found["ratio"] == pytest.approx(0.5 / 0.9, rel=0.1) and found["verdict"] == HELPS
    assert found["first"] == pytest.approx(0.5, rel=0.1) and found["second"] == pytest.approx(0.9, rel=0.1)
    assert found["ratio"] == pytest.approx(found["first"] / found["second"])
    assert (found["seeds"], found["images"], found["within"]) == (SEEDS, IMAGES, "all")
    same = gain_between(scores(0.7, 0.7), [("ours", "baseline")]).iloc[0]
    assert same["low"] < 1 < same["high"] and same["verdict"] != HELPS
    line = gain_lines(pd.DataFrame([found])).iloc[0]
    assert line["verdict"] == "larger gain in the first" and line["ratio, low"] == found["first"]
    assert line["low over high"].startswith(f"{found['ratio']:.3f} [")
    one = gain_between(scores()[lambda made: made["seed"] == 0], [("ours", "baseline")])
    assert one["verdict"].item().startswith(CANNOT) and "[no interval]" in gain_lines(one)["low over high"].item()


def test_a_gain_within_distances_is_no_gain_by_distance():
    # near and far differ in the gain, low and high at one distance do not
    near = scores(0.9, 0.9, kind="known*distance", suffix="/<10 m")
    far = scores(0.4, 0.4, kind="known*distance", suffix="/10-20 m")
    made = pd.concat([near, far[far["stratum_kind"] != "none"]], ignore_index=True)
    found = gain_between(made, [("ours", "baseline")], "known*distance", within=("<10 m", "10-20 m", ">=80 m"))
    assert list(found["within"]) == ["<10 m", "10-20 m"], "a place without scores is left out"
    assert found["first"].to_numpy() == pytest.approx([0.9, 0.4], rel=0.1)
    assert (found["low"] < 1).all() and (found["high"] > 1).all()


def test_only_images_that_have_both_strata_count():
    made = scores()
    first = made["image"].unique()[:10]
    gone = made[~((made["stratum"] == "high") & made["image"].isin(first))]
    assert gain_between(gone, [("ours", "baseline")])["images"].item() == IMAGES - 10
    with pytest.raises(DataError, match="no image has pixels of both"):
        gain_between(made[made["stratum"] != "high"], [("ours", "baseline")])
