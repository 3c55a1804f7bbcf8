"""Figures of what was measured inside networks: where the dots are, what is said, what is refused."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import texts

from lowtex.errors import DataError
from lowtex_lab import plots as figures
from lowtex_lab.plots.saving import redraw_card, refuse_blank, save_figure

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


@pytest.mark.parametrize("name", ["line_panels", "scatter_panels"])
def test_drawn_again_from_what_was_kept(name, tmp_path):
    made = {
        "line_panels": lambda: figures.line_panels(lines(), "stage", "", "Stages"),
        "scatter_panels": lambda: figures.scatter_panels(points(), "ratio", "Together?"),
    }[name]()
    picture = save_figure(made, tmp_path / name)
    before = picture.read_bytes()
    picture.unlink()
    redraw_card(picture.with_suffix(".json"))
    assert picture.read_bytes() == before
