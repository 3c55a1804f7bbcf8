"""Tables that the ablation's notebooks share: on made-up scores with known ratios, and on the rows' own settings."""

import warnings

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of

from lowtex.errors import DataError, OptionError
from lowtex.evaluation.results import write_csv
from lowtex.experiments import FACTORS, GROUPS, change, factorial, named_experiment
from lowtex.files import write_json
from lowtex_lab.studies import tables
from lowtex_lab.studies.evidence import Evidence

RATIOS = {"census": 0.5, "zncc": 1.5, "random-features": 1.0}
IMAGES = 40
ALL_AND_LOW = {"stratum_kind": "known", "strata": ["all", "low"]}


def write_evidence(folder, ratios, seeds=5, noise=0.004, stuck=(), val_only=()) -> Evidence:
    """Scores whose errors are those of ``ours`` times a ratio, squared on low texture; ours has 0.1, a stuck one 3."""
    rng = np.random.default_rng(0)
    for name, ratio in {"ours": 1.0, **ratios}.items():
        for seed in range(seeds):
            values = (3 / ratio if (name, seed) in stuck else 0.1) * np.exp(rng.normal(0, noise, (1, IMAGES)))
            frames = [
                rows_of({name: ratio**power * values}, *stratum, split=f"eigen_like/{split}")
                for power, stratum in ((1, ()), (2, ("low", "known")))
                for split in (("val",) if name in val_only else ("val", "test"))
            ]
            frame = pd.concat(frames).assign(seed=seed, miniature=True)
            write_csv(folder / "ablation" / "images" / f"{name}-s{seed}.csv.gz", frame)
            record = {"experiment": {"schedule": {"steps": 800 if name == "ours" else 200}}}
            write_json(folder / "ablation" / "records" / f"{name}-s{seed}.json", record)
    return Evidence(folder, "quick", True)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    return write_evidence(tmp_path_factory.mktemp("made"), RATIOS)


def test_what_differs_is_what_the_row_sets():
    named = tables.what_differs("encoder_features", "encoder").set_index("setting")
    assert set(named.index) == {"loss.data_term", "loss.auto_mask", "feature_net"}
    assert list(named.loc["loss.auto_mask", ["encoder_features", "encoder"]]) == ["no", "yes"]
    assert list(named.loc["feature_net", ["encoder_features", "encoder"]]) == ["autoencoder", "none"]
    assert "unwarped other view" in named.loc["loss.auto_mask", "meaning"]


@pytest.mark.parametrize("pair", [("featdepth", "ours"), ("smooth-depth", "features-raw")])
def test_setting_what_differs_makes_one_row_the_other(pair):
    """Nothing is forgotten: with those settings taken over, the two are one training."""
    one, two = (named_experiment(name) for name in pair)
    table = tables.what_differs(*pair)
    parts = [setting.split(".") for setting in table["setting"]]
    changes = {f"{part}__{setting}": getattr(getattr(two, part), setting) for part, setting in parts}
    assert one.key != two.key == change(one, **changes).key


def test_the_same_training_under_two_names():
    assert tables.change_line("ours", "iresnet-features-both-nested") == tables.SAME
    assert tables.change_line("features-levels", "ours") == "loss.feature_scales: lowest -> levels"
    with pytest.raises(OptionError, match="two different rows"):
        tables.what_differs("ours", "ours")


def test_against_finds_the_ratios_and_judges_one_family_a_line_an_effect(evidence):
    found = tables.against(evidence, [*RATIOS, "ours", "featdepth"], "ours", **ALL_AND_LOW)
    assert list(found["method"]) == list(RATIOS) * 2 and list(found["stratum"]) == ["all"] * 3 + ["low"] * 3
    assert found["ratio"].to_numpy() == pytest.approx([0.5, 1.5, 1, 0.25, 2.25, 1], rel=0.01)
    assert list(found["verdict_corrected"]) == ["helps", "harms", "no difference seen"] * 2
    assert set(found["comparisons"]) == {6} and set(found["seeds"]) == {5} and set(found["images"]) == {IMAGES}
    table = tables.by_stratum(found)
    assert list(table) == ["effect", "all pixels", "low", "seeds", "images"] and len(table) == 3
    assert table.loc[0, "all pixels"].startswith("0.50") and table.loc[0, "low"].endswith("] helps")
    assert list(table["seeds"]) == ["5"] * 3 and list(table["images"]) == [str(IMAGES)] * 3
    assert list(tables.by_stratum(found.drop(index=4))["low"])[1] == "–"
    with pytest.raises(OptionError, match="there are: none, known"):
        tables.against(evidence, ["census"], "ours", stratum_kind="colour")
    alone = tables.against(evidence, ["census"], "ours", correction=None)
    assert "verdict_corrected" not in alone and list(alone["verdict"]) == ["helps"]


def test_each_pair_has_the_seeds_that_both_have(tmp_path):
    partly = write_evidence(tmp_path, {"census": 0.5})
    write_evidence(tmp_path, {"zncc": 1.5}, seeds=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = tables.against(partly, ["census", "zncc"], "ours").set_index("method")
    assert list(found["seeds"]) == [5, 1]
    assert found.loc["census", "verdict_corrected"] == "helps"
    assert found.loc["zncc", "verdict_corrected"].startswith("cannot be judged"), "nothing is judged from one seed"


def test_a_stuck_training_is_told_apart(tmp_path):
    stuck = [("census", 3), *(("zncc", seed) for seed in range(5))]
    made = write_evidence(tmp_path, {"census": 0.5, "zncc": 1.5}, stuck=stuck)
    table = tables.outcome_table(made, ["ours", "census", "zncc", "featdepth"]).set_index("row")
    assert list(table["learnt"]) == ["5 of 5", "4 of 5", "0 of 5"]
    assert list(table["stuck seeds"]) == ["none", "3", "0, 1, 2, 3, 4"]
    assert table.loc["zncc", "validation AbsRel"] == "–"
    assert float(table.loc["census", "validation AbsRel"]) == pytest.approx(0.05, abs=1e-3)
    whole = tables.against(made, ["census", "zncc"], "ours")
    assert whole["ratio"].to_numpy() == pytest.approx([(0.5**4 * 30) ** 0.2, 30], rel=0.01)
    good = tables.against(made, ["census", "zncc"], "ours", learnt_only=True)
    assert list(good["method"]) == ["census"] and list(good["seeds"]) == [4]
    assert good["ratio"].iloc[0] == pytest.approx(0.5, rel=0.01)
    assert tables.outcome_table(made, ["featdepth"]).empty


def test_a_point_of_the_curve_finds_its_test_scores(tmp_path):
    curve = ["features-smooth-0.001", "features-smooth-0.003", "pixels-smooth-0.001"]
    made = write_evidence(tmp_path, dict.fromkeys(curve, 1.0), seeds=1, val_only=curve)
    assert tables.scored_as(made, curve[0], "val") == curve[0]
    assert tables.scored_as(made, curve[0]) == "ours", "the default weight is the paper's model"
    assert tables.scored_as(made, curve[1]) is None and tables.scored_as(made, curve[2]) is None


def test_what_is_missing_is_said_and_left_out(evidence):
    assert tables.missing_line(evidence, ["census", "zncc"]) == ""
    line = tables.missing_line(evidence, ["census", "featdepth"], "rivals")
    assert line.startswith("No rows yet of 1 of 2 rivals: featdepth.") and "lowtex ablate featdepth`" in line
    assert "of all 2 rows" in tables.missing_line(evidence, ["baseline", "featdepth"])
    assert tables.missing_line(evidence, ["featdepth"]).startswith("No rows yet of featdepth, so it is left out;")
    many = tables.missing_line(evidence, [*GROUPS["curve"], "ours"])
    assert "22 more" in many and "`lowtex ablate --only curve`" in many, "28 names would be no line to read"
    assert tables.against(evidence, ["featdepth"], "ours").empty
    with pytest.raises(DataError, match="featdepth, which is the reference"):
        tables.against(evidence, ["census"], "featdepth")


def test_the_design_and_the_pairs_of_one_factor():
    made = tables.design()
    assert set(made.experiments) == set(factorial()) and made.factors["data term"] == ("pixels", "features")
    for factor, (old, new) in made.factors.items():
        pairs = tables.factor_pairs(factor)
        assert len(pairs) == 8 and len({row for pair in pairs.values() for row in pair}) == 16
        for with_new, with_old in pairs.values():
            assert made.cells[with_new] == made.cells[with_old] | {factor: new}
            assert made.cells[with_old][factor] == old
    with pytest.raises(OptionError, match="data term"):
        tables.factor_pairs("colour")
    assert list(FACTORS) == list(made.factors)


def test_setting_says_steps_data_and_streets(evidence):
    assert tables.setting(evidence, ["ours"]) == "quick profile, 800 steps, miniature of 2 test streets"
    assert "of 2 validation streets" in tables.setting(evidence, ["ours"], "val")
    assert "200 to 800 steps" in tables.setting(evidence), "no cell is there, so all rows count"


def test_an_effect_in_words_takes_the_corrected_verdict():
    effect = {"ratio": 0.714, "low": 0.62, "high": 0.8, "verdict": "helps", "seeds": 5, "images": 1}
    assert tables.in_words(effect) == "0.71 times as large (0.62 to 0.80, helps; 5 seeds, 1 image)"
    effect |= {"verdict_corrected": "undecided", "low": np.nan}
    assert tables.in_words(effect, counts=False) == "0.71 times as large (undecided)"
    assert tables.behind(pd.DataFrame([effect, effect | {"seeds": 3}])) == "3 to 5 seeds, 1 image"
