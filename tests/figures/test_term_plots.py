"""Figures of data terms: they draw every term they are given, in one colour everywhere, and say what is behind them."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import texts

from lowtex.errors import DataError
from lowtex_lab import plots as figures
from lowtex_lab.plots.saving import refuse_blank
from lowtex_lab.plots.style import loss_styles
from lowtex_lab.studies.loss_analysis.error_terms import TERMS


def made(column: str, **more) -> pd.DataFrame:
    lines = [
        {"stratum": stratum, "loss": name, column: 0.5 + 0.02 * k, "low": 0.45, "high": 0.8, "frames": 12, **more}
        for stratum in ("low", "high")
        for k, name in enumerate(TERMS)
    ]
    return pd.DataFrame(lines)


def test_every_term_has_a_look_of_its_own_whoever_stands_beside_it():
    styles = loss_styles(TERMS)
    assert len({(s.color, str(s.linestyle)) for s in styles.values()}) == len(TERMS)
    for name in TERMS:
        assert loss_styles([name])[name] == styles[name]


def test_intervals_and_one_frame():
    figure = figures.term_intervals(made("found"), "found", "share found", "A title")
    refuse_blank(figure)
    words = texts(figure)
    assert all(name in words for name in TERMS) and "share found" in words and "12 frames" in words
    assert "dotted: pixels" in words
    one = made("found").assign(low=np.nan, high=np.nan, frames=1)
    words = texts(figures.term_intervals(one, "found", "share found", "A title"))
    assert "1 frame" in words and "no interval" in words and "95%" not in words
    with pytest.raises(DataError, match="basin_px"):
        figures.term_intervals(made("found"), "basin_px", "width", "A title")
