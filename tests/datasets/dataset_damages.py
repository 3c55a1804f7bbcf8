"""Ways to damage a file, and the table of damages by layout."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import dataset_trees as trees
import numpy as np
import scipy.sparse
import yaml
from dataset_trees import a_list, encoded, frames, image, picture, write_kitti, write_map, write_picture

Damage = Callable[[Path], object]


def delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def smaller(path: Path) -> None:
    write_picture(path, picture(0, 12, 20))


def changed(change: Callable[[bytes], bytes]) -> Damage:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def flip(part: float) -> Damage:
    """Change the byte at that part of the file's length."""

    def flipped(data: bytes) -> bytes:
        place = int(part * len(data))
        return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]

    return changed(flipped)


flip_middle, flip_start = flip(0.5), flip(0.0)


def keep(part: float) -> Damage:
    return changed(lambda data: data[: int(part * len(data))])


def first(count: int) -> Damage:
    """Keep so many bytes; with a negative number, all but so many."""
    return changed(lambda data: data[:count])


empty = first(0)


def longer(count: int) -> Damage:
    return changed(lambda data: data + bytes(count))


def binary(content: str) -> Damage:
    return changed(lambda data: content.encode("latin-1"))


def text(content: str, times: int = 1) -> Damage:
    return lambda path: path.write_text(content * times)


def added(line: str) -> Damage:
    return changed(lambda data: data + f"{line}\n".encode())


def replaced(old: str, new: str) -> Damage:
    def damage(path: Path) -> None:
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new))

    return damage


def without_lines(word: str) -> Damage:
    return lambda path: path.write_text("".join(x for x in path.open().readlines() if word not in x))


def stored(kind: str, height: int = trees.HEIGHT, width: int = trees.WIDTH) -> Damage:
    """An image or a map of another kind in the file's place."""
    rgb = picture(0, height, width)
    values = {
        "rgb": rgb,
        "gray": rgb[:, :, 0],
        "rgba": np.dstack([rgb, rgb[:, :, 0]]),
        "deep": rgb.astype(np.uint16) * 257,
        "bright": np.full_like(rgb, 5000, np.uint16),
        "depth": trees.depth_values(0, height, width),
        "ones": np.ones((height, width), np.uint16),
        "zeros": np.zeros((height, width), np.uint16),
    }
    return lambda path: write_map(path, values[kind])


def jpeg(part: float) -> Damage:
    code = encoded(".jpg", picture(0))
    return changed(lambda data: code[: int(part * len(code))])


def copied_from(relative: str) -> Damage:
    def damage(path: Path) -> None:
        root = next(parent for parent in path.parents if (parent / relative).exists())
        shutil.copy(root / relative, path)

    return damage


def renamed(name: str) -> Damage:
    return lambda path: path.rename(path.with_name(name))


def beside(name: str) -> Damage:
    """Put a copy of another name into the folder."""
    return lambda path: path.with_name(name).write_bytes(path.read_bytes())


def points(values: list) -> Damage:
    return changed(lambda data: np.array(values, np.float32).tobytes())


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
    return lambda path: path.write_bytes(trees.flat_jpeg(9, height, width))


def newer_format(path: Path) -> None:
    """The head of a MATLAB 7.3 file, which is HDF5 inside."""
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM"
    path.write_bytes(head + b"\x89HDF\r\n\x1a\n" * 40)


def grid(kind: str, key: str = "Position3DGrid") -> Damage:
    """A MATLAB file of something else than Make3D's laser grid."""
    good = trees.grid_values(1)
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
    return lambda path: trees.write_grid(path, values.get(kind, kind), key)


def ranges(factor: float = 1.0, corner: float | None = None) -> Damage:
    """Make3D's ranges times a factor, and one of them, outside the crop, another: the file is damaged all the same."""
    values = trees.grid_values(1) * [1, 1, 1, factor]
    values[0, 0, 3] = values[0, 0, 3] if corner is None else corner
    return lambda path: trees.write_grid(path, values)


def rig(**changes: object) -> Damage:
    return text(trees.rig_text(**changes))


def _truth(kind: str) -> np.ndarray:
    """Ground truth of one's own rig in which something is wrong, at row 3, column 4 or everywhere."""
    good, one = trees.stereo_depth("a"), np.zeros((24, 40), np.float32)
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
    data = trees.pfm_bytes(_truth(kind))
    if header is not None:
        data = header.encode() + data[-_truth(kind).size * 4 :]
    return changed(lambda _: data)


def depth_beside(path: Path) -> None:
    trees.write_truth(path.parents[1] / "depth" / "a.npy", _truth("good"))


def png_instead(path: Path) -> None:
    path.unlink()
    trees.write_truth(path.with_suffix(".png"), _truth("good"))


def compressed_instead(path: Path) -> None:
    """A compressed ``.npz`` of which the first byte of the deflated numbers is wrong."""
    path.unlink()
    np.savez_compressed(path.with_suffix(".npz"), _truth("good"))
    data = bytearray(path.with_suffix(".npz").read_bytes())
    # a zip's entry: 30 bytes, its name, and the extra field of that length
    data[30 + len("arr_0.npy") + int.from_bytes(data[28:30], "little")] = 0xFF
    path.with_suffix(".npz").write_bytes(data)


def forbid(path: Path, monkeypatch) -> None:
    """Refuse to read a file or to list a folder; acted out, because no right that is taken away stops root."""
    owner, name = (os, "listdir") if path.is_dir() else (Path, "open")
    allowed = getattr(owner, name)

    def refuse(asked, *rest, **more):
        if Path(asked) == path:
            raise PermissionError(13, "Permission denied")
        return allowed(asked, *rest, **more)

    monkeypatch.setattr(owner, name, refuse)


def check(message: str, where: Path, word: str) -> None:
    """The message names the file, says what is wrong, and ends in a way out; on one line."""
    assert where.stem in message, message
    assert word in message, message
    assert any(way in message for way in ("unpack", "download", "get ", "write ", "give ")), message
    assert "\n" not in message


def write_damaged_kitti(root: Path) -> Path:
    """Nine frames of KITTI, listed in ``mine``, each with another thing wrong, but for the first and the last."""
    write_kitti(root, frames=range(9), scans=range(9))
    a_list(root, frames(*range(9)))
    for frame, damage in enumerate((delete, empty, keep(0.5), smaller, stored("gray"), folder, flip_middle), start=1):
        damage(image(root, frame))
    return root


def damage_of(what: str | dict) -> Damage:
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
    name: {case: (where, damage_of(what), words) for where in files for case, (what, words) in files[where].items()}
    for name, files in _DATA.items()
}
"""By layout and case: the file, what is done to it, and words of the message."""
