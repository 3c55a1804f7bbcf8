"""What notebooks show: predictions on the truth's grid, the best and worst image, two truths side by side."""

import numpy as np
import pandas as pd
import pytest
import torch

from lowtex.datasets import KittiImproved, KittiRaw
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError
from lowtex.evaluation.evaluate import evaluate
from lowtex.geometry import StereoRig
from lowtex_lab.notebook.showing import best_and_worst, ranked, short_name, show
from lowtex_lab.notebook.truths import compare_truths, sample_of, truth_of


class Constant:
    """Predicts one depth everywhere."""

    def __init__(self, metres):
        self.metres = metres

    def depth(self, image, rig):
        return torch.full((image.shape[0], 1, *image.shape[2:]), self.metres)


class Images(list):
    """Samples that answer like a reader."""

    split = "test"
    ground_truth = "velodyne_x"

    @property
    def names(self):
        return [sample.name for sample in self]


def images(*depths):
    rig = StereoRig(focal_px=60.0, baseline_m=0.5, width=64, height=32)
    truths = [None if d is None else torch.full((1, 48, 90), d) for d in depths]
    return Images(StereoSample(torch.rand(3, 32, 64), rig, f"d/{i:010d}/l", depth=t) for i, t in enumerate(truths))


def test_predictions_are_brought_to_the_truth_and_clamped_as_the_protocol_says():
    data = images(10.0, None, 20.0)
    shown = show({"near": Constant(12.0), "far": Constant(500.0)}, data, data.names, "eigen_raw")
    assert [p.shape for p in shown.predictions["near"]] == [(48, 90)] * 3
    assert shown.truths[1] is None and shown.predictions["far"][1].max() == 80.0
    assert np.allclose(shown.predictions["near"][0], 12.0)
    # outside of the Garg crop nothing is scored, so nothing is shown
    assert set(np.unique(shown.truths[0])) == {0.0, 10.0} and shown.truths[0][0, 0] == 0
    figure = shown.figure("Title", miniature=True)
    assert "miniature data" in figure.get_suptitle()


def test_a_set_without_truth_and_an_unknown_name():
    data = images(None)
    shown = show({"near": Constant(12.0)}, data, data.names, "eigen_raw")
    assert shown.truths == [None] and shown.predictions["near"][0].shape == (32, 64)
    with pytest.raises(OptionError, match="no image 'd/9/l' in split 'test' \\(1 images\\)"):
        show({"near": Constant(12.0)}, data, ["d/9/l"], "eigen_raw")


def test_best_and_worst():
    data = images(10.0, 12.0, 30.0)
    result = evaluate(Constant(12.0), data, "eigen_raw", strata="distance")
    assert best_and_worst(result) == [data.names[1], data.names[2]]
    assert best_and_worst(result, "d1")[-1] == data.names[2]
    assert ranked(result)["image"].tolist() == [data.names[i] for i in (1, 0, 2)]
    one = evaluate(Constant(12.0), images(10.0), "eigen_raw")
    assert best_and_worst(one) == ["d/0000000000/l"]


def test_short_names():
    assert short_name("2011_09_26_drive_0001_sync/0000000025/l") == "2011_09_26_drive_0001 25"
    assert short_name("Scene01/clone/00007/l") == "Scene01 clone 7"
    assert short_name("drive/0000000000/r") == "drive 0 r"
    assert short_name("000005/l") == "000005", "the name of its file"


def test_compare_truths_by_hand():
    improved, x, z = images(10.0, 10.0), images(10.27, None), images(10.0, None)
    improved[0].depth[..., :45] = 0
    z[0].depth[..., 70:] = 20.0
    table = compare_truths(improved, x, z, improved.names)
    assert len(table) == 1, "the image without a scan is left out"
    line = table.iloc[0]
    assert (line["one scan"], line["improved"]) == (1.0, 0.5)
    assert line["x - improved (m)"] == pytest.approx(0.27, abs=1e-5) and line["z - improved (m)"] == 0.0
    assert line["z off by > 10 %"] == pytest.approx(20 / 45)
    with pytest.raises(DataError, match="none of the 1 images has both"):
        compare_truths(improved, x, z, improved.names[1:])
    with pytest.raises(OptionError, match="no image 'x'"):
        sample_of(improved, "x")


def test_compare_truths_on_real_frames(real_data):
    """The facts of the samples' README: densities, and x above and z below the improved depth."""
    raw, depth = real_data / "kitti_raw", real_data / "kitti_depth"
    improved = KittiImproved(depth, "available", raw_root=raw, views=False)
    scans = [KittiRaw(raw, "available", depth=kind, views=False) for kind in ("velodyne", "velodyne_z")]
    table = compare_truths(improved, *scans, improved.names)
    assert len(table) == 3 and truth_of(scans[0], scans[0].names[1]) is None
    assert table["one scan"].between(0.040, 0.042).all() and table["improved"].between(0.18, 0.20).all()
    assert table["x - improved (m)"].between(0.18, 0.25).all() and table["z - improved (m)"].between(-0.10, -0.04).all()
    assert isinstance(table, pd.DataFrame) and table["z off by > 10 %"].lt(0.05).all()
