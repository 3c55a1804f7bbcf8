"""Evaluation: perfect predictions, an independent plain implementation, and the traps that change numbers."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from eval_samples import make_sample
from known_depth import KnownDepth

from lowtex.errors import DataError
from lowtex.evaluation.evaluate import compare, evaluate, predict, score
from lowtex.evaluation.protocols import Protocol
from lowtex.geometry import StereoRig

HEIGHT, WIDTH = 32, 96


def street(index=0, size=(HEIGHT, WIDTH)):
    """Dense true depth of a road and a wall, everything nearer than 80 m."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    depth = 4.0 + 30.0 / (1 + rows) + 0.05 * columns + index
    return torch.tensor(depth[None], dtype=torch.float32)


def told(samples, depths) -> KnownDepth:
    """A network that knows these depths, of the mirrored images too."""
    known = [(sample.image, depth) for sample, depth in zip(samples, depths, strict=True)]
    return KnownDepth(known + [(image.flip(-1), depth.flip(-1)) for image, depth in known])


def perfect(count=3, **parts):
    samples = [make_sample(i, depth=street(i), **parts) for i in range(count)]
    return told(samples, [s.depth.clone() for s in samples]), samples


def test_images_weigh_alike_however_many_pixels_they_have():
    samples = [make_sample(i, depth=street(i)) for i in range(2)]
    samples[1].depth[:, :, 8:] = 0
    network = told(samples, [samples[0].depth * 1.5, torch.where(samples[1].depth > 0, samples[1].depth * 1.1, 5.0)])
    result = evaluate(network, samples, "improved")
    each = result.per_image["abs_rel"].tolist()
    assert each == pytest.approx([0.5, 0.1], rel=1e-5)
    assert result.means()["abs_rel"][0] == pytest.approx(0.3, rel=1e-5)
    pixels = result.per_image["pixels"].to_numpy()
    assert np.average(each, weights=pixels) == pytest.approx(0.5 - 0.4 * 8 / 104, rel=1e-4)
    assert result.means()["pixels"][0] == pixels.sum() == 32 * 96 + 32 * 8


def test_strata_are_scored_apart_and_images_without_one_do_not_count():
    samples = [make_sample(i, depth=street(i), texture_contrast=torch.full((1, HEIGHT, WIDTH), 0.2)) for i in range(2)]
    samples[0].texture_contrast[:, :, :30] = 0.0
    depths = [s.depth.clone() for s in samples]
    depths[0][:, :, :30] *= 1.5
    result = evaluate(told(samples, depths), samples, "improved", strata="known")
    means = result.means().set_index("stratum")
    assert list(means.index) == ["all", "low", "high"]
    assert means.loc["low", "abs_rel"] == pytest.approx(0.5, rel=1e-5) and means.loc["low", "images"] == 1
    assert means.loc["high", "abs_rel"] == pytest.approx(0, abs=1e-9) and means.loc["high", "images"] == 2
    assert means.loc["all", "images"] == 2
    assert means.loc["all", "pixels"] == means.loc["low", "pixels"] + means.loc["high", "pixels"]


def test_images_without_ground_truth_are_predicted_counted_and_said():
    network, samples = perfect(4)
    samples[1].depth = None
    samples[2].depth = torch.zeros_like(samples[2].depth)
    # all of its ground truth lies above the crop
    samples[3].depth[:, 10:] = 0
    with pytest.warns(UserWarning, match="1 of 4 images scored; .*2 with no ground truth.*0000000001"):
        result = evaluate(network, samples, "eigen_raw", batch_size=1)
    assert result.images == 1 and len(result.unscored) == 3
    assert result.unscored["drive/0000000003/l"] == "no pixel that the protocol counts"
    assert len(network.rigs) == 4
    assert result.means()["images"].tolist() == [1]


@pytest.mark.filterwarnings("error")
def test_batches_and_sizes_change_nothing_and_nothing_is_warned_of():
    network, samples = perfect(3)
    small = make_sample(7, (16, 64), depth=street(7, (16, 64)))
    samples.insert(1, small)
    network.known.append((small.image, small.depth * 1.2))
    # the other view is not needed, and may be missing in some
    samples[0].other = torch.zeros_like(samples[0].image)
    network.known[0] = (samples[0].image, samples[0].depth * 0.8)
    frames = [evaluate(network, samples, "improved", batch_size=n).per_image for n in (1, 2, 8)]
    pd.testing.assert_frame_equal(frames[0], frames[1])
    pd.testing.assert_frame_equal(frames[0], frames[2])
    assert frames[0]["abs_rel"].tolist() == pytest.approx([0.2, 0.2, 0, 0], abs=1e-6)


def test_the_network_is_in_evaluation_mode_and_gets_its_mode_back():
    network, samples = perfect(1)
    network.train()
    evaluate(network, samples, "improved", flip=True)
    assert network.training_while_called == [False, False] and network.training
    network.eval()
    evaluate(network, samples, "improved")
    assert not network.training


def test_the_mirrored_image_comes_with_its_own_principal_point():
    network, samples = perfect(1)
    samples[0].rig = StereoRig(focal_px=60.0, baseline_m=0.5, cx=40.0, cy=15.0, width=WIDTH, height=HEIGHT)
    predict(network, samples, flip=True)
    assert [float(rig.cx) for rig in network.rigs] == [40.0, 55.0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_unusable_predictions_and_damaged_ground_truth_name_the_image(value):
    network, samples = perfect(3)
    if value != 0:
        samples[2].depth[0, 3, 4] = value
        with pytest.raises(DataError, match="ground truth of drive/0000000002/l has 1 of 3072"):
            evaluate(network, samples, "improved")
    network.known[1][1][0, 3, 4] = value
    with pytest.raises(DataError, match="prediction for drive/0000000001/l has 1 of 3072 values"):
        evaluate(network, samples[:2], "improved", batch_size=2)


def test_damaged_files_are_left_out_where_that_is_asked_for_and_only_they():
    network, samples = perfect(4)
    samples[2].depth[..., 0] = -1.0

    class Torn(list):
        names = [sample.name for sample in samples]
        ground_truth = "vkitti2"

        def __getitem__(self, index):
            if index == 1:
                raise DataError("b.png is truncated")
            return super().__getitem__(index)

    torn = Torn(samples)
    with pytest.raises(DataError, match="b.png is truncated"):
        evaluate(network, torn, "vkitti2_dense")
    with pytest.warns(UserWarning, match="2 of 4 images scored; 2 damaged"):
        result = evaluate(network, torn, "vkitti2_dense", keep_going=True)
    assert result.images == 2 and set(result.per_image["image"]) == {torn.names[0], torn.names[3]}
    assert list(result.damaged) == [torn.names[1], torn.names[2]] and not result.unscored
    assert result.damaged[torn.names[1]] == "b.png is truncated" and "negative" in result.damaged[torn.names[2]]
    with pytest.raises(DataError, match="contrast"):
        # what no image can give is no damage of one
        evaluate(network, torn, "vkitti2_dense", strata="known", keep_going=True)


def test_shapes_are_checked():
    sample = make_sample(depth=street())
    with pytest.raises(ValueError, match=r"\(2, 3, 4\)"):
        score(np.ones((2, 3, 4)), sample, "improved")
    sample.depth = None
    with pytest.raises(DataError, match="no ground truth"):
        score(np.ones((3, 4)), sample, "improved")
    flat = SimpleNamespace(depth=lambda image, rig: torch.ones(len(image), 5, 5))
    with pytest.raises(ValueError, match=r"\(1, 1, H, W\), got \(1, 5, 5\)"):
        evaluate(flat, [sample], "improved")


def test_disparity_is_resized_not_depth():
    # between 10 m and 40 m lie 16 m (the mean of the inverses), not 25 m
    truth = torch.full((1, 1, 3), 16.0)
    prediction = np.array([[10.0, 40.0]])
    got = compare(prediction, make_sample(depth=truth), "improved").prediction[0]
    assert got[1] == pytest.approx(16.0)
    inverse = compare(1 / prediction, make_sample(depth=truth), "improved", quantity="inverse_depth").prediction[0]
    assert inverse == pytest.approx(got)
    nearest = Protocol("mine", "improved", interpolation="nearest")
    assert set(compare(prediction, make_sample(depth=truth), nearest).prediction[0]) == {10.0, 40.0}
