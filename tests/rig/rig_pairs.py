"""Stereo folders whose every fault is known: three flat boards at 2, 4 and 8 metres, full of texture."""

from pathlib import Path

import cv2
import numpy as np

HEIGHT, WIDTH = 240, 360
FOCAL, BASELINE = 320.0, 0.1
DEPTHS = (8.0, 4.0, 2.0)
RIG = {"focal_px": FOCAL, "baseline_m": BASELINE, "cx": 179.5, "cy": 119.5, "width": WIDTH, "height": HEIGHT}


def texture(seed: int) -> np.ndarray:
    """``(H, 2 W, 3)`` uint8 with structure of several sizes, so that points can be found and told apart."""
    generator = np.random.default_rng(seed)
    total = np.zeros((HEIGHT, 2 * WIDTH, 3), np.float32)
    for size in (3, 7, 15):
        rough = generator.normal(size=total.shape).astype(np.float32)
        smooth = cv2.GaussianBlur(rough, (0, 0), size / 2)
        total += smooth / smooth.std()
    return np.clip(128 + 30 * total, 0, 255).astype(np.uint8)


def boards() -> np.ndarray:
    """Depth of each row, metres: the upper third is farthest."""
    return np.repeat(DEPTHS, HEIGHT // 3)


def pair(seed: int = 0, offset: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Left and right view, ``(H, W, 3)`` RGB; ``offset`` is added to every disparity (cx - cx_right)."""
    wide = texture(seed)
    shift = np.round(FOCAL * BASELINE / boards()).astype(int) + offset
    left = wide[:, WIDTH // 2 : WIDTH // 2 + WIDTH]
    right = np.stack([wide[row, WIDTH // 2 + d : WIDTH // 2 + d + WIDTH] for row, d in enumerate(shift)])
    return left, right


def depth_map() -> np.ndarray:
    return np.repeat(boards()[:, None], WIDTH, 1).astype(np.float32)


def write_folder(root: Path, pairs: list, truth: np.ndarray | None = None, kind: str = "depth", **changes) -> Path:
    """Write pairs, and ``rig.yaml`` with ``changes``; ``truth`` is every pair's."""
    for name in ("left", "right", *([kind] if truth is not None else [])):
        (root / name).mkdir(parents=True)
    for index, (left, right) in enumerate(pairs):
        for name, view in (("left", left), ("right", right)):
            assert cv2.imwrite(str(root / name / f"{index}.png"), np.ascontiguousarray(view[:, :, ::-1]))
        if truth is not None:
            np.save(root / kind / f"{index}.npy", truth)
    (root / "rig.yaml").write_text("".join(f"{key}: {value}\n" for key, value in {**RIG, **changes}.items()))
    return root


def lowered(view: np.ndarray, pixels: float) -> np.ndarray:
    """A view whose content lies ``pixels`` lower."""
    return moved(view, np.float32([[1, 0, 0], [0, 1, pixels]]))


def turned(view: np.ndarray, degrees: float, zoom: float = 1.0) -> np.ndarray:
    return moved(view, cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, zoom))


def moved(view: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(view, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
