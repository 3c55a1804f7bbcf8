"""KITTI with one frame for each kind of damage, and lists of its frames."""

from pathlib import Path

import dataset_damages as damages
from dataset_trees import FOLDER, picture, write_kitti, write_picture

IMAGES = f"{FOLDER}/image_02/data"


def a_list(root: Path, lines: str, name: str = "mine") -> str:
    (root / "splits").mkdir(exist_ok=True)
    (root / "splits" / f"{name}.txt").write_text(lines)
    return name


def frames(*numbers: int) -> str:
    return "".join(f"{FOLDER} {number} l\n" for number in numbers)


def image(root: Path, frame: int) -> Path:
    return root / IMAGES / f"{frame:010d}.png"


def everything_in(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def write_damaged_kitti(root: Path) -> Path:
    """Nine frames, listed in ``mine``, each with another thing wrong, but for the first and the last."""
    write_kitti(root, frames=range(9), scans=range(9))
    a_list(root, frames(*range(9)))
    damages.delete(image(root, 1))
    damages.empty(image(root, 2))
    damages.keep(0.5)(image(root, 3))
    write_picture(image(root, 4), picture(0, 12, 20))
    damages.stored("gray")(image(root, 5))
    damages.folder(image(root, 6))
    damages.flip_middle(image(root, 7))
    return root
