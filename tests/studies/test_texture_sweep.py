"""The same street with more and less texture: everything but the texture stays, bit for bit."""

import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from lowtex.datasets import VirtualKitti2
from lowtex.errors import DataError, OptionError
from lowtex.files import read_json, write_json
from lowtex_lab.miniature import Scene, render
from lowtex_lab.studies.diagnostics import texture_sweep as sweep
from lowtex_lab.studies.texture_windows import window_makers

SIZE = (48, 160)


@pytest.fixture
def root(written, tmp_path):
    """A copy that a test may damage, with nothing rendered beside it."""
    return shutil.copytree(written, tmp_path / "vkitti2")


def test_only_texture_changes():
    pair = render(Scene("Scene02"), 5, (96, 320))
    found = {level: sweep.rerender(Scene("Scene02"), 5, level, (96, 320))[0] for level in sweep.LEVELS}
    assert all(torch.equal(depth, pair.depth_left) for _, depth in found.values())
    sky = (pair.depth_left == 0).expand(3, -1, -1)
    # noise is the same at every factor, so what is left of a difference to factor 0 is the texture
    high = ((pair.contrast_left > 0.06) & (pair.contrast_left < 0.095)).expand(3, -1, -1)
    added, tones = {}, {}
    for level, (image, _) in found.items():
        assert torch.equal(image[sky], pair.left[sky]), "the sky has no texture to scale"
        added[level] = float((image - found["0"][0])[high].abs().mean())
        tones[level] = float(image[high].mean())
    assert added["0.25"] == pytest.approx(added["1"] / 4, rel=0.1) and added["1"] > 0.002
    assert added["2"] == pytest.approx(2 * added["1"], rel=0.15)
    assert np.ptp([tone for level, tone in tones.items() if level != sweep.BARE]) < 0.005, "the mean colour stays"
    # lane marks and windows are left at factor 0, and gone from the last level
    detail = pair.contrast_left[0] == 0.1
    gone = (found["0"][0] - found[sweep.BARE][0])[:, detail].abs().mean()
    assert detail.any() and gone > 0.05
    # plain surfaces do not move between factors 0 and 2, noise included, but where a thin thing stands before them
    plain = (pair.contrast_left == 0) & (pair.depth_left > 0)
    inner = (-torch.nn.functional.max_pool2d(-plain[None].float(), 3, 1, 1)[0] > 0).expand(3, -1, -1)
    none, strong = found["0"][0], found["2"][0]
    assert inner.sum() > 1000 and float((none == strong)[inner].float().mean()) > 0.99
    assert float(none[inner].std()) > 0.005, "with a noise to compare"


def test_samples_are_the_readers(root, size=(24, 80)):
    reader = VirtualKitti2(root, split="test", size=size)
    samples = sweep.sweep_samples(root, "1", size=size, views=True)
    assert [s.name for s in samples] == list(reader.names)
    for mine, disk in zip(samples, (reader[index] for index in range(len(reader))), strict=True):
        assert torch.equal(mine.image, disk.image) and torch.equal(mine.other, disk.other)
        assert torch.equal(mine.depth, disk.depth) and torch.equal(mine.texture_contrast, disk.texture_contrast)
        assert mine.rig == disk.rig and mine.direction == disk.direction
    bare = sweep.sweep_samples(root, "0", 1, size=size)
    assert len(bare) == 1 and bare[0].other is None and not torch.equal(bare[0].image, samples[0].image)
    assert torch.equal(bare[0].texture_contrast, samples[0].texture_contrast), "strata are those of factor 1"


def test_rendered_once(root, monkeypatch):
    first = sweep.sweep_samples(root, "0.5", views=True)
    monkeypatch.setattr(sweep, "rerender", lambda *_: pytest.fail("rendered again"))
    for a, b in zip(first, sweep.sweep_samples(root, "0.5", views=True), strict=True):
        assert torch.equal(a.image, b.image) and torch.equal(a.other, b.other)
    assert len(list((root.parent / sweep.CACHE).rglob("*.jpg"))) == 6
    with pytest.raises(pytest.fail.Exception, match="rendered again"):
        sweep.sweep_samples(root, "0.25")


def test_refusals(root):
    with pytest.raises(OptionError, match="level='0.7'.*0.25"):
        sweep.sweep_samples(root, "0.7")
    manifest = read_json(root / "miniature.json")
    others = {"world_version": "0-other"}, {"layout": "kitti_raw"}
    for other, told in zip(others, ("version 0-other of its world", "kitti_raw"), strict=True):
        write_json(root / "miniature.json", manifest | other)
        with pytest.raises(DataError, match=told):
            sweep.sweep_samples(root)
    (root / "miniature.json").unlink()
    with pytest.raises(DataError, match="nothing to render again"):
        sweep.measure(torch.nn.Identity(), root, SIZE)


def test_another_depth_on_disk_is_found_out(root):
    path = root / "Scene01/clone/frames/depth/Camera_0/depth_00001.png"
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    depth[-1, 0] += 1
    cv2.imwrite(str(path), depth)
    with pytest.raises(DataError, match="Scene01/clone/00001/l.* 1 pixels"):
        sweep.sweep_samples(root, "0.5")


def test_measure(written, monkeypatch):
    # depth comes from brightness, so that every change of the picture is a change of depth
    tone = SimpleNamespace(depth=lambda image, rig: 5 + 20 * image.mean(1, keepdim=True))
    rows = sweep.measure(tone, written, SIZE)
    levels = rows[["factor", "painted"]].drop_duplicates().itertuples(index=False, name=None)
    assert set(levels) == set(sweep.LEVELS.values()) and rows["image"].nunique() == min(sweep.FRAMES, 3)
    by_window = rows["stratum_kind"].isin(window_makers(SIZE[1]))
    assert set(rows["stratum_kind"]) == {"none", *sweep.KINDS, *window_makers(SIZE[1])}
    assert (rows[by_window]["factor"] == 1).all() and (rows[by_window]["moved"] == 0).all()
    # every test image, not only those that are rendered again
    monkeypatch.setattr(sweep, "FRAMES", 1)
    flat = SimpleNamespace(depth=lambda image, rig: torch.full((len(image), 1, *SIZE), 5.0))
    fewer = sweep.measure(flat, written, SIZE)
    assert (fewer["moved"] == 0).all()
    again = fewer["stratum_kind"].isin(window_makers(SIZE[1]))
    assert fewer[~again]["image"].nunique() == 1 and again.sum() == by_window.sum()
    rows = rows[~by_window]
    counted = rows.groupby(["image", "stratum_kind", "stratum"])["pixels"]
    # the same pixels at every level
    assert (counted.nunique() == 1).all() and (counted.size() == len(sweep.LEVELS)).all()
    known = rows[rows["stratum_kind"] == "known"].groupby(["factor", "painted", "image"])["pixels"].sum()
    whole = rows[rows["stratum_kind"] == "none"].set_index(["factor", "painted", "image"])["pixels"]
    assert (known == whole.reindex(known.index)).all()
    moved = rows[rows["stratum"] == "high"].groupby(["factor", "painted"])["moved"].mean()
    assert moved[1.0, True] == 0 < moved[0.5, True] < moved[0.0, True] < moved[0.0, False]
