"""Files that are written in the middle: room taken beforehand, and an error that names the file and the way out."""

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lowtex.files import disk_problem


def allocated(path: Path, shape: tuple[int, ...]) -> int:
    """Make ``path`` a `.npy` file of uint8 of that shape with all its room taken; returns where its values begin.

    Raises:
        DataError: the disk is full or can't be written to.
    """
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    header = buffer.getvalue()
    length = len(header) + int(np.prod(shape))
    with opened(path) as file, disk_errors(path):
        if os.fstat(file).st_size != length:
            os.ftruncate(file, 0)
        os.pwrite(file, header, 0)
        try:
            os.posix_fallocate(file, 0, length)
        except (AttributeError, OSError) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            # not every file system can; room then runs out later, if it does
            os.ftruncate(file, length)
    return len(header)


def write_at(file: int, data: bytes | np.ndarray, place: int, path: Path) -> None:
    """Write all of ``data`` at byte ``place`` of an open file; ``path`` is for messages."""
    left = memoryview(data).cast("B")
    with disk_errors(path):
        while left:
            written = os.pwrite(file, left, place)
            place, left = place + written, left[written:]


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A file to write in the middle of, made if it is not there."""
    with disk_errors(path):
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Errors of the file system are told as what they mean for who writes ``path``."""
    try:
        yield
    except OSError as error:
        raise disk_problem(error, path) from error
