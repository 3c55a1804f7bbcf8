"""Writing files so that a half-written one never takes a good one's place, and what is said when a disk is full."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lowtex.errors import DataError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_OF_THE_NAME = (errno.EISDIR, errno.ENAMETOOLONG)
_OF_THE_PLACE = (*_FULL, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


class NoSpaceError(DataError):
    """The disk is full, or would be: nothing else that is being written there can go on either."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it is moved into place, on any error it is removed.

    The suffix is kept, so that writers which choose a format by the file name work. The parent folder is
    made if it is missing.

    Raises:
        DataError: the disk is full, the folder can't be written to, or the name is too long or a folder's; names the
            file and the way out.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        try:
            yield Path(temporary)
            with suppress(OSError):
                # some file systems keep no modes (a USB stick, a mounted share)
                os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        finally:
            # not there any more where it was moved
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        if error.errno in (*_OF_THE_PLACE, *_OF_THE_NAME):
            raise disk_problem(error, path) from error
        raise


def obstacle(path: str | Path, folder: bool = False) -> str:
    """Why nothing could be written to ``path``, found out before any work is done; empty if nothing is in the way.

    Args:
        path: of a file, which may be there or not; with ``folder`` of a folder to put files into. A folder may be
            one that takes no new files, because what is asked for may be in it already.
    """
    path = Path(path).absolute()
    if path.exists() and path.is_dir() != folder:
        return f"{path} is a {'file' if folder else 'folder'}; name a {'folder' if folder else 'file'}"
    # a file is replaced by moving a new one into its place, so it is the folder that has to take it
    above = next(parent for parent in path.parents if parent.exists())
    if not above.is_dir():
        return f"{above} is a file, so nothing can be written below it; name another place"
    if not folder and not os.access(above, os.W_OK | os.X_OK):
        return f"{above} takes no new files; name a folder that you may write to"
    return ""


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` (UTF-8) in one move."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON in one move; a number that is not finite is refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read JSON.

    Raises:
        DataError: the file is missing or is not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid JSON ({error}); delete it so that it is made again") from error


def disk_problem(error: OSError, path: str | Path) -> DataError:
    """What an error of the file system while writing ``path`` means for the user."""
    if error.errno in _FULL:
        return NoSpaceError(
            f"no space left while writing {path}; free some space or choose another folder "
            "(what was finished before is kept), then run the same command again"
        )
    if error.errno == errno.EFBIG:
        return DataError(f"{path}: this file system takes no file of that size; choose a folder on another one")
    way_out = "name another file" if error.errno in _OF_THE_NAME else "choose a folder you may write to"
    return DataError(f"cannot write {path}: {error.strerror or error}; {way_out}")


def file_problem(error: OSError) -> str | None:
    """One line about an error of the file system that nobody foresaw; None where it is of no file and no disk."""
    if error.errno in _FULL:
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
