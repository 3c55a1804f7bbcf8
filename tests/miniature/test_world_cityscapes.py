"""The miniature Cityscapes: exact disparities where a matcher could know them, camera files, and the bonnet."""

import json

import numpy as np
import pytest
import torch
from written_files import read

from lowtex.datasets import Cityscapes
from lowtex.geometry import depth_to_disparity, warp_horizontal
from lowtex_lab.miniature import Scene, cityscapes, render, write_cityscapes

SIZE = (128, 256)
LIGHTS = {"graumark": "clone", "plainheim": "overcast", "stilldorf": "morning", "ebenstadt": "overcast"}
RIG = cityscapes.CITYSCAPES_RIG.resized(SIZE[1], SIZE[0])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    place = tmp_path_factory.mktemp("c") / "cityscapes"
    return write_cityscapes(place, {"train": 5, "val": 1}, SIZE, progress=False)


@pytest.fixture(scope="module")
def pairs():
    """What the world knows of some frames, without a sensor."""
    return {
        city: render(Scene(f"cityscapes-{city}"), 0, SIZE, light, cityscapes.CITYSCAPES_RIG, noise=0.0, exposure=0.0)
        for city, light in LIGHTS.items()
    }


def path(root, kind, split, city, number, suffix="png"):
    return root / kind / split / city / f"{city}_{number:06d}_000019_{kind}.{suffix}"


def stored(root, city, kind="disparity"):
    return read(path(root, kind, "val" if city == "ebenstadt" else "train", city, 0))


def test_pictures_and_camera_files(root):
    frame = ("train", "graumark", 1)
    values = json.loads(path(root, "camera", *frame, suffix="json").read_text())
    outer, inner = values["extrinsic"], values["intrinsic"]
    assert set(outer) == {"baseline", "pitch", "roll", "x", "y", "yaw", "z"} and 1.5 < outer["z"] < 1.8
    assert set(inner) == {"fx", "fy", "u0", "v0"} and inner["fx"] == pytest.approx(1.1047 * 256, rel=1e-3)
    for kind, dtype in (("leftImg8bit", np.uint8), ("rightImg8bit", np.uint8), ("disparity", np.uint16)):
        image = read(path(root, kind, *frame))
        assert image.shape[:2] == SIZE and image.dtype == dtype


def test_disparity_is_the_worlds(root, pairs):
    for city, pair in pairs.items():
        values = stored(root, city)
        known = values > 0
        assert 0.35 < known.mean() < 0.85
        depth = pair.depth_left[0].double().numpy()
        exact = RIG.focal_px * 0.209313 / np.where(depth > 0, depth, 1)
        assert (depth[known] > 0).all()
        assert np.abs((values[known] - 1.0) / 256 - exact[known]).max() < 0.00196
        reach = 126 / 2048 * SIZE[1]
        assert exact[known].max() <= reach
        # none of these pixels is covered by the bonnet in the right view
        columns = torch.arange(SIZE[1])[None] - (torch.from_numpy(values.astype(np.float32)) - 1) / 256
        assert not (cityscapes.on_bonnet(RIG, 1, columns).numpy() & known).any()
        # all the rest has its reason
        rows = np.arange(SIZE[0])[:, None] / SIZE[0]
        reason = (depth == 0) | ~pair.visible_left[0].numpy() | (exact > reach) | (rows > 0.80)
        assert reason[~known].all()
        assert (~pair.visible_left[0].numpy() & (depth > 0) & ~known).sum() > 20
    near = {city: bool((depth_to_disparity(pair.depth_left, RIG) > 126 / 8).any()) for city, pair in pairs.items()}
    assert any(near.values())  # so that something lies beyond the matcher's reach


def test_bonnet_is_in_every_picture_alike_and_without_disparity(root):
    columns = torch.arange(SIZE[1])[None]
    for camera, kind in enumerate(("leftImg8bit", "rightImg8bit")):
        first, second = (read(path(root, kind, "train", "graumark", k)).astype(float) for k in (0, 1))
        there = cityscapes.on_bonnet(RIG, camera, columns).numpy()
        body = there & np.roll(there, 1, 0)  # without the outline
        difference = np.abs(first - second).mean(-1)
        # noise and two gains are all that differs
        assert difference[body].mean() < 3 < 8 < difference[~there].mean()
        assert there[-1].all() and not there[: int(0.8 * SIZE[0])].any() and 0.4 < there[-32:].mean() < 0.7
        if camera == 0:
            assert (read(path(root, "disparity", "train", "graumark", 0))[there] == 0).all()
    # it is a near thing: it sits elsewhere in the right view, as something 1.6 m ahead does
    left, right = (
        torch.from_numpy(stored(root, "graumark", kind).astype(np.float32)).permute(2, 0, 1)[None] / 255
        for kind in ("leftImg8bit", "rightImg8bit")
    )
    inside = cityscapes.on_bonnet(RIG, 0, columns) & (torch.arange(SIZE[0])[:, None] > 0.92 * SIZE[0])
    shifts = (RIG.focal_px * RIG.baseline_m / cityscapes.BONNET_AHEAD_M, 0.0)
    inside &= columns >= shifts[0] + 1
    near, far = (
        float((warp_horizontal(right, torch.full((1, 1, *SIZE), shift)) - left).abs().mean(1)[0][inside].mean())
        for shift in shifts
    )
    assert near < 0.015 and near < 0.5 * far


def test_reader_gives_back_depth_rig_and_splits(root, pairs):
    # of the crops, the one that leaves most
    rows = 102
    train, val = (Cityscapes(root, split, size=None, crop="bottom_fifth") for split in ("train", "val"))
    assert len(train) == 5 and val.names == ["val/ebenstadt_000000_000019/l"]
    sample, pair = val[0], pairs["ebenstadt"]
    known = sample.depth > 0
    exact = pair.depth_left[:, :rows]
    near = known & (exact < 20)
    assert near.sum() > 3000 and float(((sample.depth - exact).abs() / exact)[near].max()) < 1e-3
    assert bool((known <= pair.visible_left[:, :rows]).all())
    assert (sample.rig.focal_px, sample.rig.fy) == pytest.approx((RIG.focal_px, RIG.fy))
    assert (sample.rig.cx, sample.rig.cy, sample.rig.baseline_m) == pytest.approx((RIG.cx, RIG.cy, 0.209313))
    # no crop leaves any of the bonnet in sight
    for camera in (0, 1):
        assert not cityscapes.on_bonnet(RIG, camera, torch.arange(256)[None])[:rows].any()
