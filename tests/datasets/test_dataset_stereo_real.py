"""Real pairs read as stereo folders: links to samples that are never copied."""

import cv2
import numpy as np
import pytest
import torch
from stereo_trees import write_stereo

from lowtex.datasets import KittiImproved, StereoFolder
from lowtex.geometry import depth_to_disparity, warp_horizontal
from lowtex_lab.cli.checking import check_root


def test_motorcycle_disparity_turns_into_depth_and_back(tmp_path, real_data):
    """Middlebury 2014: principal points 31.086 px apart; the true disparity explains the pair, no other does."""
    folder = real_data / "middlebury" / "motorcycle"
    for name, source in (("left", "left.png"), ("right", "right.png"), ("disparity", "disp.npz")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"m{source[-4:]}").symlink_to(folder / f"motorcycle_{source}")
    (tmp_path / "rig.yaml").write_text(
        "focal_px: 994.978\nbaseline_m: 0.193001\ncx: 311.193\ncx_right: 342.279\ncy: 254.877\n"
        "width: 741\nheight: 500\n"
    )
    sample = StereoFolder(tmp_path, size=None)[0]
    true = np.load(folder / "motorcycle_disp.npz")["arr_0"]
    known = np.isfinite(true)
    assert ((sample.depth[0] > 0).numpy() == known).all()
    back = depth_to_disparity(sample.depth, sample.rig)
    assert np.abs(back[0].numpy() - true)[known].max() < 1e-4
    assert 2.0 < sample.depth[sample.depth > 0].min() < 2.3 and 4.5 < sample.depth.max() < 5.5
    error = {}
    for added in (-2, -1, 0, 1, 2):
        warped = warp_horizontal(sample.other[None], back[None] + added)
        error[added] = (warped - sample.image).abs().mean(1)[0][torch.from_numpy(known)].mean().item()
    assert error[0] < 0.75 * min(error[added] for added in (-2, -1, 1, 2))


@pytest.mark.parametrize(
    ("folder", "left", "right", "truth", "unit", "shape"),
    [
        ("teddy", "im2", "im6", "groundtruth", 0.25, (375, 450)),
        ("cones", "im2", "im6", "groundtruth", 0.25, (375, 450)),
        ("Wood2", "view1", "view5", "disp1", 0.5, (555, 653)),
    ],
)
def test_middlebury_disparity_of_8_bits_as_published(tmp_path, real_data, folder, left, right, truth, unit, shape):
    source = real_data / "middlebury" / folder
    numbers = dict(width=shape[1], height=shape[0], cx=shape[1] / 2, cy=shape[0] / 2, focal_px=900)
    write_stereo(tmp_path, stems=(), disparity_unit_px=unit, **numbers)
    for name, image in (("left", left), ("right", right)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pair.png").symlink_to(source / f"{image}.png")
    disparity = cv2.imread(str(source / f"{truth}.png"), cv2.IMREAD_UNCHANGED).astype(np.float32) * unit
    (tmp_path / "disparity").mkdir()
    (tmp_path / "disparity" / "pair.png").symlink_to(source / f"{truth}.png")
    assert check_root("stereo", tmp_path, thorough=True).named.fine
    sample = StereoFolder(tmp_path, size=None)[0]
    back = depth_to_disparity(sample.depth, sample.rig)
    np.testing.assert_allclose(back[0].numpy(), disparity, rtol=1e-5)
    known = torch.from_numpy(disparity > 0)
    errors = [
        (warp_horizontal(sample.other[None], back[None] + added) - sample.image).abs().mean(1)[0][known].mean().item()
        for added in (-2, -1, 0, 1, 2)
    ]
    assert errors[2] == min(errors) and errors[2] < 0.9 * min(errors[0], errors[4])


def test_kitti_as_a_stereo_folder_gives_the_same_samples(tmp_path, real_data):
    drive = "2011_09_26_drive_0001_sync"
    raw = real_data / "kitti_raw" / "2011_09_26" / drive
    maps = real_data / "kitti_depth" / "train" / drive / "proj_depth" / "groundtruth" / "image_02"
    for name, source in (("left", raw / "image_02" / "data"), ("right", raw / "image_03" / "data"), ("depth", maps)):
        (tmp_path / name).mkdir()
        for frame in (5, 25, 45):
            (tmp_path / name / f"{frame}.png").symlink_to(source / f"{frame:010d}.png")
    official = KittiImproved(real_data / "kitti_depth", "available", raw_root=real_data / "kitti_raw")
    native = KittiImproved(real_data / "kitti_depth", "available", None, raw_root=real_data / "kitti_raw")[0].rig
    (tmp_path / "rig.yaml").write_text(
        f"focal_px: {native.focal_px!r}\nfocal_y_px: {native.fy!r}\nbaseline_m: {native.baseline_m!r}\n"
        f"cx: {native.cx!r}\ncy: {native.cy!r}\ncx_offset_px: {native.cx_offset_px!r}\n"
        f"width: {native.width}\nheight: {native.height}\ndepth_unit_m: {1 / 256}\n"
    )
    (tmp_path / "order.txt").write_text("5\n25\n45\n")
    for own, other in zip(StereoFolder(tmp_path, tmp_path / "order.txt"), official, strict=True):
        assert torch.equal(own.image, other.image) and torch.equal(own.other, other.other)
        assert torch.equal(own.depth, other.depth)
        assert own.rig == other.rig
