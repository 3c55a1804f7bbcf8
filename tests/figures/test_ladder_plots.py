"""Figures of the factorial as a whole, of ladders and of budgets: what they say and where they put it."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import texts
from made_scores import FACTORS, design, factorial_scores

from lowtex.errors import DataError
from lowtex_lab import plots as figures
from lowtex_lab.plots.saving import redraw_card, refuse_blank, save_figure
from lowtex_lab.studies.stats.effects import seed_errors

TRUTH = {("data term",): np.log(0.6), ("data term", "skips"): np.log(0.9), ("encoder",): np.log(1.05)}


@pytest.fixture(scope="module")
def scores():
    return pd.concat(
        [
            factorial_scores(TRUTH, seeds=3, seed_noise=0.02, miniature=True),
            factorial_scores(TRUTH, seeds=3, seed_noise=0.02, stratum="low", kind="known", seed=1, miniature=True),
        ]
    )


@pytest.fixture(scope="module")
def cells(scores):
    return seed_errors(scores, design().experiments, stratum_kind="known")


def within(figure):
    """No word leaves the figure."""
    figure.draw_without_rendering()
    renderer, width, height = figure.canvas.get_renderer(), figure.bbox.width, figure.bbox.height
    for axes in figure.axes:
        for text in [*axes.texts, axes.xaxis.label, axes.yaxis.label, axes._left_title, *axes.get_xticklabels()]:
            if text.get_text():
                box = text.get_window_extent(renderer)
                assert box.x0 > -2 and box.y0 > -2 and box.x1 < width + 2 and box.y1 < height + 2, text.get_text()


def marks(axes) -> list[list[bool]]:
    """Filled or not, factor by factor, left to right."""
    rows: dict[float, list] = {}
    for line in axes.lines:
        if line.get_marker() == "o":
            rows.setdefault(line.get_ydata()[0], []).append(
                (line.get_xdata()[0], line.get_markerfacecolor() != "white")
            )
    return [[filled for _, filled in sorted(rows[y])] for y in sorted(rows)]


def test_cells_are_sorted_and_their_marks_say_what_they_are(cells):
    figure = figures.factorial_cells(cells, FACTORS, design().cells, {"++++": "ours"})
    told = texts(figure)
    for text in ("all pixels", "low texture", "3 seeds, 40 images", "data term: features", "open: pixels", "ours",
                 "miniature data", "AbsRel"):  # fmt: skip
        assert text in told, text
    means = cells[cells["stratum"] == "all"].groupby("experiment")["error"].mean().sort_values()
    order = list(means.index)
    expected = [[name[row] == "+" for name in order] for row in range(4)]
    assert marks(figure.axes[-1]) == expected
    assert figure.axes[-1].get_xticklabels()[order.index("++++")].get_text() == "ours"
    numbers = [text.get_text() for text in figure.axes[0].texts]
    assert numbers == [f"{value:.3f}" for value in means]
    assert "did not learn" not in told
    within(figure)
    refuse_blank(figure)


def test_a_training_that_did_not_learn_is_off_the_scale_and_in_no_mean(cells):
    broken = (cells["experiment"] == "----") & (cells["seed"] == 1)
    spoilt = cells.assign(error=cells["error"].where(~broken, 9.0), learnt=~broken)
    figure = figures.factorial_cells(spoilt, FACTORS, design().cells)
    assert "crosses: 1 training that did not learn" in texts(figure)
    assert figure.axes[0].get_ylim()[1] < 1
    left = cells[(cells["experiment"] == "----") & (cells["stratum"] == "all") & (cells["seed"] != 1)]["error"].mean()
    assert f"{left:.3f}" in [text.get_text() for text in figure.axes[0].texts]
    within(figure)


def test_they_can_be_drawn_again_and_refuse_what_they_cannot_draw(cells, tmp_path):
    before = cells.copy(deep=True)
    picture = save_figure(figures.factorial_cells(cells, FACTORS, design().cells, {"++++": "ours"}), tmp_path / "cells")
    pd.testing.assert_frame_equal(cells, before)
    first = picture.read_bytes()
    picture.unlink()
    redraw_card(picture.with_suffix(".json"))
    assert picture.read_bytes() == first
    with pytest.raises(DataError, match="no rows of \\+---"):
        figures.factorial_cells(cells[cells["experiment"] != "+---"], FACTORS, design().cells)
    with pytest.raises(DataError, match="needs the column error"):
        figures.factorial_cells(cells.drop(columns="error"), FACTORS, design().cells)
