"""Figures of effects: what they say, where they put it, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import texts
from made_scores import design, factorial_scores

from lowtex.errors import DataError
from lowtex_lab import plots as figures
from lowtex_lab.plots.saving import redraw_card, refuse_blank, save_figure
from lowtex_lab.studies.stats.effects import compare, corrected
from lowtex_lab.studies.stats.factorial import factorial_effects, interaction_means


@pytest.fixture(scope="module")
def scores():
    truth = {("data term",): np.log(0.5), ("skips",): np.log(1.3)}
    parts = [factorial_scores(truth, seed_noise=0.02, image_noise=0.05, miniature=True),
             factorial_scores({("data term",): np.log(0.25)}, seed_noise=0.02, stratum="low", kind="known",
                              miniature=True)]  # fmt: skip
    return pd.concat(parts)


@pytest.fixture(scope="module")
def effects(scores):
    return factorial_effects(scores, design(), stratum_kind="known", times=300)


def sweep(**changes) -> pd.DataFrame:
    curves = {"pixels": (0.3, 0.2, 0.25), "features": (0.1, 0.09, 0.08)}
    rows = [
        (method, weight, seed, error * (1 + 0.01 * seed))
        for method, curve in curves.items()
        for weight, error in zip((0, 1e-3, 1e-2), curve, strict=True)
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows, columns=["method", "weight", "seed", "error"]).assign(images=20, **changes)


def within(figure):
    """No word leaves the figure."""
    figure.draw_without_rendering()
    renderer, width, height = figure.canvas.get_renderer(), figure.bbox.width, figure.bbox.height
    for axes in figure.axes:
        for text in [*axes.texts, axes.xaxis.label, axes.yaxis.label, axes._left_title]:
            if text.get_text():
                box = text.get_window_extent(renderer)
                assert box.x0 > -2 and box.y0 > -2 and box.x1 < width + 2 and box.y1 < height + 2, text.get_text()


def test_forest_has_a_panel_a_stratum_and_a_line_an_effect(effects):
    figure = figures.effect_forest(effects)
    told = texts(figure)
    for text in ("all pixels", "low texture", "data term × skips", "ratio of errors (left of 1: better)", "helps",
                 "harms", "0.50", "0.25", "1.30", "5 seeds", "40 images drawn as 10 stretches", "changes under 2%",
                 "AbsRel", "miniature data", "a × b below 1"):  # fmt: skip
        assert text in told, text
    first = figure.axes[0]
    # the first line of effects is the encoder, the second the data term: point and interval at its ratio
    line = effects[(effects["effect"] == "data term") & (effects["stratum"] == "all")].iloc[0]
    at = [one.get_xdata() for one in first.lines if len(one.get_ydata()) and np.all(np.asarray(one.get_ydata()) == 1)]
    assert [list(map(float, x)) for x in at] == [[line["low"], line["high"]], [line["ratio"]]]
    within(figure)
    refuse_blank(figure)


def test_forest_says_when_verdicts_are_corrected(effects):
    told = texts(figures.effect_forest(corrected(effects)))
    assert "verdicts corrected for 30 comparisons" in told
    assert "corrected" not in texts(figures.effect_forest(effects))


def test_forest_of_one_seed_has_points_and_no_verdict():
    scores = factorial_scores({("skips",): np.log(0.5)}, seeds=1)
    told = texts(figures.effect_forest(factorial_effects(scores, design())))
    assert "cannot be judged" in told and "helps" not in told and "1 seed" in told and "miniature" not in told


def test_forest_of_comparisons_needs_no_order(scores):
    lines = compare(scores, [("++++", "----")], clusters="fixed", times=100)
    told = texts(figures.effect_forest(lines, title="Against the baseline"))
    assert "++++ / ----" in told and "40 images, images held fixed" in told and "a × b" not in told


def test_interaction_shows_both_changes_and_the_seeds(scores):
    figure = figures.interaction_plot(interaction_means(scores, design(), "data term", "skips", stratum_kind="known"))
    told = texts(figure)
    for text in ("skips: plain", "skips: nested", "pixels", "features", "all pixels", "low texture",
                 "5 seeds, 40 images", "geometric mean of 4 combinations", "miniature data",
                 "Do data term and skips act together?"):  # fmt: skip
        assert text in told, text
    assert told.count("-75 %") == 2 and sum(word in told for word in ("-50 %", "-49 %", "-51 %")) >= 1
    within(figure)


def test_weight_curves_mark_the_chosen_one():
    figure = figures.weight_curves(sweep(miniature=True))
    told = texts(figure)
    for text in ("pixels: 0.001 chosen (0.201)", "features: 0.01 chosen (0.080) at the end", "2 seeds", "20 images",
                 "smoothness weight", "on validation scenes", "a weight beyond those tried may be better"):  # fmt: skip
        assert text in told, text
    rings = [
        (float(x.get_xdata()[0]), float(x.get_ydata()[0])) for x in figure.axes[0].lines if x.get_markersize() == 16
    ]
    assert rings == [(0.001, pytest.approx(0.201)), (0.01, pytest.approx(0.0804))]
    ticks = dict(
        zip([t.get_text() for t in figure.axes[0].get_xticklabels()], figure.axes[0].get_xticks(), strict=True)
    )
    assert 0 < ticks["0"] < ticks["0.001"] == 0.001, "weight 0 has a place left of the others"
    assert "may be better" not in texts(figures.weight_curves(sweep().query("method == 'pixels'")))
    assert "triangles" not in told


def test_weight_curves_say_where_seeds_are_fewer_and_are_not_pressed_together_by_one_that_did_not_learn():
    some = sweep().query("method == 'pixels' or seed == 0")
    stuck = some.assign(error=some["error"].where((some["method"] != "pixels") | (some["weight"] != 0.01), 1.6))
    figure = figures.weight_curves(stuck)
    told = texts(figure)
    assert ", 2 seeds)" in told and ", 1 seed) at the end" in told and "up to 1.60" in told, told
    axes = figure.axes[0]
    top = axes.get_ylim()[1]
    assert top < 1 and max(float(y) for line in axes.lines if line.get_marker() == "^" for y in line.get_ydata()) < top
    within(figure)


def test_inputs_are_not_changed_and_figures_can_be_drawn_again(effects, tmp_path):
    before = effects.copy(deep=True)
    picture = save_figure(figures.effect_forest(effects), tmp_path / "forest")
    pd.testing.assert_frame_equal(effects, before)
    first = picture.read_bytes()
    picture.unlink()
    redraw_card(picture.with_suffix(".json"))
    assert picture.read_bytes() == first


def test_what_cannot_be_drawn_is_refused(effects, scores):
    with pytest.raises(DataError, match="needs the column low"):
        figures.effect_forest(effects.drop(columns="low"))
    with pytest.raises(DataError, match="each effect once"):
        figures.effect_forest(pd.concat([effects, effects]))
    with pytest.raises(DataError, match="got no rows"):
        figures.effect_forest(effects.iloc[:0])
    means = interaction_means(scores, design(), "data term", "skips")
    with pytest.raises(DataError, match="one pair of factors"):
        figures.interaction_plot(pd.concat([means, means.assign(second="encoder")]))
    with pytest.raises(DataError, match="no weight above 0"):
        figures.weight_curves(sweep().query("weight == 0"))
