"""A file that has come only in part, and from which version of the served file its bytes are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import BinaryIO

from lowtex.disk_space import disk_problem
from lowtex.errors import DataError
from lowtex.files import read_json, write_json


@dataclass(frozen=True)
class Served:
    """What a server says of a file; None where it doesn't say.

    Attributes:
        size: bytes.
        etag: the version's tag, as sent; a weak one begins with ``W/``.
        modified: date of the last change, as sent.
    """

    size: int | None = None
    etag: str | None = None
    modified: str | None = None

    @property
    def validator(self) -> str | None:
        """What If-Range may name: a strong ETag, else the date (RFC 9110, section 13.1.5)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def contradicts(self, other: "Served") -> bool:
        """The two can't be the same version. Dates count only where an ETag is missing: mirrors' may differ."""
        if None not in (self.size, other.size) and self.size != other.size:
            return True
        if None not in (self.etag, other.etag):
            return self.etag.removeprefix("W/") != other.etag.removeprefix("W/")
        return None not in (self.modified, other.modified) and self.modified != other.modified


class PartialFile:
    """``<target>.part``, and beside it ``<target>.part.json``, which says what its bytes are of.

    Bytes go to disk unbuffered, so that a killed process leaves a part whose length is true.

    Attributes:
        have: bytes that are there and of `served`; 0 where a part is of another address or of none known.
        served: the version they're of.
    """

    def __init__(self, target: Path, url: str):
        self.target, self.url = target, url
        self.path = target.with_name(f"{target.name}.part")
        self._state = target.with_name(f"{target.name}.part.json")
        self.have, self.served = 0, Served()
        try:
            state = read_json(self._state)
            served = Served(**{field.name: state[field.name] for field in fields(Served)})
            have = self.path.stat().st_size
            usable = state["url"] == url and (served.size is None or have <= served.size)
        except (DataError, OSError, KeyError, TypeError):
            return
        if usable:
            self.have, self.served = have, served

    @property
    def is_complete(self) -> bool:
        """All bytes are there; never so while the size isn't known."""
        return self.have > 0 and self.have == self.served.size

    def begin(self, served: Served) -> None:
        """Start from the first byte of version ``served``."""
        # the old bytes go before the new state comes: a kill in between must not marry the two
        self.forget()
        write_json(self._state, {"url": self.url, **asdict(served)})
        self.served = served

    @contextmanager
    def appending(self) -> Iterator[BinaryIO]:
        """Open the file behind what is there."""
        try:
            file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise disk_problem(error, self.path) from error
        with file:
            yield file

    def write(self, file: BinaryIO, chunk: bytes) -> None:
        """Append ``chunk``.

        Raises:
            NoSpaceError: the disk is full.
            DataError: it can't be written for another reason.
        """
        left = memoryview(chunk)
        try:
            while left:
                written = file.write(left)
                self.have += written
                left = left[written:]
        except OSError as error:
            raise disk_problem(error, self.path) from error

    def finish(self) -> None:
        """The file is whole: give it its name. The state stays, and tells that the file was fetched, not put there."""
        os.replace(self.path, self.target)

    @property
    def was_fetched(self) -> bool:
        """The whole file is there, and came this way; `forget` ends that."""
        return self.target.is_file() and self._state.is_file()

    def forget(self) -> None:
        """Throw away what has come."""
        self.path.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)
        self.have, self.served = 0, Served()
