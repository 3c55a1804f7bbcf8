"""Lines in panels and the time of a run: what is drawn is what stands in the tables."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from figure_samples import texts

from lowtex_lab import plots as figures

CURVES = pd.DataFrame({"x": [0, 1, 2] * 2, "y": [1.0, 2.0, 3.0, 3.0, 2.0, 1.0], "name": ["rises"] * 3 + ["falls"] * 3})


def test_timeline_has_a_bar_a_task_and_its_training_within():
    figure = figures.timeline(pd.DataFrame({"name": ["a", "b"], "seconds": [5.0, 20.0], "training_s": [0.0, 12.0]}))
    assert [bar.get_width() for bar in figure.axes[0].patches] == [5.0, 20.0, 0.0, 12.0]


def test_lines_are_the_rows_given_and_the_truth_is_marked():
    figure = figures.line_panels(CURVES, "shift", "error", "Title", mark_x=1.5, mark_label="truth", lowest=True)
    drawn = {line.get_label(): line for line in figure.axes[0].lines}
    assert {line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "v"} == {0, 2}
    assert list(drawn["falls"].get_ydata()) == [3.0, 2.0, 1.0] and list(drawn["truth"].get_xdata()) == [1.5, 1.5]
    assert {"shift", "error", "Title", "rises", "falls", "truth"} <= set(texts(figure).splitlines())


@pytest.mark.parametrize("from_zero", [True, False])
def test_each_panel_holds_its_own_rows_and_a_higher_curve_in_a_later_one_is_not_cut_off(from_zero):
    split = CURVES.assign(panel=["A"] * 3 + ["B"] * 3, y=CURVES["y"] + np.repeat([0, 100], 3))
    figure = figures.line_panels(split, "shift", "error", from_zero=from_zero)
    names = {axes.get_title(loc="left"): [line.get_label() for line in axes.lines] for axes in figure.axes}
    assert names == {"A": ["rises"], "B": ["falls"]}
    for axes in figure.axes:
        assert axes.get_ylim()[1] >= split["y"].max() and (not from_zero or axes.get_ylim()[0] == 0)


def test_lines_of_several_seeds_are_their_means_and_every_seed_is_a_dot():
    read = "share of the input that is read by anything at all, by whatever way"
    level = {("baseline", read): 0.25, ("encoder", read): 0.75, ("baseline", "rank"): 0.1, ("encoder", "rank"): 0.3}
    lines = product(level.items(), (0, 1, 2), (1, 2, 3, 4))
    table = [(*names, stage, value + 0.01 * seed - 0.02 * stage) for (names, value), seed, stage in lines]
    table = pd.DataFrame(table, columns=["name", "panel", "x", "y"])
    figure = figures.line_panels(table, "stage", "", "Stages", mark_y={read: 0.25}, share_y=False)
    first, second = figure.axes
    assert " ".join(first.get_title(loc="left").split()) == read
    means = {line.get_label(): line.get_ydata() for line in first.lines if not line.get_label().startswith("_")}
    assert means["encoder"] == pytest.approx(0.76 - 0.02 * np.arange(1, 5))
    dots = [line for line in first.lines if line.get_linestyle() == "None"]
    assert sum(len(line.get_ydata()) for line in dots) == 2 * 3 * 4
    assert not set(dots[0].get_xdata()) & set(dots[1].get_xdata()), "two experiments never hide each other"
    assert [[line.get_linestyle() for line in axes.lines].count(":") for axes in (first, second)] == [1, 0]
    assert second.get_ylim()[1] < 0.5 < first.get_ylim()[1] and first.get_ylim()[0] == 0
    figure.draw_without_rendering()
    left, right = (axes._left_title.get_window_extent() for axes in figure.axes)
    assert left.x1 < right.x0 and right.x1 <= figure.bbox.width


def test_lines_have_bands_and_bins_in_reading_order():
    table = pd.DataFrame({"x": [">=0.08", "<0.01", "0.01-0.08"], "y": [3.0, 1.0, 2.0], "name": "pixels"})
    table = table.assign(low=table["y"] - 0.5, high=table["y"] + 0.5)
    [axes] = figures.line_panels(table, "contrast", "error", mark_y=1.5).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["< 0.01", "0.01–0.08", "≥ 0.08"]
    assert list(axes.lines[0].get_ydata()) == [1.0, 2.0, 3.0]
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.5, 3.5) and axes.get_ylim()[1] > 3.5
