"""Evaluation on data sets as they are: the miniature world, and real KITTI frames where they are at hand."""

import pytest
import torch
from torch.utils.data import Subset

from lowtex.datasets import Cityscapes, KittiImproved, KittiRaw, Make3D, VirtualKitti2
from lowtex.errors import OptionError
from lowtex.evaluation.evaluate import evaluate, score
from lowtex.evaluation.metrics import HIGHER_IS_BETTER, METRICS
from lowtex.evaluation.protocols import PROTOCOLS
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


def test_a_reader_says_its_ground_truth(miniature):
    for images in (miniature, Subset(miniature, [0])):
        with pytest.raises(OptionError, match="eigen_raw.*VirtualKitti2 has 'vkitti2'; use vkitti2_dense or vkitti2_g"):
            evaluate(Constant(), images, "eigen_raw")
    assert evaluate(Constant(), [miniature[0]], "eigen_raw").images == 1, "a list says nothing"


REAL_SIZE = {"split": "available", "size": (96, 320)}
SCENE = {"split": "train", "size": (96, 320), "views": False, "typical_camera": True}
RAW = ("kitti_raw", KittiRaw, REAL_SIZE | {"depth": "velodyne"}, 4, (14_000, 19_500))
REAL = {
    "eigen_raw": RAW,
    "eigen_raw_z": (*RAW[:2], REAL_SIZE | {"depth": "velodyne_z"}, *RAW[3:]),
    "improved": ("kitti_depth", KittiImproved, REAL_SIZE, 3, (87_000, 92_000)),
    "improved_garg": ("kitti_depth", KittiImproved, REAL_SIZE, 3, (60_000, 90_000)),
    "make3d_c1": ("make3d", Make3D, REAL_SIZE, 4, (1000, 21 * 305)),
    "make3d_c1_centred": ("make3d", Make3D, REAL_SIZE, 4, (1000, 21 * 305)),
    "cityscapes": ("cityscapes", Cityscapes, SCENE, 1, (0.5 * 512 * 1664, 512 * 1664)),
    "cityscapes_full": ("cityscapes", Cityscapes, SCENE, 1, (512 * 1664, 768 * 2048)),
}
"""Folder, reader, its options, images with ground truth, and least and most pixels that count in one of them."""


@pytest.mark.filterwarnings("ignore:not every image could be scored")
@pytest.mark.parametrize("protocol", REAL)
def test_the_truth_of_real_images_is_perfect(protocol, real_data):
    folder, reader, options, count, pixels = REAL[protocol]
    images = reader(real_data / folder, **options)
    result = evaluate(Constant(), images, protocol, batch_size=3)
    assert result.images == count == len(images) - len(result.unscored)
    assert result.per_image["pixels"].between(*pixels).all()
    for sample in images:
        if sample.depth is None:
            continue
        row, truth = score(filled(sample), sample, protocol)[0], sample.depth[0].numpy()
        # `improved` counts the few pixels beyond its own clamp, where no prediction can be right
        if protocol == "improved" and (PROTOCOLS[protocol].valid(truth) & (truth > 80)).any():
            assert 0 < row["abs_rel"] < 1e-4
        else:
            require_perfect(row)
        assert row["scale"] == 1 and row.get("log10", 0) == pytest.approx(0, abs=1e-9)
