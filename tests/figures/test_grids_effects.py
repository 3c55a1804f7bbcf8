"""Pictures side by side, and the effects behind the claims."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import make_sample, texts

from lowtex.errors import DataError
from lowtex_lab import plots as figures
from lowtex_lab.plots.saving import refuse_blank


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
    for text in ("A grid", "target", "error", "kept", "here", "the unit", "what it is", "grey: not known"):
        assert text in told
    refuse_blank(figure)


def test_grid_maps_share_one_scale():
    maps = {"small": np.full((4, 6), 0.1), "large": np.full((4, 6), 2.0)}
    figure = figures.image_grid(maps, "Two maps", top=3.0)
    assert [axes.images[0].get_clim() for axes in figure.axes[:2]] == [(0, 3.0), (0, 3.0)]


def test_grid_refuses_too_many_or_none():
    with pytest.raises(ValueError, match="got 0"):
        figures.image_grid({}, "Nothing")
    with pytest.raises(ValueError, match="got 13"):
        figures.image_grid({str(i): np.ones((2, 2)) for i in range(13)}, "Too many")
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
