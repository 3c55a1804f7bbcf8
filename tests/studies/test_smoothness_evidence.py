"""The weight's curve, on made-up scores with known ratios and known failures."""

import numpy as np
import pytest
from test_ablation_tables import write_evidence

from lowtex.experiments import SMOOTHNESS_CURVE, curve_name
from lowtex_lab.studies.smoothness_evidence import curve_sweep
from lowtex_lab.studies.stats.tuning import chosen_weights


def curve_ratio(weight):
    return 1 + 0.1 * np.log10(weight / 3e-3) ** 2


def test_curve_chooses_the_made_up_weight(tmp_path):
    curve = {curve_name(term, w): curve_ratio(w) for term in ("pixels", "census") for w in SMOOTHNESS_CURVE[term]}
    curve |= {curve_name("zncc", 1e-3): 1.0}
    stuck = ((curve_name("pixels", 1e-4), 0),)
    evidence = write_evidence(tmp_path, curve, seeds=4, stuck=stuck, val_only=tuple(curve))
    sweep = curve_sweep(evidence, learnt_only=True)
    assert set(sweep["method"]) == {"pixels", "census"}, "one weight is no curve"
    assert set(sweep.loc[sweep["method"] == "pixels", "seed"]) == {1, 2, 3}
    assert set(curve_sweep(evidence)["seed"]) == {0, 1, 2, 3} and set(sweep["images"]) == {40}
    assert list(chosen_weights(sweep)["weight"]) == [3e-3, 3e-3]
    one = sweep[(sweep["method"] == "census") & (sweep["weight"] == 1e-1)]["error"].mean()
    assert one == pytest.approx(0.1 * curve_ratio(1e-1), rel=0.02)


def test_no_curve_is_an_empty_one(tmp_path):
    none = write_evidence(tmp_path, {"census": 1.0}, seeds=1)
    assert curve_sweep(none).empty
