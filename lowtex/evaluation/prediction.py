"""Metric depth of single photos."""

import cv2
import numpy as np
import torch

from lowtex.datasets.images import resize_area, to_tensor
from lowtex.errors import DataError
from lowtex.geometry import StereoRig


@torch.no_grad()
def predict_photo(network, size: tuple[int, int], image: np.ndarray, focal_px: float, baseline_m: float) -> np.ndarray:
    """Depth of one photo.

    Args:
        network: has ``depth(image (1,3,H,W), rig) -> metres (1,1,H,W)``.
        size: (height, width) the network was trained at, multiples of 32.
        image: ``(h, w, 3)`` uint8 RGB at its own size.
        focal_px: focal length in pixels at that size.
        baseline_m: of the training cameras; a network whose scale is fixed does not look at it.

    Returns:
        ``(h, w)`` float32 metres. It is brought to the photo's size as inverse depth, as the protocols do.

    Raises:
        DataError: the prediction is not finite and positive.
    """
    height, width = image.shape[:2]
    rig = StereoRig(focal_px, baseline_m, width=width, height=height).resized(size[1], size[0])
    device = next(network.parameters()).device
    small = to_tensor(resize_area(image, size))[None].to(device)
    inverse = 1.0 / network.depth(small, rig)[0, 0].double().cpu().numpy()
    depth = 1.0 / cv2.resize(inverse, (width, height), interpolation=cv2.INTER_LINEAR)
    if not (np.isfinite(depth).all() and (depth > 0).all()):
        raise DataError("the network's depth is not finite and positive; the checkpoint is damaged, train it again")
    return depth.astype(np.float32)
