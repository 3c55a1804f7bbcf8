"""Bars, curves over bins, and what they refuse: what stands on the page is what stands in the rows."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import make_errors, make_rows, texts
from matplotlib.colors import to_hex

from lowtex.errors import DataError, OptionError
from lowtex_lab import plots as figures
from lowtex_lab.plots import tidy
from lowtex_lab.plots.style import METHODS, loss_styles, method_styles
from lowtex_lab.studies.loss_analysis import TERMS

CROSSED = ("low/<10 m", "low/10-20 m", "high/<10 m", "high/10-20 m")
ROWS = make_rows()
RATIOS = pd.DataFrame({"stratum": ["<0.01", "0.01-0.04", ">=0.04"], "ratio": [0.6, 0.8, 1.0]})
RATIOS = RATIOS.assign(method="ours", low=RATIOS["ratio"] - 0.1, high=RATIOS["ratio"] + 0.2)


def bars(axes):
    return {
        (to_hex(bar.get_facecolor()), round(bar.get_x() + bar.get_width() / 2)): bar.get_height()
        for bar in axes.patches
    }


def labels(axes):
    return [label.get_text() for label in axes.get_xticklabels()]


def test_bars_are_means_over_seeds_and_dots_are_the_seeds():
    # a kind's own 'all' is not counted twice
    again = ROWS[ROWS.stratum_kind == "none"].assign(stratum_kind="known")
    figure = figures.metric_bars(pd.concat([ROWS, again]).assign(scaling="x5.4", flip=True), "abs_rel", kind="known")
    assert "(no crop, cap 80 m, scaled x5.4, flip-averaged)" in texts(figure)
    axes = figure.axes[0]
    chosen = ROWS[ROWS.stratum_kind.isin(["none", "known"]) & (ROWS.metric == "abs_rel")]
    means = chosen.groupby(["experiment", "stratum"])["value"].mean()
    assert labels(axes) == ["all pixels", "low texture", "middle texture", "high texture"]
    strata = ["all", "low", "middle", "high"]
    expected = {(METHODS[m].color.lower(), strata.index(stratum)): mean for (m, stratum), mean in means.items()}
    assert bars(axes) == pytest.approx(expected)
    dots = sorted(float(y) for dots in axes.collections for y in dots.get_offsets()[:, 1])
    np.testing.assert_allclose(dots, sorted(chosen.value))


def test_curves_are_means_the_bars_span_the_seeds_and_pixel_shares_add_up():
    upper, lower = figures.error_vs_contrast(ROWS).axes
    chosen = ROWS[(ROWS.stratum_kind == "contrast") & (ROWS.metric == "abs_rel") & (ROWS.experiment == "baseline")]
    table = chosen.pivot_table(index="stratum", columns="seed", values="value").loc[["<0.01", "0.01-0.04", ">=0.04"]]
    np.testing.assert_allclose(upper.lines[0].get_ydata(), table.mean(axis=1))
    ends = [path.vertices[:, 1] for path in upper.collections[0].get_paths()]
    np.testing.assert_allclose(ends, table.agg(["min", "max"], axis=1))
    np.testing.assert_allclose([bar.get_height() for bar in lower.patches], np.array([1, 2, 3]) / 6)
    assert "one seed, so no spread is known" in texts(figures.error_vs_contrast(ROWS[ROWS["seed"] == 0]))


NOT_ALIKE = ({"protocol": "improved"}, {"scaling": "median"}, {"flip": True}, {"cap_m": 50.0}, {"profile": "x"})
TWICE = pd.concat([ROWS, ROWS.assign(value=1.0)])
KEYS = ROWS["experiment_key"].mask((ROWS.seed == 1) & (ROWS.stratum == "low"), "other")


@pytest.mark.parametrize(
    ("rows", "options", "kind", "told"),
    [
        (ROWS[:0], {}, DataError, "got no rows"),
        (ROWS, {"metric": "rmse"}, DataError, "no row has metric 'rmse'; there are: abs_rel, d1"),
        (TWICE, {"kind": "known"}, DataError, "two values for experiment 'baseline', seed 0"),
        (ROWS.assign(experiment_key=KEYS), {"kind": "known"}, DataError, "stands for several settings"),
        (ROWS, {}, OptionError, "choose kind= one of: known, contrast, distance"),
        (ROWS, {"kind": "gradient"}, OptionError, "no row has stratum_kind 'gradient'"),
    ],
)
def test_bars_refuse(rows, options, kind, told):
    with pytest.raises(kind, match=told):
        figures.metric_bars(rows, **options)


@pytest.mark.parametrize("changed", NOT_ALIKE)
def test_rows_that_cannot_be_compared_are_refused(changed):
    [name] = changed
    with pytest.raises(DataError, match=rf"differ in {name}.*keep one, e.g. rows\[rows.{name}"):
        figures.metric_bars(pd.concat([ROWS, ROWS.assign(**changed)]), kind="known")


def test_strata_are_read_and_ordered():
    assert tidy.interval("<10 m") == (-np.inf, 10) and tidy.interval(">=80 m") == (80, np.inf)
    assert tidy.interval("0.005-0.01") == (0.005, 0.01) and tidy.interval("low") is None
    assert tidy.in_order([">=80 m", "10-20 m", "<10 m", "all"]) == ["all", "<10 m", "10-20 m", ">=80 m"]
    assert tidy.in_order(["high", "b", "a", "low"]) == ["low", "high", "b", "a"]
    assert tidy.in_order(["high", "low/10-20 m", "low/<10 m"]) == ["low/<10 m", "low/10-20 m", "high"]
    with pytest.raises(DataError, match="not bins"):
        figures.error_by_distance(ROWS, kind="known")


def test_methods_and_terms_keep_their_looks_whoever_else_is_there():
    styles = method_styles(["zncc", "ours", "census", "baseline"])
    assert list(styles) == ["baseline", "ours", "zncc", "census"]
    assert styles["ours"] == METHODS["ours"] and styles["zncc"].color != styles["census"].color
    terms = loss_styles(TERMS)
    assert len({(look.color, str(look.linestyle)) for look in terms.values()}) == len(TERMS)
    assert all(loss_styles([name])[name] == look for name, look in terms.items())


def test_a_legend_of_two_rows_stays_clear_of_the_title():
    rows = make_rows(methods=[f"a method of a long name, number {n}" for n in range(7)])
    figure = figures.metric_bars(rows, "abs_rel", kind="known", title="A title")
    figure.draw_without_rendering()
    # the title ends in the lines that were left for the legend: its own text is the first of them
    title, legend = figure._suptitle.get_window_extent(), figure.legends[0].get_window_extent()
    assert figure._suptitle.get_text().count("\n") == 2 and legend.y1 < title.y1 - title.height / 3


def test_curves_intervals_and_ratios_are_those_of_the_tables():
    figure = figures.errors_over_bins(make_errors(), RATIOS)
    upper, middle, lower = figure.axes
    lines = {line.get_label(): line for line in upper.lines}
    np.testing.assert_allclose(lines["baseline"].get_ydata(), [0.20, 0.21, 0.22])
    ends = [path.vertices[:, 1] for path in upper.collections[0].get_paths()]
    np.testing.assert_allclose(ends, [[0.18, 0.22], [0.19, 0.23], [0.20, 0.24]])
    first, second = (line.get_xdata() for line in upper.lines)
    assert (second > first).all() and second.max() < 2.5, "methods stand side by side"
    drawn = next(line for line in middle.lines if len(line.get_ydata()) == 3)
    np.testing.assert_allclose(drawn.get_ydata(), [0.6, 0.8, 1.0])
    assert middle.get_yscale() == "log" and "ratio to baseline" in middle.get_ylabel()
    assert labels(lower) == ["< 0.01", "0.01–0.04", "≥ 0.04"]


def test_intervals_and_seeds_are_told_once():
    words = texts(figures.errors_over_bins(make_errors(seeds=1)))
    assert "one seed, so no interval" in words and "95%" not in words
    some = pd.concat([make_errors(methods=["baseline"], seeds=1), make_errors(methods=["ours"])])
    words = texts(figures.errors_over_bins(some))
    assert "none from one seed" in words and "1 to 5 seeds" in words
    words = texts(figures.errors_over_bins(make_errors(), caption="quick profile, 1 to 5 seeds"))
    assert "1 to 5 seeds" in words and "· 5 seeds" not in words, "never two numbers of seeds"


def test_crossed_strata_get_a_panel_each():
    tall = make_errors(CROSSED)
    tall.loc[tall["stratum"].str.startswith("high"), ["error", "low", "high"]] += 1
    figure = figures.errors_over_bins(tall, RATIOS.assign(stratum=list(CROSSED[:3])))
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["low texture", "high texture"]
    assert figure.axes[0].get_ylim()[1] > 1.2, "a later panel's curve is not cut off"


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        (make_errors(strata=()), "no strata beside"),
        (make_errors([f"{name}/<10 m" for name in "abcde"]), "at most 4 panels"),
    ],
)
def test_curves_refuse(errors, told):
    with pytest.raises(DataError, match=told):
        figures.errors_over_bins(errors)
