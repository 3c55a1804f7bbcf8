"""All figures of a run from its files alone: no training, no evaluation, no data set.

Two kinds. *Standing* figures are made from all rows of a run and are the same for every run (`standing_figures`).
Every other figure was saved by a notebook with the call that drew it (`lowtex_lab.plots.saving`).
"""

import multiprocessing
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd

from lowtex import files
from lowtex.errors import DataError, LowtexError
from lowtex_lab.plots import curves, results, tidy
from lowtex_lab.plots.saving import redraw_card, save_figure

LEAST_FIGURES = 4
"""Fewer are drawn in this process: another one takes longer to start than they take to draw."""


def redraw(run_dir: str | Path, tell: Callable[[str], None] | None = None) -> tuple[list[Path], list[Path]]:
    """Draw every figure of a run again; takes about a second a figure.

    Args:
        run_dir: a run's folder, with ``figures/`` and rows.
        tell: called with a line for each figure.

    Returns:
        The pictures drawn, and those kept as they were because no plot of the kit drew them.

    Raises:
        DataError: there is no such folder, nothing to draw, or some figures could not be drawn (all others are).
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise DataError(f"{run_dir} is not the folder of a run; `lowtex run` makes one")
    drawn, kept, failures, draws = [], [], [], {}
    try:
        for name, draw in standing_figures(run_rows(run_dir), run_dir):
            draws[run_dir / "figures" / f"{name}.json"] = partial(_draw_and_save, draw, run_dir / "figures" / name)
    except LowtexError as error:
        failures.append(str(error))
    for card in sorted((run_dir / "figures").rglob("*.json")):
        if not card.name.startswith("."):
            draws.setdefault(card, partial(redraw_card, card))
    for card, outcome in zip(draws, draw_all(list(draws.values())), strict=True):
        if isinstance(outcome, LowtexError):
            failures.append(f"{card.stem}: {outcome}")
            continue
        (drawn if outcome else kept).append(card.with_suffix(".png"))
        if tell is not None:
            tell(f"{card.stem}: {'drawn' if outcome else 'kept, no plot of the kit drew it'}")
    if failures:
        raise DataError(f"{len(failures)} figures could not be drawn again: " + "; ".join(failures))
    if not drawn and not kept:
        raise DataError(f"{run_dir} holds neither figures nor rows; `lowtex run` makes them")
    return drawn, kept


def _draw_and_save(draw: Callable, path: Path) -> Path:
    return save_figure(draw(), path)


def standing_figures(rows: pd.DataFrame, run_dir: Path) -> Iterator[tuple[str, Callable]]:
    """The figures that every run has: file name, and what draws it."""
    for name, part in comparable_groups(rows):
        kind = texture_kind(part)
        for metric in ("abs_rel", "d1"):
            chosen = part[part["stratum_kind"].isin(["none", kind]) & (part["metric"] == metric)]
            if len(chosen):
                yield f"summary_{metric}_{name}", partial(results.metric_bars, chosen, metric, kind=kind)
        for kind in ("contrast", "distance", "known*distance"):
            chosen = part[(part["stratum_kind"] == kind) & (part["metric"] == "abs_rel")]
            if len(chosen):
                draw = partial(results.error_by_distance, chosen, kind)
                draw = partial(results.error_vs_contrast, chosen) if kind == "contrast" else draw
                yield f"summary_{kind.replace('*', '_')}_{name}", draw
    times = timeline_rows(run_dir)
    if len(times):
        yield "summary_timeline", partial(curves.timeline, times)


def draw_all(draws: Sequence[Callable[[], Path | None]]) -> Iterator[Path | LowtexError | None]:
    """What each of ``draws`` returns, in their order, as it comes; an error of the kit's is handed over, not raised.

    A process for each core: matplotlib draws one figure at a time in a process.

    Args:
        draws: functions without arguments that can be pickled, each writing files of its own.
    """
    if len(draws) < LEAST_FIGURES or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(_outcome, draws)
        return
    # forked, a process has matplotlib and the rows at once; it draws and never computes with torch, whose threads a
    # fork would lose
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), multiprocessing.get_context("fork")) as pool:
        yield from pool.map(_outcome, draws)


def _outcome(draw: Callable[[], Path | None]) -> Path | LowtexError | None:
    try:
        return draw()
    except LowtexError as error:
        return error


def run_rows(run_dir: str | Path) -> pd.DataFrame:
    """All rows of a run; an empty frame where it has none.

    Raises:
        DataError: a file of rows is damaged.
    """
    from lowtex.evaluation.results import COLUMNS, read_rows

    there = any(any(Path(run_dir).rglob(pattern)) for pattern in ("rows*.csv", "rows/*.csv"))
    return read_rows(run_dir) if there else pd.DataFrame(columns=list(COLUMNS))


def comparable_groups(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows split so that each part may share an axis or a table, with a short name for files.

    Only measured rows, and only parts in which at least three experiments meet, unless no part has three (or two): two
    methods by one protocol more, or in one weather more, stand in their notebook.
    """
    parts = []
    for values, part in rows[rows["status"] == "measured"].groupby(list(tidy.PROTOCOL), sort=True, dropna=False):
        told = dict(zip(tidy.PROTOCOL, values, strict=True))
        words = [tidy.without_hash(str(told["eval_data"])), Path(str(told["split"])).name, str(told["protocol"])]
        words += ["" if told["scaling"] == "none" else str(told["scaling"]), "flip" if told["flip"] else ""]
        parts.append((re.sub(r"[^a-z0-9]+", "_", " ".join(words).lower()).strip("_"), part))
    least = min(max((part["experiment"].nunique() for _, part in parts), default=1), 3)
    taken, named = Counter(), []
    for name, part in parts:
        if part["experiment"].nunique() >= least:
            taken[name] += 1
            named.append((name if taken[name] == 1 else f"{name}_{taken[name]}", part))
    return named


def texture_kind(rows: pd.DataFrame) -> str | None:
    """The kind of texture strata to show: the known contrast where there is one, else the image's gradient."""
    kinds = set(rows["stratum_kind"])
    return next((kind for kind in ("known", "gradient") if kind in kinds), None)


def timeline_rows(run_dir: str | Path) -> pd.DataFrame:
    """How long each notebook took, from the records its last cell left: ``name, seconds, training_s``.

    Raises:
        DataError: a record is damaged.
    """
    rows = []
    for path in sorted((Path(run_dir) / "notebooks").glob("*.result.json")):
        record = files.read_json(path)
        try:
            seconds = float(record.get("runner_wall_s") or record["wall_s"])
            rows.append((path.name.split(".")[0], seconds, float(record.get("training_s", 0.0))))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is not the record of a notebook ({error!r}); run that notebook again") from error
    return pd.DataFrame(rows, columns=["name", "seconds", "training_s"])
