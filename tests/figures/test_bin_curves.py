"""Curves over bins with intervals: what is drawn is what stands in the tables, and n is always said."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import texts

from lowtex.errors import DataError
from lowtex_lab import plots as figures
from lowtex_lab.plots.saving import refuse_blank

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
