"""What the README says of results: errors of the named rows, main effects, and which claims hold. All of it is made of
committed rows and tables, and nothing is typed.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import yaml

from lowtex.evaluation.results import markdown_table
from lowtex_lab.studies.claims import VERDICTS
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.stats.effect_rules import Rule, corrected
from lowtex_lab.studies.stats.factorial import factorial_effects
from lowtex_lab.studies.tables import design, error_table, missing_line

_STORED = yaml.safe_load(Path(__file__).with_name("summary.yaml").read_text(encoding="utf-8"))
ROWS, STRATA, CHANGES, EFFECTS = (_STORED[name] for name in ("rows", "strata", "changes", "effects"))


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
    lines = family.to_dict("records")
    text = [f"{o['ratio']:.3f} [{o['low']:.2f}, {o['high']:.2f}] {o['verdict_corrected']}" for o in lines]
    table = family.assign(text=text).pivot(index="effect", columns="column", values="text")
    counts = family.groupby("effect").agg(seeds=("seeds", "min"), images=("images", "max"))
    table = table.loc[list(CHANGES), list(EFFECTS)].join(counts)
    return table.rename(index=CHANGES).rename_axis("change").reset_index()


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


def readme_blocks(evidence: Evidence, claims: pd.DataFrame) -> dict[str, str]:
    """What the README's blocks hold, by name.

    Args:
        evidence: the committed rows.
        claims: of notebook 16.
    """
    effects = effects_table(evidence)
    return {
        "main table": as_markdown(main_table(evidence)),
        "main effects": as_markdown(effects) if len(effects) else missing_line(evidence, design().experiments, "cells"),
        "claims": claims_list(claims),
    }


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
