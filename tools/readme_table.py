"""Write what the README shows of results from the committed rows and tables: `make readme`."""

from pathlib import Path

import pandas as pd

from benchmarks.rows import read_rows, targets_table
from lowtex.files import write_text
from lowtex_lab.studies.evidence import REFERENCE, Evidence
from lowtex_lab.studies.summary import readme_blocks, with_blocks

README = Path(__file__).resolve().parents[1] / "README.md"


def main() -> None:
    """Replace the blocks by what the committed rows say."""
    claims = pd.read_csv(REFERENCE / "quick" / "tables" / "16_sentences.csv")
    blocks = readme_blocks(Evidence(REFERENCE, "quick", own=False), claims)
    blocks["speed"] = targets_table(read_rows(REFERENCE / "bench" / "rows.csv"))
    write_text(README, with_blocks(README.read_text(encoding="utf-8"), blocks))
    print("\n\n".join(blocks.values()))


if __name__ == "__main__":
    main()
