"""What several notebooks do with images: predictions on the truth's grid, depth by matching, lists of frames."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lowtex.datasets import KittiImproved, KittiRaw
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.splits import read_list
from lowtex.errors import DataError, OptionError
from lowtex.evaluation.evaluate import evaluate
from lowtex.files import write_text
from lowtex.geometry import StereoRig
from lowtex_lab.miniature import write_kitti
from lowtex_lab.notebook import helpers
from lowtex_lab.notebook.study import AUTO

DRIVE = "2011_09_26_drive_0001_sync"
ASKED = (DRIVE, "0-5", "25,45")
HEIGHT, WIDTH, SHIFT = 96, 256, 8
RIG = StereoRig(focal_px=200.0, baseline_m=0.2, cx=128.0, cy=47.5, width=WIDTH, height=HEIGHT)
DEPTH_M = 200.0 * 0.2 / SHIFT


class Constant:
    """Predicts one depth everywhere."""

    def __init__(self, metres):
        self.metres = metres

    def depth(self, image, rig):
        return torch.full((image.shape[0], 1, *image.shape[2:]), self.metres)


class Images(list):
    """Samples that answer like a reader."""

    split = "test"

    @property
    def names(self):
        return [sample.name for sample in self]


def images(*depths):
    rig = StereoRig(focal_px=60.0, baseline_m=0.5, width=64, height=32)
    truths = [None if d is None else torch.full((1, 48, 90), d) for d in depths]
    return Images(StereoSample(torch.rand(3, 32, 64), rig, f"d/{i:010d}/l", depth=t) for i, t in enumerate(truths))


def test_predictions_are_brought_to_the_truth_and_clamped_as_the_protocol_says():
    data = images(10.0, None, 20.0)
    shown = helpers.show({"near": Constant(12.0), "far": Constant(500.0)}, data, data.names, "eigen_raw")
    assert [p.shape for p in shown.predictions["near"]] == [(48, 90)] * 3
    assert shown.truths[1] is None and shown.predictions["far"][1].max() == 80.0
    assert np.allclose(shown.predictions["near"][0], 12.0)
    # outside of the Garg crop nothing is scored, so nothing is shown
    assert set(np.unique(shown.truths[0])) == {0.0, 10.0} and shown.truths[0][0, 0] == 0
    figure = shown.figure("Title", miniature=True)
    assert "miniature data" in figure.get_suptitle()


def test_a_set_without_truth_and_an_unknown_name():
    data = images(None)
    shown = helpers.show({"near": Constant(12.0)}, data, data.names, "eigen_raw")
    assert shown.truths == [None] and shown.predictions["near"][0].shape == (32, 64)
    with pytest.raises(OptionError, match="no image 'd/9/l' in split 'test' \\(1 images\\)"):
        helpers.show({"near": Constant(12.0)}, data, ["d/9/l"], "eigen_raw")


def test_best_and_worst():
    data = images(10.0, 12.0, 30.0)
    result = evaluate(Constant(12.0), data, "eigen_raw", strata="distance")
    assert helpers.best_and_worst(result) == [data.names[1], data.names[2]]
    assert helpers.ranked(result)["image"].tolist() == [data.names[i] for i in (1, 0, 2)]
    one = evaluate(Constant(12.0), images(10.0), "eigen_raw")
    assert helpers.best_and_worst(one) == ["d/0000000000/l"]


def test_an_answer_is_one_paragraph_of_prose(monkeypatch):
    seen = []
    monkeypatch.setattr(helpers, "display", lambda markdown: seen.append(markdown.data))
    helpers.answer("at 3 px.", "", "`ours` too.")
    helpers.answer("`ours`.", label="Found")
    assert seen == ["**Answer.** At 3 px. `ours` too.", "**Found.** `ours`."]


def test_short_names():
    assert helpers.short_name("2011_09_26_drive_0001_sync/0000000025/l") == "2011_09_26_drive_0001 25"
    assert helpers.short_name("Scene01/clone/00007/l") == "Scene01 clone 7"
    assert helpers.short_name("drive/0000000000/r") == "drive 0 r"
    assert helpers.short_name("000005/l") == "000005", "the name of its file"


def pair(flat_from: int = HEIGHT, **changes) -> StereoSample:
    """A plane at `DEPTH_M` with a random texture; plain from a row on."""
    picture = torch.rand((3, HEIGHT, WIDTH + SHIFT), generator=torch.Generator().manual_seed(0))
    picture[:, flat_from:] = 0.5
    fields = {"image": picture[..., :WIDTH], "rig": RIG, "name": "plane/0/l", "other": picture[..., SHIFT:]}
    return StereoSample(**{**fields, "direction": 1.0, "depth": torch.full((1, HEIGHT, WIDTH), DEPTH_M), **changes})


def test_a_textured_plane_is_found_and_a_plain_one_gets_its_neighbours_depth():
    found = helpers.matched_depth(pair(flat_from=60))
    assert found.shape == (1, HEIGHT, WIDTH) and found.dtype == torch.float32
    # the matcher looks SHIFT pixels to the left, and a window of its own up and down
    textured, plain = found[0, 4:52, SHIFT + 4 :], found[0, 68:]
    assert (textured > 0).float().mean() > 0.98
    # a sixteenth of a pixel is the matcher's own step
    assert (textured[textured > 0] / DEPTH_M - 1).abs().max() < 2 / 16 / SHIFT + 1e-4
    assert (plain[:, SHIFT + 4 :] / DEPTH_M - 1).abs().max() < 0.03, "nothing in the picture says so"
    # two views of different things
    noise = torch.rand((3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(1))
    assert (helpers.matched_depth(pair(other=noise)) > 0).float().mean() < 0.02


def test_nearer_than_the_reach_is_not_found():
    near = pair(other=pair().image.roll(-24, dims=-1))
    depth = torch.tensor(200.0 * 0.2 / 24)
    assert torch.isclose(helpers.matched_depth(near, reach=0.1), depth, rtol=0.01).float().mean() > 0.8
    assert not torch.isclose(helpers.matched_depth(near, reach=1 / 256), depth, rtol=0.01).any()


def test_what_cannot_be_matched():
    for changes in ({"other": None}, {"direction": -1.0}):
        with pytest.raises(DataError, match="plane/0/l: matching needs both views"):
            helpers.matched_depth(pair(**changes))


def own(root, stems, truths=()):
    """A reader's face of a folder of one's own: `own_parts` opens nothing but its lists."""
    root.mkdir(exist_ok=True)
    return SimpleNamespace(root=root, names=[f"{stem}/l" for stem in stems], maps=dict.fromkeys(truths))


@pytest.mark.parametrize(
    ("stems", "truths", "learning", "scoring"),
    [
        ("abcdefghi", "", "abcdef", "ghi"),
        # the ones to score have ground truth, and what follows the first of them is not learnt from
        ("abcdefghi", "acef", "ab", "cef"),
        ("abcdefghi", "ab", "a", "b"),
        ("ab", "", "a", "b"),
    ],
)
def test_own_pairs_are_parted(tmp_path, stems, truths, learning, scoring):
    lists = helpers.own_parts(tmp_path / "lists", own(tmp_path / "own", stems, truths))
    assert [path.read_text().split() for path in lists] == [list(learning), list(scoring)]


@pytest.mark.parametrize(("stems", "truths"), [("a", ""), ("a", "a"), ("abc", "a")])
def test_too_few_own_pairs(tmp_path, stems, truths):
    with pytest.raises(DataError, match="too few to learn from some and score others; add pairs"):
        helpers.own_parts(tmp_path / "lists", own(tmp_path / "own", stems, truths))
    assert not (tmp_path / "lists").exists()


def test_own_lists_go_before(tmp_path):
    reader = own(tmp_path / "own", "abc")
    splits = reader.root / "splits"
    write_text(splits / "train.txt", "c\n")
    assert helpers.own_parts(tmp_path / "lists", reader)[0].name == "learn.txt", "one list alone does not part"
    (splits / "test.txt").write_text("a\nb\n")
    assert helpers.own_parts(tmp_path / "lists", reader) == ("train", "test")
    (splits / "test.txt").write_text("a\nc\n")
    with pytest.raises(DataError, match=r"train\.txt and .*test\.txt both list c"):
        helpers.own_parts(tmp_path / "lists", reader)


@pytest.mark.parametrize(
    "asked", [(DRIVE, "0-9", "25,45"), (DRIVE, "0-5", "26"), ("2011_09_26_drive_0002_sync", "0", "9")]
)
def test_real_frames_that_are_not_there_are_replaced_by_others(real_data, tmp_path, asked):
    paths = helpers.learning_and_scoring_lists(tmp_path, real_data / "kitti_depth", real_data / "kitti_raw", *asked)
    learning, scoring = ({f.frame for f in read_list(path)} for path in paths)
    assert scoring == {45} and learning == {0, 1, 2, 3, 4, 5, 25}


def test_too_few_real_frames(real_data, tmp_path):
    whole, raw = real_data / "kitti_raw", tmp_path / "raw"
    names = [f"{DRIVE}/{side}/data/0000000045.png" for side in ("image_02", "image_03")]
    for name in (*names, "calib_cam_to_cam.txt", "calib_velo_to_cam.txt"):
        link = raw / "2011_09_26" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(whole / "2011_09_26" / name)
    with pytest.raises(DataError, match="too few frames to learn from some and score others"):
        helpers.learning_and_scoring_lists(tmp_path / "lists", real_data / "kitti_depth", raw, *ASKED)


def test_whole_splits_are_taken(tmp_path):
    root = write_kitti(tmp_path / "kitti", {"train": 1, "val": 1, "test": 1}, (32, 96), progress=False)
    raw, depth = root / "kitti_raw", root / "kitti_depth"
    for truth in (depth, None):
        assert helpers.kitti_parts(tmp_path / "lists", raw, truth, *ASKED) == ("train", "test")
    assert not (tmp_path / "lists").exists(), "no list is written that nobody reads"
    assert not set(KittiRaw(raw, "train").names) & set(KittiImproved(depth, "test", raw_root=raw).names)


def test_a_sample_of_one_drive_is_parted(real_data, tmp_path):
    raw, depth = real_data / "kitti_raw", real_data / "kitti_depth"
    learn, score = helpers.kitti_parts(tmp_path, raw, depth, *ASKED)
    pairs = KittiRaw(raw, str(learn), depth=None)
    held = KittiImproved(depth, str(score), raw_root=raw)
    assert [f.frame for f in pairs.frames] == [0, 1, 2, 3, 4, 5] and [f.frame for f in held.frames] == [25, 45]
    # the split's name goes into rows and content hashes
    assert (pairs.split, held.split) == ("learn", "score")
    assert helpers.kitti_parts(tmp_path, raw, None, *ASKED) == (None, AUTO), "without improved truth it is only scored"
    with pytest.raises(OptionError, match="frame 5 is to be learnt from and to be scored"):
        helpers.kitti_parts(tmp_path, raw, depth, ASKED[0], "0-5", "5")
