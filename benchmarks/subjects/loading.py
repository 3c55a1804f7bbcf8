"""Training as `lowtex train` does it, from a prepared cache: pairs a second, and whether the loader keeps up."""

import shutil
import time
from dataclasses import replace

import torch

from benchmarks.harness import Conditions, Subject, use_allocator
from benchmarks.kit import FEATURES, PIXELS
from benchmarks.subjects.pairs import NETWORKS, RESNET, feature_settings, network_settings
from benchmarks.subjects.readers import REAL_SIZE, root_of, told
from benchmarks.subjects.steps import kit_step
from lowtex.datasets import KittiRaw, PreparedPairs, prepare
from lowtex.experiments import DataSettings, Experiment
from lowtex.settings import ScheduleSettings
from lowtex.training import LoopOptions, StepSampler, augment, train_experiment, training_loader

TRAINING = "training from the prepared cache"
WARM_UP = 2
SEED = 0


def subjects(conditions: Conditions) -> list[Subject]:
    """One network on a CPU, both on a GPU, at 640x192."""
    if not root_of("kitti", conditions).is_dir():
        return []
    gpu = conditions.device == "cuda"
    size = (64, 96) if conditions.smoke else REAL_SIZE
    batch = 2 if conditions.smoke else 12 if gpu else 4
    data = f"{told(root_of('kitti', conditions))} KITTI"
    return [
        Subject("loader", TRAINING, network, batch, *size, data=data) for network in (NETWORKS if gpu else [RESNET])
    ]


def steps_of(conditions: Conditions) -> int:
    """Steps that are measured."""
    return 2 if conditions.smoke else 100 if conditions.device == "cuda" else 4


def prepared_pairs(conditions: Conditions, subject: Subject) -> PreparedPairs:
    """All KITTI pairs at hand, prepared once."""
    reader = KittiRaw(root_of("kitti", conditions), "available", (subject.height, subject.width), depth=None)
    folder = conditions.work / f"pairs_{subject.width}x{subject.height}"
    return PreparedPairs(prepare(reader, folder, progress=False, tell=lambda line: None))


def experiment_of(conditions: Conditions, subject: Subject, precision: str) -> Experiment:
    """The training that `train_experiment` is asked for: the subject's network and objective, nothing pretrained."""
    pixels = subject.network == RESNET
    return Experiment(
        name="benchmark",
        network=network_settings(subject, conditions),
        loss=PIXELS if pixels else FEATURES,
        feature_net=None if pixels else replace(feature_settings(conditions), steps=0),
        schedule=ScheduleSettings(steps=10**6, batch_size=subject.batch, precision=precision),
        data=DataSettings("kitti", "available", subject.height, subject.width, source="benchmark"),
    )


def pairs_per_second(conditions: Conditions, subject: Subject, precision: str, workers: int) -> float:
    """Of the kit's own training loop, the loader's and the augmentation's time included."""
    use_allocator("kit")
    ends: list[float] = []
    steps = WARM_UP + steps_of(conditions)

    def report(done: int, of: int, loss: float) -> None:
        # the loop has just fetched the loss, so that all work up to it is done
        ends.append(time.perf_counter())

    options = LoopOptions(conditions.device, checkpoint_every=10**6, stop_after=steps, workers=workers, report=report)
    folder = conditions.work / "experiments"
    train_experiment(
        experiment_of(conditions, subject, precision), prepared_pairs(conditions, subject), folder, options=options
    )
    # stopped, not finished: the next training must start anew
    shutil.rmtree(folder)
    return subject.batch * (len(ends) - WARM_UP) / (ends[-1] - ends[WARM_UP - 1])


def waiting_share(conditions: Conditions, subject: Subject, precision: str, workers: int) -> float:
    """Share of the time in which the device has nothing to do because the next batch is not there yet.

    On a CPU that is the time spent in the loader. On a GPU the host runs ahead: there it is the device's own time
    between the end of one step and the arrival of the next one's first work, which is nothing where the host is ahead.
    """
    use_allocator("kit")
    step = kit_step(conditions, subject, precision)
    schedule = experiment_of(conditions, subject, precision).schedule
    dataset = prepared_pairs(conditions, subject)
    total = WARM_UP + steps_of(conditions)
    loader = iter(training_loader(dataset, StepSampler(len(dataset), subject.batch, total, SEED), workers))
    clock = Clock(conditions.device)
    waited, marks = [], [clock.mark()]
    for number in range(total):
        before = marks[-1]
        batch = next(loader)
        arrived = clock.mark()
        waited.append((before, arrived))
        step(augment(batch.to(conditions.device), schedule, SEED, number), number)
        marks.append(clock.mark())
    clock.finish()
    waits = sum(clock.between(*pair) for pair in waited[WARM_UP:])
    return waits / clock.between(marks[WARM_UP], marks[-1])


class Clock:
    """Marks in the device's own order of work; seconds between two of them."""

    def __init__(self, device: str):
        self.gpu = device == "cuda"

    def mark(self):
        """Now: on a GPU once all that was asked for before is done, without waiting for it."""
        if not self.gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def finish(self) -> None:
        """Wait until all marks are made."""
        if self.gpu:
            torch.cuda.synchronize()

    def between(self, first, second) -> float:
        """Seconds from one mark to a later one."""
        return first.elapsed_time(second) / 1e3 if self.gpu else second - first
