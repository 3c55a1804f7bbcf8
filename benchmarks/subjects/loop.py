"""The training loop itself, `lowtex.training.train_experiment`: pairs a second, and whether the step waits for them.

Pairs come from their files or from what `lowtex data prepare` keeps of them, read by a thread or by processes.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from unittest import mock

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.harness import Conditions, Subject, synchronise
from benchmarks.subjects.readers import PAIR, opened, prepared_pairs, root_of, size_of, told
from benchmarks.subjects.steps import IRESNET, QUICK, RESNET, experiment_of
from lowtex import training
from lowtex.experiments import DataSettings, Experiment

LOOP = "training loop"
WORKERS = min(4, os.cpu_count() or 1)
WAYS = {
    f"{source}, {who}": (source == "prepared", workers)
    for source in ("files", "prepared")
    for who, workers in (("a thread", 0), (f"{WORKERS} processes", WORKERS))
}
"""Contestant -> whether the pairs are prepared, and the processes that read them."""

WARM_UP = 2
"""Steps that are not measured: the first waits for the first batch, and on a GPU the second is counted."""


def subjects(conditions: Conditions) -> list[Subject]:
    """The quick profile's network on a CPU; Monodepth2's and the paper's on a GPU."""
    gpu, root = conditions.device == "cuda", root_of("kitti", conditions)
    if not root.is_dir():
        return []
    batch = 2 if conditions.smoke else 12 if gpu else 8
    size, data = size_of(root, conditions), f"{told(root)} KITTI"
    return [
        Subject("loader", LOOP, network, batch, *size, data) for network in ((RESNET, IRESNET) if gpu else QUICK[:1])
    ]


def experiment_for(conditions: Conditions, subject: Subject) -> Experiment:
    """The subject's training, on KITTI, of the few steps that are measured; no feature network is trained first."""
    own = experiment_of(subject.network, conditions)
    steps = WARM_UP + (2 if conditions.smoke else 50 if conditions.device == "cuda" else 6)
    return replace(
        own,
        feature_net=own.feature_net and replace(own.feature_net, steps=0),
        schedule=replace(own.schedule, steps=steps, batch_size=subject.batch),
        data=DataSettings("kitti", "available", subject.height, subject.width, source="benchmark"),
    )


def measured(conditions: Conditions, subject: Subject, name: str) -> dict[str, float]:
    """One training: pairs ``per_s``, ``idle_share`` and, on a GPU, kernel ``launches`` of one step.

    The idle share is that of the time in which the device has nothing to do because the next batch is not there. On a
    GPU the host runs ahead: there it is the device's own time between the end of one step and the next one's arrival.
    """
    prepared, workers = WAYS[name]
    dataset = (prepared_pairs if prepared else opened)(*PAIR, conditions)
    watch = Watch(training.training_loader, conditions.device)
    options = training.LoopOptions(conditions.device, checkpoint_every=10**6, workers=workers)
    with (
        mock.patch.object(training, "training_loader", watch),
        tempfile.TemporaryDirectory(dir=conditions.work) as folder,
    ):
        training.train_experiment(experiment_for(conditions, subject), dataset, folder, options=options)
    synchronise(conditions.device)
    *steps, (end, _) = watch.marks[WARM_UP:]
    seconds = watch.between(steps[0][0], end)
    found = {"per_s": subject.batch * len(steps) / seconds}
    found["idle_share"] = sum(watch.between(*step) for step in steps) / seconds
    return found | ({} if watch.launches is None else {"launches": watch.launches})


class Watch:
    """In place of a loader: marks when each batch is asked for and when it has come, in the device's order of work.

    Attributes:
        marks: (asked, come) of each batch, and of the end.
        launches: kernels that the step before the measured ones started; None on a CPU.
    """

    def __init__(self, loader: Callable[..., Iterator], device: str):
        self.loader, self.gpu = loader, device == "cuda"
        self.marks: list[tuple] = []
        self.launches: int | None = None

    def __call__(self, *arguments: object) -> Iterator:
        """The batches."""
        batches, profiler = self.loader(*arguments), None
        while True:
            if profiler is not None:
                profiler.stop()
                self.launches, profiler = launches(profiler.events()), None
            asked, batch = self.mark(), next(batches, None)
            self.marks.append((asked, self.mark()))
            if batch is None:
                return
            if self.gpu and len(self.marks) == WARM_UP:
                profiler = profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
                profiler.start()
            yield batch

    def mark(self):
        """Now; on a GPU once all that was asked for before is done, without waiting for it."""
        if not self.gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, first, second) -> float:
        """Seconds from one mark to a later one."""
        return first.elapsed_time(second) / 1e3 if self.gpu else second - first


def launches(events: Iterable) -> int:
    """Kernels that the host started, by the profiler's events."""
    return sum(event.name.startswith(("cudaLaunchKernel", "cuLaunchKernel")) for event in events)
