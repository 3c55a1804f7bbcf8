"""Errors, gains by texture and levels of the sweep, on scores whose effects are known."""

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of

from lowtex.errors import DataError
from lowtex_lab.studies.diagnostics.texture_sweep import LEVELS
from lowtex_lab.studies.stats.effect_rules import CANNOT, HELPS
from lowtex_lab.studies.stats.effects import compare
from lowtex_lab.studies.texture_evidence import (
    errors_by_stratum,
    gain_between,
    gain_lines,
    sweep_effects,
    sweep_errors,
    sweep_levels,
    sweep_scores,
    window_effects,
)
from lowtex_lab.studies.texture_windows import window_makers

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


SWEPT_SEEDS, SWEPT_IMAGES = 3, 12


def noisy_swept(level, seed, spread=0.05):
    rng = np.random.default_rng(seed)
    street = np.random.default_rng(99).normal(0, 0.3, SWEPT_IMAGES)
    return level * np.exp(
        street + rng.normal(0, spread, (SWEPT_SEEDS, 1)) + rng.normal(0, spread, (SWEPT_SEEDS, SWEPT_IMAGES))
    )


def swept(loss=0.5, methods=("baseline", "ours")):
    """The measure: `ours` loses a share of its accuracy as texture goes, the baseline none."""
    parts = []
    for place, level in enumerate(LEVELS):
        worse = 1 + loss * (level.factor < 1) * (1 - level.factor)
        for kind, stratum in (("none", "all"), ("known", "low"), ("known", "high")):
            table = {"baseline": noisy_swept(0.2, 0), "ours": noisy_swept(0.1 * worse, 1)}
            table = {name: table[name] for name in methods}
            parts.append(rows_of(table, stratum, kind, factor=level.factor, painted=level.painted, moved=0.1 * place))
    width = 320
    for number, kind in enumerate(window_makers(width)):
        table = {"baseline": noisy_swept(0.2, 0), "ours": noisy_swept(0.2 / (1 + number), 1)}
        parts.append(rows_of(table, "low", kind, factor=1.0, painted=True, moved=0.0))
    return pd.concat(parts, ignore_index=True).drop(columns=["split", "protocol", "eval_data"])


def test_the_sweep_level_by_level():
    made = sweep_scores(swept())
    assert sweep_levels(made) == ["2", "1", "0.5", "0.25", "0.1", "0", "0, bare"]
    errors = sweep_errors(made, ["baseline", "ours"]).set_index(["method", "level", "stratum"])
    assert errors.loc[("ours", "0", "low"), "error"] == pytest.approx(1.5 * errors.loc[("ours", "1", "low"), "error"])
    alone = sweep_effects(made, ["baseline", "ours"]).set_index(["method", "level", "stratum"])
    assert ("ours", "1", "all") not in alone.index and (alone["against"] == "itself at 1").all()
    assert alone.loc[("ours", "0, bare", "all"), "ratio"] == pytest.approx(1.5)
    assert alone.loc[("baseline", "0", "all"), "ratio"] == pytest.approx(1) and (alone["seeds"] == 3).all()
    against = sweep_effects(made, ["baseline", "ours"], "baseline").set_index(["method", "level", "stratum"])
    grown = against.loc[("ours", "0", "all"), "ratio"] / against.loc[("ours", "1", "all"), "ratio"]
    assert grown == pytest.approx(1.5) and set(against.index.get_level_values(0)) == {"ours"}


def test_painted_is_read_from_a_file_as_well(tmp_path):
    swept().to_csv(tmp_path / "sweep.csv", index=False)
    again = pd.read_csv(tmp_path / "sweep.csv", keep_default_na=False)
    assert sweep_levels(sweep_scores(again.assign(painted=again["painted"].astype(str)))) == sweep_levels(
        sweep_scores(swept())
    )


def test_a_ratio_under_every_window():
    found = window_effects(swept(), [("ours", "baseline")])
    assert list(found["definition"]) == [*window_makers(320)]
    direct = compare(swept()[lambda rows: rows["stratum_kind"] == "window 9 px"].assign(protocol="vkitti2_dense"),
                     [("ours", "baseline")], stratum_kind="window 9 px", strata=["low"])  # fmt: skip
    same = found[found["definition"] == "window 9 px"]
    assert same["ratio"].item() == pytest.approx(direct["ratio"].item())
    assert found["ratio"].is_monotonic_decreasing
    with pytest.raises(DataError, match="no definitions"):
        window_effects(swept()[lambda rows: rows["stratum_kind"] == "none"], [("ours", "baseline")])


def test_a_method_without_common_seeds_is_left_out():
    made = swept()
    made.loc[made["experiment"] == "ours", "seed"] += 10
    with pytest.raises(DataError, match="no two networks of one seed"):
        sweep_effects(sweep_scores(made), ["baseline", "ours"], "baseline")
    with pytest.raises(DataError, match="no definitions"):
        window_effects(made, [("ours", "baseline")])
