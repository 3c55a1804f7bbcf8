"""Rows and a sample small enough that every figure is drawn in a fraction of a second."""

from itertools import product

import matplotlib.text
import numpy as np
import pandas as pd
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import StereoRig, depth_to_disparity, warp_horizontal
from lowtex_lab.plots.saving import refuse_blank

STRATA = {
    "none": ["all"],
    "known": ["low", "middle", "high"],
    "contrast": ["<0.01", "0.01-0.04", ">=0.04"],
    "distance": ["<10 m", "10-20 m", ">=20 m"],
    "known*distance": ["low/<10 m", "low/10-20 m", "high/<10 m", "high/10-20 m"],
}
DATA = {"train_data": "vkitti2 train", "eval_data": "vkitti2", "split": "eigen_like/test", "ground_truth": "vkitti2"}
PROTOCOL = {"protocol": "vkitti2_dense", "crop": "none", "cap_m": 80.0, "scaling": "none", "flip": False}
MADE = {"lowtex_version": "0.1.0+abc", "torch_version": "2.13.0", "device": "a processor", "threads": 2, "wall_s": 1.5}
MADE |= {"train_precision": "fp32", "eval_precision": "fp32", "created": "2025-01-01T00:00:00Z"}
SAME = DATA | PROTOCOL | MADE | {"profile": "quick", "status": "measured"}


def make_rows(methods=("baseline", "ours"), seeds=(0, 1, 2), miniature=True, kinds=tuple(STRATA)) -> pd.DataFrame:
    """Rows of `lowtex.evaluation.results.COLUMNS` whose values tell method, seed and stratum apart."""
    rows = []
    for (m, method), seed, kind in product(enumerate(methods), seeds, kinds):
        for s, stratum in enumerate(STRATA[kind]):
            row = {"experiment": method, "experiment_key": f"{method}{seed}", "seed": seed}
            row |= {"stratum_kind": kind, "stratum": stratum, "images": 40 - s, "pixels": 1000 * (s + 1)}
            value = 0.1 - 0.02 * m + 0.003 * seed + 0.01 * s
            rows += [row | {"metric": "abs_rel", "value": value}, row | {"metric": "d1", "value": 5 * value}]
    return pd.DataFrame(rows).assign(**SAME, miniature=miniature)


def make_sample(direction: float = 1.0) -> StereoSample:
    """A consistent pair of a slanted, textured wall."""
    height, width = 24, 72
    noise = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    texture = torch.nn.functional.avg_pool2d(noise, 5, 1, 2)
    texture = (texture - texture.min()) / (texture.max() - texture.min())
    rig = StereoRig(60.0, 0.5, cx=(width - 1) / 2, cy=(height - 1) / 2, width=width, height=height)
    depth = torch.linspace(5, 15, width).expand(1, 1, height, width).clone()
    shift = direction * depth_to_disparity(depth, rig)
    target = warp_horizontal(texture, shift)
    depth[..., :4, :] = 0
    name, known = "Scene20/clone/00012/l", torch.full((1, height, width), 0.05)
    visible = torch.ones(1, height, width, dtype=torch.bool)
    return StereoSample(target[0], rig, name, texture[0], direction, depth[0], known, visible=visible)


def make_errors(strata=("<0.01", "0.01-0.04", ">=0.04"), methods=("baseline", "ours"), seeds=5) -> pd.DataFrame:
    """Errors with intervals, as `errors_over_bins` takes them; one seed has none."""
    spread = 0.02 if seeds > 1 else np.nan
    rows = [
        {"experiment": method, "stratum": stratum, "error": 0.2 - 0.05 * m + 0.01 * s, "images": 40 - s}
        for m, method in enumerate(methods)
        for s, stratum in enumerate((*strata, "all"))
    ]
    errors = pd.DataFrame(rows).assign(metric="abs_rel", seeds=seeds, miniature=True)
    errors = errors.assign(protocol="vkitti2_dense", profile="quick", pixels=1000 * (41 - errors["images"]))
    return errors.assign(low=errors["error"] - spread, high=errors["error"] + spread)


def texts(figure) -> str:
    """All words of a figure, one text a line, as if nothing had been wrapped."""
    found = [" ".join(t.get_text().split()) for t in figure.findobj(matplotlib.text.Text)]
    return "\n".join(t for t in found if t)


def check_whole(figure) -> None:
    """Every word lies inside the figure, no panel's heading runs into the title, and none is empty."""
    figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    axis = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    ticks = {id(t) for one in axis for tick in (*one.get_major_ticks(), *one.get_minor_ticks()) for t in tick.findobj()}
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_text().strip() and text.get_visible() and id(text) not in ticks:
            box = text.get_window_extent()
            inside = box.x0 > -2 and box.y0 > -2 and box.x1 < width + 2 and box.y1 < height + 2
            assert inside, f"{text.get_text()!r} leaves the figure: {box}"
    title = figure._suptitle.get_window_extent()
    for axes in figure.axes:
        if axes.axison and axes.get_title(loc="left"):
            heading = axes._left_title.get_window_extent()
            assert heading.y1 <= title.y0 + 3, f"{axes.get_title(loc='left')!r} runs into the title"
    # all places are found; to find them again for the picture would take as long
    figure.set_layout_engine("none")
    refuse_blank(figure)
