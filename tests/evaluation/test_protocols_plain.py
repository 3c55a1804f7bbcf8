"""Every protocol against an independent implementation: plain loops from the formulas, without anything of the kit."""

import math
import statistics

import numpy as np
import pytest
import torch
from known_depth import KnownDepth

from lowtex.datasets.sample import StereoSample
from lowtex.evaluation.evaluate import evaluate
from lowtex.evaluation.protocols import PROTOCOLS
from lowtex.geometry import StereoRig

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


def test_every_protocol_has_a_rule_here():
    assert set(RULES) == set(PROTOCOLS)


def between(values, position):
    """Linear interpolation in a list; positions outside take the end."""
    position = min(max(position, 0.0), len(values) - 1.0)
    low = min(int(position), len(values) - 2)
    return values[low] + (values[low + 1] - values[low]) * (position - low)


def resized(values, height, width, how):
    old_height, old_width = len(values), len(values[0])
    out = []
    for row in range(height):
        y, x = row * old_height / height, [column * old_width / width for column in range(width)]
        if how == "linear":
            y = (row + 0.5) * old_height / height - 0.5
            x = [(column + 0.5) * old_width / width - 0.5 for column in range(width)]
            lines = [between([values[r][c] for r in range(old_height)], y) for c in range(old_width)]
            out.append([between(lines, place) for place in x])
            continue
        if how == "centre":
            y = (row + 0.5) * old_height / height
            x = [(column + 0.5) * old_width / width for column in range(width)]
        out.append([values[int(y)][int(place)] for place in x])
    return out


def flipped_together(direct, mirrored):
    """Both of disparity; the second is of the mirrored image, and still mirrored."""
    out, width = [], len(direct[0])
    for a_row, b_row in zip(direct, mirrored, strict=True):
        line = []
        for x in range(width):
            here, there = x / (width - 1), (width - 1 - x) / (width - 1)
            left = 1 - min(max(20 * (here - 0.05), 0), 1)
            right = 1 - min(max(20 * (there - 0.05), 0), 1)
            a, b = a_row[x], b_row[width - 1 - x]
            line.append(right * a + left * b + (1 - left - right) * (a + b) / 2)
        out.append(line)
    return out


def plain(name, depth, mirrored, truth, scaling=None):
    """All metrics of one image; ``depth`` and ``mirrored`` (or None) are lists of lists in metres."""
    crop, least, farthest, outside, own_scaling, what, how = RULES[name]
    scaling = scaling or own_scaling
    height, width = len(truth), len(truth[0])
    disparity = [[1 / value for value in row] for row in depth]
    if mirrored is not None:
        disparity = flipped_together(disparity, [[1 / value for value in row] for row in mirrored])
    if what == "disparity":
        depth = [[1 / value for value in row] for row in resized(disparity, height, width, how)]
    else:
        depth = resized([[1 / value for value in row] for row in disparity], height, width, how)
    top, bottom, left, right = crop or (0, 1, 0, 1)
    pairs = []
    for row in range(int(top * height), int(bottom * height)):
        for column in range(int(left * width), int(right * width)):
            g = truth[row][column]
            if g > 0 and (outside != "drop" or least < g < farthest):
                pairs.append((min(max(g, least), farthest) if outside == "clamp" else g, depth[row][column]))
    factor = 1.0
    if scaling == "median":
        factor = statistics.median(g for g, _ in pairs) / statistics.median(p for _, p in pairs)
    elif scaling.startswith("x"):
        factor = float(scaling[1:])
    # focal length x baseline of the rig below, at the size of the truth
    unit = 50.0 * 0.5 * width / len(disparity[0])
    wrong = [(abs(unit / g - unit / (p * factor)), unit / g) for g, p in pairs]
    pairs = [(g, min(max(p * factor, least), farthest)) for g, p in pairs]
    worst = [max(g / p, p / g) for g, p in pairs]

    def mean(values):
        return math.fsum(values) / len(pairs)

    found = {
        "abs_rel": mean(abs(g - p) / g for g, p in pairs),
        "sq_rel": mean((g - p) ** 2 / g for g, p in pairs),
        "rmse": math.sqrt(mean((g - p) ** 2 for g, p in pairs)),
        "rmse_log": math.sqrt(mean((math.log(g) - math.log(p)) ** 2 for g, p in pairs)),
        **{f"d{k}": mean(w < 1.25**k for w in worst) for k in (1, 2, 3)},
        "pixels": len(pairs),
        "scale": factor,
    }
    if name.startswith("kitti_2015"):
        found["d1_all"] = mean(error > 3 and error > 0.05 * true for error, true in wrong)
    if name.startswith("make3d"):
        found["log10"] = math.sqrt(mean((math.log10(g) - math.log10(p)) ** 2 for g, p in pairs))
    return found


SIZES = [((24, 40), (37, 61)), ((32, 96), (12, 50))]


@pytest.mark.parametrize(("size", "truth_size"), SIZES)
@pytest.mark.parametrize("name", list(RULES))
def test_against_plain_loops(name, size, truth_size):
    random = np.random.default_rng([len(name), *size])
    truth = np.exp(random.uniform(np.log(2), np.log(120), truth_size)).astype(np.float32)
    truth[random.random(truth_size) < 0.4] = 0
    smooth = 20 + 8 * np.sin(np.arange(size[1]) / 5)[None] + 4 * np.cos(np.arange(size[0]) / 3)[:, None]
    direct, mirrored = (smooth * random.uniform(0.5, 2.5, size) for _ in range(2))
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    rig = StereoRig(focal_px=50.0, baseline_m=0.5, width=size[1], height=size[0])
    sample = StereoSample(image, rig, "one", depth=torch.from_numpy(truth)[None])
    maps = (torch.from_numpy(depth)[None] for depth in (direct, mirrored))
    network = KnownDepth(zip((image, image.flip(-1)), maps, strict=True))
    for flip in (False, True):
        for scaling in (None, "none", "median", "x5.4"):
            row = evaluate(network, [sample], name, flip=flip, scaling=scaling).per_image.iloc[0]
            want = plain(name, direct.tolist(), mirrored.tolist() if flip else None, truth.tolist(), scaling)
            got = {metric: row[metric] for metric in want}
            # OpenCV's weights of linear interpolation are single precision
            assert got == pytest.approx(want, rel=2e-6), (flip, scaling)
