"""References that never look at a picture: worked out by hand, and blind to the truth of the image that they guess."""

import numpy as np
import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.evaluation.protocols import PROTOCOLS
from lowtex.geometry import StereoRig
from lowtex_lab.studies.references import MEAN_MAP, ONE_DEPTH, reference_evaluations

RIG = StereoRig(focal_px=60.0, baseline_m=0.5, cx=39.5, cy=15.5, width=80, height=32)


def sample(number: int, depth) -> StereoSample:
    image = torch.rand(3, 32, 80, generator=torch.Generator().manual_seed(number))
    return StereoSample(image, RIG, f"{number}", depth=torch.as_tensor(depth, dtype=torch.float32)[None])


def scores(samples, metric="abs_rel", protocol="kitti_2015", **options) -> dict[str, list[float]]:
    found = reference_evaluations(samples, PROTOCOLS[protocol], **options)
    return {name: evaluation.per_image.query("stratum == 'all'")[metric].tolist() for name, evaluation in found.items()}


def test_worked_out_by_hand():
    samples = [sample(number, np.full((32, 80), depth)) for number, depth in enumerate((10.0, 20.0, 40.0))]
    found = scores(samples)
    # medians of the other two: 30, 25 and 15 m; means of their inverse: 1 / 26.67, 1 / 16 and 1 / 13.33 m
    assert found[ONE_DEPTH] == pytest.approx([20 / 10, 5 / 20, 25 / 40])
    assert found[MEAN_MAP] == pytest.approx([(80 / 3 - 10) / 10, 4 / 20, (40 - 40 / 3) / 40])
    # focal x baseline is 30 px m: 3, 1.5 and 0.75 px, of which none is guessed wrong by more than 3 px
    assert scores(samples, "d1_all") == {ONE_DEPTH: [0, 0, 0], MEAN_MAP: [0, 0, 0]}
    assert scores(samples, indices=[0, 2])[ONE_DEPTH] == pytest.approx([30 / 10, 30 / 40])


def test_the_map_has_the_layout_that_the_others_share_and_fills_what_they_lack():
    road = np.broadcast_to(40.0 - np.arange(32.0)[:, None], (32, 80)).copy()
    sparse = np.where(np.random.default_rng(0).random((32, 80)) < 0.5, road, 0.0)
    sparse[:8] = 0
    samples = [sample(0, road), sample(1, sparse), sample(2, np.kron(sparse, np.ones((2, 2))))]
    found = scores(samples)
    assert found[MEAN_MAP][1] < 0.02 < 0.2 < found[ONE_DEPTH][1]

    def rows(sample, size):
        row = np.arange(size[0])[:, None] * np.ones(size)
        return {"without": row < 7, "with": row > 8}

    table = reference_evaluations(samples, PROTOCOLS["kitti_2015"], {"rows": rows})[MEAN_MAP].per_image
    first = table[table["image"] == "0"].set_index("stratum")
    known = sparse[sparse > 0]
    guess = 1 / (1 / known).mean()
    assert first.loc["with", "abs_rel"] < 0.02
    assert first.loc["without", "abs_rel"] == pytest.approx((1 - guess / road[:7]).mean(), rel=1e-5)


@pytest.mark.parametrize("name", [ONE_DEPTH, MEAN_MAP])
def test_no_image_is_guessed_by_its_own_truth(name):
    """Its truth, ten times as far, is as wrong as one guess is, and the guess is the same."""
    others = [sample(1, np.full((32, 80), 20.0)), sample(2, np.full((32, 80), 40.0))]
    near, far = (scores([sample(0, np.full((32, 80), depth)), *others])[name][0] for depth in (5.0, 50.0))
    guess = 5.0 * (1 + near)
    assert far == pytest.approx((50.0 - guess) / 50.0) and 20 < guess < 40


def test_strata_and_pixels_that_do_not_count():
    far = np.full((32, 80), 20.0)
    far[:16] = 500.0
    samples = [sample(0, far), sample(1, far), sample(2, np.zeros((32, 80)))]
    found = reference_evaluations(samples, PROTOCOLS["vkitti2_dense"].changed(flip=True, scaling="x5.4"), "distance")
    table = found[ONE_DEPTH].means()
    assert table["stratum"].tolist() == ["all", "20-40 m"] and table["abs_rel"].tolist() == [0, 0]
    assert table["images"].tolist() == [2, 2] and found[MEAN_MAP].protocol.row()["scaling"] == "none"
    assert not found[MEAN_MAP].protocol.flip
    with pytest.raises(DataError, match="two images or more with ground truth, not 1"):
        reference_evaluations(samples[1:], PROTOCOLS["vkitti2_dense"])
