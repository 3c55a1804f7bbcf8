"""Continuing a part: only where the server proves that it's of the same file, and never with a wrong byte."""

import signal
import subprocess
import sys
import threading
import time

import pytest
from download_server import BODY, PATH, answer, cut_after, stall_after

from lowtex.downloads.partial_files import PartialFile, Served
from lowtex.errors import DataError


def cut_once(server, fetch, count: int = 1000, **how) -> None:
    """Leave a part of ``count`` bytes behind."""
    file = server.add(PATH, BODY, **how)
    file.faults = [cut_after(count), *[answer(500)] * 2]
    with pytest.raises(DataError, match="what has come is kept"):
        fetch()
    assert not file.faults


def test_the_next_call_asks_only_for_the_rest(server, fetch, tmp_path):
    cut_once(server, fetch)
    assert (tmp_path / "a.zip.part").read_bytes() == BODY[:1000]
    assert not (tmp_path / "a.zip").exists()
    server.log.clear()
    assert fetch() == BODY
    assert server.gets(PATH) == ["bytes=1000-"]
    assert server.headers[-1]["If-Range"] == '"v1"'


@pytest.mark.parametrize(
    ("how", "ranges"),
    [
        ({"etag": None, "modified": "Tue, 15 Nov 1994 12:45:26 GMT"}, ["bytes=1000-"]),
        ({"etag": 'W/"v1"', "modified": "Tue, 15 Nov 1994 12:45:26 GMT"}, ["bytes=1000-"]),
        ({"etag": 'W/"v1"'}, [None]),
        ({"etag": None}, [None]),
    ],
)
def test_only_a_strong_etag_or_a_date_lets_a_part_be_continued(server, fetch, how, ranges):
    cut_once(server, fetch, **how)
    server.log.clear()
    assert fetch() == BODY
    assert server.gets(PATH) == ranges


def test_a_server_without_ranges_is_read_from_the_start(server, fetch):
    cut_once(server, fetch, ranges=False)
    server.log.clear()
    assert fetch() == BODY
    assert server.gets(PATH) == ["bytes=1000-"]


@pytest.mark.parametrize("look", [True, False])
def test_a_file_that_changed_on_the_server_is_read_from_the_start(server, fetch, look):
    cut_once(server, fetch)
    changed = BODY[::-1]
    server.add(PATH, changed, etag='"v2"')
    assert fetch(look=look) == changed


def test_a_server_that_ignores_if_range_is_found_out_by_its_etag(server, fetch):
    cut_once(server, fetch)
    changed = BODY[::-1]
    server.add(PATH, changed, etag='"v2"', if_range=False)
    server.log.clear()
    assert fetch(look=False) == changed
    assert server.gets(PATH) == ["bytes=1000-", None]


def test_another_length_of_the_rest_is_another_file(server, fetch):
    cut_once(server, fetch, etag=None, modified="Tue, 15 Nov 1994 12:45:26 GMT")
    longer = BODY[::-1] + b"more"
    server.add(PATH, longer, etag=None, if_range=False)
    assert fetch(look=False) == longer


@pytest.mark.parametrize("told", ["bytes 0-2999/3000", "bytes 900-2999/3000", "bytes 1000-2999/4000", "nonsense", None])
def test_a_wrong_content_range_is_not_believed(server, fetch, told):
    cut_once(server, fetch)
    headers = {"Content-Range": told} if told else {}
    server.files[PATH].faults = [answer(206, headers, BODY[1000:])]
    server.log.clear()
    assert fetch() == BODY
    assert server.gets(PATH) == ["bytes=1000-", None]


def test_a_server_that_sends_the_rest_in_pieces_is_followed(server, fetch):
    cut_once(server, fetch)
    server.files[PATH].faults = [answer(206, {"Content-Range": "bytes 1000-1999/3000"}, BODY[1000:2000])]
    assert fetch() == BODY
    assert server.gets(PATH)[-1] == "bytes=2000-"


def test_416_begins_anew(server, fetch):
    cut_once(server, fetch)
    server.files[PATH].faults = [answer(416)]
    assert fetch() == BODY


def test_a_part_that_is_complete_needs_no_request(server, fetch, tmp_path):
    cut_once(server, fetch)
    (tmp_path / "a.zip.part").write_bytes(BODY)
    server.log.clear()
    assert fetch() == BODY
    assert server.gets(PATH) == []


def test_a_part_that_is_complete_but_of_an_older_version_is_fetched_anew(server, fetch, tmp_path):
    cut_once(server, fetch)
    (tmp_path / "a.zip.part").write_bytes(BODY)
    server.add(PATH, BODY[::-1], etag='"v2"')
    assert fetch() == BODY[::-1]


@pytest.mark.parametrize("state", ["{", "[]", '{"url": "x"}', '{"url": 1, "size": 1, "etag": 1, "modified": 1}'])
def test_a_part_of_unknown_origin_is_not_continued(server, fetch, tmp_path, state):
    server.add(PATH, BODY)
    (tmp_path / "a.zip.part").write_bytes(b"something")
    (tmp_path / "a.zip.part.json").write_text(state)
    assert fetch() == BODY
    assert server.gets(PATH) == [None]


def test_a_part_from_another_address_is_not_continued(server, fetch, tmp_path):
    server.add(PATH, BODY)
    part = PartialFile(tmp_path / "a.zip", "http://elsewhere/a.zip")
    part.begin(Served(3000, '"v1"'))
    with part.appending() as file:
        part.write(file, b"x" * 100)
    assert fetch() == BODY


def test_a_part_longer_than_the_file_is_not_continued(server, fetch, tmp_path):
    cut_once(server, fetch)
    (tmp_path / "a.zip.part").write_bytes(BODY + b"x")
    server.log.clear()
    assert fetch() == BODY
    assert server.gets(PATH) == [None]


def test_a_killed_process_leaves_a_part_that_is_continued(server, fetch, tmp_path):
    hold = threading.Event()
    server.add(PATH, BODY).faults = [stall_after(2000, hold)]
    script = (
        "import sys; from pathlib import Path; from lowtex.downloads.http_files import Fetcher; "
        "Fetcher().fetch(sys.argv[1], Path(sys.argv[2]))"
    )
    target = tmp_path / "a.zip"
    process = subprocess.Popen([sys.executable, "-c", script, server.url + PATH, str(target)])
    part = target.with_name("a.zip.part")
    limit = time.monotonic() + 20
    while (part.stat().st_size if part.exists() else 0) < 2000:
        assert time.monotonic() < limit and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    hold.set()
    assert fetch() == BODY
    assert server.gets(PATH) == [None, "bytes=2000-"]
