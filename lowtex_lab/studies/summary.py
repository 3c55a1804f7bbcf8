"""What the README says of results: errors of the named rows, main effects, and which claims hold. All of it is made of
committed rows and tables, and nothing is typed.
"""

from collections.abc import Mapping

import pandas as pd

from lowtex.evaluation.results import markdown_table
from lowtex_lab.studies.claims import VERDICTS
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.stats.effect_rules import Rule, corrected
from lowtex_lab.studies.stats.factorial import factorial_effects
from lowtex_lab.studies.tables import design, error_table, missing_line

WORDS = {
    "baseline": "the Monodepth2-style recipe",
    "encoder": "+ iResNet",
    "encoder_features": "+ feature-map loss",
    "ours": "+ both smoothness orders, nested skips",
    "featdepth": "pixels and one feature map, FeatDepth's way",
    "census": "`ours` on pixels, census transform",
    "zncc": "`ours` on pixels, normalised correlation",
    "random-features": "`ours`, feature network never trained",
    "pixels-tuned": "`ours` on pixels, its own best smoothness weight",
    "features-tuned": "`ours`, its own best smoothness weight",
}
"""Rows of the table, in its order, each in a few words."""

STRATA = {"all pixels": "all", "low": "low texture", "high": "high texture"}
"""Columns of strata as the table calls them."""

CHANGES = {
    "encoder": "iResNet instead of ResNet",
    "data term": "feature maps instead of pixels",
    "smoothness": "both orders of smoothness instead of the first",
    "skips": "nested skips instead of plain ones",
}
"""The factors of the factorial, as changes."""

EFFECTS = {
    "AbsRel, all pixels": ("abs_rel", "all"),
    "AbsRel, low texture": ("abs_rel", "low"),
    "RMSE, all pixels": ("rmse", "all"),
}
"""Columns of the table of effects: metric and stratum. Far pixels weigh most in RMSE, near ones in AbsRel."""


def main_table(evidence: Evidence) -> pd.DataFrame:
    """AbsRel on the test images: row, then mean and deviation over seeds for each of `STRATA`, seeds, images.

    Rows without finished seeds are left out.
    """
    table = error_table(evidence, WORDS, stratum_kind="known")
    table = table.assign(row=[f"`{name}`: {WORDS[name]}" for name in table["row"]])
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
    lines = []
    for name, words in CHANGES.items():
        own = family[family["effect"] == name].set_index("column")
        line: dict[str, object] = {"change": words}
        for title, one in own.iterrows():
            line[title] = f"{one['ratio']:.3f} [{one['low']:.2f}, {one['high']:.2f}] {one['verdict_corrected']}"
        lines.append(line | {"seeds": int(own["seeds"].min()), "images": int(own["images"].max())})
    return pd.DataFrame(lines)


def claims_list(claims: pd.DataFrame) -> str:
    """Which claims got which verdict, a line a verdict, from the table that notebook 16 leaves (``16_claims``)."""
    lines = []
    for verdict in dict.fromkeys([*VERDICTS, *claims["verdict"]]):
        names = claims.loc[claims["verdict"] == verdict, "claim"].tolist()
        if names:
            lines.append(f"- **{verdict}** ({len(names)}): {'; '.join(names)}")
    return "\n".join(lines)


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
