"""Keep a finished run in results/reference: `make reference RUN=results/quick`. For the authors of the kit.

For RUN=results/ablation the rows that are finished by now are added to those kept before; RUN=results/bench keeps what
`make bench` measured. `make reference RUN=short_training.csv` judges the claims by the committed rows of profile quick
and keeps what they say under that name, so that rows of a longer training can be read beside it: claim, verdict,
sentence.
"""

import sys
from pathlib import Path

from lowtex.errors import LowtexError
from lowtex.evaluation.results import write_csv
from lowtex.paths import RUN_FILE
from lowtex_lab.notebook.reference import BENCH, keep_ablation, keep_bench, keep_run
from lowtex_lab.studies import claims
from lowtex_lab.studies.evidence import REFERENCE, Evidence
from lowtex_lab.studies.rows import finished_labels

IN_README = ("00_one_street", "01_scenes", "09_cells", "15_error_vs_contrast")
"""Figures that the README or the index page shows."""

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Keep the run that is named in ``results/reference``."""
    run_dir = (ROOT / sys.argv[1]).resolve()
    target = REFERENCE / run_dir.name
    try:
        if run_dir.suffix == ".csv":
            judged = claims.judge(claims.gather([Evidence(REFERENCE, "quick", own=False)], None), title="judging")
            write_csv(target, judged.sentences()[["claim", "verdict", "sentence"]])
            size = target.stat().st_size
        elif finished_labels(run_dir) and not (run_dir / RUN_FILE).is_file():
            # the rows of another profile have a folder of their own
            size = keep_ablation(run_dir, REFERENCE / run_dir.name.removeprefix("ablation").lstrip("-"))
        elif (run_dir / BENCH[0]).is_file():
            size = keep_bench(run_dir, target)
        else:
            size = keep_run(run_dir, target, IN_README)
    except LowtexError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{run_dir.name} is kept in {REFERENCE.relative_to(ROOT)}: {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
