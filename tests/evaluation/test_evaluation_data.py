"""Evaluation on data sets as they are: the miniature world, and real KITTI frames where they are at hand."""

import numpy as np
import pytest
import torch
from torch.utils.data import Subset

from lowtex.datasets import Cityscapes, KittiImproved, KittiRaw, Make3D, VirtualKitti2
from lowtex.errors import OptionError
from lowtex.evaluation.evaluate import compare, evaluate, ground_truth_of, score
from lowtex.evaluation.metrics import HIGHER_IS_BETTER, METRICS
from lowtex.evaluation.protocols import PROTOCOLS
from lowtex.evaluation.texture import strata
from lowtex_lab.miniature.vkitti2 import write_vkitti2


class Constant:
    """The same depth everywhere."""

    def depth(self, image, rig):
        return torch.full((image.shape[0], 1, *image.shape[2:]), 15.0)


def filled(sample):
    """The true depth, with something finite where there is none."""
    return torch.where(sample.depth > 0, sample.depth, 50.0)


def require_perfect(row):
    for name in METRICS:
        assert row[name] == pytest.approx(1.0 if name in HIGHER_IS_BETTER else 0.0, abs=1e-7), (row["image"], name)


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    root = tmp_path_factory.mktemp("world") / "vkitti2"
    write_vkitti2(root, frames={"Scene01": 3}, size=(96, 320), progress=False)
    return VirtualKitti2(root, split="available", size=(96, 320))


def test_true_depth_of_the_miniature_is_perfect_in_every_stratum(miniature):
    for sample in miniature:
        rows = score(filled(sample), sample, "vkitti2_dense", strata=["known", "gradient", "visibility", "edges"])
        assert {row["stratum_kind"] for row in rows} == {"none", "known", "gradient", "visibility", "edges"}
        for row in rows:
            require_perfect(row)


def test_the_miniature_has_low_and_high_texture(miniature):
    result = evaluate(Constant(), miniature, "vkitti2_dense", strata="known")
    means = result.means().set_index("stratum")
    share = means["pixels"] / means.loc["all", "pixels"]
    assert result.images == 3 and means.loc["low", "images"] == means.loc["high", "images"] == 3
    assert share["low"] > 0.1 and share["high"] > 0.1
    assert share[["low", "middle", "high"]].sum() == pytest.approx(1)


def test_gradient_energy_follows_known_contrast(miniature):
    """Where the world says plain, the picture alone mostly says so too (outlines and shadows excepted)."""
    low = high = both_low = both_high = 0
    for sample in miniature:
        known, seen = strata(sample, "known"), strata(sample, "gradient")
        ground = sample.depth[0].numpy() > 0
        low += (known["low"] & ground).sum()
        high += (known["high"] & ground).sum()
        both_low += (known["low"] & ground & seen["low"]).sum()
        both_high += (known["high"] & ground & seen["low"]).sum()
    assert both_low / low > 3 * both_high / high


def test_a_reader_says_its_ground_truth(miniature):
    assert ground_truth_of(miniature) == ground_truth_of(Subset(miniature, [0])) == "vkitti2"
    assert ground_truth_of([miniature[0]]) is None
    with pytest.raises(OptionError, match="eigen_raw.*VirtualKitti2 has 'vkitti2'; use vkitti2_dense or vkitti2_garg"):
        evaluate(Constant(), miniature, "eigen_raw")


@pytest.mark.parametrize(
    ("depth", "protocol", "scored"), [("velodyne", "eigen_raw", 4), ("velodyne_z", "eigen_raw_z", 4)]
)
def test_real_raw_frames(real_data, depth, protocol, scored):
    frames = KittiRaw(real_data / "kitti_raw", split="available", size=(96, 320), depth=depth)
    with pytest.warns(UserWarning, match="4 of 8 images scored; 4 with no ground truth"):
        result = evaluate(Constant(), frames, protocol, batch_size=3)
    assert result.images == scored and len(result.unscored) == len(frames) - scored
    assert result.per_image["pixels"].between(14_000, 19_500).all()
    for sample in frames:
        if sample.depth is not None:
            require_perfect(score(filled(sample), sample, protocol)[0])
    with pytest.raises(OptionError, match="KittiRaw has"):
        evaluate(Constant(), frames, "improved")


def test_real_improved_frames(real_data):
    frames = KittiImproved(real_data / "kitti_depth", split="available", size=(96, 320))
    for protocol, pixels in (("improved", (87_000, 92_000)), ("improved_garg", (60_000, 90_000))):
        result = evaluate(Constant(), frames, protocol)
        assert result.images == len(frames) == 3 and not result.unscored
        assert result.per_image["pixels"].between(*pixels).all()
        for sample in frames:
            row = score(filled(sample), sample, protocol)[0]
            beyond = PROTOCOLS[protocol].valid(sample.depth[0].numpy()) & (sample.depth[0].numpy() > 80)
            # `improved` counts the few pixels beyond its own clamp, where no prediction can be right
            if protocol == "improved" and beyond.any():
                assert 0 < row["abs_rel"] < 1e-4
            else:
                require_perfect(row)


def test_taking_velodyne_x_for_z_is_seen(real_data):
    raw = real_data / "kitti_raw"
    forward = KittiRaw(raw, split="available", size=(96, 320), depth="velodyne")
    along = KittiRaw(raw, split="available", size=(96, 320), depth="velodyne_z")
    for x, z in zip(forward, along, strict=True):
        if x.depth is None:
            continue
        compared = compare(filled(z), x, PROTOCOLS["eigen_raw"])
        offset = np.median((compared.truth - compared.prediction)[compared.valid])
        assert 0.2 < offset < 0.35
        assert score(filled(z), x, "eigen_raw")[0]["abs_rel"] > 0.01


def test_real_make3d_images(real_data):
    images = Make3D(real_data / "make3d", split="available", size=(96, 320))
    for protocol in ("make3d_c1", "make3d_c1_centred"):
        result = evaluate(Constant(), images, protocol)
        assert result.images == len(images) == 4 and not result.unscored
        assert result.per_image["pixels"].between(1000, 21 * 305).all()
        # one depth everywhere becomes the median of the truth, so half of it lies on either side
        assert result.per_image["log10"].between(0.1, 0.6).all()
        for sample in images:
            row = score(filled(sample), sample, protocol)[0]
            require_perfect(row)
            assert row["log10"] == pytest.approx(0, abs=1e-9) and row["scale"] == 1


def test_what_the_old_nearest_costs_on_make3d(real_data):
    """The truth itself, spread over an image of 192 x 640, is far from perfect by the literature's protocol."""
    for sample in Make3D(real_data / "make3d", split="available", size=(96, 320)):
        rows, columns = np.indices((192, 640))
        spread = sample.depth[0].numpy()[rows * 21 // 192, columns * 305 // 640]
        require_perfect(score(spread, sample, "make3d_c1_centred")[0])
        # a grid row covers 9.14 rows: floor(9.14) = 9 belongs to the row before
        assert score(spread, sample, "make3d_c1")[0]["abs_rel"] > 0.03
        between = (rows + 0.5) * 21 / 192 - 0.5
        low = np.clip(np.floor(between), 0, 19).astype(int)
        part = np.clip(between - low, 0, 1)
        truth = sample.depth[0].numpy()[:, columns[0] * 305 // 640]
        smooth = (1 - part) * np.take_along_axis(truth, low, 0) + part * np.take_along_axis(truth, low + 1, 0)
        shifted, centred = (score(smooth, sample, name)[0]["abs_rel"] for name in ("make3d_c1", "make3d_c1_centred"))
        assert centred < 0.25 * shifted and shifted > 0.01


def test_real_cityscapes_frame(real_data):
    options = {"size": (96, 320), "views": False, "typical_camera": True}
    frame = Cityscapes(real_data / "cityscapes", split="train", **options)
    metric, full = (evaluate(Constant(), frame, name).per_image.iloc[0] for name in ("cityscapes", "cityscapes_full"))
    assert tuple(frame[0].depth.shape) == (1, 768, 2048)
    assert 0.5 * 512 * 1664 < metric["pixels"] < 512 * 1664 < full["pixels"] < 768 * 2048
    for name in ("cityscapes", "cityscapes_full"):
        require_perfect(score(filled(frame[0]), frame[0], name)[0])
    with pytest.raises(OptionError, match="needs images cropped to 'bottom_quarter'"):
        evaluate(Constant(), Cityscapes(real_data / "cityscapes", split="train", crop=None, **options), "cityscapes")
