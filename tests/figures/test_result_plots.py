"""Bars, curves over bins, and what they refuse: what stands on the page is what stands in the rows."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import make_rows, texts
from matplotlib.colors import to_hex

from lowtex.errors import DataError, OptionError
from lowtex_lab import plots as figures
from lowtex_lab.plots import tidy
from lowtex_lab.plots.saving import refuse_blank
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


BINS = ("<0.01", "0.01-0.04", ">=0.04")
CROSSED = ("low/<10 m", "low/10-20 m", "high/<10 m", "high/10-20 m")


def errors(strata=BINS, methods=("baseline", "ours"), seeds=5, **more):
    lines = []
    for m, method in enumerate(methods):
        for s, stratum in enumerate((*strata, "all")):
            value = 0.2 - 0.05 * m + 0.01 * s
            spread = 0.02 if seeds > 1 else np.nan
            lines.append({"experiment": method, "stratum": stratum, "metric": "abs_rel", "error": value,
                          "low": value - spread, "high": value + spread, "seeds": seeds, "images": 40 - s,
                          "pixels": 1000 * (s + 1), "protocol": "vkitti2_dense", "profile": "quick",
                          "miniature": True, **more})  # fmt: skip
    return pd.DataFrame(lines)


def ratios(strata=BINS):
    lines = [{"method": "ours", "stratum": stratum, "ratio": 0.6 + 0.2 * s, "low": 0.5 + 0.2 * s, "high": 0.8 + 0.2 * s}
             for s, stratum in enumerate((*strata, "all"))]  # fmt: skip
    return pd.DataFrame(lines)


def test_curves_intervals_and_ratios_are_those_of_the_tables():
    figure = figures.errors_over_bins(errors(), ratios(), caption="a caption")
    refuse_blank(figure)
    upper, middle, lower = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in upper.lines}
    assert list(lines) == ["baseline (5 seeds)", "ours (the paper's) (5 seeds)"]
    np.testing.assert_allclose(lines["baseline (5 seeds)"], [0.20, 0.21, 0.22])
    ends = [path.vertices[:, 1] for path in upper.collections[0].get_paths()]
    np.testing.assert_allclose(ends, [[0.18, 0.22], [0.19, 0.23], [0.20, 0.24]])
    drawn = next(line for line in middle.lines if len(line.get_ydata()) == 3)
    np.testing.assert_allclose(drawn.get_ydata(), [0.6, 0.8, 1.0])
    assert middle.get_yscale() == "log" and "ratio to baseline" in middle.get_ylabel()
    heights = [bar.get_height() for bar in lower.patches]
    np.testing.assert_allclose(heights, np.array([1, 2, 3]) / 6)
    words = texts(figure)
    for part in ("n = 38 to 40 images", "95% intervals", "protocol vkitti2_dense", "miniature data", "a caption"):
        assert part in words
    assert [label.get_text() for label in lower.get_xticklabels()] == ["< 0.01", "0.01–0.04", "≥ 0.04"]


def test_methods_stand_side_by_side():
    upper = figures.errors_over_bins(errors()).axes[0]
    first, second = (line.get_xdata() for line in upper.lines)
    assert (second > first).all() and second.max() < len(BINS) - 0.5


def test_one_seed_has_no_interval_and_says_so():
    figure = figures.errors_over_bins(errors(seeds=1))
    assert "one seed, so no interval" in texts(figure) and "95%" not in texts(figure)
    mixed = pd.concat([errors(methods=["baseline"], seeds=1), errors(methods=["ours"])])
    words = texts(figures.errors_over_bins(mixed))
    assert "none from one seed" in words and "baseline (1 seed)" in words


def test_crossed_strata_and_given_panels():
    figure = figures.errors_over_bins(errors(CROSSED), ratios(CROSSED), axis="true distance in m")
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["low texture", "high texture"]
    assert "true distance in m" in texts(figure)
    tall = errors(CROSSED)
    tall.loc[tall["stratum"].str.startswith("high"), ["error", "low", "high"]] += 1
    assert figures.errors_over_bins(tall).axes[0].get_ylim()[1] > 1.2, "a later panel's curve is not cut off"
    swept = errors().rename(columns={"stratum": "bin"})
    swept = swept[swept["bin"] != "all"].assign(panel="all", stratum="all")
    figure = figures.errors_over_bins(swept, pixels=False)
    assert len(figure.axes) == 1 and figure.axes[0].get_title(loc="left") == "all pixels"


def test_refusals():
    with pytest.raises(DataError, match="no strata beside"):
        figures.errors_over_bins(errors(strata=()))
    with pytest.raises(DataError, match="each method once"):
        figures.errors_over_bins(pd.concat([errors(), errors()]))
    with pytest.raises(DataError, match="at most 4 panels"):
        figures.errors_over_bins(errors([f"{name}/<10 m" for name in "abcde"]))
    with pytest.raises(DataError, match="needs the column"):
        figures.errors_over_bins(errors().drop(columns="low"))
