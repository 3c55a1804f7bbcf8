"""What README.md and results/README.md say of results: a few sentences, errors of the named rows, main effects, and
which claims hold. All of it is made of committed rows and tables, and nothing is typed.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import yaml

from lowtex.evaluation.results import markdown_table
from lowtex.experiments import BUDGETS
from lowtex_lab.plots.tidy import number_range
from lowtex_lab.studies.claims import VERDICTS
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.real_frames import NO_PICTURE, START, real_table
from lowtex_lab.studies.stats.effect_rules import HARMS, HELPS, OPEN, SAME, Rule, corrected
from lowtex_lab.studies.stats.effects import compare, ratio_text
from lowtex_lab.studies.stats.factorial import factorial_effects
from lowtex_lab.studies.tables import design, error_table, mean_text, missing_line, setting

_STORED = yaml.safe_load(Path(__file__).with_name("summary.yaml").read_text(encoding="utf-8"))
ROWS, FIRST, STRATA, CHANGES, EFFECTS = (_STORED[name] for name in ("rows", "first", "strata", "changes", "effects"))

SAYS = {HELPS: "better", HARMS: "worse", SAME: "no difference", OPEN: "undecided"}
"""Verdicts as a sentence ends in them."""


def main_table(evidence: Evidence) -> pd.DataFrame:
    """AbsRel on the test images: row, then mean and deviation over seeds by texture, seeds, images.

    Rows without finished seeds are left out.
    """
    table = error_table(evidence, ROWS, stratum_kind="known")
    table = table.assign(row=[f"`{name}`: {ROWS[name]}" for name in table["row"]])
    return table.rename(columns=STRATA)


def effects_table(evidence: Evidence) -> pd.DataFrame:
    """Main effects of the factorial on the test images: the error with the change over that without, and the verdict.

    Verdicts by the standing rule, all of the table corrected as one family; over the seeds that every cell has.

    Returns:
        change, a column for each of `EFFECTS` (ratio, interval, verdict), seeds, images; empty where cells lack rows.
    """
    cells = design()
    common = set.intersection(*(set(evidence.seeds(name)) for name in cells.experiments))
    if not common:
        return pd.DataFrame()
    scores = evidence.scores(cells.experiments)
    scores, found = scores[scores["seed"].isin(common)], {}
    for title, (metric, stratum) in EFFECTS.items():
        effects = factorial_effects(scores, cells, metric, stratum_kind="known", strata=(stratum,), rule=Rule())
        found[title] = effects[effects["order"] == 1]
    family = corrected(pd.concat(found, names=["column"]).reset_index(level="column"))
    text = [f"{ratio_text(effect)} {effect['verdict_corrected']}" for effect in family.to_dict("records")]
    table = family.assign(text=text).pivot(index="effect", columns="column", values="text")
    counts = family.groupby("effect").agg(seeds=("seeds", "min"), images=("images", "max"))
    table = table.loc[list(CHANGES), list(EFFECTS)].join(counts)
    return table.rename(index=CHANGES).rename_axis("change").reset_index()


def one_table(evidence: Evidence, real: pd.DataFrame | None) -> pd.DataFrame:
    """The README's table: errors of the rows of `FIRST` on the miniature, and on KITTI 2015's frames where there are
    rows of them (networks trained on real pairs alone).

    Args:
        evidence: the ablation.
        real: of `lowtex_lab.studies.real_frames.real_rows`, or None.
    """
    known = {"stratum_kind": "known", "strata": ("all", "low")}
    table = error_table(evidence, FIRST, **known)
    far = error_table(evidence, FIRST, metric="rmse", stratum_kind="none", strata=("all",))
    table.insert(3, "RMSE, m", far["all pixels"])
    table = table.rename(columns={"all pixels": "miniature: AbsRel", "low": "low texture"}).drop(columns="images")
    if real is None:
        return table.assign(row=[f"`{name}`" for name in table["row"]])
    frames = real_table(real)
    lines = frames[frames["start"].isin([START["scratch"], NO_PICTURE])].set_index("method")
    names = {"abs_rel": "real: AbsRel", "low": "real: low texture", "d1_all": "real: D1-all"}
    for name, head in names.items():
        lines[head] = list(map(mean_text, lines[name], lines[f"{name}_sd"]))
    lines = lines[list(names.values())].reset_index().rename(columns={"method": "row"})
    table = table.astype(str).merge(lines, "outer", on="row", sort=False).fillna("–")
    order = [*FIRST, *(name for name in table["row"] if name not in FIRST)]
    table = table.set_index("row").loc[[name for name in order if name in set(table["row"])]].reset_index()
    return table.assign(row=[f"`{name}`" if name in FIRST else name for name in table["row"]])


def answers(evidence: Evidence, factorial: Evidence) -> list[str]:
    """What holds, where it comes from, what gets worse and what longer training does: sentences with their n.

    Args:
        evidence: with rows of both.
        factorial: where the sixteen cells are looked for; the sentence on them says what is missing.
    """
    told = []
    scores = evidence.scores(["ours", "baseline"])
    low, far = (
        compare(scores, [("ours", "baseline")], metric, stratum_kind="known", strata=(stratum,)).iloc[0]
        for metric, stratum in (("abs_rel", "low"), ("rmse", "all"))
    )
    n = f"{low['seeds']} seeds, {low['images']} images of the miniature, {evidence.budget}"
    rmse = f"RMSE of `ours`, in which far places weigh most, is {_ratio(far)} times that of `baseline`: "
    rmse += f"{SAYS.get(far['verdict'], far['verdict'])}."
    told.append(
        f"In low texture the paper's method (`ours`) makes {_ratio(low)} times the error of the usual recipe "
        f"(`baseline`): {SAYS.get(low['verdict'], low['verdict'])} ({n})."
    )
    effects = effects_table(factorial)
    if effects.empty:
        return [*told, missing_line(factorial, design().experiments, "cells"), rmse, *by_length(evidence)]
    cells = effects.set_index("change")["AbsRel, low texture"]
    size = cells.index.to_series() + " (" + cells.str.partition(" ")[0] + " times)"
    helps = cells.str.endswith(HELPS)
    gains, others = list(size[helps]), list(size[~helps])
    shown = [f"{_and(gains)} {'lowers' if len(gains) == 1 else 'lower'} the error in low texture"] if gains else []
    shown += [f"no gain in low texture can be shown for {_and(others)}"] if others else []
    told.append(
        f"Of the four changes, averaged over all settings of the other three, {'; '.join(shown)}; "
        f"{effects['seeds'].min()} seeds, {effects['images'].max()} images, {factorial.budget}."
    )
    return [*told, rmse, *by_length(evidence)]


def by_length(evidence: Evidence) -> list[str]:
    """How the error of `ours` over that of `baseline` in low texture goes with the length of training, in one sentence.

    Nothing where there are rows of one length alone.
    """
    records = evidence.records()
    usual = int(records.loc[records["experiment"] == "ours", "steps"].iloc[0])
    pairs = {steps: (f"ours-{steps}-steps", f"baseline-{steps}-steps") for steps in BUDGETS}
    pairs[usual] = ("ours", "baseline")
    pairs = {steps: pair for steps, pair in sorted(pairs.items()) if not evidence.missing(pair)}
    low = {"stratum_kind": "known", "strata": ("low",), "skip_missing": True}
    found = {steps: compare(evidence.scores(pair), [pair], **low) for steps, pair in pairs.items()}
    found = {steps: lines.iloc[0] for steps, lines in found.items() if len(lines)}
    if len(found) < 2:
        return []
    each = _and([f"{one['ratio']:.2f} after {steps:,} steps" for steps, one in found.items()])
    seeds = number_range(pd.Series([one["seeds"] for one in found.values()]))
    images = max(one["images"] for one in found.values())
    return [
        f"By length of training, the error of `ours` over that of `baseline` in low texture is {each} "
        f"({seeds} seeds, {images} images)."
    ]


def _ratio(effect: pd.Series) -> str:
    return f"{effect['ratio']:.2f} ({effect['low']:.2f} to {effect['high']:.2f})"


def _and(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def claims_list(claims: pd.DataFrame) -> str:
    """Which claims got which verdict, a line a verdict, and below, folded, each claim's sentence.

    Args:
        claims: the sentences that notebook 16 leaves (``16_sentences``): claim, mark, verdict, sentence.
    """
    lines, folded = [], ["", "<details><summary>Each claim with its numbers</summary>", ""]
    for verdict in dict.fromkeys([*VERDICTS, *claims["verdict"]]):
        group = claims[claims["verdict"] == verdict]
        if len(group):
            mark = group["mark"].iloc[0]
            lines.append(f"- {mark} **{verdict}** ({len(group)}): {'; '.join(group['claim'])}")
            folded += [
                f"- {mark} *{name}*: {said}" for name, said in zip(group["claim"], group["sentence"], strict=True)
            ]
    return "\n".join([*lines, *folded, "", "</details>"])


def readme_blocks(
    evidence_of: Callable[[Sequence[str]], Evidence], claims: pd.DataFrame, real: pd.DataFrame | None = None
) -> dict[str, dict]:
    """File -> what its blocks hold, by name; each table says below what it was measured on.

    Args:
        evidence_of: the committed rows to take for some experiments (`lowtex_lab.studies.evidence.open_evidence`).
        claims: of notebook 16.
        real: rows of real frames, or None.
    """
    cells = evidence_of(design().experiments)

    def below(table: pd.DataFrame, evidence: Evidence, names: Sequence[str] | None = None) -> str:
        where = setting(evidence, names)
        return f"{as_markdown(table)}\n\n{where[0].upper()}{where[1:]}."

    first, effects = evidence_of(FIRST), effects_table(cells)
    told = {"answers": "\n".join(f"{n}. {told}" for n, told in enumerate(answers(first, cells), 1))}
    rows = {
        # rows that have not been trained as long as the first ones are named and not mixed in
        "main table": "\n\n".join(
            filter(None, [missing_line(first, [*ROWS]), below(main_table(first), first, first.present(ROWS))])
        ),
        "main effects": below(effects, cells) if len(effects) else missing_line(cells, design().experiments, "cells"),
        "claims": claims_list(claims),
    }
    return {"README.md": told | {"one table": below(one_table(first, real), first, FIRST)}, "results/README.md": rows}


def as_markdown(table: pd.DataFrame) -> str:
    """A table of texts and whole numbers; its first column has no heading, the others stand to the right."""
    lines = (map(str, line) for line in table.itertuples(index=False))
    return markdown_table(["", *table.columns[1:]], lines, right=range(1, len(table.columns)))


def with_blocks(text: str, blocks: Mapping[str, str]) -> str:
    """A text with what stands between ``<!-- NAME: `make readme` -->`` and ``<!-- end of NAME -->`` replaced.

    Raises:
        ValueError: it has not exactly one place for a block.
    """
    for name, block in blocks.items():
        begin, end = f"<!-- {name}: `make readme` -->", f"<!-- end of {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(end) < text.index(begin):
            raise ValueError(f"the text must hold one {begin!r} and one {end!r} after it")
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{block}\n{end}{rest.split(end)[1]}"
    return text
