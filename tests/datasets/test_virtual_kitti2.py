"""Virtual KITTI 2: layouts, splits, cameras, and the miniature world read back."""

import numpy as np
import pytest
import torch
from dataset_trees import ALL_SCENES, FOCAL, depth_values, picture, write_list, write_map, write_picture, write_vkitti2

from lowtex.datasets import VirtualKitti2
from lowtex.datasets.virtual_kitti2 import VKITTI2_SPLITS
from lowtex.errors import DataError, OptionError
from lowtex.geometry import depth_to_disparity, warp_horizontal
from lowtex_lab.miniature import Scene, render
from lowtex_lab.miniature import write_vkitti2 as write_miniature


@pytest.mark.parametrize("apart", [False, True])
def test_read_back_joint_and_apart(tmp_path, apart):
    write_vkitti2(tmp_path, ALL_SCENES, apart=apart)
    reader = VirtualKitti2(tmp_path, "test", size=None, camera="both")
    places = ("Scene01/clone/00000", "Scene01/clone/00001", "Scene20/clone/00000")
    assert reader.names == [f"{place}/{side}" for place in places for side in "lr"]
    for name, sample in zip(reader.names, reader, strict=True):
        seed = 10 * int(name.split("/")[2]) + (name[-1] == "r")
        other = seed + (1 if name[-1] == "l" else -1)
        np.testing.assert_array_equal((sample.image * 255).round().permute(1, 2, 0).numpy(), picture(seed))
        np.testing.assert_array_equal((sample.other * 255).round().permute(1, 2, 0).numpy(), picture(other))
        expected = depth_values(seed).astype(np.float32) / 100
        expected[0] = 0  # the sky
        np.testing.assert_array_equal(sample.depth[0].numpy(), expected)
        assert sample.direction == (1.0 if name[-1] == "l" else -1.0)
        assert (sample.rig.focal_px, sample.rig.cx, sample.rig.cy) == (FOCAL, 19.5, 11.5)
        assert sample.rig.baseline_m == pytest.approx(0.6)
        assert sample.texture_contrast is None and sample.visible is None
    assert VirtualKitti2(tmp_path, "test", depth=False)[0].depth is None


def test_official_camera_without_text_files(tmp_path):
    write_vkitti2(tmp_path, {"Scene01": 1}, text=False)
    frames = tmp_path / "Scene01" / "clone" / "frames"
    for camera in (0, 1):
        write_picture(frames / "rgb" / f"Camera_{camera}" / "rgb_00000.png", picture(camera, 375, 1242))
        write_map(frames / "depth" / f"Camera_{camera}" / "depth_00000.png", depth_values(camera, 375, 1242))
    rig = VirtualKitti2(tmp_path, "available", size=None)[0].rig
    assert (rig.focal_px, rig.fy, rig.cx, rig.cy) == (725.0087, 725.0087, 620.5, 187.0)
    assert (rig.baseline_m, rig.width, rig.height) == (0.532725, 1242, 375)
    resized = VirtualKitti2(tmp_path, "available", size=(96, 320))[0].rig
    assert resized == rig.resized(320, 96)
    assert resized.cx / 320 == pytest.approx(0.4984, abs=1e-4)


@pytest.mark.parametrize("family", ["eigen_like", "scene18"])
def test_scene_splits_never_overlap(tmp_path, family):
    write_vkitti2(tmp_path, ALL_SCENES)
    parts = [set(VirtualKitti2(tmp_path, f"{family}/{part}").names) for part in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == sum(ALL_SCENES.values())
    assert set(VKITTI2_SPLITS["eigen_like/train"]) == {"Scene02", "Scene18"}
    assert {name[:7] for name in VirtualKitti2(tmp_path, "scene18/test").names} == {"Scene18"}
    assert VirtualKitti2(tmp_path, "train").split == "eigen_like/train"


def test_variations(tmp_path):
    write_vkitti2(tmp_path, ALL_SCENES, variations=("clone", "fog"))
    assert {name.split("/")[1] for name in VirtualKitti2(tmp_path, "test").names} == {"clone"}
    assert {name.split("/")[1] for name in VirtualKitti2(tmp_path, "test", variation="fog").names} == {"fog"}
    assert len(VirtualKitti2(tmp_path, "test", variation="all")) == 6
    assert len(VirtualKitti2(tmp_path, "test", variation=["fog", "clone"])) == 6
    assert len(VirtualKitti2(tmp_path, "available")) == 2 * sum(ALL_SCENES.values())
    with pytest.raises(OptionError, match="variation='rain' is not in .*; there are clone, fog, or 'all'"):
        VirtualKitti2(tmp_path, "test", variation="rain")


def test_lists(tmp_path):
    write_vkitti2(tmp_path, ALL_SCENES, variations=("clone", "fog"))
    write_list(tmp_path, "few", "Scene18/fog 00001 r\nScene01/clone 0 l\n")
    assert VirtualKitti2(tmp_path, "few").names == ["Scene18/fog/00001/r", "Scene01/clone/00000/l"]
    assert VirtualKitti2(tmp_path, "few", camera="right").names == ["Scene18/fog/00001/r"]
    with pytest.raises(OptionError, match="leaves no frame"):
        VirtualKitti2(tmp_path, "few", camera="right", variation="clone")
    write_list(tmp_path, "few", "2011_09_26/2011_09_26_drive_0001_sync 1 r\n")
    with pytest.raises(DataError, match="few.txt line 1"):
        VirtualKitti2(tmp_path, "few")


def test_a_gap_is_noticed_in_named_splits_and_left_out_of_available(tmp_path):
    write_vkitti2(tmp_path, {"Scene06": 4})
    folder = tmp_path / "Scene06" / "clone" / "frames" / "rgb"
    (folder / "Camera_1" / "rgb_00002.png").unlink()
    with pytest.raises(DataError, match="1 of 4 frames .*Camera_1/rgb_00002"):
        VirtualKitti2(tmp_path, "val")
    assert len(VirtualKitti2(tmp_path, "val", views=False)) == 4
    assert [name[-7:] for name in VirtualKitti2(tmp_path, "available").names] == ["00000/l", "00001/l", "00003/l"]
    # the last frame gone without a trace but for the camera file
    for kind in ("rgb/Camera_0/rgb", "rgb/Camera_1/rgb", "depth/Camera_0/depth", "depth/Camera_1/depth"):
        (folder.parent / f"{kind}_00003.png").unlink()
    with pytest.raises(DataError, match="1 of 4 frames .*rgb_00003"):
        VirtualKitti2(tmp_path, "val", views=False)


def test_miniature_reads_back_what_the_world_knows(tmp_path):
    size = (48, 160)
    write_miniature(tmp_path, frames={"Scene06": 2}, size=size, progress=False)
    reader = VirtualKitti2(tmp_path, "val", size=size, camera="both")
    assert reader.names == [f"Scene06/clone/0000{frame}/{side}" for frame in (0, 1) for side in "lr"]
    for index, sample in enumerate(reader):
        pair = render(Scene("Scene06", 0), index // 2, size)
        image, other = (pair.left, pair.right) if index % 2 == 0 else (pair.right, pair.left)
        depth, visible, contrast = (
            getattr(pair, f"{name}_{'left' if index % 2 == 0 else 'right'}")
            for name in ("depth", "visible", "contrast")
        )
        assert (sample.image - image).abs().mean() < 0.01  # JPEG
        assert (sample.other - other).abs().mean() < 0.01
        torch.testing.assert_close(sample.depth, depth, rtol=0, atol=0.0051)
        assert torch.equal(sample.depth > 0, depth > 0)
        torch.testing.assert_close(sample.texture_contrast, contrast, rtol=0, atol=0.5e-4)
        assert torch.equal(sample.visible, visible)
        for field in ("focal_px", "fy", "cx", "cy", "baseline_m", "width", "height"):
            assert getattr(sample.rig, field) == pytest.approx(getattr(pair.rig, field), rel=1e-6)


def test_true_depth_warps_one_view_onto_the_other(tmp_path):
    """Sign, baseline and direction at once, for both cameras: the true disparity explains the pair, no other."""
    write_miniature(tmp_path, frames={"Scene06": 1}, size=(96, 320), progress=False)
    for sample in VirtualKitti2(tmp_path, "val", camera="both"):
        shift = depth_to_disparity(sample.depth, sample.rig)[None] * sample.direction
        error = {}
        for sign in (1, 0, -1):
            warped = warp_horizontal(sample.other[None], sign * shift)
            error[sign] = (warped - sample.image).abs().mean(1)[0][sample.visible[0]].mean().item()
        assert error[1] < 0.6 * min(error[0], error[-1])
