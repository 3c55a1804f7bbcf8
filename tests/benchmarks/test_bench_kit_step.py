"""The benchmark's kit step is the training's own."""

from dataclasses import replace

import pandas as pd
import pytest
from test_training import SIZE, Pairs

from benchmarks.subjects.steps import EXPERIMENTS, QUICK, KitStep, contests, experiment_of
from lowtex.checkpoints import load_feature_net
from lowtex.datasets.sample import collate
from lowtex.experiments import DataSettings
from lowtex.networks import build_depth_net
from lowtex.seeding import seed_everything
from lowtex.settings import ScheduleSettings
from lowtex.training import pairs_of_steps, train_experiment


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
    dataset = Pairs(4)
    folder = train_experiment(experiment, dataset, tmp_path)
    logged = pd.read_csv(folder / "log.csv")["total"].tolist()
    features = features and load_feature_net(next(tmp_path.glob("feature_net-*")))
    seed_everything(experiment.seed, "weights")
    step = KitStep(build_depth_net(experiment.network), experiment, features)
    order = pairs_of_steps(len(dataset), 2, 2, experiment.seed).tolist()
    ours = [float(step(collate([dataset[i] for i in indices]), n)) for n, indices in enumerate(order)]
    assert len(logged) == 2 and logged[0] != logged[1]
    assert ours == pytest.approx(logged, rel=1e-5)


def test_long_steps_are_taken_only_when_asked_for(conditions):
    full = contests(replace(conditions, smoke=False))
    assert len(full) == 10 and [contest.subject.batch for contest in full if contest.long] == [12] * 3
    assert [contest.threads for contest in full if contest.subject.network in QUICK] == [1, 1]
    assert not any(contest.long for contest in contests(replace(conditions, smoke=False, device="cuda")))
