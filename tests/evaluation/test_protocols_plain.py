"""Every protocol against an independent implementation: numpy from the formulas, without anything of the kit."""

import numpy as np
import pytest
import torch
from eval_samples import make_sample
from known_depth import KnownDepth

from lowtex.evaluation.evaluate import evaluate
from lowtex.evaluation.protocols import PROTOCOLS

GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
EIGEN = (0.3324324, 0.91351351, 0.0359477, 0.96405229)
# rows 256: of 768 and columns 192:1856 of 2048
MANYDEPTH = (1 / 3, 1.0, 0.09375, 0.90625)

# crop, least, farthest, what happens to true depth outside (drop, keep, clamp), scaling, resized map, resize
RULES = {
    "eigen_raw": (GARG, 1e-3, 80, "drop", "none", "disparity", "linear"),
    "eigen_raw_z": (GARG, 1e-3, 80, "drop", "none", "disparity", "linear"),
    "eigen_raw_eigen_crop": (EIGEN, 1e-3, 80, "drop", "none", "disparity", "linear"),
    "eigen_raw_smde": (GARG, 1e-3, 80, "clamp", "none", "depth", "linear"),
    "improved": (None, 1e-3, 80, "keep", "none", "disparity", "linear"),
    "improved_garg": (GARG, 1e-3, 80, "drop", "none", "disparity", "linear"),
    "improved_eigen_crop": (EIGEN, 1e-3, 80, "drop", "none", "disparity", "linear"),
    "improved_100m": (None, 1e-3, 100, "drop", "none", "disparity", "linear"),
    "improved_smde": (GARG, 1e-3, 80, "clamp", "none", "depth", "linear"),
    "kitti_2015": (None, 1e-3, 80, "keep", "none", "disparity", "linear"),
    "kitti_2015_occ": (None, 1e-3, 80, "keep", "none", "disparity", "linear"),
    "vkitti2_dense": (None, 1e-3, 80, "drop", "none", "disparity", "linear"),
    "vkitti2_garg": (GARG, 1e-3, 80, "drop", "none", "disparity", "linear"),
    "make3d_c1": (None, 0, 70, "drop", "median", "depth", "corner"),
    "make3d_c1_centred": (None, 0, 70, "drop", "median", "depth", "centre"),
    "cityscapes": (MANYDEPTH, 1e-3, 80, "drop", "none", "disparity", "linear"),
    "cityscapes_full": (None, 1e-3, 80, "drop", "none", "disparity", "linear"),
    "stereo_dense": (None, 1e-3, 80, "drop", "none", "disparity", "linear"),
}


def resized(values, shape, how):
    for axis, (old, new) in enumerate(zip(values.shape, shape, strict=True)):
        places = (np.arange(new) + (0 if how == "corner" else 0.5)) * old / new
        if how == "linear":
            values = np.apply_along_axis(
                lambda line, x: np.interp(x, range(len(line)), line), axis, values, places - 0.5
            )
        else:
            values = values.take(places.astype(int), axis)
    return values


def flipped_together(direct, mirrored):
    """Both of disparity; the second is of the mirrored image, and still mirrored."""
    left = 1 - np.clip(20 * (np.linspace(0, 1, direct.shape[1]) - 0.05), 0, 1)
    right = left[::-1]
    return right * direct + left * mirrored[:, ::-1] + (1 - left - right) * (direct + mirrored[:, ::-1]) / 2


def plain(name, depth, mirrored, truth, scaling=None):
    """All metrics of one image; maps in metres, ``mirrored`` may be None."""
    crop, least, farthest, outside, own_scaling, what, how = RULES[name]
    scaling = scaling or own_scaling
    disparity = 1 / depth if mirrored is None else flipped_together(1 / depth, 1 / mirrored)
    resize = disparity if what == "disparity" else 1 / disparity
    full = resized(resize, truth.shape, how)
    (height, width), (top, bottom, left, right) = truth.shape, crop or (0, 1, 0, 1)
    inside = np.s_[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]
    g, p = truth[inside], (1 / full if what == "disparity" else full)[inside]
    counts = (g > 0) & ((outside != "drop") | ((least < g) & (g < farthest)))
    g, p = g[counts], p[counts]
    g = np.clip(g, least, farthest) if outside == "clamp" else g
    factor = {"none": 1.0, "median": np.median(g) / np.median(p)}.get(scaling) or float(scaling[1:])
    p = p * factor
    # focal length x baseline of the sample's rig, at the size of the truth
    disparity_px, error_px = (60.0 * 0.5 * width / depth.shape[1] * parts for parts in (1 / g, abs(1 / g - 1 / p)))
    p = np.clip(p, least, farthest)
    worst = np.maximum(g / p, p / g)
    found = {
        "abs_rel": np.mean(abs(g - p) / g),
        "sq_rel": np.mean((g - p) ** 2 / g),
        "rmse": np.mean((g - p) ** 2) ** 0.5,
        "rmse_log": np.mean(np.log(g / p) ** 2) ** 0.5,
        **{f"d{k}": np.mean(worst < 1.25**k) for k in (1, 2, 3)},
        "pixels": len(g),
        "scale": factor,
    }
    if name.startswith("kitti_2015"):
        found["d1_all"] = np.mean((error_px > 3) & (error_px > 0.05 * disparity_px))
    if name.startswith("make3d"):
        found["log10"] = np.mean(np.log10(g / p) ** 2) ** 0.5
    return found


SIZES = [((24, 40), (37, 61)), ((32, 96), (12, 50))]


@pytest.mark.parametrize(("size", "truth_size"), SIZES)
@pytest.mark.parametrize("name", PROTOCOLS)
def test_against_plain_numpy(name, size, truth_size):
    random = np.random.default_rng([len(name), *size])
    truth = np.exp(random.uniform(np.log(2), np.log(120), truth_size)).astype(np.float32)
    truth[random.random(truth_size) < 0.4] = 0
    smooth = 20 + 8 * np.sin(np.arange(size[1]) / 5)[None] + 4 * np.cos(np.arange(size[0]) / 3)[:, None]
    direct, mirrored = (smooth * random.uniform(0.5, 2.5, size) for _ in range(2))
    sample = make_sample(size=size, depth=torch.from_numpy(truth)[None])
    maps = (torch.from_numpy(depth)[None] for depth in (direct, mirrored))
    network = KnownDepth(zip((sample.image, sample.image.flip(-1)), maps, strict=True))
    for flip in (False, True):
        for scaling in (None, "none", "median", "x5.4"):
            row = evaluate(network, [sample], name, flip=flip, scaling=scaling).per_image.iloc[0]
            want = plain(name, direct, mirrored if flip else None, truth.astype(float), scaling)
            got = {metric: row[metric] for metric in want}
            # OpenCV's weights of linear interpolation are single precision
            assert got == pytest.approx(want, rel=2e-6), (flip, scaling)
