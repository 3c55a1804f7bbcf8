"""Agreement of the two definitions of texture, on pictures whose classes are known beforehand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.evaluation.evaluate import score
from lowtex.evaluation.texture import WINDOW_FRACTION, default_window_px, gradient_strata
from lowtex.geometry import StereoRig
from lowtex_lab.studies import texture_windows
from lowtex_lab.studies.texture_windows import window_makers, window_table

HEIGHT, WIDTH = 60, 160


def street():
    """Sky above; a plain wall on the left, stripes on the right; both known, but a border of the two that is not."""
    image = torch.full((3, HEIGHT, WIDTH), 0.5)
    image[:, 20:, 80:] += 0.3 * torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(20)
    depth = torch.full((1, HEIGHT, WIDTH), 10.0)
    depth[:, :20] = 0
    depth[:, 20:, 80:] = 30.0
    known = torch.zeros(1, HEIGHT, WIDTH)
    known[:, 20:, 80:] = 0.1
    visible = torch.ones(1, HEIGHT, WIDTH, dtype=torch.bool)
    visible[:, 20:, :8] = False
    rig = StereoRig(focal_px=90.0, baseline_m=0.5, width=WIDTH, height=HEIGHT)
    return StereoSample(image, rig, "s/0/l", depth=depth, texture_contrast=known, visible=visible)


def test_classes_leave_the_sky_out():
    known = texture_windows.texture_classes([street(), street()])
    assert len(known) == 2 * 40 * WIDTH and set(known) == {"low", "high"} and (known == "low").mean() == 0.5
    with pytest.raises(DataError, match="at least one"):
        texture_windows.texture_classes([])
    with pytest.raises(DataError, match="s/0/l has no ground truth"):
        texture_windows.texture_classes([replace(street(), depth=None)])


def test_a_wide_window_smears_stripes_over_the_wall():
    table = window_table([street()]).set_index("definition")
    windows = [label for label in window_makers(WIDTH) if label.startswith("window")]
    assert list(table.index[: len(windows)]) == windows and (table["images"] == 1).all()
    assert windows[0] == "window 1 px" and all(int(label.split()[1]) % 2 for label in windows)
    assert default_window_px(WIDTH) == int(WIDTH * WINDOW_FRACTION) | 1
    low = table.loc[windows, "low"].to_numpy()
    # one pixel finds the gaps between stripes besides the whole wall; the widest window takes half the wall away
    assert low[-1] < low[1] - 0.05 and table[list(texture_windows.CLASSES)].sum(axis=1).to_numpy() == pytest.approx(1)
    best = table.loc[f"window {default_window_px(WIDTH)} px"]
    assert best["agreement"] > 0.9 and best["agreement"] > table.loc[windows[-1], "agreement"]
    expected = (best["agreement"] - best["by_chance"]) / (1 - best["by_chance"])
    assert best["kappa"] == pytest.approx(expected)
    assert best["by_chance"] == pytest.approx(0.5 * best["low"] + 0.5 * best["high"])
    assert "agreement" not in window_table([replace(street(), texture_contrast=None)])


def test_where_the_gradient_puts_known_classes():
    table = texture_windows.agreement_table([street()]).set_index("known")
    assert table.loc["low", "pixels"] == 0.5 == table.loc["high", "pixels"] and table.loc["middle", "pixels"] == 0
    assert table.loc["high", "gradient_high"] > 0.95 and 0.85 < table.loc["low", "gradient_low"] < 1
    # what the gradient misses on the wall lies beside the stripes, where depth jumps, or below the sky
    assert table.loc["low", "low_near_edge"] > 0.2 > table.loc["low", "all_near_edge"]
    assert np.isnan(table.loc["high", "low_near_edge"]) and np.isnan(table.loc["middle", "gradient_low"])


def test_where_low_texture_lies():
    table = texture_windows.where_texture_lies([street()]).set_index("texture")
    assert list(table.index) == ["low", "high", "all"], "a class without a pixel has no row"
    assert table.loc["low", "median_m"] == 10 and table.loc["high", "median_m"] == 30
    assert table.loc["all", ["upper_third", "middle_third", "lower_third"]].to_list() == [0, 0.5, 0.5]
    assert table.loc["low", "occluded"] == pytest.approx(0.1) and table.loc["high", "occluded"] == 0
    assert texture_windows.where_texture_lies([replace(street(), visible=None)])["occluded"].isna().all()


def test_makers_serve_an_evaluation():
    sample = street()
    makers = window_makers(WIDTH)
    rows = score(np.full((HEIGHT, WIDTH), 10.0), sample, "vkitti2_dense", strata=makers)
    assert {row["stratum_kind"] for row in rows} == {"none", *makers}
    # a slope that grows steeper to the right, through all thresholds
    sample.image = (torch.arange(WIDTH) ** 2 / WIDTH**2 * 8 % 1).expand(3, HEIGHT, WIDTH) * 0.5
    halved = makers["thresholds x0.5"](sample)
    assert halved["low"].sum() < gradient_strata(sample)["low"].sum() < makers["thresholds x2"](sample)["low"].sum()
    *_, known = makers
    assert known == texture_windows.KNOWN
    assert np.array_equal(makers[known](sample)["low"], sample.texture_contrast[0].numpy() == 0)
    usual = makers[f"window {default_window_px(WIDTH)} px"](sample)
    assert all((usual[name] == mask).all() for name, mask in gradient_strata(sample).items())
