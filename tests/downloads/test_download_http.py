"""One archive over HTTP: a part that came is continued where that is sound, and every fault of a server is one line."""

import pytest
from download_server import answer, cut_after
from made_archives import DRIVE, drive_files, drive_path, zip_bytes

from lowtex_lab.cli import download
from lowtex_lab.cli.kitti_archives import drive_archives

BODY = zip_bytes(drive_files())
PATH = drive_path()
DATE_SENT = "Tue, 15 Nov 1994 12:45:26 GMT"


@pytest.fixture
def problems(server, tmp_path):
    """Downloads the drive; returns the problems."""
    server.add(PATH, BODY)
    return lambda: download.download(drive_archives([DRIVE], server.url), tmp_path)


def is_whole(tmp_path) -> bool:
    return (tmp_path / DRIVE[:10] / DRIVE / "image_03").is_dir()


def cut_once(server, problems, count: int = 1000, **how) -> None:
    """Leave a part of ``count`` bytes behind."""
    server.add(PATH, BODY, **how).faults = [cut_after(count), answer(400)]
    assert "the server answers 400" in problems()[0]
    server.log.clear()


@pytest.mark.parametrize(
    ("how", "ranges"),
    [
        ({}, ["bytes=1000-"]),
        ({"etag": None, "modified": DATE_SENT}, ["bytes=1000-"]),
        ({"etag": 'W/"v1"', "modified": DATE_SENT}, ["bytes=1000-"]),
        ({"etag": 'W/"v1"'}, [None]),
        ({"etag": None}, [None]),
        ({"ranges": False}, ["bytes=1000-"]),
    ],
    ids=["strong", "date", "weak with date", "weak", "neither", "no ranges"],
)
def test_a_part_is_continued_only_where_the_version_is_known(server, problems, tmp_path, how, ranges):
    cut_once(server, problems, **how)
    assert problems() == [] and is_whole(tmp_path)
    assert server.gets(PATH) == ranges


@pytest.mark.parametrize("if_range", [True, False])
def test_an_archive_that_changed_on_the_server_is_read_from_the_start(server, problems, tmp_path, if_range):
    cut_once(server, problems)
    server.add(PATH, zip_bytes(drive_files(frames=2)), etag='"v2"', if_range=if_range)
    assert problems() == [] and is_whole(tmp_path)
    assert server.gets(PATH)[-1] == (None if not if_range else "bytes=1000-")


@pytest.mark.parametrize("told", ["bytes 0-2999/3000", "bytes 900-2999/3000", "nonsense"])
def test_a_wrong_content_range_is_not_believed(server, problems, tmp_path, told):
    cut_once(server, problems)
    server.files[PATH].faults = [answer(206, {"Content-Range": told, "ETag": '"v1"'}, b"x" * 2000)]
    assert problems() == [] and is_whole(tmp_path)


@pytest.mark.parametrize("state", ["{", "[]", '{"url": "x", "validator": "v"}', '{"url": 1}'])
def test_a_part_of_unknown_origin_is_not_continued(server, problems, tmp_path, state):
    cut_once(server, problems)
    (tmp_path / "archives" / f"{DRIVE}.zip.part.json").write_text(state)
    assert problems() == [] and server.gets(PATH) == [None]


def test_a_whole_part_gets_its_name_and_a_too_long_one_begins_anew(server, problems, tmp_path):
    for extra in (b"", b"more"):
        cut_once(server, problems)
        (tmp_path / "archives" / f"{DRIVE}.zip.part").write_bytes(BODY + extra)
        assert problems() == [] and is_whole(tmp_path)
        for folder in (tmp_path / DRIVE[:10] / DRIVE).iterdir():
            folder.rename(tmp_path / f"{folder.name}{len(extra)}")


def test_a_cut_connection_is_continued_within_the_call(server, problems):
    server.files[PATH].faults = [cut_after(1000)]
    assert problems() == []
    assert server.gets(PATH) == [None, "bytes=1000-"]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_server_is_asked_again(server, problems, status):
    server.files[PATH].faults = [answer(status)]
    assert problems() == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (answer(404), "is not on the server"),
        (answer(403), "is not on the server"),
        (answer(400), "the server answers 400"),
        (cut_after(0), "given up after 2 tries"),
        (answer(302, {"Location": "ftp://127.0.0.1/a.zip"}), "No connection adapters"),
    ],
    ids=["missing", "forbidden", "bad", "cut", "redirect"],
)
def test_a_lasting_fault_is_one_problem(server, problems, tmp_path, fault, message):
    server.files[PATH].faults = [fault] * 9
    [problem] = problems()
    assert message in problem and "\n" not in problem and not is_whole(tmp_path)


def test_no_server_is_one_problem(tmp_path):
    [problem] = download.download(drive_archives([DRIVE], "http://127.0.0.1:9"), tmp_path)
    assert problem.startswith("http://127.0.0.1:9/") and "run the same command again" in problem


def test_a_redirect_from_https_to_http_is_not_followed():
    import requests

    response = requests.Response()
    response.status_code, response.url = 302, "https://host/a.zip"
    response.headers["Location"] = "http://host/a.zip"
    with download._session() as session, pytest.raises(requests.exceptions.InvalidSchema, match="not followed"):
        session.get_redirect_target(response)
