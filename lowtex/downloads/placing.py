"""Moving what was unpacked to where the readers look, a whole folder at a time wherever there is none yet.

A file that is there already stays if it's the same; if not, it's set aside, never overwritten: it may be somebody's
own, or it may be a damaged one that this mends.
"""

import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from lowtex.disk_space import disk_problem
from lowtex.errors import DataError

CHUNK = 1 << 20


@dataclass
class Placer:
    """Moves unpacked files into a root.

    Attributes:
        root: of the data set; nothing is ever moved out of it, also not through a link.
        aside: folder in the root for files that had to give way.
        replaced: files set aside so far, by their path in the root.
    """

    root: Path
    aside: Path
    replaced: list[Path] = field(default_factory=list)

    def place(self, source: Path, destination: Path, files: dict[tuple[str, ...], tuple[int, int]]) -> None:
        """Move the folder or file ``source`` to ``destination``, both on one disk.

        Args:
            source: what was unpacked.
            destination: a path in the root.
            files: size and CRC-32 of each file in ``source``, by the parts of its path from there on; the empty path
                if ``source`` is a file.

        Raises:
            DataError: a link leads out of the root, a folder stands where a file belongs or the other way round, or
                the file system refuses.
            NoSpaceError: the disk is full.
        """
        is_file = () in files
        self._require_inside(destination.parent if is_file else destination)
        try:
            if not os.path.lexists(destination):
                destination.parent.mkdir(parents=True, exist_ok=True)
                # in one move: a folder is there whole or not at all
                os.rename(source, destination)
                return
            folders = set()
            for parts, (size, crc) in files.items():
                target = destination.joinpath(*parts)
                if target.parent not in folders:
                    self._require_inside(target.parent)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    folders.add(target.parent)
                self._place_file(source.joinpath(*parts), target, size, crc)
        except OSError as error:
            raise disk_problem(error, destination) from error

    def _place_file(self, source: Path, target: Path, size: int, crc: int) -> None:
        if os.path.lexists(target):
            if target.is_dir():
                raise DataError(f"{target} is a folder, but a file belongs there; move it away and run this again")
            if target.is_file() and target.stat().st_size == size and _crc(target) == crc:
                return
            self._set_aside(target)
        os.rename(source, target)

    def _set_aside(self, target: Path) -> None:
        inside = target.relative_to(self.root)
        place, number = self.aside / inside, 1
        while os.path.lexists(place):
            place, number = (self.aside / inside).with_name(f"{target.name}.{number}"), number + 1
        place.parent.mkdir(parents=True, exist_ok=True)
        os.rename(target, place)
        self.replaced.append(inside)

    def _require_inside(self, folder: Path) -> None:
        real = folder.resolve()
        if not real.is_relative_to(self.root.resolve()):
            raise DataError(
                f"{folder} leads through a link to {real}, out of {self.root}, and nothing is unpacked out there; put "
                "what it leads to in the link's place, or give another folder"
            )


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc
