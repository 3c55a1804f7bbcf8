"""The benchmark's kit step is the training's own."""

import csv
from dataclasses import replace

import pytest

from benchmarks.subjects.steps import (
    EXPERIMENTS,
    QUICK,
    TOLERANCES,
    KitStep,
    contests,
    experiment_of,
    make_step,
    pairs,
    step_subjects,
)
from lowtex.checkpoints import load_feature_net
from lowtex.datasets.sample import StereoSample, collate
from lowtex.experiments import DataSettings
from lowtex.geometry import StereoRig
from lowtex.networks import build_depth_net
from lowtex.seeding import seed_everything
from lowtex.settings import ScheduleSettings
from lowtex.training import pairs_of_steps, train_experiment

SIZE = (64, 96)


def samples(count=4):
    batch, (height, width) = pairs(count, *SIZE), SIZE
    rig = StereoRig(0.58 * width, 0.5327, (width - 1) / 2, (height - 1) / 2, 1.92 * height, width, height)
    parts = zip(batch.image, batch.other, batch.direction.tolist(), strict=True)
    # training takes bytes
    return [
        StereoSample((i * 255).round() / 255, rig, f"pair {n}", (o * 255).round() / 255, d)
        for n, (i, o, d) in enumerate(parts)
    ]


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_is_what_train_experiment_does(conditions, tmp_path, name, precision):
    experiment = experiment_of(name, conditions)
    features = experiment.feature_net and replace(experiment.feature_net, steps=0)
    plain = {"flip": 0.0, "jitter": 0.0, "learning_rate": 1e-3}
    experiment = replace(
        experiment,
        feature_net=features,
        schedule=ScheduleSettings(steps=2, batch_size=2, precision=precision, **plain),
        data=DataSettings("kitti", "available", *SIZE, source="benchmark"),
    )
    dataset = samples()
    folder = train_experiment(experiment, dataset, tmp_path)
    with (folder / "log.csv").open() as file:
        logged = [float(row["total"]) for row in csv.DictReader(file)]

    features = features and load_feature_net(next(tmp_path.glob("feature_net-*")))
    seed_everything(experiment.seed, "weights")
    step = KitStep(build_depth_net(experiment.network), experiment, features)
    order = pairs_of_steps(len(dataset), 2, 2, experiment.seed).tolist()
    ours = [float(step(collate([dataset[i] for i in indices]), n)) for n, indices in enumerate(order)]
    assert len(logged) == 2 and logged[0] != logged[1]
    assert ours == pytest.approx(logged, rel=1e-5)


def test_bf16_is_another_network_and_the_same_objective(conditions):
    losses = {}
    for name in ("yardstick", "kit", "kit_bf16"):
        step, batch = make_step(conditions, step_subjects(True)[0], name)
        losses[name] = float(step(batch))
    assert (
        losses["kit"] == pytest.approx(losses["yardstick"], rel=TOLERANCES["kit"])
        and losses["kit_bf16"] != losses["kit"]
    )
    assert losses["kit_bf16"] == pytest.approx(losses["kit"], rel=TOLERANCES["kit_bf16"])


def test_long_steps_are_taken_only_when_asked_for(conditions):
    full = contests(replace(conditions, smoke=False))
    assert len(full) == 10 and [contest.subject.batch for contest in full if contest.long] == [12] * 3
    assert [contest.threads for contest in full if contest.subject.network in QUICK] == [1, 1]
    assert not any(contest.long for contest in contests(replace(conditions, smoke=False, device="cuda")))
