"""The list of claims, which numbers a comparison takes, and what a table of claims says of numbers made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_scores import rows_of
from scipy import stats

from lowtex.catalog import source_of
from lowtex.errors import DataError
from lowtex.evaluation.protocols import PROTOCOLS
from lowtex.evaluation.results import COLUMNS
from lowtex.evaluation.texture import STRATA
from lowtex.experiments import FACTORS, VARIANTS, factorial, levels_of
from lowtex.profiles import PROFILES
from lowtex_lab.studies import claims
from lowtex_lab.studies.claims import FAILS, HOLDS, IN_PART, SMALL, UNCERTAIN, UNTESTABLE, Claim, Comparison, Numbers
from lowtex_lab.studies.diagnostics.edge_sharpness import QUANTITIES as EDGES
from lowtex_lab.studies.diagnostics.encoder_information import QUANTITIES as ENCODER
from lowtex_lab.studies.evidence import REFERENCE
from lowtex_lab.studies.rows import MEASURES
from lowtex_lab.studies.stats.effect_rules import Rule

CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
OURS = Comparison("ours", "baseline")
LOW = replace(OURS, stratum="low", kinds=("known", "gradient"))
SHARED = {"split": "eigen_like/test", "scaling": "none", "flip": False, "miniature": True}
GOOD, BAD, WIDE = [0.80, 0.81, 0.79, 0.80, 0.82], [1.20, 1.21, 1.19, 1.20, 1.22], [0.80, 1.2, 0.9, 1.1, 1.0]
NEVER = [0.8, 1.15, 0.98]


def made_scores(ratios, stratum="all", kind="none", names=("ours", "baseline"), images=20, **more) -> pd.DataFrame:
    """Scores in which ours / baseline is ``ratios[seed]`` on every image, whose errors differ."""
    street = 0.2 * np.exp(np.random.default_rng(0).normal(0, 0.3, images))
    table = {names[0]: [street * ratio for ratio in ratios], names[1]: [street for _ in ratios]}
    return rows_of(table, stratum, kind, **{**SHARED, **more})


def made_rows(ratios, **changes) -> pd.DataFrame:
    """Tidy rows, means over images, in which ours / baseline is ``ratios[seed]``."""
    place = {"protocol": "vkitti2_dense", "stratum_kind": "none", "stratum": "all", "metric": "abs_rel"}
    shared = dict.fromkeys(COLUMNS, "x") | SHARED | place | {"images": 40, "status": "measured", "profile": "quick"}
    times = {"baseline": [1.0] * len(ratios), "ours": ratios}
    errors = [(name, seed, 0.2 * value) for name, values in times.items() for seed, value in enumerate(values)]
    own = pd.DataFrame(errors, columns=["experiment", "seed", "value"])
    return own.assign(**{name: value for name, value in (shared | changes).items() if name not in own})


def judged(tests, *frames, claim=None, **more) -> claims.Judged:
    numbers = Numbers(scores=pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(), **more)
    return claims.judge(numbers, [Claim("c", "t", "abstract", tuple(tests), **(claim or {}))], times=200)


def line(found: claims.Judged) -> dict:
    return found.table().iloc[0].to_dict()


def look(test=OURS, scores=None, rows=None, **more) -> claims.Outcome:
    empty = pd.DataFrame()
    numbers = Numbers(empty if scores is None else scores, empty if rows is None else rows, **more)
    return claims.look_up(numbers, test, times=200)


def effect_of(outcome: claims.Outcome) -> tuple[float, float, float]:
    return tuple(outcome.effect[name] for name in ("ratio", "low", "high"))


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_names_only_what_exists_and_carries_no_verdict(claim):
    assert claim.made_in in ("abstract", "review", "rival", "prototype") and claim.text.endswith(".")
    assert not claim.question or (claim.question.endswith("?") and claim.made_in == "review")
    assert bool(claim.tests) != bool(claim.blocked), "comparisons or a reason, not both"
    words = [word for word in (*claims.VERDICTS, "helps", "harms") if word != "holds"]
    assert not any(word in f"{claim.text} {claim.reading}".lower() for word in words)
    quantities = {"edges": EDGES, "encoder": ENCODER}
    for test in claim.tests:
        assert {name.partition(": ")[0] for name in test.experiments} <= set(VARIANTS)
        assert test.factor in ("", *FACTORS) and test.measure in ("", *MEASURES)
        assert test.expects in (claims.LESS, claims.EQUAL)
        assert test.protocol in PROTOCOLS and set(test.kinds) <= {*STRATA, "none"}
        asked = dict(test.select).get("quantity")
        assert asked is None or asked in quantities[test.measure]


def test_every_part_data_set_and_rival_is_tested():
    names = [claim.name for claim in claims.CLAIMS]
    assert len(names) == len(set(names))
    parts = next(claim for claim in claims.CLAIMS if claim.name == "each part by itself")
    assert {test.factor for test in parts.tests} == set(FACTORS)
    tests = [test for claim in claims.CLAIMS for test in claim.tests]
    rivals = {"census", "zncc", "random-features", "featdepth"}
    readings = {"features-single", "rectified-path", "strided-shortcut", "features-zero-padding"}
    assert rivals | readings | set(factorial()) <= {name for test in tests for name in test.experiments}
    protocols = {"eigen_raw", "improved", "make3d_c1", "cityscapes", "vkitti2_dense"}
    assert protocols <= {test.protocol for test in tests}


def test_claims_that_rest_on_a_real_data_set_say_which():
    for claim in claims.CLAIMS:
        words = f"{claim.name} {claim.text}".replace("Virtual KITTI 2", "" if claim.about != "vkitti2" else "KITTI")
        asked = {source_of(test.protocol).root for test in claim.tests if not test.measure} - {"vkitti2"}
        if asked or any(name in words for name in claims.REAL_DATA.values()):
            assert claim.about in claims.REAL_DATA, claim.name
        assert not asked or claim.about in asked, claim.name


def test_no_committed_verdict_on_a_real_data_set_is_a_miniatures():
    about = {claim.name for claim in claims.CLAIMS if claim.about}
    for path in (REFERENCE / "quick" / "tables" / "16_sentences.csv", REFERENCE / "short_training.csv"):
        table = pd.read_csv(path)
        mine = table[table["claim"].isin(about)]
        assert len(mine) and not set(mine["verdict"]) & {HOLDS, IN_PART, FAILS, SMALL}
        assert not mine["sentence"].str.contains("of real data").any()


def test_without_numbers_nothing_is_judged():
    found = claims.judge(Numbers())
    table = found.table()
    assert len(table) == len(claims.CLAIMS) and set(table["verdict"]) == {UNTESTABLE}
    assert (table["why"] != "").all() and (table["seeds"] == 0).all() and found.family() == 0
    assert set(table["mark"]) == {"–"} and table["sentence"].str.startswith("Not testable here: ").all()
    assert line(judged([OURS]))["why"] == "no numbers of ours, baseline on vkitti2_dense"
    blocked = line(judged([OURS], made_scores([0.1] * 5), claim={"blocked": "no numbers"}))
    assert (blocked["verdict"], blocked["why"]) == (UNTESTABLE, "no numbers")


@pytest.mark.parametrize(
    ("ratios", "verdict", "why"),
    [
        (GOOD, HOLDS, "its one comparison says yes (firm)"),
        (BAD, FAILS, "its one comparison says no (firm)"),
        ([1.0, 1.001, 0.999, 1.0, 1.002], FAILS, "says no (firm)"),
        (WIDE, UNCERTAIN, "no number of seeds and streets that was tried would decide"),
        ([0.5], UNCERTAIN, "one seed only"),
    ],
)
def test_the_verdicts(ratios, verdict, why):
    told = line(judged([OURS], made_scores(ratios)))
    assert told["verdict"] == verdict and why in told["why"]
    assert (told["seeds"], told["images"]) == (len(ratios), 20)
    assert (told["scope"], told["over"]) == ("miniature only", "seeds and images")


@pytest.mark.parametrize(
    ("ratios", "answer", "verdict"), [(GOOD, "yes", HOLDS), (BAD, "no", FAILS), (WIDE, "undecided", UNCERTAIN)]
)
def test_a_miniature_is_no_test_of_a_claim_about_the_real_data_set(ratios, answer, verdict):
    kitti, about = replace(OURS, protocol="eigen_raw"), {"about": "kitti"}
    place = {"protocol": "eigen_raw", "split": "eigen/test"}
    mini, real = (made_scores(ratios, **place, miniature=miniature) for miniature in (True, False))
    whole = made_scores(ratios)
    found = judged([OURS, kitti], whole, mini, claim=about)
    assert line(found)["verdict"] == claims.UNTESTED.format(data="KITTI", answer=answer)
    assert found.counts() == dict.fromkeys(claims.VERDICTS, 0) | {line(found)["verdict"]: 1}
    assert line(found)["sentence"].split(": ", 1)[1].startswith(f"{line(found)['verdict']}, after ")
    assert line(judged([OURS, kitti], claim=about))["verdict"] == UNTESTABLE, "without numbers the miniature is silent"
    # the miniature's numbers beside real ones are as good as none
    beside = line(judged([OURS, kitti], whole, real, claim=about))
    assert beside["verdict"] == {HOLDS: IN_PART, FAILS: UNTESTABLE}.get(verdict, UNCERTAIN)
    assert line(judged([kitti], whole, mini, real, claim=about))["verdict"] == verdict


def test_several_comparisons_meet_in_one_verdict():
    whole = made_scores(GOOD)
    told = line(judged([OURS, LOW], made_scores(BAD)))
    assert told["verdict"] == UNTESTABLE and "the other comparisons say no" in told["why"]
    table = judged([OURS, LOW], whole).effects()
    assert table["comparison"].tolist() == ["ours / baseline"] * 2 and table["says"].tolist() == ["yes", "no numbers"]
    assert table["ratio"].iloc[0] == pytest.approx(0.804, abs=1e-3) and np.isnan(table["ratio"].iloc[1])


@pytest.mark.parametrize(("words", "result"), CASES["said"])
def test_verdict_of_what_is_said(words, result):
    known = {"yes": "helps", "no": "harms", "undecided": "undecided", "too few": "cannot be judged: one seed"}
    known |= {"points to yes": "undecided", "points to no": "undecided", SMALL: SMALL}
    said = words.split(", ") if words else []
    alone, effect = known | {"points to yes": "helps", "points to no": claims.NO_GAIN}, claims.NONE | {"seeds": 3}
    one = {word: claims.Outcome(OURS, effect, known[word], alone=alone[word]) for word in known}
    outcomes = [one.get(word, claims.Outcome(OURS)) for word in said]
    assert [outcome.says for outcome in outcomes] == said and claims.verdict(outcomes)[0] == getattr(claims, result)


def test_a_claim_of_no_difference_and_one_of_much():
    same, half = replace(OURS, expects=claims.EQUAL), replace(OURS, times=0.65)
    equal, little, much = (made_scores([r, r + 0.001, r - 0.001, r]) for r in (1.0, 0.8, 0.5))
    assert [line(judged([same], scores))["verdict"] for scores in (equal, little)] == [HOLDS, FAILS]
    assert [line(judged([half], scores))["verdict"] for scores in (much, little)] == [HOLDS, FAILS]
    assert "asked for below 0.65" in line(judged([half], much))["sentence"]


def test_the_more_is_judged_the_surer_each_must_be():
    scores = made_scores([0.90, 0.94, 0.965, 0.93, 0.95])
    again = [Claim(str(n), "t", "abstract", (OURS,)) for n in range(12)]
    alone = claims.judge(Numbers(scores=scores), again, times=200)
    assert alone.family() == 1 and alone.counts()[HOLDS] == 12, "what serves many claims is counted once"
    many = [Comparison(f"m{number}", "baseline") for number in range(12)]
    noise = np.random.default_rng(1).normal(1, 0.1, (12, 5))
    others = [made_scores(row, names=(test.better, "baseline")) for test, row in zip(many, noise, strict=True)]
    found = judged([OURS, *many], scores, *(frame[frame["experiment"] != "baseline"] for frame in others))
    assert found.family() == 13 and found.outcomes[OURS].says == "points to yes"
    assert "points to yes, but does not survive the correction for 13 comparisons" in line(found)["sentence"]


def settled(*tests_and_ratios) -> list[claims.Outcome]:
    outcomes = [look(test, rows=made_rows(ratios)) for test, ratios in tests_and_ratios]
    claims.settle(outcomes)
    return outcomes


def test_a_gain_that_is_ruled_out_says_no_even_where_harm_is_not_shown():
    ratios = [1.05, 1.02, 1.08, 1.0, 1.1]
    [outcome] = settled((OURS, ratios))
    _, low, high = effect_of(outcome)
    assert 0.98 < low < 1.02 < high, "Rule alone calls this undecided"
    assert (Rule().verdict(low, high), outcome.verdict, outcome.says) == ("undecided", claims.NO_GAIN, "no")
    # by hand: the two-sided t test of the mean log ratio against log 0.98
    logs = np.log(ratios) - np.log(0.98)
    p = 2 * stats.t.sf(logs.mean() / (logs.std(ddof=1) / 5**0.5), 4)
    assert claims._p_value(outcome) == pytest.approx(p) and p < 0.05
    [same] = settled((replace(OURS, expects=claims.EQUAL), ratios))
    assert same.says == "undecided", "a claim of no difference is not helped by it"


def test_many_weak_verdicts_hold_each_other_up_and_one_weak_among_nothings_falls():
    weak, nothing = [0.90, 0.95, 0.955, 0.92, 0.93], [0.9, 1.1, 1.0, 0.95, 1.03]
    tests = [replace(OURS, kinds=("none", str(number))) for number in range(12)]
    assert {o.says for o in settled(*[(test, weak) for test in tests])} == {"yes"}
    alone, *others = settled((tests[0], weak), *[(test, nothing) for test in tests[1:]])
    assert (alone.alone, alone.verdict, alone.says) == ("helps", "undecided", "points to yes") and not alone.firm
    assert {o.verdict for o in others} == {"undecided"}
    sure = settled((tests[0], [0.5, 0.51, 0.49, 0.5, 0.5]), *[(test, nothing) for test in tests[1:]])[0]
    assert sure.says == "yes" and sure.firm


def test_what_to_run_is_told():
    for test, command in (
        (Comparison("ours", "ours: one depth", protocol="make3d_c1"), "lowtex ablate ours --measure transfer"),
        (replace(OURS, measure="edges", metric="value"), "lowtex ablate ours baseline --measure edges"),
        (Comparison(factor="skips"), "lowtex ablate --only factorial"),
    ):
        assert line(judged([test]))["change"] == command
    wide = made_scores([0.9, 0.97, 0.93])
    told = line(judged([OURS], wide))
    assert told["change"] == "lowtex ablate ours baseline --seeds 0-6" and "about 7 seeds would decide" in told["why"]
    longer = line(judged([OURS], wide.assign(profile="study")))
    assert longer["change"] == "lowtex ablate ours baseline --profile study --seeds 0-6"
    assert line(judged([OURS], made_scores(NEVER)))["change"] == "-", "more seeds would not help"
    assert line(judged([OURS], made_scores([0.5] * 3), claim={"change": "real data"}))["change"] == "real data"


def test_a_sentence_says_ratio_interval_n_data_verdict_and_budget():
    whole, low = made_scores(GOOD, steps=200), made_scores(BAD, "low", "known", steps=200)
    told = line(judged([OURS], whole))
    behind = "5 seeds, 20 images of 2 streets of the miniature"
    said = f"Over all pixels `ours` has 0.80 times the error of `baseline` (0.79 to 0.82; {behind})"
    assert (told["sentence"], told["mark"], told["steps"]) == (f"{said}: holds after 200 steps.", "✓", "200")
    both = ", in low texture 1.20 times (1.19 to 1.22): holds in part after 200 steps (of 2 comparisons 1 yes, 1 no; "
    assert line(judged([OURS, LOW], whole, low))["sentence"].startswith(said + both)
    several = line(judged([OURS, LOW], whole, low.assign(steps=800)))["sentence"]
    assert "of the miniature, 200 steps), " in several and "of the miniature, 800 steps): " in several
    assert several.count("after 200 and 800 steps") == 1
    real = made_scores(GOOD, miniature=False, protocol="eigen_raw", split="eigen/test", steps=75000)
    told = line(judged([replace(OURS, protocol="eigen_raw")], real, claim={"about": "kitti"}))["sentence"]
    assert told.startswith("On KITTI by `eigen_raw` `ours` has 0.80 times") and "of real data" in told
    assert told.endswith("holds after 75,000 steps.")


def test_a_change_that_is_tried_again_in_another_setting_is_not_said_again():
    pairs = [(f"iresnet-features-{rest}", f"iresnet-pixels-{rest}") for rest in ("first-plain", "both-nested")]
    tests = [*(Comparison(*pair) for pair in pairs), Comparison(factor="data term")]
    said = line(judged(tests, *(made_scores(GOOD, names=pair) for pair in pairs)))["sentence"]
    assert "(iResNet, first-order smoothness, plain skips) has 0.80 times the error of one with a loss on" in said
    assert ", with iResNet, both orders of smoothness, nested skips 0.80 times (" in said


def test_a_sentence_of_many_comparisons_gives_their_range():
    strata = ("low", "middle", "high")
    frames = [made_scores(GOOD), *(made_scores(BAD, name, "known") for name in strata)]
    tests = [OURS, *(replace(LOW, stratum=name) for name in strata)]
    assert line(judged(tests, *frames))["sentence"].startswith(
        "Of 4 comparisons 1 yes (ours / baseline: 0.80 times the error), 3 no (ours / baseline: 1.20 times the error); "
    )


def test_cells_are_named_by_what_they_are_made_of():
    one = Comparison("iresnet-features-both-nested", "resnet-features-both-plain")
    assert one.sides == ("a network with iResNet and nested skips", "one with ResNet and plain skips")
    assert one.setting == "a loss on feature maps, both orders of smoothness"
    effect = Comparison(factor="data term")
    assert effect.sides == ("a network with a loss on feature maps", "one with a loss on pixels")
    assert effect.setting.startswith("averaged over all")
    named = Comparison("features-added", "iresnet-pixels-both-nested")
    assert named.sides[1] == "`iresnet-pixels-both-nested`" and not named.setting


class MadeEvidence:
    """An ablation of two rows without measures, one of whose trainings did not learn."""

    def present(self, names):
        return [name for name in names if name in ("ours", "baseline")]

    def records(self):
        return made_rows(GOOD)[["experiment", "seed"]].assign(steps=350)

    def scores(self, names, split):
        return made_scores([*GOOD[:4], 9.0], split=f"eigen_like/{split}")

    def rows(self, names, split):
        return made_rows(GOOD, train_data="streets")

    def missing(self, names, measure):
        return names


def test_the_budget_is_that_of_the_records_and_of_a_rows_profile():
    claim = Claim("c", "t", "abstract", (OURS,))
    numbers = claims.gather([MadeEvidence()], made_rows(GOOD), [claim])
    assert set(numbers.scores["steps"]) == {350} and set(numbers.scores["train_data"]) == {"streets"}
    assert set(numbers.rows["steps"]) == {PROFILES["quick"].schedule.steps}
    assert numbers.failed == {("ours", 4, 350)}
    [outcome] = claims.judge(numbers, [claim], times=200).outcomes.values()
    assert outcome.effect["steps"] == 350 and outcome.effect["seeds"] == 4
    assert claims.gather([], None).rows.empty


def test_small_effects_are_a_second_family_and_never_of_a_share_that_is_asked_for():
    near = [0.96, 0.985, 0.975, 0.97, 0.965]
    [small] = settled((OURS, near))
    _, low, high = effect_of(small)
    assert 0.95 < low < 0.98 < high < 1.05 and (small.alone, small.verdict, small.says) == ("undecided", SMALL, SMALL)
    [asked] = settled((replace(OURS, times=0.98), near))
    assert asked.verdict != SMALL, "how near to 1 it lies is not the question"
    [outside] = settled((OURS, [0.94, 0.985, 0.975, 0.97, 0.955]))
    assert outside.says == "undecided"
    weak = settled((OURS, near), *[(Comparison(f"m{n}", "baseline"), [0.9]) for n in range(3)])[0]
    assert weak.says == SMALL, "what has no numbers is no member"


def test_what_would_decide_is_sorted_by_what_it_costs():
    street = 1 + 0.3 * np.random.default_rng(2).normal(size=(20,))
    names = {"seeds": [0.9, 0.97, 0.93], "few": [0.5], "never": NEVER, "streets": [0.9, 0.9, 0.901], "sure": GOOD}
    scores = pd.concat(made_scores(ratios, names=(name, "baseline")) for name, ratios in names.items())
    scores = scores.drop_duplicates(["experiment", "seed", "image"])
    scores.loc[scores["experiment"] == "streets", "abs_rel"] *= np.tile(street, 3)
    tests = [Comparison(name, "baseline") for name in names]
    found = judged(tests, scores)
    needs = found.needs().set_index("comparison")
    assert list(needs.index) == ["seeds / baseline", "few / baseline", "streets / baseline", "never / baseline"]
    assert needs["seeds needed"].tolist()[1:] == ["10", "3", "not known"]
    assert needs["streets needed"].str.endswith(" streets").tolist() == [False, False, True, False]
    stretches = found.outcomes[tests[3]].needed[1]
    # ten stretches are two streets
    assert stretches > 10 and needs["streets needed"].iloc[2] == f"{int(np.ceil(stretches / 5))} streets"


def test_rows_without_images_give_students_interval_of_the_log_ratio():
    logs = np.log([0.5, 0.6, 0.7])
    reach = stats.t.ppf(0.975, 2) * logs.std(ddof=1) / 3**0.5
    outcome = look(rows=made_rows(np.exp(logs)))
    assert np.log(effect_of(outcome)) == pytest.approx(logs.mean() + np.array([0, -reach, reach]))
    assert outcome.over == "seeds" and look(rows=made_rows([0.5])).says == "too few"
    told = line(judged([OURS], rows=made_rows([0.5, 0.5, 0.51], images=697, miniature=False)))
    assert (told["verdict"], told["over"], told["scope"], told["images"]) == (HOLDS, "seeds", "real data", 697)


@pytest.mark.parametrize(("asked", "had", "counts"), CASES["counts"])
def test_only_numbers_of_the_protocols_own_split_and_scaling_count(asked, had, counts):
    outcome = look(replace(OURS, **asked), rows=made_rows([0.5] * 3, **had))
    assert outcome.says == ("yes" if counts else "no numbers")


def test_networks_trained_elsewhere_further_or_longer_are_never_mixed_in():
    rows = made_rows([0.5] * 3, steps=200)
    other = pd.concat([rows.assign(experiment=rows["experiment"] + end, value=9.0) for end in ("_city", "_finetuned")])
    assert look(rows=pd.concat([rows, other])).effect["ratio"] == pytest.approx(0.5)
    ours = rows["experiment"] == "ours"
    for column, value in (("train_data", "another"), ("steps", 800)):
        assert look(rows=rows.assign(**{column: rows[column].mask(ours, value)})).says == "no numbers"


def test_the_set_of_most_use_is_taken_and_the_others_are_told():
    few, many = made_rows([0.9] * 3, train_data="a"), made_rows([0.5] * 5, train_data="z")
    outcome = look(rows=pd.concat([few, many]))
    assert outcome.effect["ratio"] == pytest.approx(0.5) and "learnt from a, 3 seeds" in outcome.left[0]
    real = made_rows([0.7] * 3, miniature=False)
    assert look(rows=pd.concat([real, many])).effect["ratio"] == pytest.approx(0.7), "real data come first"
    outcome = look(rows=pd.concat([real[real["seed"] == 0], many]))
    assert outcome.effect["ratio"] == pytest.approx(0.5) and outcome.effect["miniature"], "but not one seed of them"
    assert "real data" in outcome.left[0] and "1 seed" in outcome.left[0]
    lengths = pd.concat([few.assign(steps=1400), many.assign(steps=350)])
    assert look(rows=lengths).effect["steps"] == 1400, "the longer training, where it has seeds enough"
    assert look(rows=lengths[(lengths["steps"] == 350) | (lengths["seed"] < 2)]).effect["steps"] == 350
    outcome = look(scores=made_scores([0.8] * 3), rows=many)
    assert outcome.effect["ratio"] == pytest.approx(0.8) and outcome.over == "seeds and images"
    known, gradient = (made_scores([ratio] * 3, "low", kind) for kind, ratio in (("known", 0.5), ("gradient", 0.9)))
    assert look(LOW, pd.concat([gradient, known])).kind == "known"
    assert look(LOW, gradient).effect["ratio"] == pytest.approx(0.9)


def test_seeds_that_one_side_lacks_or_that_did_not_learn_are_told_and_left_out_where_enough_remain():
    scores = made_scores([0.5, 0.5, 0.5, 0.9])
    outcome = look(scores=scores[(scores["seed"] < 3) | (scores["experiment"] == "ours")])
    assert outcome.effect["seeds"] == 3 and outcome.left == ("seed 3 left out: not all experiments have it",)
    scores, failed = made_scores([0.8, 0.8, 0.8, 0.1]), frozenset({("baseline", 3, "not stated")})
    outcome = look(scores=scores, failed=failed)
    assert outcome.effect["ratio"] == pytest.approx(0.8) and outcome.effect["seeds"] == 3
    [told] = outcome.left
    assert "baseline seed 3" in told and f"with them the ratio is {(0.8**3 * 0.1) ** 0.25:.3f}" in told
    few = look(scores=scores, failed=failed | {("ours", 0, "not stated")})
    assert few.effect["seeds"] == 4 and "counted all the same" in few.left[0]
    assert look(Comparison("other", "baseline"), scores, failed=failed).left == ()
    assert look(scores=scores.assign(steps=1400), failed=failed).left == (), "its namesake of another length did learn"


def factorial_scores(failing=()) -> pd.DataFrame:
    """All cells; features have 0.8 of the error of pixels, streets and networks differ."""
    street, table = np.geomspace(0.1, 0.4, 20), {}
    for number, name in enumerate(factorial()):
        size = (0.8 if levels_of(name)["data term"] == "features" else 1.0) * (1 + 0.02 * (number % 4))
        table[name] = [street * size * (9 if (name, seed) in failing else 1) for seed in range(4)]
    return rows_of(table, **SHARED)


def test_main_effects_are_those_of_the_factorial_without_the_pairs_that_did_not_learn():
    data_term, scores = Comparison(factor="data term"), factorial_scores()
    outcome = look(data_term, scores)
    assert outcome.effect["ratio"] == pytest.approx(0.8) and (outcome.effect["seeds"], outcome.says) == (4, "yes")
    assert look(Comparison(factor="skips"), scores).effect["ratio"] > 1.01
    missing = look(data_term, scores[scores["experiment"] != "resnet-pixels-first-plain"])
    assert missing.missing == ("resnet-pixels-first-plain",)
    # one cell fails in each seed, so that no seed is whole
    cells = ["resnet-pixels-first-plain", "resnet-pixels-both-plain", "iresnet-pixels-first-plain"]
    failing = frozenset((name, seed) for seed, name in enumerate([*cells, "iresnet-features-both-nested"]))
    failed = frozenset((*one, "not stated") for one in failing)
    outcome = look(data_term, factorial_scores(failing), failed=failed)
    assert outcome.effect["ratio"] == pytest.approx(0.8, rel=1e-6) and outcome.says == "yes"
    assert "4 of 32 pairs" in outcome.left[0]
    assert look(data_term, factorial_scores(failing)).says == "undecided"


def test_measures_are_judged_by_image_where_they_have_images_and_by_training_elsewhere():
    values = np.outer(1 + 0.01 * np.arange(3), 1 + 0.1 * np.arange(12))
    edges = rows_of({"ours": values, "baseline": 2 * values}, metric="value", quantity="off_px")
    edges = edges[["experiment", "seed", "image", "quantity", "stratum", "value"]].assign(miniature=True)
    test = replace(OURS, measure="edges", metric="value", select=(("quantity", "off_px"), ("stratum", "all")))
    outcome = look(test, measured={"edges": [edges]})
    assert outcome.effect["ratio"] == pytest.approx(0.5) and outcome.numbers().startswith("0.500 [")
    assert (outcome.over, outcome.effect["images"]) == ("seeds and images", 12)
    gap = edges[~((edges["experiment"] == "ours") & (edges["seed"] == 0) & edges["image"].str.contains("00003"))]
    assert look(test, measured={"edges": [gap]}).effect["images"] == 11, "an image counts where all have it"
    later = edges.assign(steps=800, value=edges["value"].where(edges["experiment"] != "ours", 3 * edges["value"]))
    both = look(test, measured={"edges": [edges.assign(steps=200), later]})
    assert both.effect["ratio"] == pytest.approx(1.5) and both.effect["steps"] == 800, "two ablations, the longer one"
    plain = look(test, measured={"edges": [edges.drop(columns="image")]})
    assert plain.effect["ratio"] == pytest.approx(0.5) and plain.over == "seeds"
    assert look(test).missing == ("ours", "baseline")
    with pytest.raises(DataError, match="no column 'quantity'; it has: .*value"):
        look(test, measured={"edges": [edges.drop(columns="quantity")]})


def test_the_rule_is_told_with_its_numbers_and_every_verdict(monkeypatch):
    monkeypatch.setattr(claims, "RULE", Rule(margin=0.05, level=0.9, least=4))
    told = claims.rule_text()
    numbers = ("0.95", "1.05", "90%", "below 10%", "fewer than 4 seeds", "AbsRel of 1 or more", "in 80% of studies")
    for part in (*numbers, "Holm", "Benjamini", claims.NO_GAIN, *claims.VERDICTS, *claims.ANSWERS.values()):
        assert part in told
    assert claims.UNTESTED.format(data="…", answer="…") in told and "{" not in told
