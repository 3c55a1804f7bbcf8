"""What the rig check measures with: matched points, matched disparity, a robust plane, and what a warp leaves."""

import numpy as np
import pytest
from rig_pairs import HEIGHT, WIDTH, pair

from lowtex_lab.rig.matching import difference, fit_robustly, fit_rows, match_densely, match_points, warp_right


def test_points_lie_at_the_disparity_of_their_board():
    points = match_points(*pair())
    assert len(points) > 300
    shift, board = points[:, 0] - points[:, 2], (points[:, 1] // (HEIGHT // 3)).astype(int)
    expected = np.array([4.0, 8.0, 16.0])[board]
    assert (np.abs(shift - expected) < 0.1).mean() > 0.9
    assert np.abs(np.median(points[:, 1] - points[:, 3])) < 0.01


def test_nothing_is_found_where_nothing_is():
    flat = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    assert match_points(flat, flat).shape == (0, 4)
    assert np.isnan(match_densely(flat, pair()[1], 30)).mean() > 0.99


@pytest.mark.parametrize("offset", [0, -20, 13])
def test_dense_disparity_is_exact_up_to_the_edges_of_the_boards(offset):
    left, right = pair(offset=offset)
    found = match_densely(left, right, 24, offset)
    for board, disparity in enumerate((4, 8, 16)):
        rows = found[board * 80 + 10 : board * 80 + 70]
        known = rows[np.isfinite(rows)]
        assert known.size > 0.85 * rows.size
        assert np.median(known) == pytest.approx(disparity + offset, abs=0.1)
        assert (np.abs(known - disparity - offset) < 0.5).mean() > 0.97


def test_a_point_that_the_right_view_does_not_show_has_no_disparity():
    found = match_densely(*pair(), 24)
    # the nearest board is 16 px apart, so its first 16 columns lie outside the right view
    assert np.isnan(found[170:, :14]).all()


def test_plane_of_row_offsets_is_found_among_false_matches():
    generator = np.random.default_rng(0)
    places = generator.uniform(0, 1000, (600, 2))
    offset = 0.5 + 0.004 * (places[:, 0] - np.median(places[:, 0])) + generator.normal(0, 0.1, 600)
    offset[:150] += generator.uniform(5, 60, 150)
    points = np.column_stack([places, places[:, 0] - 10, places[:, 1] - offset])
    fit, agrees = fit_rows(points)
    assert fit.offset_px == pytest.approx(0.5, abs=0.03)
    assert fit.across_px == pytest.approx(0.004 * 960, abs=0.1) and abs(fit.down_px) < 0.1
    assert fit.turned_deg == pytest.approx(np.degrees(0.004), abs=0.01)
    ends = np.percentile(places[:, 0] - np.median(places[:, 0]), [2, 98])
    assert fit.largest_px == pytest.approx(np.abs(0.5 + 0.004 * ends).max(), abs=0.1)
    assert not agrees[:150].any() and agrees[150:].mean() > 0.99
    assert fit.points == 600


def test_robust_fit_is_exact_without_noise_and_survives_a_single_column():
    columns = np.column_stack([np.linspace(0.1, 1, 50), np.ones(50)])
    solution, spread = fit_robustly(columns, columns @ [40.0, -3.0])
    np.testing.assert_allclose(solution, [40, -3], atol=1e-9)
    assert spread < 1e-9
    np.testing.assert_allclose(fit_robustly(columns[:, :1], 7 * columns[:, 0])[0], [7])


def test_warp_and_difference():
    left, right = pair()
    disparity = np.repeat([4.0, 8.0, 16.0], 80)[:, None] * np.ones((1, WIDTH))
    left_over = difference(left, warp_right(right, disparity), disparity)
    assert np.nanmax(left_over) < 1e-6
    # the right view shows nothing of what lies there
    assert np.isnan(left_over[:80, :4]).all() and np.isfinite(left_over[:80, 4:]).all()
    assert np.isnan(left_over[160:, :16]).all()
    holes = disparity.copy()
    holes[5, 50] = np.nan
    assert np.isnan(difference(left, warp_right(right, holes), holes)[5, 50])
    for wrong in (disparity + 2, disparity - 2):
        assert np.nanmean(difference(left, warp_right(right, wrong), wrong)) > 0.02
    lowered = warp_right(right, 0.0, down_px=3.0)
    np.testing.assert_allclose(lowered[3:], right[:-3] / 255, atol=1e-6)
