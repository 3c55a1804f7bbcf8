"""The readers' contests: real samples before miniatures, prepared ones the same bit for bit; the training loop on them;
laser, evaluation."""

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from benchmarks.harness import Disagreement, race
from benchmarks.subjects import loop, readers, use
from benchmarks.subjects.readers import require_same
from lowtex.datasets.sample import StereoSample
from lowtex.geometry import StereoRig
from lowtex.training import LoopOptions

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


class Slow(list):
    """Pairs that take their time."""

    def __getitem__(self, index):
        time.sleep(0.5)
        return super().__getitem__(index)


@pytest.mark.parametrize("way", loop.WAYS)
def test_the_training_loop_is_measured_on_files_and_prepared(real, way):
    [subject] = loop.subjects(real)
    assert (subject.network, subject.batch, subject.height, subject.data) == ("quick baseline", 2, 32, "real KITTI")
    found = loop.measured(real, subject, way)
    assert set(found) == {"per_s", "idle_share"} and found["per_s"] > 0 and 0 <= found["idle_share"] < 1


def test_a_step_that_waits_for_its_pairs_is_told(real, monkeypatch):
    reader, [subject] = readers.opened(*readers.PAIR, real), loop.subjects(real)
    monkeypatch.setattr(loop, "opened", lambda *told: Slow(reader[i] for i in range(len(reader))))
    found = loop.measured(real, subject, "files, 0 workers")
    # a batch of two takes a second to read, more than a step of the smallest network
    assert found["idle_share"] > 0.5 and found["per_s"] <= 2.1


@pytest.mark.filterwarnings("ignore:CUDA is not available")
def test_launches_are_counted_of_one_step(real, monkeypatch):
    names = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cudaMemcpyAsync", "aten::add", "sgemm")
    assert loop.launches(SimpleNamespace(name=name) for name in names) == 3
    # a card's way, as far as it goes without one: the profiler looks at one step, and each step is marked
    card, now = replace(real, device="cuda"), loop.now
    subjects = loop.subjects(card)
    assert [subject.network for subject in subjects] == [loop.RESNET, loop.IRESNET]
    monkeypatch.setattr(loop, "now", lambda gpu: now(False))
    monkeypatch.setattr(
        loop, "launches", lambda events: sum(event.name == "Optimizer.step#Adam.step" for event in events)
    )
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(loop.training, "LoopOptions", lambda device, **own: LoopOptions("cpu", **own))
    assert loop.measured(card, subjects[0], "files, 0 workers")["launches"] == 1


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
