"""The numbers behind a comparison: which of all there are is taken, by `studies.claims.verdicts.rule_text`, and what
they say.

from lowtex_lab.studies.claims.numbers import gather, measure
numbers = gather(evidence, rows, tests)     # an ablation's scores of images, its measures, a run's own rows
measure(numbers, Versus("ours", "baseline")).evidence()
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from lowtex.errors import DataError
from lowtex_lab.studies.claims.choice import Candidate, candidates
from lowtex_lab.studies.claims.comparisons import Versus
from lowtex_lab.studies.claims.one_effect import sound_effect
from lowtex_lab.studies.claims.verdicts import Outcome
from lowtex_lab.studies.diagnostics.transfer import with_rivals
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.stats.effect_rules import Rule
from lowtex_lab.studies.stats.resampling import TIMES
from lowtex_lab.studies.tables import STUCK

TRANSFER, MASK = "transfer", "mask"

CONTEXT = {"profile": "not stated", "miniature": False, "train_data": "not stated"}
"""What is taken along from a measure's results, where it is there."""


@dataclass
class Numbers:
    """All there is to judge by.

    Attributes:
        scores: of single images, as `studies.stats.effects.compare` takes them, with train_data where it is known; of
            any number of protocols.
        rows: tidy rows (`lowtex.evaluation.results.COLUMNS`).
        measured: measure -> its results, a row a number, with experiment and seed.
        failed: (experiment, seed) of the trainings behind scores and measures that did not learn
            (`lowtex_lab.studies.tables.STUCK`).
    """

    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    measured: dict[str, pd.DataFrame] = field(default_factory=dict)
    failed: frozenset[tuple[str, int]] = frozenset()


def gather(evidence: Evidence | None, rows: pd.DataFrame | None, tests: Iterable[Versus]) -> Numbers:
    """What an ablation and a run have on some comparisons; whatever is not there is left out.

    Args:
        evidence: of `lowtex_lab.studies.evidence.open_evidence`; None where there is none.
        rows: the run's own tidy rows, or None.
        tests: comparisons.
    """
    tests, numbers = list(tests), Numbers(rows=pd.DataFrame() if rows is None else rows)
    asked = [name.partition(": ")[0] for test in tests for name in test.experiments]
    present = [] if evidence is None else evidence.present(asked)
    if not present:
        return numbers
    kinds = {"none"} | {kind for test in tests for kind in test.kinds}
    scores, validation = (
        found[found["stratum_kind"].isin(kinds)]
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
    numbers.measured, numbers.failed = measured, failed_trainings(validation)
    return numbers


def failed_trainings(validation: pd.DataFrame) -> frozenset[tuple[str, int]]:
    """(experiment, seed) of trainings that did not learn, as `lowtex_lab.studies.tables.outcomes` has it.

    Args:
        validation: scores of validation images.
    """
    whole = validation[validation["stratum_kind"] == "none"]
    means = whole.groupby(["experiment", "seed"])["abs_rel"].mean()
    return frozenset((name, int(seed)) for name, seed in means.index[means >= STUCK])


def measure(numbers: Numbers, test: Versus, rule: Rule | None = None, times: int = TIMES) -> Outcome:
    """Look one comparison up; its verdict stands alone until `studies.claims.verdicts.settle` has seen the whole table.

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
    told = {name: frame[name].iloc[0] if name in frame else CONTEXT[name] for name in CONTEXT}
    told |= {"eval_data": test.measure, "split": "its own"}
    if "image" not in frame:
        rows = frame.assign(value=frame[test.metric])
        images = int(frame["images"].max()) if "images" in frame else 0
        return [Candidate(test, rows, False, "none", told | {"images": images})], ()
    # an image counts where every training has a number of it
    table = frame.pivot_table(index=["experiment", "seed"], columns="image", values=test.metric, aggfunc="mean")
    table = table.dropna(axis=1)
    if table.empty:
        return [], test.experiments
    scores = table.stack().rename("abs_rel").reset_index().assign(stratum_kind="none", stratum="all", pixels=0)
    return [Candidate(test, scores, True, "none", told | {"images": table.shape[1]})], ()
