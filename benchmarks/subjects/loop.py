"""The training loop itself, `lowtex.training.train_experiment`: pairs a second, and whether the step waits for them.

Pairs come from their files or from what `lowtex data prepare` keeps of them, read by a thread or by processes.
"""

import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from unittest import mock

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.harness import Conditions, Subject
from benchmarks.subjects.readers import PAIR, opened, prepared_pairs, root_of, size_of, told
from benchmarks.subjects.steps import IRESNET, QUICK, RESNET, experiment_of
from lowtex import training
from lowtex.experiments import DataSettings

WAYS = [f"{source}, {n} workers" for source in ("files", "prepared") for n in (0, min(4, os.cpu_count() or 1))]
"""Contestants: where the pairs come from, and how many processes read them (0: a thread)."""

WARM_UP = 2
"""Steps that are not measured: the first waits for its batch, and of the second a GPU's launches are counted."""


def subjects(conditions: Conditions) -> list[Subject]:
    """The network of the profile quick on a CPU; Monodepth2's and the paper's on a GPU."""
    gpu, root = conditions.device == "cuda", root_of("kitti", conditions)
    shape = (2 if conditions.smoke else 12 if gpu else 8, *size_of(root, conditions), f"{told(root)} KITTI")
    networks = (RESNET, IRESNET) if gpu else QUICK[:1]
    return [Subject("loader", "training loop", network, *shape) for network in networks if root.is_dir()]


def measured(conditions: Conditions, subject: Subject, name: str) -> dict[str, float]:
    """One training of a few steps: pairs ``per_s``, ``idle_share`` and, on a GPU, kernel ``launches`` of one step.

    The idle share is that of the time in which the device has nothing to do because the next batch is not there. On a
    GPU the host runs ahead: there it is the device's own time between the end of one step and the next one's arrival.
    """
    gpu, found, marks = conditions.device == "cuda", {}, []
    source, workers = name.removesuffix(" workers").split(", ")
    dataset = (prepared_pairs if source == "prepared" else opened)(*PAIR, conditions)
    own, steps = experiment_of(subject.network, conditions), 2 if conditions.smoke else 50 if gpu else 6
    experiment = replace(
        own,
        feature_net=own.feature_net and replace(own.feature_net, steps=0),
        schedule=replace(own.schedule, steps=WARM_UP + steps, batch_size=subject.batch),
        data=DataSettings("kitti", "available", subject.height, subject.width, source="benchmark"),
    )
    loader = training.training_loader

    def watched(*arguments):
        batches = loader(*arguments)
        while True:
            asked, batch = now(gpu), next(batches, None)
            marks.append((asked, now(gpu)))
            if batch is None:
                return
            counted = gpu and len(marks) == WARM_UP
            with (
                profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
                if counted
                else nullcontext() as profiler
            ):
                yield batch
            if counted:
                found["launches"] = launches(profiler.events())

    options = training.LoopOptions(conditions.device, checkpoint_every=10**6, workers=int(workers))
    with mock.patch.object(training, "training_loader", watched), tempfile.TemporaryDirectory() as folder:
        training.train_experiment(experiment, dataset, folder, options=options)
    if gpu:
        torch.cuda.synchronize()
    *waits, (end, _) = marks[WARM_UP:]
    seconds = between(waits[0][0], end)
    return found | {"per_s": subject.batch * steps / seconds, "idle_share": sum(between(*w) for w in waits) / seconds}


def now(gpu: bool):
    """A mark; on a GPU once all that was asked for before is done, without waiting for it."""
    if not gpu:
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def between(first, second) -> float:
    """Seconds from one mark to a later one."""
    return second - first if isinstance(first, float) else first.elapsed_time(second) / 1e3


def launches(events: Iterable) -> int:
    """Kernels that the host started, by the profiler's events."""
    return sum(event.name.startswith(("cudaLaunchKernel", "cuLaunchKernel")) for event in events)
