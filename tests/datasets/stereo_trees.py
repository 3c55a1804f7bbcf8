"""A tiny stereo folder with everything in it known."""

from pathlib import Path

import cv2
import numpy as np
from dataset_trees import picture, write_map, write_picture

HEIGHT, WIDTH = 24, 40
STEMS = ("a", "b.1", "c")
RIG = {"focal_px": 30.0, "baseline_m": 0.25, "cx": 20.5, "cy": 11.0, "width": WIDTH, "height": HEIGHT}


def seed_of(stem: str, side: str) -> int:
    return 2 * STEMS.index(stem) + (side == "r")


def rig_text(**changes) -> str:
    """A ``rig.yaml``; a key set to None is left out."""
    values = {**RIG, **changes}
    return "".join(f"{key}: {value}\n" for key, value in values.items() if value is not None)


def write_stereo(root: Path, stems=STEMS, suffix: str = ".png", **changes) -> Path:
    for stem in stems:
        for side, folder in (("l", "left"), ("r", "right")):
            write_picture(root / folder / f"{stem}{suffix}", picture(seed_of(stem, side), HEIGHT, WIDTH))
    (root / "rig.yaml").write_text(rig_text(**changes))
    return root


def depth_values(stem: str) -> np.ndarray:
    """Metres in whole millimetres, (H, W) float32; the first row has none."""
    values = np.random.default_rng(100 + seed_of(stem, "l")).integers(500, 60000, (HEIGHT, WIDTH)) / 1000
    values[0] = 0
    return values.astype(np.float32)


def pfm_bytes(values: np.ndarray, little: bool = True) -> bytes:
    header = f"Pf\n{values.shape[1]} {values.shape[0]}\n{-1.0 if little else 1.0}\n".encode()
    return header + values[::-1].astype("<f4" if little else ">f4").tobytes()


def write_truth(path: Path, values: np.ndarray, unit: float = 0.001) -> None:
    """A map file of the kind that its ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    if suffix == ".png":
        write_map(path, np.round(values / unit).astype(np.uint16))
    elif suffix == ".pfm":
        path.write_bytes(pfm_bytes(values))
    elif suffix in (".tif", ".tiff"):
        write_map(path, values)
    else:
        with path.open("wb") as file:
            (np.save if suffix == ".npy" else np.savez)(file, values)


def encoded(suffix: str, values: np.ndarray) -> bytes:
    done, code = cv2.imencode(suffix, values)
    assert done
    return code.tobytes()
