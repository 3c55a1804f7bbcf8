"""`lowtex data rig`: its exit code, its words, its picture; and what it says of real pairs."""

import re

import numpy as np
import pandas as pd
import pytest
from rig_pairs import depth_map, pair, write_folder

from lowtex.datasets import StereoFolder
from lowtex.datasets.rig_file import EXAMPLE_RIG
from lowtex_lab.cli import main
from lowtex_lab.plots import draw_rig_check, save_figure
from lowtex_lab.plots.saving import redraw_card, refuse_blank
from lowtex_lab.rig.check import check_rig

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
    kinds = {"png", "pdf", "json", "npz", "points.csv", "curves.csv", "findings.csv", "truth.csv"}
    assert written == {f"rig_check.{kind}" for kind in kinds}
    findings = pd.read_csv(tmp_path / "out" / "rig_check.findings.csv")
    assert list(findings.columns) == ["topic", "verdict", "text"] and len(findings) == 6
    png = (tmp_path / "out" / "rig_check.png").read_bytes()
    (tmp_path / "out" / "rig_check.png").unlink()
    redraw_card(tmp_path / "out" / "rig_check.json")
    assert (tmp_path / "out" / "rig_check.png").read_bytes() == png


def test_a_wrong_folder_and_an_unclear_one_are_no_success(tmp_path, capsys):
    root = write_folder(tmp_path / "wrong", [pair()[::-1]])
    assert rig("--data", f"stereo={root}", "--out", tmp_path / "out") == 1
    assert "swapped" in capsys.readouterr().out
    flat = np.full((240, 360, 3), 120, np.uint8)
    root = write_folder(tmp_path / "flat", [(flat, flat)])
    assert rig("--data", f"stereo={root}", "--out", tmp_path / "flat_out") == 1
    assert "verdict: cannot judge" in capsys.readouterr().out
    assert (tmp_path / "flat_out" / "rig_check.png").is_file()


def test_bad_input_is_one_line_and_code_2(tmp_path, capsys):
    root = write_folder(tmp_path / "own", [pair()])
    for words in (["--data", f"kitti={root}"], [], ["--data", f"stereo={root}", "--split", "test"],
                  ["--data", f"stereo={root}", "--pairs", 0]):  # fmt: skip
        assert rig(*words) == 2
        assert capsys.readouterr().err.count("\n") == 1
    (root / "rig.yaml").write_text("focal_px: 320\n")
    assert rig("--data", f"stereo={root}") == 2
    assert "rig.yaml lacks baseline_m" in capsys.readouterr().err


def test_template_is_a_whole_rig_file(tmp_path, capsys):
    assert rig("--template") == 0
    assert capsys.readouterr().out == EXAMPLE_RIG


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        rig("--help")
    assert "lowtex data rig --data stereo=~/my_rig" in capsys.readouterr().out


def test_figure_names_what_is_wrong_and_marks_its_panels(tmp_path):
    checked = check_rig(StereoFolder(write_folder(tmp_path, [pair()[::-1]]), size=None))
    figure = draw_rig_check(checked)
    refuse_blank(figure)
    assert "Something is wrong" in figure.get_suptitle() and "order" in figure.get_suptitle()
    titles = " | ".join(axes.get_title(loc="left") for axes in figure.axes)
    for part in ("left view", "right view", "disparity found", "views swapped", "differs from left", "guessed shift",
                 "swapped guess", "distance by rig.yaml", "Order", "Rows", "What a warp leaves"):  # fmt: skip
        assert part in titles
    assert figure.call.function == "rig_check" and figure.get_size_inches()[0] == 9.0


def test_wide_pairs_are_drawn_in_two_columns(tmp_path):
    views = [np.ascontiguousarray(view[:120]) for view in pair()]
    root = write_folder(tmp_path / "own", [views], height=120, cy=59.5)
    saved = save_figure(draw_rig_check(check_rig(StereoFolder(root, size=None))), tmp_path / "out" / "wide")
    assert saved.is_file()


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
    "motorcycle": ("middlebury/motorcycle", ["motorcycle_left.png"], ["motorcycle_right.png"], MOTORCYCLE, (741, 500)),
    "teddy": ("middlebury/teddy", ["im2.png"], ["im6.png"], ROOM, (450, 375)),
    "cones": ("middlebury/cones", ["im2.png"], ["im6.png"], ROOM, (450, 375)),
    "Wood2": ("middlebury/Wood2", ["view1.png"], ["view5.png"], {**ROOM, "cx": 326, "cy": 277}, (653, 555)),
    "KITTI": (
        "kitti_raw/2011_09_26/2011_09_26_drive_0001_sync",
        ["image_02/data/0000000005.png", "image_02/data/0000000045.png"],
        ["image_03/data/0000000005.png", "image_03/data/0000000045.png"],
        KITTI,
        (1242, 375),
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_pairs_are_right_and_wrong_when_swapped(tmp_path, real_data, name):
    folder, left, right, numbers, size = REAL[name]
    as_is = real_folder(tmp_path / "is", real_data / folder, {"left": left, "right": right}, numbers, size)
    checked = check_rig(StereoFolder(as_is, size=None))
    assert checked.verdict == "right"
    assert list(checked.findings.verdict[:2]) == ["right", "right"]
    assert np.isfinite(checked.disparity).mean() > 0.75
    swapped = real_folder(tmp_path / "swapped", real_data / folder, {"left": right, "right": left}, numbers, size)
    checked = check_rig(StereoFolder(swapped, size=None))
    assert checked.verdict == "wrong"
    assert "left and right are swapped" in checked.findings.text[0]
    assert np.isfinite(checked.disparity).mean() < 0.6 * np.isfinite(checked.swapped).mean()


def test_kitti_with_its_depth_maps_shows_the_scale(tmp_path, real_data):
    """The rig of the calibration files passes; a baseline of another unit or focal length of another size does not."""
    frames = [f"{frame:010d}.png" for frame in (5, 45)]
    drive = "2011_09_26_drive_0001_sync"
    raw = f"kitti_raw/2011_09_26/{drive}"
    views = {side: [f"{raw}/image_{camera}/data/{frame}" for frame in frames]
             for side, camera in (("left", "02"), ("right", "03"))}  # fmt: skip
    depth = {"depth": [f"kitti_depth/train/{drive}/proj_depth/groundtruth/image_02/{frame}" for frame in frames]}
    for changes, verdict in (({}, "right"), ({"baseline_m": 0.12}, "wrong"), ({"focal_px": 2 * 721.5377}, "wrong")):
        root = real_folder(tmp_path / f"{len(changes)}{verdict}{list(changes)}", real_data, views, {**KITTI, **changes},
                           (1242, 375), depth)  # fmt: skip
        checked = check_rig(StereoFolder(root, size=None), 2 if verdict == "right" else 1)
        assert checked.findings.set_index("topic").verdict["scale"] == verdict == checked.verdict
        assert checked.fitted[0] == pytest.approx(721.5377 * 0.5327, rel=0.03)
