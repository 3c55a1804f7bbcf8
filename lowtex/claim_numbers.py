"""The numbers behind a comparison: which of all there are is taken, by `lowtex.verdicts.rule_text`, and what they say.

from lowtex.claim_numbers import gather, measure
numbers = gather(evidence, rows, tests)     # an ablation's scores of images, its measures, a run's own rows
measure(numbers, Versus("ours", "baseline")).evidence()
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from lowtex.ablation_tables import STUCK
from lowtex.claim_choice import Candidate, candidates
from lowtex.claim_effects import sound_effect
from lowtex.claim_tests import Versus
from lowtex.effect_rules import Rule
from lowtex.errors import DataError
from lowtex.evidence import Evidence
from lowtex.resampling import TIMES
from lowtex.transfer import with_rivals
from lowtex.verdicts import Outcome

TRANSFER, MASK = "transfer", "mask"

CONTEXT = {"profile": "not stated", "miniature": False, "train_data": "not stated"}
"""What is taken along from a measure's results, where it is there."""


@dataclass
class Numbers:
    """All there is to judge by.

    Attributes:
        scores: of single images, as `lowtex.effects.compare` takes them, with train_data where it is known; of any
            number of protocols.
        rows: tidy rows (`lowtex.results.COLUMNS`).
        measured: measure -> its results, a row a number, with experiment and seed.
        failed: (experiment, seed) of the trainings behind scores and measures that did not learn
            (`lowtex.ablation_tables.STUCK`).
    """

    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    measured: dict[str, pd.DataFrame] = field(default_factory=dict)
    failed: frozenset[tuple[str, int]] = frozenset()


def gather(evidence: Evidence | None, rows: pd.DataFrame | None, tests: Iterable[Versus]) -> Numbers:
    """What an ablation and a run have on some comparisons; whatever is not there is left out.

    Args:
        evidence: of `lowtex.evidence.open_evidence`; None where there is none.
        rows: the run's own tidy rows, or None.
        tests: comparisons.
    """
    tests, numbers = list(tests), Numbers(rows=pd.DataFrame() if rows is None else rows)
    asked = [name.partition(": ")[0] for test in tests for name in test.experiments]
    present = [] if evidence is None else evidence.present(asked)
    if not present:
        return numbers
    kinds = {"none"} | {kind for test in tests for kind in test.kinds}
    frames = []
    for split in ("test", "val"):
        wanted = {n for test in tests if not test.measure and (test.split or "test") == split for n in test.experiments}
        if names := [name for name in present if name in wanted]:
            scores = evidence.scores(names, split)
            frames.append(scores[scores["stratum_kind"].isin(kinds)])
    wanted = {test.measure for test in tests if test.measure} | {TRANSFER}
    measured = {name: evidence.measured(name) for name in sorted(wanted) if evidence.has_measure(name)}
    measured = {name: found[found["experiment"].isin(present)] for name, found in measured.items()}
    if MASK in measured:
        # its question is of strata within one network, which stand as experiments of their own
        found = measured[MASK]
        measured[MASK] = found.assign(experiment=found["experiment"] + ": " + found["stratum"])
    if TRANSFER in measured:
        frames.append(with_rivals(measured.pop(TRANSFER)))
    chosen = evidence.rows(present, "val")
    chosen = chosen[(chosen["metric"] == "abs_rel") & (chosen["stratum_kind"] == "none")]
    if frames:
        numbers.scores = pd.concat(frames, ignore_index=True)
        known = chosen.drop_duplicates(["experiment", "seed"]).set_index(["experiment", "seed"])["train_data"].to_dict()
        # a rival that never looks goes by its network's name
        owners = zip(numbers.scores["experiment"].str.partition(": ")[0], numbers.scores["seed"], strict=True)
        numbers.scores = numbers.scores.assign(train_data=[known.get(owner, "not stated") for owner in owners])
    numbers.measured, numbers.failed = measured, failed_trainings(chosen)
    return numbers


def failed_trainings(validation: pd.DataFrame) -> frozenset[tuple[str, int]]:
    """(experiment, seed) of trainings that did not learn, as `lowtex.ablation_tables.outcomes` has it, from tidy rows.

    Args:
        validation: AbsRel of whole validation images.
    """
    stuck = validation[validation["value"] >= STUCK]
    return frozenset(zip(stuck["experiment"], map(int, stuck["seed"]), strict=True))


def measure(numbers: Numbers, test: Versus, rule: Rule | None = None, times: int = TIMES) -> Outcome:
    """Look one comparison up; its verdict stands alone until `lowtex.verdicts.settle` has seen the whole table.

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
