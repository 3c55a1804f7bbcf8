"""Figures of rows: what stands on the page is what stands in the rows, and rows that differ in kind do not mix."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import make_rows, texts
from matplotlib.colors import to_hex

from lowtex.errors import DataError, OptionError
from lowtex_lab import plots as figures
from lowtex_lab.plots import tidy
from lowtex_lab.plots.style import METHODS, depth_colormap, method_styles


def _bars(axes):
    return {
        (to_hex(bar.get_facecolor()), round(bar.get_x() + bar.get_width() / 2)): bar.get_height()
        for bar in axes.patches
    }


def test_bars_are_means_over_seeds_and_dots_are_the_seeds(rows):
    axes = figures.metric_bars(rows, "abs_rel", kind="known").axes[0]
    heights = _bars(axes)
    groups = [label.get_text() for label in axes.get_xticklabels()]
    assert groups == ["all pixels", "low texture", "middle", "high texture"]
    for method in ("baseline", "ours"):
        for position, stratum in enumerate(["all", "low", "middle", "high"]):
            kind = "none" if stratum == "all" else "known"
            chosen = rows[(rows.experiment == method) & (rows.stratum == stratum) & (rows.stratum_kind == kind)]
            expected = chosen[chosen.metric == "abs_rel"].value.mean()
            assert heights[METHODS[method].color.lower(), position] == pytest.approx(expected)
    dots = sorted(float(y) for dots in axes.collections for y in dots.get_offsets()[:, 1])
    chosen = rows[rows.stratum_kind.isin(["none", "known"]) & (rows.metric == "abs_rel")]
    np.testing.assert_allclose(dots, sorted(chosen.value))


def test_one_seed_says_so_and_draws_no_spread():
    figure = figures.metric_bars(make_rows(seeds=(0,)), kind="known")
    assert "one seed, so no spread is known" in texts(figure)
    assert not figure.axes[0].collections


def test_bars_by_another_column_use_whole_images(rows):
    other = rows.assign(eval_data="kitti", value=rows.value * 2)
    axes = figures.metric_bars(pd.concat([rows, other]), by="eval_data").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["vkitti2", "kitti"]
    whole = rows[
        (rows.stratum_kind == "none") & (rows.metric == "abs_rel") & (rows.experiment == "baseline")
    ].value.mean()
    assert _bars(axes)[METHODS["baseline"].color.lower(), 1] == pytest.approx(2 * whole)


def test_curves_are_means_and_the_band_spans_the_seeds(rows):
    axes = figures.error_vs_contrast(rows).axes[0]
    chosen = rows[(rows.stratum_kind == "contrast") & (rows.metric == "abs_rel") & (rows.experiment == "baseline")]
    table = chosen.pivot_table(index="stratum", columns="seed", values="value").loc[["<0.01", "0.01-0.04", ">=0.04"]]
    line = next(line for line in axes.lines if line.get_label() == "baseline")
    np.testing.assert_allclose(line.get_ydata(), table.mean(axis=1))
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(table.min().min()) and band.max() == pytest.approx(table.max().max())


def test_pixel_shares_add_up(rows):
    shares = [bar.get_height() for bar in figures.error_vs_contrast(rows).axes[1].patches]
    np.testing.assert_allclose(shares, np.array([1, 2, 3]) / 6)


@pytest.mark.parametrize("column", ["stratum", "seed", "metric", "images"])
def test_a_missing_column_is_named(rows, column):
    with pytest.raises(DataError, match=f"metric_bars needs the column {column}"):
        figures.metric_bars(rows.drop(columns=column), kind="known")


def test_no_rows_and_no_such_metric(rows):
    with pytest.raises(DataError, match="got no rows"):
        figures.metric_bars(rows[:0])
    with pytest.raises(DataError, match="no row has metric 'rmse'; there are: abs_rel, d1"):
        figures.metric_bars(rows, "rmse")


@pytest.mark.parametrize(
    ("column", "value"),
    [("protocol", "improved"), ("scaling", "median"), ("flip", True), ("cap_m", 50.0), ("profile", "x")],
)
def test_rows_that_cannot_be_compared_do_not_share_an_axis(rows, column, value):
    mixed = pd.concat([rows, rows.assign(**{column: value})])
    with pytest.raises(DataError, match=f"differ in {column}.*keep one, e.g. rows\\[rows.{column} =="):
        figures.metric_bars(mixed, kind="known")


def test_two_values_for_one_place(rows):
    twice = pd.concat([rows, rows.assign(value=rows.value + 1)])
    with pytest.raises(DataError, match="two values for experiment 'baseline', seed 0"):
        figures.metric_bars(twice, kind="known")


def test_one_experiment_name_for_two_settings(rows):
    mixed = rows.copy()
    mixed.loc[(mixed.seed == 1) & (mixed.stratum == "low"), "experiment_key"] = "other"
    with pytest.raises(DataError, match="stands for several settings"):
        figures.metric_bars(mixed, kind="known")


def test_several_kinds_of_strata_need_a_choice(rows):
    with pytest.raises(OptionError, match="choose kind= one of: known, contrast, distance"):
        figures.metric_bars(rows)
    with pytest.raises(OptionError, match="no row has stratum_kind 'gradient'"):
        figures.metric_bars(rows, kind="gradient")


def test_strata_that_are_no_bins(rows):
    with pytest.raises(DataError, match="not bins"):
        figures.error_by_distance(rows, kind="known")


def test_a_kind_s_own_all_is_not_counted_twice(rows):
    again = rows[rows.stratum_kind == "none"].assign(stratum_kind="known")
    axes = figures.metric_bars(pd.concat([rows, again]), kind="known").axes[0]
    assert len(axes.patches) == 8


def test_intervals():
    assert tidy.interval("<10 m") == (-np.inf, 10) and tidy.interval(">=80 m") == (80, np.inf)
    assert tidy.interval("0.005-0.01") == (0.005, 0.01) and tidy.interval("low") is None
    assert tidy.in_order([">=80 m", "10-20 m", "<10 m", "all"]) == ["all", "<10 m", "10-20 m", ">=80 m"]
    assert tidy.in_order(["high", "b", "a", "low"]) == ["low", "high", "b", "a"]


def test_named_methods_keep_their_colour_whoever_else_is_there():
    styles = method_styles(["zncc", "ours", "census", "baseline"])
    assert list(styles) == ["baseline", "ours", "zncc", "census"]
    assert styles["ours"] == METHODS["ours"] and styles["zncc"].color != styles["census"].color


def test_methods_are_told_apart_by_colour_blind_readers():
    from matplotlib.colors import to_rgb

    # Machado et al. 2009, severity 1, in linear RGB
    lacks = {
        "red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    }
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])

    def lab(color, matrix):
        rgb = np.array(to_rgb(color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        t = xyz @ np.clip(np.array(matrix) @ linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
        f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    for name, matrix in {"none": np.eye(3), **lacks}.items():
        seen = {method: lab(style.color, matrix) for method, style in METHODS.items()}
        for a in seen:
            for b in seen:
                if a < b:
                    assert np.linalg.norm(seen[a] - seen[b]) > 15, f"{a} and {b} look alike to readers who lack {name}"


def test_near_is_bright():
    lightness = [sum(depth_colormap()(value)[:3]) for value in (0.0, 0.5, 1.0)]
    assert lightness[0] > lightness[1] > lightness[2]


def test_many_data_sets_are_counted_and_their_labels_do_not_touch():
    names = ["clone", "15-deg-left", "30-deg-right", "fog", "morning", "rain"]
    rows = pd.concat([make_rows().assign(eval_data=f"vkitti2 {name}") for name in names])
    figure = figures.metric_bars(rows, "abs_rel", by="eval_data")
    assert "6 data sets, eigen_like/test" in texts(figure)
    figure.draw_without_rendering()
    boxes = sorted((t.get_window_extent() for t in figure.axes[0].get_xticklabels()), key=lambda box: box.x0)
    assert len(boxes) == 6 and all(a.x1 < b.x0 for a, b in zip(boxes, boxes[1:], strict=False))
    few = figures.metric_bars(rows[rows["eval_data"].isin(["vkitti2 fog", "vkitti2 rain"])], by="eval_data")
    assert "vkitti2 fog eigen_like/test + vkitti2 rain eigen_like/test" in texts(few)


def test_a_legend_of_two_rows_stays_clear_of_the_title():
    rows = make_rows(methods=[f"a method of a long name, number {n}" for n in range(7)])
    figure = figures.metric_bars(rows, "abs_rel", kind="known", title="A title")
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    # the title ends in the lines that were left for the legend: its own text is the first of them
    title, legend = figure._suptitle.get_window_extent(renderer), figure.legends[0].get_window_extent(renderer)
    lines = figure._suptitle.get_text().count("\n") + 1
    assert lines == 3 and legend.y1 < title.y1 - title.height / lines


def test_the_caption_names_every_scaling():
    rows = make_rows(kinds=("none",))
    assert "no scaling)" in tidy.caption(rows)
    both = pd.concat([rows, rows.assign(scaling="median"), rows.assign(scaling="x5.4")])
    assert "no scaling and median-scaled and scaled x5.4)" in tidy.caption(both)
