"""The toys of smoothness: closed forms, the linear programme against the package's own losses, and what it prefers."""

import numpy as np
import pytest
import torch

from lowtex.errors import OptionError
from lowtex.losses import smoothness_first_order, smoothness_second_order
from lowtex_lab.studies.loss_analysis.smoothness_toys import (
    band,
    break_even,
    fill,
    fill_table,
    lines,
    objective,
    observed,
    plain,
    pull_by_distance,
    surfaces,
)

TERMS = {"first": (2.0, 0.0), "second": (0.0, 2.0), "both": (2.0, 2.0)}


@pytest.mark.parametrize("size", [(6, 6), (7, 12), (40, 30)])
def test_surfaces_cost_what_their_closed_forms_say(size):
    for name, surface in surfaces(*size, slope=0.07, rise=0.3).items():
        if name != "noise":
            found = [float(f(surface.disparity, plain(surface.disparity)))
                     for f in (smoothness_first_order, smoothness_second_order)]  # fmt: skip
            assert found == pytest.approx([surface.first, surface.second], abs=1e-12), name


def test_noise_costs_its_expectation():
    found = [surfaces(64, 64, noise=0.1, seed=seed)["noise"] for seed in range(12)]
    for term, function in (("first", smoothness_first_order), ("second", smoothness_second_order)):
        costs = [float(function(s.disparity, plain(s.disparity))) for s in found]
        assert len(set(costs)) == 12
        assert np.mean(costs) == pytest.approx(getattr(found[0], term), rel=0.015)


@pytest.mark.parametrize("weights", TERMS.values(), ids=TERMS)
@pytest.mark.parametrize("name", lines())
def test_the_programme_minimises_the_package_s_own_losses(name, weights):
    line = observed(lines()[name], 0.4, seed=1)
    best = torch.as_tensor(fill(line, *weights))
    cost = float(objective(best, line, *weights))
    draw = torch.Generator().manual_seed(0)
    for size in (1e-3, 0.1, 3.0):
        for _ in range(20):
            moved = best + size * torch.randn(len(best), generator=draw, dtype=best.dtype)
            assert float(objective(moved, line, *weights)) >= cost - 1e-9
    assert float(objective(torch.as_tensor(line.truth_px), line, *weights)) >= cost - 1e-9
    # no straight way to the truth, to a flat row or to other weights' minimum is downhill either
    for other in (lines()[name].truth_px, np.full(len(best), best.mean()), fill(line, 1.0, 8.0)):
        there = best + 1e-3 * (torch.as_tensor(other) - best)
        assert float(objective(there, line, *weights)) >= cost - 1e-9


def test_the_band_holds_minimisers_only_and_all_ends_are_reached():
    line = lines()["slanted wall"]
    low, high, inside = band(line, *TERMS["first"])
    cost = float(objective(torch.as_tensor(fill(line, *TERMS["first"])), line, *TERMS["first"]))
    assert float(objective(torch.as_tensor(inside), line, *TERMS["first"])) == pytest.approx(cost, abs=1e-5)
    assert (low <= inside + 1e-6).all() and (inside <= high + 1e-6).all()
    # every row that never falls is equally cheap, so each plain pixel may have any value between the two strips
    plain_part = np.flatnonzero(~line.known)
    ends = line.truth_px[[plain_part[0] - 1, plain_part[-1] + 1]]
    assert np.allclose(low[plain_part], ends[0], atol=1e-3) and np.allclose(high[plain_part], ends[1], atol=1e-3)


def test_what_each_order_prefers():
    made = lines()
    error = fill_table(made, TERMS).set_index(["line", "terms"])["error_px"]
    for terms in TERMS:
        assert error["facing wall", terms] < 1e-6 and error["facing, one side", terms] < 1e-6
    assert error["slanted wall", "second"] < 1e-6 and error["slanted wall", "both"] < 1e-6
    assert error["slanted, one side", "second"] < 1e-6
    # the first order goes on at the last known value: the mean rise over the plain pixels is the error
    line = made["slanted, one side"]
    edge = line.truth_px[line.known].max()
    expected = (line.truth_px[~line.known] - edge).mean()
    assert error["slanted, one side", "first"] == pytest.approx(expected)
    assert error["slanted, one side", "both"] == pytest.approx(expected)
    # an outline in the picture places the step for the first order; the second order draws a ramp all the same
    assert error["step, image edge", "first"] < 1e-6 < 1 < error["step, image edge", "second"]


def test_break_even_is_where_the_slope_begins_to_be_kept():
    line = lines(width=30, strip=6)["slanted, one side"]
    ratio = break_even(line)
    assert ratio == pytest.approx(24 * 28 / 29)
    for factor, kept in ((0.97, False), (1.03, True)):
        error = np.abs(fill(line, 0.1, 0.1 * ratio * factor) - line.truth_px)[~line.known].mean()
        assert (error < 1e-6) == kept


def test_pull_reaches_one_pixel_or_two():
    line = lines()["slanted wall"]
    pulls = pull_by_distance(line, TERMS, start_px=20.0)
    reach = pulls[pulls["gradient"].abs() > 1e-12].groupby("terms")["distance"].max().to_dict()
    assert reach == {"first": 1, "second": 2, "both": 2}
    normalised = pull_by_distance(line, TERMS, start_px=20.0, quantity="normalised_disparity")
    far = normalised[normalised["distance"] > 4]
    # dividing by the mean rewards disparity that is larger everywhere
    assert (far["gradient"] < 0).all() and far.groupby("terms")["gradient"].nunique().max() == 1


def test_noise_is_seeded_and_leaves_no_noise_alone():
    line = lines()["facing wall"]
    assert np.array_equal(observed(line, 0.0, 3).truth_px, line.truth_px)
    once, again, other = (observed(line, 0.5, seed).truth_px for seed in (3, 3, 4))
    assert np.array_equal(once, again) and not np.array_equal(once, other)
    assert list(fill_table({"a": line}, {"first": (1, 0)}, (0.0, 0.5), (0, 1))["seed"]) == [0, 1, 0, 1]


def test_errors_name_what_they_got():
    with pytest.raises(OptionError, match="width=7"):
        surfaces(8, 7)
    with pytest.raises(OptionError, match="strip=19"):
        lines(width=40, strip=19)
    with pytest.raises(OptionError, match="first=0, second=0"):
        fill(lines()["step"], 0, 0)
    with pytest.raises(OptionError, match="first=-1"):
        band(lines()["step"], -1, 2)
