"""One loader item, one laser projection, one image's evaluation, step by step as Monodepth2's tools do them.

Written from the description of the method (Godard et al. 2019) and of its protocol (Eigen et al. 2014); nothing is
kept, shared or done at once that is done one by one there.
"""

import random
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageEnhance

from lowtex.evaluation.protocols import CROPS

SCALES = 4


def stereo_item(target: Path, other: Path, size: tuple[int, int], draw: random.Random) -> dict[tuple, torch.Tensor]:
    """A training item: both views at four scales, plain and with their colours changed, each a float tensor.

    Args:
        target, other: image files. size: (height, width) of the finest scale. draw: of the jitter's randomness.

    Returns:
        ``(kind, view, scale)`` -> ``(3, h, w)`` in [0, 1]; kind is ``plain`` or ``changed``.
    """
    height, width = size
    views, item = {}, {}
    for view, path in (("target", target), ("other", other)):
        with path.open("rb") as file, Image.open(file) as image:
            views[view] = image.convert("RGB")
    jitter = draw.random() > 0.5
    factors = [draw.uniform(0.8, 1.2) for _ in range(3)] + [draw.uniform(-0.1, 0.1)]
    order = draw.sample(range(4), 4)
    for view, image in views.items():
        for scale in range(SCALES):
            # each scale is made of the one before
            image = image.resize((width >> scale, height >> scale), Image.Resampling.LANCZOS)
            item["plain", view, scale] = _tensor(image)
            item["changed", view, scale] = _tensor(_jittered(image, factors, order) if jitter else image)
    return item


def _tensor(image: Image.Image) -> torch.Tensor:
    array = torch.from_numpy(np.array(image, copy=True))
    return array.permute(2, 0, 1).contiguous().to(torch.float32).div(255)


def _jittered(image: Image.Image, factors: list[float], order: list[int]) -> Image.Image:
    for change in order:
        if change == 0:
            image = ImageEnhance.Brightness(image).enhance(factors[0])
        elif change == 1:
            image = ImageEnhance.Contrast(image).enhance(factors[1])
        elif change == 2:
            image = ImageEnhance.Color(image).enhance(factors[2])
        else:
            hue, saturation, value = image.convert("HSV").split()
            turned = np.array(hue, np.uint8) + np.array(int(factors[3] * 255) % 256, np.uint8)
            image = Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert("RGB")
    return image


def projected_scan(points: np.ndarray, projection: np.ndarray, width: int, height: int) -> np.ndarray:
    """Sparse depth ``(height, width)`` of a scan, 0 = none: the laser's forward distance, nearest first.

    Points that share a pixel are found by counting pixel numbers, and each such pixel is then searched for on its own.

    Args:
        points: ``(N, 4)`` metres and reflectance. projection: ``(3, 4)`` from the laser to pixels.
    """
    points = points.copy()
    points[:, 3] = 1.0
    points = points[points[:, 0] >= 0, :]
    seen = np.dot(projection, points.T).T
    seen[:, :2] = seen[:, :2] / seen[:, 2][..., np.newaxis]
    seen[:, 2] = points[:, 0]
    seen[:, 0] = np.round(seen[:, 0]) - 1
    seen[:, 1] = np.round(seen[:, 1]) - 1
    inside = (seen[:, 0] >= 0) & (seen[:, 1] >= 0) & (seen[:, 0] < width) & (seen[:, 1] < height)
    seen = seen[inside, :]
    column, row = seen[:, 0].astype(int), seen[:, 1].astype(int)
    depth = np.zeros((height, width))
    depth[row, column] = seen[:, 2]
    numbers = row * width + column
    for number in [number for number, count in Counter(numbers).items() if count > 1]:
        same = np.where(numbers == number)[0]
        depth[row[same[0]], column[same[0]]] = seen[same, 2].min()
    depth[depth < 0] = 0
    return depth


def evaluated(inverse_depth: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The seven errors of one image: resized as disparity, inverted, Garg crop, 1e-3 to 80 m, clamped.

    Args:
        inverse_depth: ``(H, W)`` 1 / metres. truth: ``(h, w)`` metres, 0 = none.
    """
    height, width = truth.shape
    prediction = 1 / cv2.resize(inverse_depth, (width, height))
    mask = np.logical_and(truth > 1e-3, truth < 80)
    top, bottom, left, right = CROPS["garg"]
    crop = np.zeros(mask.shape)
    crop[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = 1
    mask = np.logical_and(mask, crop)
    truth, prediction = truth[mask].astype(np.float64), prediction[mask]
    prediction[prediction < 1e-3] = 1e-3
    prediction[prediction > 80] = 80
    worse = np.maximum(truth / prediction, prediction / truth)
    return {
        "abs_rel": float(np.mean(np.abs(truth - prediction) / truth)),
        "sq_rel": float(np.mean((truth - prediction) ** 2 / truth)),
        "rmse": float(np.sqrt(((truth - prediction) ** 2).mean())),
        "rmse_log": float(np.sqrt(((np.log(truth) - np.log(prediction)) ** 2).mean())),
        **{f"d{k}": float((worse < 1.25**k).mean()) for k in (1, 2, 3)},
    }
