"""The check of one's own rig: what it measures with, every fault found and named, `lowtex data rig`, and real pairs."""

import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from dataset_trees import put, rig_text, write_picture, write_truth

from lowtex.datasets import StereoFolder
from lowtex.datasets.stereo_folder import EXAMPLE_RIG
from lowtex.errors import DataError, OptionError
from lowtex_lab.cli import main
from lowtex_lab.plots.saving import redraw_card, refuse_blank
from lowtex_lab.rig import check_rig, fit_rows, match_densely

# folders whose every fault is known: three flat boards at 2, 4 and 8 metres, full of texture
HEIGHT, WIDTH = 240, 360
FOCAL, BASELINE = 320.0, 0.1
DEPTHS = (8.0, 4.0, 2.0)
RIG = {"focal_px": FOCAL, "baseline_m": BASELINE, "cx": 179.5, "cy": 119.5, "width": WIDTH, "height": HEIGHT}


def texture(seed: int) -> np.ndarray:
    """``(H, 2 W, 3)`` uint8 with structure of several sizes, so that points can be found and told apart."""
    generator = np.random.default_rng(seed)
    total = np.zeros((HEIGHT, 2 * WIDTH, 3), np.float32)
    for size in (3, 7, 15):
        rough = generator.normal(size=total.shape).astype(np.float32)
        smooth = cv2.GaussianBlur(rough, (0, 0), size / 2)
        total += smooth / smooth.std()
    return np.clip(128 + 30 * total, 0, 255).astype(np.uint8)


def boards() -> np.ndarray:
    """Depth of each row, metres: the upper third is farthest."""
    return np.repeat(DEPTHS, HEIGHT // 3)


def pair(seed: int = 0, offset: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Left and right view, ``(H, W, 3)`` RGB; ``offset`` is added to every disparity (cx - cx_right)."""
    wide = texture(seed)
    shift = np.round(FOCAL * BASELINE / boards()).astype(int) + offset
    left = wide[:, WIDTH // 2 : WIDTH // 2 + WIDTH]
    right = np.stack([wide[row, WIDTH // 2 + d : WIDTH // 2 + d + WIDTH] for row, d in enumerate(shift)])
    return left, right


def depth_map() -> np.ndarray:
    return np.repeat(boards()[:, None], WIDTH, 1).astype(np.float32)


def write_folder(root: Path, pairs: list, truth: np.ndarray | None = None, kind: str = "depth", **changes) -> Path:
    """Write pairs, and ``rig.yaml`` with ``changes``; ``truth`` is every pair's."""
    for index, views in enumerate(pairs):
        for name, view in zip(("left", "right"), views, strict=True):
            write_picture(root / name / f"{index}.png", view)
        if truth is not None:
            write_truth(root / kind / f"{index}.npy", truth)
    put(root / "rig.yaml", rig_text(**{**RIG, **changes}))
    return root


def lowered(view: np.ndarray, pixels: float) -> np.ndarray:
    """A view whose content lies ``pixels`` lower."""
    return moved(view, np.float32([[1, 0, 0], [0, 1, pixels]]))


def turned(view: np.ndarray, degrees: float, zoom: float = 1.0) -> np.ndarray:
    return moved(view, cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, zoom))


def moved(view: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(view, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


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
    # of the nearest board's first columns the right view shows nothing
    assert np.isnan(found[170:, : max(14 + offset, 0)]).all()


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


def check(root, pairs: int = 4, **options):
    return check_rig(StereoFolder(root, size=None, **options), pairs)


def verdicts(checked) -> dict[str, str]:
    return dict(zip(checked.findings.topic, checked.findings.verdict, strict=True))


def text(checked, topic: str) -> str:
    return checked.findings.set_index("topic").text[topic]


def asked(checked) -> float:
    """Times the rig's focal x baseline that ground truth asks for."""
    return float(re.search(r"asks for ([\d.]+) times", text(checked, "scale"))[1])


def test_a_right_rig_passes_and_says_what_a_pair_cannot_show(tmp_path):
    checked = check(write_folder(tmp_path, [pair(0), pair(1)]))
    unknown = dict.fromkeys(("scale", "principal points"), "cannot judge")
    assert verdicts(checked) == {**dict.fromkeys(("order", "rows", "numbers", "views"), "right"), **unknown}
    for depth in DEPTHS:
        assert f"{depth:g} m" in text(checked, "scale")
    known = checked.disparity[np.isfinite(checked.disparity)]
    assert known.size > 0.8 * HEIGHT * WIDTH
    assert {round(float(value)) for value in np.percentile(known, [10, 50, 90])} == {4, 8, 16}
    assert len(checked.points) > 100 and checked.pairs == 2
    assert checked.lines()[-1] == "verdict: right, as far as pairs can show (2 pairs looked at)"


def flat(value: float, spread: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(value, spread, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)


def dimmed(view: np.ndarray, factor: float) -> np.ndarray:
    return (view * factor).astype(np.uint8)


def noisy(view: np.ndarray) -> np.ndarray:
    return np.clip(view + np.random.default_rng(0).normal(0, 4, view.shape), 0, 255).astype(np.uint8)


LEFT, VIEW = pair()
# the boards have disparities of 16, 8 and 4 px, to which the distance of the principal points is added; at -10 they lie
# on both sides of the zero disparity
APART, FARTHER = pair(offset=-4), pair(offset=-10)

FAULTS = {
    "swapped": ([(VIEW, LEFT)], {}, "wrong", "order wrong: left and right are swapped", "rows right"),
    "3 px lower": ([(LEFT, lowered(VIEW, 3.0))], {}, "wrong", "rows wrong: 3.0 px lower", "order right"),
    "3 px higher": ([(LEFT, lowered(VIEW, -3.0))], {}, "wrong", "rows wrong: 3.0 px higher"),
    "1.5 px lower": ([(LEFT, lowered(VIEW, 1.5))], {}, "right", "rows doubtful: 1.5 px lower"),
    "0.4 px lower": ([(LEFT, lowered(VIEW, 0.4))], {}, "right", "rows right"),
    "turned": ([(LEFT, turned(VIEW, 1.0))], {}, "wrong", "rows wrong: turned against the other by about 1.0"),
    "longer lens": ([(LEFT, turned(VIEW, 0.0, 1.03))], {}, "wrong", "rows wrong: from top to bottom"),
    "flat": ([(flat(120, 1), flat(120, 1, 1))], {}, "cannot judge", *(f"{t} cannot judge" for t in ("order", "rows"))),
    "too far": ([(LEFT, noisy(LEFT))], {}, "cannot judge", "order cannot judge", "rows right"),
    "one picture twice": ([(LEFT, LEFT)], {}, "wrong", "views wrong: same picture"),
    "one pair of others": (
        [*map(pair, (0, 1, 2)), (pair(3)[0], lowered(pair(3)[1], 6))],
        {},
        "wrong",
        "rows wrong: not in 3",
        "rows wrong: same moment",
    ),
    "principal points apart": ([APART], {"cx_offset_px": -4}, "right", "order right"),
    "apart and swapped": ([APART[::-1]], {"cx_offset_px": -4}, "wrong", "order wrong: left and right are swapped"),
    "apart, left out": ([FARTHER], {}, "wrong", "order wrong: cx_right"),
    "both ways": ([FARTHER], {"cx_offset_px": -10}, "cannot judge", "order cannot judge: both orders"),
    "millimetres": ([(LEFT, VIEW)], {"baseline_m": 12.0}, "right", "numbers doubtful: millimetres"),
    "small baseline": ([(LEFT, VIEW)], {"baseline_m": 0.001}, "right", "numbers doubtful: baseline"),
    "wide angle": ([(LEFT, VIEW)], {"focal_px": 60.0}, "right", "numbers doubtful: field of view"),
    "telescope": ([(LEFT, VIEW)], {"focal_px": 9000.0}, "right", "numbers doubtful: field of view"),
    "off centre": ([(LEFT, VIEW)], {"cx": 20.0}, "right", "numbers doubtful: cx = 20"),
    "odd pixels": ([(LEFT, VIEW)], {"focal_y_px": 640.0}, "right", "numbers doubtful: focal_y_px"),
    "unequal": ([(LEFT, dimmed(VIEW, 0.6))], {}, "right", "views doubtful: 0.60 times as bright"),
    "dark": ([(dimmed(LEFT, 0.08), dimmed(VIEW, 0.08))], {}, None, "views doubtful: image_bits"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_found_and_named(tmp_path, name):
    views, changes, verdict, *expected = FAULTS[name]
    checked = check(write_folder(tmp_path, views, **changes))
    assert verdict in (checked.verdict, None)
    for words in expected:
        topic, _, rest = words.partition(" ")
        judged, _, part = rest.partition(": ")
        assert verdicts(checked)[topic] == judged and part in text(checked, topic)
        if verdict == "right" and judged == "doubtful":
            assert f"right, but look at {topic}" in checked.lines()[-1]
    assert checked.name == str(len(views) - 1) or name != "one pair of others"


@pytest.mark.parametrize(
    ("changes", "scale", "points"),
    [
        ({}, "right", "right"),
        ({"baseline_m": 1.06 * BASELINE}, "doubtful", "right"),
        ({"baseline_m": 2 * BASELINE}, "wrong", "right"),
        ({"cx_offset_px": -6}, "right", "wrong"),
    ],
)
def test_depth_measured_otherwise_shows_scale_and_principal_points(tmp_path, changes, scale, points):
    checked = check(write_folder(tmp_path, [pair()], truth=depth_map(), **changes))
    assert (verdicts(checked)["scale"], verdicts(checked)["principal points"]) == (scale, points)
    rig = checked.native_rig
    assert asked(checked) * rig.focal_px * rig.baseline_m == pytest.approx(FOCAL * BASELINE, rel=0.02)
    wanted = re.search(r"cx - cx_right = (-?[\d.]+) px", text(checked, "principal points"))
    assert float(wanted[1]) == pytest.approx(0, abs=0.3)
    assert checked.verdict == ("wrong" if "wrong" in (scale, points) else "right")


def test_sparse_depth_falls_back_on_dense_matches_and_one_distance_shows_the_scale_alone(tmp_path):
    sparse = depth_map()
    sparse[:, np.arange(WIDTH) % 24 != 0] = 0
    checked = check(write_folder(tmp_path, [pair()], truth=sparse))
    assert len(checked.truth) > 500
    assert verdicts(checked)["scale"] == "right" and verdicts(checked)["principal points"] == "right"
    sparse[:, np.arange(WIDTH) % 180 != 0] = 0
    checked = check(write_folder(tmp_path / "sparser", [pair()], truth=sparse))
    assert verdicts(checked)["scale"] == "cannot judge"
    one_board = np.where(depth_map() == 2, depth_map(), 0)
    checked = check(write_folder(tmp_path / "one board", [pair()], truth=one_board))
    assert verdicts(checked)["scale"] == "right" and verdicts(checked)["principal points"] == "cannot judge"


def test_given_disparities_are_compared_but_do_not_prove_the_scale(tmp_path):
    disparity = (FOCAL * BASELINE / depth_map()).astype(np.float32)
    right = check(write_folder(tmp_path / "right", [pair()], disparity, "disparity", baseline_m=3 * BASELINE))
    assert verdicts(right)["ground truth"] == "right" and verdicts(right)["scale"] == "cannot judge"
    wrong = check(write_folder(tmp_path / "unit", [pair()], 4 * disparity, "disparity"))
    assert verdicts(wrong)["ground truth"] == "wrong" and wrong.verdict == "wrong"


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


MOTORCYCLE = {"focal_px": 994.978, "baseline_m": 0.193001, "cx": 311.193, "cy": 254.877, "cx_right": 342.279}
KITTI = {"focal_px": 721.5377, "baseline_m": 0.5327, "cx": 609.5593, "cy": 172.854}
ROOM = {"focal_px": 900, "baseline_m": 0.16, "cx": 225, "cy": 187}


def rig(*words: str) -> int:
    return main(["data", "rig", *map(str, words)])


def test_a_right_folder_leaves_picture_and_numbers(tmp_path, capsys):
    root = write_folder(tmp_path / "own", [pair(seed) for seed in range(3)], truth=depth_map())
    assert rig("--data", f"stereo={root}", "--pairs", 2, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "looking at 0\nlooking at 2\n" in said
    for line in ("order +right", "rows +right", "scale +right", "verdict: right", r"picture: .*rig_check\.png"):
        assert re.search(line, said), said
    written = {path.name for path in (tmp_path / "out").iterdir()}
    kinds = {"png", "pdf", "json", "npz", "points.csv", "findings.csv", "truth.csv"}
    assert written == {f"rig_check.{kind}" for kind in kinds}
    findings = pd.read_csv(tmp_path / "out" / "rig_check.findings.csv")
    assert list(findings.columns) == ["topic", "verdict", "text"] and len(findings) == 6
    png = (tmp_path / "out" / "rig_check.png").read_bytes()
    (tmp_path / "out" / "rig_check.png").unlink()
    redraw_card(tmp_path / "out" / "rig_check.json")
    assert (tmp_path / "out" / "rig_check.png").read_bytes() == png


def test_a_wrong_folder_is_no_success_and_its_figure_names_the_fault(tmp_path, capsys, monkeypatch):
    figures = []
    monkeypatch.setattr("lowtex_lab.plots.save_figure", lambda figure, path: figures.append(figure) or path)
    # the other one is drawn without a single match
    flat_views = (flat(120), flat(120))
    for views, said in ((pair()[::-1], "swapped"), (flat_views, "verdict: cannot judge")):
        root = write_folder(tmp_path / said[:7], [views])
        assert rig("--data", f"stereo={root}", "--out", tmp_path) == 1
        assert said in capsys.readouterr().out
        refuse_blank(figures[-1])
    assert figures[0].get_suptitle() == "Something is wrong with the rig: order"
    titles = " | ".join(axes.get_title(loc="left") for axes in figures[0].axes)
    for part in ("left view", "right view", "disparity", "metres by rig.yaml", "Order", "Rows"):
        assert part in titles


def test_bad_input_is_one_line_and_the_template_is_a_whole_rig_file(tmp_path, capsys):
    root = write_folder(tmp_path / "own", [pair()])
    for words in (["--data", f"kitti={root}"], [], ["--data", f"stereo={root}", "--split", "test"]):
        assert rig(*words) == 2
        assert capsys.readouterr().err.count("\n") == 1
    (root / "rig.yaml").write_text("focal_px: 320\n")
    assert rig("--data", f"stereo={root}") == 2
    assert "rig.yaml lacks baseline_m" in capsys.readouterr().err
    assert rig("--template") == 0
    assert capsys.readouterr().out == EXAMPLE_RIG


def real_folder(root, source, views, numbers, size, truth=None):
    """Links to real files that are never copied."""
    for name, files in {**views, **({} if truth is None else truth)}.items():
        (root / name).mkdir(parents=True)
        for index, file in enumerate(files):
            (root / name / f"{index}{file[-4:]}").symlink_to(source / file)
    lines = {**numbers, "width": size[0], "height": size[1], **({"depth_unit_m": 1 / 256} if truth else {})}
    (root / "rig.yaml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    return root


REAL = {
    "motorcycle": ("motorcycle_left.png", "motorcycle_right.png", MOTORCYCLE, (741, 500)),
    "teddy": ("im2.png", "im6.png", ROOM, (450, 375)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_pairs_are_right_and_wrong_when_swapped(tmp_path, real_data, name):
    first, second, numbers, size = REAL[name]
    for left, right, verdict in ((first, second, "right"), (second, first, "wrong")):
        views = {"left": [left], "right": [right]}
        root = real_folder(tmp_path / verdict, real_data / "middlebury" / name, views, numbers, size)
        checked = check_rig(StereoFolder(root, size=None))
        assert checked.verdict == checked.findings.verdict[0] == verdict
        assert ("left and right are swapped" in checked.findings.text[0]) == (verdict == "wrong")
        if verdict == "right":
            assert np.isfinite(checked.disparity).mean() > 0.75 and checked.findings.verdict[1] == "right"


def test_kitti_with_its_depth_maps_shows_the_scale(tmp_path, real_data):
    """The rig of the calibration files passes."""
    frame = "0000000005.png"
    drive = "2011_09_26_drive_0001_sync"
    raw = f"kitti_raw/2011_09_26/{drive}"
    cameras = {"left": "02", "right": "03"}
    views = {side: [f"{raw}/image_{camera}/data/{frame}"] for side, camera in cameras.items()}
    depth = {"depth": [f"kitti_depth/train/{drive}/proj_depth/groundtruth/image_02/{frame}"]}
    root = real_folder(tmp_path / "kitti", real_data, views, KITTI, (1242, 375), depth)
    checked = check_rig(StereoFolder(root, size=None))
    assert verdicts(checked)["scale"] == checked.verdict == "right"
    assert asked(checked) == pytest.approx(1, rel=0.03)
