"""Effects, claims, combinations and weights: what they say, where they put it, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import make_sample, texts, within
from made_scores import FACTORS, design, factorial_scores

from lowtex.errors import DataError
from lowtex_lab import plots as figures
from lowtex_lab.plots.saving import refuse_blank
from lowtex_lab.studies.stats.effect_rules import corrected
from lowtex_lab.studies.stats.effects import compare, seed_errors
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
    figure = figures.interaction_plot(
        interaction_means(
            seed_errors(scores, design().experiments, stratum_kind="known"), design(), "data term", "skips"
        )
    )
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


def test_what_cannot_be_drawn_is_refused(effects, scores):
    with pytest.raises(DataError, match="needs the column low"):
        figures.effect_forest(effects.drop(columns="low"))
    with pytest.raises(DataError, match="each effect once"):
        figures.effect_forest(pd.concat([effects, effects]))
    with pytest.raises(DataError, match="got no rows"):
        figures.effect_forest(effects.iloc[:0])
    means = interaction_means(seed_errors(scores, design().experiments), design(), "data term", "skips")
    with pytest.raises(DataError, match="one pair of factors"):
        figures.interaction_plot(pd.concat([means, means.assign(second="encoder")]))
    with pytest.raises(DataError, match="no weight above 0"):
        figures.weight_curves(sweep().query("weight == 0"))


TRUTH = {("data term",): np.log(0.6), ("data term", "skips"): np.log(0.9), ("encoder",): np.log(1.05)}


@pytest.fixture(scope="module")
def cell_scores():
    return pd.concat(
        [
            factorial_scores(TRUTH, seeds=3, seed_noise=0.02, miniature=True),
            factorial_scores(TRUTH, seeds=3, seed_noise=0.02, stratum="low", kind="known", seed=1, miniature=True),
        ]
    )


@pytest.fixture(scope="module")
def cells(cell_scores):
    return seed_errors(cell_scores, design().experiments, stratum_kind="known")


def marks(axes) -> list[list[bool]]:
    """Filled or not, factor by factor, left to right."""
    rows: dict[float, list] = {}
    for line in axes.lines:
        if line.get_marker() == "o":
            rows.setdefault(line.get_ydata()[0], []).append(
                (line.get_xdata()[0], line.get_markerfacecolor() != "white")
            )
    return [[filled for _, filled in sorted(rows[y])] for y in sorted(rows)]


def test_cells_are_sorted_and_their_marks_say_what_they_are(cells):
    figure = figures.factorial_cells(cells, FACTORS, design().cells, {"++++": "ours"})
    told = texts(figure)
    for text in ("all pixels", "low texture", "3 seeds, 40 images", "data term: features", "open: pixels", "ours",
                 "miniature data", "AbsRel"):  # fmt: skip
        assert text in told, text
    means = cells[cells["stratum"] == "all"].groupby("experiment")["error"].mean().sort_values()
    order = list(means.index)
    expected = [[name[row] == "+" for name in order] for row in range(4)]
    assert marks(figure.axes[-1]) == expected
    assert figure.axes[-1].get_xticklabels()[order.index("++++")].get_text() == "ours"
    numbers = [text.get_text() for text in figure.axes[0].texts]
    assert numbers == [f"{value:.3f}" for value in means]
    assert "did not learn" not in told
    within(figure)
    refuse_blank(figure)


def test_a_training_that_did_not_learn_is_off_the_scale_and_in_no_mean(cells):
    broken = (cells["experiment"] == "----") & (cells["seed"] == 1)
    spoilt = cells.assign(error=cells["error"].where(~broken, 9.0), learnt=~broken)
    figure = figures.factorial_cells(spoilt, FACTORS, design().cells)
    assert "crosses: 1 training that did not learn" in texts(figure)
    assert figure.axes[0].get_ylim()[1] < 1
    left = cells[(cells["experiment"] == "----") & (cells["stratum"] == "all") & (cells["seed"] != 1)]["error"].mean()
    assert f"{left:.3f}" in [text.get_text() for text in figure.axes[0].texts]
    within(figure)


def test_cells_refuse_what_they_cannot_draw(cells):
    with pytest.raises(DataError, match="no rows of \\+---"):
        figures.factorial_cells(cells[cells["experiment"] != "+---"], FACTORS, design().cells)
    with pytest.raises(DataError, match="needs the column error"):
        figures.factorial_cells(cells.drop(columns="error"), FACTORS, design().cells)


def made_effects() -> pd.DataFrame:
    shared = {"place": "all pixels", "asked": 1.0, "images": 40, "miniature": True, "firm": False}
    lines = [
        {"claim": "first claim", "comparison": "a / b", "ratio": 0.7, "low": 0.6, "high": 0.8, "says": "yes",
         "seeds": 5} | shared | {"firm": True},
        {"claim": "first claim", "comparison": "a / c", "ratio": 1.1, "low": 0.9, "high": 1.3, "says": "undecided",
         "seeds": 4} | shared,
        {"claim": "second claim", "comparison": "c / d", "ratio": 1.2, "low": 1.1, "high": 1.3, "says": "no",
         "seeds": 3} | shared | {"asked": 0.5, "images": 12},
        {"claim": "third claim", "comparison": "e / f", "ratio": np.nan, "low": np.nan, "high": np.nan,
         "says": "no numbers", "seeds": 0} | shared,
    ]  # fmt: skip
    return pd.DataFrame(lines)


def test_grid_shows_pictures_maps_masks_and_marks():
    sample = make_sample()
    kept = np.zeros(sample.depth.shape[-2:], bool)
    kept[:, :20] = True
    depth = sample.depth.clone()
    depth[0, 0, 0] = float("nan")
    pictures = {"target": sample.image, "error": depth, "kept": kept}
    figure = figures.image_grid(pictures, "A grid", marks={"here": (3, 4)}, bar="the unit", caption="what it is")
    told = texts(figure)
    for text in ("A grid", "target", "error", "kept", "here", "the unit", "what it is", "grey: no value"):
        assert text in told
    refuse_blank(figure)


def test_grid_maps_share_one_scale():
    maps = {"small": np.full((4, 6), 0.1), "large": np.full((4, 6), 2.0)}
    figure = figures.image_grid(maps, "Two maps", top=3.0)
    assert [axes.images[0].get_clim() for axes in figure.axes[:2]] == [(0, 3.0), (0, 3.0)]


def test_grid_refuses_none_and_unknown_colours():
    with pytest.raises(ValueError, match="got 0"):
        figures.image_grid({}, "Nothing")
    with pytest.raises(ValueError, match="'rainbow'"):
        figures.image_grid({"a": np.ones((2, 2))}, "Colours", colors="rainbow")


def test_effects_show_ratios_intervals_seeds_and_images():
    figure = figures.claim_effects(made_effects())
    told = texts(figure)
    for text in ("first claim", "a / b · all pixels", "second claim", "says yes", "says no", "undecided",
                 "3 to 5 seeds", "12 to 40 images", "1 comparison without numbers left out", "share that is asked for",
                 "miniature data"):  # fmt: skip
        assert text in told, text
    assert "e / f" not in told, "a comparison without numbers has no line"
    axes = figure.axes[0]
    spans = [tuple(np.round(line.get_xdata(), 6)) for line in axes.lines if len(set(np.round(line.get_ydata(), 6))) == 1
             and len(line.get_xdata()) == 2]  # fmt: skip
    assert spans == [(0.6, 0.8), (0.9, 1.3), (1.1, 1.3)]
    refuse_blank(figure)


def test_an_interval_that_knows_nothing_does_not_squeeze_the_others():
    wide = made_effects().iloc[:2].assign(high=[0.8, 1e6])
    assert figures.claim_effects(wide).axes[0].get_xlim()[1] < 5
    lonely = made_effects().iloc[:1].assign(low=np.nan, high=np.nan, says="too few", seeds=1)
    assert "too few seeds or images" in texts(figures.claim_effects(lonely))


def test_effects_without_numbers_or_with_too_many_are_refused():
    for wrong in (made_effects().iloc[:0], made_effects().iloc[3:], pd.concat([made_effects()] * 20)):
        with pytest.raises(DataError, match="claim_effects|no rows"):
            figures.claim_effects(wrong)
