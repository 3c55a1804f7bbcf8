"""Effects within one data term and the weight's curve, on made-up scores with known ratios and known failures."""

import numpy as np
import pandas as pd
import pytest
from test_ablation_tables import write_evidence

from lowtex.evaluation.results import write_csv
from lowtex.experiments import SMOOTHNESS_CURVE, curve_name, levels_of
from lowtex_lab.studies.smoothness_evidence import (
    curve_sweep,
    effects_in,
    ends_of,
    shape_effects_in,
    slopes_by_level,
)
from lowtex_lab.studies.stats.tuning import chosen_weights
from lowtex_lab.studies.tables import design

STUCK = ("resnet-pixels-first-plain", 1)


def ratio_of(name):
    """Features halve the error; both orders cost a tenth with pixels and gain a tenth with features."""
    level = levels_of(name)
    both = level["smoothness"] == "both"
    return (0.5 * (0.9 if both else 1)) if level["data term"] == "features" else (1.1 if both else 1)


def curve_ratio(weight):
    return 1 + 0.1 * np.log10(weight / 3e-3) ** 2


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    ratios = {name: ratio_of(name) for name in design().experiments}
    curve = {curve_name(term, w): curve_ratio(w) for term in ("pixels", "census") for w in SMOOTHNESS_CURVE[term]}
    curve |= {curve_name("zncc", 1e-3): 1.0}
    stuck = (STUCK, (curve_name("pixels", 1e-4), 0))
    return write_evidence(tmp_path_factory.mktemp("made"), ratios | curve, seeds=4, stuck=stuck, val_only=tuple(curve))


def test_effects_within_a_data_term_and_without_failures(evidence):
    designs = {term: design().held({"data term": term}) for term in ("pixels", "features")}
    learnt = effects_in(evidence, designs, learnt_only=True, times=200).set_index(["within", "effect"])
    assert learnt.loc[("pixels", "smoothness"), "ratio"] == pytest.approx(1.1, rel=0.01)
    assert learnt.loc[("features", "smoothness"), "ratio"] == pytest.approx(0.9, rel=0.01)
    assert learnt.loc[("pixels", "smoothness"), "fewest"] == 3 and learnt.loc[("features", "smoothness"), "fewest"] == 4
    every = effects_in(evidence, designs, times=200).set_index(["within", "effect"])
    # one of 32 trainings of pixels has thirty times the error: the mean log ratio moves by log(30) / 16
    assert every.loc[("pixels", "smoothness"), "ratio"] == pytest.approx(1.1 / 30 ** (1 / 16), rel=0.01)
    assert every.loc[("pixels", "smoothness"), "seeds"] == 4


def test_measured_shapes_within_a_data_term(evidence):
    designs = {term: design().held({"data term": term}) for term in ("pixels", "features")}
    assert shape_effects_in(evidence, designs, "bend").empty, "nothing has been measured yet"
    rng, folder = np.random.default_rng(0), evidence.folder / "smoothness"
    for name in design().experiments:
        for seed in range(3 if levels_of(name)["data term"] == "pixels" else 4):
            bend = 0.6 if levels_of(name)["smoothness"] == "both" else 1.0
            images = [f"Scene{scene:02d}/clone/00000/l" for scene in (1, 2, 6)]
            parts = [
                pd.DataFrame({"image": images, "surface": surface, "texture": "all", "pixels": 50,
                              "abs_rel": 0.1, "tilt_deg": 5.0, "rise": 0.1, "flat": 0.1, "steep": 0.2,
                              "slope": bend + 0.1 * seed if surface == "ground" else np.nan,
                              "bend": factor * bend * np.exp(rng.normal(0, 0.01, 3))})
                for surface, factor in (("all", 1), ("ground", 0.5))
            ]  # fmt: skip
            added = {"experiment": name, "experiment_key": name, "seed": seed, "profile": "quick", "miniature": True}
            write_csv(folder / f"{name}-s{seed}.csv.gz", pd.concat(parts).assign(**added, threads=1))
    found = shape_effects_in(evidence, designs, "bend", times=50).set_index(["within", "effect", "stratum"])
    learnt = shape_effects_in(evidence, designs, "bend", learnt_only=True, times=50)
    learnt = learnt.set_index(["within", "effect", "stratum"])
    for stratum in ("all", "ground"):
        assert found.loc[("pixels", "smoothness", stratum), "ratio"] == pytest.approx(0.6, rel=0.03)
        assert found.loc[("features", "smoothness", stratum), "seeds"] == 4
        assert found.loc[("pixels", "smoothness", stratum), "seeds"] == 3
        assert learnt.loc[("pixels", "smoothness", stratum), "fewest"] == 2
    slopes = slopes_by_level(evidence, learnt_only=False).set_index(["data term", "smoothness"])
    assert set(slopes["surface"]) == {"ground"} and slopes.loc[("pixels", "first"), "trainings"] == 12
    # four cells of three seeds: 1.0, 1.1, 1.2
    assert slopes.loc[("pixels", "first"), "slope"] == f"{1.1:.3f} ± {np.std([1, 1.1, 1.2] * 4, ddof=1):.3f}"
    assert slopes_by_level(evidence).set_index(["data term", "smoothness"]).loc[("pixels", "first"), "trainings"] == 11
    same = shape_effects_in(evidence, designs, "tilt_deg", times=50)
    assert np.allclose(same["ratio"], 1) and set(same["metric"]) == {"tilt_deg"}


def test_designs_without_rows_are_left_out(tmp_path):
    some = write_evidence(tmp_path, {name: 1.0 for name in design().held({"data term": "pixels"}).experiments}, seeds=2)
    designs = {term: design().held({"data term": term}) for term in ("pixels", "features")}
    assert set(effects_in(some, designs, times=50)["within"]) == {"pixels"}
    assert effects_in(some, {"features": designs["features"]}).empty


def test_curve_chooses_the_made_up_weight_and_says_what_ends_cost(evidence):
    sweep = curve_sweep(evidence, learnt_only=True)
    assert set(sweep["method"]) == {"pixels", "census"}, "one weight is no curve"
    assert set(sweep.loc[sweep["method"] == "pixels", "seed"]) == {1, 2, 3}
    assert set(curve_sweep(evidence)["seed"]) == {0, 1, 2, 3}
    assert list(chosen_weights(sweep)["weight"]) == [3e-3, 3e-3]
    ends = ends_of(sweep).set_index("method")
    ratio, weight = ends.loc["census", "at the least"].split()
    assert weight == "(0.0001)" and abs(float(ratio) - curve_ratio(1e-4) / curve_ratio(3e-3)) < 0.02
    assert ends.loc["pixels", "seeds"] == 3 and ends.loc["census", "images"] == 40
    low = curve_sweep(evidence, stratum_kind="known", stratum="low")
    one = low[(low["method"] == "census") & (low["weight"] == 1e-1)]["error"].mean()
    assert one == pytest.approx(0.1 * curve_ratio(1e-1) ** 2, rel=0.02)


def test_no_curve_is_an_empty_one(tmp_path):
    none = write_evidence(tmp_path, {"census": 1.0}, seeds=1)
    assert curve_sweep(none).empty
