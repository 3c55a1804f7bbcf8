"""Every claim beside its evidence and a verdict, computed from numbers by a stated rule and never typed in.

from lowtex_lab.studies import claims
numbers = claims.gather(evidence, rows)       # the ablation's scores, its measures, a run's own rows
judged = claims.judge(numbers)
print(claims.rule_text())
judged.table()        # a line a claim
judged.effects()      # a line a comparison, for `lowtex_lab.plots.effect_forest`

The claims are data, in ``claims.yaml``: each names comparisons (`Versus`). `measure` looks a comparison up, in one set
of numbers; `settle` judges all comparisons of a table as one family; `verdict` turns what they say into a verdict.
Nothing here knows an outcome.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy import stats

from lowtex.catalog import source_of
from lowtex.errors import DataError
from lowtex.evaluation.metrics import LABELS
from lowtex.evaluation.protocols import get_protocol
from lowtex.experiments import GROUPS, factorial
from lowtex_lab.studies.diagnostics.transfer import with_rivals
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.learnt import STUCK, outcomes_of
from lowtex_lab.studies.level_scores import level_scores
from lowtex_lab.studies.rows import PROTOCOL
from lowtex_lab.studies.stats.effect_rules import CANNOT as UNKNOWN
from lowtex_lab.studies.stats.effect_rules import HARMS, HELPS, OPEN, SAME, Rule, adjust
from lowtex_lab.studies.stats.effects import compare
from lowtex_lab.studies.stats.factorial import factorial_effects
from lowtex_lab.studies.stats.image_scores import error_name
from lowtex_lab.studies.stats.resampling import TIMES
from lowtex_lab.studies.tables import design, factor_pairs

LESS, EQUAL = "less", "same"
"""What a claim expects of a comparison: a smaller error, or no difference."""

REAL_DATA = {
    "kitti": "KITTI",
    "kitti_depth": "KITTI",
    "vkitti2": "Virtual KITTI 2",
    "make3d": "Make3D",
    "cityscapes": "Cityscapes",
}
"""Data root -> what the data set is called in a verdict."""

MADE_IN = ("abstract", "review", "prototype", "rival")
"""Where a claim is made: the paper's abstract, a published review of the paper, the kit's own throw-away prototype, or
what a doubter would say instead."""

TRANSFER, MASK = "transfer", "mask"
"""Measures of which the comparisons' names need more than the trainings' names, see `gather`."""

MORE_SEEDS = 10
"""Seeds to ask for where five leave a comparison undecided."""

LOW_KINDS = ("known", "gradient")
"""Texture strata, the first kind that the numbers have: known contrast in the miniature, image gradient elsewhere."""

PLACES = ("miniature", "profile", "train_data", "eval_data", "split", "crop", "cap_m")
"""What makes numbers a set of their own, beside protocol, scaling and flip, which are the same for all candidates."""

HOLDS, IN_PART, FAILS, CANNOT = "holds", "holds in part", "does not hold", "cannot be judged here"
VERDICTS = (HOLDS, IN_PART, FAILS, CANNOT)

UNTESTED = "not tested on {data}; the miniature says: {answer}"
"""Verdict on a claim about a real data set that only its miniature has numbers of: they say nothing about it."""
ANSWERS = {HOLDS: "yes", IN_PART: "in part", FAILS: "no", CANNOT: "undecided"}
"""What the miniature says where a claim about it would get this verdict."""

NO_GAIN = "no gain"
"""A gain worth naming is ruled out, whether or not harm is shown: the interval lies above ``1 - margin``."""

YES, NO, UNDECIDED, FEW, NOTHING = "yes", "no", "undecided", "too few", "no numbers"
"""What one comparison says of a claim."""


@dataclass(frozen=True)
class Versus:
    """One comparison: ``better`` should have the smaller ``metric`` than ``than``.

    Attributes:
        better, than: experiments.
        protocol: of `lowtex.evaluation.protocols`; it implies the data set and the test split.
        stratum: ``all``, ``low`` (texture), ``edge`` or ``interior`` (nearness to a depth edge), …
        kinds: kinds of strata it may come from, the first that the numbers have; ``none`` for whole images.
        metric: an error, smaller is better (of ``d1`` the share of bad pixels); or a column of ``measure``.
        times: the error is held against this share of the other's: 0.65 asks for a third less.
        expects: ``less``, or ``same``: the claim is that there is no difference.
        split: another than the protocol's own, for choices made on validation scenes.
        measure: not errors but a result of this measure (`lowtex_lab.studies.measures`), its column ``metric``.
        select: column and value of the rows of that measure to take.
    """

    better: str
    than: str = ""
    protocol: str = "vkitti2_dense"
    stratum: str = "all"
    kinds: tuple[str, ...] = ("none",)
    metric: str = "abs_rel"
    times: float = 1.0
    expects: str = LESS
    split: str = ""
    measure: str = ""
    select: tuple[tuple[str, str], ...] = ()

    @property
    def experiments(self) -> tuple[str, ...]:
        """All that must have numbers."""
        return self.better, self.than

    @property
    def wanted_split(self) -> str:
        """The last part of the split's name."""
        return self.split or source_of(self.protocol).split

    @property
    def quantity(self) -> str:
        """What is compared: the error's name, or which result of the measure."""
        if not self.measure:
            return error_name(self.metric)
        chosen = dict(self.select)
        return ", ".join([chosen.pop("quantity", self.metric), *(v for v in chosen.values() if v != "all")])

    @property
    def label(self) -> str:
        """The comparison in a few words."""
        return f"{self.better} / {self.than}"

    @property
    def place(self) -> str:
        """Data and pixels in a few words."""
        pixels = "all pixels" if self.stratum == "all" else self.stratum
        where = f"{self.measure}: {self.quantity}" if self.measure else self.protocol
        return ", ".join([where, *([] if self.measure else [pixels]), *([self.split] if self.split else [])])


@dataclass(frozen=True)
class MainEffect(Versus):
    """A factor's new level against its old one over all sixteen cells of the factorial; ``better`` is the factor."""

    @property
    def experiments(self) -> tuple[str, ...]:
        """All cells."""
        return tuple(factorial())

    @property
    def label(self) -> str:
        """The factor."""
        return f"{self.better}, main effect"


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper, of its review or of the prototype, in our words.

    Attributes:
        name: short.
        text: what is claimed; for a question of the review what a *yes* would mean.
        made_in: one of `MADE_IN`.
        tests: the comparisons that bear on it.
        blocked: why it cannot be judged with this kit as it stands, where that is so.
        reading: what the kit had to decide to make it testable.
        question: the review's own question, where it asks one.
        change: what would let it be judged, or be judged on real data; a command where there is one.
        about: name of the data root of which it says something (`REAL_DATA`), where it names a real data set or rests
            on numbers of one. Numbers of that data set's miniature are then no test of it.
    """

    name: str
    text: str
    made_in: str
    tests: tuple[Versus, ...] = ()
    blocked: str = ""
    reading: str = ""
    question: str = ""
    change: str = ""
    about: str = ""


def _comparison(fields: dict) -> Versus:
    """A test of the file: ``factor`` names a main effect; texture strata have `LOW_KINDS` unless it says otherwise."""
    kinds = fields.get("kinds", LOW_KINDS if fields.get("stratum") in ("low", "high") else ("none",))
    fields = {**fields, "kinds": tuple(kinds), "select": tuple(fields.get("select", {}).items())}
    return MainEffect(fields.pop("factor"), **fields) if "factor" in fields else Versus(**fields)


_STORED = yaml.safe_load(Path(__file__).with_name("claims.yaml").read_text(encoding="utf-8"))

KITTI_COMMAND: str = _STORED["kitti_command"]
"""What a person with the real data sets runs, once a seed."""

CLAIMS = tuple(Claim(**{**one, "tests": tuple(map(_comparison, one.get("tests", ())))}) for one in _STORED["claims"])
"""What can be put to a test, and what cannot, in the order of the table."""


@dataclass
class Numbers:
    """All there is to judge by.

    Attributes:
        scores: of single images, as `studies.stats.effects.compare` takes them, with train_data where it is known; of
            any number of protocols.
        rows: tidy rows (`lowtex.evaluation.results.COLUMNS`).
        measured: measure -> its results, a row a number, with experiment and seed.
        failed: (experiment, seed) of the trainings behind scores and measures that did not learn
            (`lowtex_lab.studies.learnt.STUCK`).
    """

    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    measured: dict[str, pd.DataFrame] = field(default_factory=dict)
    failed: frozenset[tuple[str, int]] = frozenset()


def gather(evidence: Evidence | None, rows: pd.DataFrame | None, claims: Iterable[Claim] = CLAIMS) -> Numbers:
    """What an ablation and a run have on some claims; whatever is not there is left out.

    Args:
        evidence: of `lowtex_lab.studies.evidence.open_evidence`; None where there is none.
        rows: the run's own tidy rows, or None.
        claims: to be judged.
    """
    tests, numbers = (
        [test for claim in claims for test in claim.tests],
        Numbers(rows=pd.DataFrame() if rows is None else rows),
    )
    asked = [name.partition(": ")[0] for test in tests for name in test.experiments]
    present = [] if evidence is None else evidence.present(asked)
    if not present:
        return numbers
    scores, validation = (
        found[found["stratum_kind"].isin({"none"} | {kind for test in tests for kind in test.kinds})]
        for found in (evidence.scores(present, split) for split in ("test", "val"))
    )
    chosen = [scores]
    if names := {name for test in tests if test.split == "val" for name in test.experiments}:
        chosen.append(validation[validation["experiment"].isin(names)])
    wanted = {test.measure for test in tests if test.measure} | {TRANSFER}
    measured = {name: evidence.measured(name) for name in sorted(wanted) if evidence.has_measure(name)}
    measured = {name: found[found["experiment"].isin(present)] for name, found in measured.items()}
    if MASK in measured:
        # its question is of strata within one network, which stand as experiments of their own
        found = measured[MASK]
        measured[MASK] = found.assign(experiment=found["experiment"] + ": " + found["stratum"])
    if TRANSFER in measured:
        chosen.append(with_rivals(measured.pop(TRANSFER)))
    # one ablation, one set of training pairs: a row of any of its networks says which
    learnt_from = evidence.rows(present[:1], "val")["train_data"].iloc[0]
    numbers.scores = pd.concat(chosen, ignore_index=True).assign(train_data=learnt_from)
    stuck = outcomes_of(validation).query("not learnt")
    numbers.measured, numbers.failed = measured, frozenset(zip(stuck["experiment"], stuck["seed"], strict=True))
    return numbers


@dataclass(frozen=True)
class Candidate:
    """One set of numbers that fits a comparison: what one group of networks, trained on one data set, got on one group
    of images by one protocol. A run on real data, a run on the miniature, an ablation and a command of `lowtex
    evaluate` each leave sets of their own. Sets are never mixed.

    Attributes:
        test: the comparison.
        scores: of images, in the strata ``none`` and ``kind``; where only means over images are known, these stand as
            the score of one image.
        of_images: which of the two.
        kind: of strata.
        stratum: that is judged.
        context: what the numbers have in common, `PLACES` and images.
    """

    test: Versus
    scores: pd.DataFrame
    of_images: bool
    kind: str
    stratum: str
    context: dict

    @cached_property
    def errors(self) -> pd.DataFrame:
        """Mean over images, ``(seeds, experiments)``; NaN where an experiment lacks a seed."""
        inside = _stratum(self.scores, self.kind, self.stratum)
        return inside.pivot_table(index="seed", columns="experiment", values=self.test.metric, aggfunc="mean")

    @property
    def seeds(self) -> int:
        """That every experiment has."""
        return len(self.errors.dropna())

    @property
    def told(self) -> str:
        """The set in one line."""
        sort = "miniature" if self.context["miniature"] else "real data"
        what = "scores of images" if self.of_images else "means"
        seeds = f"{self.seeds} seed{'s' if self.seeds != 1 else ''}"
        kind = "" if self.kind == "none" else f" by {self.kind}"
        return (
            f"{what}{kind} on {self.context['eval_data']} ({sort}, {self.context['split']}), profile "
            f"{self.context['profile']}, learnt from {self.context['train_data']}, {seeds}"
        )

    def rank(self, least: int) -> tuple:
        """The best set has the smallest."""
        place = self.test.kinds.index(self.kind) if self.kind in self.test.kinds else 0
        return (
            self.seeds < least,
            bool(self.context["miniature"]),
            place,
            not self.of_images,
            -self.seeds,
            -int(self.context["images"]),
            *(str(self.context[name]) for name in PLACES),
        )


def candidates(
    scores: pd.DataFrame, rows: pd.DataFrame, test: Versus, least: int
) -> tuple[list[Candidate], tuple[str, ...]]:
    """All sets of numbers that fit a comparison, the one to take first; and the experiments that have none at all.

    Args:
        scores: of single images; may be empty.
        rows: tidy rows; may be empty.
        test: the comparison.
        least: seeds that a verdict needs.
    """
    found: list[Candidate] = []
    seen: set[str] = set()
    for frame, of_images in ((scores, True), (rows, False)):
        chosen = _fitting(frame, test, of_images)
        if chosen.empty:
            continue
        seen |= set(chosen["experiment"])
        places = [name for name in PLACES if name in chosen]
        for place, group in chosen.groupby(places, sort=True, dropna=False):
            told = dict.fromkeys(PLACES, "not stated") | {"miniature": False} | dict(zip(places, place, strict=True))
            for kind in ("none",) if test.stratum == "all" else test.kinds:
                inside = _stratum(group, kind, test.stratum)
                if not set(test.experiments) <= set(inside["experiment"]):
                    continue
                images = inside["image"].nunique() if of_images else int(inside["images"].max())
                kept = group[group["stratum_kind"].isin(["none", kind])] if of_images else _as_scores(inside, test)
                context = {**told, "images": images}
                candidate = Candidate(test, kept, of_images, kind, test.stratum, context)
                if candidate.seeds:
                    found.append(candidate)
    missing = tuple(name for name in test.experiments if name not in seen)
    return sorted(found, key=lambda candidate: candidate.rank(least)), missing


def _fitting(frame: pd.DataFrame, test: Versus, of_images: bool) -> pd.DataFrame:
    """Rows of the comparison's experiments by its protocol as it stands, on its split."""
    if frame.empty or (of_images and test.metric not in frame):
        return frame.iloc[:0]
    protocol = get_protocol(test.protocol)
    # the largest cut first: a table asks this of the same long frame for every comparison
    frame = frame[frame["experiment"].isin(test.experiments)]
    frame = frame[frame["protocol"] == protocol.stated_name]
    known = {split: str(split).rpartition("/")[2] == test.wanted_split for split in frame["split"].unique()}
    fits = (
        (frame["scaling"] == protocol.scaling)
        & (frame["flip"].astype(bool) == protocol.flip)
        & frame["split"].map(known).astype(bool)
    )
    if not of_images:
        fits &= (frame["status"] == "measured") & (frame["metric"] == test.metric)
    return frame[fits]


def _stratum(frame: pd.DataFrame, kind: str, stratum: str) -> pd.DataFrame:
    return frame[(frame["stratum_kind"] == kind) & (frame["stratum"] == stratum)]


def _as_scores(rows: pd.DataFrame, test: Versus) -> pd.DataFrame:
    """Tidy rows of one stratum, means over images, as scores of one image."""
    place = ["experiment", "seed", "stratum_kind", "stratum"]
    means = rows.groupby(place)["value"].mean().rename(test.metric).reset_index()
    return means.assign(image="mean over images", pixels=0)


def measure(numbers: Numbers, test: Versus, rule: Rule | None = None, times: int = TIMES) -> "Outcome":
    """Look one comparison up; its verdict stands alone until `settle` has seen the whole table.

    Args:
        numbers: all there is.
        test: the comparison.
        rule: when an effect counts.
        times: draws of the bootstrap.

    Raises:
        DataError: scores that do not fit together; a measure without the column that is asked for.
    """
    rule = rule or Rule()
    if test.measure:
        frame = numbers.measured.get(test.measure, pd.DataFrame())
        found, missing = _of_measure(frame, test) if len(frame) else ([], test.experiments)
    else:
        found, missing = candidates(numbers.scores, numbers.rows, test, rule.least)
    if not found:
        return Outcome(test, missing=missing)
    taken, *others = found
    effect, said = sound_effect(taken, numbers.failed, rule, times)
    over = "seeds and images" if taken.of_images else "seeds"
    left = [*said, *(f"not taken: {other.told}" for other in others)]
    return Outcome(test, effect, str(effect["verdict"]), over, taken.kind, tuple(left))


def _of_measure(frame: pd.DataFrame, test: Versus) -> tuple[list[Candidate], tuple[str, ...]]:
    """A measure's column as a set of numbers: scores of images where it has images, one number a training elsewhere."""
    for column in (test.metric, *(name for name, _ in test.select)):
        if column not in frame:
            there = ", ".join(map(str, frame.columns))
            raise DataError(f"measure {test.measure!r} has no column {column!r}; it has: {there}")
    for column, value in test.select:
        frame = frame[frame[column].astype(str) == value]
    frame = frame[frame["experiment"].isin(test.experiments) & frame[test.metric].notna()]
    missing = tuple(name for name in test.experiments if not (frame["experiment"] == name).any())
    if missing:
        return [], missing
    told = {"profile": "not stated", "miniature": False, "train_data": "not stated"}
    told |= {name: frame[name].iloc[0] for name in told if name in frame}
    told |= {"eval_data": test.measure, "split": "its own"}
    if "image" not in frame:
        rows = frame.assign(value=frame[test.metric])
        images = int(frame["images"].max()) if "images" in frame else 0
        scores = _as_scores(rows.assign(stratum_kind="none", stratum="all"), test)
        return [Candidate(test, scores, False, "none", "all", told | {"images": images})], ()
    # an image counts where every training has a number of it
    table = frame.pivot_table(index=["experiment", "seed"], columns="image", values=test.metric, aggfunc="mean")
    table = table.dropna(axis=1)
    if table.empty:
        return [], test.experiments
    scores = table.stack().rename(test.metric).reset_index().assign(stratum_kind="none", stratum="all", pixels=0)
    return [Candidate(test, scores, True, "none", "all", told | {"images": table.shape[1]})], ()


def sound_effect(
    taken: Candidate, failed: frozenset[tuple[str, int]], rule: Rule, times: int
) -> tuple[dict, list[str]]:
    """The effect of a set of numbers without trainings that did not learn, and what was left out, in words.

    Of two experiments, seeds of which one did not learn are left out; of a main effect, the pairs of cells of which one
    did not. Where fewer than ``rule.least`` seeds would remain, everything is counted.

    Args:
        taken: the set.
        failed: (experiment, seed).
        rule: when an effect counts.
        times: draws of the bootstrap.

    Returns:
        a row as of `lowtex_lab.studies.stats.effects.compare`, with what the set has in common; and lines about seeds.
    """
    errors = taken.errors
    whole = [int(seed) for seed in errors.dropna().index]
    said = []
    if partial := [str(seed) for seed in errors.index if int(seed) not in whole]:
        said.append(f"seed {', '.join(partial)} left out: not all experiments have it")
    # a rival that never looks goes by its network's name
    owners = {name.partition(": ")[0] for name in taken.test.experiments}
    bad = sorted((name, seed) for name, seed in failed if name in owners and seed in whole)
    everything = effect_of(taken, rule, times)
    if not bad or not taken.of_images:
        return everything, said
    names = ", ".join(f"{name} seed {seed}" for name, seed in bad)
    if isinstance(taken.test, MainEffect):
        sound, counted = _of_learnt_pairs(taken, failed, rule, times)
        what = f"the {counted} of cells with one of them are left out"
    else:
        seeds = [seed for seed in whole if seed not in {seed for _, seed in bad}]
        kept = replace(taken, scores=taken.scores[taken.scores["seed"].isin(seeds)])
        sound, what = effect_of(kept, rule, times) if len(seeds) >= rule.least else {}, "these seeds are left out"
    if not sound or sound["seeds"] < rule.least:
        return everything, [*said, f"did not learn: {names}; counted all the same, as too few other seeds are left"]
    return sound, [*said, f"did not learn: {names}; {what}, with them the ratio is {everything['ratio']:.3f}"]


def effect_of(taken: Candidate, rule: Rule, times: int) -> dict:
    """The effect of all of a set: a row as of `studies.stats.effects.compare`, with what the set has in common."""
    test, clusters = taken.test, None if taken.of_images else "fixed"
    options = {"strata": (taken.stratum,), "rule": rule, "clusters": clusters, "times": times}
    with warnings.catch_warnings():
        # seeds that only one side has are told by `sound_effect`
        warnings.simplefilter("ignore", UserWarning)
        if isinstance(test, MainEffect):
            effects = factorial_effects(taken.scores, design(), taken.test.metric, stratum_kind=taken.kind, **options)
            effects = effects[effects["effect"] == test.better]
        else:
            effects = compare(taken.scores, [test.experiments], taken.test.metric, stratum_kind=taken.kind, **options)
    return _with_context(effects, taken)


def _of_learnt_pairs(taken: Candidate, failed: frozenset[tuple[str, int]], rule: Rule, times: int) -> tuple[dict, str]:
    """A main effect of the pairs of cells, alike but for the factor, of which both learnt (`level_scores`)."""
    scores = _stratum(taken.scores, taken.kind, taken.stratum)
    found = scores[["experiment", "seed"]].drop_duplicates()
    there = list(found.itertuples(index=False, name=None))
    found = found.assign(learnt=[training not in failed for training in there])
    pairs = list(factor_pairs(taken.test.better).values())
    couples = [{(name, seed) for name in pair} for pair in pairs for seed in sorted(set(found["seed"]))]
    couples = [couple for couple in couples if couple <= set(there)]
    counted = f"{sum(bool(couple & failed) for couple in couples)} of {len(couples)} pairs"
    levels = level_scores(scores, pairs, found, taken.test.metric)
    if levels.empty:
        return {}, counted
    options = {"stratum_kind": taken.kind, "strata": (taken.stratum,), "rule": rule, "times": times}
    return _with_context(compare(levels, [("new", "old")], taken.test.metric, **options), taken), counted


def _with_context(effects: pd.DataFrame, taken: Candidate) -> dict:
    [effect] = effects.to_dict("records")
    images = effect["images"] if taken.of_images else taken.context["images"]
    return {**effect, **taken.context, "metric": taken.test.quantity, "images": images}


def rule_text(rule: Rule | None = None) -> str:
    """The rule in words, with its numbers, as Markdown."""
    rule = rule or Rule()
    words = {"open": OPEN, "helps": HELPS, "harms": HARMS, "same": SAME, "no_gain": NO_GAIN, "yes": YES, "no": NO}
    words |= {"holds": HOLDS, "in_part": IN_PART, "fails": FAILS, "cannot": CANNOT}
    return (
        _STORED["rule"]
        .rstrip()
        .format(
            rule=rule.describe(),
            false=1 - rule.level,
            gain=1 - rule.margin,
            least=rule.least,
            stuck=STUCK,
            untested=UNTESTED.format(data="…", answer="…"),
            answers=", ".join(ANSWERS.values()),
            **words,
        )
    )


@dataclass
class Outcome:
    """What the numbers say about one comparison.

    Attributes:
        test: the comparison.
        effect: of `studies.stats.effects.compare` or `factorial_effects` (``ratio, low, high, verdict, seeds, images,
            cluster, se_seeds, se_images, df``, what the numbers have in common); empty without numbers.
        verdict: of `lowtex_lab.studies.stats.effect_rules`, corrected once `settle` has seen the whole table.
        over: what the interval is over: ``seeds and images`` or ``seeds``.
        kind: of strata that was found.
        left: what else was there and was not taken, and seeds that stand out.
        missing: experiments without any number there.
        alone: the verdict without correction.
        firm: it would survive Holm's correction as well.
    """

    test: Versus
    effect: dict = field(default_factory=dict)
    verdict: str = ""
    over: str = ""
    kind: str = ""
    left: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    alone: str = ""
    firm: bool = False

    @property
    def ratio(self) -> float:
        """The error as a share of the other's; NaN without numbers."""
        return float(self.effect.get("ratio", np.nan))

    @property
    def interval(self) -> tuple[float, float]:
        """Of the ratio; NaN where there is none."""
        return float(self.effect.get("low", np.nan)), float(self.effect.get("high", np.nan))

    @property
    def seeds(self) -> int:
        """That both sides have."""
        return int(self.effect.get("seeds", 0))

    @property
    def images(self) -> int:
        """Per seed."""
        return int(self.effect.get("images", 0))

    @property
    def miniature(self) -> bool:
        """The images are of the kit's own world."""
        return bool(self.effect.get("miniature", False))

    @property
    def says(self) -> str:
        """What it says of the claim: one of ``yes, no, undecided, too few, no numbers``."""
        if not self.effect:
            return NOTHING
        if self.verdict.startswith(UNKNOWN):
            return FEW
        if self.verdict == OPEN:
            return UNDECIDED
        return YES if self.verdict == {LESS: HELPS, EQUAL: SAME}[self.test.expects] else NO

    def numbers(self) -> str:
        """Ratio and interval in one text."""
        if not self.effect:
            return NOTHING
        low, high = self.interval
        known = np.isfinite(low) and np.isfinite(high)
        asked = f", asked for below {self.test.times:g}" if self.test.times != 1 else ""
        return f"{self.ratio:.3f} [{f'{low:.3f}, {high:.3f}' if known else 'no interval'}]{asked}"

    def evidence(self) -> str:
        """Everything in one line."""
        kind = f" ({self.kind})" if self.kind not in ("", "none") else ""
        if not self.effect:
            lack = f" of {', '.join(self.missing)}" if 0 < len(self.missing) <= 3 else ""
            return f"{self.test.label} on {self.test.place}: {NOTHING}{lack}"
        against = ""
        if not isinstance(self.test, MainEffect):
            name = LABELS.get(self.test.quantity, self.test.quantity)
            against = f" ({name} {self.effect['method_error']:.3f} against {self.effect['reference_error']:.3f})"
        firm = " (firm)" if self.firm else ""
        return f"{self.test.label} on {self.test.place}{kind}: {self.numbers()}{against}, {self.verdict}{firm}"


def settle(outcomes: Sequence[Outcome], rule: Rule | None = None) -> None:
    """Judge the outcomes of a table as one family (`effect_rules.corrected`): sets each one's verdict, alone and firm.

    Each distinct comparison must be there once.
    """
    rule = rule or Rule()
    known = [outcome for outcome in outcomes if outcome.effect]
    p = np.full(len(known), np.nan)
    for place, outcome in enumerate(known):
        outcome.alone = _alone(outcome, rule)
        if not outcome.alone.startswith(UNKNOWN):
            # what cannot be judged is no comparison
            p[place] = _p_value(outcome, rule)
    for outcome, share, sure in zip(known, adjust(p, "fdr"), adjust(p, "holm"), strict=True):
        called = outcome.alone not in (OPEN,) and not outcome.alone.startswith(UNKNOWN)
        outcome.verdict = OPEN if called and not share < 1 - rule.level else outcome.alone
        outcome.firm = bool(called and sure < 1 - rule.level)


def _alone(outcome: Outcome, rule: Rule) -> str:
    """The verdict on one comparison for itself, against the share that is asked for."""
    given = str(outcome.effect["verdict"])
    if given.startswith(UNKNOWN):
        return given
    low, high = (end / outcome.test.times for end in outcome.interval)
    said = rule.verdict(low, high)
    ruled_out = outcome.test.expects == LESS and said == OPEN and low > 1 - rule.margin
    return NO_GAIN if ruled_out else said


def _p_value(outcome: Outcome, rule: Rule) -> float:
    """Of what a comparison says: for a smaller error the two-sided test that the ratio is just a gain worth naming."""
    effect, test = outcome.effect, outcome.test
    log_ratio, df = np.log(outcome.ratio / test.times), float(effect["df"])
    se = float(np.hypot(effect["se_seeds"], effect["se_images"]))
    if test.expects == EQUAL:
        return float(rule.p_value(np.array([log_ratio]), np.array([se]), np.array([df]))[0])
    beyond = log_ratio - np.log1p(-rule.margin)
    if se == 0:
        return 0.0 if beyond else 1.0
    return float(2 * stats.t.sf(abs(beyond) / se, df))


def verdict(outcomes: Iterable[Outcome]) -> tuple[str, str]:
    """Verdict of a claim from its comparisons, and the reason, by `rule_text`."""
    outcomes = list(outcomes)
    said = [outcome.says for outcome in outcomes]
    firm = sum(o.firm for o in outcomes)
    if len(said) == 1:
        why = f"its one comparison says {said[0]}{' (firm)' if firm else ''}"
    else:
        counted = ", ".join(f"{said.count(word)} {word}" for word in dict.fromkeys(said))
        why = f"of {len(said)} comparisons {counted}{f' ({firm} firm)' if firm else ''}"
    if said and set(said) == {YES}:
        return HOLDS, why
    if YES in said:
        return IN_PART, why
    if said and set(said) == {NO}:
        return FAILS, why
    return CANNOT, because(outcomes)


def because(outcomes: Sequence[Outcome]) -> str:
    """Why comparisons allow no verdict."""
    if not outcomes:
        return "nothing tests it"
    parts = []
    for place in dict.fromkeys(o.test.measure or o.test.protocol for o in outcomes if o.says == NOTHING):
        own = [o for o in outcomes if o.says == NOTHING and (o.test.measure or o.test.protocol) == place]
        lack = list(dict.fromkeys(name for o in own for name in o.missing))
        names = f" of {', '.join(lack[:3])}{' and others' if len(lack) > 3 else ''}" if lack else ""
        parts.append(f"no numbers{names} on {place}")
    if few := [o for o in outcomes if o.says == FEW]:
        parts.append("; ".join(dict.fromkeys(o.verdict.removeprefix(f"{UNKNOWN}: ") for o in few)) + " only")
    if wide := [o for o in outcomes if o.says == UNDECIDED]:
        seeds = " or ".join(str(number) for number in sorted({o.seeds for o in wide}))
        near = sum(o.alone != OPEN for o in wide)
        but = f", {near} of them by the correction alone" if near else ""
        parts.append(f"undecided at {seeds} seeds{but} ({'; '.join(o.numbers() for o in wide)})")
    if NO in [o.says for o in outcomes]:
        parts.append("the other comparisons say no")
    return "; ".join(parts)


@dataclass(frozen=True)
class Judged:
    """Claims with what the numbers say about them.

    Attributes:
        claims: in the order of the table.
        outcomes: comparison -> outcome, each distinct comparison once.
        rule: that they were judged by.
    """

    claims: tuple[Claim, ...]
    outcomes: dict[Versus, Outcome]
    rule: Rule

    def of(self, claim: Claim) -> list[Outcome]:
        """The outcomes of a claim's comparisons."""
        return [self.outcomes[test] for test in claim.tests]

    def verdict(self, claim: Claim) -> tuple[str, str]:
        """Verdict and reason. A claim about a real data set is judged by real numbers alone; where there are none of
        that data set, the verdict says what its miniature would answer (`UNTESTED`)."""
        if claim.blocked:
            return CANNOT, claim.blocked
        outcomes = self.of(claim)
        if not claim.about or not any(outcome.effect for outcome in outcomes):
            return verdict(outcomes)
        real = [Outcome(o.test, missing=o.missing) if o.miniature else o for o in outcomes]
        if any(o.effect and source_of(o.test.protocol).root == claim.about for o in real):
            return verdict(real)
        said, why = verdict(outcomes)
        return UNTESTED.format(data=REAL_DATA[claim.about], answer=ANSWERS[said]), why

    def table(self, questions: bool | None = None) -> pd.DataFrame:
        """A line a claim: claim, made in, question, text, verdict, why, evidence, scope, over, seeds, images, profile,
        reading, change. Seeds and images: the fewest behind any comparison that has numbers.

        Args:
            questions: only the review's questions, or only what is none; None = all.
        """
        lines = []
        for claim in self.claims:
            if questions is not None and bool(claim.question) != questions:
                continue
            known = [outcome for outcome in self.of(claim) if outcome.effect]
            result, why = self.verdict(claim)
            lines.append(
                {
                    "claim": claim.name,
                    "made in": claim.made_in,
                    "question": claim.question or "-",
                    "text": claim.text,
                    "verdict": result,
                    "why": why,
                    "evidence": "; ".join(outcome.evidence() for outcome in known) or "-",
                    "scope": _each("miniature only" if o.miniature else "real data" for o in known),
                    "over": _each(o.over for o in known),
                    "seeds": min((o.seeds for o in known), default=0),
                    "images": min((o.images for o in known), default=0),
                    "profile": _each(str(o.effect.get("profile", "-")) for o in known),
                    "reading": claim.reading or "-",
                    "change": self.change(claim) or "-",
                }
            )
        return pd.DataFrame(lines)

    def effects(self) -> pd.DataFrame:
        """A line a claim's comparison, for tables and `lowtex_lab.plots.claim_effects`.

        Columns: claim, made_in, comparison, place, kind, ratio, low, high, asked (the share that the error is held
        against), expects, verdict, alone (uncorrected), firm, says, metric, seeds, images, clusters, cluster, over,
        miniature, profile, train_data, left. A comparison without numbers has none.
        """
        lines = []
        for claim in self.claims:
            for outcome in self.of(claim):
                test, effect = outcome.test, outcome.effect
                lines.append(
                    {
                        "claim": claim.name,
                        "made_in": claim.made_in,
                        "comparison": test.label,
                        "place": test.place,
                        "kind": outcome.kind,
                        "ratio": outcome.ratio,
                        "low": outcome.interval[0],
                        "high": outcome.interval[1],
                        "asked": test.times,
                        "expects": test.expects,
                        "verdict": outcome.verdict or NOTHING,
                        "alone": outcome.alone,
                        "firm": outcome.firm,
                        "says": outcome.says,
                        "metric": test.quantity,
                        "seeds": outcome.seeds,
                        "images": outcome.images,
                        "clusters": int(effect.get("clusters", 0)),
                        "cluster": str(effect.get("cluster", "")),
                        "over": outcome.over,
                        "miniature": outcome.miniature,
                        "profile": str(effect.get("profile", "")),
                        "train_data": str(effect.get("train_data", "")),
                        "left": "; ".join(outcome.left),
                    }
                )
        return pd.DataFrame(lines)

    def family(self) -> int:
        """How many distinct comparisons were judged together."""
        return sum(bool(outcome.effect) and outcome.says != FEW for outcome in self.outcomes.values())

    def change(self, claim: Claim) -> str:
        """What to run so that a claim can be judged, or judged on real data; empty where nothing would help."""
        outcomes = self.of(claim)
        commands = []
        lacking = [o for o in outcomes if o.says == NOTHING]
        # what has to be trained comes before what is measured of it
        for extra in sorted(set(map(_measure_of, lacking))):
            names = [n.partition(": ")[0] for o in lacking if _measure_of(o) == extra for n in o.missing]
            commands.append(" ".join([_ablate(names), *(["--measure", extra] if extra else [])]))
        if wide := [o for o in outcomes if o.says in (UNDECIDED, FEW)]:
            names = [name.partition(": ")[0] for o in wide for name in o.test.experiments]
            seeds = max(MORE_SEEDS, 2 * max(o.seeds for o in wide))
            commands.append(f"{_ablate(names)} --seeds 0-{seeds - 1}")
        return "; ".join(dict.fromkeys([*commands, *([claim.change] if claim.change else [])]))

    def counts(self) -> dict[str, int]:
        """Verdict -> number of claims: the four of `VERDICTS`, then what else was said."""
        said = [self.verdict(claim)[0] for claim in self.claims]
        return {name: said.count(name) for name in dict.fromkeys([*VERDICTS, *said])}

    def answer(self, claim: Claim) -> str:
        """What a claim's comparisons found, in a few words each: for a question of the review."""
        told = [
            f"{o.test.label} ({o.test.place}) {o.numbers()}: {o.verdict if o.effect else 'not measured'}"
            for o in self.of(claim)
        ]
        return "; ".join(told) or claim.blocked


def judge(numbers: Numbers, claims: Sequence[Claim] = CLAIMS, rule: Rule | None = None, times: int = TIMES) -> Judged:
    """Look up every comparison once, judge all of them as one family, and keep what each claim is told.

    Args:
        numbers: of `gather`; may be empty.
        claims: what to judge.
        rule: when an effect counts; None = a margin of 2 %, 95 % intervals, three seeds.
        times: draws of the bootstrap.

    Raises:
        DataError: numbers that do not fit together; names them.
    """
    rule = rule or Rule()
    tests = dict.fromkeys(test for claim in claims for test in claim.tests)
    outcomes = {test: measure(numbers, test, rule, times) for test in tests}
    settle(list(outcomes.values()), rule)
    return Judged(tuple(claims), outcomes, rule)


def _each(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values)) or "-"


def _measure_of(outcome: Outcome) -> str:
    """The measure that a comparison waits for; the ablation itself has one protocol, the others are in `transfer`."""
    return outcome.test.measure or ("" if outcome.test.protocol == PROTOCOL else TRANSFER)


def _ablate(names: Iterable[str]) -> str:
    """The command for some rows of the ablation, by groups where they are many."""
    names = list(dict.fromkeys(names))
    groups = [group for group, rows in GROUPS.items() if set(rows) & set(names)]
    return " ".join(["lowtex ablate", *(names if len(names) <= 4 else [f"--only {group}" for group in groups])])
