"""Which pairs make up step k, and how they are augmented: pure functions of the seed and the step.

Nothing random is kept between steps, so a run that resumes at step k sees exactly what the uninterrupted one saw.
"""

import os
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from lowtex.datasets.augment import flip_pair, jitter_colour
from lowtex.datasets.cache import free_memory
from lowtex.datasets.sample import StereoBatch, StereoSample, collate
from lowtex.disk_space import shown_size
from lowtex.distributed import is_main, local_count, share_of_draw
from lowtex.errors import LowtexError
from lowtex.progress import say
from lowtex.seeding import generator
from lowtex.settings import ScheduleSettings

SHARED_MEMORY = Path("/dev/shm")
"""Where Linux keeps what processes share; 64 MB in a Docker container that was not given more."""

WORKER_TIMEOUT_S = 600
"""Longer than any batch takes to read."""

_IMAGES = ("image", "other")


class StepSampler(Sampler[list[int]]):
    """Indices of the pairs of each step, from ``first_step`` on.

    The data set is walked in a new seeded order each epoch; a batch may straddle two epochs, so that every step has
    the same size and no pair is left out.
    """

    def __init__(self, length: int, batch_size: int, steps: int, seed: int, first_step: int = 0, rank: int = 0,
                 processes: int = 1):  # fmt: skip
        if batch_size % processes:
            raise ValueError(f"batch_size={batch_size} must be a multiple of the number of processes ({processes})")
        self.length, self.batch_size, self.steps, self.seed = length, batch_size, steps, seed
        self.first_step, self.rank, self.processes = first_step, rank, processes

    def __len__(self) -> int:
        return self.steps - self.first_step

    def __iter__(self) -> Iterator[list[int]]:
        share = self.batch_size // self.processes
        for step in range(self.first_step, self.steps):
            whole = self.indices(step)
            yield whole[self.rank * share : (self.rank + 1) * share]

    def indices(self, step: int) -> list[int]:
        """Indices of the whole batch of one step, over all processes."""
        places = range(step * self.batch_size, (step + 1) * self.batch_size)
        return [self._order(place // self.length)[place % self.length] for place in places]

    def _order(self, epoch: int) -> list[int]:
        if getattr(self, "_epoch", None) != epoch:
            self._epoch = epoch
            self._permutation = torch.randperm(self.length, generator=generator(self.seed, "order", epoch)).tolist()
        return self._permutation


def training_loader(dataset: Dataset, sampler: StepSampler, workers: int = 0) -> Iterator[StereoBatch]:
    """Batches in the sampler's order, without their single samples.

    ``workers`` processes decode ahead where the pairs are not in memory. They hand batches over in shared memory, or,
    where that is too small, through pipes: torch would wait for ever for a batch that found no room.

    Raises:
        LowtexError: a file is damaged; or a worker died or gave nothing for `WORKER_TIMEOUT_S`.
    """
    if not workers:
        yield from DataLoader(dataset, batch_sampler=sampler, collate_fn=_collate)
        return
    workers = min(workers, os.cpu_count() or 1)
    piped = not _fits_shared_memory(dataset, sampler, workers)
    batches = DataLoader(
        _Worker(dataset),
        batch_sampler=sampler,
        collate_fn=_collate_for_pipe if piped else _collate,
        num_workers=workers,
        persistent_workers=True,
        pin_memory=torch.cuda.is_available(),
        timeout=WORKER_TIMEOUT_S,
    )
    try:
        for batch in batches:
            if isinstance(batch, LowtexError):
                raise batch
            yield _from_pipe(batch) if piped else batch
    except RuntimeError as error:
        if not str(error).startswith("DataLoader"):
            raise
        raise LowtexError(
            f"the processes that read images stopped ({str(error).splitlines()[0].rstrip('.')}); usually memory ran "
            f"out: {shown_size(free_memory())} are free. Close other programs or give the container more memory, then "
            "run the same command again"
        ) from error


class _Worker(Dataset):
    """A data set in a worker: an error of the kit is handed over as it is, where torch would add a traceback to it."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> StereoSample | LowtexError:
        try:
            return self.dataset[index]
        except LowtexError as error:
            return error


def _collate(samples: list[StereoSample | LowtexError]) -> StereoBatch | LowtexError:
    """A batch; its single samples would only take the way to this process a second time."""
    failed = [sample for sample in samples if isinstance(sample, LowtexError)]
    return failed[0] if failed else replace(collate(samples), samples=[])


def _collate_for_pipe(samples: list[StereoSample | LowtexError]) -> bytes | LowtexError:
    batch = _collate(samples)
    if isinstance(batch, LowtexError):
        return batch
    # as arrays, which are unpacked ten times as fast as tensors
    big = {name: getattr(batch, name).numpy() for name in _IMAGES if getattr(batch, name) is not None}
    return pickle.dumps(replace(batch, **big), protocol=pickle.HIGHEST_PROTOCOL)


def _from_pipe(packed: bytes) -> StereoBatch:
    batch = pickle.loads(packed)
    big = {name: torch.from_numpy(getattr(batch, name)) for name in _IMAGES if getattr(batch, name) is not None}
    return replace(batch, **big)


def _fits_shared_memory(dataset: Dataset, sampler: StepSampler, workers: int) -> bool:
    """Whether two batches a worker, and the one in use, fit into half of what is free; a line says so if they don't."""
    try:
        free = shutil.disk_usage(SHARED_MEMORY).free // local_count()
    except OSError:
        # not Linux: shared memory is no folder there, and has no limit of its own
        return True
    batch = 2 * dataset[0].image.nbytes * sampler.batch_size // sampler.processes
    wanted = 2 * (2 * workers + 1) * batch
    if wanted > free and is_main():
        say(
            f"{SHARED_MEMORY} has {shown_size(free)} left, {workers} reading processes want {shown_size(wanted)}: "
            "images come through pipes, which is slower (Docker: --shm-size=4g)"
        )
    return wanted <= free


def augment(batch: StereoBatch, schedule: ScheduleSettings, seed: int, step: int) -> StereoBatch:
    """Stereo flip and colour jitter for one step.

    The flip mirrors both views and swaps them, so that the pair stays a pair. The jitter changes what the network
    sees, never what the loss compares. Where several processes share the batch, each takes its part of what is drawn
    for the whole (`lowtex.distributed.share_of_draw`).
    """
    random = generator(seed, "augment", step)
    flips = share_of_draw(lambda shape: torch.rand(shape, generator=random), batch.image.shape[:1]) < schedule.flip
    batch = flip_pair(batch, flips)
    batch.network_image = batch.image
    if schedule.jitter:
        batch.network_image = jitter_colour(
            batch.image, generator=generator(seed, "jitter", step, 0), probability=schedule.jitter
        )
    return batch
