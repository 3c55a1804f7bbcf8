"""Curves, and the drawings that compute what they show."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import make_landscape, make_log, texts

from lowtex.errors import DataError
from lowtex_lab import plots as figures


def test_training_curves_draw_the_log_as_it_is():
    log = make_log()
    figure = figures.training_curves(log, terms=["loss"])
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), log[log.experiment == "baseline"].loss)
    assert "learning rate" not in texts(figures.training_curves(log))


def test_a_term_that_spans_decades_gets_a_logarithmic_axis():
    figure = figures.training_curves(make_log())
    scales = {axes.get_title(loc="left"): axes.get_yscale() for axes in figure.axes}
    assert scales == {"loss": "linear", "smooth first": "log"}


def test_training_curves_name_an_unknown_term():
    with pytest.raises(DataError, match="no term nonsense; the log has: loss, smooth_first"):
        figures.training_curves(make_log(), terms=["nonsense"])
    with pytest.raises(DataError, match="needs the column step"):
        figures.training_curves(pd.DataFrame({"loss": [1.0]}))


def test_a_flat_loss_stays_flat_beside_its_value_elsewhere():
    """The reason for one scale a loss: scaled by its own panel, a white wall would look like a textured facade."""
    figure = figures.loss_landscape(make_landscape())
    pixels = {axes.get_title(loc="left"): axes.lines[0].get_ydata() for axes in figure.axes}
    assert pixels["A"].max() == pytest.approx(1.0)
    assert pixels["B"].max() == pytest.approx(0.1)


def test_loss_landscape_marks_truth_and_minimum_and_needs_rows():
    tried = np.linspace(0, 10, 11)
    curves = pd.DataFrame({"loss": "pixels", "disparity_px": tried, "value": (tried - 4) ** 2})
    lines = figures.loss_landscape(curves, truth_px=4.0, relative=False).axes[0].lines
    assert any(np.allclose(line.get_xdata(), 4.0) and line.get_linestyle() == "--" for line in lines)
    assert any(line.get_marker() == "v" and line.get_xdata()[0] == 4.0 for line in lines)
    with pytest.raises(DataError, match="loss_landscape needs the columns loss, disparity_px, value"):
        figures.loss_landscape(pd.DataFrame())


def test_timeline_places_tasks_and_needs_its_columns():
    run = pd.DataFrame({"name": ["a", "b"], "start_s": [0.0, 5.0], "seconds": [5.0, 20.0]})
    figure = figures.timeline(run)
    assert [(bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches] == [(0.0, 5.0), (5.0, 20.0)]
    assert "2 tasks · 25.0 s of work · 25.0 s wall time" in texts(figure)
    figure = figures.timeline(run.assign(training_s=[0.0, 12.0]))
    bars = [(bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches]
    assert bars == [(0.0, 5.0), (5.0, 20.0), (5.0, 12.0)]
    assert "25.0 s of work, 12.0 s of it training · 25.0 s wall time" in texts(figure)
    with pytest.raises(DataError, match="timeline needs the column seconds"):
        figures.timeline(run.drop(columns="seconds"))
