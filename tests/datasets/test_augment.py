"""Stereo flip, colour jitter and the pair cache."""

import colorsys
from pathlib import Path

import pytest
import torch
import yaml
from dataset_trees import write_kitti

from lowtex.datasets import CachedPairs, KittiRaw, StereoSample, collate, flip_pair, jitter_colour
from lowtex.datasets.augment import turn_hue
from lowtex.datasets.cache import free_memory
from lowtex.errors import DataError, OptionError
from lowtex.geometry import StereoRig, warp_horizontal
from lowtex.seeding import generator


def made_pair(disparity: int = 3, direction: float = 1.0, offset: float = 0.0, seed: int = 0) -> StereoSample:
    """A plane at one disparity: the left view is the right one moved to the right."""
    strip = torch.rand(3, 8, 40, generator=generator(seed, "strip"))
    left, right = strip[:, :, 4:24], strip[:, :, 4 + disparity : 24 + disparity]
    target, other = (left, right) if direction > 0 else (right, left)
    # cx is the target's; cx_offset_px is the left one's minus the right one's
    cx = 9.0 if direction > 0 else 9.0 - offset
    rig = StereoRig(30.0, 0.5, cx=cx, cy=3.5, width=20, height=8, cx_offset_px=offset)
    return StereoSample(target, rig, "pair", other, direction, depth=torch.ones(1, 8, 20))


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_flipped_pair_is_a_valid_pair(direction):
    sample = made_pair(3, direction, offset=2.0)
    flipped = flip_pair(sample)
    assert flipped.direction == direction and flipped.depth is None
    shift = torch.full((1, 1, 8, 20), 3.0 * direction)
    inside = slice(3, None) if direction > 0 else slice(None, -3)
    warped = warp_horizontal(flipped.other[None], shift)[0]
    assert torch.equal(warped[..., inside], flipped.image[..., inside])
    # left principal point 9, right 7; mirrored in 20 columns 10 and 12, and the roles swapped
    assert flipped.rig.cx == (12.0 if direction > 0 else 10.0)
    assert flipped.rig.cx_offset_px == 2.0
    twice = flip_pair(flipped)
    assert twice.rig == sample.rig
    assert torch.equal(twice.image, sample.image) and torch.equal(twice.other, sample.other)


def test_flip_of_a_batch_is_the_flip_of_its_samples():
    samples = [made_pair(d, s, offset=o, seed=d) for d, s, o in ((2, 1.0, 0.0), (3, -1.0, 1.0), (4, 1.0, 2.0))]
    batch = collate(samples)
    before = batch.image.clone()
    which = torch.tensor([True, False, True])
    got = flip_pair(batch, which)
    expected = collate([flip_pair(s) if w else s for s, w in zip(samples, which.tolist(), strict=True)])
    for field in ("image", "other", "direction"):
        assert torch.equal(getattr(got, field), getattr(expected, field))
    torch.testing.assert_close(got.rig.cx, expected.rig.cx)
    assert torch.equal(batch.image, before)
    assert torch.equal(flip_pair(batch).image, batch.other.flip(-1))
    assert torch.equal(flip_pair(batch, ~torch.ones(3, dtype=torch.bool)).image, batch.image)


def test_flip_errors():
    sample = made_pair()
    batch = collate([sample])
    with pytest.raises(ValueError, match=r"bool of shape \(1,\), got torch.bool \(2,\)"):
        flip_pair(batch, torch.ones(2, dtype=torch.bool))
    with pytest.raises(ValueError, match="views=True"):
        flip_pair(StereoSample(sample.image, sample.rig, "one"))


@pytest.mark.parametrize("turn", [-0.1, 0.0, 0.07, 1 / 3, 0.5])
def test_hue_equals_the_standard_library(turn):
    image = torch.rand(1, 3, 5, 7, dtype=torch.float64, generator=generator(0, "hue"))
    image[0, :, 0, 0], image[0, :, 0, 1] = 0.0, 0.4  # black, gray
    image[0, :, 0, 2] = torch.tensor([1.0, 1.0, 0.0])
    got = turn_hue(image, turn)
    for row in range(5):
        for column in range(7):
            h, s, v = colorsys.rgb_to_hsv(*image[0, :, row, column].tolist())
            expected = torch.tensor(colorsys.hsv_to_rgb((h + turn) % 1.0, s, v), dtype=torch.float64)
            torch.testing.assert_close(got[0, :, row, column], expected, rtol=0, atol=1e-12)


def test_jitter_by_hand():
    """One image at a time against the documented order, with the numbers the generator gives."""
    image = torch.rand(3, 3, 6, 8, dtype=torch.float64, generator=generator(0, "image"))
    got = jitter_colour(image, generator=generator(1, "jitter"))
    draws = torch.rand(3, 5, generator=generator(1, "jitter"), dtype=torch.float64)
    for one, out, draw in zip(image, got, draws, strict=True):
        bright, contrast, saturation, hue = (2 * draw[1:] - 1) * torch.tensor([0.2, 0.2, 0.2, 0.1], dtype=torch.float64)
        one = (one * (1 + bright)).clamp(0, 1)
        gray = 0.299 * one[0] + 0.587 * one[1] + 0.114 * one[2]
        one = (gray.mean() + (one - gray.mean()) * (1 + contrast)).clamp(0, 1)
        gray = 0.299 * one[0] + 0.587 * one[1] + 0.114 * one[2]
        one = (gray + (one - gray) * (1 + saturation)).clamp(0, 1)
        torch.testing.assert_close(out, turn_hue(one[None], hue.item())[0], rtol=0, atol=1e-12)


def test_jitter_changes_some_images_and_leaves_its_input():
    image = torch.rand(6, 3, 8, 12, generator=generator(0, "image"))
    before = image.clone()
    first, other = (jitter_colour(image, generator=generator(seed, "jitter"), probability=0.5) for seed in (7, 8))
    assert torch.equal(image, before) and not torch.equal(first, other)
    changed = (first != image).flatten(1).any(1)
    drawn = torch.rand(6, 5, generator=generator(7, "jitter"), dtype=torch.float64)
    assert changed.tolist() == (drawn[:, 0] < 0.5).tolist()
    assert 0 < changed.sum() < 6
    # an image's fate does not hang on the others
    alone = jitter_colour(image[:1], generator=generator(7, "jitter"), probability=0.5)
    assert torch.equal(alone, first[:1])
    untouched = jitter_colour(image, generator=generator(7, "jitter"), probability=0.0)
    assert torch.equal(untouched, image) and untouched.data_ptr() != image.data_ptr()
    with pytest.raises(ValueError, match=r"\(6, 1, 8, 12\)"):
        jitter_colour(image[:, :1], generator=generator(0, "jitter"))


def test_cache_equals_the_reader(tmp_path):
    write_kitti(tmp_path)
    reader = KittiRaw(tmp_path, "available", size=(12, 28), camera="both", depth=None)
    seen = []
    cached = CachedPairs(reader, progress=lambda loop: (seen.append(1) or item for item in loop), workers=2)
    assert len(cached) == len(reader) == len(seen) and cached.names == reader.names
    for got, expected in zip(cached, reader, strict=True):
        assert torch.equal(got.image, expected.image) and torch.equal(got.other, expected.other)
        assert (got.rig, got.direction, got.name) == (expected.rig, expected.direction, expected.name)
        assert got.depth is None
    batch = collate([cached[0], cached[-1]])
    assert batch.names == [reader.names[0], reader.names[-1]]
    with pytest.raises(ValueError, match=r"one size, got .*; give the reader a size=\(H, W\)"):
        collate([cached[0], KittiRaw(tmp_path, "available", size=None)[0]])
    # a sample is its own copy
    cached[0].image.zero_()
    assert torch.equal(cached[0].image, reader[0].image)


def test_cache_refuses_what_does_not_fit(tmp_path):
    drive = write_kitti(tmp_path)
    reader = KittiRaw(tmp_path, "available", size=(12, 28))
    with pytest.raises(OptionError, match=r"3 pairs of 28x12 .* limit of 0\.0 GB; choose a smaller size"):
        CachedPairs(reader, limit_bytes=6000)
    with pytest.raises(DataError, match="no second view; stereo training needs both cameras"):
        CachedPairs(KittiRaw(tmp_path, "available", views=False))
    (drive / "image_03" / "data" / "0000000007.png").write_bytes(b"")
    with pytest.raises(DataError, match="image_03/data/0000000007.png is empty"):
        CachedPairs(reader)


GROUPS = yaml.safe_load(Path(__file__).with_name("free_memory.yaml").read_text())


@pytest.mark.parametrize(("line", "files", "free"), GROUPS[1::2], ids=GROUPS[::2])
def test_free_memory_is_that_of_the_container(tmp_path, line, files, free):
    told = {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 2000 kB\n", "proc/self/cgroup": f"7:pids:/a\n{line}\n"}
    for name, text in (told | {f"sys/fs/cgroup/{name}": text for name, text in files.items()}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert free_memory(tmp_path) == free
