"""Every claim beside its evidence and a verdict, computed from numbers by a stated rule and never typed in.

from lowtex_lab.studies import claims
numbers = claims.gather(batches, rows)        # the ablations' scores and measures, a run's own rows
judged = claims.judge(numbers)
print(claims.rule_text())
judged.sentences()    # a line a claim: its mark, its verdict and one sentence with the numbers
judged.table()        # the same with everything behind it
judged.effects()      # a line a comparison, for `lowtex_lab.plots.claim_effects`
judged.needs()        # which seeds or streets would decide what is open

The claims are data, in ``claims.yaml``: each names comparisons. `look_up` finds the one set of numbers that a
comparison takes and its effect; `settle` judges all comparisons of a table as one family; `verdict` turns what they say
into a verdict. Nothing here knows an outcome.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy import stats

from lowtex.catalog import source_of
from lowtex.errors import DataError
from lowtex.evaluation.metrics import LABELS
from lowtex.evaluation.protocols import get_protocol
from lowtex.experiments import FACTORS, factorial, levels_of
from lowtex.profiles import PROFILES
from lowtex.progress import count, track
from lowtex_lab.studies.diagnostics.transfer import with_rivals
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.learnt import STUCK, outcomes_of
from lowtex_lab.studies.level_scores import level_scores
from lowtex_lab.studies.rows import PROTOCOL
from lowtex_lab.studies.stats.effect_rules import CANNOT as UNKNOWN
from lowtex_lab.studies.stats.effect_rules import EITHER_WAY, HELPS, MORE_SEEDS, OPEN, POWER, SAME, SMALL, Rule, adjust
from lowtex_lab.studies.stats.effects import contrast_effects, ratio_text
from lowtex_lab.studies.stats.image_scores import error_name
from lowtex_lab.studies.stats.resampling import TIMES, scene_of
from lowtex_lab.studies.tables import ablate_command, behind, design, factor_pairs

LESS, EQUAL = "less", "same"
"""What a claim expects of a comparison: a smaller error, or no difference."""

TRANSFER, MASK = "transfer", "mask"
"""Measures of which the comparisons' names need more than the trainings' names, see `gather`."""

LOW_KINDS = ("known", "gradient")
"""Texture strata, the first kind that the numbers have: known contrast in the miniature, image gradient elsewhere."""

PLACES = ("miniature", "profile", "steps", "train_data", "eval_data", "split", "crop", "cap_m")
"""What makes numbers a set of their own, beside protocol, scaling and flip, which are the same for all sets."""

HOLDS, IN_PART, FAILS = "holds", "holds in part", "does not hold"
UNCERTAIN, UNTESTABLE = "too uncertain", "not testable here"
VERDICTS = (HOLDS, IN_PART, FAILS, SMALL, UNCERTAIN, UNTESTABLE)

UNTESTED = "not tested on {data}; the miniature says: {answer}"
"""Verdict on a claim about a real data set that only its miniature has numbers of: they say nothing about it."""
ANSWERS = {HOLDS: "yes", IN_PART: "in part", FAILS: "no", SMALL: SMALL, UNCERTAIN: "undecided", UNTESTABLE: "undecided"}
"""What the miniature says where a claim about it would get this verdict."""

NO_GAIN = "no gain"
"""A gain worth naming is ruled out, whether or not harm is shown: the interval lies above ``1 - margin``."""

YES, NO, TO_YES, TO_NO = "yes", "no", "points to yes", "points to no"
UNDECIDED, FEW, NOTHING = "undecided", "too few", "no numbers"
"""What one comparison says of a claim. It *points* to yes or no where its interval alone would say so, and only the
correction for the many comparisons does not let it. `SMALL` is neither."""

OPEN_ONES = (TO_YES, TO_NO, UNDECIDED, FEW)
"""What more seeds or streets could decide."""

MOST_CLAUSES = 3
"""A sentence gives each comparison's numbers, of more than these their range."""


@dataclass(frozen=True)
class Comparison:
    """``better`` should have the smaller ``metric`` than ``than``; or a factor's new level than its old one.

    Attributes:
        better, than: experiments.
        factor: in their place, a factor's main effect over all sixteen cells of the factorial.
        protocol: of `lowtex.evaluation.protocols`; it implies the data set and the test split.
        stratum: ``all``, ``low`` (texture), ``edge`` or ``interior`` (nearness to a depth edge), …
        kinds: kinds of strata it may come from, the first that the numbers have; ``none`` for whole images.
        metric: an error, smaller is better (of ``d1`` the share of bad pixels); or a column of ``measure``.
        times: the error is held against this share of the other's: 0.65 asks for a third less.
        expects: ``less``, or ``same``: the claim is that there is no difference.
        split: another than the protocol's own, for choices made on validation scenes.
        measure: not errors but a result of this measure (`lowtex_lab.studies.rows`), its column ``metric``.
        select: column and value of the rows of that measure to take.
    """

    better: str = ""
    than: str = ""
    factor: str = ""
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
        return tuple(factorial()) if self.factor else (self.better, self.than)

    @property
    def trained(self) -> tuple[str, ...]:
        """The trainings behind them: a rival that never looks goes by its network's name."""
        return tuple(dict.fromkeys(name.partition(": ")[0] for name in self.experiments))

    @property
    def weights(self) -> dict[str, float]:
        """Of each experiment's log error in the effect."""
        return design().weights(1)[self.factor] if self.factor else {self.better: 1.0, self.than: -1.0}

    @property
    def quantity(self) -> str:
        """What is compared: the error's name, or which result of the measure."""
        if not self.measure:
            return error_name(self.metric)
        chosen = dict(self.select)
        return ", ".join([chosen.pop("quantity", self.metric), *(v for v in chosen.values() if v != "all")])

    @property
    def label(self) -> str:
        """The comparison in a few words; of two cells of the factorial, what they differ in, then what they share."""
        if self.factor:
            return f"{self.factor}, main effect"
        if not (pairs := self._levels):
            return f"{self.better} / {self.than}"
        better, than = (", ".join(pair[side] for pair in pairs if pair[0] != pair[1]) for side in (0, 1))
        return f"{better} / {than} ({', '.join(one for one, other in pairs if one == other)})"

    @property
    def what(self) -> str:
        """What is compared, as a sentence has it."""
        name = self.quantity.partition(", ")[0]
        return _WORDS["quantities"].get(name, LABELS.get(name, name))

    @property
    def place(self) -> str:
        """Quantity, data and pixels in a few words."""
        return ", ".join(part for part in (self.what if self.measure else "", self.where().replace("`", "")) if part)

    @property
    def sides(self) -> tuple[str, str]:
        """What is compared, and with what, as a sentence has it; cells of the factorial by what they differ in."""
        if self.factor:
            old, new = (_WORDS["levels"][level] for level in FACTORS[self.factor])
            return f"a network with {new}", f"one with {old}"
        if self._levels:
            pairs = [tuple(_WORDS["levels"][level] for level in pair) for pair in self._levels]
            better, than = (" and ".join(pair[side] for pair in pairs if pair[0] != pair[1]) for side in (0, 1))
            return f"a network with {better}", f"one with {than}"
        names = (name.partition(": ")[::2] for name in (self.better, self.than))
        better, than = (f"`{name}` {_WORDS['pixels'].get(part, f'({part})') if part else ''}" for name, part in names)
        return better.strip(), than.strip()

    @property
    def setting(self) -> str:
        """The other changes, as a sentence has them; empty where it compares single experiments by their names."""
        if self.factor:
            return "averaged over all settings of the other changes"
        return ", ".join(_WORDS["levels"][one] for one, other in self._levels if one == other)

    @property
    def _levels(self) -> list[tuple[str, str]]:
        """The level of each change of the factorial on both sides; none where one of them is no cell of it."""
        if not {self.better, self.than} <= set(factorial()):
            return []
        return list(zip(levels_of(self.better).values(), levels_of(self.than).values(), strict=True))

    def where(self, miniature: bool = False) -> str:
        """Data and pixels as a sentence has them; empty for a whole measure."""
        stratum = dict(self.select).get("stratum", "all") if self.measure else self.stratum
        parts, special = [], self.measure or self.protocol != PROTOCOL
        if special and not self.measure:
            data = REAL_DATA[source_of(self.protocol).root]
            parts.append(f"on {'the miniature of ' if miniature else ''}{data} by `{self.protocol}`")
        if stratum != "all" or not special:
            parts.append(_WORDS["pixels"].get(stratum, f"in stratum {stratum}"))
        return " ".join([*parts, "on validation scenes"] if self.split == "val" else parts)


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper, of its review or of the prototype, in our words.

    Attributes:
        name: short.
        text: what is claimed; for a question of the review what a *yes* would mean.
        made_in: ``abstract`` of the paper, ``review`` of it, the kit's own throw-away ``prototype``, or ``rival``: what
            a doubter would say instead.
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
    tests: tuple[Comparison, ...] = ()
    blocked: str = ""
    reading: str = ""
    question: str = ""
    change: str = ""
    about: str = ""


def _comparison(fields: dict) -> Comparison:
    """A test of the file; strata of low and high texture have `LOW_KINDS` unless it says otherwise."""
    kinds = fields.get("kinds", LOW_KINDS if fields.get("stratum") in ("low", "high") else ("none",))
    return Comparison(**{**fields, "kinds": tuple(kinds), "select": tuple(fields.get("select", {}).items())})


_STORED = yaml.safe_load(Path(__file__).with_name("claims.yaml").read_text(encoding="utf-8"))

KITTI_COMMAND: str = _STORED["kitti_command"]
"""What a person with the real data sets runs, once a seed."""

REAL_DATA: dict[str, str] = _STORED["real_data"]
"""Data root -> what the data set is called in a verdict."""

_WORDS: dict[str, dict[str, str]] = _STORED["words"]
"""How a sentence names quantities, pixels and what comparisons say; and the mark of each verdict."""

CLAIMS = tuple(Claim(**{**one, "tests": tuple(map(_comparison, one.get("tests", ())))}) for one in _STORED["claims"])
"""What can be put to a test, and what cannot, in the order of the table."""


RULE = Rule()
"""When a comparison counts."""


def rule_text() -> str:
    """The rule in words, with its numbers, as Markdown."""
    constants = {"stuck": STUCK, "small": SMALL, "power": POWER}
    numbers = {"false": 1 - RULE.level, "gain": 1 - RULE.margin, "least": RULE.least} | constants
    return _STORED["rule"].rstrip().format(rule=RULE.describe(), **numbers)


@dataclass
class Numbers:
    """All there is to judge by.

    Attributes:
        scores: of single images, as `studies.stats.effects.compare` takes them, with train_data where it is known; of
            any number of protocols.
        rows: tidy rows (`lowtex.evaluation.results.COLUMNS`).
        measured: measure -> its results of each ablation, a row a number, with experiment and seed.
        failed: (experiment, seed, steps) of the trainings behind scores and measures that did not learn
            (`lowtex_lab.studies.learnt.STUCK`).
    """

    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    measured: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    failed: frozenset[tuple[str, int, object]] = frozenset()


def gather(batches: Iterable[Evidence], rows: pd.DataFrame | None, claims: Iterable[Claim] = CLAIMS) -> Numbers:
    """What ablations and a run have on some claims; whatever is not there is left out.

    Args:
        batches: of `lowtex_lab.studies.evidence.open_batches`; may be empty.
        rows: the run's own tidy rows, or None.
        claims: to be judged.
    """
    tests = [test for claim in claims for test in claim.tests]
    parts = [_of_batch(evidence, tests) for evidence in batches]
    numbers = Numbers(failed=frozenset().union(*(part.failed for part in parts)))
    if rows is not None:
        # a run's own rows say no length; their profile has one
        lengths = {name: profile.schedule.steps for name, profile in PROFILES.items()}
        numbers.rows = rows.assign(steps=rows["profile"].map(lengths))
    if any(len(part.scores) for part in parts):
        numbers.scores = pd.concat([part.scores for part in parts], ignore_index=True)
    for name in dict.fromkeys(name for part in parts for name in part.measured):
        numbers.measured[name] = [frame for part in parts for frame in part.measured.get(name, [])]
    return numbers


def _of_batch(evidence: Evidence, tests: Sequence[Comparison]) -> Numbers:
    """What one ablation has on some comparisons: scores, measures, and which trainings did not learn."""
    present = evidence.present(dict.fromkeys(name for test in tests for name in test.trained))
    if not present:
        return Numbers()
    records = evidence.records()[["experiment", "seed", "steps"]]
    kinds = {"none", *(kind for test in tests for kind in test.kinds)}
    parts = [evidence.scores(present, split) for split in ("val", "test")]
    parts = [scores[scores["stratum_kind"].isin(kinds)].merge(records) for scores in parts]
    stuck = outcomes_of(parts[0]).query("not learnt").merge(records)
    failed = frozenset(stuck[["experiment", "seed", "steps"]].itertuples(index=False, name=None))
    asked = {TRANSFER, *(test.measure for test in tests if test.measure)}
    there = [name for name in asked if len(evidence.missing(present, name)) < len(present)]
    found = {name: evidence.measured(name, present).merge(records) for name in there}
    if MASK in found:
        # its question is of strata within one network, which stand as experiments of their own
        mask = found[MASK]
        found[MASK] = mask.assign(experiment=mask["experiment"] + ": " + mask["stratum"])
    if TRANSFER in found:
        parts.append(with_rivals(found.pop(TRANSFER)))
    # one ablation, one set of training pairs: a row of any of its networks says which
    learnt_from = evidence.rows(present[:1], "val")["train_data"].iloc[0]
    scores = pd.concat([part for part in parts if len(part)], ignore_index=True).assign(train_data=learnt_from)
    return Numbers(scores=scores, measured={name: [frame] for name, frame in found.items()}, failed=failed)


@dataclass(frozen=True)
class NumberSet:
    """One set of numbers that fits a comparison: what one group of networks, trained on one data set, got on one group
    of images by one protocol. A run on real data, a run on the miniature, an ablation and a command of `lowtex
    evaluate` each leave sets of their own. Sets are never mixed.

    Attributes:
        scores: of images, in the strata ``none`` and ``kind``; where only means over images are known, these stand as
            the score of one image.
        of_images: which of the two.
        kind: of strata.
        seeds: that every experiment has.
        partial: that only some have.
        context: what the numbers have in common, `PLACES` and images.
    """

    scores: pd.DataFrame
    of_images: bool
    kind: str
    seeds: tuple[int, ...]
    partial: tuple[int, ...]
    context: dict

    @property
    def told(self) -> str:
        """The set in one line."""
        sort = "miniature" if self.context["miniature"] else "real data"
        what = "scores of images" if self.of_images else "means"
        kind = "" if self.kind == "none" else f" by {self.kind}"
        return (
            f"{what}{kind} on {self.context['eval_data']} ({sort}, {self.context['split']}), profile "
            f"{self.context['profile']}, learnt from {self.context['train_data']}, {count(len(self.seeds), 'seed')}"
        )


def number_sets(numbers: Numbers, test: Comparison) -> tuple[list[NumberSet], tuple[str, ...]]:
    """All sets of numbers that fit a comparison, the one to take first; and the experiments that have none at all.

    Args:
        numbers: all there is.
        test: the comparison.

    Raises:
        DataError: a measure without a column that is asked for.
    """
    kinds = ("none",) if test.stratum == "all" else test.kinds
    found: list[NumberSet] = []
    seen: set[str] = set()
    for scores, of_images in _fitting(numbers, test):
        seen |= set(scores["experiment"].unique())
        places = [name for name in PLACES if name in scores]
        for place, group in scores.groupby(places, dropna=False):
            told = dict.fromkeys(PLACES, "not stated") | {"miniature": False} | dict(zip(places, place, strict=True))
            for kind in kinds:
                inside = _stratum(group, kind, test.stratum)
                had = inside.groupby("seed")["experiment"].nunique() == len(test.experiments)
                if not had.any():
                    continue
                names = inside["image"].unique()
                context = told | {"images": len(names) if of_images else int(inside["images"].max())}
                context["streets"] = len({scene_of(name) for name in names} - {""}) if of_images else 0
                kept = group[group["stratum_kind"].isin(["none", kind])]
                seeds = (tuple(map(int, had.index[had])), tuple(map(int, had.index[~had])))
                found.append(NumberSet(kept, of_images, kind, *seeds, context))

    def rank(one: NumberSet) -> tuple:
        """The set to take has the smallest."""
        images, seeds = int(one.context["images"]), len(one.seeds)
        last = (str(one.context[name]) for name in PLACES)
        place, steps = kinds.index(one.kind), float(np.nan_to_num(pd.to_numeric(one.context["steps"], errors="coerce")))
        first = seeds < RULE.least, bool(one.context["miniature"]), place, not one.of_images
        return *first, -steps, -seeds, -images, *last

    return sorted(found, key=rank), tuple(name for name in test.experiments if name not in seen)


def _fitting(numbers: Numbers, test: Comparison) -> Iterator[tuple[pd.DataFrame, bool]]:
    """A comparison's numbers as scores of images, and whether they are; means over images stand as those of one."""
    if test.measure:
        # the networks of each ablation are a set of their own
        for frame in numbers.measured.get(test.measure, []):
            yield _of_measure(frame, test)
        return
    protocol, split = get_protocol(test.protocol), test.split or source_of(test.protocol).split
    for frame, of_images in ((numbers.scores, True), (numbers.rows, False)):
        if frame.empty or (of_images and test.metric not in frame):
            continue
        # the largest cut first: a table asks this of the same long frame for every comparison
        frame = frame[frame["experiment"].isin(test.experiments)]
        frame = frame[(frame["protocol"] == protocol.stated_name) & (frame["scaling"] == protocol.scaling)]
        frame = frame[frame["flip"].astype(bool) == protocol.flip]
        frame = frame[
            frame["split"].isin([name for name in frame["split"].unique() if str(name).split("/")[-1] == split])
        ]
        if not of_images:
            frame = frame[(frame["status"] == "measured") & (frame["metric"] == test.metric)]
        if len(frame):
            yield (frame, True) if of_images else (_means(frame, test.metric, "value"), False)


def _of_measure(frame: pd.DataFrame, test: Comparison) -> tuple[pd.DataFrame, bool]:
    """`_fitting` of a measure's column: scores of images where it has images, one number a training elsewhere."""
    for column in (test.metric, *(name for name, _ in test.select)):
        if column not in frame:
            there = ", ".join(map(str, frame.columns))
            raise DataError(f"measure {test.measure!r} has no column {column!r}; it has: {there}")
    for column, value in test.select:
        frame = frame[frame[column].astype(str) == value]
    frame = frame[frame["experiment"].isin(test.experiments) & frame[test.metric].notna()]
    told = {"eval_data": test.measure, "split": "its own", "stratum_kind": "none", "stratum": "all", "pixels": 0}
    frame = frame.assign(**told)
    if "image" not in frame:
        return _means(frame if "images" in frame else frame.assign(images=0), test.metric, test.metric), False
    # an image counts where every training has a number of it
    table = frame.pivot_table(index=["experiment", "seed"], columns="image", values=test.metric, aggfunc="mean")
    told |= {name: frame[name].iloc[0] for name in PLACES if name in frame and len(frame)}
    return table.dropna(axis=1).stack().rename(test.metric).reset_index().assign(**told), True


def _means(frame: pd.DataFrame, metric: str, column: str) -> pd.DataFrame:
    """Means over images, in a column, as scores of one image."""
    place = ["experiment", "seed", "stratum_kind", "stratum", *(name for name in PLACES if name in frame)]
    means = frame.groupby(place, dropna=False).agg(**{metric: (column, "mean"), "images": ("images", "max")})
    return means.reset_index().assign(image="mean over images", pixels=0)


def _stratum(frame: pd.DataFrame, kind: str, stratum: str) -> pd.DataFrame:
    return frame[(frame["stratum_kind"] == kind) & (frame["stratum"] == stratum)]


NONE = dict.fromkeys(("ratio", "low", "high"), np.nan) | dict.fromkeys(("seeds", "images", "streets", "clusters"), 0)
NONE |= dict.fromkeys(("cluster", "profile", "steps", "train_data"), "") | {"miniature": False}
"""The effect of a comparison without numbers."""


@dataclass
class Outcome:
    """What the numbers say about one comparison.

    Attributes:
        test: the comparison.
        effect: a row of `studies.stats.effects.contrast_effects` and what the numbers have in common; `NONE` without
            numbers.
        verdict: of `lowtex_lab.studies.stats.effect_rules`, corrected once `settle` has seen the whole table.
        over: what the interval is over: ``seeds and images`` or ``seeds``.
        kind: of strata that was found.
        left: what else was there and was not taken, and seeds that stand out.
        missing: experiments without any number there.
        alone: the verdict without correction.
        firm: it would survive Holm's correction as well.
        family: how many comparisons were judged together.
        needed: seeds and clusters that would decide it, of `Rule.needed`; None where nothing would, or nothing is open.
    """

    test: Comparison
    effect: dict = field(default_factory=lambda: NONE)
    verdict: str = ""
    over: str = ""
    kind: str = ""
    left: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    alone: str = ""
    firm: bool = False
    family: int = 0
    needed: tuple[int, int] | None = None

    @property
    def says(self) -> str:
        """What it says of the claim, from ``yes`` to ``no numbers``; `SMALL` is neither yes nor no."""
        if self.effect is NONE:
            return NOTHING
        if self.verdict.startswith(UNKNOWN):
            return FEW
        yes, no = (TO_YES, TO_NO) if self.verdict == OPEN else (YES, NO)
        judged = self.alone if self.verdict == OPEN else self.verdict
        if judged in ("", OPEN):
            return UNDECIDED
        return SMALL if judged == SMALL else yes if judged == {LESS: HELPS, EQUAL: SAME}[self.test.expects] else no

    @property
    def more_seeds(self) -> int:
        """Seeds that it takes, with `more_streets`; 0 where no number that was tried would do, or nothing is open."""
        return MORE_SEEDS[0] if self.says == FEW else self.needed[0] if self.needed else 0

    @property
    def more_streets(self) -> str:
        """Streets (images, where these tell no street) that `needed` comes to; empty where those there are will do."""
        effect = self.effect
        if self.needed is None or self.needed[1] <= max(effect["clusters"], 1):
            return ""
        unit = "street" if effect["streets"] > 1 else "image"
        return count(int(np.ceil(effect[f"{unit}s"] * self.needed[1] / effect["clusters"])), unit)

    def behind(self) -> str:
        """Seeds, images, streets, and of what data, in one text."""
        effect = self.effect
        streets = f" of {count(effect['streets'], 'street')}" if effect["streets"] > 1 else ""
        data = "the miniature" if effect["miniature"] else "real data"
        return f"{behind(pd.DataFrame([effect]))}{streets} of {data}"

    def numbers(self) -> str:
        """Ratio and interval in one text."""
        if self.says == NOTHING:
            return NOTHING
        asked = f", asked for below {self.test.times:g}" if self.test.times != 1 else ""
        return ratio_text(self.effect, 3) + asked


def look_up(numbers: Numbers, test: Comparison, times: int = TIMES) -> Outcome:
    """The effect of one comparison; its verdict stands alone until `settle` has seen the whole table.

    Of two experiments, seeds of which one did not learn are left out; of a main effect, the pairs of cells of which one
    did not. Where fewer than ``RULE.least`` seeds would remain, everything is counted.

    Args:
        numbers: all there is.
        test: the comparison.
        times: draws of the bootstrap.

    Raises:
        DataError: scores that do not fit together; a measure without the column that is asked for.
    """
    found, missing = number_sets(numbers, test)
    if not found:
        return Outcome(test, missing=missing)
    taken, *others = found
    left = []
    if taken.partial:
        left.append(f"seed {', '.join(map(str, taken.partial))} left out: not all experiments have it")
    whole = taken.scores[taken.scores["seed"].isin(taken.seeds)]
    effect = _effect(taken, test, whole, test.weights, times)
    failed = {(name, seed) for name, seed, steps in numbers.failed if steps == taken.context["steps"]}
    bad = sorted((name, seed) for name, seed in failed if name in test.trained and seed in taken.seeds)
    if bad and taken.of_images:
        names = f"did not learn: {', '.join(f'{name} seed {seed}' for name, seed in bad)}"
        if test.factor:
            kept, what = _learnt_pairs(taken, test, failed)
            weights = {"new": 1.0, "old": -1.0}
        else:
            kept, what = whole[~whole["seed"].isin([seed for _, seed in bad])], "these seeds are left out"
            weights = test.weights
        if kept["seed"].nunique() < RULE.least:
            left.append(f"{names}; counted all the same, as too few other seeds are left")
        else:
            left.append(f"{names}; {what}, with them the ratio is {effect['ratio']:.3f}")
            effect = _effect(taken, test, kept, weights, times)
    left += [f"not taken: {other.told}" for other in others]
    over = "seeds and images" if taken.of_images else "seeds"
    return Outcome(test, effect, str(effect["verdict"]), over, taken.kind, tuple(left))


def _effect(taken: NumberSet, test: Comparison, scores: pd.DataFrame, weights: dict, times: int) -> dict:
    """One effect of some of a set's scores, with what the set has in common."""
    place = {"stratum_kind": taken.kind, "strata": (test.stratum,), "clusters": None if taken.of_images else "fixed"}
    effects = contrast_effects(
        scores, {test.label: weights}, test.metric, rule=RULE, times=times, common_seeds=True, **place
    )
    [effect] = effects.to_dict("records")
    images = {} if not taken.of_images else {"images": effect["images"]}
    return {**effect, **taken.context, "metric": test.quantity, **images}


def _learnt_pairs(taken: NumberSet, test: Comparison, failed: set) -> tuple[pd.DataFrame, str]:
    """Scores of a factor's levels (`level_scores`) over the pairs of cells, alike but for it, of which both learnt."""
    scores = _stratum(taken.scores, taken.kind, test.stratum)
    found = scores[["experiment", "seed"]].drop_duplicates()
    there = set(found.itertuples(index=False, name=None))
    pairs = list(factor_pairs(test.factor).values())
    couples = [{(name, seed) for name in pair} for pair in pairs for seed in found["seed"].unique()]
    couples = [couple for couple in couples if couple <= there]
    lost = sum(bool(couple & failed) for couple in couples)
    found = found.assign(learnt=[one not in failed for one in found.itertuples(index=False, name=None)])
    levels = level_scores(scores, pairs, found, test.metric)
    return levels, f"the {lost} of {len(couples)} pairs of cells with one of them are left out"


def settle(outcomes: Sequence[Outcome]) -> None:
    """Judge the outcomes of a table as one family (`effect_rules.corrected`): sets each one's verdict, alone, firm,
    family and needed.

    What is left undecided may still be `SMALL`: that is a second family, corrected in the same way. Each distinct
    comparison must be there once.
    """
    known = [outcome for outcome in outcomes if outcome.says != NOTHING]
    for outcome in known:
        outcome.alone = _alone(outcome)
    # what cannot be judged is no comparison
    judged = np.array([not outcome.alone.startswith(UNKNOWN) for outcome in known], bool)
    p, small = (np.where(judged, [of(one) for one in known], np.nan) for of in (_p_value, _p_small))
    false, family = 1 - RULE.level, int(judged.sum())
    shares = [adjust(values, how) < false for values, how in ((p, "fdr"), (p, "holm"), (small, "fdr"))]
    for outcome, called, sure, little in zip(known, *shares, strict=True):
        outcome.firm, outcome.family = bool(sure and outcome.alone != OPEN), family
        outcome.verdict = outcome.alone if called or outcome.alone.startswith(UNKNOWN) else SMALL if little else OPEN
    # one more of a family must have a p-value below this to be called
    called = (sum(outcome.says in (YES, NO) for outcome in known), int(shares[2].sum()))
    surer, smaller = (replace(RULE, level=1 - false * (n + 1) / max(family, n + 1)) for n in called)
    for outcome in known:
        if outcome.says in OPEN_ONES:
            ways = [surer.needed(outcome.effect, _room(outcome)), smaller.needed(outcome.effect, _small_room(outcome))]
            # streets cost more than seeds
            outcome.needed = min(filter(None, ways), key=lambda way: way[::-1], default=None)


def _room(outcome: Outcome) -> float:
    """How far a comparison's interval may reach to say yes or no (`Rule.room`), of the logarithm."""
    log_ratio = float(np.log(outcome.effect["ratio"] / outcome.test.times))
    return abs(log_ratio - np.log1p(-RULE.margin)) if outcome.test.expects == LESS else RULE.room(log_ratio)


def _small_room(outcome: Outcome) -> float:
    """How far it may reach to say `SMALL`; not above 0 where nothing will do."""
    log_ratio = float(np.log(outcome.effect["ratio"]))
    room = min(np.log1p(EITHER_WAY) - log_ratio, log_ratio - np.log1p(-EITHER_WAY))
    return room if outcome.test.times == 1 else 0.0


def _p_small(outcome: Outcome) -> float:
    """Of an effect of at most `EITHER_WAY`; 1 where its middle lies outside, or a share of the other is asked for."""
    wide, effect = replace(RULE, margin=EITHER_WAY), outcome.effect
    if outcome.test.times != 1 or abs(effect["ratio"] - 1) > EITHER_WAY:
        return 1.0
    return float(wide.p_value(np.log(effect["ratio"]), np.hypot(effect["se_seeds"], effect["se_images"]), effect["df"]))


def _alone(outcome: Outcome) -> str:
    """The verdict on one comparison for itself, against the share that is asked for."""
    given = str(outcome.effect["verdict"])
    if given.startswith(UNKNOWN):
        return given
    low, high = (outcome.effect[end] / outcome.test.times for end in ("low", "high"))
    said = RULE.verdict(low, high)
    ruled_out = outcome.test.expects == LESS and said == OPEN and low > 1 - RULE.margin
    return NO_GAIN if ruled_out else said


def _p_value(outcome: Outcome) -> float:
    """Of what a comparison says: for a smaller error the two-sided test that the ratio is just a gain worth naming."""
    effect, test = outcome.effect, outcome.test
    log_ratio, df = np.log(effect["ratio"] / test.times), float(effect["df"])
    se = float(np.hypot(effect["se_seeds"], effect["se_images"]))
    if test.expects == EQUAL:
        return float(RULE.p_value(log_ratio, se, df))
    beyond = log_ratio - np.log1p(-RULE.margin)
    if se == 0:
        return 0.0 if beyond else 1.0
    return float(2 * stats.t.sf(abs(beyond) / se, df))


def verdict(outcomes: Sequence[Outcome]) -> tuple[str, str]:
    """Verdict of a claim from its comparisons, and the reason, by `rule_text`."""
    said = [outcome.says for outcome in outcomes]
    firm = sum(outcome.firm for outcome in outcomes)
    if len(said) == 1:
        why = f"its one comparison says {said[0]}{' (firm)' if firm else ''}"
    else:
        each = ", ".join(f"{said.count(word)} {word}" for word in dict.fromkeys(said))
        why = f"of {len(said)} comparisons {each}{f'; {firm} firm' if firm else ''}"
    if YES in said:
        return HOLDS if set(said) == {YES} else IN_PART, why
    if said and set(said) == {NO}:
        return FAILS, why
    if said and all(SMALL == outcome.says or outcome.verdict == SAME for outcome in outcomes):
        return SMALL, why
    untestable = (NOTHING in said or not said) and not set(said) & set(OPEN_ONES)
    return UNTESTABLE if untestable else UNCERTAIN, _because(outcomes) or why


def _because(outcomes: Sequence[Outcome]) -> str:
    """What is missing of comparisons, what they point to, and what would decide them."""
    parts = []
    lacking: dict[str, dict[str, None]] = {}
    for outcome in outcomes:
        if outcome.says == NOTHING:
            lacking.setdefault(outcome.test.measure or outcome.test.protocol, {}).update(dict.fromkeys(outcome.missing))
    for source, lack in lacking.items():
        names = f" of {', '.join([*lack][:3])}{' and others' if len(lack) > 3 else ''}" if lack else ""
        parts.append(f"no numbers{names} on {source}")
    if few := [o.verdict.removeprefix(f"{UNKNOWN}: ") for o in outcomes if o.says == FEW]:
        parts.append(_each(few) + " only")
    several, wide = len(outcomes) > 1, [o for o in outcomes if o.says in (TO_YES, TO_NO, UNDECIDED)]
    for way in (TO_YES, TO_NO):
        if found := [outcome for outcome in wide if outcome.says == way]:
            which = f"{len(found)} of {len(outcomes)} " if several else ""
            parts.append(f"{which}{way}, but does not survive the correction for {found[0].family} comparisons")
    if never := [outcome for outcome in wide if not outcome.more_seeds]:
        which = f"for {len(never)} of {len(outcomes)} " if several else ""
        parts.append(f"{which}no number of seeds and streets that was tried would decide")
    elif wide:
        streets = max((outcome.more_streets for outcome in wide), key=lambda text: (len(text), text))
        seeds = f"about {max(outcome.more_seeds for outcome in wide)} seeds"
        parts.append(
            f"seeds alone would not decide, {seeds} and {streets} would" if streets else f"{seeds} would decide"
        )
    if any(outcome.says == NO for outcome in outcomes):
        parts.append("the other comparisons say no")
    return "; ".join(parts)


def clauses(known: Sequence[Outcome]) -> str:
    """The numbers of comparisons as a part of a sentence; each says what is not as in the one before."""
    told, before = [], dict.fromkeys(("where", "sides", "setting", "quantity", "behind"))
    several = len({outcome.effect["steps"] for outcome in known}) > 1
    for outcome in known:
        test, effect = outcome.test, outcome.effect
        now = {"where": test.where(effect["miniature"]), "sides": test.sides, "setting": test.setting}
        now |= {"quantity": test.what, "behind": outcome.behind() + (f", {_budget([outcome])}" if several else "")}
        fresh = {name: value if value != before[name] else "" for name, value in now.items()}
        (better, than), what = now["sides"], f"{effect['ratio']:.2f} times"
        better += f" ({test.setting})" if test.setting else ""
        if fresh["quantity"] and (fresh["sides"] or fresh["setting"]):
            what = f"{better} has {what} the {test.what} of {than}"
        elif fresh["quantity"]:
            what += f" the {test.what}"
        elif fresh["sides"]:
            what = f"{better} {what} that of {than}"
        elif fresh["setting"]:
            what = f"{'' if test.factor else 'with '}{test.setting} {what}"
        interval = f"{effect['low']:.2f} to {effect['high']:.2f}" if np.isfinite(effect["low"]) else "no interval"
        asked = f"asked for below {test.times:g}" if test.times != 1 else ""
        brackets = [part for part in (interval, asked, fresh["behind"]) if part]
        told.append(f"{fresh['where']} {what} ({'; '.join(brackets)})".strip())
        before = now
    return ", ".join(told)


def ranges(outcomes: Sequence[Outcome]) -> str:
    """The numbers of many comparisons as a part of a sentence: how many say what, and between which ratios."""
    table = pd.DataFrame(
        [{"says": o.says, "label": o.test.factor or o.test.label, "behind": o.behind(), **o.effect} for o in outcomes]
    )
    told = []
    for says, group in table.groupby("says", sort=False):
        ends = dict.fromkeys(f"{ratio:.2f}" for ratio in group["ratio"].agg(["min", "max"]))
        span = "" if says == NOTHING else f": {' to '.join(ends)} times the error"
        told.append(f"{len(group)} {says} ({', '.join(dict.fromkeys(group['label']))}{span})")
    return f"of {len(outcomes)} comparisons {', '.join(told)}; {_each(table['behind'])}"


def _budget(known: Iterable[Outcome]) -> str:
    """How long the networks behind some comparisons were trained."""
    steps = sorted({outcome.effect["steps"] for outcome in known}, key=lambda steps: (isinstance(steps, str), steps))
    stated = [f"{int(number):,}" for number in steps if not isinstance(number, str) and number > 0]
    return f"{' and '.join(stated)} steps" if len(stated) == len(steps) else "a training of unstated length"


@dataclass(frozen=True)
class Judged:
    """Claims with what the numbers say about them.

    Attributes:
        claims: in the order of the table.
        outcomes: comparison -> outcome, each distinct comparison once.
    """

    claims: tuple[Claim, ...]
    outcomes: dict[Comparison, Outcome]

    def of(self, claim: Claim) -> list[Outcome]:
        """The outcomes of a claim's comparisons."""
        return [self.outcomes[test] for test in claim.tests]

    def _bearing(self, claim: Claim) -> tuple[list[Outcome], bool]:
        """The outcomes that count for a claim, and whether it is about a real data set and they are of miniatures."""
        outcomes = self.of(claim)
        if not claim.about or all(outcome.says == NOTHING for outcome in outcomes):
            return outcomes, False
        real = [Outcome(one.test, missing=one.missing) if one.effect["miniature"] else one for one in outcomes]
        tested = any(one.says != NOTHING and source_of(one.test.protocol).root == claim.about for one in real)
        return (real, False) if tested else (outcomes, True)

    def verdict(self, claim: Claim) -> tuple[str, str]:
        """Verdict and reason. A claim about a real data set is judged by real numbers alone; where there are none of
        that data set, the verdict says what its miniature would answer (`UNTESTED`)."""
        if claim.blocked:
            return UNTESTABLE, claim.blocked
        outcomes, only_miniature = self._bearing(claim)
        said, why = verdict(outcomes)
        return UNTESTED.format(data=REAL_DATA[claim.about], answer=ANSWERS[said]) if only_miniature else said, why

    def sentence(self, claim: Claim) -> str:
        """The answer in one sentence: ratios with intervals and n, the verdict, after how many steps, and what would
        decide it where it is open."""
        (result, why), (outcomes, only_miniature) = self.verdict(claim), self._bearing(claim)
        known = [outcome for outcome in outcomes if outcome.says != NOTHING]
        if claim.blocked or not known:
            return f"{result[0].upper()}{result[1:]}: {why}."
        few, said = len(known) <= MOST_CLAUSES, verdict(outcomes)[0]
        text = clauses(known) if few else ranges(outcomes)
        end = f" ({why})" if said == IN_PART and few else f"; {why}" if said in (UNCERTAIN, UNTESTABLE) else ""
        comma = "," if only_miniature else ""
        return f"{text[0].upper()}{text[1:]}: {result}{comma} after {_budget(known)}{end}."

    def sentences(self) -> pd.DataFrame:
        """A line a claim: claim (its name), mark (one character), verdict, sentence."""
        return self.table()[["claim", "mark", "verdict", "sentence"]]

    def table(self) -> pd.DataFrame:
        """A line a claim: claim, made in, question, text, mark, verdict, sentence, why, scope, over, seeds, images,
        profile, steps, reading, change. Seeds and images: the fewest behind any comparison with numbers."""
        lines = []
        for claim in self.claims:
            known = [outcome for outcome in self.of(claim) if outcome.says != NOTHING]
            result, why = self.verdict(claim)
            line = {"claim": claim.name, "made in": claim.made_in, "question": claim.question, "text": claim.text}
            line |= {"mark": _WORDS["marks"].get(result, _WORDS["marks"]["not tested"]), "verdict": result}
            line |= {"sentence": self.sentence(claim), "why": why}
            line |= {"scope": _each("miniature only" if one.effect["miniature"] else "real data" for one in known)}
            line |= {"over": _each(one.over for one in known)}
            line |= {count: min((int(one.effect[count]) for one in known), default=0) for count in ("seeds", "images")}
            line |= {name: _each(str(one.effect[name]) for one in known) for name in ("profile", "steps")}
            line |= {"reading": claim.reading, "change": self.change(claim)}
            lines.append({name: "-" if value == "" else value for name, value in line.items()})
        return pd.DataFrame(lines)

    def needs(self) -> pd.DataFrame:
        """What would decide the open comparisons (`Rule.needed`), a line each: those that need the fewest seeds first,
        then those that need more streets, then those that nothing tried would decide.

        Columns: claims, comparison, place, ratio, seeds, images (that there are), seeds needed, streets needed (or
        images, where these tell no street). The last three are texts, with a dash where nothing has to be added.
        """
        lines = {}
        for test, one in self.outcomes.items():
            if one.says in OPEN_ONES:
                claims = "; ".join(claim.name for claim in self.claims if test in claim.tests)
                line = {"claims": claims, "comparison": test.label, "place": test.place, "ratio": one.numbers()}
                line |= {name: one.effect[name] for name in ("seeds", "images")}
                line |= {"seeds needed": str(one.more_seeds or "not known"), "streets needed": one.more_streets or "–"}
                lines[not one.more_seeds, one.more_streets != "", one.more_seeds, one.more_streets, len(lines)] = line
        return pd.DataFrame([line for _, line in sorted(lines.items(), key=lambda item: item[0])])

    def effects(self) -> pd.DataFrame:
        """A line a claim's comparison, for tables and `lowtex_lab.plots.claim_effects`.

        Columns: claim, made_in, comparison, place, kind, ratio, low, high, asked (the share that the error is held
        against), expects, verdict, alone (uncorrected), firm, says, metric, seeds, images, streets, clusters, cluster,
        over, miniature, profile, steps, train_data, left. A comparison without numbers has none.
        """
        parts = []
        for claim in self.claims:
            for outcome in self.of(claim):
                test, effect = outcome.test, outcome.effect
                line = {"claim": claim.name, "made_in": claim.made_in, "comparison": test.label, "place": test.place}
                line |= {name: effect[name] for name in NONE}
                line |= {"asked": test.times, "expects": test.expects, "metric": test.quantity}
                line |= {name: getattr(outcome, name) for name in ("kind", "over", "alone", "firm", "says")}
                parts.append(line | {"verdict": outcome.verdict or NOTHING, "left": "; ".join(outcome.left)})
        return pd.DataFrame(parts)

    def family(self) -> int:
        """How many distinct comparisons were judged together."""
        return max((outcome.family for outcome in self.outcomes.values()), default=0)

    def budget(self) -> str:
        """How long the networks behind the comparisons were trained, ``200 steps``."""
        return _budget([outcome for outcome in self.outcomes.values() if outcome.says != NOTHING])

    def change(self, claim: Claim) -> str:
        """What to run so that a claim can be judged, or judged on real data; empty where nothing would help."""
        outcomes, lacking = self.of(claim), {}
        for outcome in outcomes:
            if outcome.says == NOTHING:
                # the ablation itself has one protocol, the others are in `transfer`
                extra = outcome.test.measure or ("" if outcome.test.protocol == PROTOCOL else TRANSFER)
                lacking.setdefault(extra and f" --measure {extra}", []).extend(outcome.missing)
        # what has to be trained comes before what is measured of it
        commands = [_ablate(names) + extra for extra, names in sorted(lacking.items())]
        wide = [one for one in outcomes if one.more_seeds > one.effect["seeds"] and not one.more_streets]
        for profile in dict.fromkeys(outcome.effect["profile"] for outcome in wide):
            own = [outcome for outcome in wide if outcome.effect["profile"] == profile]
            names = [name for outcome in own for name in outcome.test.experiments]
            commands.append(f"{_ablate(names, profile)} --seeds 0-{max(outcome.more_seeds for outcome in own) - 1}")
        return "; ".join(dict.fromkeys([*commands, *([claim.change] if claim.change else [])]))

    def counts(self) -> dict[str, int]:
        """Verdict -> number of claims: those of `VERDICTS`, then what else was said."""
        said = [self.verdict(claim)[0] for claim in self.claims]
        return {name: said.count(name) for name in dict.fromkeys([*VERDICTS, *said])}


def judge(numbers: Numbers, claims: Sequence[Claim] = CLAIMS, times: int = TIMES, title: str = "") -> Judged:
    """Look up every comparison once, judge all of them as one family by `RULE`, and keep what each claim is told.

    Args:
        numbers: of `gather`; may be empty.
        claims: what to judge.
        times: draws of the bootstrap.
        title: of a bar that shows how far it is; empty shows none.

    Raises:
        DataError: numbers that do not fit together; names them.
    """
    tests = dict.fromkeys(test for claim in claims for test in claim.tests)
    asked = track(tests, title, unit="comparison") if title else tests
    outcomes = {test: look_up(numbers, test, times) for test in asked}
    settle(list(outcomes.values()))
    return Judged(tuple(claims), outcomes)


def _each(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))


def _ablate(names: Iterable[str], profile: str = "quick") -> str:
    """The command that trains some experiments; a rival that never looks goes by its network's name."""
    return ablate_command([name.partition(": ")[0] for name in names], most=4, profile=profile)
