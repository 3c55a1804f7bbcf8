"""A tiny Cityscapes in the real layout, with everything in it known; written by the tests that read it."""

import json
from pathlib import Path

import numpy as np
from dataset_trees import picture, write_map, write_picture

HEIGHT, WIDTH = 20, 40
FX, FY, U0, V0, BASELINE = 44.0, 45.0, 20.5, 10.25, 0.25
KINDS = {"l": "leftImg8bit", "r": "rightImg8bit"}
FRAMES = {"train": {"aachen": (1, 19), "bad-honnef": (7,)}, "val": {"lindau": (0,)}}
"""Numbers of the frames, all of the drive 3, by split and city: 4 in all."""


def stem(city: str, frame: int) -> str:
    return f"{city}_000003_{frame:06d}"


def path_of(root: Path, kind: str, part: str, city: str, frame: int, suffix: str = "png") -> Path:
    return root / kind / part / city / f"{stem(city, frame)}_{kind}.{suffix}"


def view(city: str, frame: int, side: str) -> np.ndarray:
    return picture(100 * len(city) + 2 * frame + (side == "r"), HEIGHT, WIDTH)


def disparity_values(frame: int) -> np.ndarray:
    """Row 0 has none (0), row 1 has exactly 0 px (1), row 2 has 10 px, the others are random."""
    values = np.random.default_rng(frame).integers(2, 5000, (HEIGHT, WIDTH)).astype(np.uint16)
    values[0], values[1], values[2] = 0, 1, 10 * 256 + 1
    return values


def camera_values() -> dict:
    """As in the real files: the fields the kit reads, and some that place the camera in the car."""
    return {
        "extrinsic": {"baseline": BASELINE, "pitch": 0.03, "roll": 0.0, "x": 1.7, "y": 0.1, "yaw": -0.02, "z": 1.22},
        "intrinsic": {"fx": FX, "fy": FY, "u0": U0, "v0": V0},
    }


def write_cityscapes(root: Path, frames=FRAMES, apart: bool = False, suffix: str = "png", cameras: bool = True) -> None:
    """Pairs, disparity and camera files; ``apart`` keeps a folder for each archive."""
    for part, cities in frames.items():
        for city, numbers in cities.items():
            for frame in numbers:
                for side, kind in KINDS.items():
                    base = root / f"{kind}_trainvaltest" if apart else root
                    write_picture(path_of(base, kind, part, city, frame, suffix), view(city, frame, side))
                base = root / "disparity_trainvaltest" if apart else root
                write_map(path_of(base, "disparity", part, city, frame), disparity_values(frame))
                if cameras:
                    base = root / "camera_trainvaltest" if apart else root
                    path = path_of(base, "camera", part, city, frame, "json")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(json.dumps(camera_values(), indent=4))
