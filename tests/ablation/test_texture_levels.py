"""The sweep level by level, and a ratio under every window, on measures whose outcome is known."""

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of

from lowtex.errors import DataError
from lowtex_lab.studies.diagnostics.texture_sweep import LEVELS
from lowtex_lab.studies.loss_analysis.texture_windows import window_makers
from lowtex_lab.studies.stats.effects import compare
from lowtex_lab.studies.texture_levels import sweep_effects, sweep_errors, sweep_levels, sweep_scores, window_effects

SEEDS, IMAGES = 3, 12


def noisy(level, seed, spread=0.05):
    rng = np.random.default_rng(seed)
    street = np.random.default_rng(99).normal(0, 0.3, IMAGES)
    return level * np.exp(street + rng.normal(0, spread, (SEEDS, 1)) + rng.normal(0, spread, (SEEDS, IMAGES)))


def swept(loss=0.5, methods=("baseline", "ours")):
    """The measure: `ours` loses a share of its accuracy as texture goes, the baseline none."""
    parts = []
    for place, level in enumerate(LEVELS):
        worse = 1 + loss * (level.factor < 1) * (1 - level.factor)
        for kind, stratum in (("none", "all"), ("known", "low"), ("known", "high")):
            table = {"baseline": noisy(0.2, 0), "ours": noisy(0.1 * worse, 1)}
            table = {name: table[name] for name in methods}
            parts.append(rows_of(table, stratum, kind, factor=level.factor, painted=level.painted, moved=0.1 * place))
    width = 320
    for number, kind in enumerate(window_makers(width)):
        table = {"baseline": noisy(0.2, 0), "ours": noisy(0.2 / (1 + number), 1)}
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
