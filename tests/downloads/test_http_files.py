"""Fetching one file: whole, and with servers that fail, lie or lead elsewhere."""

import hashlib
import os
import shutil
import ssl
import subprocess
import threading
import time
from contextlib import nullcontext

import pytest
import requests
from download_server import BODY, FAST, PATH, answer, cut_after

from lowtex.disk_space import NoSpaceError
from lowtex.downloads import http_files
from lowtex.downloads.http_files import Fetcher, Patience, StoppedError
from lowtex.downloads.partial_files import PartialFile, Served
from lowtex.errors import DataError


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


def test_a_redirect_from_https_to_http_is_not_followed():
    answer = requests.Response()
    answer.status_code, answer.url = 302, "https://host/a.zip"
    with Fetcher() as fetcher:
        for target, allowed in (("https://other/a.zip", True), ("/b.zip", True), ("http://host/a.zip", False)):
            answer.headers["Location"] = target
            with nullcontext() if allowed else pytest.raises(requests.RequestException, match="is not followed"):
                assert fetcher.session.get_redirect_target(answer) == target


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


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_certificate_nobody_vouches_for_is_refused_at_once(server, fetch, tmp_path, monkeypatch):
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=127.0.0.1"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    # an empty bundle must not turn the check off
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    with Fetcher(FAST) as fetcher, pytest.raises(DataError, match="certificate is not to be trusted"):
        fetcher.look(server.url.replace("http", "https") + PATH)
    assert os.listdir(tmp_path).count("a.zip") == 0
