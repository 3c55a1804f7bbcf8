"""The same street with more and less texture: everything but the texture stays, bit for bit."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from lowtex.datasets import VirtualKitti2
from lowtex.errors import DataError, OptionError
from lowtex.evaluation.texture import strata
from lowtex.files import read_json, write_json
from lowtex_lab.miniature import Scene, render, write_vkitti2
from lowtex_lab.studies.diagnostics import texture_sweep
from lowtex_lab.studies.diagnostics.texture_sweep import (
    CACHE,
    FRAMES,
    KINDS,
    LEVELS,
    Level,
    measure,
    rerender,
    sweep_samples,
    texture_reaching,
)
from lowtex_lab.studies.texture_windows import window_makers

SIZE = (48, 160)
FACTORS = sorted({level.factor for level in LEVELS})


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A small miniature whose test split has three frames."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data") / "vkitti2"
    return write_vkitti2(folder, {"Scene01": 2, "Scene20": 1}, SIZE, progress=False)


@pytest.fixture
def root(written, tmp_path):
    """A copy that a test may damage, with nothing rendered beside it."""
    return shutil.copytree(written, tmp_path / "vkitti2")


def test_factor_one_is_the_world_as_it_is():
    pair = render(Scene("Scene01"), 3, SIZE, "morning")
    (left, depth_left), (right, depth_right) = rerender(Scene("Scene01"), 3, Level(1.0), SIZE, "morning", (0, 1))
    assert torch.equal(left, pair.left) and torch.equal(right, pair.right)
    assert torch.equal(depth_left, pair.depth_left) and torch.equal(depth_right, pair.depth_right)


def test_only_texture_changes():
    pair = render(Scene("Scene02"), 5, (96, 320))
    found = {level: rerender(Scene("Scene02"), 5, level, (96, 320))[0] for level in LEVELS}
    assert all(torch.equal(depth, pair.depth_left) for _, depth in found.values())
    sky = (pair.depth_left == 0).expand(3, -1, -1)
    # noise is the same at every factor, so what is left of a difference to factor 0 is the texture
    high = ((pair.contrast_left > 0.06) & (pair.contrast_left < 0.095)).expand(3, -1, -1)
    added, tones = {}, {}
    for level, (image, _) in found.items():
        assert torch.equal(image[sky], pair.left[sky]), "the sky has no texture to scale"
        added[level.label] = float((image - found[Level(0.0)][0])[high].abs().mean())
        tones[level.label] = float(image[high].mean())
    assert added["0.25"] == pytest.approx(added["1"] / 4, rel=0.1) and added["1"] > 0.002
    assert added["2"] == pytest.approx(2 * added["1"], rel=0.15)
    assert np.ptp([tones[f"{factor:g}"] for factor in FACTORS]) < 0.005, "the mean colour stays"
    # lane marks and windows are left at factor 0, and gone from the last level
    detail = pair.contrast_left[0] == 0.1
    gone = (found[Level(0.0)][0] - found[Level(0.0, painted=False)][0])[:, detail].abs().mean()
    assert detail.any() and gone > 0.05


def test_noise_stays_as_it_was():
    # plain surfaces do not move between factors 0 and 2, noise included, but where a thin thing stands before them
    pair = render(Scene("Scene02"), 5, (96, 320))
    plain = (pair.contrast_left == 0) & (pair.depth_left > 0)
    inner = (-torch.nn.functional.max_pool2d(-plain[None].float(), 3, 1, 1)[0] > 0).expand(3, -1, -1)
    none, strong = (rerender(Scene("Scene02"), 5, Level(factor), (96, 320))[0][0] for factor in (0.0, 2.0))
    assert inner.sum() > 1000 and float((none == strong)[inner].float().mean()) > 0.99
    assert float(none[inner].std()) > 0.005, "with a noise to compare"


@pytest.mark.parametrize("size", [None, (24, 80)])
def test_samples_are_the_readers(root, size):
    reader = VirtualKitti2(root, split="test", size=size)
    samples = sweep_samples(root, 1.0, size=size, views=True)
    assert [s.name for s in samples] == list(reader.names)
    for mine, index in zip(samples, range(len(reader)), strict=True):
        disk = reader[index]
        assert torch.equal(mine.image, disk.image) and torch.equal(mine.other, disk.other)
        assert torch.equal(mine.depth, disk.depth) and torch.equal(mine.texture_contrast, disk.texture_contrast)
        assert mine.rig == disk.rig and mine.direction == disk.direction
    bare = sweep_samples(root, 0.0, 1, size=size)
    assert len(bare) == 1 and bare[0].other is None and not torch.equal(bare[0].image, samples[0].image)
    assert torch.equal(bare[0].texture_contrast, samples[0].texture_contrast), "strata are those of factor 1"


def test_rendered_once(root, monkeypatch):
    first = sweep_samples(root, 0.5, views=True)

    def never(*_):
        raise AssertionError("rendered again")

    monkeypatch.setattr(texture_sweep, "rerender", never)
    again = sweep_samples(root, 0.5, views=True)
    assert all(
        torch.equal(a.image, b.image) and torch.equal(a.other, b.other) for a, b in zip(first, again, strict=True)
    )
    with pytest.raises(AssertionError, match="rendered again"):
        sweep_samples(root, 0.25)


def test_without_a_place_to_keep_it(root):
    kept = sweep_samples(root, 0.5, views=True)
    shutil.rmtree(root.parent / CACHE)
    (root.parent / CACHE).write_text("a file where the folder should be")
    for a, b in zip(kept, sweep_samples(root, 0.5, views=True), strict=True):
        assert torch.equal(a.image, b.image) and torch.equal(a.other, b.other)


def test_a_damaged_picture_is_rendered_again(root):
    kept = sweep_samples(root, 0.5)
    files = sorted((root.parent / CACHE).rglob("*.jpg"))
    assert len(files) == 3
    files[0].write_bytes(files[0].read_bytes()[:100])
    assert all(torch.equal(a.image, b.image) for a, b in zip(kept, sweep_samples(root, 0.5), strict=True))


def test_refusals(root):
    for bad in (-0.5, float("nan")):
        with pytest.raises(OptionError, match="factor"):
            sweep_samples(root, bad)
    with pytest.raises(OptionError, match="frames=0"):
        sweep_samples(root, 1.0, 0)
    manifest = read_json(root / "miniature.json")
    write_json(root / "miniature.json", {**manifest, "world_version": "0-other"})
    with pytest.raises(DataError, match="another version"):
        sweep_samples(root)
    write_json(root / "miniature.json", {**manifest, "layout": "kitti_raw"})
    with pytest.raises(DataError, match="kitti_raw"):
        sweep_samples(root)
    (root / "miniature.json").unlink()
    with pytest.raises(DataError, match="nothing to render again"):
        measure(torch.nn.Identity(), root, SIZE)


def test_another_depth_on_disk_is_found_out(root):
    path = root / "Scene01/clone/frames/depth/Camera_0/depth_00001.png"
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    depth[-1, 0] += 1
    cv2.imwrite(str(path), depth)
    with pytest.raises(DataError, match="Scene01/clone/00001/l.* 1 pixels"):
        sweep_samples(root, 0.5)


class FromTone(torch.nn.Module):
    """Depth out of brightness, so that every change of the picture is a change of depth."""

    def __init__(self, slope):
        super().__init__()
        self.slope = slope

    def depth(self, image, rig):
        return 5 + self.slope * image.mean(1, keepdim=True)


def test_measure(written, monkeypatch):
    rows = measure(FromTone(20.0), written, SIZE)
    levels = [Level(*place) for place in rows[["factor", "painted"]].drop_duplicates().to_numpy()]
    assert set(levels) == set(LEVELS) and rows["image"].nunique() == min(FRAMES, 3)
    by_window = rows["stratum_kind"].isin(window_makers(SIZE[1]))
    assert set(rows["stratum_kind"]) == {"none", *KINDS, *window_makers(SIZE[1])}
    assert (rows[by_window]["factor"] == 1).all() and (rows[by_window]["moved"] == 0).all()
    # every test image, not only those that are rendered again
    monkeypatch.setattr(texture_sweep, "FRAMES", 1)
    fewer = measure(FromTone(20.0), written, SIZE)
    again = fewer["stratum_kind"].isin(window_makers(SIZE[1]))
    assert fewer[~again]["image"].nunique() == 1 and again.sum() == by_window.sum()
    rows = rows[~by_window]
    counted = rows.groupby(["image", "stratum_kind", "stratum"])["pixels"]
    assert (counted.nunique() == 1).all() and (counted.size() == len(LEVELS)).all(), "the same pixels at every level"
    known = rows[rows["stratum_kind"] == "known"].groupby(["factor", "painted", "image"])["pixels"].sum()
    whole = rows[rows["stratum_kind"] == "none"].set_index(["factor", "painted", "image"])["pixels"]
    assert (known == whole.reindex(known.index)).all()
    moved = rows[rows["stratum"] == "high"].groupby(["factor", "painted"])["moved"].mean()
    assert moved[1.0, True] == 0 < moved[0.5, True] < moved[0.0, True] < moved[0.0, False]
    assert (measure(FromTone(0.0), written, SIZE)["moved"] == 0).all()


def test_measure_is_the_usual_score_at_factor_one(written):
    sample = VirtualKitti2(written, split="test", size=SIZE)[0]
    network = FromTone(20.0)
    rows = measure(network, written, SIZE)
    depth = network.depth(sample.image[None], None)[0, 0].numpy()
    truth = sample.depth[0].numpy()
    inside = strata(replace(sample), "known")["low"] & (truth > 1e-3) & (truth < 80)
    expected = np.mean(np.abs(truth - depth)[inside] / truth[inside])
    found = rows[(rows["factor"] == 1) & (rows["image"] == sample.name) & (rows["stratum"] == "low")]
    found = found[found["stratum_kind"] == "known"]
    assert found["abs_rel"].item() == pytest.approx(expected, rel=1e-5)


def test_texture_that_reaches_the_picture(written):
    rows = texture_reaching(written, 1.0).set_index("stratum")
    assert rows.loc["all", "images"] == 3 and rows.loc["all", "pixels"] == 3 * SIZE[0] * SIZE[1]
    parts = rows.drop(index="all")
    assert parts["pixels"].sum() == rows.loc["all", "pixels"]
    squares = (parts["texture"] ** 2 * parts["pixels"]).sum() / parts["pixels"].sum()
    assert np.sqrt(squares) == pytest.approx(rows.loc["all", "texture"])
    # a texture is averaged away with distance, and what has none shows next to none
    assert rows.loc["high/<10 m", "texture"] > rows.loc["high/20-40 m", "texture"] > 0
    assert rows.loc["low/<10 m", "texture"] < 0.3 * rows.loc["high/<10 m", "texture"]
    assert rows.loc["all", "over_noise"] == pytest.approx(rows.loc["all", "texture"] / 0.01)
    assert (texture_reaching(written, 0.0)["texture"] == 0).all()
