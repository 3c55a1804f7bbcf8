"""The readers' contests: real samples before miniatures, prepared ones the same bit for bit; laser, evaluation."""

from dataclasses import replace

import pytest
import torch

from benchmarks.harness import Disagreement, race
from benchmarks.subjects import readers, use
from benchmarks.subjects.readers import require_same
from lowtex.datasets.sample import StereoSample
from lowtex.geometry import StereoRig

SIZE = (32, 64)


@pytest.fixture
def real(conditions, real_data, tmp_path, monkeypatch):
    """KITTI alone is real, and nothing else is there; small images."""
    monkeypatch.setattr(readers, "miniature_folder", lambda profile: tmp_path / "none")
    monkeypatch.setattr(readers, "REAL_SIZE", SIZE)
    monkeypatch.setattr(readers, "MOST_SAMPLES", 1)
    (tmp_path / "real").mkdir()
    for name in ("kitti_raw", "kitti_depth"):
        (tmp_path / "real" / name).symlink_to(real_data / name)
    return replace(conditions, real=tmp_path / "real")


def by_name(conditions, module):
    return {contest.subject.name: contest for contest in module.contests(conditions)}


def test_every_reader_has_its_contest(real):
    found = by_name(real, readers)
    assert len(found) == len(readers.READERS) == 10
    pair = found["KittiRaw, pair item"]
    assert pair.names == ("yardstick", "kit", "kit_prepared", "kit_memory") and pair.threads == 1
    assert pair.subject.data == "real" and (pair.subject.height, pair.subject.width) == SIZE
    assert found["KittiImproved, test image item"].names == ("kit", "kit_prepared")


@pytest.mark.parametrize("name", ["KittiRaw, pair item", "KittiImproved, test image item"])
def test_items_of_real_samples(real, name):
    contest = by_name(real, readers)[name]
    assert set(race(contest, real, 3).difference) == set(contest.names[1:])


def test_laser_and_evaluation_agree_on_real_samples(real):
    found = by_name(real, use)
    for name in (use.PROJECTION, use.EVALUATION):
        contest = found[name]
        assert contest.subject.data == "real scan"
        assert set(race(contest, real, 3).difference) == {"kit"}


def test_prediction_is_the_yardsticks(conditions):
    found = [contest for contest in use.contests(conditions) if contest.subject.name == use.PREDICTION]
    assert len(found) == 2
    for contest in found:
        assert race(contest, conditions, 3).difference["kit"] < 1e-5


def test_a_sample_that_was_kept_wrongly_is_an_error():
    sample = StereoSample(torch.zeros(3, 2, 2), StereoRig(1.0, 1.0), "drive/5", other=torch.zeros(3, 2, 2))
    require_same(sample, replace(sample, image=sample.image.clone()))
    with pytest.raises(Disagreement, match="drive/5: other differs between the files and what was kept"):
        require_same(sample, replace(sample, other=sample.other + 1e-6))
