"""Which of several sets of numbers a comparison is judged by: sets are never mixed, and the choice follows a rule.

A *set* is what one group of networks, trained on one data set, got on one group of images by one protocol. A run on
real data, a run on the miniature, an ablation and a command of `lowtex evaluate` each leave sets of their own.
"""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from lowtex.evaluation.metrics import HIGHER_IS_BETTER
from lowtex.evaluation.protocols import get_protocol
from lowtex_lab.studies.claims.comparisons import Versus

PLACES = ("miniature", "profile", "train_data", "eval_data", "split", "crop", "cap_m")
"""What makes numbers a set of their own, beside protocol, scaling and flip, which are the same for all candidates."""


@dataclass(frozen=True)
class Candidate:
    """One set of numbers that fits a comparison.

    Attributes:
        test: the comparison.
        frame: scores of images (all of them, in the strata ``none`` and ``kind``), or tidy rows of one stratum.
        of_images: which of the two.
        kind: of strata.
        context: what the numbers have in common, `PLACES` and images.
    """

    test: Versus
    frame: pd.DataFrame
    of_images: bool
    kind: str
    context: dict

    def errors(self, whole: bool = True) -> pd.DataFrame:
        """Mean error over images, ``(seeds, experiments)``; ``whole`` drops seeds that an experiment lacks."""
        errors = self._errors
        return errors.dropna() if whole else errors

    @cached_property
    def _errors(self) -> pd.DataFrame:
        if self.of_images:
            inside = _stratum(self.frame, self.kind, self.stratum)
            errors = inside.pivot_table(index="seed", columns="experiment", values=self.column, aggfunc="mean")
        else:
            errors = self.frame.pivot_table(index="seed", columns="experiment", values="value", aggfunc="mean")
        return 1.0 - errors if self.test.metric in HIGHER_IS_BETTER else errors

    @property
    def column(self) -> str:
        """Of ``frame`` that holds the error of an image; a measure's numbers stand where errors do."""
        return "abs_rel" if self.test.measure else self.test.metric

    @property
    def stratum(self) -> str:
        """Of ``frame`` that is judged."""
        return "all" if self.test.measure else self.test.stratum

    @property
    def seeds(self) -> int:
        """That every experiment has."""
        return len(self.errors())

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
            self.seeds < least, bool(self.context["miniature"]), place, not self.of_images, -self.seeds,
            -int(self.context["images"]), *(str(self.context[name]) for name in PLACES),
        )  # fmt: skip


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
                kept = group[group["stratum_kind"].isin(["none", kind])] if of_images else inside
                candidate = Candidate(test, kept, of_images, kind, {**told, "images": images})
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
