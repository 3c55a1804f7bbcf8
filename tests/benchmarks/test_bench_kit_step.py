"""The benchmark's kit step is the training's own, and the loader's measurement is one of the real loop."""

import csv
from dataclasses import replace

import pytest
import torch

from benchmarks.kit import FEATURES, PIXELS, KitStep
from benchmarks.subjects import loading
from benchmarks.subjects.loading import Clock, experiment_of
from benchmarks.subjects.pairs import IRESNET, RESNET, pairs
from benchmarks.subjects.steps import TOLERANCE, TOLERANCE_BF16, contests, make_step, step_subjects
from lowtex.checkpoints import load_feature_net
from lowtex.datasets.sample import StereoSample, collate
from lowtex.experiments import change
from lowtex.geometry import StereoRig
from lowtex.networks import build_depth_net
from lowtex.seeding import seed_everything
from lowtex.training import StepSampler, train_experiment

STEPS = 2


def samples(count=4, height=64, width=96):
    batch = pairs(count, height, width)
    rigs = [StereoRig(0.58 * width, 0.5327, (width - 1) / 2, (height - 1) / 2, 1.92 * height, width, height)] * count
    parts = zip(batch.image, batch.other, rigs, batch.direction.tolist(), strict=True)
    return [StereoSample(i, r, f"pair {n}", o, d) for n, (i, o, r, d) in enumerate(parts)]


class Pairs(torch.utils.data.Dataset):
    ground_truth = None

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


@pytest.mark.parametrize("name", [RESNET, IRESNET])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_is_what_train_experiment_does(conditions, tmp_path, name, precision):
    subject = next(s for s in step_subjects(True) if s.network == name)
    experiment = change(
        experiment_of(conditions, subject, precision),
        schedule__steps=STEPS, schedule__flip=0.0, schedule__jitter=0.0, schedule__learning_rate=1e-3,
    )  # fmt: skip
    dataset = Pairs(samples())
    folder = train_experiment(experiment, dataset, tmp_path / "experiments")
    with (folder / "log.csv").open() as file:
        logged = [float(row["total"]) for row in csv.DictReader(file)]

    features = None
    if name == IRESNET:
        features = load_feature_net(next((tmp_path / "experiments").glob("feature_net-*")))
    seed_everything(experiment.seed, "weights")
    network = build_depth_net(experiment.network)
    step = KitStep(network, PIXELS if name == RESNET else FEATURES, features, precision, learning_rate=1e-3)
    order = StepSampler(len(dataset), subject.batch, STEPS, experiment.seed)
    ours = [float(step(collate([dataset[i] for i in indices]), n)) for n, indices in enumerate(order)]
    assert len(logged) == STEPS and logged[0] != logged[1]
    assert ours == pytest.approx(logged, rel=1e-5)


def test_bf16_is_another_network_and_the_same_objective(conditions):
    subject = step_subjects(True)[0]
    losses = {}
    for name in ("yardstick", "kit", "kit_bf16"):
        step, batch = make_step(conditions, subject, name)
        losses[name] = float(step(batch))
    assert losses["kit"] == pytest.approx(losses["yardstick"], rel=TOLERANCE)
    assert losses["kit_bf16"] != losses["kit"] and losses["kit_bf16"] == pytest.approx(
        losses["kit"], rel=TOLERANCE_BF16
    )


def test_every_step_of_the_issue_is_there(conditions):
    full = {(c.subject.network, c.subject.batch, c.subject.height, c.subject.width) for c in contests(
        replace(conditions, smoke=False))}  # fmt: skip
    assert full == {(n, b, *s) for n in (RESNET, IRESNET) for b in (4, 12) for s in ((128, 416), (192, 640))}
    long = [c.subject for c in contests(replace(conditions, smoke=False)) if c.long]
    assert len(long) == 3 and {subject.batch for subject in long} == {12}
    assert not any(c.long for c in contests(replace(conditions, smoke=False, device="cuda")))


def test_waiting_is_what_the_loader_takes(conditions, monkeypatch):
    """A clock that says: the loader takes 1, the step 3."""

    class Told(Clock):
        ticks = iter([0.0] + [t for k in range(4) for t in (4.0 * k + 1.0, 4.0 * k + 4.0)])

        def mark(self):
            return next(self.ticks)

    batches = [pairs(2, 64, 96)] * 4
    monkeypatch.setattr(loading, "Clock", Told)
    monkeypatch.setattr(loading, "prepared_pairs", lambda *a: samples())
    monkeypatch.setattr(loading, "training_loader", lambda *a: batches)
    subject = next(s for s in step_subjects(True) if s.network == RESNET)
    assert loading.waiting_share(conditions, subject, "fp32", 0) == pytest.approx(0.25)


def test_pairs_a_second_of_the_real_loop(conditions, monkeypatch):
    subject = next(s for s in step_subjects(True) if s.network == RESNET)
    monkeypatch.setattr(loading, "prepared_pairs", lambda *a: Pairs(samples()))
    ticks = iter(range(100))
    monkeypatch.setattr(loading.time, "perf_counter", lambda: float(next(ticks)))
    rate = loading.pairs_per_second(conditions, subject, "fp32", 0)
    # the loop looks at the clock too; between two reports it does so not at all
    assert rate == pytest.approx(subject.batch)
    assert not (conditions.work / "experiments").exists()
