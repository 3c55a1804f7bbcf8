"""Curves, lines in panels, scatter and scan lines: what is drawn is what stands in the tables."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import make_landscape, make_log, texts

from lowtex.errors import DataError
from lowtex_lab import plots as figures
from lowtex_lab.plots.saving import refuse_blank
from lowtex_lab.plots.style import loss_styles
from lowtex_lab.studies.loss_analysis import TERMS


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


TITLES = {"read": "share of the input that is read by anything at all, by whatever way", "rank": "dimensions"}


def measured(seeds=(0, 1, 2), **changes) -> pd.DataFrame:
    values = {
        ("baseline", "read"): 0.25,
        ("encoder", "read"): 0.75,
        ("baseline", "rank"): 0.1,
        ("encoder", "rank"): 0.3,
    }
    rows = [
        (name, seed, stage, quantity, value + 0.01 * seed - 0.02 * stage)
        for (name, quantity), value in values.items()
        for seed in seeds
        for stage in (1, 2, 3, 4)
    ]
    columns = ["experiment", "seed", "stage", "quantity", "value"]
    return pd.DataFrame(rows, columns=columns).assign(images=24, **changes)


def points(**changes) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "panel": ["one", "one", "two", "two"],
            "x": [0.1, -0.2, 3.0, 5.0],
            "y": [0.9, 1.1, 0.8, 1.3],
            "name": ["pixels", "features"] * 2,
            **changes,
        }
    )


def lines() -> pd.DataFrame:
    table = measured()
    return table.assign(
        x=table["stage"], y=table["value"], name=table["experiment"], panel=table["quantity"].map(TITLES)
    )


def test_lines_of_several_seeds_are_their_means_and_every_seed_is_a_dot():
    marks = {TITLES["read"]: 0.25}
    figure = figures.line_panels(lines(), "stage", "", "Stages", "12 images", mark_y=marks, share_y=False)
    refuse_blank(figure)
    assert {"Stages", "12 images", "baseline", "encoder", "stage"} <= set(texts(figure).splitlines())
    first, second = figure.axes
    assert " ".join(first.get_title(loc="left").split()) == TITLES["read"]
    means = {line.get_label(): line.get_ydata() for line in first.lines if not line.get_label().startswith("_")}
    assert means["encoder"] == pytest.approx(0.76 - 0.02 * np.arange(1, 5))
    dots = [line for line in first.lines if line.get_linestyle() == "None"]
    assert sum(len(line.get_ydata()) for line in dots) == 2 * 3 * 4
    # two experiments never hide each other
    assert not set(dots[0].get_xdata()) & set(dots[1].get_xdata())
    assert [line.get_linestyle() for line in second.lines].count(":") == 0
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


def test_a_scatter_has_a_panel_a_quantity_and_a_colour_a_name():
    figure = figures.scatter_panels(points(), "ratio of errors", "Together?", "2 pairs", mark=(0.0, 1.0))
    refuse_blank(figure)
    told = texts(figure)
    assert all(part in told for part in ("one", "two", "ratio of errors", "Together?", "2 pairs", "pixels", "features"))
    dots = [line for line in figure.axes[1].lines if line.get_linestyle() == "None"]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in dots] == [(3.0, 0.8), (5.0, 1.3)]
    assert [dot.get_color() for dot in dots] == [figures.METHODS[name].color for name in ("baseline", "ours")]


def test_a_scatters_numbers_do_not_run_into_each_other():
    table = pd.concat([points(x=[-0.151, -0.149, 0.0001, 0.0002]).assign(panel=panel) for panel in "abc"])
    figure = figures.scatter_panels(table, "ratio", "Together?", mark=(0.0, 1.0))
    figure.draw_without_rendering()
    for axes in figure.axes:
        ticks = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert len(ticks) >= 3 and all(a.x1 < b.x0 for a, b in zip(ticks[:-1], ticks[1:], strict=True))


@pytest.mark.parametrize("table", [points(x=[0.1, np.nan, 3.0, 5.0]), points().drop(columns="panel"), points()[:0]])
def test_a_scatter_refuses(table):
    with pytest.raises(DataError, match="scatter_panels"):
        figures.scatter_panels(table, "ratio", "Together?")


def test_every_term_has_a_look_of_its_own_whoever_stands_beside_it():
    styles = loss_styles(TERMS)
    assert len({(s.color, str(s.linestyle)) for s in styles.values()}) == len(TERMS)
    for name in TERMS:
        assert loss_styles([name])[name] == styles[name]
