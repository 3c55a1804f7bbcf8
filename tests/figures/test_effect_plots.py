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


def shows(figure, expected: str) -> str:
    """The figure's words; those of ``expected``, parted by ``|``, are among them, and none leaves the figure."""
    told = texts(figure)
    for text in expected.split("|"):
        assert text in told, text
    within(figure)
    refuse_blank(figure)
    return told


@pytest.fixture(scope="module")
def scores():
    whole = {("data term",): np.log(0.5), ("skips",): np.log(1.3)}
    low = {("data term",): np.log(0.25)}
    parts = [
        factorial_scores(whole, seed_noise=0.02, image_noise=0.05, miniature=True),
        factorial_scores(low, seed_noise=0.02, stratum="low", kind="known", miniature=True),
    ]
    return pd.concat(parts)


@pytest.fixture(scope="module")
def errors(scores):
    return seed_errors(scores, design().experiments, stratum_kind="known")


@pytest.fixture(scope="module")
def effects(scores):
    return factorial_effects(scores, design(), stratum_kind="known", times=300)


def test_forest_has_a_panel_a_stratum_and_a_line_an_effect(effects):
    figure = figures.effect_forest(effects)
    told = shows(
        figure,
        "all pixels|low texture|data term × skips|ratio of errors (left of 1: better)|helps|harms|0.50|0.25|1.30|"
        "5 seeds|40 images drawn as 10 stretches|changes under 2%|AbsRel|miniature data|a × b below 1",
    )
    assert "corrected" not in told
    # the first line of effects is the encoder, the second the data term: point and interval at its ratio
    line = effects[(effects["effect"] == "data term") & (effects["stratum"] == "all")].iloc[0]
    lines = [one for one in figure.axes[0].lines if len(one.get_ydata()) and np.all(np.asarray(one.get_ydata()) == 1)]
    drawn = [list(map(float, one.get_xdata())) for one in lines]
    assert drawn == [[line["low"], line["high"]], [line["ratio"]]]
    assert "verdicts corrected for 30 comparisons" in texts(figures.effect_forest(corrected(effects)))


def test_forest_of_one_seed_has_no_verdict_and_of_comparisons_no_order(scores):
    one = factorial_effects(factorial_scores({("skips",): np.log(0.5)}, seeds=1), design())
    told = shows(figures.effect_forest(one), "cannot be judged|1 seed")
    assert "helps" not in told and "miniature" not in told
    pair = compare(scores, [("++++", "----")], clusters="fixed", times=100)
    told = shows(figures.effect_forest(pair, title="Against all old"), "++++ / ----|40 images, images held fixed")
    assert "a × b" not in told


def test_interaction_shows_both_changes_and_the_seeds(errors):
    told = shows(
        figures.interaction_plot(interaction_means(errors, design(), "data term", "skips")),
        "skips: plain|skips: nested|pixels|features|all pixels|low texture|5 seeds, 40 images|miniature data|"
        "geometric mean of 4 combinations|Do data term and skips act together?",
    )
    assert told.count("-75 %") == 2 and sum(word in told for word in ("-50 %", "-49 %", "-51 %")) >= 1


def sweep(**changes) -> pd.DataFrame:
    curves = {"pixels": (0.3, 0.2, 0.25), "features": (0.1, 0.09, 0.08)}
    rows = [
        (method, weight, seed, error * (1 + 0.01 * seed))
        for method, curve in curves.items()
        for weight, error in zip((0, 1e-3, 1e-2), curve, strict=True)
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows, columns=["method", "weight", "seed", "error"]).assign(images=20, **changes)


def test_weight_curves_mark_the_chosen_one():
    figure = figures.weight_curves(sweep(miniature=True))
    told = shows(
        figure,
        "pixels: 0.001 chosen (0.201)|features: 0.01 chosen (0.080) at the end|2 seeds|20 images|smoothness weight|"
        "on validation scenes|a weight beyond those tried may be better",
    )
    axes = figure.axes[0]
    rings = [(float(*x.get_xdata()), float(*x.get_ydata())) for x in axes.lines if x.get_markersize() == 16]
    assert rings == [(0.001, pytest.approx(0.201)), (0.01, pytest.approx(0.0804))]
    ticks = dict(zip([t.get_text() for t in axes.get_xticklabels()], axes.get_xticks(), strict=True))
    assert 0 < ticks["0"] < ticks["0.001"] == 0.001, "weight 0 has a place left of the others"
    assert "may be better" not in texts(figures.weight_curves(sweep().query("method == 'pixels'")))
    assert "triangles" not in told


def test_weight_curves_say_where_seeds_are_fewer_and_are_not_pressed_together_by_one_that_did_not_learn():
    some = sweep().query("method == 'pixels' or seed == 0")
    stuck = some.assign(error=some["error"].where((some["method"] != "pixels") | (some["weight"] != 0.01), 1.6))
    figure = figures.weight_curves(stuck)
    shows(figure, ", 2 seeds)|, 1 seed) at the end|up to 1.60")
    axes = figure.axes[0]
    top = axes.get_ylim()[1]
    assert top < 1 and max(float(y) for line in axes.lines if line.get_marker() == "^" for y in line.get_ydata()) < top


def marks(axes) -> list[list[bool]]:
    """Filled or not, factor by factor, left to right."""
    rows: dict[float, list] = {}
    for line in axes.lines:
        if line.get_marker() == "o":
            filled = line.get_markerfacecolor() != "white"
            rows.setdefault(line.get_ydata()[0], []).append((line.get_xdata()[0], filled))
    return [[filled for _, filled in sorted(rows[y])] for y in sorted(rows)]


def test_cells_are_sorted_and_their_marks_say_what_they_are(errors):
    figure = figures.factorial_cells(errors, FACTORS, design().cells, {"++++": "ours"})
    told = shows(
        figure,
        "all pixels|low texture|5 seeds, 40 images|data term: features|open: pixels|ours|miniature data|AbsRel",
    )
    means = errors[errors["stratum"] == "all"].groupby("experiment")["error"].mean().sort_values()
    order = list(means.index)
    assert marks(figure.axes[-1]) == [[name[row] == "+" for name in order] for row in range(4)]
    assert figure.axes[-1].get_xticklabels()[order.index("++++")].get_text() == "ours"
    assert [text.get_text() for text in figure.axes[0].texts] == [f"{value:.3f}" for value in means]
    assert "did not learn" not in told


def test_a_training_that_did_not_learn_is_off_the_scale_and_in_no_mean(errors):
    broken = (errors["experiment"] == "----") & (errors["seed"] == 1)
    spoilt = errors.assign(error=errors["error"].where(~broken, 9.0), learnt=~broken)
    figure = figures.factorial_cells(spoilt, FACTORS, design().cells)
    shows(figure, "crosses: 1 training that did not learn")
    assert figure.axes[0].get_ylim()[1] < 1
    left = errors.query("experiment == '----' and stratum == 'all' and seed != 1")["error"].mean()
    assert f"{left:.3f}" in [text.get_text() for text in figure.axes[0].texts]


def made_claims() -> pd.DataFrame:
    columns = ["claim", "comparison", "ratio", "low", "high", "asked", "says", "firm", "seeds", "images"]
    nan = float("nan")
    lines = [
        ("first claim", "a / b", 0.7, 0.6, 0.8, 1.0, "yes", True, 5, 40),
        ("first claim", "a / c", 1.1, 0.9, 1.3, 1.0, "undecided", False, 4, 40),
        ("second claim", "c / d", 1.2, 1.1, 1.3, 0.5, "no", False, 3, 12),
        ("third claim", "e / f", nan, nan, nan, 1.0, "no numbers", False, 0, 40),
    ]
    return pd.DataFrame(lines, columns=columns).assign(place="all pixels", miniature=True)


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


def test_claims_show_ratios_intervals_seeds_and_images():
    figure = figures.claim_effects(made_claims())
    told = texts(figure)
    for text in (
        "first claim|a / b · all pixels|second claim|says yes|says no|undecided|3 to 5 seeds|12 to 40 images|"
        "1 comparison without numbers left out|share that is asked for|miniature data"
    ).split("|"):
        assert text in told, text
    assert "e / f" not in told, "a comparison without numbers has no line"
    level = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2 and len(set(line.get_ydata())) == 1]
    assert [tuple(np.round(line.get_xdata(), 6)) for line in level] == [(0.6, 0.8), (0.9, 1.3), (1.1, 1.3)]
    refuse_blank(figure)


def test_an_interval_that_knows_nothing_does_not_squeeze_the_others():
    wide = made_claims().iloc[:2].assign(high=[0.8, 1e6])
    assert figures.claim_effects(wide).axes[0].get_xlim()[1] < 5
    lonely = made_claims().iloc[:1].assign(low=np.nan, high=np.nan, says="too few", seeds=1)
    assert "too few seeds or images" in texts(figures.claim_effects(lonely))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda effects, errors: figures.effect_forest(effects.drop(columns="low")), "needs the column low"),
        (lambda effects, errors: figures.effect_forest(pd.concat([effects, effects])), "each effect once"),
        (lambda effects, errors: figures.effect_forest(effects.iloc[:0]), "got no rows"),
        (lambda effects, errors: figures.weight_curves(sweep().query("weight == 0")), "no weight above 0"),
        (
            lambda effects, errors: figures.factorial_cells(errors.iloc[9:], FACTORS, design().cells),
            "no rows of ----",
        ),
        (
            lambda effects, errors: figures.factorial_cells(errors.drop(columns="error"), FACTORS, design().cells),
            "needs the column error",
        ),
        (lambda effects, errors: figures.claim_effects(made_claims().iloc[:0]), "no rows"),
        (lambda effects, errors: figures.claim_effects(made_claims().iloc[3:]), "1 to 45 comparisons"),
        (lambda effects, errors: figures.claim_effects(pd.concat([made_claims()] * 20)), "1 to 45 comparisons"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message, effects, errors):
    with pytest.raises(DataError, match=message):
        draw(effects, errors[errors["stratum"] == "all"])


def test_an_interaction_is_of_one_pair_of_factors(errors):
    means = interaction_means(errors, design(), "data term", "skips")
    with pytest.raises(DataError, match="one pair of factors"):
        figures.interaction_plot(pd.concat([means, means.assign(second="encoder")]))
