"""The command: ``python -m benchmarks``, which ``make bench`` calls."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from benchmarks.harness import GROUPS, LEAST_REPEATS, REPEATS, Conditions
from benchmarks.rows import read_rows
from benchmarks.running import ROWS, Run
from benchmarks.subjects.readers import miniature_profile, root_of
from benchmarks.table import report
from lowtex.data_paths import DATASETS
from lowtex.devices import resolve_device
from lowtex.errors import DataError, LowtexError, OptionError
from lowtex.files import write_text
from lowtex.paths import from_root, shown
from lowtex.provenance import device_name
from lowtex_lab.plots import benchmark_overview, save_figure

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
OUT = "results/bench"
TABLE, FIGURE = "table.md", "overview"
EXAMPLE = """example:
  python -m benchmarks                                     everything, about ten minutes on two cores
  python -m benchmarks --only step,profile --device cuda   whole steps and where their time goes, on a GPU
  python -m benchmarks --only "step+batch 4+640x192"       some lines of the table
"""


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    groups = "; ".join(f"{name}: {what}" for name, what in GROUPS.items())
    own = argparse.ArgumentParser(
        prog="benchmarks",
        description="Measure the kit beside a plain formulation of the same, and hold it against the targets. "
        f"Writes rows, a table and a figure. Groups: {groups}.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    own.add_argument(
        "--only",
        default="",
        metavar="WORDS",
        help="comma-separated groups, or parts of a subject's name; the others' rows of earlier calls are kept",
    )
    own.add_argument(
        "--repeats",
        type=int,
        default=REPEATS,
        help=f"rounds, {LEAST_REPEATS} or more; default {REPEATS}; a short contest gets more, a long one fewer",
    )
    own.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto is a GPU where there is one"
    )
    own.add_argument("--threads", type=int, help="of torch on the CPU; default as torch chooses")
    own.add_argument("--real", type=Path, metavar="FOLDER", help="real samples (kitti_raw, kitti_depth, … in it)")
    own.add_argument("--out", default=OUT, metavar="FOLDER", help=f"for rows, table and figure; default {OUT}")
    own.add_argument("--smoke", action="store_true", help="the smallest sizes, for tests; the numbers mean nothing")
    return own


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code: 0 on success only, 2 for bad input, 1 where contestants disagree."""
    options = parser().parse_args(arguments)
    try:
        return measured(options)
    except LowtexError as error:
        print(f"benchmarks: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, OptionError | DataError) else FAILED
    except KeyboardInterrupt:
        print("benchmarks: interrupted; the rows measured so far are kept", file=sys.stderr)
        return INTERRUPTED


def measured(options: argparse.Namespace) -> int:
    """Check the options, measure, write rows, table and figure, and print the table."""
    if options.repeats < LEAST_REPEATS:
        raise OptionError(f"--repeats {options.repeats} must be {LEAST_REPEATS} or more")
    if options.threads is not None and options.threads < 1:
        raise OptionError(f"--threads {options.threads} must be 1 or more")
    if options.real is not None and not options.real.expanduser().is_dir():
        raise DataError(f"--real {options.real} is not a folder; give one with kitti_raw, kitti_depth, … in it")
    only = [word for word in options.only.split(",") if word.strip()]
    device = resolve_device(options.device).type
    out = from_root(options.out)
    read_rows(out / ROWS)
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads or before)
    work = Path(tempfile.mkdtemp(prefix="lowtex_benchmark_"))
    try:
        real = options.real and options.real.expanduser().resolve()
        conditions = Conditions(device, options.smoke, real, work, torch.get_num_threads())
        if not all(root_of(name, conditions).is_dir() for name in DATASETS):
            from lowtex_lab.miniature.store import ensure_miniature

            ensure_miniature(miniature_profile(conditions))
        rows = Run(conditions, out, options.repeats).everything(only)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        torch.set_num_threads(before)
    text = report(rows)
    write_text(out / TABLE, text)
    drawn = draw(rows, device, out)
    print(f"\n{text}")
    print(f"in {shown(out)}: {ROWS}, {TABLE}{f', {FIGURE}.png' if drawn else ''}")
    return 0


def draw(rows: pd.DataFrame, kind: str, out: Path) -> bool:
    """The figure of this kind of device's rows; False where they hold nothing that it shows."""
    # a ratio to the yardstick, or a profile
    device = device_name(kind)
    own = rows[(rows["device_kind"] == kind) & (rows["device"] == device)]
    if not (set(own["metric"]) & {"profile_ms"} or (own["contestant"] == "yardstick").any()):
        return False
    title = "The kit beside a plain formulation of the same"
    save_figure(benchmark_overview(own, title), out / FIGURE)
    return True


if __name__ == "__main__":
    sys.exit(main())
