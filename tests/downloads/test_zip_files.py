"""Archives that nobody should unpack, and damaged ones: one error each, and nothing outside the folder, ever."""

import random
import stat
import threading
import zipfile

import pytest
from made_archives import link_entry, renamed, special_entry, with_declared_size, zip_bytes

from lowtex.disk_space import NoSpaceError
from lowtex.downloads import zip_files
from lowtex.downloads.http_files import StoppedError
from lowtex.downloads.zip_files import ArchiveFile, BadArchiveError
from lowtex.errors import DataError

GO_ON = threading.Event()


def unpack(path, folder, wanted=lambda parts: True):
    """All of an archive, tested and unpacked into a new folder."""
    with ArchiveFile(path, wanted) as content:
        content.test(GO_ON)
        folder.mkdir()
        return content.unpack(folder, GO_ON)


@pytest.fixture
def refused(tmp_path):
    """Checks that an archive is refused with a message, and that nothing was written anywhere."""

    def check(content: bytes, message: str) -> None:
        path = tmp_path / "here" / "a.zip"
        path.parent.mkdir()
        path.write_bytes(content)
        with pytest.raises(BadArchiveError, match=message) as caught:
            unpack(path, path.parent / "out")
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
        left = sorted(file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file())
        assert left == ["here/a.zip"]

    return check


def test_a_good_archive_comes_out_as_it_went_in(tmp_path):
    files = {"2011/a/x.bin": random.Random(0).randbytes(3_000_000), "2011/a/empty.txt": b"", "2011/b.txt": b"text"}
    (tmp_path / "a.zip").write_bytes(zip_bytes({"2011/": b"", "2011/a/": b""} | files))
    told = unpack(tmp_path / "a.zip", tmp_path / "out")
    for name, content in files.items():
        assert (tmp_path / "out" / name).read_bytes() == content
        assert told[tuple(name.split("/"))] == (len(content), zipfile.crc32(content))
    assert len(told) == 3


def test_only_what_is_wanted_is_unpacked(tmp_path):
    (tmp_path / "a.zip").write_bytes(zip_bytes({"in/a.txt": b"a", "readme.txt": b"b"}))
    with ArchiveFile(tmp_path / "a.zip", lambda parts: parts[0] == "in") as content:
        assert (len(content), content.size, content.left_out) == (1, 1, 1)
        (tmp_path / "out").mkdir()
        content.unpack(tmp_path / "out", GO_ON)
    assert [p.name for p in (tmp_path / "out").rglob("*.txt")] == ["a.txt"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.txt", "leads out of the folder"),
        ("good/../../evil.txt", "leads out of the folder"),
        ("good/..", "leads out of the folder"),
        ("/etc/evil.txt", "empty or absolute"),
        ("//server/share/evil.txt", "empty or absolute"),
        ("good//evil.txt", "empty or absolute"),
        ("good/./evil.txt", "empty or absolute"),
        ("./evil.txt", "empty or absolute"),
        ("C:/evil.txt", "a character"),
        ("C:evil.txt", "a character"),
        ("..\\evil.txt", "a character"),
        ("good\\..\\..\\evil.txt", "a character"),
        ("\\\\server\\share\\evil.txt", "a character"),
        ("good/evil.txt:stream", "a character"),
        ("good/new\nline.txt", "a character"),
        ("good/what?.txt", "a character"),
        ("good/con", "a device"),
        ("good/NUL.txt", "a device"),
        ("com1/a.txt", "a device"),
        ("good/Lpt9.tar.gz", "a device"),
        ("good/aux .txt", "a device"),
        ("good/CONIN$", "a device"),
        ("good/dot.", "a device"),
        ("good/.../a.txt", "a device"),
        ("good/blank ", "a device"),
        ("good/" + 256 * "x", "longer than 255"),
        ("good/" + 128 * "\u00e9", "longer than 255"),
        (600 * "d/" + "a.txt", "longer than 1024"),
    ],
)
def test_a_dangerous_name_is_refused(refused, name, message):
    refused(zip_bytes({"good/a.txt": b"a", name: b"evil"}), message)


def test_a_name_with_a_zero_byte_is_refused(refused):
    refused(renamed(zip_bytes({"good/evil.txt~x": b"evil"}), "evil.txt~x", "evil.txt\0x"), "a character")


@pytest.mark.parametrize("target", ["../..", "/etc", "a.txt"])
def test_a_link_is_refused_wherever_it_leads(refused, target):
    refused(link_entry("good/link", target), "'good/link' is a link")


def test_a_file_behind_a_link_is_refused_before_either_is_written(refused, tmp_path):
    content = link_entry("good/link", str(tmp_path))
    (tmp_path / "b.zip").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as archive:
        archive.writestr("good/link/evil.txt", "evil")
    content = (tmp_path / "b.zip").read_bytes()
    (tmp_path / "b.zip").unlink()
    refused(content, "'good/link' is a link")


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR])
def test_an_entry_that_is_no_file_is_refused(refused, kind):
    refused(special_entry("good/special", kind), "is neither file nor folder")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("good/a.txt", "good/A.TXT"),
        ("good/a.txt", "Good/b.txt"),
        ("good/stra\u00dfe.txt", "good/STRASSE.txt"),
        ("good/\u00e9.txt", "good/e\u0301.txt"),
        ("good/a", "good/a/b.txt"),
        ("good/a/b.txt", "good/a"),
    ],
)
def test_names_that_are_one_file_somewhere_are_refused(refused, one, other):
    refused(zip_bytes({one: b"1", other: b"2"}), "one and the same on some systems")


def test_a_name_that_is_there_twice_is_refused(refused):
    refused(renamed(zip_bytes({"good/a.txt": b"1", "good/b.txt": b"2"}), "good/b.txt", "good/a.txt"), "is there twice")


def test_a_bomb_is_refused_by_its_own_declaration(refused):
    refused(zip_bytes({"good/zeros.bin": bytes(50_000_000)}), "claims to unpack to 50.0 MB, more than 20 times")


def test_many_small_entries_make_a_bomb_too(refused):
    refused(zip_bytes({f"good/{n}.bin": bytes(100_000) for n in range(100)}), "claims to unpack to 10.0 MB")


def test_a_bomb_that_declares_little_is_cut_off_and_found_out(refused):
    content = with_declared_size(zip_bytes({"good/zeros.bin": bytes(5_000_011)}), 5_000_011, 1000)
    refused(content, "is damaged at good/zeros.bin")


def test_a_file_that_is_shorter_than_declared_is_found_out(refused):
    content = with_declared_size(zip_bytes({"good/a.bin": b"abcdefg" * 11}), 77, 99)
    refused(content, "is damaged")


def test_an_encrypted_entry_is_refused(refused):
    content = bytearray(zip_bytes({"good/a.txt": b"a"}, zipfile.ZIP_STORED))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    refused(bytes(content), "is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_compression_is_refused(refused, method):
    refused(zip_bytes({"good/a.txt": b"a"}, method), "is compressed by method")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged or no zip archive"),
        (b"<html>log in first</html>", "is damaged or no zip archive"),
        (b"PK\5\6" + bytes(18), "holds nothing of what its name promises$"),
        (zip_bytes({"good/": b""}), "holds nothing of what its name promises$"),
    ],
)
def test_what_is_no_archive_or_an_empty_one_is_refused(refused, content, message):
    refused(content, message)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_archive_is_refused(refused, share):
    content = zip_bytes({f"good/{n}.bin": bytes(range(256)) for n in range(20)})
    refused(content[: int(share * len(content))], "is damaged")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_one_wrong_byte_is_found_before_anything_is_written(refused, method):
    content = bytearray(zip_bytes({"good/a.bin": bytes(1000), "good/b.bin": bytes(range(256)) * 40}, method))
    content[content.index(b"good/b.bin") + 150] ^= 0x10
    refused(bytes(content), "is damaged at good/b.bin")


def test_every_single_wrong_byte_ends_in_the_right_bytes_or_one_error(tmp_path):
    good = {"good/a.bin": bytes(range(200)), "good/b.txt": b"text text text"}
    archive = zip_bytes(good)
    path, outcomes = tmp_path / "a.zip", set()
    for place in range(len(archive)):
        content = bytearray(archive)
        content[place] ^= 0xFF
        path.write_bytes(content)
        out = tmp_path / f"out{place}"
        try:
            told = unpack(path, out)
        except BadArchiveError:
            outcomes.add("refused")
            continue
        # dates, hints for other systems and the like; a name may differ too, the file then isn't wanted
        outcomes.add("whole")
        assert {out.joinpath(*parts).read_bytes() for parts in told} <= set(good.values())
    assert outcomes == {"refused", "whole"}
    assert {entry.name.rstrip("0123456789") for entry in tmp_path.iterdir()} == {"a.zip", "out"}


def test_unpacking_overwrites_nothing(tmp_path):
    (tmp_path / "a.zip").write_bytes(zip_bytes({"a.txt": b"new"}))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_bytes(b"old")
    with ArchiveFile(tmp_path / "a.zip", lambda parts: True) as content, pytest.raises(DataError, match="cannot write"):
        content.unpack(tmp_path / "out", GO_ON)
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"old"


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.zip").write_bytes(zip_bytes({"a.txt": b"new"}))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with ArchiveFile(tmp_path / "a.zip", lambda parts: True) as content:
        monkeypatch.setattr("pathlib.Path.open", full)
        with pytest.raises(NoSpaceError, match="no space left while writing .*a.txt"):
            content.unpack(tmp_path, GO_ON)


def test_stopping_ends_a_test_within_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_files, "CHUNK", 100)
    (tmp_path / "a.zip").write_bytes(zip_bytes({"a.bin": bytes(1000)}))
    stop = threading.Event()
    stop.set()
    with ArchiveFile(tmp_path / "a.zip", lambda parts: True) as content, pytest.raises(StoppedError):
        content.test(stop)
