"""What is done to a predicted map before it is compared: flip post-processing, and the resize to the truth's grid."""

import cv2
import numpy as np


def resize_map(values: np.ndarray, height: int, width: int, interpolation: str = "linear") -> np.ndarray:
    """A map ``(h, w)`` at another size, old cells to new cells; the same size returns it unchanged.

    Args:
        interpolation: ``linear``: pixel centres aligned, as OpenCV has it. ``nearest``: OpenCV's INTER_NEAREST (and
            torch's rule), new cell i takes old cell ``floor(i * old / new)``: the corner of what it covers, not its
            middle, so that a map made smaller is shifted by up to half a new cell. ``nearest_centre``: the old cell
            under the new one's centre, ``floor((i + 0.5) * old / new)``, in whole numbers (OpenCV's INTER_NEAREST_EXACT
            takes the other cell at some ties).
    """
    if values.shape == (height, width):
        return values
    if interpolation == "nearest_centre":
        rows, columns = (
            (2 * np.arange(new) + 1) * old // (2 * new) for old, new in zip(values.shape, (height, width), strict=True)
        )
        return values[rows[:, None], columns]
    how = {"linear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST}[interpolation]
    return cv2.resize(values, (width, height), interpolation=how)


def flip_postprocess(direct: np.ndarray, mirrored_back: np.ndarray) -> np.ndarray:
    """Combine the disparity of an image with that of its mirror image, already mirrored back.

    The mirrored prediction is trusted at the left border, where the direct one has never seen a match, and the other
    way round: ``l(x) = 1 - clip(20 (x - 0.05), 0, 1)`` for x in [0, 1] (Godard et al. 2017). Elsewhere both count half.

    Args:
        direct, mirrored_back: ``(..., H, W)`` of one shape, disparity (or inverse depth), any unit.
    """
    of_mirrored = 1.0 - np.clip(20.0 * (np.linspace(0.0, 1.0, direct.shape[-1]) - 0.05), 0.0, 1.0)
    of_direct = of_mirrored[::-1]
    both = 1.0 - of_direct - of_mirrored
    return of_direct * direct + of_mirrored * mirrored_back + both * 0.5 * (direct + mirrored_back)
