"""Write the README's main table from the committed rows: `make readme`."""

from pathlib import Path

from lowtex.ablation.evidence import REFERENCE, Evidence
from lowtex.ablation.summary import readme_block, with_block
from lowtex.files import write_text

README = Path(__file__).resolve().parents[1] / "README.md"


def main() -> None:
    """Replace the table."""
    block = readme_block(Evidence(REFERENCE, "quick", own=False))
    write_text(README, with_block(README.read_text(encoding="utf-8"), block))
    print(block)


if __name__ == "__main__":
    main()
