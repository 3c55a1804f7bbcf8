"""Keep a finished run in results/reference: `make reference RUN=results/quick`. For the authors of the kit."""

import sys
from pathlib import Path

from lowtex.errors import LowtexError
from lowtex.reference import keep_run

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Copy the run that is named to ``results/reference/<its name>``."""
    run_dir = (ROOT / sys.argv[1]).resolve()
    target = ROOT / "results" / "reference" / run_dir.name
    try:
        size = keep_run(run_dir, target)
    except LowtexError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{target.relative_to(ROOT)}: {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
