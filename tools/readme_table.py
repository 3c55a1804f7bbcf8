"""Write what README.md, results/ and benchmarks/ say of results from the committed rows: `make readme`."""

from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.rows import read_rows, targets_table
from lowtex.files import write_text
from lowtex_lab.studies.evidence import REFERENCE, open_evidence
from lowtex_lab.studies.real_frames import REAL, real_rows
from lowtex_lab.studies.summary import readme_blocks, with_blocks

ROOT = Path(__file__).resolve().parents[1]


def blocks() -> dict[str, dict[str, str]]:
    """File -> what its blocks hold by what is committed."""
    claims = pd.read_csv(REFERENCE / "quick" / "tables" / "16_sentences.csv")
    real = real_rows() if REAL.is_dir() else None
    speed = {"speed": targets_table(read_rows(REFERENCE / "bench" / "rows.csv"))}
    return {**readme_blocks(partial(open_evidence, None), claims, real), "benchmarks/README.md": speed}


def main() -> None:
    """Replace the blocks by what the committed rows say."""
    for name, found in blocks().items():
        path = ROOT / name
        write_text(path, with_blocks(path.read_text(encoding="utf-8"), found))
        print("\n\n".join(found.values()))


if __name__ == "__main__":
    main()
