"""Cityscapes: layouts, splits, cameras, the crop of views, rig and truth, and a real pair."""

import json
import shutil

import cv2
import dataset_trees_cityscapes as city_trees
import numpy as np
import pytest
import torch
from dataset_trees import as_bytes, write_list, write_map, write_picture
from dataset_trees_cityscapes import HEIGHT, WIDTH, camera_values, disparity_values, path_of, view, write_cityscapes

from lowtex.datasets import Cityscapes, collate, open_dataset
from lowtex.datasets.cityscapes import PUBLISHED_LISTS, TYPICAL_RIG, listed_frame
from lowtex.datasets.reader import tolerating_missing
from lowtex.datasets.splits import Frame, cityscapes_frames
from lowtex.errors import DataError, OptionError
from lowtex.geometry import StereoRig, depth_to_disparity, disparity_to_depth, warp_horizontal

NATIVE = StereoRig(
    focal_px=city_trees.FX,
    focal_y_px=city_trees.FY,
    cx=city_trees.U0,
    cy=city_trees.V0,
    baseline_m=city_trees.BASELINE,
    width=WIDTH,
    height=HEIGHT,
)
TRAIN = ["train/aachen_000003_000001", "train/aachen_000003_000019", "train/bad-honnef_000003_000007"]


@pytest.mark.parametrize("apart", [False, True])
def test_read_back_joint_and_apart(tmp_path, apart):
    write_cityscapes(tmp_path, apart=apart)
    reader = Cityscapes(tmp_path, size=None, crop=None, camera="both")
    assert reader.names == [f"{name}/{side}" for name in TRAIN for side in "lr"]
    for name, sample in zip(reader.names, reader, strict=True):
        city, frame, side = name.split("/")[1].split("_")[0], int(name[-8:-2]), name[-1]
        np.testing.assert_array_equal(as_bytes(sample.image), view(city, frame, side))
        np.testing.assert_array_equal(as_bytes(sample.other), view(city, frame, "r" if side == "l" else "l"))
        assert sample.rig == NATIVE and sample.direction == (1.0 if side == "l" else -1.0)
        if side == "r":
            assert sample.depth is None
            continue
        expected = (
            NATIVE.focal_px * NATIVE.baseline_m / ((disparity_values(frame).astype(np.float64) - 1) / 256).clip(1e-9)
        )
        assert not sample.depth[0, :2].any() and sample.depth.dtype == torch.float32
        torch.testing.assert_close(sample.depth[0, 2], torch.full((WIDTH,), 1.1))  # 44 px * 0.25 m / 10 px
        np.testing.assert_allclose(sample.depth[0, 2:].numpy(), expected[2:], rtol=1e-6)


def test_pngs_and_jpegs(tmp_path):
    write_cityscapes(tmp_path, suffix="jpg")
    decoded = cv2.imread(str(path_of(tmp_path, "leftImg8bit", "train", "aachen", 1, "jpg")))[:, :, ::-1]
    np.testing.assert_array_equal(as_bytes(Cityscapes(tmp_path, size=None, crop=None)[0].image), decoded)
    write_picture(path_of(tmp_path, "leftImg8bit", "train", "aachen", 1), view("aachen", 1, "l"))
    np.testing.assert_array_equal(as_bytes(Cityscapes(tmp_path, size=None, crop=None)[0].image), view("aachen", 1, "l"))


@pytest.mark.parametrize(("crop", "rows"), [("bottom_quarter", 15), ("bottom_fifth", 16), (None, 20)])
def test_crop_cuts_views_rig_and_depth_alike(tmp_path, crop, rows):
    write_cityscapes(tmp_path)
    whole = Cityscapes(tmp_path, size=None, crop=None)[0]
    sample = Cityscapes(tmp_path, size=None, crop=crop)[0]
    for name in ("image", "other", "depth"):
        assert torch.equal(getattr(sample, name), getattr(whole, name)[:, :rows])
    assert sample.rig == NATIVE.cropped(0, 0, WIDTH, rows) and (sample.rig.cx, sample.rig.cy) == (
        NATIVE.cx,
        NATIVE.cy,
    )
    resized = Cityscapes(tmp_path, size=(5, 10), crop=crop)[0]
    assert resized.rig == NATIVE.cropped(0, 0, WIDTH, rows).resized(10, 5)
    assert resized.rig.fy == pytest.approx(NATIVE.fy * 5 / rows) and resized.rig.focal_px == NATIVE.focal_px / 4
    assert torch.equal(resized.depth, sample.depth)
    expected = cv2.resize(view("aachen", 1, "l")[:rows], (10, 5), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(as_bytes(resized.image), expected)


def test_default_crop_keeps_768_or_819_of_1024_rows(tmp_path):
    write_cityscapes(tmp_path)
    for crop, rows in (("bottom_quarter", 768), ("bottom_fifth", 819), (None, 1024)):
        assert Cityscapes(tmp_path, crop=crop).kept_rows(1024) == slice(0, rows)
    assert Cityscapes(tmp_path).crop == "bottom_quarter"


def test_directions_and_depth_bring_the_views_onto_each_other(tmp_path):
    write_cityscapes(tmp_path, {"train": {"ulm": (0,)}})
    left, shift = view("ulm", 0, "l"), 4
    right = np.roll(left, -shift, axis=1)  # content of the left view lies 4 px further left in the right one
    write_picture(path_of(tmp_path, "rightImg8bit", "train", "ulm", 0), right)
    write_map(path_of(tmp_path, "disparity", "train", "ulm", 0), np.full((HEIGHT, WIDTH), shift * 256 + 1, np.uint16))
    samples = list(Cityscapes(tmp_path, size=None, camera="both"))
    batch = collate(samples)
    disparity = depth_to_disparity(samples[0].depth, NATIVE).expand(2, 1, -1, -1)
    warped = warp_horizontal(batch.other, batch.direction.view(2, 1, 1, 1) * disparity.round(decimals=3))
    inside = slice(shift, WIDTH - shift)
    torch.testing.assert_close(warped[..., inside], batch.image[..., inside], atol=1e-3, rtol=0)


def test_splits(tmp_path):
    write_cityscapes(tmp_path)
    assert Cityscapes(tmp_path).names == [f"{name}/l" for name in TRAIN]
    assert Cityscapes(tmp_path, "val").names == ["val/lindau_000003_000000/l"]
    assert Cityscapes(tmp_path, "val", camera="right").names == ["val/lindau_000003_000000/r"]
    assert len(Cityscapes(tmp_path, "available", camera="both")) == 8
    with pytest.raises(DataError, match=r"no frame for split 'test' \(its folders: train, val\).*https://"):
        Cityscapes(tmp_path, "test")
    lines = "lindau/lindau_000003_000000 r\n\naachen/aachen_000003_000019_leftImg8bit.png\n"
    (tmp_path / "mine.txt").write_text(lines)
    mine = Cityscapes(tmp_path, tmp_path / "mine.txt")
    assert mine.names == ["val/lindau_000003_000000/r", "train/aachen_000003_000019/l"] and mine.split == "mine"
    (tmp_path / "splits").mkdir()
    (tmp_path / "mine.txt").rename(tmp_path / "splits" / "val.txt")
    assert Cityscapes(tmp_path, "val").names == mine.names, "a list of the root goes before the folder"
    with pytest.raises(OptionError, match="split='vall' is not known; choose val, train, "):
        Cityscapes(tmp_path, "vall")
    write_list(tmp_path, "val", "lindau/lindau_000003_000000 r\n")
    with pytest.raises(OptionError, match="camera='left' leaves no frame of split 'val'"):
        Cityscapes(tmp_path, "val", camera="left")
    with pytest.raises(OptionError, match="crop='bottom'"):
        Cityscapes(tmp_path, crop="bottom")


def test_published_lists_find_each_frame_in_its_folder(tmp_path):
    assert sorted(PUBLISHED_LISTS) == ["monodepth_train", "monodepth_val"]
    names = cityscapes_frames("cityscapes/train")
    write_cityscapes(tmp_path, {"train": {"aachen": (1,)}})
    with pytest.raises(DataError, match=rf"22973 of 22973 .*leftImg8bit/train_extra/{names[0]}_leftImg8bit\.png"):
        Cityscapes(tmp_path, "monodepth_train")
    with tolerating_missing():
        reader = Cityscapes(tmp_path, "monodepth_train")
        both = Cityscapes(tmp_path, "monodepth_train", camera="both")
    assert (
        len(reader) == 22973 and reader.names[0] == f"train_extra/{names[0].split('/')[1]}/l" and len(both) == 2 * 22973
    )
    parts = [name.split("/")[0] for name in reader.names]
    assert (parts.count("train"), parts.count("train_extra")) == (2975, 19998)


@pytest.mark.parametrize(
    ("line", "side"),
    [
        ("aachen/aachen_000029_000019", "l"),
        ("aachen_000029_000019 r", "r"),
        ("leftImg8bit/train/aachen/aachen_000029_000019_leftImg8bit.png", "l"),
        ("aachen/aachen_000029_000019_rightImg8bit.jpg", "r"),
        ("aachen/aachen_000029_000019_leftImg8bit.jpg aachen/aachen_000029_000019_rightImg8bit.jpg", "l"),
        ("aachen/aachen_000029_000019_rightImg8bit.jpg aachen/aachen_000029_000019_leftImg8bit.jpg", "r"),
    ],
)
def test_forms_of_a_listed_frame(line, side):
    assert listed_frame(line) == Frame("aachen", (29, 19), side)


def test_what_may_be_absent(tmp_path):
    write_cityscapes(tmp_path, {"train": {"ulm": (0,)}})
    right, disparity = (path_of(tmp_path, kind, "train", "ulm", 0) for kind in ("rightImg8bit", "disparity"))
    disparity.unlink()
    with pytest.raises(DataError, match="1 of 1 frames .*ulm_000003_000000_disparity.png"):
        Cityscapes(tmp_path)
    assert Cityscapes(tmp_path, depth=False)[0].depth is None
    assert Cityscapes(tmp_path, camera="right")[0].depth is None
    right.unlink()
    with pytest.raises(DataError, match="1 of 1 frames .*ulm_000003_000000_rightImg8bit.png"):
        Cityscapes(tmp_path, depth=False)
    assert Cityscapes(tmp_path, depth=False, views=False)[0].other is None


def test_missing_frames_are_counted_from_whatever_is_left_of_them(tmp_path):
    write_cityscapes(tmp_path)
    for kind, frame in (("leftImg8bit", 1), ("rightImg8bit", 19)):
        path_of(tmp_path, kind, "train", "aachen", frame).unlink()
    with pytest.raises(DataError, match=r"2 of 3 frames of split 'train'.* first: .*aachen_000003_000001_leftImg8bit"):
        Cityscapes(tmp_path)
    assert Cityscapes(tmp_path, "available").names == [f"{TRAIN[2]}/l", "val/lindau_000003_000000/l"]
    assert Cityscapes(tmp_path, "available", views=False).names[0] == f"{TRAIN[1]}/l"
    with tolerating_missing():
        reader = Cityscapes(tmp_path)
    gone = [path for index in range(len(reader)) for path in reader.needed(index) if not path.exists()]
    assert [path.name for path in gone] == [
        "aachen_000003_000001_leftImg8bit.png",
        "aachen_000003_000019_rightImg8bit.png",
    ]


def test_what_no_frame_has_is_named(tmp_path):
    write_cityscapes(tmp_path)
    shutil.rmtree(tmp_path / "rightImg8bit")
    with pytest.raises(
        DataError, match=r"no complete frame: of its 4, 4 without rightImg8bit; first missing: \S*aachen"
    ):
        Cityscapes(tmp_path, "available")
    shutil.rmtree(tmp_path / "camera")
    with pytest.raises(DataError, match="4 without rightImg8bit, 4 without camera; first missing"):
        Cityscapes(tmp_path, "available")
    assert len(Cityscapes(tmp_path, "available", views=False, typical_camera=True)) == 4, "scoring needs one view"


def test_typical_camera_only_where_there_is_none_and_only_when_asked_for(tmp_path):
    write_cityscapes(tmp_path, cameras=False)
    with pytest.raises(
        DataError, match=r"3 of 3 frames .*aachen_000003_000001_camera\.json; .*--reader typical_camera=true"
    ):
        Cityscapes(tmp_path)
    with pytest.raises(DataError, match="of its 4, 4 without camera; .*--reader typical_camera=true"):
        Cityscapes(tmp_path, "available")
    reader = Cityscapes(tmp_path, size=None, crop=None, typical_camera=True)
    assert reader.rig_is_nominal and reader[0].rig == TYPICAL_RIG.resized(WIDTH, HEIGHT)
    assert reader[0].depth[0, 2, 0].item() == pytest.approx(2262.52 * WIDTH / 2048 * 0.209313 / 10, rel=1e-6)
    assert [path.suffix for path in reader.needed(0)] == [".png"] * 3
    path = path_of(tmp_path, "camera", "train", "aachen", 1, "json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(camera_values()))
    mixed = Cityscapes(tmp_path, size=None, crop=None, typical_camera=True)
    assert mixed[0].rig == NATIVE and mixed[1].rig == reader[1].rig and mixed.rig_is_nominal
    assert path in mixed.needed(0) and not Cityscapes(tmp_path, "available").rig_is_nominal
    for side in ("left", "right"):
        kind = f"{side}Img8bit"
        write_picture(path_of(tmp_path, kind, "train", "aachen", 19), view("aachen", 19, side[0])[:, :30])
    with pytest.raises(DataError, match="30x20 pixels, but --reader typical_camera=true"):
        mixed[1]


def test_other_files_beside_the_data_are_left_alone(tmp_path):
    write_cityscapes(tmp_path)
    city = tmp_path / "leftImg8bit" / "train" / "aachen"
    for name in ("Thumbs.db", "README", "._aachen_000003_000002_leftImg8bit.png", ".DS_Store"):
        (city / name).write_text("something else")
    (tmp_path / "license.txt").write_text("")
    (city.parent / "index.html").write_text("")
    assert Cityscapes(tmp_path).names == [f"{name}/l" for name in TRAIN]


def test_real_pair(real_data):
    root = real_data / "cityscapes"
    with pytest.raises(DataError, match=r"aachen_000029_000019_camera\.json; .*--reader typical_camera=true"):
        Cityscapes(root)
    reader = open_dataset("cityscapes", root, split="train", size=None, typical_camera=True)
    assert reader.names == ["train/aachen_000029_000019/l"] and reader.rig_is_nominal
    sample = reader[0]
    assert sample.image.shape == sample.other.shape == (3, 768, 2048) and sample.depth.shape == (1, 768, 2048)
    assert sample.rig == TYPICAL_RIG.cropped(0, 0, 2048, 768)
    assert Cityscapes(root, size=None, crop="bottom_fifth", typical_camera=True)[0].image.shape == (3, 819, 2048)
    disparity = depth_to_disparity(sample.depth, sample.rig)
    torch.testing.assert_close(disparity_to_depth(disparity, sample.rig), sample.depth, rtol=1e-5, atol=0)
    assert 0.6 < (sample.depth > 0).float().mean() < 1 and 10 < sample.depth[sample.depth > 0].median() < 40


def test_real_disparity_agrees_with_a_classical_matcher(real_data):
    sample = Cityscapes(real_data / "cityscapes", size=None, typical_camera=True)[0]
    rows = slice(250, 650)
    left, right = (np.ascontiguousarray(as_bytes(v[:, rows])) for v in (sample.image, sample.other))
    matcher = cv2.StereoSGBM_create(0, 128, 5, 200, 800, uniquenessRatio=10, speckleWindowSize=100, speckleRange=2)
    matched = matcher.compute(cv2.cvtColor(left, cv2.COLOR_RGB2GRAY), cv2.cvtColor(right, cv2.COLOR_RGB2GRAY)) / 16
    told = depth_to_disparity(sample.depth, sample.rig)[0, rows].numpy()
    both = (matched > 0) & (told > 0)
    assert both.mean() > 0.5
    assert np.median(np.abs(matched - told)[both]) < 0.5
