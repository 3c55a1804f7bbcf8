"""Pairs kept in memory as uint8, so that an epoch reads no file."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.data import Dataset

from lowtex.datasets.images import unit_range
from lowtex.datasets.prepared import PreparedPairs
from lowtex.datasets.sample import StereoSample
from lowtex.errors import OptionError


class CachedPairs(Dataset):
    """The pairs of a reader, each decoded once.

    Samples equal the reader's bit for bit, because readers round to 8 bits after resizing; ground truth is not kept
    (training by stereo needs none). A pair of 320x96 takes 184 kB, of 640x192 737 kB.

    Args:
        dataset: a reader with ``size=(H, W)`` and both views. Open it without ground truth, which is not kept.
        progress: wraps the loop over samples, e.g. ``tqdm``.
        workers: threads that decode; None is one for each core, at most 8.
        limit_bytes: the most memory the images may take; None is half of what the machine has free.

    Raises:
        OptionError: the images would not fit into the limit; says what they need.
        DataError: a file of the reader is damaged.
        ValueError: a sample without a second view, or of another size than the first.
    """

    def __init__(
        self,
        dataset: Dataset,
        progress: Callable[[Iterable], Iterable] | None = None,
        workers: int | None = None,
        limit_bytes: int | None = None,
    ):
        if len(dataset) == 0:
            raise ValueError("CachedPairs needs at least one sample")
        self.names: list[str] = list(getattr(dataset, "names", ()))
        self.image_bits: int | None = getattr(dataset, "image_bits", None)
        first = dataset[0]
        self._check(first, first)
        needed = 2 * first.image.numel() * len(dataset)
        limit = free_memory() // 2 if limit_bytes is None else limit_bytes
        if needed > limit:
            raise OptionError(
                f"keeping {len(dataset)} pairs of {first.image.shape[2]}x{first.image.shape[1]} in memory takes "
                f"{needed / 1e9:.1f} GB, more than the limit of {limit / 1e9:.1f} GB; choose a smaller size or a "
                "shorter split, or let the training read the pairs from disk"
            )
        shape = (len(dataset), *first.image.shape)
        self._image = torch.empty(shape, dtype=torch.uint8)
        self._other = torch.empty(shape, dtype=torch.uint8)
        self._bare: list[StereoSample | None] = [None] * len(dataset)

        # prepared samples are bytes already
        prepared = dataset if isinstance(dataset, PreparedPairs) else getattr(dataset, "prepared", None)

        def load(index: int) -> None:
            if prepared is not None:
                self._image[index], self._other[index], self._bare[index] = prepared.packed(index)
                return
            sample = dataset[index]
            self._check(sample, first)
            self._image[index] = (sample.image * 255.0).round()
            self._other[index] = (sample.other * 255.0).round()
            self._bare[index] = replace(sample, image=None, other=None, depth=None, texture_contrast=None, visible=None)

        threads = min(8, os.cpu_count() or 1) if workers is None else max(1, workers)
        with ThreadPoolExecutor(threads) as pool:
            try:
                for _ in (progress or iter)(pool.map(load, range(len(dataset)))):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def __len__(self) -> int:
        return len(self._bare)

    def __getitem__(self, index: int) -> StereoSample:
        return replace(self._bare[index], image=unit_range(self._image[index]), other=unit_range(self._other[index]))

    @property
    def nbytes(self) -> int:
        """Memory the images take."""
        return self._image.numel() + self._other.numel()

    @staticmethod
    def _check(sample: StereoSample, first: StereoSample) -> None:
        if sample.other is None:
            raise ValueError(f"{sample.name} has one view only; open the data set with views=True")
        if sample.image.shape != first.image.shape:
            raise ValueError(
                f"{sample.name} is {tuple(sample.image.shape)}, {first.name} is {tuple(first.image.shape)}; "
                "give the reader a size=(H, W)"
            )


def free_memory() -> int:
    """Bytes a program may still take; Linux says so itself, elsewhere half of all there is is assumed free."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
