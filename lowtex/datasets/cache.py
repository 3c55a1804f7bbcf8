"""Pairs kept in memory as uint8, so that an epoch reads no file."""

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from torch.utils.data import Dataset

from lowtex.datasets.images import unit_range
from lowtex.datasets.sample import StereoSample, as_bytes
from lowtex.errors import OptionError


class CachedPairs(Dataset):
    """The pairs of a reader, each decoded once.

    Samples equal the reader's bit for bit, because readers round to 8 bits after resizing; ground truth is not kept
    (training by stereo needs none). A pair of 320x96 takes 184 kB, of 640x192 737 kB.

    Args:
        dataset: a reader with ``size=(H, W)`` and both views. Open it without ground truth, which is not kept.
        progress: wraps the loop over samples, e.g. ``tqdm``.
        workers: threads that decode; None is one for each core, at most 8.
        limit_bytes: the most memory the images may take; None is half of what is free.

    Raises:
        OptionError: the images would not fit into the limit; says what they need.
        DataError: a file of the reader is damaged, or there is no second view.
    """

    def __init__(
        self,
        dataset: Dataset,
        progress: Callable[[Iterable], Iterable] | None = None,
        workers: int | None = None,
        limit_bytes: int | None = None,
    ):
        self.names: list[str] = list(getattr(dataset, "names", ()))
        self.image_bits: int | None = getattr(dataset, "image_bits", None)
        # prepared samples are bytes already
        source = getattr(dataset, "prepared", None) or dataset
        read = getattr(source, "as_bytes", source.__getitem__)
        channels, height, width = read(0).image.shape
        needed = 2 * channels * height * width * len(dataset)
        limit = free_memory() // 2 if limit_bytes is None else limit_bytes
        if needed > limit:
            raise OptionError(
                f"keeping {len(dataset)} pairs of {width}x{height} in memory takes "
                f"{needed / 1e9:.1f} GB, more than the limit of {limit / 1e9:.1f} GB; choose a smaller size or a "
                "shorter split, or let the training read the pairs from disk"
            )

        def load(index: int) -> StereoSample:
            return replace(as_bytes(read(index)), depth=None, texture_contrast=None, visible=None)

        threads = min(8, os.cpu_count() or 1) if workers is None else max(1, workers)
        with ThreadPoolExecutor(threads) as pool:
            self._samples = list((progress or iter)(pool.map(load, range(len(dataset)))))

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> StereoSample:
        sample = self._samples[index]
        return replace(sample, image=unit_range(sample.image), other=unit_range(sample.other))

    def as_bytes(self, index: int) -> StereoSample:
        """The sample with its views as they are kept, uint8."""
        return self._samples[index]


_GROUPS = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current"),
    "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
}
"""Control groups of version 2 and 1: their folder, and in it the files of the limit and of the use."""


def free_memory(root: Path = Path("/")) -> int:
    """Bytes a program may still take: what the machine has left, or what its container or job may still have.

    Elsewhere than on Linux half of all there is is assumed free. ``root`` is where ``proc`` and ``sys`` are.
    """
    available = (line for line in _lines(root / "proc/meminfo") if line.startswith("MemAvailable:"))
    left = [int(line.split()[1]) * 1024 for line in available]
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        for top, limit, used in (_GROUPS[name] for name in controllers.split(",") if name in _GROUPS):
            inner = root / top / path.strip("/")
            # outer groups limit too; inside a container the path may be the host's, of which only the top is there
            folders = (folder for folder in (inner, *inner.parents) if folder.is_relative_to(root / top))
            left += [_left_in_group(folder, limit, used) for folder in folders]
    return max(0, min(left, default=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2))


def _left_in_group(folder: Path, limit: str, used: str) -> int:
    [most], [taken] = _lines(folder / limit) or ["max"], _lines(folder / used) or ["0"]
    if most == "max":
        return sys.maxsize
    # files that were read count as used, though they give way
    stat = dict(line.split() for line in _lines(folder / "memory.stat"))
    gives_way = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
    return int(most) - int(taken) + gives_way


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
