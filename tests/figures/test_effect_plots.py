"""Effects, claims, combinations and weights: what they say, where they put it, and what they refuse."""

from functools import cache
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from figure_samples import check_whole, texts
from made_scores import FACTORS, design, factorial_scores

from lowtex.errors import DataError
from lowtex_lab import plots as figures
from lowtex_lab.studies.stats.effect_rules import corrected
from lowtex_lab.studies.stats.effects import compare, seed_errors
from lowtex_lab.studies.stats.factorial import factorial_effects, interaction_means

LOW = {"stratum": "low", "kind": "known", "seed_noise": 0.02, "miniature": True}


@cache
def scores() -> pd.DataFrame:
    """Five seeds: features halve the error, and quarter that of low texture."""
    truth = {("data term",): np.log(0.5), ("skips",): np.log(1.3)}
    everywhere = factorial_scores(truth, seed_noise=0.02, image_noise=0.05, miniature=True)
    return pd.concat([everywhere, factorial_scores({("data term",): np.log(0.25)}, **LOW)])


@cache
def effects() -> pd.DataFrame:
    return factorial_effects(scores(), design(), stratum_kind="known", times=300)


@cache
def means() -> pd.DataFrame:
    errors = seed_errors(scores(), design().experiments, stratum_kind="known")
    return interaction_means(errors, design(), "data term", "skips")


@cache
def cells() -> pd.DataFrame:
    """Three seeds of all combinations, whose errors all differ."""
    three = scores()[scores()["seed"] < 3]
    return seed_errors(three, design().experiments, stratum_kind="known")


def spoilt() -> pd.DataFrame:
    """One training of `cells` did not learn."""
    broken = (cells()["experiment"] == "----") & (cells()["seed"] == 1)
    return cells().assign(error=cells()["error"].where(~broken, 9.0), learnt=~broken)


def lonely() -> pd.DataFrame:
    """One comparison by one seed, on images held fixed."""
    return compare(scores()[scores()["seed"] == 0], [("++++", "----")], clusters="fixed", times=100)


def sweep() -> pd.DataFrame:
    curves = pd.DataFrame({"weight": (0, 1e-3, 1e-2), "pixels": (0.3, 0.2, 0.25), "features": (0.1, 0.09, 0.08)})
    curves = curves.melt("weight", var_name="method", value_name="error").assign(images=20)
    return pd.concat(curves.assign(seed=seed, error=curves["error"] * (1 + 0.01 * seed)) for seed in (0, 1))


CLAIMS = """claim,comparison,ratio,low,high,says,seeds,asked,images,firm
first claim,a / b,0.7,0.6,0.8,yes,5,1,40,True
first claim,a / c,1.1,0.9,1.3,undecided,4,1,40,False
second claim,c / d,1.2,1.1,1.3,no,3,0.5,12,False
second claim,c / g,0.9,0.85,0.97,points to yes,3,1,12,False
third claim,e / f,,,,no numbers,0,1,40,False"""


def claims() -> pd.DataFrame:
    table = pd.read_csv(StringIO(CLAIMS), keep_default_na=False, na_values={"ratio": "", "low": "", "high": ""})
    return table.assign(place="all pixels", miniature=True)


def drawn_cells(errors, **options):
    return figures.factorial_cells(errors, FACTORS, design().cells, **options)


SAYS = {
    "forest": (
        lambda: figures.effect_forest(effects()),
        "all pixels|low texture|data term × skips|ratio of errors (left of 1: better)|helps|harms|0.50|0.25|1.30|"
        "5 seeds|40 images drawn as 10 stretches|changes under 2%|AbsRel|miniature data|a × b below 1",
        "corrected",
    ),
    "forest, corrected": (
        lambda: figures.effect_forest(corrected(effects())),
        "verdicts corrected for 30 comparisons",
        "cannot be judged",
    ),
    "forest of comparisons, one seed": (
        lambda: figures.effect_forest(lonely(), title="Against the baseline"),
        "Against the baseline|++++ / ----|40 images, images held fixed|cannot be judged|1 seed",
        "a × b|helps",
    ),
    "interaction": (
        lambda: figures.interaction_plot(means()),
        "skips: plain|skips: nested|pixels|features|all pixels|low texture|5 seeds, 40 images|"
        "geometric mean of 4 combinations|miniature data|Do data term and skips act together?|-75 %",
        "factorial",
    ),
    "weights": (
        lambda: figures.weight_curves(sweep(), miniature=True),
        "pixels: 0.001 chosen (0.201)|features: 0.01 chosen (0.080) at the end|2 seeds|20 images|smoothness weight|"
        "on validation scenes|a weight beyond those tried may be better",
        "1 seed",
    ),
    "weights of unequal seeds": (
        lambda: figures.weight_curves(sweep().query("method == 'pixels' or seed == 0")),
        ", 2 seeds)|, 1 seed) at the end",
        "miniature",
    ),
    "cells": (
        lambda: drawn_cells(cells(), names={"++++": "ours"}),
        "all pixels|low texture|3 seeds, 40 images|data term: features|open: pixels|ours|miniature data|AbsRel",
        "did not learn",
    ),
    "cells, spoilt": (
        lambda: drawn_cells(spoilt()),
        "crosses: 1 training that did not learn",
        "crosses: 2",
    ),
    "claims": (
        lambda: figures.claim_effects(claims()),
        "first claim|a / b · all pixels|second claim|says yes|says no|points to yes|undecided|3 to 5 seeds|"
        "12 to 40 images|thick lines: firm|open marks in colour: the correction|share that is asked for|"
        "1 comparison without numbers left out|miniature data",
        "e / f",
    ),
    "a lonely claim": (
        lambda: figures.claim_effects(
            claims().iloc[:1].assign(low=np.nan, high=np.nan, says="too few", firm=False, seeds=1)
        ),
        "too few seeds or images",
        "second claim|firm|open marks",
    ),
}
"""What is drawn, the words it must show, and those it must not."""


@cache
def drawn(name):
    """One of them; no test changes what it draws."""
    return SAYS[name][0]()


@pytest.mark.parametrize("name", SAYS)
def test_says_what_it_should_within_its_edges(name):
    _, shown, absent = SAYS[name]
    figure = drawn(name)
    words = texts(figure)
    assert not [part for part in shown.split("|") if part not in words], words
    assert not [part for part in absent.split("|") if part in words], words
    check_whole(figure)


def test_forest_puts_points_and_intervals_at_their_ratios():
    first = drawn("forest").axes[0]
    # the first line of effects is the encoder, the second the data term: point and interval at its ratio
    line = effects().query("effect == 'data term' and stratum == 'all'").iloc[0]
    at = [one.get_xdata() for one in first.lines if len(one.get_ydata()) and np.all(np.asarray(one.get_ydata()) == 1)]
    assert [list(map(float, x)) for x in at] == [[line["low"], line["high"]], [line["ratio"]]]


def test_weight_curves_mark_the_chosen_one():
    axes = drawn("weights").axes[0]
    rings = [(float(x.get_xdata()[0]), float(x.get_ydata()[0])) for x in axes.lines if x.get_markersize() == 16]
    assert rings == [(0.001, pytest.approx(0.201)), (0.01, pytest.approx(0.0804))]
    ticks = dict(zip([t.get_text() for t in axes.get_xticklabels()], axes.get_xticks(), strict=True))
    assert 0 < ticks["0"] < ticks["0.001"] == 0.001, "weight 0 has a place left of the others"
    assert "may be better" not in texts(figures.weight_curves(sweep().query("method == 'pixels'")))


def marks(axes) -> list[list[bool]]:
    """Filled or not, factor by factor, left to right."""
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    found = sorted((d.get_ydata()[0], d.get_xdata()[0], d.get_markerfacecolor() != "white") for d in dots)
    return [[filled for y, _, filled in found if y == row] for row in sorted({y for y, _, _ in found})]


def test_cells_are_sorted_and_their_marks_say_what_they_are():
    figure = drawn("cells")
    errors = cells().query("stratum == 'all'").groupby("experiment")["error"].mean().sort_values()
    order = list(errors.index)
    assert marks(figure.axes[-1]) == [[name[row] == "+" for name in order] for row in range(4)]
    assert figure.axes[-1].get_xticklabels()[order.index("++++")].get_text() == "ours"
    assert [text.get_text() for text in figure.axes[0].texts] == [f"{value:.3f}" for value in errors]


def test_a_training_that_did_not_learn_is_off_the_scale_and_in_no_mean():
    axes = drawn("cells, spoilt").axes[0]
    left = cells().query("experiment == '----' and stratum == 'all' and seed != 1")["error"].mean()
    assert axes.get_ylim()[1] < 1 and f"{left:.3f}" in [text.get_text() for text in axes.texts]


def test_claims_lie_at_their_intervals_look_as_they_are_judged_and_none_squeezes_the_others():
    lines = drawn("claims").axes[0].lines
    level = [line for line in lines if len(line.get_xdata()) == 2 and np.ptp(line.get_ydata()) < 1e-6]
    ends = [(0.6, 0.8), (0.9, 1.3), (1.1, 1.3), (0.85, 0.97)]
    assert [tuple(np.round(line.get_xdata(), 6)) for line in level] == ends
    looks = {float(x.get_xdata()[0]): x for x in lines if x.get_marker() in "os" and len(x.get_xdata()) == 1}
    assert {ratio for ratio, mark in looks.items() if mark.get_markerfacecolor() == "white"} == {1.1, 0.9}
    colors = {ratio: mark.get_color() for ratio, mark in looks.items()}
    assert colors[0.9] == colors[0.7] != colors[1.1], "what the correction alone prevents has its colour"
    firm, *others = (line.get_linewidth() for line in level)
    assert firm > 2 * others[0] and len(set(others)) == 1
    wide = claims().iloc[:2].assign(high=[0.8, 1e6])
    assert figures.claim_effects(wide).axes[0].get_xlim()[1] < 5


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (lambda: figures.effect_forest(pd.concat([effects(), effects()])), "each effect once"),
        (lambda: figures.effect_forest(effects().iloc[:0]), "got no rows"),
        (lambda: figures.interaction_plot(pd.concat([means(), means().assign(second="a")])), "one pair of factors"),
        (lambda: figures.weight_curves(sweep().query("weight == 0")), "no weight above 0"),
        (lambda: drawn_cells(cells().query("experiment != '+---'")), r"no rows of \+---"),
        (lambda: figures.claim_effects(claims().iloc[4:]), "claim_effects"),
        (lambda: figures.claim_effects(pd.concat([claims()] * 20)), "claim_effects"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, told):
    with pytest.raises(DataError, match=told):
        draw()
