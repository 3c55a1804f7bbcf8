"""Verdicts follow the stated rule on rows made by hand, and are never reached without enough of them."""

import pandas as pd
import pytest

from lowtex.claims import CLAIMS, Claim, effects, judge
from lowtex.experiments import NAMED
from lowtex.protocols import PROTOCOLS
from lowtex.results import COLUMNS
from lowtex.seeding import numpy_generator
from lowtex.texture import STRATA
from lowtex.verdicts import (
    CANNOT,
    FAILS,
    HOLDS,
    IN_PART,
    LEAST_SEEDS,
    MARGIN,
    NO_VERDICT,
    Outcome,
    Versus,
    measure,
    verdict,
)

LOW = Versus("ours", "baseline", "vkitti2_dense", "low", ("known", "gradient"))
ALL = Versus("ours", "baseline")


def made_rows(ratios, stratum="all", kind="none", **changes) -> pd.DataFrame:
    """Rows in which ours / baseline is ``ratios[seed]``; the baseline's error is 0.2."""
    rows = []
    for seed, ratio in enumerate(ratios):
        for name, value in (("baseline", 0.2), ("ours", 0.2 * ratio)):
            row = dict.fromkeys(COLUMNS, "x") | {
                "experiment": name, "seed": seed, "eval_data": "vkitti2", "split": "eigen_like/test",
                "protocol": "vkitti2_dense", "scaling": "none", "flip": False, "stratum_kind": kind, "stratum": stratum,
                "metric": "abs_rel", "value": value, "images": 40, "miniature": True, "profile": "quick",
                "status": "measured",
            }  # fmt: skip
            rows.append(row | changes)
    return pd.DataFrame(rows)


def judged(rows, *tests) -> tuple[str, str]:
    line = judge(rows, [Claim("c", "t", "abstract", tests)]).iloc[0]
    return line["verdict"], line["why"]


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([0.5, 0.6, 0.7], HOLDS),
        ([0.5, 0.6, 1.05], NO_VERDICT),
        ([0.995, 0.99, 0.999], FAILS),
        ([1.2, 1.25, 1.22], FAILS),
        ([0.95, 1.0, 1.05], NO_VERDICT),
        ([0.97, 0.94, 0.96, 0.95, 0.95], HOLDS),
        ([0.5], NO_VERDICT),
        ([0.5, 0.5], NO_VERDICT),
    ],
)
def test_the_rule(ratios, expected):
    assert judged(made_rows(ratios), ALL)[0] == expected


def test_few_seeds_only_point():
    assert judged(made_rows([0.5]), ALL) == (NO_VERDICT, "one seed: points to yes")
    assert judged(made_rows([1.5, 1.4]), ALL) == (NO_VERDICT, "2 seeds: points to no")
    assert judged(made_rows([1 - MARGIN / 2]), ALL) == (NO_VERDICT, "one seed: no difference")
    for count in range(1, LEAST_SEEDS):
        assert judged(made_rows([0.1] * count), ALL)[0] == NO_VERDICT


def test_without_rows_nothing_is_judged():
    empty = pd.DataFrame(columns=list(COLUMNS))
    table = judge(empty)
    assert len(table) == len(CLAIMS) and set(table["verdict"]) == {CANNOT}
    assert (table["why"] != "").all() and (table["seeds"] == 0).all()
    assert effects(empty).empty


def test_a_blocked_claim_stays_blocked_whatever_the_rows_say():
    claim = Claim("c", "t", "review", (ALL,), blocked="no numbers")
    line = judge(made_rows([0.1] * 5), [claim]).iloc[0]
    assert (line["verdict"], line["why"]) == (CANNOT, "no numbers")


def test_interval_is_students():
    # t of 2 degrees of freedom at 97.5 % is 4.3027; deviation 0.1, three seeds
    low, high = measure(made_rows([0.5, 0.6, 0.7]), ALL).interval
    assert (low, high) == (pytest.approx(0.4 - 4.303 * 0.1 / 3**0.5), pytest.approx(0.64843, abs=1e-5))
    assert measure(made_rows([0.5]), ALL).interval == (float("-inf"), float("inf"))


def test_no_effect_is_rarely_praised_and_more_seeds_find_more():
    draws = numpy_generator(0, "rule")
    share = {}
    for mean, seeds in ((1.0, 3), (1.0, 5), (0.93, 3), (0.93, 5)):
        many = draws.normal(mean, 0.05, size=(400, seeds))
        said = [Outcome(ALL, dict(enumerate(ratios))).says for ratios in many]
        share[mean, seeds] = said.count("yes") / len(said)
    assert share[1.0, 3] < 0.05 and share[1.0, 5] < 0.05
    assert share[0.93, 5] > share[0.93, 3] + 0.1


def test_several_comparisons_meet_in_one_verdict():
    whole = made_rows([0.5, 0.6, 0.7])
    better, worse = (made_rows([r] * 3, "low", "known") for r in (0.5, 1.2))
    assert judged(pd.concat([whole, better]), ALL, LOW)[0] == HOLDS
    assert judged(pd.concat([whole, worse]), ALL, LOW) == (IN_PART, "yes, no")
    result, why = judged(whole, ALL, LOW)
    assert result == HOLDS and "1 of 2 comparisons" in why


def test_known_contrast_comes_before_the_image_gradient():
    rows = pd.concat([made_rows([0.9], "low", "gradient"), made_rows([0.5], "low", "known")])
    assert measure(rows, LOW).kind == "known"
    assert measure(made_rows([0.9], "low", "gradient"), LOW).ratios == {0: pytest.approx(0.9)}


@pytest.mark.parametrize(
    "changes",
    [
        {"split": "eigen_like/val"},
        {"split": "available"},
        {"scaling": "median"},
        {"flip": True},
        {"status": "reported"},
        {"protocol": "eigen_raw"},
        {"metric": "rmse"},
    ],
)
def test_other_rows_do_not_count(changes):
    assert measure(made_rows([0.5], **changes), ALL).ratios == {}


def test_seeds_are_paired_and_training_sets_never_mixed():
    rows = made_rows([0.5, 0.5, 0.5])
    lonely = rows[~((rows["seed"] == 1) & (rows["experiment"] == "baseline"))]
    assert sorted(measure(lonely, ALL).ratios) == [0, 2]
    ours = rows[rows["experiment"] == "ours"].assign(train_data="another")
    assert measure(pd.concat([rows[rows["experiment"] == "baseline"], ours]), ALL).ratios == {}


def test_real_data_come_before_the_miniature():
    real = made_rows([1.5], miniature=False, eval_data="vkitti2 clone")
    outcome = measure(pd.concat([made_rows([0.5]), real]), ALL)
    assert not outcome.miniature and outcome.effect == pytest.approx(-0.5)
    table = judge(made_rows([0.5]), [Claim("c", "t", "abstract", (ALL,))])
    assert table["scope"].item() == "miniature only"


def test_evidence_names_numbers_seeds_and_images():
    line = judge(made_rows([0.5, 0.6, 0.7], "low", "known"), [Claim("c", "t", "abstract", (LOW,))]).iloc[0]
    assert "low (known)" in line["evidence"] and "ours 0.120, baseline 0.200" in line["evidence"]
    assert "effect +40.0% (interval +15.2% to +64.8%)" in line["evidence"]
    assert (line["seeds"], line["images"], line["profile"]) == (3, 40, "quick")


def test_effects_have_a_row_a_seed():
    table = effects(made_rows([0.5, 0.8]), [Claim("c", "t", "abstract", (ALL,))])
    assert table["effect"].round(6).tolist() == [0.5, 0.2] and table["seed"].tolist() == [0, 1]


def test_the_list_names_only_what_exists():
    names = [claim.name for claim in CLAIMS]
    assert len(names) == len(set(names))
    for claim in CLAIMS:
        assert claim.made_in in ("abstract", "review")
        assert bool(claim.tests) != bool(claim.blocked), f"{claim.name} needs comparisons or a reason, not both"
        for test in claim.tests:
            assert {test.better, test.than} <= set(NAMED) and test.protocol in PROTOCOLS
            assert set(test.kinds) <= {*STRATA, "none"}


def test_verdict_of_nothing():
    assert verdict([])[0] == CANNOT
