"""Rows, a sample, a log and curves small enough that every figure is drawn in a fraction of a second."""

import numpy as np
import pandas as pd
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import StereoRig, depth_to_disparity, warp_horizontal

STRATA = {
    "none": ["all"],
    "known": ["low", "middle", "high"],
    "contrast": ["<0.01", "0.01-0.04", ">=0.04"],
    "distance": ["<10 m", "10-20 m", ">=20 m"],
    "known*distance": ["low/<10 m", "low/10-20 m", "high/<10 m", "high/10-20 m"],
}


def make_rows(methods=("baseline", "ours"), seeds=(0, 1, 2), miniature=True, kinds=tuple(STRATA)) -> pd.DataFrame:
    """Rows of `lowtex.evaluation.results.COLUMNS` whose values tell method, seed and stratum apart."""
    rows = []
    for m, method in enumerate(methods):
        for seed in seeds:
            for kind in kinds:
                for s, stratum in enumerate(STRATA[kind]):
                    for metric, scale in (("abs_rel", 1.0), ("d1", 5.0)):
                        rows.append(
                            {
                                "experiment": method,
                                "experiment_key": f"{method}{seed}",
                                "seed": seed,
                                "train_data": "vkitti2 train",
                                "eval_data": "vkitti2",
                                "split": "eigen_like/test",
                                "protocol": "vkitti2_dense",
                                "crop": "none",
                                "cap_m": 80.0,
                                "scaling": "none",
                                "flip": False,
                                "ground_truth": "vkitti2",
                                "stratum_kind": kind,
                                "stratum": stratum,
                                "metric": metric,
                                "value": scale * (0.1 - 0.02 * m + 0.003 * seed + 0.01 * s),
                                "images": 40 - s,
                                "pixels": 1000 * (s + 1),
                                "miniature": miniature,
                                "profile": "quick",
                                "status": "measured",
                                "lowtex_version": "0.1.0+abc",
                                "torch_version": "2.13.0",
                                "device": "a processor",
                                "threads": 2,
                                "wall_s": 1.5,
                                "created": "2025-01-01T00:00:00Z",
                            }
                        )
    return pd.DataFrame(rows)


def make_sample(direction: float = 1.0, focal_error: float = 1.0) -> StereoSample:
    """A consistent pair of a slanted, textured wall; ``focal_error`` spoils the calibration that it states."""
    height, width = 24, 72
    noise = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    texture = torch.nn.functional.avg_pool2d(noise, 5, 1, 2)
    texture = (texture - texture.min()) / (texture.max() - texture.min())
    rig = StereoRig(60.0, 0.5, cx=(width - 1) / 2, cy=(height - 1) / 2, width=width, height=height)
    depth = torch.linspace(5, 15, width).expand(1, 1, height, width).clone()
    shift = direction * depth_to_disparity(depth, rig)
    target = warp_horizontal(texture, shift)
    depth[..., :4, :] = 0
    stated = StereoRig(60.0 * focal_error, 0.5, cx=rig.cx, cy=rig.cy, width=width, height=height)
    return StereoSample(
        image=target[0],
        other=texture[0],
        rig=stated,
        name="Scene20/clone/00012/l",
        direction=direction,
        depth=depth[0],
        texture_contrast=torch.full((1, height, width), 0.05),
        visible=torch.ones(1, height, width, dtype=torch.bool),
    )


def make_log() -> pd.DataFrame:
    steps = np.arange(30)
    parts = [
        pd.DataFrame({"experiment": name, "seed": 0, "step": steps, "learning_rate": 1e-4,
                      "loss": 1 + level / (1 + steps), "smooth_first": 1e-3 * 2.0**steps})
        for name, level in (("baseline", 1.0), ("ours", 2.0))
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def make_landscape() -> pd.DataFrame:
    tried = np.linspace(0, 20, 41)
    parts = [
        pd.DataFrame({"place": place, "loss": loss, "disparity_px": tried, "truth_px": 8.0,
                      "value": scale * height * np.abs(tried - 8.0) / 12})
        for place, height in (("A", 1.0), ("B", 0.1))
        for loss, scale in (("pixels", 0.3), ("features", 40.0))
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def texts(figure) -> str:
    """All words of a figure, one text a line, as if nothing had been wrapped."""
    import matplotlib.text

    found = [" ".join(t.get_text().split()) for t in figure.findobj(matplotlib.text.Text)]
    return "\n".join(t for t in found if t)


def within(figure) -> None:
    """Every word lies inside the figure, and no panel's heading runs into the title."""
    import matplotlib.text

    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    width, height = figure.bbox.width, figure.bbox.height
    own = [t for t in figure.findobj(matplotlib.text.Text) if t.get_text().strip() and t.get_visible()]
    ticks = {id(label) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in _tick_texts(axis)}
    for text in own:
        if id(text) in ticks:
            continue
        box = text.get_window_extent(renderer)
        inside = box.x0 > -2 and box.y0 > -2 and box.x1 < width + 2 and box.y1 < height + 2
        assert inside, f"{text.get_text()!r} leaves the figure: {box}"
    title = figure._suptitle.get_window_extent(renderer)
    for axes in figure.axes:
        if axes.axison and axes.get_title(loc="left"):
            heading = axes._left_title.get_window_extent(renderer)
            assert heading.y1 <= title.y0 + 3, f"{axes.get_title(loc='left')!r} runs into the title"


def _tick_texts(axis):
    return [
        label for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()] for label in (tick.label1, tick.label2)
    ]
