"""Pictures side by side, and the effects behind the claims."""

import numpy as np
import pandas as pd
import pytest
from figure_samples import make_sample, texts

from lowtex import figures
from lowtex.errors import DataError
from lowtex.figures.saving import refuse_blank


def made_effects() -> pd.DataFrame:
    rows = [
        ("first claim", "a / b", 0, 0.2, 40, True),
        ("first claim", "a / b", 1, 0.4, 40, True),
        ("second claim", "c / d", 0, -0.1, 20, True),
    ]
    return pd.DataFrame(rows, columns=["claim", "comparison", "seed", "effect", "images", "miniature"])


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


def test_effects_show_mean_seeds_and_images():
    figure = figures.claim_effects(made_effects())
    told = texts(figure)
    for text in ("first claim", "a / b", "+30.0 %", "-10.0 %", "1 to 2 seeds", "n = 20 to 40 images", "miniature data"):
        assert text in told
    widths = [round(bar.get_width(), 6) for bar in figure.axes[0].patches if bar.get_height() == 0.55]
    assert widths == [30.0, -10.0]


def test_effects_without_rows_are_refused():
    with pytest.raises(DataError, match="no rows"):
        figures.claim_effects(made_effects().iloc[:0])
