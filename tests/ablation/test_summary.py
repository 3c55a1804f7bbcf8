"""The README's table: from rows, with its spread, and the same as the committed rows say."""

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of

from lowtex.ablation.evidence import REFERENCE, Evidence
from lowtex.ablation.summary import BEGIN, END, main_table, readme_block, with_block
from lowtex.roots import REPOSITORY


class Made:
    """Evidence of two rows; errors of each image by seed."""

    errors = {"baseline": (0.2, 0.3), "ours": (0.1,)}

    def present(self, names):
        return [name for name in names if name in self.errors]

    def scores(self, names):
        parts = []
        for seed, error in enumerate(self.errors[names[0]]):
            for kind, stratum, times in (("none", "all", 1), ("known", "low", 2), ("known", "middle", 1),
                                         ("known", "high", 0.5)):  # fmt: skip
                scores = rows_of({names[0]: np.full((1, 4), times * error)}, stratum, kind)
                parts.append(scores.assign(seed=seed))
        return pd.concat(parts)


def test_means_and_deviations_over_seeds():
    table = main_table(Made())
    assert list(table.columns) == ["row", "all", "low texture", "middle", "high texture", "seeds", "images"]
    first, second = table.to_dict("records")
    assert first["row"].startswith("`baseline`") and second["row"].startswith("`ours`")
    assert first["all"] == "0.250 ± 0.071" and first["low texture"] == "0.500 ± 0.141"
    assert second["all"] == "0.100" and second["high texture"] == "0.050", "one seed has no deviation"
    assert (first["seeds"], second["seeds"], first["images"]) == (2, 1, 4)


def test_the_block_takes_the_old_ones_place():
    block = readme_block(Made())
    assert block.startswith(BEGIN) and block.endswith(END) and block.count("\n") == 5
    text = f"before\n{BEGIN}\n| old |\n{END}\nafter"
    assert with_block(text, block) == f"before\n{block}\nafter"
    with pytest.raises(ValueError, match="one"):
        with_block("no place", block)


def test_the_readme_shows_what_is_committed():
    block = readme_block(Evidence(REFERENCE, "quick", own=False))
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert with_block(text, block) == text, "run `make readme`"
