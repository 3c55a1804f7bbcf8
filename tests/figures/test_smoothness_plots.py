"""The figure of filled-in scan lines says what it draws."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import texts

from lowtex.errors import DataError
from lowtex_lab import plots as figures
from lowtex_lab.plots.saving import refuse_blank
from lowtex_lab.studies.loss_analysis.smoothness_toys import band_table, lines


def bands():
    made = lines(width=14, strip=3)
    chosen = {name: made[name] for name in ("slanted wall", "slanted, one side")}
    return band_table(chosen, {"first order": (2, 0), "second order": (0, 2)})


def test_shows_lines_terms_truth_and_errors():
    table = bands()
    before = table.copy(deep=True)
    figure = figures.scan_lines(table, caption="two rows")
    refuse_blank(figure)
    words = texts(figure)
    for part in ("slanted wall", "slanted, one side", "first order", "truth", "measured here", "two rows", "0.00 px"):
        assert part in words
    plain = table[(table["line"] == "slanted, one side") & (table["terms"] == "first order") & ~table["known"]]
    assert f"off by {np.abs(plain['inside'] - plain['truth_px']).mean():.2f} px" in words
    assert figure.call.function == "scan_lines" and len(figure.axes) == 4
    assert table.equals(before)


def test_runs_and_refusals():
    table = bands()
    with pytest.raises(DataError, match="low"):
        figures.scan_lines(table.drop(columns="low"))
    many = [table.assign(terms=str(index)) for index in range(5)]
    with pytest.raises(DataError, match="4 choices of terms, got 2 and 10"):
        figures.scan_lines(pd.concat([*many, *(t.assign(terms=t["terms"] + "b") for t in many)]))
