"""Panels for teaching: depth maps on one scale in metres, and lines over a common axis."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import texts

from lowtex.errors import DataError
from lowtex_lab import plots as figures

NEAR, FAR = np.full((1, 12, 36), 5.0), np.full((12, 36), 50.0)
CURVES = pd.DataFrame({"x": [0, 1, 2] * 2, "y": [1.0, 2.0, 3.0, 3.0, 2.0, 1.0], "name": ["rises"] * 3 + ["falls"] * 3})


def test_depth_maps_share_one_scale_and_no_depth_is_grey():
    holes = NEAR.copy()
    holes[0, 0, 0] = 0
    figure = figures.depth_grid({"near": holes, "far": FAR, "picture": np.zeros((3, 12, 36))}, "Title")
    assert {"near", "far", "picture", "Title", "depth in m", "grey: no value"} <= set(texts(figure).splitlines())
    images = {axes.get_title(loc="left"): axes.images[0] for axes in figure.axes if axes.images}
    assert images["near"].norm.vmin == images["far"].norm.vmin and images["near"].norm.vmax == images["far"].norm.vmax
    assert np.ma.getmaskarray(images["near"].get_array())[0, 0] and images["picture"].get_array().shape == (12, 36, 3)


def test_a_grid_without_depth_is_refused():
    with pytest.raises(ValueError, match="one of them a depth map, got 1"):
        figures.depth_grid({"picture": np.zeros((3, 12, 36))}, "Title")


def test_lines_are_the_rows_given_and_the_truth_is_marked():
    figure = figures.line_panels(CURVES, "shift", "error", "Title", mark_x=1.5, mark_label="truth")
    axes = figure.axes[0]
    drawn = {line.get_label(): line for line in axes.lines}
    assert list(drawn["falls"].get_ydata()) == [3.0, 2.0, 1.0] and list(drawn["truth"].get_xdata()) == [1.5, 1.5]
    assert axes.get_ylim()[0] == 0
    assert {"shift", "error", "Title", "rises", "falls", "truth"} <= set(texts(figure).splitlines())


def test_each_panel_holds_its_own_rows():
    split = CURVES.assign(panel=["A"] * 3 + ["B"] * 3)
    figure = figures.line_panels(split, "shift", "error")
    shown = {axes.get_title(loc="left"): [line.get_label() for line in axes.lines] for axes in figure.axes}
    assert shown == {"A": ["rises"], "B": ["falls"]}


@pytest.mark.parametrize("from_zero", [True, False])
def test_a_higher_curve_in_a_later_panel_is_not_cut_off(from_zero):
    split = CURVES.assign(panel=["A"] * 3 + ["B"] * 3)
    split.loc[split["panel"] == "B", "y"] += 100
    figure = figures.line_panels(split, "shift", "error", from_zero=from_zero)
    for axes in figure.axes:
        assert axes.get_ylim()[1] >= split["y"].max() and (not from_zero or axes.get_ylim()[0] == 0)


def test_rows_without_the_columns_are_refused():
    with pytest.raises(DataError, match="name"):
        figures.line_panels(CURVES.drop(columns="name"), "shift", "error")
