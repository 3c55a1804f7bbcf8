"""Zip archives from elsewhere: unpacked only if every name in them is harmless and every byte is right.

Nothing is written while a name could lead out of the folder, or could mean another file on another system; nothing is
used before all checksums were right. The tables of the format: PKWARE's APPNOTE.TXT, section 4.
"""

import errno
import re
import stat
import struct
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lowtex.disk_space import disk_problem, shown_size
from lowtex.downloads.http_files import StoppedError
from lowtex.errors import DataError

CHUNK = 1 << 20

MOST_GROWTH = 20
"""Archives of pictures and scans hardly grow; one that claims to grow more than this is a bomb or broken."""

SMALLEST_LIMIT = 1 << 20
"""Bytes any archive may unpack to: a few lines of text do grow."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError, RuntimeError)
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])", re.I)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
_ENCRYPTED = 0x1 | 0x40 | 0x2000


class BadArchiveError(DataError):
    """The archive itself is at fault: damaged, dangerous, or another one than its name says."""


class ArchiveFile:
    """A zip archive whose table of contents was found harmless.

    Args:
        path: the file.
        wanted: which files to unpack, told the parts of their path.

    Attributes:
        left_out: how many files of the archive aren't wanted.

    Raises:
        BadArchiveError: it's no zip archive or a truncated one, a name in it is dangerous, an entry is neither file nor
            folder (a link, say) or is encrypted, it grows out of bounds, or holds nothing that is wanted.
    """

    def __init__(self, path: Path, wanted: Callable[[tuple[str, ...]], bool]):
        self.path = path
        with self._damage():
            self._zip = zipfile.ZipFile(path)
        try:
            infos = self._zip.infolist()
            named = [(_safe_parts(info, path), info) for info in infos]
            _require_distinct(named, path)
            declared = sum(info.file_size for info in infos)
            limit = max(MOST_GROWTH * path.stat().st_size, SMALLEST_LIMIT)
            if declared > limit:
                raise BadArchiveError(
                    f"{path} claims to unpack to {shown_size(declared)}, more than {MOST_GROWTH} times its own size; "
                    "it isn't unpacked"
                )
            files = [(parts, info) for parts, info in named if not info.is_dir()]
            self._wanted = [(parts, info) for parts, info in files if wanted(parts)]
            self.left_out = len(files) - len(self._wanted)
            if not self._wanted:
                first = f", but for example {'/'.join(files[0][0])}" if files else ""
                raise BadArchiveError(f"{path} holds nothing of what its name promises{first}")
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> "ArchiveFile":
        return self

    def __exit__(self, *error) -> None:
        self._zip.close()

    def __len__(self) -> int:
        return len(self._wanted)

    @property
    def size(self) -> int:
        """Bytes of all files that are wanted, as the table says."""
        return sum(info.file_size for _, info in self._wanted)

    def test(self, stop: threading.Event, report: Callable[[int], None] = lambda files: None) -> None:
        """Read every wanted file and compare length and CRC-32; nothing is written.

        Raises:
            BadArchiveError: one is wrong.
            StoppedError: ``stop`` was set.
        """
        for _, info in self._wanted:
            for _ in self._content(info, stop):
                pass
            report(1)

    def unpack(
        self, folder: Path, stop: threading.Event, report: Callable[[int], None] = lambda files: None
    ) -> dict[tuple[str, ...], tuple[int, int]]:
        """Write every wanted file into ``folder``, which is new and nobody else's. Compares as `test` does.

        Returns:
            Size and CRC-32 of each file, by the parts of its path.

        Raises:
            BadArchiveError: a file is wrong.
            DataError: a file can't be written.
            NoSpaceError: the disk is full.
            StoppedError: ``stop`` was set.
        """
        files = {}
        for parts, info in self._wanted:
            target = folder.joinpath(*parts)
            content = self._content(info, stop)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                # x: a file that is there already would be somebody else's
                with target.open("xb") as file:
                    for chunk in content:
                        file.write(chunk)
            except OSError as error:
                raise disk_problem(error, target) from error
            files[parts] = (info.file_size, info.CRC)
            report(1)
        return files

    def _content(self, info: zipfile.ZipInfo, stop: threading.Event) -> Iterator[bytes]:
        length = 0
        with self._damage(info.filename), self._zip.open(info) as file:
            # zipfile compares the CRC when it meets the end
            while chunk := file.read(CHUNK):
                if stop.is_set():
                    raise StoppedError
                length += len(chunk)
                yield chunk
        if length != info.file_size:
            raise BadArchiveError(f"{self.path} is damaged: {info.filename} has {length} bytes, not {info.file_size}")

    @contextmanager
    def _damage(self, member: str = "") -> Iterator[None]:
        where = f"{self.path} is damaged{f' at {member}' if member else ' or no zip archive'}"
        try:
            yield
        except _DAMAGE as error:
            raise BadArchiveError(f"{where} ({error})") from error
        except OSError as error:
            if error.errno == errno.EINVAL:
                # offsets of a broken table lead before the file's start
                raise BadArchiveError(f"{where} (impossible offset)") from error
            raise DataError(f"cannot read {self.path}: {error.strerror or error}") from error


def _safe_parts(info: zipfile.ZipInfo, path: Path) -> tuple[str, ...]:
    """The parts of an entry's path, or `BadArchiveError` if it could mean anything but a file inside the folder."""
    # the name as it stands in the file: zipfile's own ends at a zero byte
    name = info.orig_filename

    def refuse(reason: str) -> BadArchiveError:
        return BadArchiveError(f"{path}: entry {name!r} {reason}, which no archive of the data set does")

    kind = stat.S_IFMT(info.external_attr >> 16)
    is_folder = name.endswith("/")
    if kind and kind != (stat.S_IFDIR if is_folder else stat.S_IFREG):
        raise refuse("is a link" if kind == stat.S_IFLNK else "is neither file nor folder")
    if info.flag_bits & _ENCRYPTED:
        raise refuse("is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refuse(f"is compressed by method {info.compress_type}")
    if is_folder and info.file_size:
        raise refuse("is a folder with content")
    parts = tuple(name.removesuffix("/").split("/"))
    for part in parts:
        if part in ("", ".", ".."):
            raise refuse("leads out of the folder" if part == ".." else "has an empty or absolute path")
        if _FORBIDDEN.search(part):
            raise refuse("has a character that is none of a file's name")
        if part[-1] in ". " or _DEVICES.fullmatch(part.split(".")[0].rstrip()):
            raise refuse("means a device or another file on some systems")
        if len(part.encode("utf-8", "surrogatepass")) > 255:
            raise refuse("has a name longer than 255 bytes")
    if len(name) > 1024:
        raise refuse("has a path longer than 1024 characters")
    return parts


def _require_distinct(named: list[tuple[tuple[str, ...], zipfile.ZipInfo]], path: Path) -> None:
    """No two entries are one file, not even where case and composed letters make no difference."""
    spelling: dict[tuple[str, ...], tuple[tuple[str, ...], bool]] = {}
    entries = set()
    for parts, info in named:
        for length in range(1, len(parts) + 1):
            is_folder = length < len(parts) or info.is_dir()
            key = tuple(unicodedata.normalize("NFC", part).casefold() for part in parts[:length])
            known = spelling.setdefault(key, (parts[:length], is_folder))
            if known != (parts[:length], is_folder):
                both = f"{'/'.join(known[0])!r} and {'/'.join(parts)!r}"
                raise BadArchiveError(f"{path}: entries {both} are one and the same on some systems")
        if parts in entries:
            raise BadArchiveError(f"{path}: entry {'/'.join(parts)!r} is there twice")
        entries.add(parts)
