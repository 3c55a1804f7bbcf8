"""`lowtex figures`."""

import argparse

from lowtex.errors import DataError


def figures(options: argparse.Namespace) -> int:
    """Everything is drawn from the rows and the arrays a run left behind; nothing is trained or evaluated.

    example:
      lowtex figures
      lowtex figures --run-dir results/standard
    """
    from lowtex.paths import default_run_dir, shown
    from lowtex_lab.notebook.report import write_report
    from lowtex_lab.plots import redraw

    run_dir = options.run_dir or default_run_dir("quick")
    try:
        drawn, kept = redraw(run_dir, tell=print)
    except DataError:
        # one figure that cannot be drawn keeps neither the others nor the tables from the page
        write_report(run_dir)
        raise
    page = write_report(run_dir)
    print(f"{len(drawn)} figures drawn again, {len(kept)} kept; open {shown(page)}")
    return 0
