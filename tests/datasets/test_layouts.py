"""What all readers share, layout by layout: samples, splits, sizes, crops, cameras, and the files behind a sample."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import cv2
import dataset_trees as trees
import numpy as np
import pytest
import torch
import yaml
from dataset_damages import delete
from dataset_trees import as_bytes, encoded, put, write_map, write_picture, write_world_maps
from layouts import LAYOUTS

from lowtex.datasets import READERS, collate, open_dataset
from lowtex.datasets.images import resize_area
from lowtex.datasets.reader import tolerates_missing, tolerating_missing
from lowtex.datasets.splits import own_lists
from lowtex.errors import DataError, OptionError
from lowtex_lab.cli.checking import check_root

TABLES = yaml.safe_load(Path(__file__).with_name("layouts.yaml").read_text())
SITUATIONS = [(data, name) for data, situations in TABLES["splits"].items() for name in situations]


def written(root: Path, data: str, **tree) -> Path:
    LAYOUTS[data].write(root / data, **{**LAYOUTS[data].trees[0], **tree})
    return root / data


def opened(root: Path, data: str, **options):
    return open_dataset(data, root, **{**LAYOUTS[data].options, **options})


def samples_of(dataset) -> list:
    return [dataset[index] for index in range(len(dataset))]


@pytest.mark.parametrize(
    ("data", "tree"), [(data, tree) for data, layout in LAYOUTS.items() for tree in layout.trees], ids=str
)
def test_samples_are_what_was_written(tmp_path, data, tree):
    layout, root = LAYOUTS[data], written(tmp_path, data, **tree)
    dataset = opened(root, data)
    assert type(dataset) is READERS[data] and len(dataset) == len(dataset.names)
    sides = [""] if data == "make3d" else ["/l", "/r"]
    assert dataset.names == [f"{name}{side}" for name in layout.names for side in sides]
    for name, sample in zip(dataset.names, dataset, strict=True):
        image, other, depth = layout.known(name)
        is_right = name.endswith("/r")
        np.testing.assert_allclose(as_bytes(sample.image).astype(int), image, atol=2 if data == "make3d" else 0)
        assert (sample.other is None) == (other is None)
        if other is not None:
            np.testing.assert_array_equal(as_bytes(sample.other), other)
        assert sample.name == name and sample.direction == (-1.0 if is_right else 1.0)
        # each camera has its own principal point; what lies between them does not depend on the side
        rig = layout.rig.resized(16, 8) if data == "make3d" else layout.rig
        rig = replace(rig, cx=rig.cx - rig.cx_offset_px) if is_right else rig
        for field, value in rig.as_dict().items():
            assert getattr(sample.rig, field) == pytest.approx(value, rel=1e-6), field
        assert (sample.depth is None) == (depth is None)
        if depth is not None:
            assert sample.depth.dtype == torch.float32 and sample.depth.shape == (1, *depth.shape)
            np.testing.assert_allclose(sample.depth[0], depth, rtol=1e-5)
        assert sample.texture_contrast is None and sample.visible is None
    assert dataset[-1].name == dataset.names[-1]
    with pytest.raises(IndexError, match=f"sample {len(dataset)} of {len(dataset)}"):
        dataset[len(dataset)]


@pytest.mark.parametrize("data", [data for data in LAYOUTS if data != "make3d"])
def test_rig_follows_the_size_and_depth_keeps_its_own(tmp_path, data):
    root = written(tmp_path, data)
    native, sample = opened(root, data)[0], opened(root, data, size=(5, 8))[0]
    height, width = native.image.shape[1:]
    for got, view in ((sample.image, native.image), (sample.other, native.other)):
        expected = cv2.resize(as_bytes(view), (8, 5), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(as_bytes(got), expected)
    # what resizing does to a rig is worked out in the tests of the geometry
    assert (native.rig.width, native.rig.height) == (width, height) and sample.rig == native.rig.resized(8, 5)
    assert torch.equal(sample.depth, native.depth) if data != "kitti_pairs" else sample.depth is native.depth is None
    batch = collate([sample, sample])
    assert batch.rig.focal_px.tolist() == pytest.approx([sample.rig.focal_px] * 2) and batch.image.shape == (2, 3, 5, 8)


@pytest.mark.parametrize(
    ("data", "crop", "rows", "truth_rows"),
    [
        ("cityscapes", "bottom_quarter", slice(0, 15), slice(0, 15)),
        ("make3d", "c1", slice(710, 1562), slice(17, 38)),
        ("make3d", "wide", slice(795, 1477), slice(19, 36)),
    ],
)
def test_crop_cuts_views_rig_and_truth_alike(tmp_path, data, crop, rows, truth_rows):
    root = written(tmp_path, data)
    if data == "make3d":
        # every row another one; what is decoded goes by the content, not by the name
        numbers = np.zeros((trees.MAKE3D_HEIGHT, trees.MAKE3D_WIDTH, 3), np.uint8)
        numbers[:, :, 0], numbers[:, :, 1] = (np.arange(len(numbers))[:, None] // part % 256 for part in (256, 1))
        put(root / "Test134" / f"img-{LAYOUTS[data].names[0]}.jpg", encoded(".png", numbers))
    whole, cut, small = (
        opened(root, data, crop=crop, size=size)[0] for crop, size in ((None, None), (crop, None), (crop, (5, 10)))
    )
    assert torch.equal(cut.image, whole.image[:, rows]) and torch.equal(cut.depth, whole.depth[:, truth_rows])
    assert cut.other is whole.other or torch.equal(cut.other, whole.other[:, rows])
    assert cut.rig == whole.rig.cropped(0, rows.start, whole.rig.width, rows.stop - rows.start)
    assert (cut.rig.cx, cut.rig.cy) == (whole.rig.cx, whole.rig.cy - rows.start)
    assert small.rig == cut.rig.resized(10, 5) and torch.equal(small.depth, cut.depth)
    np.testing.assert_array_equal(as_bytes(small.image), resize_area(as_bytes(cut.image), (5, 10)))


def test_usual_crops(tmp_path):
    root = written(tmp_path, "cityscapes")
    rows = {crop: opened(root, "cityscapes", crop=crop).kept_rows(1024) for crop in ("bottom_quarter", "bottom_fifth")}
    assert rows == {"bottom_quarter": slice(0, 768), "bottom_fifth": slice(0, 819)}
    assert READERS["cityscapes"](root).crop == "bottom_quarter"
    reader = READERS["make3d"](written(tmp_path, "make3d", ids=trees.IDS[:1]))
    assert reader.crop == "c1" and reader.rig_is_nominal and reader.split == "test, 1 of 134"
    rig = reader[0].rig
    assert (rig.width, rig.height, rig.baseline_m) == (320, 96, 0.1)
    assert (rig.cx, rig.cy) == pytest.approx((868.5 * 320 / 1704 - 0.5, 381.5 * 96 / 852 - 0.5))
    assert (rig.focal_px, rig.fy) == pytest.approx((2466 * 320 / 1704, 2466 * 96 / 852))


@pytest.mark.parametrize(("data", "name"), SITUATIONS, ids=[f"{data}: {name}" for data, name in SITUATIONS])
def test_splits(tmp_path, data, name):
    situation, root = TABLES["splits"][data][name], tmp_path / "data"
    if situation.get("tree", {}) is not None:
        LAYOUTS[data].write(root, **situation.get("tree", {}))
    for old, new in situation.get("moved", {}).items():
        (root / old).rename(root / new)
    for path in situation.get("gone", ()):
        delete(root / path)
    for path, content in situation.get("files", {}).items():
        put(root / path, content)
    for options, expected in situation["open"]:
        check_opening(data, root, dict(options), expected)


def check_opening(data: str, root: Path, options: dict, expected: dict) -> None:
    tolerant = options.pop("tolerant", False)
    options |= {name: root / options[name] for name in ("raw_root", "split") if str(options.get(name))[-4:] == ".txt"}
    options |= {"raw_root": root / options["raw_root"]} if "raw_root" in options else {}
    for kind, error in (("data", DataError), ("option", OptionError)):
        if kind in expected:
            with pytest.raises(error, match=expected[kind]):
                samples_of(open_dataset(data, root, **options))
            return
    with tolerating_missing() if tolerant else nullcontext():
        dataset = open_dataset(data, root, **options)
    assert not tolerates_missing()
    found = {
        "names": lambda: dataset.names,
        "count": lambda: len(dataset),
        "split": lambda: dataset.split,
        "first": lambda: dataset.needed(0)[0].name,
        "folders": lambda: sorted({name.rpartition("/")[0].rpartition("/")[0] for name in dataset.names}),
        "parts": lambda: {part: [n.split("/")[0] for n in dataset.names].count(part) for part in expected["parts"]},
        "absent": lambda: [path.relative_to(root).as_posix() for path in dataset.absent],
        "gone": lambda: gone_from(dataset),
        "depth": lambda: [sample.depth is not None for sample in samples_of(dataset)],
        "pair": lambda: dataset[0].other is not None,
    }
    assert {key: found[key]() for key in expected} == expected


def gone_from(dataset) -> list[str]:
    """The files that samples need and that are not there, each once."""
    needed = dict.fromkeys(path for index in range(len(dataset)) for path in dataset.needed(index))
    return [path.relative_to(dataset.root).as_posix() for path in needed if not path.is_file()]


@pytest.mark.parametrize("row", TABLES["needed"], ids=lambda row: f"{row['data']} {row.get('options', '')}")
def test_every_reader_names_what_it_reads(tmp_path, monkeypatch, row):
    root = written(tmp_path, row["data"], **({"frames": (0,)} if row["data"].startswith("kitti") else {}))
    if row["data"] == "vkitti2":
        write_world_maps(root)
    dataset = opened(root, row["data"], **row.get("options", {}))
    needed, seen, read = dataset.needed(0), set(), Path.read_bytes
    assert [path.relative_to(tmp_path).as_posix() for path in needed] == row["files"]
    monkeypatch.setattr(Path, "read_bytes", lambda path: seen.add(path) or read(path))
    assert dataset[0] is not None
    # a calibration was read when the reader was opened
    assert seen <= set(needed) and {path.suffix for path in set(needed) - seen} <= {".txt", ".yaml"}


@pytest.mark.parametrize("change", [trees.in_capitals, trees.with_system_files])
@pytest.mark.parametrize("data", LAYOUTS)
def test_endings_in_capitals_and_files_of_the_system_change_no_sample(tmp_path, data, change):
    root = written(tmp_path, data, **({"ids": trees.IDS[:1]} if data == "make3d" else {}))
    trees.a_list(root, "a\n")
    before = opened(root, data)
    expected = samples_of(before)
    change(root)
    after = opened(root, data)
    assert after.names == before.names and own_lists(root) == ["mine"]
    for old, new in zip(expected, samples_of(after), strict=True):
        assert torch.equal(old.image, new.image) and old.rig == new.rig
        assert old.depth is new.depth or torch.equal(old.depth, new.depth)
    if data != "kitti_improved":
        assert check_root(data, root, "available", thorough=True).named.fine


def test_an_unknown_data_set(tmp_path):
    with pytest.raises(
        OptionError, match="'kiti' is not known; choose one of: kitti, kitti_improved, kitti_pairs, kitti_2015, vkitti2"
    ):
        open_dataset("kiti", tmp_path)


def test_official_camera_of_virtual_kitti_2_without_text_files(tmp_path):
    root = written(tmp_path, "vkitti2", scenes={"Scene01": 1}, text=False)
    frames = root / "Scene01" / "clone" / "frames"
    for camera in (0, 1):
        write_picture(frames / "rgb" / f"Camera_{camera}" / "rgb_00000.png", trees.picture(camera, 375, 1242))
        write_map(frames / "depth" / f"Camera_{camera}" / "depth_00000.png", trees.depth_values(camera, 375, 1242))
    rig = opened(root, "vkitti2", split="available")[0].rig
    assert (rig.focal_px, rig.fy, rig.cx, rig.cy) == (725.0087, 725.0087, 620.5, 187.0)
    assert (rig.baseline_m, rig.width, rig.height) == (0.532725, 1242, 375)


def test_typical_camera_of_cityscapes_only_where_there_is_none(tmp_path):
    root = written(tmp_path, "cityscapes", cameras=False)
    reader = opened(root, "cityscapes", typical_camera=True, camera=None)
    focal, baseline = 2262.52 * trees.CITY_WIDTH / 2048, 0.209313
    rig = reader[0].rig
    assert (rig.focal_px, rig.fy, rig.baseline_m) == pytest.approx((focal, 2265.30 * 20 / 1024, baseline))
    assert (rig.cx, rig.cy) == pytest.approx((1097.48 * 40 / 2048 - 0.5, 513.64 * 20 / 1024 - 0.5))
    assert reader.rig_is_nominal and reader[0].depth[0, 2, 0].item() == pytest.approx(focal * baseline / 10, rel=1e-6)
    assert [path.suffix for path in reader.needed(0)] == [".png"] * 3
    path = trees.city_path(root, "camera", "train", "aachen", 1, "json")
    put(path, trees.camera_text())
    mixed = opened(root, "cityscapes", typical_camera=True, camera=None)
    assert mixed[0].rig == LAYOUTS["cityscapes"].rig and mixed[1].rig == rig and mixed.rig_is_nominal
    assert path in mixed.needed(0) and not opened(root, "cityscapes", split="available").rig_is_nominal
    for path in mixed.needed(1)[:2]:
        write_picture(path, trees.picture(0, 20, 30))
    with pytest.raises(DataError, match="30x20 pixels, but --reader typical_camera=true"):
        mixed[1]


def test_a_principal_point_of_each_camera_of_kitti(tmp_path):
    """Its offset has the sign of left minus right; what that does to a disparity, the tests of the geometry tell."""
    for offset in (2.5, -2.5):
        root = written(tmp_path / str(offset), "kitti")
        file = root / trees.DATE / "calib_cam_to_cam.txt"
        file.write_text(file.read_text().replace(f"{trees.CX} {trees.P3_X}", f"{trees.CX - offset} {trees.P3_X}"))
        for sample in opened(root, "kitti"):
            assert sample.rig.cx_offset_px == pytest.approx(offset)
            assert sample.rig.baseline_m == pytest.approx(trees.BASELINE)
            assert sample.rig.cx == (trees.CX if sample.direction > 0 else trees.CX - offset)


def test_no_disparity_is_no_depth_whatever_the_principal_points(tmp_path):
    root = written(tmp_path, "kitti_2015")
    for file in (root / "training" / "calib_cam_to_cam").iterdir():
        file.write_text(file.read_text().replace(f"{trees.CX} {trees.P3_X}", f"{trees.CX + 2} {trees.P3_X}"))
    sample = opened(root, "kitti_2015")[0]
    assert sample.rig.cx_offset_px == pytest.approx(-2)
    np.testing.assert_array_equal(sample.depth[0] > 0, trees.kitti_disparity(0) > 0)
