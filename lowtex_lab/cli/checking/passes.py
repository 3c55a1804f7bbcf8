"""The two passes of `lowtex data check`: a look at each file, then decoding; both in threads, never stopping early."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lowtex.datasets.kitti_improved import DepthMaps
from lowtex.datasets.reader import StereoReader
from lowtex.errors import DataError
from lowtex.progress import Progress
from lowtex_lab.cli.checking.files import Look, Problem, explained, first_named, look_at
from lowtex_lab.cli.checking.rules import Rules

FILES_A_TASK = 32
MOST_THREADS = 16
"""Threads that look at files: waiting for a disk or a network takes no processor, so more than cores are of use."""


class Looks:
    """What was seen of one root's files, of whichever split: nothing is looked at or decoded twice.

    Attributes:
        problems: what is wrong, by file; the first thing found of each.
    """

    def __init__(self):
        self.problems: dict[Path, Problem] = {}
        self._seen: dict[Path, Look] = {}
        self._decoded: set[tuple[Path, ...]] = set()

    def at_ends(self, rules: Rules, reader: StereoReader, needed: list[list[Path]]) -> None:
        """Look at both ends of every file, and compare sizes.

        Args:
            rules: of the data set.
            reader: of the split, opened within `tolerating_missing`.
            needed: the files of each of its samples.
        """
        files = [path for path in dict.fromkeys(path for paths in needed for path in paths) if path not in self._seen]
        tasks = [files[start : start + FILES_A_TASK] for start in range(0, len(files), FILES_A_TASK)]

        def look(paths: Sequence[Path]) -> list[Look]:
            return [look_at(path, rules.role(path)) for path in paths]

        if files:
            with Progress(f"looking at {reader.split} of {reader.root.name}", len(files), "file") as progress:
                for paths, found in zip(tasks, in_threads(look, tasks, MOST_THREADS), strict=True):
                    self._seen.update(zip(paths, found, strict=True))
                    self._note(look.problem for look in found if look.problem)
                    progress.update(len(paths))
        for index, paths in enumerate(needed):
            sizes = {path: self._seen[path].size for path in paths if self._seen[path].size}
            self._note(rules.misfits(reader, index, sizes))

    def by_decoding(self, rules: Rules, reader: StereoReader, needed: list[list[Path]], thorough: bool) -> None:
        """Decode every sample; or just the first whole one, which stands for the mistakes that all have."""
        whole = {i for i, paths in enumerate(needed) if paths and all(path not in self.problems for path in paths)}
        # maps without their images are no samples
        readable = set() if isinstance(reader, DepthMaps) else whole
        chosen = range(len(needed)) if thorough else sorted(readable)[:1]
        chosen = [index for index in chosen if tuple(needed[index]) not in self._decoded]

        def decode(index: int) -> list[Problem]:
            return self._decode(rules, reader, index, needed[index], index in readable)

        if not thorough:
            for index in chosen:
                self._note(decode(index))
        elif chosen:
            with Progress(f"decoding {reader.split} of {reader.root.name}", len(chosen), "frame") as progress:
                for found in in_threads(decode, chosen, min(8, os.cpu_count() or 1)):
                    self._note(found)
                    progress.update()
        self._decoded |= {tuple(needed[index]) for index in chosen}

    def _decode(
        self, rules: Rules, reader: StereoReader, index: int, paths: list[Path], readable: bool
    ) -> list[Problem]:
        """Decode a sample through its reader; where that can't be or fails, its files one by one."""
        message = ""
        if readable:
            try:
                reader[index]
                return []
            except DataError as error:
                message = str(error)
        looks = (look_at(path, rules.role(path), thorough=True) for path in paths if path not in self.problems)
        found = [look.problem for look in looks if look.problem]
        if message and not found:
            path = first_named(message, paths) or paths[0]
            found = [Problem(path, *explained(message, path))]
        return found

    def _note(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.problems.setdefault(problem.path, problem)


def in_threads(work: Callable, items: Iterable, threads: int) -> Iterator:
    """``map`` in threads, in order; what has not begun is given up when the caller stops."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(work, items)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
