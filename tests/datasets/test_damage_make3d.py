"""Every damaged input of Make3D is one clear error that names the file and the way out."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from dataset_damages import (
    Damage,
    check,
    copied_from,
    delete,
    empty,
    flip_middle,
    folder,
    forbid,
    keep,
    text,
    without_end,
)
from dataset_trees_make3d import HEIGHT, IDS, WIDTH, flat_jpeg, grid_values, write_grid, write_make3d

from lowtex.datasets import Make3D
from lowtex.errors import DataError

NAME = IDS[1]
IMAGE = f"Test134/img-{NAME}.jpg"
GRID = f"Gridlaserdata/depth_sph_corr-{NAME}.mat"


def jpeg_of(height: int, width: int) -> Damage:
    return lambda path: path.write_bytes(flat_jpeg(9, height, width))


def encoded(image: np.ndarray) -> Damage:
    return lambda path: path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def grid(values: object, key: str = "Position3DGrid") -> Damage:
    return lambda path: write_grid(path, values, key)


def ranges(change) -> Damage:
    values = grid_values(1)
    values[:, :, 3] = change(values[:, :, 3])
    return grid(values)


def one_place(value: float) -> Damage:
    values = grid_values(1)
    values[0, 0, 3] = value  # outside the crop: the file is damaged all the same
    return grid(values)


GRAY = np.zeros((HEIGHT, WIDTH), np.uint8)

# where, what is done to it, a word the message must hold beside the file's name
CASES: dict[str, tuple[str, Damage, str]] = {
    "image missing": (IMAGE, delete, "1 of 3"),
    "grid missing": (GRID, delete, "1 of 3"),
    "image empty": (IMAGE, empty, "0 bytes"),
    "image cut in half": (IMAGE, keep(0.5), "truncated"),
    "image without its last bytes": (IMAGE, without_end(2), "truncated"),
    "image cut in its header": (IMAGE, keep(0.01), "truncated"),
    "image a web page": (IMAGE, text("<!DOCTYPE html>"), "not a PNG or JPEG"),
    "image a folder": (IMAGE, folder, "folder"),
    "image a grid": (IMAGE, copied_from(GRID), "not a PNG or JPEG"),
    "image gray": (IMAGE, encoded(GRAY), "8-bit gray"),
    "image 16 bit": (IMAGE, encoded(np.zeros((8, 8, 3), np.uint16)), "16-bit"),
    "image halved": (
        IMAGE,
        jpeg_of(HEIGHT // 2, WIDTH // 2),
        "852x1136 pixels, but Make3D's test images are 1704x2272",
    ),
    "image turned": (IMAGE, jpeg_of(WIDTH, HEIGHT), "2272x1704 pixels, but Make3D's test images are 1704x2272"),
    "image already cropped": (IMAGE, jpeg_of(852, WIDTH), "1704x852"),
    "grid empty": (GRID, empty, "0 bytes"),
    "grid cut in half": (GRID, keep(0.5), "can't be read as a MATLAB file"),
    "grid without its last byte": (GRID, without_end(1), "can't be read as a MATLAB file"),
    "grid cut in its header": (GRID, lambda p: p.write_bytes(p.read_bytes()[:60]), "can't be read as a MATLAB file"),
    "grid cut after its header": (GRID, lambda p: p.write_bytes(p.read_bytes()[:128]), "holds no Position3DGrid"),
    "grid with a wrong byte": (GRID, flip_middle, "can't be read as a MATLAB file"),
    "grid a web page": (GRID, text("<!DOCTYPE html>\n" * 20), "can't be read as a MATLAB file"),
    "grid an image": (GRID, copied_from(IMAGE), "can't be read as a MATLAB file"),
    "grid a folder": (GRID, folder, "folder"),
    "grid of a newer format": (GRID, lambda p: p.write_bytes(newer_format()), "can't be read as a MATLAB file"),
    "grid under another name": (GRID, grid(grid_values(1), "depthMap"), "holds no Position3DGrid"),
    "grid without channels": (GRID, grid(grid_values(1)[:, :, 3]), "55x305 of type float64, where 55x305x4"),
    "grid with three channels": (GRID, grid(grid_values(1)[:, :, :3]), "55x305x3"),
    "grid lying on its side": (GRID, grid(grid_values(1).transpose(1, 0, 2)), "305x55x4"),
    "grid complex": (GRID, grid(grid_values(1) + 1j), "complex128"),
    "grid text": (GRID, grid("far away"), "55x305x4 real numbers"),
    "grid a structure": (GRID, grid({"depth": grid_values(1)}), "55x305x4 real numbers"),
    "grid of cells": (GRID, grid(np.full((5, 5), "3 m", object)), "object"),
    "grid sparse": (GRID, grid(scipy.sparse.eye(55)), "Position3DGrid"),
    "NaN": (GRID, one_place(np.nan), "not finite"),
    "infinity": (GRID, one_place(np.inf), "not finite"),
    "nothing measured": (GRID, ranges(np.zeros_like), "no range > 0"),
    "nothing but negative": (GRID, ranges(np.negative), "no range > 0"),
    "millimetres": (GRID, ranges(lambda values: values * 1000), "can't be metres"),
}


def newer_format() -> bytes:
    """The head of a MATLAB 7.3 file, which is HDF5 inside."""
    return b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" * 40


@pytest.mark.parametrize("case", CASES)
def test_make3d_damage(tmp_path, case):
    where, damage, word = CASES[case]
    write_make3d(tmp_path)
    if case in ("image missing", "grid missing", "grid empty"):  # reading is slow: three times is proof enough
        assert Make3D(tmp_path)[2].depth.min() > 0
    damage(tmp_path / where)
    with pytest.raises(DataError) as error:
        Make3D(tmp_path)[2]  # op31 is the last by name
    check(str(error.value), tmp_path / where, word)


@pytest.mark.parametrize("position", [0.0005, 0.1, 0.3, 0.7, 0.95, 0.9999])
def test_no_changed_byte_becomes_a_number(tmp_path, real_data, position):
    source = sorted((real_data / "make3d" / "Gridlaserdata").glob("*.mat"))[0]
    data = bytearray(source.read_bytes())
    data[136 + int(position * (len(data) - 137))] ^= 0x10
    target = tmp_path / "Gridlaserdata" / source.name
    target.parent.mkdir()
    target.write_bytes(data)
    (tmp_path / "Test134").mkdir()
    name = source.stem.removeprefix("depth_sph_corr-")
    (tmp_path / "Test134" / f"img-{name}.jpg").write_bytes(flat_jpeg(0))
    with pytest.raises(DataError, match="can't be read as a MATLAB file"):
        Make3D(tmp_path)[0]


@pytest.mark.parametrize("where", [IMAGE, GRID])
def test_unreadable(tmp_path, monkeypatch, where):
    write_make3d(tmp_path)
    reader = Make3D(tmp_path)
    forbid(tmp_path / where, monkeypatch)
    with pytest.raises(DataError, match=r"can't be read \(Permission denied\); check its permissions") as error:
        reader[reader.names.index(NAME)]
    assert Path(where).name in str(error.value)


def test_unreadable_folder(tmp_path, monkeypatch):
    write_make3d(tmp_path)
    forbid(tmp_path / "Gridlaserdata", monkeypatch)
    with pytest.raises(DataError, match=r"Gridlaserdata can't be listed \(Permission denied\); check its permissions"):
        Make3D(tmp_path)


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "something else"])
def test_wrong_root(tmp_path, kind):
    root = tmp_path / "data"
    if kind == "file":
        root.write_text("no folder")
    elif kind != "missing":
        root.mkdir()
        if kind == "something else":
            (root / "holiday").mkdir()
    for split in ("test", "available"):
        with pytest.raises(DataError, match="data.*http://make3d"):
            Make3D(root, split)


def test_root_too_high_or_too_low_names_the_right_folder(tmp_path):
    write_make3d(tmp_path / "outer" / "make3d", ids=IDS[:1])
    with pytest.raises(DataError, match="outer/make3d seems to: give that folder"):
        Make3D(tmp_path / "outer")
    with pytest.raises(DataError, match=r"Test134 holds no image .*give the folder above it, .*outer/make3d\)"):
        Make3D(tmp_path / "outer" / "make3d" / "Test134")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "0 bytes"),
        (b"\n \n", "lists no image"),
        (b"op31 l\n", "line 1"),
        (b"a\n../b\n", "line 2"),
        (b"\xff", "not"),
    ],
)
def test_damaged_list(tmp_path, content, word):
    write_make3d(tmp_path, ids=IDS[:1])
    (tmp_path / "mine.txt").write_bytes(content)
    with pytest.raises(DataError) as error:
        Make3D(tmp_path, tmp_path / "mine.txt")
    check(str(error.value), tmp_path / "mine.txt", word)


def test_one_grid_for_all_is_not_enough(tmp_path):
    write_make3d(tmp_path)
    for path in (tmp_path / "Gridlaserdata").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"3 of 3 images \(or their grids\) .*Gridlaserdata/depth_sph_corr-0607"):
        Make3D(tmp_path)
    with pytest.raises(DataError, match="holds no image with its grid"):
        Make3D(tmp_path, "available")
