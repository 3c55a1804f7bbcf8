"""The check of one's own rig: every fault is found and named, what is right passes, and nothing is guessed."""

import numpy as np
import pytest
from rig_pairs import BASELINE, DEPTHS, FOCAL, HEIGHT, WIDTH, depth_map, lowered, pair, turned, write_folder

from lowtex.datasets import StereoFolder
from lowtex.errors import DataError, OptionError
from lowtex_lab.rig.check import check_rig


def check(root, pairs: int = 4, **options):
    return check_rig(StereoFolder(root, size=None, **options), pairs)


def verdicts(checked) -> dict[str, str]:
    return dict(zip(checked.findings.topic, checked.findings.verdict, strict=True))


def text(checked, topic: str) -> str:
    return checked.findings.set_index("topic").text[topic]


def test_a_right_rig_passes_and_says_what_a_pair_cannot_show(tmp_path):
    checked = check(write_folder(tmp_path, [pair(0), pair(1)]))
    assert checked.verdict == "right"
    assert verdicts(checked) == {
        "order": "right",
        "rows": "right",
        "scale": "cannot judge",
        "principal points": "cannot judge",
        "numbers": "right",
        "views": "right",
    }
    # a person can only judge distances: they are those of the boards
    for depth in DEPTHS:
        assert f"{depth:g} m" in text(checked, "scale")
    known = checked.disparity[np.isfinite(checked.disparity)]
    assert known.size > 0.8 * HEIGHT * WIDTH
    assert {round(float(value)) for value in np.percentile(known, [10, 50, 90])} == {4, 8, 16}
    assert np.isfinite(checked.swapped).mean() < 0.6 * np.isfinite(checked.disparity).mean()
    assert len(checked.points) > 100 and checked.pairs == 2
    assert checked.lines()[-1] == "verdict: right, as far as pairs can show (2 pairs looked at)"
    for _, curve in checked.curves.groupby("curve"):
        assert curve.added_px[curve.difference.idxmin()] == 0


def test_swapped_views_are_found(tmp_path):
    checked = check(write_folder(tmp_path, [pair()[::-1]]))
    assert checked.verdict == "wrong" and verdicts(checked)["order"] == "wrong"
    assert "left and right are swapped" in text(checked, "order")
    assert verdicts(checked)["rows"] == "right"
    assert np.isfinite(checked.disparity).mean() < 0.6 * np.isfinite(checked.swapped).mean()


@pytest.mark.parametrize(("lower", "verdict"), [(3.0, "wrong"), (-3.0, "wrong"), (1.5, "doubtful"), (0.4, "right")])
def test_a_vertical_offset_is_measured(tmp_path, lower, verdict):
    left, right = pair()
    checked = check(write_folder(tmp_path, [(left, lowered(right, lower))]))
    assert verdicts(checked)["rows"] == verdict and verdicts(checked)["order"] == "right"
    offset = (checked.points.left_row - checked.points.right_row).median()
    assert offset == pytest.approx(-lower, abs=0.1)
    assert checked.verdict == ("wrong" if verdict == "wrong" else "right")
    if verdict != "right":
        assert f"{abs(lower):.1f} px {'lower' if lower > 0 else 'higher'}" in text(checked, "rows")
    if verdict == "doubtful":
        assert "right, but look at rows" in checked.lines()[-1]


def test_a_turned_camera_and_a_longer_lens_are_told_apart(tmp_path):
    left, right = pair()
    checked = check(write_folder(tmp_path / "turned", [(left, turned(right, 1.0))]))
    assert verdicts(checked)["rows"] == "wrong"
    angle = float(text(checked, "rows").split("about ")[1].split(" degrees")[0])
    assert angle == pytest.approx(1.0, abs=0.1)
    checked = check(write_folder(tmp_path / "longer", [(left, turned(right, 0.0, 1.03))]))
    assert verdicts(checked)["rows"] == "wrong" and "from top to bottom" in text(checked, "rows")


def test_flat_images_cannot_be_judged(tmp_path):
    generator = np.random.default_rng(0)
    flat = [np.clip(generator.normal(120, 1, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8) for _ in "lr"]
    checked = check(write_folder(tmp_path, [flat]))
    assert checked.verdict == "cannot judge"
    kinds = verdicts(checked)
    assert kinds["order"] == kinds["rows"] == kinds["scale"] == kinds["views"] == "cannot judge"
    assert "cannot judge" in checked.lines()[-1]


def test_a_scene_that_is_too_far_cannot_tell_the_order(tmp_path):
    left, _ = pair()
    noisy = np.clip(left + np.random.default_rng(0).normal(0, 4, left.shape), 0, 255).astype(np.uint8)
    checked = check(write_folder(tmp_path, [(left, noisy)]))
    assert verdicts(checked)["order"] == "cannot judge" and verdicts(checked)["rows"] == "right"
    assert checked.verdict == "cannot judge"


def test_one_picture_twice_is_found(tmp_path):
    left, _ = pair()
    checked = check(write_folder(tmp_path, [(left, left)]))
    assert checked.verdict == "wrong" and "same picture" in text(checked, "views")


def test_views_of_different_scenes_are_found_even_in_one_pair_of_many(tmp_path):
    good = [pair(seed) for seed in (0, 1, 2)]
    left, right = pair(3)
    checked = check(write_folder(tmp_path, [*good, (left, lowered(right, 6))]))
    assert checked.verdict == "wrong"
    assert "not in 3" in text(checked, "rows") and "same moment" in text(checked, "rows")
    assert checked.name == "3"


def test_principal_points_left_out_or_turned_round_are_found(tmp_path):
    """The boards have disparities of 16, 8 and 4 px, to which the distance of the principal points is added."""
    views = [pair(offset=-4)]
    right = check(write_folder(tmp_path / "right", views, cx_offset_px=-4))
    assert verdicts(right)["order"] == "right" and right.verdict == "right"
    swapped = check(write_folder(tmp_path / "swapped", [views[0][::-1]], cx_offset_px=-4))
    assert "left and right are swapped" in text(swapped, "order")
    turned_round = check(write_folder(tmp_path / "turned round", views, cx_offset_px=4))
    assert verdicts(turned_round)["order"] == "wrong" and "cx_right" in text(turned_round, "order")
    # cameras so much apart in cx that the boards lie on both sides of the zero disparity
    views = [pair(offset=-10)]
    missing = check(write_folder(tmp_path / "missing", views))
    assert verdicts(missing)["order"] == "wrong" and "cx_right" in text(missing, "order")
    both = check(write_folder(tmp_path / "both", views, cx_offset_px=-10))
    assert verdicts(both)["order"] == both.verdict == "cannot judge" and "both orders" in text(both, "order")


@pytest.mark.parametrize(
    ("changes", "scale", "points"),
    [
        ({}, "right", "right"),
        ({"baseline_m": 1.06 * BASELINE}, "doubtful", "right"),
        ({"baseline_m": 2 * BASELINE}, "wrong", "right"),
        ({"focal_px": FOCAL / 2}, "wrong", "right"),
        ({"cx_offset_px": -6}, "right", "wrong"),
    ],
)
def test_depth_measured_otherwise_shows_scale_and_principal_points(tmp_path, changes, scale, points):
    checked = check(write_folder(tmp_path, [pair(0), pair(1)], truth=depth_map(), **changes))
    assert (verdicts(checked)["scale"], verdicts(checked)["principal points"]) == (scale, points)
    assert checked.fitted[0] == pytest.approx(FOCAL * BASELINE, rel=0.02)
    assert checked.fitted[1] == pytest.approx(0, abs=0.3)
    assert checked.verdict == ("wrong" if "wrong" in (scale, points) else "right")


def test_sparse_depth_falls_back_on_dense_matches(tmp_path):
    sparse = depth_map()
    sparse[:, np.arange(WIDTH) % 24 != 0] = 0
    checked = check(write_folder(tmp_path, [pair()], truth=sparse))
    assert len(checked.truth) > 500
    assert verdicts(checked)["scale"] == "right" and verdicts(checked)["principal points"] == "right"
    sparse[:, np.arange(WIDTH) % 180 != 0] = 0
    checked = check(write_folder(tmp_path / "sparser", [pair()], truth=sparse))
    assert verdicts(checked)["scale"] == "cannot judge" and checked.fitted is None


def test_given_disparities_are_compared_but_do_not_prove_the_scale(tmp_path):
    disparity = (FOCAL * BASELINE / depth_map()).astype(np.float32)
    right = check(write_folder(tmp_path / "right", [pair()], disparity, "disparity", baseline_m=3 * BASELINE))
    assert verdicts(right)["ground truth"] == "right" and verdicts(right)["scale"] == "cannot judge"
    wrong = check(write_folder(tmp_path / "unit", [pair()], 4 * disparity, "disparity"))
    assert verdicts(wrong)["ground truth"] == "wrong" and wrong.verdict == "wrong"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"baseline_m": 12.0}, "millimetres"),
        ({"baseline_m": 0.001}, "baseline"),
        ({"focal_px": 60.0}, "field of view"),
        ({"focal_px": 9000.0}, "field of view"),
        ({"cx": 20.0}, "cx = 20"),
        ({"focal_y_px": 640.0}, "focal_y_px"),
    ],
)
def test_unusual_numbers_are_doubted_not_refused(tmp_path, changes, word):
    checked = check(write_folder(tmp_path, [pair()], **changes))
    assert verdicts(checked)["numbers"] == "doubtful" and word in text(checked, "numbers")
    assert checked.verdict == "right" and "look at numbers" in checked.lines()[-1]


def test_dark_and_unequal_views_are_doubted(tmp_path):
    left, right = pair()
    checked = check(write_folder(tmp_path / "unequal", [(left, (right * 0.6).astype(np.uint8))]))
    assert verdicts(checked)["views"] == "doubtful" and "0.60 times as bright" in text(checked, "views")
    dark = check(write_folder(tmp_path / "dark", [((left * 0.08).astype(np.uint8), (right * 0.08).astype(np.uint8))]))
    assert verdicts(dark)["views"] == "doubtful" and "image_bits" in text(dark, "views")


def test_pairs_are_spread_over_the_folder_and_options_are_checked(tmp_path):
    root = write_folder(tmp_path, [pair()] * 5)
    told = []
    check_rig(StereoFolder(root, size=None), 2, tell=told.append)
    assert told == ["0/l", "4/l"]
    with pytest.raises(OptionError, match="pairs=0"):
        check(root, 0)
    for options in ({"size": (48, 64)}, {"size": None, "camera": "both"}, {"size": None, "views": False}):
        with pytest.raises(OptionError, match="native size"):
            check_rig(StereoFolder(root, **options))
    small = [view[::2, ::2] for view in pair()]
    root = write_folder(tmp_path / "mixed", [pair()])
    other = write_folder(tmp_path / "other", [small])
    for side in ("left", "right"):
        (other / side / "0.png").rename(root / side / "1.png")
    with pytest.raises(DataError, match="different widths"):
        check(root)


def test_the_miniature_is_right_and_called_one(tmp_path):
    from lowtex_lab.miniature import write_stereo_folder

    checked = check(write_stereo_folder(tmp_path / "mini", pairs=2, size=(216, 384), progress=False))
    assert checked.verdict == "right" and verdicts(checked)["scale"] == "right" and checked.miniature
    assert "of the miniature" in checked.lines()[-1]
