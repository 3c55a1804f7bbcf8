"""What notebooks do with experiments: train one (or find it), load it, score it, keep the rows.

A thin layer over training and evaluation that knows a notebook's run: where the trainings lie, which files are real
and which are miniatures, and that no training reads a test scene.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch.utils.data import Dataset

from lowtex.catalog import AUTO, data_name, needed_roots, open_pairs, open_test_set, source_of, training_settings
from lowtex.checkpoints import load_feature_net, load_network
from lowtex.datasets import CachedPairs, StereoReader
from lowtex.datasets.splits import AVAILABLE
from lowtex.devices import device_of
from lowtex.errors import CheckpointError, LowtexError, OptionError, require_choice
from lowtex.evaluation.evaluate import Evaluation, evaluate
from lowtex.evaluation.protocols import Protocol
from lowtex.evaluation.results import merge_rows, rows_from, write_rows
from lowtex.experiments import TRAINABLE, Experiment, change, named_experiment
from lowtex.networks import DepthNet, FeatureNet
from lowtex.paths import shown
from lowtex.progress import count, duration, headless, say, track
from lowtex.provenance import provenance
from lowtex.training import experiment_folder, is_finished, train_experiment, train_feature_net
from lowtex_lab.notebook.bars import TrainingBars, spoken_label
from lowtex_lab.notebook.run import NotebookRun

if TYPE_CHECKING:
    from lowtex_lab.studies.batch import Place, Task

METHODS = ("baseline", "encoder", "encoder_features", "ours")
"""The rows of the paper's ablation, in their order: each changes something in the one before."""

LOADERS = 8

STEP_S_PER_PIXEL = 2.3e-6
"""One core's seconds for each pixel of a step's batch, in networks as narrow as those of profile quick: 0.56 s for 8
images of 320x96, the mean of notebook 04's trainings in the committed quick run (0.4 to 1 s on a busy machine)."""

WIDEST_ON_CPU = 0.25
"""Width of network up to which `STEP_S_PER_PIXEL` holds; wider ones are for a GPU."""

_UNTRAINED = {"experiment_key": "none", "seed": 0}


class Study:
    """Experiments as one notebook sees them.

    Args:
        run: the notebook's run (`lowtex_lab.notebook.run.start`).
        train_on: data set that the named experiments are trained on, one of `lowtex.experiments.TRAINABLE`; None takes
            ``vkitti2`` in the quick and the standard profile and, in the paper profile, ``kitti`` where its root is
            named. ``Study(run, "cityscapes")`` has the same experiments, trained on Cityscapes.
        pair_options: of the reader of training pairs, by data set: ``{"cityscapes": {"typical_camera": True}}``.
    """

    def __init__(
        self, run: NotebookRun, train_on: str | None = None, pair_options: Mapping[str, Mapping] = MappingProxyType({})
    ):
        self.run = run
        real_kitti = run.profile.name == "paper" and "kitti" in run.roots.named
        self.train_on = train_on or ("kitti" if real_kitti else "vkitti2")
        for name in (self.train_on, *pair_options):
            require_choice("training data", name, TRAINABLE)
        self.pair_options = pair_options
        self._pairs: dict[tuple, tuple[Dataset, dict]] = {}
        self._said: set[str] = set()
        self._just_trained: set[Path] = set()

    @property
    def seeds(self) -> range:
        """The seeds of the profile's tables, beginning with the run's own."""
        return range(self.run.seed, self.run.seed + self.run.profile.seeds)

    def pairs(self, data: str | None = None, split: str = "train") -> Dataset:
        """Pairs to train on (`lowtex.catalog.PAIRS`) at the profile's size, in memory where they fit; without depth."""
        return self._open_pairs(data or self.train_on, split)[0]

    def experiment(self, name: str, seed: int | None = None, **changes: object) -> Experiment:
        """The experiment of that name at this run's profile, trained on this run's files.

        Args:
            name: of `lowtex.experiments.VARIANTS`: a named experiment, or a row of the ablation.
            seed: None = the run's.
            changes: as in `lowtex.experiments.change`.
        """
        settings = {**self._open_pairs(self.train_on, "train")[1], **changes}
        return named_experiment(name, self.run.profile, self.run.seed if seed is None else seed, **settings)

    def train(self, name: str, seed: int | None = None, **changes: object) -> Path:
        """The folder of a trained experiment; trains only what is not finished."""
        experiment = self.experiment(name, seed, **changes)
        folder = self._folder(experiment)
        label = f"{name}, seed {experiment.seed}"
        if is_finished(folder):
            if folder not in self._just_trained:
                self._say_once(f"{label}: found, trained before ({experiment.key})")
            return folder
        self.announce([name], [experiment.seed], **changes)
        options = self.run.loop_options(f"training {label}")
        dataset = self.pairs()
        options.workers = 0 if isinstance(dataset, CachedPairs) else LOADERS
        with self.run.training():
            return train_experiment(experiment, dataset, self.run.experiments_dir, options=options)

    def announce(self, names: Sequence[str], seeds: Sequence[int] | None = None, **changes: object) -> None:
        """Say what has to be trained for these experiments, how long that takes, and how to avoid it; once, and
        nothing where all is there.

        Args:
            names: as for `experiment`.
            seeds: None = the run's own.
            changes: as for `experiment`.
        """
        _, plan = self._plan(names, [self.run.seed] if seeds is None else seeds, **changes)
        if not plan:
            return
        steps = [task.experiment.schedule.steps if task.entries else task.experiment.feature_net.steps for task in plan]
        # notebook 04 trains on the usual pairs alone
        usual = self.train_on == "vkitti2" and not self.run.name.startswith("04")
        avoid = "run notebook 04 first, or " if usual else ""
        told = (
            f"To be trained first: {'; '.join(spoken_label(task.label) for task in plan)}. "
            f"{self._cost(plan, sum(steps))} What is trained is kept in {shown(self.run.experiments_dir)} and found "
            f"the next time. To avoid it, {avoid}give a run_dir where it is trained."
        )
        self._say_once(fill(told, 96, break_long_words=False))

    def _cost(self, plan: Sequence["Task"], steps: int) -> str:
        """A sentence on how long a plan takes on this machine."""
        experiment = plan[0].experiment
        if self.run.torch_device.type != "cpu" or experiment.network.width > WIDEST_ON_CPU:
            return f"{steps:,} steps, meant for a GPU: the bars say how long they take."
        pixels = experiment.schedule.batch_size * experiment.data.height * experiment.data.width
        jobs = min(torch.get_num_threads(), len(plan))
        seconds = STEP_S_PER_PIXEL * pixels * steps / jobs
        return f"{steps:,} steps, about {duration(max(seconds, 5))} on {count(jobs, 'idle core')}."

    def _plan(self, names: Sequence[str], seeds: Sequence[int], **changes: object) -> tuple["Place", list["Task"]]:
        """What is still to be trained, and where."""
        from lowtex_lab.studies.batch import Place, tasks_of
        from lowtex_lab.studies.rows import Entry

        place = Place(
            run_dir=self.run.experiments_dir.parent,
            root=self.run.root(self.train_on).absolute(),
            profile=self.run.profile.name,
            device="cpu",
            threads=1,
            pair_options=self.pair_options.get(self.train_on, {}),
        )
        entries = [Entry(name, self.experiment(name, seed, **changes), ()) for name in names for seed in seeds]
        return place, tasks_of(place, entries)

    def train_side_by_side(self, names: Sequence[str], seeds: Sequence[int]) -> dict[tuple[str, int], Path]:
        """The folders of trained experiments by name and seed; trains only what is not finished.

        One small network does not keep several cores busy, and its numbers depend on the number of threads. So on a
        processor as many train at a time as this process has threads, each in a process of its own with one thread:
        the numbers are the same on two cores and on sixteen, and those of `lowtex ablate`. On a GPU, which one
        training fills, they are trained one after the other.

        Raises:
            LowtexError: one of them failed; the others are finished and kept.
        """
        from lowtex_lab.studies.batch import run_plan

        self.announce(names, seeds)
        # a method costs more than the one before it: begun last, the longest would run alone at the end
        place, plan = self._plan(names[::-1], seeds)
        if plan and self.run.torch_device.type == "cpu":
            jobs = min(torch.get_num_threads(), len(plan))
            say(f"{len(plan)} trainings, {jobs} at a time, 1 thread each")
            look = {} if headless() else {"tell": lambda line: None, "watch": TrainingBars()}
            with self.run.training():
                failed = run_plan(place, plan, jobs, **look)
            if failed:
                label, reason = next(iter(failed.items()))
                raise LowtexError(f"{len(failed)} of {len(plan)} trainings failed; {label}: {reason}")
            self._just_trained.update(self._folder(task.experiment) for task in plan)
        folders = {(name, seed): self._folder(self.experiment(name, seed)) for name in names for seed in seeds}
        for key, folder in folders.items():
            if not is_finished(folder):
                self.train(*key)
        return folders

    def _folder(self, experiment: Experiment) -> Path:
        return experiment_folder(self.run.experiments_dir, experiment)

    def network(self, name: str, seed: int | None = None, **changes: object) -> DepthNet:
        """The trained network, in evaluation mode on the run's device."""
        return load_network(self.train(name, seed, **changes))[0].to(self.run.torch_device)

    def feature_net(self, name: str = "ours", seed: int | None = None, **changes: object) -> FeatureNet:
        """The frozen feature network that an experiment compares maps of; trained first if need be."""
        options = self.run.loop_options("training the feature network")
        experiment = self.experiment(name, seed, **changes)
        dataset = self.pairs()
        with self.run.training():
            folder = train_feature_net(experiment, dataset, self.run.experiments_dir, options=options)
        return load_feature_net(folder).to(self.run.torch_device)

    def fine_tune(
        self,
        name: str | Experiment,
        data: str,
        split: str,
        steps: int | None = None,
    ) -> tuple[DepthNet, Experiment]:
        """Go on training a network on other stereo pairs, without any ground truth.

        Args:
            name: the named experiment to start from; or an experiment of this run: one with changes, or one that this
                returned, for a chain of them.
            data, split: the pairs, e.g. ``kitti`` and a text file that lists frames.
            steps: optimiser steps; None = the profile's.

        Returns:
            The network on the run's device, and its experiment (named ``<name>_finetuned``).

        Raises:
            CheckpointError: an experiment is given that was not trained in this run.
        """
        if isinstance(name, Experiment):
            before, first = name, self._trained(name)
        else:
            before, first = self.experiment(name), self.train(name)
        dataset, settings = self._open_pairs(data, split)
        experiment = change(
            before,
            name=f"{before.name}_finetuned",
            start_from=before.key,
            schedule__steps=steps or self.run.profile.finetune_steps,
            **settings,
        )
        options = self.run.loop_options(f"fine-tuning {before.name} on {count(len(dataset), 'pair')}")
        place = self.run.run_dir / "experiments"
        with self.run.training():
            folder = train_experiment(experiment, dataset, place, start=first, options=options)
        return load_network(folder)[0].to(self.run.torch_device), experiment

    def test_set(self, protocol: str | Protocol, split: str | None = None, **options: object) -> StereoReader:
        """The images and ground truth that a protocol scores, at the size the networks see.

        Args:
            protocol: name or value; its kind of ground truth decides which root is read.
            split: a split's name, or a text file that lists frames; None is the usual one (``test``; ``val`` of
                Cityscapes); ``auto`` is that where the root holds all its frames, and otherwise ``available``, which
                a line then says.
            options: of the reader, e.g. ``variation="fog"`` for Virtual KITTI 2.
        """
        for root in needed_roots(protocol):
            # writes the miniature where no folder is named
            self.run.root(root)
        dataset = open_test_set(protocol, self.run.roots, split, self.run.profile.size, **options)
        if split == AUTO and dataset.split == AVAILABLE:
            usual = source_of(protocol).split
            self._say_once(f"the root lacks frames of the {usual} split; used instead: {count(len(dataset), 'image')}")
        return dataset

    def score(
        self,
        network: DepthNet,
        experiment: Experiment | str,
        dataset: StereoReader,
        protocol: str | Protocol,
        *,
        train_data: str = "not stated",
        **options: object,
    ) -> tuple[pd.DataFrame, Evaluation]:
        """Tidy rows of one network on one data set, and the scores of each image.

        Args:
            experiment: what the rows are filed under; a name where no training stands behind the predictions.
            train_data: what stands behind the predictions where ``experiment`` is a name.
            options: of `lowtex.evaluation.evaluate.evaluate`: ``flip``, ``scaling``, ``strata``.
        """
        with warnings.catch_warnings():
            # what could not be scored is said in one line below instead
            warnings.simplefilter("ignore", UserWarning)
            result = evaluate(network, dataset, protocol, **options)
        if result.unscored:
            self._say_once(result.describe())
        root = source_of(protocol).root
        size = experiment.data.size if isinstance(experiment, Experiment) else None
        rows = rows_from(
            result,
            experiment,
            eval_data=data_name(dataset, root, size),
            split=dataset.split,
            miniature=self.run.is_miniature(root),
            profile=self.run.profile.name,
            origin=provenance(device_of(network)),
            **({} if isinstance(experiment, Experiment) else {**_UNTRAINED, "train_data": train_data}),
        )
        return rows, result

    def compare(
        self,
        dataset: StereoReader,
        protocol: str | Protocol,
        methods: Sequence[str] = METHODS,
        seeds: Sequence[int] | None = None,
        **options: object,
    ) -> pd.DataFrame:
        """Rows of several named experiments and seeds on one data set; see `score` for the options."""
        if not methods:
            raise OptionError("compare needs at least one method")
        chosen = [(name, seed) for name in methods for seed in (seeds if seeds is not None else self.seeds)]
        frames = []
        for name, seed in track(chosen, f"scoring {count(len(dataset), 'image')}", unit="network"):
            network, experiment = self.network(name, seed), self.experiment(name, seed)
            frames.append(self.score(network, experiment, dataset, protocol, **options)[0])
        return merge_rows(*frames)

    def keep(self, rows: pd.DataFrame, name: str) -> Path:
        """Write rows to the run's ``rows/<name>.csv``, where the tables and the claims read them."""
        return write_rows(self.run.rows_dir / f"{name}.csv", rows)

    def _say_once(self, line: str) -> None:
        """Say what holds for every network and every pass alike a first time only."""
        if line not in self._said:
            self._said.add(line)
            say(line)

    def _trained(self, experiment: Experiment) -> Path:
        """The folder of an experiment that was trained in this run, or where its checkpoints come from."""
        for place in (self.run.run_dir / "experiments", self.run.experiments_dir):
            folder = experiment_folder(place, experiment)
            if is_finished(folder):
                return folder
        raise CheckpointError(f"{experiment.name} ({experiment.key}) has not been trained in this run; train it first")

    def _open_pairs(self, data: str, split: str) -> tuple[Dataset, dict]:
        """The pairs, and the settings of an experiment that learns from them."""
        if (data, split) not in self._pairs:
            folder, options = self.run.root(data), self.pair_options.get(data, {})
            dataset = open_pairs(data, folder, split, self.run.profile.size, **options)
            settings, name = training_settings(dataset, data, folder, options), dataset.split
            try:
                dataset = CachedPairs(dataset)
            except OptionError:
                say(f"{len(dataset)} pairs do not fit into memory; they are read from disk")
            dataset.split = name
            self._pairs[data, split] = dataset, settings
        return self._pairs[data, split]
