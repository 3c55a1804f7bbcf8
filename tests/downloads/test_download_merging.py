"""Downloading into a root that holds something already: nobody's files are lost, and what is missing is filled in."""

from pathlib import Path

import pytest
from download_server import (
    DATE,
    DRIVE,
    calibration_files,
    calibration_path,
    drive_files,
    drive_path,
    zip_bytes,
)

from lowtex.datasets import KittiRaw
from lowtex.datasets.splits import KITTI_SPLITS, packaged_frames
from lowtex.errors import DataError
from lowtex_lab.cli import download
from lowtex_lab.cli.kitti_archives import chosen_archives, drive_archives

FILES = drive_files()
PICTURE = f"{DATE}/{DRIVE}/image_02/data/0000000001.png"
SCAN = f"{DATE}/{DRIVE}/velodyne_points/data/0000000002.bin"


@pytest.fixture
def root(server, tmp_path) -> Path:
    """A root with the whole drive, not downloaded but written by hand."""
    server.add(drive_path(), zip_bytes(FILES))
    server.add(calibration_path(), zip_bytes(calibration_files()))
    write(tmp_path, FILES)
    return tmp_path


@pytest.fixture
def get(server, root):
    """Downloads the drive, and tells how many times it was fetched."""

    def run() -> int:
        server.log.clear()
        assert download.download(drive_archives([DRIVE], server.url), root) == []
        return len(server.gets(drive_path()))

    return run


def write(root: Path, files: dict[str, bytes]) -> None:
    """Write files by name."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def set_aside(root: Path, name: str) -> list[bytes]:
    """What had to give way in a file's place, the oldest first."""
    place = root / "archives" / "replaced" / name
    return [path.read_bytes() for path in sorted(place.parent.glob(f"{place.name}.*"))]


def seen(root: Path) -> dict[str, bytes]:
    """The drive's files by name."""
    return {name: (root / name).read_bytes() for name in FILES if (root / name).is_file()}


def test_missing_files_are_filled_in_and_the_others_not_touched(root, get):
    for name in (PICTURE, SCAN):
        (root / name).unlink()
    own = root / DATE / DRIVE / "notes.txt"
    own.write_text("mine")
    before = {name: (root / name).stat().st_ino for name in seen(root)}
    assert get() == 1
    assert seen(root) == FILES and own.read_text() == "mine"
    assert {name: (root / name).stat().st_ino for name in before} == before
    assert not (root / "archives" / "replaced").exists()
    assert get() == 0


def test_a_damaged_file_is_mended_and_set_aside(root, get, capsys):
    # one of another length, one of the same
    wrong = {PICTURE: FILES[PICTURE][:50], SCAN: b"\0" + FILES[SCAN][1:]}
    write(root, wrong)
    assert get() == 1
    assert "files unpacked: 10; moved to archives/replaced because they differed: 2" in capsys.readouterr().out
    assert seen(root) == FILES
    assert {name: set_aside(root, name) for name in wrong} == {name: [content] for name, content in wrong.items()}


def test_what_was_set_aside_before_is_not_lost(root, get):
    for content in (b"first", b"second", b"third"):
        write(root, {PICTURE: content})
        assert get() == 1
    assert set_aside(root, PICTURE) == [b"first", b"second", b"third"]
    assert seen(root) == FILES


@pytest.mark.parametrize("damage", ["missing", "empty", "longer"])
def test_damage_after_the_download_is_noticed_and_mended(root, get, damage):
    get()
    if damage == "missing":
        (root / PICTURE).unlink()
    else:
        write(root, {PICTURE: b"" if damage == "empty" else FILES[PICTURE] + b"x"})
    assert get() == 1
    assert seen(root) == FILES
    assert get() == 0


def test_pictures_converted_to_jpeg_count_as_there(root, get):
    get()
    for name in FILES:
        if name.endswith(".png"):
            (root / name).rename((root / name).with_suffix(".jpg"))
    assert get() == 0
    (root / PICTURE).with_suffix(".jpg").write_bytes(b"")
    assert get() == 1


def test_a_drive_unpacked_by_hand_is_there_once_it_has_all_listed_frames(root, get, server):
    frames = {f.frame for split in KITTI_SPLITS for f in packaged_frames(split) if f.folder.endswith(DRIVE)}
    assert len(frames) > 50
    top = f"{DATE}/{DRIVE}"
    images = {f"{top}/image_0{c}/data/{f:010d}.jpg": b"x" for f in frames for c in (2, 3)}
    scans = {f"{top}/velodyne_points/data/{f:010d}.bin": b"x" for f in frames}
    write(root, images | scans)
    assert get() == 0
    (root / top / "image_03" / "data" / f"{max(frames):010d}.jpg").unlink()
    assert get() == 1


def test_a_calibration_written_by_hand_is_there_once_it_has_all_files(server, tmp_path):
    server.add(calibration_path(), zip_bytes(calibration_files()))
    write(tmp_path, calibration_files())
    archives = chosen_archives(server.url, [DRIVE], calibration_only=True)
    assert download.download(archives, tmp_path) == [] and server.log == []
    (tmp_path / DATE / "calib_velo_to_cam.txt").write_text("")
    assert download.download(archives, tmp_path) == [] and len(server.log) == 2
    assert (tmp_path / DATE / "calib_velo_to_cam.txt").read_bytes() == calibration_files()[
        f"{DATE}/calib_velo_to_cam.txt"
    ]


def test_improved_maps_written_by_hand_are_there_once_they_have_all_listed_frames(server, tmp_path):
    server.add("/data_depth_annotated.zip", zip_bytes({f"val/{DRIVE}/proj_depth/groundtruth/image_02/1.png": b"x"}))
    frames = packaged_frames("eigen_benchmark/test")
    inside = [f"{f.folder.split('/')[1]}/proj_depth/groundtruth/image_02/{f.frame:010d}.png" for f in frames]
    names = [f"{('train', 'val')[number % 2]}/{name}" for number, name in enumerate(inside)]
    write(tmp_path, dict.fromkeys(names, b"x"))
    archives = chosen_archives(server.url, improved=True)
    assert download.download(archives, tmp_path) == [] and server.log == []
    (tmp_path / names[77]).unlink()
    assert download.download(archives, tmp_path) == [] and len(server.log) == 2


@pytest.mark.parametrize("arrangement", [f"{DRIVE}/{DATE}/{DRIVE}", DRIVE])
def test_a_drive_that_lies_elsewhere_is_completed_where_it_lies(server, tmp_path, arrangement):
    server.add(drive_path(), zip_bytes(FILES))
    write(tmp_path, {arrangement + name.removeprefix(f"{DATE}/{DRIVE}"): b"" for name in list(FILES)[:3]})
    write(tmp_path, calibration_files())
    assert download.download(drive_archives([DRIVE], server.url), tmp_path) == []
    assert not (tmp_path / DATE / DRIVE).exists()
    for name, content in FILES.items():
        assert (tmp_path / (arrangement + name.removeprefix(f"{DATE}/{DRIVE}"))).read_bytes() == content
    assert len(KittiRaw(tmp_path, split="available")) == 3


@pytest.mark.parametrize("link", [DATE, f"{DATE}/{DRIVE}", f"{DATE}/{DRIVE}/image_02", f"{DATE}/{DRIVE}/image_02/data"])
@pytest.mark.parametrize("dangling", [False, True])
def test_nothing_is_unpacked_through_a_link_out_of_the_root(server, tmp_path, link, dangling):
    server.add(drive_path(), zip_bytes(FILES))
    root, outside = tmp_path / "root", tmp_path / "outside"
    if not dangling:
        outside.mkdir()
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside)
    [problem] = download.download(drive_archives([DRIVE], server.url), root)
    assert "leads through a link out of" in problem
    assert dangling != outside.exists() and not any(outside.rglob("*"))
    assert (root / "archives" / f"{DRIVE}.zip").is_file(), "the archive is kept for when the link is gone"


def test_a_linked_file_is_set_aside_as_a_link_and_its_target_left_alone(root, get, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "picture.png"
    outside.write_bytes(b"precious")
    (root / PICTURE).unlink()
    (root / PICTURE).symlink_to(outside)
    assert get() == 1
    assert outside.read_bytes() == b"precious"
    assert seen(root) == FILES and not (root / PICTURE).is_symlink()
    assert set_aside(root, PICTURE) == [b"precious"]


def test_links_within_the_root_are_followed(server, tmp_path):
    server.add(drive_path(), zip_bytes(FILES))
    (tmp_path / "disk2").mkdir()
    (tmp_path / DATE).symlink_to(tmp_path / "disk2")
    assert download.download(drive_archives([DRIVE], server.url), tmp_path) == []
    assert (tmp_path / "disk2" / DRIVE / "image_02").is_dir()


def test_archives_elsewhere_by_a_link_are_refused(server, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "archives").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="archives is a link"):
        download.download(drive_archives([DRIVE], server.url), tmp_path)
    assert not any((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("what", ["folder for a file", "file for a folder"])
def test_a_folder_in_a_files_place_is_one_error(server, root, what):
    if what == "folder for a file":
        (root / PICTURE).unlink()
        (root / PICTURE).mkdir()
    else:
        for file in (root / PICTURE).parent.iterdir():
            file.unlink()
        (root / PICTURE).parent.rmdir()
        (root / PICTURE).parent.write_text("a file")
    [problem] = download.download(drive_archives([DRIVE], server.url), root)
    assert str((root / PICTURE) if what == "folder for a file" else (root / DATE / DRIVE)) in problem
    assert server.gets(drive_path()) == [None]
