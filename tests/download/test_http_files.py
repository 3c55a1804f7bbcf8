"""Fetching one file: whole, continued, and with servers that fail or lie."""

import hashlib
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time

import pytest
from download_server import answer, cut_after, stall_after

from lowtex import http_files
from lowtex.disk_space import NoSpaceError
from lowtex.errors import DataError
from lowtex.http_files import Fetcher, Patience, StoppedError
from lowtex.partial_files import PartialFile, Served

BODY = random.Random(0).randbytes(3000)
FAST = Patience(tries=3, pause_s=0.001, longest_pause_s=0.01, connect_s=2, read_s=2)
PATH = "/a.zip"


@pytest.fixture
def fetch(server, tmp_path):
    """Fetches ``/a.zip`` into the test's folder and returns its bytes."""

    def run(look: bool = True, patience: Patience = FAST, **options) -> bytes:
        with Fetcher(patience) as fetcher:
            url = server.url + PATH
            fetcher.fetch(url, tmp_path / "a.zip", fetcher.look(url) if look else None, **options)
        return (tmp_path / "a.zip").read_bytes()

    return run


def cut_once(server, fetch, count: int = 1000, **how) -> None:
    """Leave a part of ``count`` bytes behind."""
    file = server.add(PATH, BODY, **how)
    file.faults = [cut_after(count), *[answer(500)] * 2]
    with pytest.raises(DataError, match="what has come is kept"):
        fetch()
    assert not file.faults


def test_a_whole_file_comes_in_one_request(server, fetch, tmp_path):
    server.add(PATH, BODY)
    told = []
    assert fetch(report=told.append) == BODY
    assert server.log == [("HEAD", PATH, None), ("GET", PATH, None)]
    assert (told[0], told[-1]) == (0, 3000)
    assert server.headers[-1]["Accept-Encoding"] == "identity"
    assert not (tmp_path / "a.zip.part").exists()


def test_a_cut_connection_is_continued_within_the_call(server, fetch):
    server.add(PATH, BODY).faults = [cut_after(1000), cut_after(500)]
    assert fetch() == BODY
    assert server.gets(PATH) == [None, "bytes=1000-", "bytes=1500-"]


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
    assert fetch() == BODY


def test_fewer_bytes_than_announced_end_in_one_error(server, fetch, tmp_path):
    server.add(PATH, BODY, etag=None).faults = [cut_after(3000, announced=4000)] * 3
    with pytest.raises(DataError, match=f"{PATH}: .*; given up after 3 tries"):
        fetch()
    assert not (tmp_path / "a.zip").exists()


def test_a_length_other_than_that_of_the_look_before_is_an_error(server, fetch, tmp_path):
    server.add(PATH, BODY).faults = [answer(200, {"ETag": '"v1"'}, b"<html>pay for the network first</html>")] * 3
    with pytest.raises(DataError, match="3000 bytes were announced, then 38"):
        fetch()
    assert not (tmp_path / "a.zip").exists()


def test_a_file_of_unannounced_length_is_held_against_the_look_before(server, fetch, tmp_path):
    file = server.add(PATH, BODY)
    assert fetch() == BODY
    file.length = False
    with Fetcher(FAST) as fetcher, pytest.raises(DataError, match="3000 bytes came instead of 3001"):
        fetcher.fetch(server.url + PATH, tmp_path / "b.zip", Served(3001, '"v1"'))


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_is_not_there_is_not_asked_for_again(server, fetch, status):
    server.add(PATH, BODY).faults = [answer(status)] * 3
    with pytest.raises(DataError, match=rf"{PATH} is not on the server, or not for everybody \({status}\)"):
        fetch()
    assert len(server.gets(PATH)) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_fault_is_tried_again(server, fetch, status):
    server.add(PATH, BODY).faults = [answer(status)] * 2
    assert fetch() == BODY
    assert len(server.gets(PATH)) == 3


def test_a_lasting_fault_ends_after_all_tries(server, fetch):
    server.add(PATH, BODY).faults = [answer(500)] * 9
    with pytest.raises(DataError, match="the server answers 500; given up after 3 tries$"):
        fetch()
    assert len(server.gets(PATH)) == 3


@pytest.mark.parametrize("status", [204, 300, 304, 400])
def test_an_answer_that_makes_no_sense_is_an_error(server, fetch, status):
    server.add(PATH, BODY).faults = [answer(status)]
    with pytest.raises(DataError, match=f"answer {status} is none to go on with"):
        fetch()


def test_waits_double_and_honour_the_server_up_to_a_bound():
    patience = Patience(pause_s=1, longest_pause_s=30)
    assert [patience.after(n) for n in (1, 2, 3, 9)] == [1, 2, 4, 30]
    assert patience.after(1, asked_s=7) == 7
    assert patience.after(1, asked_s=3600) == 30


def test_retry_after_is_waited_for(server, fetch):
    server.add(PATH, BODY).faults = [answer(503, {"Retry-After": "1"})]
    before = time.monotonic()
    assert fetch(patience=Patience(tries=2, pause_s=0.001, longest_pause_s=0.2)) == BODY
    assert 0.2 <= time.monotonic() - before < 0.8


def test_a_long_file_over_a_bad_line_arrives_although_tries_are_few(server, fetch, monkeypatch):
    monkeypatch.setattr(http_files, "ENOUGH_PROGRESS", 100)
    server.add(PATH, BODY).faults = [cut_after(200)] * 10
    assert fetch() == BODY


def test_no_server_at_all_is_one_error(tmp_path):
    with (
        Fetcher(FAST) as fetcher,
        pytest.raises(DataError, match=r"no connection \(.*refused\); given up after 3 tries"),
    ):
        fetcher.look("http://127.0.0.1:9/a.zip")


def test_a_head_request_that_is_not_allowed_says_nothing(server, fetch):
    server.add(PATH, BODY, head=False)
    assert fetch() == BODY


def test_a_redirect_to_http_is_followed(server, fetch):
    server.add("/b.zip", BODY)
    server.add(PATH, b"", etag=None).faults = [answer(302, {"Location": "/b.zip"})]
    assert fetch(look=False) == BODY


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/a.zip", "gopher://x"])
def test_a_redirect_to_something_else_is_not_followed(server, fetch, target):
    server.add(PATH, BODY).faults = [answer(301, {"Location": target})]
    with pytest.raises(DataError, match="redirects to .*, which is not followed"):
        fetch()


def test_redirects_in_a_circle_are_an_error(server, fetch):
    server.add(PATH, BODY).faults = [answer(302, {"Location": PATH})] * 100
    with pytest.raises(DataError, match="redirects"):
        fetch()


def test_a_right_checksum_passes_and_a_wrong_one_throws_the_file_away(server, fetch, tmp_path):
    server.add(PATH, BODY)
    assert fetch(sha256=hashlib.sha256(BODY).hexdigest()) == BODY
    (tmp_path / "a.zip").unlink()
    with pytest.raises(DataError, match="not sha256:0000.* as listed"):
        fetch(sha256="0" * 64)
    assert not list(tmp_path.glob("a.zip*"))


def test_a_full_disk_keeps_the_part_and_is_one_error(server, fetch, tmp_path, monkeypatch):
    server.add(PATH, BODY)
    monkeypatch.setattr(http_files, "CHUNK", 512)
    write = PartialFile.write

    class Full:
        def __init__(self, file):
            self.file = file

        def write(self, data):
            if self.file.tell() >= 1024:
                raise OSError(28, "No space left on device")
            return self.file.write(data)

    monkeypatch.setattr(PartialFile, "write", lambda self, file, chunk: write(self, Full(file), chunk))
    with pytest.raises(NoSpaceError, match="no space left while writing .*a.zip.part; free some space"):
        fetch()
    assert (tmp_path / "a.zip.part").read_bytes() == BODY[:1024]
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert fetch() == BODY
    assert server.gets(PATH)[-1] == "bytes=1024-"


def test_stopping_ends_a_wait_and_a_fetch(server, tmp_path):
    server.add(PATH, BODY).faults = [answer(500)] * 9
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    before = time.monotonic()
    with Fetcher(Patience(pause_s=30), stop) as fetcher, pytest.raises(StoppedError):
        fetcher.fetch(server.url + PATH, tmp_path / "a.zip")
    assert time.monotonic() - before < 2


def test_a_killed_process_leaves_a_part_that_is_continued(server, fetch, tmp_path):
    hold = threading.Event()
    server.add(PATH, BODY).faults = [stall_after(2000, hold)]
    script = (
        "import sys; from pathlib import Path; from lowtex.http_files import Fetcher; "
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


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_certificate_nobody_vouches_for_is_refused_at_once(server, fetch, tmp_path, monkeypatch):
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=127.0.0.1"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    server._server.handle_error = lambda *request: None
    # an empty bundle must not turn the check off
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    with Fetcher(FAST) as fetcher, pytest.raises(DataError, match="certificate is not to be trusted"):
        fetcher.look(server.url.replace("http", "https") + PATH)
    assert os.listdir(tmp_path).count("a.zip") == 0
