"""Which pairs make up step k, and how they are augmented: pure functions of the seed and the step.

Nothing random is kept between steps, so a run that resumes at step k sees exactly what the uninterrupted one saw.
"""

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from lowtex.datasets.augment import flip_pair, jitter_colour
from lowtex.datasets.sample import StereoBatch, collate
from lowtex.processes import share_of_draw
from lowtex.seeding import generator
from lowtex.settings import ScheduleSettings


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


def training_loader(dataset: Dataset, sampler: StepSampler, workers: int = 0) -> DataLoader:
    """Batches in the sampler's order; ``workers`` processes decode ahead where the pairs are not in memory."""
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def augment(batch: StereoBatch, schedule: ScheduleSettings, seed: int, step: int) -> StereoBatch:
    """Stereo flip and colour jitter for one step.

    The flip mirrors both views and swaps them, so that the pair stays a pair. The jitter changes what the network
    sees, never what the loss compares. Where several processes share the batch, each takes its part of what is drawn
    for the whole (`lowtex.processes.share_of_draw`).
    """
    random = generator(seed, "augment", step)
    flips = share_of_draw(lambda shape: torch.rand(shape, generator=random), batch.image.shape[:1]) < schedule.flip
    batch = flip_pair(batch, flips.to(batch.image.device))
    batch.network_image = batch.image
    if schedule.jitter:
        batch.network_image = jitter_colour(
            batch.image, generator=generator(seed, "jitter", step, 0), probability=schedule.jitter
        )
    return batch
