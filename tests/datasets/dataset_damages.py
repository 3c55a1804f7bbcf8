"""Ways to damage a file."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import dataset_trees_make3d as make3d
import numpy as np
import scipy.sparse
import stereo_trees as stereo
import yaml
from dataset_trees import depth_values, picture, write_map, write_picture

Damage = Callable[[Path], object]


def delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def keep(part: float) -> Damage:
    return lambda path: path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])


def without_end(count: int) -> Damage:
    return lambda path: path.write_bytes(path.read_bytes()[:-count])


def flip(part: float) -> Damage:
    """Change the byte at that part of the file's length."""

    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(part * len(data))] ^= 0x55
        path.write_bytes(bytes(data))

    return damage


flip_middle, flip_start = flip(0.5), flip(0.0)


def text(content: str) -> Damage:
    return lambda path: path.write_text(content)


def replaced(old: str, new: str) -> Damage:
    def damage(path: Path) -> None:
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new))

    return damage


def without_lines(word: str) -> Damage:
    return lambda path: path.write_text("".join(x for x in path.open().readlines() if word not in x))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def stored(kind: str, height: int = 24, width: int = 40) -> Damage:
    """An image or a map of another kind in the file's place."""
    rgb = picture(0, height, width)
    values = {
        "rgb": rgb,
        "gray": rgb[:, :, 0],
        "rgba": np.dstack([rgb, rgb[:, :, 0]]),
        "deep": rgb.astype(np.uint16) * 257,
        "bright": np.full_like(rgb, 5000, np.uint16),
        "depth": depth_values(0, height, width),
        "ones": np.ones((height, width), np.uint16),
    }
    return lambda path: write_map(path, values[kind])


def jpeg(keep_bytes: float) -> Damage:
    def damage(path: Path) -> None:
        code = cv2.imencode(".jpg", picture(0))[1].tobytes()
        path.write_bytes(code[: int(keep_bytes * len(code))])

    return damage


def copied_from(relative: str) -> Damage:
    def damage(path: Path) -> None:
        root = next(parent for parent in path.parents if (parent / relative).exists())
        shutil.copy(root / relative, path)

    return damage


def points(values: list) -> Damage:
    return lambda path: path.write_bytes(np.array(values, np.float32).tobytes())


def binary(content: str) -> Damage:
    return lambda path: path.write_bytes(content.encode("latin-1"))


def repeated(content: str, times: int) -> Damage:
    return text(content * times)


def first(count: int) -> Damage:
    return lambda path: path.write_bytes(path.read_bytes()[:count])


def longer(count: int) -> Damage:
    return lambda path: path.write_bytes(path.read_bytes() + bytes(count))


def renamed(name: str) -> Damage:
    return lambda path: path.rename(path.with_name(name))


def beside(name: str) -> Damage:
    """Put a copy of another name into the folder."""
    return lambda path: path.with_name(name).write_bytes(path.read_bytes())


def smaller(path: Path) -> None:
    write_picture(path, picture(0, 12, 20))


def swap_cameras(path: Path) -> None:
    words = path.read_text().replace("P_rect_02", "x").replace("P_rect_03", "P_rect_02").replace("x:", "P_rect_03:")
    path.write_text(words)


def camera(group: str, field: str, *value: object) -> Damage:
    """Set a number of Cityscapes' camera file, or take it out."""

    def damage(path: Path) -> None:
        values = json.loads(path.read_text())
        del values[group][field]
        values[group] |= dict.fromkeys([field], *value) if value else {}
        path.write_text(json.dumps(values))

    return damage


huge_focal_length = camera("intrinsic", "fy", 10**400)


def flat(height: int, width: int) -> Damage:
    return lambda path: path.write_bytes(make3d.flat_jpeg(9, height, width))


def newer_format(path: Path) -> None:
    """The head of a MATLAB 7.3 file, which is HDF5 inside."""
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM"
    path.write_bytes(head + b"\x89HDF\r\n\x1a\n" * 40)


def grid(kind: str, key: str = "Position3DGrid") -> Damage:
    """A MATLAB file of something else than Make3D's laser grid."""
    good = make3d.grid_values(1)
    values = {
        "good": good,
        "one channel": good[:, :, 3],
        "three channels": good[:, :, :3],
        "on its side": good.transpose(1, 0, 2),
        "complex": good + 1j,
        "structure": {"depth": good},
        "cells": np.full((5, 5), "3 m", object),
        "sparse": scipy.sparse.eye(55),
    }
    return lambda path: make3d.write_grid(path, values.get(kind, kind), key)


def scaled_ranges(factor: float) -> Damage:
    return lambda path: make3d.write_grid(path, make3d.grid_values(1) * [1, 1, 1, factor])


def one_range(value: float) -> Damage:
    values = make3d.grid_values(1)
    # outside the crop: the file is damaged all the same
    values[0, 0, 3] = value
    return lambda path: make3d.write_grid(path, values)


def rig(**changes: object) -> Damage:
    return text(stereo.rig_text(**changes))


def added(line: str) -> Damage:
    return lambda path: path.write_text(path.read_text() + line + "\n")


def _truth(kind: str) -> np.ndarray:
    """Ground truth of one's own rig in which something is wrong, at row 3, column 4 or everywhere."""
    good, one = stereo.depth_values("a"), np.zeros((24, 40), np.float32)
    one[3, 4] = 1
    return {
        "good": good,
        "half": good[:12],
        "turned": good.T,
        "opposite": -good,
        "millimetres": good * 1000,
        "nan": np.where(one, np.float32(np.nan), good),
        "negative": np.where(one, np.float32(-1.5), good),
        "minus infinity": np.where(one, np.float32(-np.inf), good),
        "double": good.astype(np.float64) - 1e300,
        "objects": np.array([None, 1]),
        "text": np.array([["a"]]),
    }[kind]


def numbers(kind: str) -> Damage:
    return lambda path: np.save(path, _truth(kind), allow_pickle=True)


def pfm(kind: str, header: str | None = None) -> Damage:
    values = _truth(kind)
    data = stereo.pfm_bytes(values)
    if header is not None:
        data = header.encode() + data[-values.size * 4 :]
    return lambda path: path.write_bytes(data)


def depth_beside(path: Path) -> None:
    stereo.write_truth(path.parents[1] / "depth" / "a.npy", _truth("good"))


def png_instead(path: Path) -> None:
    path.unlink()
    stereo.write_truth(path.with_suffix(".png"), _truth("good"))


def forbid(path: Path, monkeypatch) -> None:
    """Take the right to read a file or folder away; where that stops nobody (root), the refusal is acted out."""
    path.chmod(0)
    if not os.access(path, os.R_OK):
        return
    owner, name = (os, "listdir") if path.is_dir() else (Path, "read_bytes")
    allowed = getattr(owner, name)

    def refuse(asked):
        if Path(asked) == path:
            raise PermissionError(13, "Permission denied")
        return allowed(asked)

    monkeypatch.setattr(owner, name, refuse)


def check(message: str, where: Path, word: str) -> None:
    """The message names the file, says what is wrong, and ends in a way out; on one line."""
    assert where.stem in message, message
    assert word in message, message
    assert any(way in message for way in ("unpack", "download", "get ", "write ", "give ")), message
    assert "\n" not in message


def _damage_of(what: str | dict) -> Damage:
    """What a row of ``damages.yaml`` does to a file: a function of this module, or what one makes of its arguments."""
    if isinstance(what, str):
        return globals()[what]
    [(name, given)] = what.items()
    if isinstance(given, dict):
        return globals()[name](**given)
    # the points of a scan are a list themselves
    return globals()[name](*(given if isinstance(given, list) and name != "points" else [given]))


_DATA = yaml.safe_load(Path(__file__).with_name("damages.yaml").read_text())
LISTS: dict[str, list] = _DATA.pop("lists")
TABLES: dict[str, dict[str, tuple[str, Damage, str]]] = {
    name: {case: (where, _damage_of(what), words) for where in files for case, (what, words) in files[where].items()}
    for name, files in _DATA.items()
}
"""By layout and case: the file, what is done to it, and words of the message."""
