"""Edges on hand-made scenes: a wall before another, predicted sharply, blurred, displaced, at another scale, or not."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.geometry import StereoRig
from lowtex_lab.studies.diagnostics import edge_sharpness as edges

HEIGHT, WIDTH = 48, 320
NEAR, FAR = 1 / 10, 1 / 40
EDGE = 140


def scene(width=WIDTH):
    """A far wall on the left, a near one on the right, inverse depth ``(h, w)``."""
    return np.tile(np.where(np.arange(width) < EDGE * width // WIDTH, FAR, NEAR), (HEIGHT, 1))


def sample_of(inverse, contrast=None):
    height, width = inverse.shape
    rig = StereoRig(0.6 * width, 0.5, width=width, height=height)
    depth = torch.from_numpy(np.divide(1.0, inverse, out=np.zeros_like(inverse), where=inverse > 0))[None].float()
    known = None if contrast is None else torch.from_numpy(contrast)[None].float()
    name = "Scene01/clone/00000/l"
    return StereoSample(torch.zeros(3, height, width), rig, name, depth=depth, texture_contrast=known)


def errors(truth, predicted, stratum="all", contrast=None):
    lines = pd.DataFrame(edges.edge_errors(sample_of(truth, contrast), predicted))
    return lines[lines["stratum"] == stratum].set_index("quantity")["value"].to_dict()


def moved(inverse, columns):
    """To the right; the border repeats."""
    place = np.clip(np.arange(inverse.shape[1]) - columns, 0, inverse.shape[1] - 1)
    return inverse[:, place]


def ramp(width_px):
    """The scene's step taken evenly over some pixels."""
    place = np.arange(WIDTH) - (EDGE - 0.5)
    return np.tile(FAR + (NEAR - FAR) * np.clip(place / width_px + 0.5, 0, 1), (HEIGHT, 1))


SLANT = np.linspace(NEAR - FAR, 0, WIDTH)
"""Inverse depth that falls to the right by as much as the step: a flat prediction's chance to look steep."""


@pytest.mark.parametrize("truth", [scene(), scene() + SLANT])
def test_the_truth_itself_is_perfect(truth):
    perfect = dict.fromkeys(edges.QUANTITIES, 0) | {"width_px": 1}
    assert errors(truth, truth) == pytest.approx(perfect, abs=1e-5)


@pytest.mark.parametrize("by, missed", [(1, 0), (2, 0), (3, 1)])
def test_a_displaced_step_is_found_at_its_distance_and_spills_over_one_side(by, missed):
    outward, inward = (errors(scene(), moved(scene(), sign * by)) for sign in (-1, 1))
    for found in (outward, inward):
        assert (found["missed"], found["width_px"], found["off_px"]) == pytest.approx((missed, 1, by))
    assert (outward["far_spill_px"], outward["near_spill_px"]) == pytest.approx((by, 0), abs=1e-6)
    assert (inward["far_spill_px"], inward["near_spill_px"]) == pytest.approx((0, by), abs=1e-6)


@pytest.mark.parametrize("width_px", [2, 4, 6, 20])
def test_a_ramp_has_its_width(width_px):
    found = errors(scene(), ramp(width_px))
    assert found["width_px"] == pytest.approx(width_px, rel=0.02)
    assert found["far_spill_px"] == pytest.approx(found["near_spill_px"], rel=0.05)
    if width_px <= 6:
        # the triangle left over on one side, sampled at pixel centres
        places = np.arange(4) + 0.5
        assert found["far_spill_px"] == pytest.approx(np.clip(0.5 - places / width_px, 0, 1).sum(), rel=0.05)


@pytest.mark.parametrize("truth, sigma", [(scene(), 1.0), (scene(), 2.0), (scene() + SLANT, 2.0)])
def test_a_gaussian_blur_has_the_width_of_its_slope(truth, sigma):
    soft = ndimage.gaussian_filter1d(truth, sigma, axis=1)
    assert errors(truth, soft)["width_px"] == pytest.approx(np.sqrt(2 * np.pi) * sigma, rel=0.04)
    noisy = soft + 1e-4 * np.random.default_rng(0).random(soft.shape)
    assert errors(truth, noisy) == pytest.approx(errors(truth, 7.3 * noisy)), "nothing depends on the scale"


@pytest.mark.parametrize("truth", [scene(), scene() + SLANT])
def test_no_step_is_missed_everywhere(truth):
    found = errors(truth, np.full_like(truth, 0.05))
    assert (found["missed"], found["off_px"], found["width_px"]) == (1, 10, 64) and "stray_px" not in found


def test_wrinkles_make_no_step_sharp_and_strays_are_counted():
    wrinkled = ramp(20) + 0.004 * np.random.default_rng(1).standard_normal((HEIGHT, WIDTH))
    found = errors(scene(), wrinkled)
    single = np.diff(wrinkled, axis=1)[:, EDGE - 4 : EDGE + 3].max(axis=1).mean() / (NEAR - FAR)
    assert found["width_px"] > 12 > 9 > 1 / single, "the steepest pixel of a single row is a wrinkle"
    assert found["stray_px"] > 4


def test_lengths_grow_with_the_picture():
    small, large = scene(), scene(2 * WIDTH)
    assert errors(large, moved(large, 4))["off_px"] == pytest.approx(errors(small, moved(small, 2))["off_px"])


def test_sides_are_told_by_their_known_contrast():
    truth = scene()
    truth[:, :40] = NEAR
    contrast = np.full(truth.shape, 0.1)
    contrast[:, 40:EDGE] = 0.001
    contrast[24:, EDGE:] = 0.001
    predicted = truth.copy()
    predicted[24:] = moved(truth[24:], 3)
    # the first two of the lower 24 rows find the end of the upper rows' edge
    assert errors(truth, predicted, "both plain", contrast)["missed"] == pytest.approx(22 / 24)
    mixed = errors(truth, predicted, "one plain", contrast)
    assert mixed["missed"] == pytest.approx(22 / 72) and "stray_px" not in mixed
    lines = pd.DataFrame(edges.edge_errors(sample_of(truth, contrast), predicted))
    assert set(lines["stratum_kind"]) == {"none", "sides", "direction"} and "neither plain" not in set(lines["stratum"])
    assert "sides" not in set(pd.DataFrame(edges.edge_errors(sample_of(truth), predicted))["stratum_kind"])


def test_columns_are_rows_of_the_turned_picture():
    # as high as wide, so that pixels of both directions are alike
    truth = np.tile(scene()[:1], (WIDTH, 1))
    shifted = moved(truth, 1)
    across, down = errors(truth, shifted, "rows"), errors(truth.T, shifted.T, "columns")
    assert across == pytest.approx(down) and across["off_px"] == 1


def test_sky_counts_as_far_and_a_slanted_plane_has_no_edges():
    truth = scene()
    truth[:, :EDGE] = 0
    assert errors(truth, np.maximum(truth, 1 / 300))["far_spill_px"] == pytest.approx(0)
    plane = np.tile(np.linspace(0.02, 0.2, WIDTH), (HEIGHT, 1))
    assert not edges.edge_strength(plane)[:, 10:-10].any() and edges.edge_errors(sample_of(plane), plane) == []


def test_what_cannot_be_measured_is_refused_by_name():
    for bad in (np.ones((4, 4)), np.zeros((HEIGHT, WIDTH)), np.full((HEIGHT, WIDTH), np.nan)):
        with pytest.raises(DataError, match=r"Scene01/clone/00000/l.*\(48, 320\)"):
            edges.edge_errors(sample_of(scene()), bad)
    sparse = scene()
    sparse[:, 1::2] = 0
    sparse[1::2] = 0
    with pytest.raises(DataError, match="dense ground truth"):
        edges.edge_errors(sample_of(sparse), scene())


def test_measure_of_a_network_without_edges(written):
    flat = SimpleNamespace(depth=lambda image, rig: torch.full((len(image), 1, *image.shape[-2:]), 20.0))
    frame = edges.measure(flat, written, (48, 160))
    whole = frame[frame["stratum_kind"] == "none"]
    assert (whole.loc[whole["quantity"] == "missed", "value"] == 1).all() and whole["image"].nunique() > 1
    assert np.isfinite(frame["value"]).all() and (frame["value"] >= 0).all()


def test_two_edges_in_reach_leave_place_but_no_profile():
    truth = scene()
    truth[:, EDGE + 3 :] = FAR
    assert errors(truth, truth) == {"missed": 0, "off_px": 0, "stray_px": 0}
