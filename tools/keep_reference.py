"""Keep a finished run in results/reference: `make reference RUN=results/quick`. For the authors of the kit.

The folders to keep may be named after the run, as rows,tables,figures; default all. For RUN=results/ablation the rows
that are finished by now are added to those kept before; RUN=results/bench keeps what `make bench` measured.
"""

import sys
from pathlib import Path

from lowtex.errors import LowtexError
from lowtex.paths import RUN_FILE
from lowtex_lab.notebook.reference import BENCH, KEPT, keep_ablation, keep_bench, keep_run
from lowtex_lab.studies.rows import FOLDER

IN_README = ("01_scenes", "09_cells", "09_main_effects", "15_error_vs_contrast")
"""Figures that the README shows."""

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Copy the run that is named to ``results/reference/<its name>``."""
    run_dir = (ROOT / sys.argv[1]).resolve()
    target = ROOT / "results" / "reference" / run_dir.name
    parts = sys.argv[2].split(",") if len(sys.argv) > 2 else tuple(KEPT)
    try:
        if (run_dir / FOLDER / "records").is_dir() and not (run_dir / RUN_FILE).is_file():
            size = keep_ablation(run_dir, target)
        elif (run_dir / BENCH[0]).is_file():
            size = keep_bench(run_dir, target)
        else:
            size = keep_run(run_dir, target, IN_README, parts)
    except LowtexError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{target.relative_to(ROOT)}: {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
