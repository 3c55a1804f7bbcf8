"""The list of claims, and what a table of them says of numbers made by hand."""

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of

from lowtex.catalog import source_of
from lowtex.evaluation.protocols import PROTOCOLS
from lowtex.evaluation.results import COLUMNS
from lowtex.evaluation.texture import STRATA
from lowtex.experiments import FACTORS, VARIANTS, factorial
from lowtex_lab.studies import claims
from lowtex_lab.studies.claims.asked import PARTS, PROTOTYPE, QUESTIONS
from lowtex_lab.studies.claims.comparisons import EQUAL, LESS, MADE_IN, Claim, MainEffect, Versus
from lowtex_lab.studies.claims.verdicts import CANNOT, FAILS, HOLDS, IN_PART, VERDICTS
from lowtex_lab.studies.diagnostics.edge_sharpness import QUANTITIES as EDGES
from lowtex_lab.studies.diagnostics.encoder_information import QUANTITIES as ENCODER
from lowtex_lab.studies.evidence import REFERENCE
from lowtex_lab.studies.measures import MEASURES

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
    assert set(PARTS) == set(FACTORS)
    tested = {name for claim in claims.CLAIMS for test in claim.tests for name in test.experiments}
    assert {"census", "zncc", "random-features", "featdepth", "features-single", "rectified-path",
            "strided-shortcut", "features-zero-padding", *factorial()} <= tested  # fmt: skip
    assert {"eigen_raw", "improved", "make3d_c1", "cityscapes", "vkitti2_dense"} <= {
        test.protocol for claim in claims.CLAIMS for test in claim.tests
    }
    assert all(claim.question.endswith("?") and claim.made_in == "review" for claim in QUESTIONS)
    assert all(claim.made_in == "prototype" and claim.tests for claim in PROTOTYPE)


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
    for low, verdict in ((good, HOLDS), (bad, IN_PART), (wide, IN_PART)):
        assert line(judged([OURS, LOW], whole, made_scores(low, "low", "known")))["verdict"] == verdict
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
