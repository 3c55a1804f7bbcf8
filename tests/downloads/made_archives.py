"""Small archives in KITTI's layout, and zip archives that no honest person makes."""

import io
import stat
import zipfile
from pathlib import Path

import numpy as np

DRIVE = "2011_09_26_drive_0001_sync"
DATE = DRIVE[:10]
OTHER = "2011_09_26_drive_0002_sync"
FRAMES = 3


def zip_bytes(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of files by name, the same bytes whenever it's made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2012, 1, 9, 13, 57, 46)), content, method)
    return buffer.getvalue()


def drive_files(drive: str = DRIVE, frames: int = FRAMES) -> dict[str, bytes]:
    """What a drive's archive holds, by name: pictures of both colour cameras, scans and times."""
    import cv2

    generator = np.random.default_rng(int(drive[17:21]))
    top = f"{drive[:10]}/{drive}"
    files = {}
    for frame in range(frames):
        for camera in ("02", "03"):
            picture = generator.integers(0, 255, (40, 120, 3), dtype=np.uint8)
            files[f"{top}/image_{camera}/data/{frame:010d}.png"] = cv2.imencode(".png", picture)[1].tobytes()
        points = generator.uniform((5, -2, -1, 0), (30, 2, 1, 1), (200, 4)).astype("<f4")
        files[f"{top}/velodyne_points/data/{frame:010d}.bin"] = points.tobytes()
    return files | {f"{top}/image_02/timestamps.txt": b"2011-09-26 13:02:25.964389445\n" * frames}


def calibration_files(date: str = DATE) -> dict[str, bytes]:
    """What a date's calibration archive holds: made-up cameras of 120x40 pixels."""
    identity = "1 0 0 0 1 0 0 0 1"
    cameras = [f"calib_time: 09-Jan-2012 13:57:47\nR_rect_00: {identity}"]
    for number, shift in (("02", 4.0), ("03", -28.0)):
        cameras.append(f"S_rect_{number}: 120 40\nP_rect_{number}: 60 0 60 {shift} 0 60 20 0 0 0 1 0")
    axes = "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n"
    return {
        f"{date}/calib_cam_to_cam.txt": ("\n".join(cameras) + "\n").encode(),
        f"{date}/calib_velo_to_cam.txt": f"calib_time: 15-Mar-2012 11:37:16\n{axes}".encode(),
        f"{date}/calib_imu_to_velo.txt": f"calib_time: 25-May-2012 16:47:16\n{axes}".encode(),
    }


def drive_path(drive: str = DRIVE) -> str:
    """Where KITTI's server has a drive."""
    return f"/raw_data/{drive.removesuffix('_sync')}/{drive}.zip"


def calibration_path(date: str = DATE) -> str:
    """Where KITTI's server has a calibration."""
    return f"/raw_data/{date}_calib.zip"


def link_entry(name: str, target: str) -> bytes:
    """An archive with one good file, and a symbolic link."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("good/a.txt", "a")
        info = zipfile.ZipInfo(name)
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
    return buffer.getvalue()


def special_entry(name: str, kind: int) -> bytes:
    """An archive with an entry that claims to be a device, a pipe or a socket."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system = 3
        info.external_attr = (kind | 0o644) << 16
        archive.writestr(info, "")
    return buffer.getvalue()


def renamed(archive: bytes, old: str, new: str) -> bytes:
    """The archive with a name replaced by another of the same length, as zipfile itself wouldn't write it."""
    assert len(old) == len(new) and archive.count(old.encode()) == 2
    return archive.replace(old.encode(), new.encode("latin-1"))


def with_declared_size(archive: bytes, real: int, declared: int) -> bytes:
    """The archive with a file's unpacked size replaced in both headers."""
    before, after = real.to_bytes(4, "little"), declared.to_bytes(4, "little")
    assert archive.count(before) >= 2
    return archive.replace(before, after)


def tree(folder: Path) -> dict[str, bytes]:
    """Files below a folder by name, less what belongs to downloading itself."""
    files = (path for path in folder.rglob("*") if path.is_file())
    named = ((path.relative_to(folder).as_posix(), path.read_bytes()) for path in files)
    return {name: content for name, content in named if not name.startswith("archives/")}


def kept(root: Path) -> list[str]:
    """What is kept for downloading, less the lock."""
    return sorted(entry.name for entry in (root / "archives").iterdir() if entry.name != ".lock")
