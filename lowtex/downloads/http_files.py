"""One file over HTTP, resumable: what has come stays on disk, and the next call asks only for the rest.

Ranges after RFC 9110 (sections 13.1.5 and 14). A part is continued only where the server can tell, by a strong ETag or
a date of the last change, that it still serves the same version.
"""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from lowtex import __version__
from lowtex.downloads.partial_files import PartialFile, Served
from lowtex.errors import DataError

CHUNK = 1 << 18

ENOUGH_PROGRESS = 1 << 20
"""Bytes a try must bring for the count of failed tries to start anew."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class StoppedError(Exception):
    """The user interrupted, or another problem ended it all; says nothing about this file."""


class _PassingError(Exception):
    """Something another try may mend, and the seconds the server asked to wait."""

    def __init__(self, reason: str, wait_s: float = 0.0):
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to try again.

    Attributes:
        tries: tries in a row that bring less than `ENOUGH_PROGRESS`, before a file is given up.
        pause_s: seconds before the second try; doubled each time, up to ``longest_pause_s``.
        longest_pause_s: bounds what a server asks for in Retry-After, too.
        connect_s, read_s: seconds to wait for a connection, and for the next bytes.
    """

    tries: int = 6
    pause_s: float = 1.0
    longest_pause_s: float = 60.0
    connect_s: float = 15.0
    read_s: float = 60.0

    def after(self, failures: int, asked_s: float = 0.0) -> float:
        """Seconds to wait after ``failures`` tries in a row."""
        return min(max(self.pause_s * 2 ** (failures - 1), asked_s), self.longest_pause_s)


class Fetcher:
    """Fetches files over one pool of connections; one instance for each thread.

    TLS certificates are always verified. Redirects lead to http(s) only, and never from https down to http.

    Args:
        patience: waits and tries.
        stop: once set, a fetch ends with `StoppedError` at the next bytes, and so does a wait.
    """

    def __init__(self, patience: Patience | None = None, stop: threading.Event | None = None):
        self.patience = patience or Patience()
        self.stop = stop or threading.Event()
        self.session = _Session()
        # a compressed answer would have another length, and could not be continued
        self.session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"lowtex/{__version__}"})

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *error) -> None:
        self.session.close()

    def look(self, url: str) -> Served:
        """Size and version, by a HEAD request; nothing is known where the server allows none.

        Raises:
            DataError: it isn't there, or the server can't be reached in all the tries.
            StoppedError: `stop` was set.
        """

        def head() -> Served:
            with self._request("HEAD", url) as response:
                if response.status_code in (405, 501):
                    return Served()
                _expect(response, url, 200)
                return _served(response)

        return self._trying(head, url, lambda: 0)

    def fetch(
        self,
        url: str,
        target: Path,
        looked: Served | None = None,
        sha256: str | None = None,
        report: Callable[[int], None] = lambda have: None,
    ) -> None:
        """Bring ``url`` to ``target``, continuing `PartialFile` where that is sound.

        Args:
            url: http(s) address.
            target: the file, in a folder that exists. It's there only once it's complete.
            looked: what `look` said.
            sha256: checksum in small hexadecimal digits, or None.
            report: told the bytes there are so far; fewer than before where it began anew.

        Raises:
            DataError: not on the server, another length than announced, a wrong checksum, or tries used up. What has
                come is kept, except after a wrong checksum.
            NoSpaceError: the disk is full.
            StoppedError: `stop` was set.
        """
        looked = looked or Served()
        part = PartialFile(target, url)
        if part.served.contradicts(looked):
            part.forget()
        self._trying(lambda: self._bring(part, looked, report), url, lambda: part.have)
        if sha256 is not None:
            try:
                self.require_sha256(part.path, sha256)
            except DataError as error:
                part.forget()
                raise DataError(f"{url}: {error}; what came was thrown away") from error
        part.finish()

    def require_sha256(self, path: Path, sha256: str) -> None:
        """Compare the checksum of a file.

        Raises:
            DataError: it's another one.
            StoppedError: `stop` was set.
        """
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                if self.stop.is_set():
                    raise StoppedError
                digest.update(chunk)
        if digest.hexdigest() != sha256:
            raise DataError(
                f"{path.name} has the checksum sha256:{digest.hexdigest()}, not sha256:{sha256} as listed; the file or "
                "the list is a wrong one"
            )

    def _trying(self, action: Callable, url: str, have: Callable[[], int]):
        failures, best = 0, have()
        while True:
            if self.stop.is_set():
                raise StoppedError
            try:
                return action()
            except _PassingError as error:
                failures = 1 if have() >= best + ENOUGH_PROGRESS else failures + 1
                best = max(best, have())
                if failures >= self.patience.tries:
                    kept = "; what has come is kept: run the same command again to go on" if have() else ""
                    raise DataError(f"{url}: {error}; given up after {failures} tries{kept}") from error
                self.stop.wait(self.patience.after(failures, error.wait_s))

    def _bring(self, part: PartialFile, looked: Served, report: Callable[[int], None]) -> None:
        """One try."""
        report(part.have)
        if part.is_complete:
            return
        validator = part.served.validator if part.have else None
        headers = {"Range": f"bytes={part.have}-", "If-Range": validator} if validator else {}
        with self._request("GET", part.url, headers) as response:
            if headers and response.status_code == 416:
                part.forget()
                raise _PassingError("the server has no bytes behind those that came, though it announced some")
            _expect(response, part.url, *((200, 206) if headers else (200,)))
            if response.status_code == 206:
                _require_continued(part, response)
            else:
                served = _served(response)
                part.begin(served if served.size is not None else Served(looked.size, served.etag, served.modified))
                report(0)
                if part.served.contradicts(looked) and part.served.etag == looked.etag:
                    raise _PassingError(f"{looked.size} bytes were announced, then {part.served.size}")
            self._store(part, response, report)

    def _store(self, part: PartialFile, response: requests.Response, report: Callable[[int], None]) -> None:
        with part.appending() as file:
            try:
                # read1 gives what has come; requests' own iteration gathers whole chunks, and loses one that is cut
                while chunk := response.raw.read1(CHUNK):
                    if self.stop.is_set():
                        raise StoppedError
                    part.write(file, chunk)
                    report(part.have)
            except (HTTPError, OSError) as error:
                # the network's; those of the disk come as DataError
                raise _PassingError(f"the connection broke after {part.have} bytes ({_short(error)})") from error
        if part.served.size not in (None, part.have):
            problem = _PassingError(f"{part.have} bytes came instead of {part.served.size}")
            if part.have > part.served.size:
                part.forget()
            raise problem

    @contextmanager
    def _request(self, method: str, url: str, headers: dict[str, str] | None = None) -> Iterator[requests.Response]:
        """The answer; what goes wrong on the way is sorted into what another try may mend and what not."""
        waits = (self.patience.connect_s, self.patience.read_s)
        try:
            response = self.session.request(method, url, headers=headers, stream=True, timeout=waits, verify=True)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            if isinstance(error, requests.exceptions.SSLError) and "certificate" in str(error).lower():
                raise DataError(f"{url}: the server's certificate is not to be trusted ({_short(error)})") from error
            raise _PassingError(f"no connection ({_short(error)})") from error
        except requests.RequestException as error:
            raise DataError(f"{url}: {_short(error)}") from error
        with response:
            yield response


class _Session(requests.Session):
    """requests' session, less the redirects one can't trust."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target:
            before, after = urlsplit(resp.url).scheme, urlsplit(urljoin(resp.url, target)).scheme
            if after not in ("http", "https") or (before, after) == ("https", "http"):
                raise requests.exceptions.InvalidSchema(f"the server redirects to {target}, which is not followed")
        return target


def _served(response: requests.Response) -> Served:
    length = response.headers.get("Content-Length", "")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    size = int(length) if length.isdecimal() and not encoded else None
    return Served(size, response.headers.get("ETag"), response.headers.get("Last-Modified"))


def _expect(response: requests.Response, url: str, *allowed: int) -> None:
    status = response.status_code
    if status in allowed:
        return
    if status in (401, 403, 404, 410):
        # S3 answers 403 for a name that doesn't exist, where listing isn't allowed
        raise DataError(f"{url} is not on the server, or not for everybody ({status}); check the name and --source")
    if status in (408, 425, 429) or status >= 500:
        wait = response.headers.get("Retry-After", "")
        raise _PassingError(f"the server answers {status}", float(wait) if wait.isdecimal() else 0.0)
    raise DataError(f"{url}: the server's answer {status} is none to go on with; check the address and --source")


def _require_continued(part: PartialFile, response: requests.Response) -> None:
    """The answer 206 brings the bytes from ``part.have`` on, of the same version; else the part is thrown away."""
    told = response.headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(told)
    right = match and int(match[1]) == part.have and match[3] in ("*", str(part.served.size))
    changed = part.served.contradicts(Served(None, response.headers.get("ETag"), response.headers.get("Last-Modified")))
    if right and not changed:
        return
    asked = part.have
    part.forget()
    if changed:
        raise _PassingError("the file on the server changed meanwhile; beginning anew")
    raise _PassingError(f"asked for the bytes from {asked} on, the server sent {told or 'others'}; beginning anew")


def _short(error: Exception) -> str:
    """The innermost reason of a chain of wrapped errors, without objects' addresses."""
    while isinstance(inner := getattr(error, "reason", None) or (error.args[0] if error.args else None), Exception):
        error = inner
    text = str(error.args[-1] if error.args else error)
    return re.sub(r"<[^>]*>:? ?", "", text) or type(error).__name__
