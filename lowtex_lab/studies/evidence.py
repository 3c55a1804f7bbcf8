"""The ablation's rows as the notebooks read them: this run's own, or the committed ones, and never a mixture.

from lowtex_lab.studies.evidence import open_evidence
evidence = open_evidence(run)
scores = evidence.scores(["ours", "baseline"])      # for lowtex_lab.studies.stats.effects.compare

Sixteen cells by five seeds take hours, so no notebook trains them: `lowtex ablate` does, and the outcome of such a
batch is committed in ``results/reference``. What is read, and from where, is said by `Evidence.describe`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from lowtex.data_paths import REPOSITORY
from lowtex.errors import DataError, require_choice
from lowtex.evaluation.results import merge_rows
from lowtex.experiments import NAMED, VARIANTS
from lowtex.paths import shown
from lowtex.progress import duration
from lowtex_lab.notebook.run import NotebookRun
from lowtex_lab.plots.tidy import counted
from lowtex_lab.studies.rows import (
    FOLDER,
    MEASURES,
    PROTOCOL,
    SPLITS,
    finished_labels,
    read_all_records,
    read_records,
    read_table,
)
from lowtex_lab.studies.stats.effect_rules import Rule

REFERENCE = REPOSITORY / "results" / "reference"


def ablation_dir(profile: str, data: str = "") -> Path:
    """The folder that `lowtex ablate` writes to: ``results/ablation``, with the profile's name unless it is quick.

    Args:
        profile: name.
        data: what its rows need a folder of their own for: names of data sets, joined by ``-``, or other beginnings.
    """
    name = "ablation" if profile == "quick" else f"ablation-{profile}"
    return REPOSITORY / "results" / (f"{name}-on-{data}" if data else name)


@dataclass(frozen=True)
class Evidence:
    """Finished rows of an ablation.

    Attributes:
        run_dir: the folder that holds ``ablation``, packed or not (`lowtex_lab.studies.rows`).
        profile: of the trainings.
        own: they were made here, not committed before.
        passed_over: places that were looked into first, each with the reason why it was not taken.
    """

    run_dir: Path
    profile: str
    own: bool
    passed_over: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the small files are."""
        return self.run_dir / FOLDER

    @cached_property
    def _finished(self) -> dict[str, tuple[int, ...]]:
        labels = [label.rpartition("-s") for label in finished_labels(self.run_dir)]
        found = [name for name, _, _ in labels]
        order = dict.fromkeys(name for name in [*VARIANTS, *found] if name in found)
        return {name: tuple(sorted(int(seed) for own, _, seed in labels if own == name)) for name in order}

    @property
    def names(self) -> list[str]:
        """Experiments with finished seeds, in the ablation's order."""
        return list(self._finished)

    def seeds(self, name: str) -> tuple[int, ...]:
        """The finished seeds of an experiment, rising; empty if there are none."""
        return self._finished.get(name, ())

    def short(self, names: Iterable[str]) -> list[str]:
        """Those with fewer seeds than a verdict needs (`Rule.least`)."""
        return [name for name in names if len(self.seeds(name)) < Rule().least]

    def missing(self, names: Iterable[str], measure: str = "") -> list[str]:
        """Those that have no rows; or no result of a measure, where one is asked for."""
        there = self._finished
        if measure:
            found = self._measured(measure, names)
            there = set(found["experiment"]) if len(found) else ()
        return [name for name in names if name not in there]

    def present(self, names: Iterable[str]) -> list[str]:
        """Those that have rows, in the order given."""
        return [name for name in dict.fromkeys(names) if name in self._finished]

    def scores(self, names: Sequence[str], split: str = "test") -> pd.DataFrame:
        """Scores of single images, as `lowtex_lab.studies.stats.effects.compare` takes them.

        Args:
            names: experiments; all must be there.
            split: ``test``, or ``val`` for choices.

        Returns:
            a row an experiment, seed, image and stratum (`lowtex_lab.studies.rows.read_table`).

        Raises:
            DataError: no rows of an experiment, or a damaged file; names it.
            OptionError: an unknown split.
        """
        return self._read(names, split, "images")

    def rows(self, names: Sequence[str], split: str = "test") -> pd.DataFrame:
        """Tidy rows (`lowtex.evaluation.results.COLUMNS`), means over images; arguments and errors as of `scores`."""
        return merge_rows(self._read(names, split, "rows"))

    def records(self) -> pd.DataFrame:
        """A line an experiment and seed: how it was trained, and how long (`lowtex_lab.studies.rows.read_records`)."""
        return read_records(self.run_dir)

    def measured(self, measure: str, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Results of a measure, all seeds that have it: its own columns, then experiment, experiment_key, seed,
        profile, miniature, threads (of the training).

        Args:
            measure: a name of `lowtex_lab.studies.rows.MEASURES`.
            names: experiments; None = all that were measured. Those without are left out.

        Raises:
            DataError: none of them was measured; says how to do it.
        """
        found = self._measured(measure, self.names if names is None else names)
        if found.empty:
            raise DataError(
                f"no measurement {measure!r} in {self.folder} of these experiments; "
                f"`lowtex ablate --measure {measure}` takes it of the trained networks"
            )
        return found

    def _measured(self, measure: str, names: Iterable[str]) -> pd.DataFrame:
        """`measured`, empty where there is nothing."""
        require_choice("measure", measure, MEASURES)
        found = read_table(self.run_dir, measure, self._labels(names))
        if found.empty:
            return found
        # the measure of a network that was trained anew since is that of another network
        keys = {label: record["key"] for label, record in read_all_records(self.run_dir).items()}
        labels = found["experiment"] + "-s" + found["seed"].astype(str)
        return found[labels.map(keys) == found["experiment_key"]]

    @property
    def caption(self) -> str:
        """What a caption has to say: profile, kind of data, the range of seeds."""
        seeds = counted(pd.Series([len(seeds) for seeds in self._finished.values()]), "seed")
        return f"{self.profile} profile, {'miniature' if self._miniature else 'real data'}, {seeds}"

    @property
    def budget(self) -> str:
        """How long the rows of no group of their own were trained: ``200 steps``."""
        records = self.records()
        named = records["experiment"].isin(list(NAMED))
        return counted(records.loc[named if named.any() else slice(None), "steps"], "step")

    def describe(self) -> str:
        """Where the rows come from and what stands behind them, in a few lines."""
        records = self.records()
        once = records.drop_duplicates("key")
        networks = records[records["feature_net_key"] != ""].drop_duplicates("feature_net_key")
        spent = once["wall_s"].sum() + networks["feature_net_s"].sum() + once["score_s"].sum()
        made = "made here" if self.own else "committed with the kit, not trained in this run"
        lines = list(self.passed_over)
        lines.append(f"Ablation rows of {shown(self.run_dir)}, {made}: {self.caption}.")
        lines.append(
            f"{len(self.names)} experiments, {len(records)} rows of experiment and seed from {len(once)} trainings; "
            f"{_several('device', records['device'])}, {_several('thread count', records['threads'])}, "
            f"{_several('commit', records['commit'])}; {duration(spent)} of training and scoring in all."
        )
        return "\n".join(lines)

    @cached_property
    def _miniature(self) -> bool:
        return bool(read_table(self.run_dir, "rows", finished_labels(self.run_dir)[:1])["miniature"].all())

    def _labels(self, names: Iterable[str]) -> list[str]:
        return [f"{name}-s{seed}" for name in dict.fromkeys(names) for seed in self.seeds(name)]

    def _read(self, names: Sequence[str], split: str, kind: str) -> pd.DataFrame:
        require_choice("split", split, SPLITS)
        if absent := self.missing(names):
            what = "scores" if kind == "images" else kind
            raise DataError(
                f"{shown(self.run_dir)} has no {what} of {', '.join(absent)}; `lowtex ablate {' '.join(absent)}` "
                "trains and scores them"
            )
        found = read_table(self.run_dir, kind, self._labels(names))
        return found[found["split"].str.endswith(f"/{split}")].reset_index(drop=True)


def _several(what: str, values: pd.Series) -> str:
    there = [str(value) for value in pd.unique(values)]
    return f"{what} {there[0]}" if len(there) == 1 else f"{len(there)} {what}s ({', '.join(there)})"


def open_evidence(run: NotebookRun | None, names: Sequence[str] = (), measure: str = "") -> Evidence:
    """The ablation's rows that a notebook reads.

    Looked for in the run's own folder (``lowtex ablate --run-dir``), then where `lowtex ablate` writes by default (of
    the real Virtual KITTI 2 first, where the run names it), then among the committed ones: those of the run's profile,
    of ``study``, which trains longer, and of ``quick``. The first place that has rows of all ``names`` is taken whole;
    of the committed ones, one whose seeds are too few for a verdict only where no other has more. Two are never mixed.

    Args:
        run: the notebook's run; None looks among the committed ones alone. The smoke profile, whose own numbers would
            mean nothing, reads quick's.
        names: experiments without which a place is passed over.
        measure: of `lowtex_lab.studies.rows.MEASURES`; a place where some of ``names`` were not measured so is passed
            over, too.

    Raises:
        DataError: there are no rows anywhere, or none with that measure; says how to make them.
    """
    passed_over, few = [], None
    for one in _found(run):
        found, absent = replace(one, passed_over=tuple(passed_over)), one.missing(names, measure)
        short = [] if one.own else one.short(names)
        if not absent and not short:
            return found
        if not absent:
            few = few or found
        what = f"no {measure or 'rows'} of {', '.join(absent)}"
        if not absent:
            what = f"fewer than {Rule().least} seeds of {', '.join(short)}"
        passed_over.append(f"{shown(one.run_dir)} was passed over: {what} yet.")
    if few:
        return few
    profile = _profile(run)
    own = f"neither in {shown(run.run_dir)} nor in {shown(ablation_dir(profile))} nor " if run else ""
    raise DataError(
        f"no rows of the ablation: {own}in {shown(REFERENCE)}; `lowtex ablate --profile {profile}"
        + (f" --measure {measure}` measures trained networks" if measure else "` makes them")
        + "".join(f"; {p}" for p in passed_over)
    )


def open_batches(run: NotebookRun) -> list[Evidence]:
    """The ablations that the claims are judged by: your own where there is one, else all that are committed.

    Each comparison takes one of them (`lowtex_lab.studies.claims`), so they are not mixed either.
    """
    found = _found(run)
    return [one for one in found if one.own][:1] or found


def _profile(run: NotebookRun | None) -> str:
    return "quick" if run is None or run.profile.name == "smoke" else run.profile.name


def _found(run: NotebookRun | None) -> list[Evidence]:
    """Every place that has rows of Virtual KITTI 2, in the order they are looked into."""
    profile, places = _profile(run), []
    if run and run.profile.name == profile:
        places.append((run.run_dir, profile, True))
    if run and "vkitti2" in run.roots.named:
        places.append((ablation_dir(profile, "vkitti2"), profile, True))
    if run:
        places.append((ablation_dir(profile), profile, True))
    for name in dict.fromkeys([*([] if profile == "quick" else [profile]), "study", "quick"]):
        places.append((REFERENCE if name == "quick" else REFERENCE / name, name, False))
    # an ablation that was scored on real test sets alone has no test rows of the protocol that notebooks read
    records = {place: read_all_records(place).values() for place, _, _ in places}
    scored = {place for place in records if any(PROTOCOL in one["protocol"].split("+") for one in records[place])}
    return [Evidence(place, name, own) for place, name, own in places if place in scored]
