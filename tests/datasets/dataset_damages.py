"""Ways to damage a file."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from dataset_trees import picture, write_map

Damage = Callable[[Path], object]


def delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def keep(part: float) -> Damage:
    return lambda path: path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])


def without_end(count: int) -> Damage:
    return lambda path: path.write_bytes(path.read_bytes()[:-count])


def flip_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(bytes(data))


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


def stored(values: np.ndarray) -> Damage:
    return lambda path: write_map(path, values)


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
