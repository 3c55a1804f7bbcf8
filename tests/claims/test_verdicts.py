"""Which numbers a comparison takes, what becomes of trainings that did not learn, and the rule's own words."""

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of
from scipy import stats
from test_claims import made_scores

from lowtex.errors import DataError
from lowtex.evaluation.results import COLUMNS
from lowtex.experiments import FACTORS, factorial, levels_of
from lowtex_lab.studies.claims.choice import candidates
from lowtex_lab.studies.claims.comparisons import EQUAL, MainEffect, Versus
from lowtex_lab.studies.claims.numbers import Numbers, failed_trainings, measure
from lowtex_lab.studies.claims.verdicts import (
    CANNOT,
    FAILS,
    HOLDS,
    IN_PART,
    NO_GAIN,
    Outcome,
    _p_value,
    rule_text,
    settle,
    verdict,
)
from lowtex_lab.studies.stats.effect_rules import Rule
from lowtex_lab.studies.stats.effects import compare

OURS = Versus("ours", "baseline")
LOW = Versus("ours", "baseline", stratum="low", kinds=("known", "gradient"))
MEANS = {"split": "eigen_like/test", "protocol": "vkitti2_dense", "scaling": "none", "flip": False, "images": 40,
         "stratum_kind": "none", "stratum": "all", "metric": "abs_rel", "miniature": True, "status": "measured",
         "profile": "quick"}  # fmt: skip


def made_rows(ratios, **changes) -> pd.DataFrame:
    """Tidy rows in which ours / baseline is ``ratios[seed]``."""
    return pd.DataFrame(
        [
            dict.fromkeys(COLUMNS, "x") | MEANS | {"experiment": name, "seed": seed, "value": value} | changes
            for seed, ratio in enumerate(ratios)
            for name, value in (("baseline", 0.2), ("ours", 0.2 * ratio))
        ]
    )


def look(test=OURS, scores=None, rows=None, **more) -> Outcome:
    empty = pd.DataFrame()
    return measure(Numbers(empty if scores is None else scores, empty if rows is None else rows, **more), test,
                   times=200)  # fmt: skip


def test_scores_of_images_give_the_effect_of_compare():
    scores = made_scores([0.8, 0.85, 0.75])
    outcome, expected = look(scores=scores), compare(scores, [("ours", "baseline")], times=200).iloc[0]
    assert (outcome.ratio, *outcome.interval) == pytest.approx((expected["ratio"], expected["low"], expected["high"]))
    assert (outcome.over, outcome.seeds, outcome.images) == ("seeds and images", 3, 20)


def test_rows_without_images_give_students_interval_of_the_log_ratio():
    ratios = [0.5, 0.6, 0.7]
    outcome = look(rows=made_rows(ratios))
    logs = np.log(ratios)
    reach = stats.t.ppf(0.975, 2) * logs.std(ddof=1) / 3**0.5
    assert outcome.ratio == pytest.approx(np.exp(logs.mean()))
    assert outcome.interval == pytest.approx((np.exp(logs.mean() - reach), np.exp(logs.mean() + reach)))
    assert outcome.over == "seeds" and look(rows=made_rows([0.5])).says == "too few"


@pytest.mark.parametrize(
    "changes",
    [
        {"split": "eigen_like/val"},
        {"split": "available"},
        {"scaling": "median"},
        {"flip": True},
        {"protocol": "eigen_raw"},
        {"metric": "rmse"},
        {"status": "reported"},
    ],
)
def test_other_numbers_do_not_count(changes):
    assert look(rows=made_rows([0.5] * 3, **changes)).says == "no numbers"


def test_each_protocol_has_its_own_split_and_scaling():
    city, laser = Versus("ours", "baseline", "cityscapes"), Versus("ours", "baseline", "make3d_c1")
    assert look(city, rows=made_rows([0.5] * 3, protocol="cityscapes", split="val")).says == "yes"
    assert look(city, rows=made_rows([0.5] * 3, protocol="cityscapes", split="x/test")).says == "no numbers"
    assert look(laser, rows=made_rows([0.5] * 3, protocol="make3d_c1", scaling="median")).says == "yes"
    assert look(laser, rows=made_rows([0.5] * 3, protocol="make3d_c1")).says == "no numbers"
    choice = Versus("ours", "baseline", split="val")
    assert look(choice, rows=made_rows([0.5] * 3, split="eigen_like/val")).says == "yes"


def test_networks_trained_elsewhere_or_further_are_never_mixed_in():
    rows = made_rows([0.5] * 3)
    other = pd.concat([rows.assign(experiment=rows["experiment"] + end, value=9.0) for end in ("_city", "_finetuned")])
    assert look(rows=pd.concat([rows, other])).ratio == pytest.approx(0.5)
    ours = rows["experiment"] == "ours"
    assert look(rows=rows.assign(train_data=np.where(ours, "another", "x"))).says == "no numbers"


def test_the_set_of_most_use_is_taken_and_the_others_are_told():
    few, many = made_rows([0.9] * 3, train_data="a"), made_rows([0.5] * 5, train_data="z")
    outcome = look(rows=pd.concat([few, many]))
    assert outcome.ratio == pytest.approx(0.5) and "learnt from a, 3 seeds" in outcome.left[0]
    real = made_rows([0.7] * 3, miniature=False)
    assert look(rows=pd.concat([real, many])).ratio == pytest.approx(0.7), "real data come first"
    lonely = made_rows([0.7], miniature=False)
    outcome = look(rows=pd.concat([lonely, many]))
    assert outcome.ratio == pytest.approx(0.5) and outcome.miniature, "but not one seed of them"
    assert "real data" in outcome.left[0] and "1 seed" in outcome.left[0]
    outcome = look(scores=made_scores([0.8] * 3), rows=many)
    assert outcome.ratio == pytest.approx(0.8) and outcome.over == "seeds and images"


def test_known_contrast_comes_before_the_image_gradient():
    known, gradient = (made_scores([ratio] * 3, "low", kind) for kind, ratio in (("known", 0.5), ("gradient", 0.9)))
    assert look(LOW, pd.concat([gradient, known])).kind == "known"
    assert look(LOW, gradient).ratio == pytest.approx(0.9)


def test_seeds_that_one_side_lacks_are_left_out_and_told():
    scores = made_scores([0.5, 0.5, 0.5, 0.9])
    outcome = look(scores=scores[(scores["seed"] < 3) | (scores["experiment"] == "ours")])
    assert outcome.seeds == 3 and outcome.left == ("seed 3 left out: not all experiments have it",)


def test_trainings_that_did_not_learn_are_told_and_left_out_where_enough_remain():
    scores = made_scores([0.8, 0.8, 0.8, 0.1])
    failed = frozenset({("baseline", 3)})
    outcome = look(scores=scores, failed=failed)
    assert outcome.ratio == pytest.approx(0.8) and outcome.seeds == 3
    [told] = outcome.left
    assert "baseline seed 3" in told and f"with them the ratio is {(0.8**3 * 0.1) ** 0.25:.3f}" in told
    few = look(scores=scores, failed=failed | {("ours", 0)})
    assert few.seeds == 4 and "counted all the same" in few.left[0]
    assert look(Versus("other", "baseline"), scores, failed=failed).left == ()


def test_failed_trainings_are_found_by_validation_scores():
    table = {"ours": [[0.2, 0.3], [0.2, 0.3]], "baseline": [[0.2, 0.3], [0.9, 1.3]]}
    whole, part = rows_of(table, split="eigen_like/val"), rows_of({"ours": [[9.0, 9.0]]}, "low", "known")
    assert failed_trainings(pd.concat([whole, part])) == {("baseline", 1)}


def factorial_scores(failing=(), images=20) -> pd.DataFrame:
    """All cells; features have 0.8 of the error of pixels, streets and networks differ."""
    street = 0.2 * np.exp(np.random.default_rng(0).normal(0, 0.3, images))
    table = {}
    for number, name in enumerate(factorial()):
        size = (0.8 if levels_of(name)["data term"] == "features" else 1.0) * (1 + 0.02 * (number % 4))
        table[name] = [street * size * (9 if (name, seed) in failing else 1) for seed in range(4)]
    return rows_of(table, split="eigen_like/test", scaling="none", flip=False, miniature=True)


def test_main_effects_are_those_of_the_factorial():
    outcome = look(MainEffect("data term"), factorial_scores())
    assert outcome.ratio == pytest.approx(0.8) and (outcome.seeds, outcome.says) == (4, "yes")
    assert look(MainEffect("skips"), factorial_scores()).ratio > 1.01
    scores = factorial_scores()
    missing = look(MainEffect("skips"), scores[scores["experiment"] != "resnet-pixels-first-plain"])
    assert missing.missing == ("resnet-pixels-first-plain",)


def test_main_effects_without_the_pairs_that_did_not_learn():
    # one cell fails in each seed, so that no seed is whole
    failing = frozenset({("resnet-pixels-first-plain", 0), ("resnet-pixels-both-plain", 1),
                         ("iresnet-pixels-first-plain", 2), ("iresnet-features-both-nested", 3)})  # fmt: skip
    scores = factorial_scores(failing)
    outcome = look(MainEffect("data term"), scores, failed=failing)
    assert outcome.ratio == pytest.approx(0.8, rel=1e-6) and outcome.says == "yes"
    assert "4 of 32 pairs" in outcome.left[0] and set(FACTORS) >= {"data term"}
    assert look(MainEffect("data term"), scores).says == "undecided"


def test_measures_are_judged_by_image_where_they_have_images_and_by_training_elsewhere():
    lines = [
        {"experiment": name, "seed": seed, "image": f"Scene01/clone/{image:05d}/l", "quantity": "off_px",
         "stratum": "all", "value": value * (1 + 0.1 * image) * (1 + 0.01 * seed), "miniature": True}
        for name, value in (("ours", 1.0), ("baseline", 2.0)) for seed in range(3) for image in range(12)
    ]  # fmt: skip
    edges = pd.DataFrame(lines)
    test = Versus("ours", "baseline", measure="edges", metric="value",
                  select=(("quantity", "off_px"), ("stratum", "all")))  # fmt: skip
    outcome = look(test, measured={"edges": edges})
    assert outcome.ratio == pytest.approx(0.5) and (outcome.over, outcome.images) == ("seeds and images", 12)
    assert "ours / baseline on edges: off_px: 0.500" in outcome.evidence()
    gap = edges[~((edges["experiment"] == "ours") & (edges["seed"] == 0) & (edges["image"].str.contains("00003")))]
    assert look(test, measured={"edges": gap}).images == 11, "an image counts where all have it"
    plain = look(test, measured={"edges": edges.drop(columns="image")})
    assert plain.ratio == pytest.approx(0.5) and plain.over == "seeds"
    assert look(test).missing == ("ours", "baseline")
    with pytest.raises(DataError, match="no column 'quantity'; it has: .*value"):
        look(test, measured={"edges": edges.drop(columns="quantity")})


def test_verdicts_of_what_is_said():
    def said(*words):
        known = {"yes": "helps", "no": "harms", "undecided": "undecided", "too few": "cannot be judged: one seed"}
        return [Outcome(OURS, {"seeds": 3} if word in known else {}, known.get(word, "")) for word in words]

    expected = {
        ("yes", "yes"): HOLDS, ("yes", "no"): IN_PART, ("yes", "undecided"): IN_PART, ("yes", "no numbers"): IN_PART,
        ("no", "no"): FAILS, ("no", "undecided"): CANNOT, ("too few",): CANNOT, ("no numbers",): CANNOT, (): CANNOT,
    }  # fmt: skip
    for words, result in expected.items():
        assert verdict(said(*words))[0] == result, words
    assert Outcome(Versus("a", "b", expects=EQUAL), {"seeds": 3}, "no difference seen").says == "yes"
    assert Outcome(Versus("a", "b", expects=EQUAL), {"seeds": 3}, "helps").says == "no"


def settled(*tests_and_ratios) -> list[Outcome]:
    outcomes = []
    for test, ratios in tests_and_ratios:
        outcomes.append(look(test, rows=made_rows(ratios)))
    settle(outcomes)
    return outcomes


def test_a_gain_that_is_ruled_out_says_no_even_where_harm_is_not_shown():
    ratios = [1.05, 1.02, 1.08, 1.0, 1.1]
    [outcome] = settled((OURS, ratios))
    low, high = outcome.interval
    assert 0.98 < low < 1.02 < high, "Rule alone calls this undecided"
    assert (Rule().verdict(low, high), outcome.verdict, outcome.says) == ("undecided", NO_GAIN, "no")
    # by hand: the two-sided t test of the mean log ratio against log 0.98
    logs = np.log(ratios) - np.log(0.98)
    p = 2 * stats.t.sf(logs.mean() / (logs.std(ddof=1) / 5**0.5), 4)
    assert _p_value(outcome, Rule()) == pytest.approx(p) and p < 0.05
    [same] = settled((Versus("ours", "baseline", expects=EQUAL), ratios))
    assert same.says == "undecided", "a claim of no difference is not helped by it"


def test_many_weak_verdicts_hold_each_other_up_and_one_weak_among_nothings_falls():
    weak, nothing = [0.90, 0.95, 0.955, 0.92, 0.93], [0.9, 1.1, 1.0, 0.95, 1.03]
    tests = [Versus("ours", "baseline", metric="abs_rel", kinds=("none", str(number))) for number in range(30)]
    assert {o.says for o in settled(*[(test, weak) for test in tests])} == {"yes"}
    alone, *others = settled((tests[0], weak), *[(test, nothing) for test in tests[1:]])
    assert alone.alone == "helps" and alone.verdict == "undecided" and not alone.firm
    assert {o.verdict for o in others} == {"undecided"}
    sure = settled((tests[0], [0.5, 0.51, 0.49, 0.5, 0.5]), *[(test, nothing) for test in tests[1:]])[0]
    assert sure.says == "yes" and sure.firm


def test_the_rule_is_told_with_its_numbers():
    told = rule_text(Rule(margin=0.05, level=0.9, least=4))
    for part in (
        "0.95",
        "1.05",
        "90%",
        "below 10%",
        "fewer than 4 seeds",
        "Holm",
        "Benjamini",
        HOLDS,
        IN_PART,
        FAILS,
        CANNOT,
    ):
        assert part in told
    assert "{" not in told


def test_candidates_without_numbers():
    assert candidates(pd.DataFrame(), pd.DataFrame(), OURS, 3) == ([], ("ours", "baseline"))
