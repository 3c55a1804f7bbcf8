"""The list of claims, which numbers a comparison takes, and what a table of claims says of numbers made by hand."""

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of
from scipy import stats

from lowtex.catalog import source_of
from lowtex.errors import DataError
from lowtex.evaluation.protocols import PROTOCOLS
from lowtex.evaluation.results import COLUMNS
from lowtex.evaluation.texture import STRATA
from lowtex.experiments import FACTORS, VARIANTS, factorial, levels_of
from lowtex_lab.studies import claims
from lowtex_lab.studies.claims import (
    CANNOT,
    EQUAL,
    FAILS,
    HOLDS,
    IN_PART,
    LESS,
    MADE_IN,
    NO_GAIN,
    VERDICTS,
    Claim,
    MainEffect,
    Numbers,
    Outcome,
    Versus,
    _p_value,
    candidates,
    measure,
    rule_text,
    settle,
    verdict,
)
from lowtex_lab.studies.diagnostics.edge_sharpness import QUANTITIES as EDGES
from lowtex_lab.studies.diagnostics.encoder_information import QUANTITIES as ENCODER
from lowtex_lab.studies.evidence import REFERENCE
from lowtex_lab.studies.learnt import outcomes_of
from lowtex_lab.studies.measures import MEASURES
from lowtex_lab.studies.stats.effect_rules import Rule
from lowtex_lab.studies.stats.effects import compare

OURS, LOW = Versus("ours", "baseline"), Versus("ours", "baseline", stratum="low", kinds=("known", "gradient"))
SHARED = {"split": "eigen_like/test", "scaling": "none", "flip": False, "miniature": True}


def made_scores(ratios, stratum="all", kind="none", names=("ours", "baseline"), images=20, **more) -> pd.DataFrame:
    """Scores in which ours / baseline is ``ratios[seed]`` on every image, whose errors differ."""
    street = 0.2 * np.exp(np.random.default_rng(0).normal(0, 0.3, images))
    table = {names[0]: [street * ratio for ratio in ratios], names[1]: [street for _ in ratios]}
    return rows_of(table, stratum, kind, **{**SHARED, **more})


def judged(tests, *frames, **more) -> claims.Judged:
    numbers = claims.Numbers(scores=pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(), **more)
    return claims.judge(numbers, [Claim("c", "t", "abstract", tuple(tests))], times=200)


def line(found: claims.Judged) -> dict:
    return found.table().iloc[0].to_dict()


def test_the_list_names_only_what_exists():
    names = [claim.name for claim in claims.CLAIMS]
    assert len(names) == len(set(names))
    quantities = {"edges": EDGES, "encoder": ENCODER}
    for claim in claims.CLAIMS:
        assert claim.made_in in MADE_IN and claim.text.endswith("."), claim.name
        assert bool(claim.tests) != bool(claim.blocked), f"{claim.name} needs comparisons or a reason, not both"
        for test in claim.tests:
            known = {name.partition(": ")[0] for name in test.experiments} <= set(VARIANTS)
            assert known and test.protocol in PROTOCOLS and test.expects in (LESS, EQUAL), claim.name
            assert set(test.kinds) <= {*STRATA, "none"} and test.measure in ("", *MEASURES)
            asked = dict(test.select).get("quantity")
            assert asked is None or asked in quantities[test.measure], f"{claim.name}: no quantity {asked}"
            assert not isinstance(test, MainEffect) or test.better in FACTORS


def test_every_part_question_and_rival_of_the_issue_is_there():
    parts = next(claim for claim in claims.CLAIMS if claim.name == "each part by itself")
    assert {test.better for test in parts.tests} == set(FACTORS)
    tested = {name for claim in claims.CLAIMS for test in claim.tests for name in test.experiments}
    assert {"census", "zncc", "random-features", "featdepth", "features-single", "rectified-path",
            "strided-shortcut", "features-zero-padding", *factorial()} <= tested  # fmt: skip
    assert {"eigen_raw", "improved", "make3d_c1", "cityscapes", "vkitti2_dense"} <= {
        test.protocol for claim in claims.CLAIMS for test in claim.tests
    }
    assert all(claim.question.endswith("?") and claim.made_in == "review" for claim in claims.CLAIMS if claim.question)
    assert {claim.made_in for claim in claims.CLAIMS} == set(MADE_IN)


def test_no_claim_carries_a_verdict():
    words = [word for word in (*VERDICTS, "helps", "harms") if word != "holds"]
    for claim in claims.CLAIMS:
        told = f"{claim.text} {claim.reading}".lower()
        assert not any(word in told for word in words), claim.name


def test_without_numbers_nothing_is_judged():
    found = claims.judge(claims.Numbers())
    table = found.table()
    assert len(table) == len(claims.CLAIMS) and set(table["verdict"]) == {CANNOT}
    assert (table["why"] != "").all() and (table["seeds"] == 0).all() and found.family() == 0
    assert found.counts() == {HOLDS: 0, IN_PART: 0, FAILS: 0, CANNOT: len(claims.CLAIMS)}


def test_a_blocked_claim_stays_blocked_whatever_the_numbers_say():
    claim = Claim("c", "t", "review", (OURS,), blocked="no numbers")
    numbers = claims.Numbers(scores=made_scores([0.1] * 5))
    told = claims.judge(numbers, [claim], times=100).table().iloc[0]
    assert (told["verdict"], told["why"]) == (CANNOT, "no numbers")


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ([0.80, 0.81, 0.79, 0.80, 0.82], HOLDS),
        ([1.20, 1.21, 1.19, 1.20, 1.22], FAILS),
        ([1.0, 1.001, 0.999, 1.0, 1.002], FAILS),
        ([0.80, 1.2, 0.9, 1.1, 1.0], CANNOT),
        ([0.5, 0.5], CANNOT),
        ([0.5], CANNOT),
    ],
)
def test_the_four_verdicts(ratios, verdict):
    told = line(judged([OURS], made_scores(ratios)))
    assert told["verdict"] == verdict and told["seeds"] == len(ratios) and told["images"] == 20
    assert (told["scope"], told["over"]) == ("miniature only", "seeds and images")


@pytest.mark.parametrize(
    ("ratios", "answer", "verdict"),
    [
        ([0.80, 0.81, 0.79, 0.80, 0.82], "yes", HOLDS),
        ([1.20, 1.21, 1.19, 1.20, 1.22], "no", FAILS),
        ([0.80, 1.2, 0.9, 1.1, 1.0], "undecided", CANNOT),
    ],
)
def test_a_miniature_is_no_test_of_a_claim_about_the_real_data_set(ratios, answer, verdict):
    kitti = Versus("ours", "baseline", "eigen_raw")
    claim = Claim("c", "t", "abstract", (OURS, kitti), about="kitti")

    def told(*frames):
        numbers = claims.Numbers(scores=pd.concat(frames, ignore_index=True) if frames else pd.DataFrame())
        return claims.judge(numbers, [claim], times=200)

    mini, real = (
        made_scores(ratios, protocol="eigen_raw", split="eigen/test", miniature=miniature)
        for miniature in (True, False)
    )
    whole = made_scores(ratios)
    found = told(whole, mini)
    assert line(found)["verdict"] == claims.UNTESTED.format(data="KITTI", answer=answer)
    assert found.counts() == {HOLDS: 0, IN_PART: 0, FAILS: 0, CANNOT: 0, line(found)["verdict"]: 1}
    assert line(told())["verdict"] == CANNOT, "without numbers the miniature says nothing"
    # the miniature's numbers beside real ones are as good as none
    assert line(told(whole, real))["verdict"] == {HOLDS: IN_PART}.get(verdict, CANNOT)
    only = Claim("c", "t", "abstract", (kitti,), about="kitti")
    numbers = claims.Numbers(scores=pd.concat([whole, mini, real], ignore_index=True))
    assert line(claims.judge(numbers, [only], times=200))["verdict"] == verdict


def test_claims_that_rest_on_a_real_data_set_say_which():
    named = {"KITTI": ("kitti", "kitti_depth"), "Virtual KITTI 2": ("vkitti2",), "Make3D": ("make3d",),
             "Cityscapes": ("cityscapes",)}  # fmt: skip
    for claim in claims.CLAIMS:
        words = f"{claim.name} {claim.text}".replace("Virtual KITTI 2", "" if claim.about != "vkitti2" else "KITTI")
        asked = {source_of(test.protocol).root for test in claim.tests if not test.measure} - {"vkitti2"}
        if asked or any(name in words for name in named):
            assert claim.about in {root for roots in named.values() for root in roots}, claim.name
        assert not asked or claim.about in asked, claim.name


def test_no_committed_verdict_on_a_real_data_set_is_a_miniatures():
    about = {claim.name for claim in claims.CLAIMS if claim.about}
    for name in ("16_claims", "16_evidence", "16_questions"):
        table = pd.read_csv(REFERENCE / "quick" / "tables" / f"{name}.csv")
        mine = table[table["claim"].isin(about)]
        assert len(mine) and not set(mine["verdict"]) & {HOLDS, IN_PART, FAILS}
        if "scope" in mine:
            assert not mine["scope"].str.contains("real").any()


def test_cannot_says_why():
    assert line(judged([OURS], made_scores([0.5])))["why"] == "one seed only"
    assert "undecided at 5 seeds" in line(judged([OURS], made_scores([0.8, 1.2, 0.9, 1.1, 1.0])))["why"]
    assert line(judged([OURS]))["why"] == "no numbers of ours, baseline on vkitti2_dense"


def test_several_comparisons_meet_in_one_verdict():
    good, bad, wide = [0.8, 0.81, 0.79], [1.2, 1.21, 1.19], [0.7, 1.3, 1.0]
    whole = made_scores(good)
    for low, expected in ((good, HOLDS), (bad, IN_PART), (wide, IN_PART)):
        assert line(judged([OURS, LOW], whole, made_scores(low, "low", "known")))["verdict"] == expected
    assert line(judged([OURS, LOW], whole))["verdict"] == IN_PART, "a part without numbers is not shown"
    told = line(judged([OURS, LOW], made_scores(bad)))
    assert told["verdict"] == CANNOT and "the other comparisons say no" in told["why"]


def test_a_claim_of_no_difference_and_one_of_much():
    same, half = Versus("ours", "baseline", expects=EQUAL), Versus("ours", "baseline", times=0.65)
    equal, little, much = ([r, r + 0.001, r - 0.001, r] for r in (1.0, 0.8, 0.5))
    assert [line(judged([same], made_scores(r)))["verdict"] for r in (equal, little)] == [HOLDS, FAILS]
    assert [line(judged([half], made_scores(r)))["verdict"] for r in (much, little)] == [HOLDS, FAILS]
    assert "asked for below 0.65" in line(judged([half], made_scores(much)))["evidence"]


def test_the_more_is_judged_the_surer_each_must_be():
    ratios = [0.90, 0.94, 0.965, 0.93, 0.95]
    alone = judged([OURS], made_scores(ratios))
    assert line(alone)["verdict"] == HOLDS and alone.family() == 1
    many = [Versus(f"m{number}", "baseline") for number in range(40)]
    noise = np.random.default_rng(1).normal(1, 0.1, (40, 5))
    frames = [made_scores(noise[number], names=(test.better, "baseline")) for number, test in enumerate(many)]
    others = [frame[frame["experiment"] != "baseline"] for frame in frames]
    found = claims.judge(
        claims.Numbers(scores=pd.concat([made_scores(ratios), *others], ignore_index=True)),
        [Claim("c", "t", "abstract", (OURS,)), Claim("d", "t", "abstract", tuple(many))],
        times=200,
    )
    assert found.family() == 41 and found.outcomes[OURS].says == "undecided"
    twice = claims.judge(claims.Numbers(scores=made_scores(ratios)),
                         [Claim(str(n), "t", "abstract", (OURS,)) for n in range(40)], times=200)  # fmt: skip
    assert twice.family() == 1 and twice.counts()[HOLDS] == 40, "what serves many claims is counted once"


def test_what_to_run_is_told():
    def change(tests, *frames, text=""):
        found = judged(tests, *frames)
        return found.change(claims.Claim("c", "t", "abstract", tuple(tests), change=text))

    assert change([OURS]) == "lowtex ablate ours baseline"
    assert change([OURS], made_scores([0.8, 1.2, 1.0])) == "lowtex ablate ours baseline --seeds 0-9"
    assert change([OURS], made_scores([0.5] * 3), text="real data") == "real data"
    carried = Versus("ours", "ours: one depth", "make3d_c1")
    assert change([carried]) == "lowtex ablate ours --measure transfer"
    assert change([Versus("ours", "baseline", measure="edges", metric="value")]).endswith("--measure edges")
    assert change([MainEffect("skips")]) == "lowtex ablate --only factorial"


def test_effects_have_a_line_a_comparison():
    table = judged([OURS, LOW], made_scores([0.5, 0.5, 0.5])).effects()
    assert table["comparison"].tolist() == ["ours / baseline"] * 2
    assert table["ratio"].iloc[0] == pytest.approx(0.5) and np.isnan(table["ratio"].iloc[1])
    assert table["says"].tolist() == ["yes", "no numbers"]


def test_rows_of_a_run_alone_are_judged_over_seeds():
    rows = pd.DataFrame(
        [
            dict.fromkeys(COLUMNS, "x") | {"experiment": name, "seed": seed, "split": "eigen/test", "scaling": "none",
            "protocol": "eigen_raw", "flip": False, "stratum_kind": "none", "stratum": "all", "metric": "abs_rel",
            "value": value * (1 + 0.01 * seed), "images": 697, "miniature": False, "status": "measured"}
            for seed in range(3) for name, value in (("ours", 0.1), ("baseline", 0.2))
        ]
    )  # fmt: skip
    told = line(judged([Versus("ours", "baseline", "eigen_raw")], rows=rows))
    assert (told["verdict"], told["over"], told["scope"], told["images"]) == (HOLDS, "seeds", "real data", 697)


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


def test_trainings_that_did_not_learn_are_found_by_validation_scores():
    table = {"ours": [[0.2, 0.3], [0.2, 0.3]], "baseline": [[0.2, 0.3], [0.9, 1.3]]}
    whole, part = rows_of(table, split="eigen_like/val"), rows_of({"ours": [[9.0, 9.0]]}, "low", "known")
    found = outcomes_of(pd.concat([whole, part]))
    assert found.loc[~found["learnt"], ["experiment", "seed"]].values.tolist() == [["baseline", 1]]


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
