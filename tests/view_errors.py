"""How well the two views of a sample fit each other by its depth."""

from lowtex.geometry import depth_to_disparity, warp_horizontal


def errors_beside(sample, known, offsets=(-2, -1, 0, 1, 2)) -> list[float]:
    """Mean differences of the views over ``known`` pixels ``(H, W)``, where the disparity is so many pixels off."""
    disparity = depth_to_disparity(sample.depth, sample.rig)[None]
    warped = [warp_horizontal(sample.other[None], sample.direction * (disparity + offset))[0] for offset in offsets]
    return [(view - sample.image).abs().mean(0)[known].mean().item() for view in warped]
