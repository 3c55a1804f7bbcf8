"""Room on a disk: asked for before much is written, and named plainly when it ends all the same."""

import errno
import shutil
from pathlib import Path

from lowtex.errors import DataError


class NoSpaceError(DataError):
    """The disk is full, or would be: nothing else that is being written there can go on either."""


def disk_problem(error: OSError, path: str | Path) -> DataError:
    """What an error of the file system while writing ``path`` means for the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(
            f"no space left while writing {path}; free some space (what has come is kept), then run the same command "
            "again"
        )
    if error.errno == errno.EFBIG:
        return DataError(f"{path}: this file system takes no file of that size; choose a folder on another one")
    return DataError(f"cannot write {path}: {error.strerror or error}; choose a folder you may write to")


def file_problem(error: OSError) -> str | None:
    """One line about an error of the file system that nobody foresaw; None where it is of no file and no disk."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return str(disk_problem(error, error.filename or "the output"))
    if error.filename is None or error.errno is None:
        return None
    return (
        f"{error.filename}: {error.strerror}; make sure that you may read and write there, or choose another file or "
        "folder"
    )


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise `NoSpaceError` unless ``folder``'s disk has ``needed`` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpaceError(
            f"{what} needs about {shown_size(needed)}, but {folder} has {shown_size(free)} left; free some space, ask "
            "for less at a time, or choose another folder"
        )


def shown_size(size: float) -> str:
    """Bytes as people say them: ``4.2 kB``, ``437 MB``, ``14.1 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if size >= 100 or unit == "bytes" else f"{size:.1f} {unit}"
