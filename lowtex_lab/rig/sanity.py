"""Rules on what can be seen without matching anything: are a rig's numbers, and its views, of the usual kind?"""

import math

from lowtex.geometry import StereoRig
from lowtex_lab.rig.rules import DOUBTFUL, RIGHT, UNKNOWN, WRONG, Finding

BASELINE_USUAL_M = (0.01, 5.0)
FIELD_OF_VIEW_USUAL = (5.0, 140.0)
"""Horizontal, degrees."""

CENTRE_USUAL = 0.25
"""Distance of the principal point from the middle of the image, as a share of its side."""

PIXEL_ASPECT_USUAL = (0.8, 1.25)
BRIGHTNESS_USUAL = (0.8, 1.25)
"""Right view over left view."""

DARK = 0.06
"""Mean brightness, of [0, 1], below which both views are taken for wrongly scaled 16-bit images."""

SAME_PICTURE = 0.002
"""Mean absolute difference of the views, of [0, 1], below which they are one picture."""

PLAIN = 0.01
"""Standard deviation of a view, of [0, 1], below which nothing is to be seen in it."""


def judge_numbers(rig: StereoRig) -> Finding:
    """Are the numbers of the kind that rigs have? What is unusual is not wrong, but may be of the wrong unit."""
    angle = 2 * math.degrees(math.atan(rig.width / 2 / rig.focal_px))
    odd = []
    if not BASELINE_USUAL_M[0] <= rig.baseline_m <= BASELINE_USUAL_M[1]:
        odd.append(f"a baseline of {rig.baseline_m:g} m (millimetres? it must be metres)")
    if not FIELD_OF_VIEW_USUAL[0] <= angle <= FIELD_OF_VIEW_USUAL[1]:
        odd.append(
            f"a field of view of {angle:.0f} degrees, from focal_px {rig.focal_px:g} and width {rig.width} (is it the "
            "focal length in pixels, at that width?)"
        )
    for name, place, side in (("cx", rig.cx, rig.width), ("cy", rig.cy, rig.height)):
        if abs(place - (side - 1) / 2) > CENTRE_USUAL * side:
            odd.append(f"{name} = {place:g}, far from the middle of {side} px (is it of that size?)")
    if not PIXEL_ASPECT_USUAL[0] <= rig.fy / rig.focal_px <= PIXEL_ASPECT_USUAL[1]:
        odd.append(f"focal_y_px {rig.fy:g} against focal_px {rig.focal_px:g}")
    if odd:
        return Finding("numbers", DOUBTFUL, f"unusual: {'; '.join(odd)}")
    return Finding(
        "numbers", RIGHT, f"baseline {rig.baseline_m:g} m, field of view {angle:.0f} degrees: usual; are they yours?"
    )


def judge_views(left: float, right: float, apart: float, contrast: float) -> Finding:
    """Do the two cameras see alike?

    Args:
        left, right: mean brightness of the views, of [0, 1].
        apart: mean absolute difference of the views, of [0, 1].
        contrast: standard deviation of the left view, of [0, 1].
    """
    is_dark = max(left, right) < DARK
    if contrast < PLAIN and not is_dark:
        return Finding("views", UNKNOWN, "hardly anything is to be seen in them: take pairs with textured things")
    if apart < SAME_PICTURE and contrast >= PLAIN:
        return Finding("views", WRONG, "left and right are the same picture: one camera's images were copied twice")
    ratio = right / max(left, 1e-6)
    if is_dark:
        return Finding(
            "views",
            DOUBTFUL,
            f"both are almost black (mean {left:.3f} of 1); if a camera fills fewer than 16 bits, give image_bits",
        )
    if not BRIGHTNESS_USUAL[0] <= ratio <= BRIGHTNESS_USUAL[1]:
        return Finding("views", DOUBTFUL, f"the right view is {ratio:.2f} times as bright; training compares colours")
    return Finding("views", RIGHT, f"two pictures, equally bright (right / left {ratio:.2f})")
