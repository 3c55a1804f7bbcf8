"""The miniature Make3D: portrait pictures, and grids of the distances a laser would give."""

import math

import cv2
import numpy as np
import pytest
import torch
from scipy.io import loadmat
from written_files import read

from lowtex.datasets import Make3D
from lowtex_lab.miniature import Scene, make3d, write_make3d
from lowtex_lab.miniature.raycast import cast
from lowtex_lab.miniature.render import view, world_at
from lowtex_lab.miniature.writing import as_bgr8

SIZE = (96, 72)
NAMES = ["lowtex1-00-p-000t000", "lowtex2-00-p-024t000", "lowtex3-00-p-343t000", "lowtex4-00-p-009t000"]
PANS = dict(zip(NAMES, (0, 24, -17, 9), strict=True))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_make3d(tmp_path_factory.mktemp("m") / "make3d", 4, SIZE, progress=False)


def grid_of(root, name):
    return loadmat(root / "Gridlaserdata" / f"depth_sph_corr-{name}.mat")["Position3DGrid"]


def standing(name):
    """Scene, place, heading and light of a picture."""
    scene = Scene(f"make3d-{name[6]}")
    light = make3d.LIGHTS[int(name[6]) - 1]
    place, heading = scene.pose(0, light)
    return scene, place, heading + math.radians(PANS[name]), light


def test_grids_look_like_the_official_ones(root, real_data):
    official = sorted((real_data / "make3d" / "Gridlaserdata").glob("*.mat"))
    for path in [*official, *sorted((root / "Gridlaserdata").glob("*.mat"))]:
        assert path.read_bytes()[128] == 15  # compressed
        variables = loadmat(path)
        grid = variables["Position3DGrid"]
        assert [key for key in variables if not key.startswith("__")] == ["Position3DGrid"]
        assert grid.shape == (55, 305, 4) and grid.dtype == np.float64 and np.isfinite(grid).all()
        distance = grid[..., 3]
        assert distance.max() == 80.0 and distance.min() > 1.5
        assert np.abs(distance / 0.005 - np.round(distance / 0.005)).max() < 1e-6
        # up, right, forward; the fourth is the distance along the ray and not the third one
        assert np.abs(np.linalg.norm(grid[..., :3], axis=-1) - distance).max() < 0.02
        right, up = grid[..., 1] / grid[..., 2], grid[..., 0] / grid[..., 2]
        assert (up[0] > 0.35).all() and (up[-1] < -0.35).all()
        assert (np.median(right[:, 0]) < -0.3) and (np.median(right[:, -1]) > 0.3)


def test_reader_gives_back_the_grid(root):
    samples = Make3D(root, size=None, crop=None)
    assert samples.names == NAMES
    for name, sample in zip(NAMES, samples, strict=True):
        assert torch.equal(sample.depth[0], torch.from_numpy(grid_of(root, name)[..., 3]).float())
        assert sample.image.shape == (3, 2272, 1704) and sample.other is None
    rig, ours = samples[0].rig, make3d.MAKE3D_RIG
    assert (rig.focal_px, rig.fy, rig.cx, rig.cy) == (ours.focal_px, ours.fy, ours.cx, ours.cy)


def test_grids_are_the_worlds_distances(root):
    rng = np.random.default_rng(0)
    same = []
    for name in NAMES:
        scene, place, heading, light = standing(name)
        world = world_at(scene, place[2], light)
        grid = grid_of(root, name)
        assert (grid[..., 3] == 80.0).any()
        for row, column in zip(rng.integers(0, 55, 40), rng.integers(0, 305, 40), strict=True):
            # the middle of a cell, as a place in the official picture
            x = ((column + 0.5) / 305 * 1704 - 0.5 - 868) / 2466
            y = ((row + 0.5) / 55 * 2272 - 0.5 - 1091) / 2466
            ray = (math.cos(heading) * x + math.sin(heading), math.cos(heading) - math.sin(heading) * x, -y)
            forward = float(cast(world.solids, place, *(torch.tensor([part], dtype=torch.float32) for part in ray))[0])
            expected = min(80.0, forward * math.sqrt(1 + x * x + y * y))
            same.append(abs(grid[row, column, 3] - expected) < 0.003 + 1e-3 * expected)
            if expected < 80:
                assert (
                    grid[row, column, :3] == pytest.approx(np.array([-y, x, 1.0]) * forward, rel=2e-2) or not same[-1]
                )
    assert np.mean(same) > 0.98  # the rest pass an outline within rounding


def test_pictures_show_the_same_view_as_the_grids(root):
    for name in NAMES:
        scene, place, heading, light = standing(name)
        world = world_at(scene, place[2], light)
        rig = make3d.MAKE3D_RIG.resized(SIZE[1], SIZE[0])
        with torch.no_grad():
            seen, depth, *_ = view(world, place, (math.cos(heading), math.sin(heading)), rig, *SIZE)
        small = cv2.resize(read(root / "Test134" / f"img-{name}.jpg"), SIZE[::-1], interpolation=cv2.INTER_AREA)
        small, seen = small.astype(float), as_bgr8(seen).astype(float)
        off = [np.abs(np.roll(small, s, (0, 1)) - seen).mean() for s in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))]
        assert off[0] < 6 and off[0] < 0.6 * min(off[1:])
        sky = cv2.resize((depth[0] == 0).float().numpy(), (305, 55), interpolation=cv2.INTER_NEAREST) > 0
        far = grid_of(root, name)[..., 3] == 80
        assert far[sky].mean() > 0.95 > 0.2 > far[~sky].mean()
