"""The paper in four drawings: the loop, residual blocks, skip connections, the white wall.

The first three are tables of boxes and arrows, ``diagrams.yaml``, and `_draw` draws such a table.
"""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import yaml
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patches import FancyArrowPatch

from lowtex_lab.miniature.render import Scene, StereoPair, render
from lowtex_lab.plots import style
from lowtex_lab.plots.saving import plot

_DRAWINGS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def _draw(name: str, pictures: dict[str, np.ndarray] | None = None):
    """A drawing of ``diagrams.yaml``; ``pictures`` are RGB arrays ``(H, W, 3)`` in [0, 1] by their node's name."""
    drawing = _DRAWINGS[name]
    figure = style.new_figure(drawing["height"])
    axes = figure.subplots()
    axes.set(xlim=(0, style.WIDTH_IN), ylim=(-0.1, drawing["height"] - 0.95))
    axes.set_axis_off()
    boxes, places = {}, {}
    for node, (x, y, text, look) in drawing["nodes"].items():
        places[node] = x, y
        if look == "picture":
            axes.text(x, y - 0.32, text, ha="center", va="top", fontsize=9, color=style.MUTED)
            shown = AnnotationBbox(OffsetImage(pictures[node], zoom=0.62), (x, y), pad=0.1)
            boxes[node] = axes.add_artist(shown).patch
        else:
            words = axes.text(x, y, text, ha="center", va="center", in_layout=False, **_DRAWINGS["looks"][look])
            boxes[node] = words.get_bbox_patch()
    for names, look in drawing["edges"]:
        for start, end in pairwise(names.split()):
            ends = {"patchA": boxes[start], "patchB": boxes[end], "shrinkB": 0 if boxes[end] is None else 1}
            axes.add_patch(FancyArrowPatch(places[start], places[end], zorder=2, **ends, **_DRAWINGS["arrows"][look]))
    return style.finish(figure, drawing["title"], drawing["caption"])


def _street(height: int, width: int) -> StereoPair:
    """A place in the miniature world where a brick facade and a plain wall stand side by side."""
    return render(Scene("Scene06"), 0, (height, width))


@plot
def diagram_stereo_loop():
    """Drawing 1: how a stereo pair supervises a network that sees one image, and where the feature maps come in."""
    pair = _street(60, 200)
    left, right = (view.permute(1, 2, 0).numpy() for view in (pair.left, pair.right))
    near = 3 / pair.depth_left[0].clamp(min=3).numpy() * (pair.depth_left[0] > 0).numpy()
    colours = style.disparity_colormap()
    pictures = {"left": left, "again": left, "right": right, "disparity": colours(near)[..., :3]}
    for name, view in (("right_map", right), ("left_map", left)):
        # edges of the picture, which stand for a map of a trained network
        grey = cv2.GaussianBlur(view.mean(axis=-1), (0, 0), 1.0)
        edges = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
        pictures[name] = colours(np.sqrt(np.minimum(edges / edges.max(), 0.4) / 0.4))[..., :3]
    return _draw("stereo_loop", pictures)


@plot
def diagram_blocks():
    """Drawing 2: the residual blocks of ResNet and of iResNet, and how often each stage rectifies its main path."""
    return _draw("blocks")


@plot
def diagram_decoders():
    """Drawing 3: plain skip connections beside the nested grid, in which deeper levels feed every upper one."""
    return _draw("decoders")


@plot
def diagram_white_wall():
    """Drawing 4: why a white wall teaches nothing through its pixels, and what the paper hopes from feature maps."""
    figure = style.new_figure(4.7)
    panels = figure.subplot_mosaic([["street", "street"], ["A", "B"]])
    style.place_image(panels["street"], _street(90, 300).left.permute(1, 2, 0).numpy())
    for name, place in {"A": (222, 38), "B": (272, 44)}.items():
        rim = {"boxstyle": "circle", "facecolor": "white", "edgecolor": style.TRUTH, "linewidth": 2}
        panels["street"].text(*place, name, ha="center", va="center", weight="bold", bbox=rim)
    tried = np.linspace(0, 40, 161)
    titles = {
        "A": "a textured facade: both losses point to the truth",
        "B": "a plain wall: no disparity looks wrong to the pixels",
    }
    # of each loss the width and the depth of its valley: on the wall that of the pixels is 4 % deep
    valleys = {
        "A": {"pixels": (2.2, 0.92), "features": (7.0, 0.92)},
        "B": {"pixels": (1.5, 0.04), "features": (11.0, 0.45)},
    }
    for (name, title), truth in zip(titles.items(), (16.0, 24.0), strict=True):
        axes = panels[name]
        for loss, look in style.loss_styles(valleys[name]).items():
            width, depth = valleys[name][loss]
            floor = 0.08 if name == "A" else 0.05
            values = floor + depth * (1 - np.exp(-np.abs(tried - truth) / width))
            axes.plot(tried, values, color=look.color, label=f"compare {look.label}")
        axes.axvline(truth, color=style.TRUTH, linestyle="--", label="true disparity")
        axes.set(title=f"{name}: {title}", xlabel="disparity tried", ylim=(0, 1.08), xticks=[], yticks=[])
    panels["A"].set_ylabel("loss")
    panels["B"].legend(loc="upper right")
    text = "A sketch of the paper's argument, not a measurement; notebook 03 measures these curves."
    return style.finish(figure, "4. A white wall: where the pixels are silent, do feature maps speak?", text)
