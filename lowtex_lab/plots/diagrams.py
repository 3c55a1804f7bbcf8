"""The paper in five drawings: the loop, residual blocks, skip connections, the white wall, the smoothness.

Boxes, arrows and small pictures on a sheet measured in inches, and a toy street to fill them.
"""

import cv2
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from lowtex.geometry import StereoRig, depth_to_disparity
from lowtex_lab.plots.saving import plot
from lowtex_lab.plots.style import (
    CAPTION_PT,
    INK,
    MUTED,
    TRUTH,
    WIDTH_IN,
    Figure,
    finish,
    loss_styles,
    new_figure,
    place_image,
    wrap,
)

BLUE, LIGHT_BLUE, GREY, ORANGE, GREEN = "#0072B2", "#DCEBF6", "#EEF0F3", "#D55E00", "#CFE8DF"
EDGE = "#7b828c"
_COLORS = {"conv": LIGHT_BLUE, "BN": "white", "ReLU": "#E3E5E8", "pool": "#F6E7C6"}
_WARN = "#F4B183"

_BRANCH = ["BN", "ReLU", "conv 3×3", "BN", "ReLU", "conv 3×3"]
_BLOCKS = {
    "ResNet, every block": (["conv 3×3", "BN", "ReLU", "conv 3×3", "BN"], ["ReLU"], ["conv 1×1,\nstride 2", "BN"]),
    "iResNet: Start": (
        ["conv 3×3", "BN", "ReLU", "conv 3×3", "BN"],
        [],
        ["max-pool\n3×3, stride 2", "conv 1×1", "BN"],
    ),
    "iResNet: Middle": (_BRANCH, [], []),
    "iResNet: End": (_BRANCH, ["BN", "ReLU"], []),
}
"""Block -> what stands on its branch, on the main path after the sum, and on its shortcut."""


class Sheet:
    """A blank figure whose coordinates are inches from the lower left corner.

    Args:
        height_in: of the whole figure.
        title: drawn at the top (0.45 in are taken), with a caption at the bottom (0.2 in a line).
        caption: as said.
    """

    def __init__(self, height_in: float, title: str, caption: str):
        self.figure = Figure(figsize=(WIDTH_IN, height_in))
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, WIDTH_IN), ylim=(0, height_in))
        self.axes.set_axis_off()
        left = {"x": 0.01, "ha": "left"}
        title, caption = wrap(self.figure, title, 12, "bold"), wrap(self.figure, caption, CAPTION_PT)
        self.figure.suptitle(title, y=1 - 0.09 / height_in, va="top", fontsize=12, fontweight="bold", color=INK, **left)
        self.figure.supxlabel(caption, y=0.06 / height_in, va="bottom", fontsize=CAPTION_PT, color=MUTED, **left)

    def box(self, x: float, y: float, width: float, height: float, text: str = "", color: str = GREY, **options):
        """A rounded box centred at (x, y), with text in it."""
        look = {"facecolor": color, "edgecolor": options.pop("edge", EDGE), "linewidth": options.pop("line", 0.9)}
        round_box = "round,pad=0,rounding_size=0.05"
        corner = (x - width / 2, y - height / 2)
        self.axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=round_box, zorder=3, **look))
        if text:
            self.text(x, y, text, **options)

    def text(self, x: float, y: float, text: str, size: float = 9.0, ha: str = "center", va: str = "center", **options):
        """Text at (x, y)."""
        self.axes.text(x, y, text, fontsize=size, ha=ha, va=va, zorder=6, **options)

    def arrow(self, start, end, color=INK, curve=0.0, line=1.3, linestyle="-", head=11):
        """An arrow from point to point; ``curve`` bends it, ``head`` is the size of its tip."""
        look = {"arrowstyle": "-|>", "mutation_scale": head, "shrinkA": 0, "shrinkB": 0, "zorder": 2}
        look |= {"color": color, "linewidth": line, "linestyle": linestyle}
        self.axes.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={curve}", **look))

    def path(self, points, color: str = INK, linestyle: str = "-", line: float = 1.3):
        """A line through points with an arrow head at its end."""
        points = np.asarray(points, float)
        self.axes.plot(points[:-1, 0], points[:-1, 1], color=color, linestyle=linestyle, linewidth=line, zorder=2)
        self.arrow(points[-2], points[-1], color=color, line=line, linestyle=linestyle)

    def circle(self, x: float, y: float, radius: float, text: str = "", color: str = "white", **options):
        """A circle with text in it."""
        edge = options.pop("edge", INK)
        self.axes.add_patch(Circle((x, y), radius, facecolor=color, edgecolor=edge, linewidth=1.1, zorder=4))
        if text:
            self.text(x, y, text, **options)

    def picture(self, array, x: float, y: float, width: float, **options) -> float:
        """An array as a picture centred at (x, y); returns its height in inches."""
        height = width * array.shape[0] / array.shape[1]
        corner, zorder = (x - width / 2, y - height / 2), options.pop("zorder", 3)
        extent = (corner[0], corner[0] + width, corner[1], corner[1] + height)
        self.axes.imshow(array, extent=extent, aspect="auto", zorder=zorder, **options)
        frame = {"fill": False, "edgecolor": EDGE, "linewidth": 0.8, "zorder": zorder}
        self.axes.add_patch(Rectangle(corner, width, height, **frame))
        self.axes.set(xlim=(0, WIDTH_IN), ylim=(0, self.figure.get_figheight()))
        return height


def toy_street(height: int = 60, width: int = 200, side_m: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A tiny street for diagrams only: a textured facade on the right, a plain wall on the left, a car, a road.

    Args:
        height, width: pixels.
        side_m: the camera's place to the right of the left camera.

    Returns:
        picture ``(H,W,3)`` in [0, 1] and disparity ``(H,W)`` in pixels for a baseline of 0.54 m, 0 in the sky.
    """
    rig = StereoRig(0.62 * width, 0.54)
    across = (np.arange(width) - width / 2) / rig.focal_px + np.zeros((height, 1))
    down = (np.arange(height)[:, None] - 0.44 * height) / rig.focal_px + np.zeros((1, width))
    picture = np.broadcast_to(np.array([0.74, 0.85, 0.95]), (height, width, 3)).copy()
    depth = np.full((height, width), np.inf)

    def paint(where: np.ndarray, distance: np.ndarray, color, pattern: np.ndarray) -> None:
        inside = where & (distance > 0) & (distance < depth)
        picture[inside] = np.clip(np.asarray(color) * pattern[inside][:, None], 0, 1)
        depth[inside] = distance[inside]

    with np.errstate(divide="ignore", invalid="ignore"):
        road = np.where(down > 0.004, 1.6 / down, -1.0)
        lane = np.abs(side_m + across * road + 0.2) < 0.12
        paint(down > 0.004, road, [0.42, 0.42, 0.45], np.where(lane & (np.sin(road * 1.2) > 0), 2.1, 1.0))
        for side, color in ((-1, [0.93, 0.92, 0.88]), (1, [0.66, 0.42, 0.32])):
            wall = (side * 6.5 - side_m) / across
            up = down * wall
            windows = 1 - 0.45 * ((np.sin(wall * 1.6) > 0.2) & (np.sin(up * 2.2) > -0.1)) if side > 0 else 1 + 0 * up
            rows = 1 + 0.1 * np.sign(np.sin(up * 12)) if side > 0 else 1
            paint((side * across > 0) & (up > -6) & (up < 1.6) & (wall < 60), wall, color, windows * rows)
        for x, distance, wide, high, color in (
            (-2.6, 11.0, 1.9, 1.4, [0.62, 0.1, 0.1]),
            (2.7, 19.0, 2.0, 1.6, [0.15, 0.25, 0.6]),
        ):
            at = np.full((height, width), distance)
            ahead, up = side_m + across * at, down * at
            body = (np.abs(ahead - x) < wide / 2) & (up < 1.6) & (up > 1.6 - high)
            paint(body, at, color, np.where((up < 1.6 - 0.55 * high) & (np.abs(ahead - x) < 0.38 * wide), 0.45, 1.0))
    known = torch.from_numpy(np.where(np.isfinite(depth), depth, 0.0))
    return picture, depth_to_disparity(known, rig).numpy()


@plot
def diagram_stereo_loop():
    """Drawing 1: how a stereo pair supervises a network that sees one image, and where the feature maps come in."""
    left, disparity = toy_street()
    right, _ = toy_street(side_m=0.54)
    sheet = Sheet(
        4.75,
        "1. The pair is the teacher: depth is right when one view, moved by it, becomes the other",
        "The network sees the left image only. The baseline skips FeatureNet: it warps the pixels of the right image "
        "and compares pixels. At test time only the top row is used: one image in, metres out.",
    )
    top, middle, bottom = 3.45, 2.2, 1.0
    images, nets, maps, last = 1.15, 3.2, 5.35, 7.75
    for y, picture, name in (
        (top, left, "left image"),
        (middle, right, "right image"),
        (bottom, left, "the left image again"),
    ):
        high = sheet.picture(picture, images, y, 1.95)
        sheet.text(images, y - high / 2 - 0.11, name, 8.5, color=MUTED)
        sheet.arrow((images + 1.0, y), (nets - 0.7, y))
        sheet.arrow((nets + 0.7, y), (maps - 1.05, y))
    sheet.box(nets, top, 1.36, 0.62, "depth network\n(is trained)", LIGHT_BLUE, edge=BLUE, line=1.6)
    for y in (middle, bottom):
        sheet.box(nets, y, 1.36, 0.62, "FeatureNet\n(frozen)", GREY)
    high = sheet.picture(disparity, maps, top, 1.95, cmap="magma")
    sheet.text(maps, top - high / 2 - 0.11, "disparity (depth is its inverse)", 8.5, color=MUTED)
    for y, picture, name in ((middle, right, "maps of the right image"), (bottom, left, "maps of the left image")):
        for step, layer in enumerate(_toy_maps(picture)):
            high = sheet.picture(
                layer, maps - 0.1 + 0.1 * step, y + 0.07 - 0.07 * step, 1.7, cmap="viridis", zorder=3 + step
            )
        sheet.text(maps, y - high / 2 - 0.18, name, 8.5, color=MUTED)
        sheet.arrow((maps + 1.05, y), (last - 0.72, y))
    sheet.box(last, middle, 1.36, 0.6, "warp\nalong the row", GREEN)
    sheet.box(last, bottom, 1.36, 0.6, "compare\n= data loss", "#FBE3D3", edge=ORANGE, line=1.6)
    sheet.box(last, top, 1.36, 0.6, "smoothness,\n1st + 2nd order", "#FBE3D3", edge=ORANGE, line=1.6)
    sheet.arrow((maps + 1.0, top), (last - 0.7, top))
    sheet.path([(maps + 1.16, top), (maps + 1.16, top - 0.62), (last, top - 0.62), (last, middle + 0.32)])
    sheet.arrow((last, middle - 0.31), (last, bottom + 0.32))
    back = top + 0.55
    sheet.path([(last + 0.7, bottom), (8.72, bottom), (8.72, back), (nets, back), (nets, top + 0.33)], ORANGE, "--")
    sheet.path([(last, top + 0.31), (last, back - 0.02), (last, back)], ORANGE, "--")
    sheet.text(5.4, back + 0.11, "gradients: only the depth network learns from these losses", 8.5, color=ORANGE)
    return sheet.figure


@plot
def diagram_blocks():
    """Drawing 2: the residual blocks of ResNet and of iResNet, and how often each stage rectifies its main path."""
    sheet = Sheet(
        6.3,
        "2. The encoder: fewer ReLUs on the main path, and a shortcut that looks at every pixel",
        "Blocks of two 3×3 convolutions (depth 18 and 34); deeper nets have 1×1, 3×3, 1×1 instead. The shortcuts drawn "
        "are those of a stage's first block where the size and the channels change: a 1×1 convolution with stride 2 "
        "reads one pixel in four. The block right after Start lacks its first BN. Parameter counts are equal "
        "(Duta et al. 2020, arXiv 2004.04989).",
    )
    for column, (name, parts) in enumerate(_BLOCKS.items()):
        _block(sheet, 0.25 + 2.22 * column, 5.68, name, parts)
    sheet.text(0.2, 1.5, "One stage of four blocks; orange: a ReLU on the main path", 9, ha="left", color=MUTED)
    _stage(sheet, 1.2, "ResNet", ["block"] * 4, [True] * 4)
    _stage(sheet, 0.86, "iResNet", ["Start", "Middle", "Middle", "End"], [False, False, False, True])
    return sheet.figure


def _block(sheet: Sheet, left: float, top: float, name: str, parts: tuple) -> None:
    branch, after, shortcut = parts
    main, side, step = left + 0.45, left + 1.45, 0.37
    sheet.text(left + 0.9, top, name, 10, fontweight="bold")
    enter, meet = top - 0.3, top - 2.9
    end = meet - 0.32 - step * len(after)
    sheet.arrow((main, enter), (main, end - 0.12), line=2.4, color=INK)
    sheet.axes.plot([main, side, side], [enter - 0.08, enter - 0.08, meet], color=MUTED, linewidth=1.2, zorder=1)
    sheet.arrow((side, meet), (main + 0.13, meet), color=MUTED, line=1.2)
    for row, part in enumerate(branch):
        sheet.box(side, enter - 0.36 - step * row, 0.86, 0.29, part, _COLORS[part.split()[0]])
    for row, part in enumerate(shortcut):
        tall = 0.44 if "\n" in part else 0.29
        y = enter - 0.75 - 0.52 * row
        color = _COLORS["pool"] if "pool" in part else _COLORS[part.split()[0]]
        sheet.box(main, y, 0.86, tall, part, color, size=8.5)
    if not shortcut:
        sheet.text(main - 0.1, enter - 1.3, "nothing in\nthe way", 8.5, rotation=90, ha="right", color=MUTED)
    sheet.circle(main, meet, 0.12, "+", size=11)
    for row, part in enumerate(after):
        warn = part == "ReLU"
        look = {"edge": ORANGE, "fontweight": "bold"} if warn else {}
        sheet.box(main, meet - 0.36 - step * row, 0.86, 0.29, part, _WARN if warn else _COLORS["BN"], **look)


def _stage(sheet: Sheet, y: float, name: str, blocks: list[str], rectified: list[bool]) -> None:
    sheet.text(0.2, y, name, 9.5, ha="left", fontweight="bold")
    x = 1.6
    for block, warn in zip(blocks, rectified, strict=True):
        sheet.arrow((x - 0.66, y), (x - 0.42, y), head=9)
        sheet.box(x, y, 0.84, 0.26, block, GREY)
        if warn:
            sheet.box(x + 0.61, y, 0.34, 0.22, "R", _WARN, edge=ORANGE, size=8.5, fontweight="bold")
        x += 1.5
    total = sum(rectified)
    sheet.text(x - 0.35, y, f"{total} ReLU{'s' if total > 1 else ''} on the main path", 9, ha="left")


@plot
def diagram_decoders():
    """Drawing 3: plain skip connections beside the nested grid, in which deeper levels feed every upper one."""
    sheet = Sheet(
        5.0,
        "3. The decoder: plain skips beside a nested grid, where deeper levels feed all upper ones",
        "Each circle is a map, X(level, column); column 0 is the encoder. Blue: from a deeper level, upsampled. Grey: "
        "skip at one size. Orange rims: a disparity is read off there (04 gives two, at half and at full size). Grid "
        "after UNet++ and HR-Depth.",
    )
    plain = {(level, 4 - level) for level in range(4)}
    nested = {(level, column) for level in range(4) for column in range(1, 5 - level)}
    for left, name, nodes in ((0.95, "U-Net", plain), (5.05, "nested grid", nested)):
        _grid(sheet, left, name, nodes)
    for level in range(5):
        sheet.text(0.48, _row(level), f"stride\n{2 ** (level + 1)}", 8.5, color=MUTED)
    return sheet.figure


def _row(level: int) -> float:
    return 3.72 - 0.7 * level


def _grid(sheet: Sheet, left: float, name: str, nodes: set[tuple[int, int]]) -> None:
    place = {(level, column): (left + 0.25 + 0.8 * column, _row(level)) for level in range(5) for column in range(5)}
    sheet.text(left, 4.45, name, 10.5, ha="left", fontweight="bold")
    shown = {(level, 0) for level in range(5)} | nodes
    for level in range(4):
        (x, y), (x2, y2) = place[level, 0], place[level + 1, 0]
        sheet.arrow((x, y - 0.23), (x2, y2 + 0.23), line=1.6)
    for level, column in sorted(nodes):
        x, y = place[level, column]
        below = place[level + 1, column - 1]
        sheet.arrow((below[0] + 0.16, below[1] + 0.16), (x - 0.16, y - 0.17), color=BLUE, line=1.8)
        for earlier in range(column):
            if (level, earlier) not in shown:
                continue
            start = place[level, earlier]
            near = column - earlier == 1 or name == "U-Net"
            if near:
                sheet.arrow((start[0] + 0.23, y), (x - 0.23, y), color="#8a919b", line=1.2, head=9)
            else:
                ends = (start[0] + 0.12, y + 0.2), (x - 0.14, y + 0.19)
                sheet.arrow(*ends, color="#b3b9c2", line=1.0, head=8, curve=-0.3)
    for level, column in sorted(shown):
        x, y = place[level, column]
        look = {"edge": ORANGE, "fontweight": "bold"} if (level, column) in {(0, 4), (1, 3), (2, 2)} else {}
        sheet.circle(x, y, 0.22, f"{level}{column}", color="white" if column == 0 else LIGHT_BLUE, size=9.5, **look)


@plot
def diagram_white_wall():
    """Drawing 4: why a white wall teaches nothing through its pixels, and what the paper hopes from feature maps."""
    figure = new_figure(4.7)
    grid = figure.add_gridspec(2, 2, height_ratios=[1.25, 1.3])
    street = figure.add_subplot(grid[0, :])
    place_image(street, toy_street(90, 300)[0])
    for name, place in {"A": (268, 34), "B": (22, 34)}.items():
        rim = {"markersize": 17, "markerfacecolor": "white", "markeredgecolor": ORANGE, "markeredgewidth": 2}
        street.plot(*place, marker="o", **rim)
        street.annotate(name, place, ha="center", va="center", fontsize=10, fontweight="bold", color=INK)
    # on the wall the pixel loss has a narrow dent of 4 %, the feature loss a slope
    facade, wall = {"pixels": (2.2, 0.92), "features": (7.0, 0.92)}, {"pixels": (1.5, 0.04), "features": (11.0, 0.45)}
    shapes = {
        "A: a textured facade: both losses point to the truth": (16.0, facade),
        "B: a white wall: no disparity looks wrong to the pixels": (24.0, wall),
    }
    tried = np.linspace(0, 40, 161)
    for column, (title, (truth, curves)) in enumerate(shapes.items()):
        axes = figure.add_subplot(grid[1, column])
        for name, style in loss_styles(curves).items():
            width, depth = curves[name]
            level = 1.0 if column == 0 else depth + 0.05
            loss = level - depth * np.exp(-np.abs(tried - truth) / width)
            axes.plot(tried, loss, color=style.color, label=f"compare {style.label}")
        axes.axvline(truth, color=TRUTH, linestyle="--", linewidth=1.3, label="true disparity")
        axes.set(title=title, xlabel="disparity tried", ylim=(0, 1.08), xticks=[], yticks=[])
        axes.set_ylabel("loss" if column == 0 else "")
    axes.legend(loc="upper right", fontsize=8.5)
    text = "A sketch of the paper's argument, not a measurement; notebook 03 measures these curves."
    return finish(figure, "4. A white wall: where the pixels are silent, do feature maps speak?", text)


def _toy_maps(picture: np.ndarray) -> list[np.ndarray]:
    grey = cv2.GaussianBlur(picture.mean(axis=-1).astype(np.float32), (0, 0), 1.0)
    edges = [np.abs(cv2.Sobel(grey, cv2.CV_32F, *order)) for order in ((0, 1), (1, 0))]
    return [np.sqrt(np.minimum(edge / edge.max(), 0.4)) for edge in edges] + [grey]
