"""The ablation in one table, as the README shows it: errors of the named rows with their spread over seeds."""

import numpy as np
import pandas as pd

from lowtex.ablation.evidence import Evidence
from lowtex.stats.effects import seed_errors

WORDS = {
    "baseline": "the Monodepth2-style recipe",
    "encoder": "+ iResNet",
    "encoder_features": "+ feature-map loss",
    "ours": "+ both smoothness orders, nested skips",
    "featdepth": "pixels and one feature map, FeatDepth's way",
    "census": "`ours` on pixels, census transform",
    "zncc": "`ours` on pixels, normalised correlation",
    "random-features": "`ours`, feature network never trained",
}
"""Rows of the table, in its order, each in a few words."""

STRATA = {"all": "all", "low": "low texture", "middle": "middle", "high": "high texture"}
BEGIN, END = "<!-- main table: `make readme` -->", "<!-- end of the main table -->"


def main_table(evidence: Evidence) -> pd.DataFrame:
    """AbsRel on the test images: row, then mean and deviation over seeds for each of `STRATA`, seeds, images.

    Rows without finished seeds are left out.
    """
    lines = []
    for name in evidence.present(WORDS):
        errors = seed_errors(evidence.scores([name]), [name], stratum_kind="known")
        line: dict[str, object] = {"row": f"`{name}`: {WORDS[name]}"}
        for stratum, title in STRATA.items():
            values = errors.loc[errors["stratum"] == stratum, "error"].to_numpy()
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            line[title] = f"{values.mean():.3f}{spread}"
        lines.append(line | {"seeds": int(errors["seed"].nunique()), "images": int(errors["images"].max())})
    return pd.DataFrame(lines)


def readme_block(evidence: Evidence) -> str:
    """What stands between `BEGIN` and `END` in the README, with both."""
    table = main_table(evidence)
    rows = ["| | " + " | ".join(table.columns[1:]) + " |", "| --- |" + " ---: |" * (len(table.columns) - 1)]
    rows += ["| " + " | ".join(str(cell) for cell in line) + " |" for line in table.itertuples(index=False)]
    return "\n".join([BEGIN, *rows, END])


def with_block(text: str, block: str) -> str:
    """A text with its table replaced by ``block``.

    Raises:
        ValueError: it has not exactly one place for the table.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the text must hold one {BEGIN!r} and one {END!r} after it")
    before, rest = text.split(BEGIN)
    return before + block + rest.split(END)[1]
