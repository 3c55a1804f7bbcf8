"""Drawing diagrams: boxes, arrows and small pictures on a sheet measured in inches, and a toy street to fill them."""

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from lowtex.geometry import StereoRig, depth_to_disparity
from lowtex_lab.plots.style import CAPTION_PT, INK, MUTED, WIDTH_IN, Figure, wrap

BLUE, LIGHT_BLUE, GREY, ORANGE, GREEN = "#0072B2", "#DCEBF6", "#EEF0F3", "#D55E00", "#CFE8DF"


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
        edge = options.pop("edge", "#7b828c")
        shape = FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=color, edgecolor=edge, linewidth=options.pop("line", 0.9), zorder=options.pop("zorder", 3),
        )  # fmt: skip
        self.axes.add_patch(shape)
        if text:
            self.text(x, y, text, **options)

    def text(self, x: float, y: float, text: str, size: float = 9.0, ha: str = "center", va: str = "center", **options):
        """Text at (x, y)."""
        self.axes.text(x, y, text, fontsize=size, ha=ha, va=va, zorder=options.pop("zorder", 6), **options)

    def arrow(self, start, end, color: str = INK, style: str = "-|>", curve: float = 0.0, **options):
        """An arrow from point to point; ``curve`` bends it."""
        self.axes.add_patch(
            FancyArrowPatch(
                start, end, arrowstyle=style, mutation_scale=options.pop("head", 11), color=color, shrinkA=0, shrinkB=0,
                linewidth=options.pop("line", 1.3), connectionstyle=f"arc3,rad={curve}",
                linestyle=options.pop("linestyle", "-"), zorder=options.pop("zorder", 2), **options,
            )
        )  # fmt: skip

    def path(self, points, color: str = INK, linestyle: str = "-", line: float = 1.3):
        """A line through points with an arrow head at its end."""
        points = np.asarray(points, float)
        self.axes.plot(points[:-1, 0], points[:-1, 1], color=color, linestyle=linestyle, linewidth=line, zorder=2,
                       solid_joinstyle="round")  # fmt: skip
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
        zorder = options.pop("zorder", 3)
        extent = (x - width / 2, x + width / 2, y - height / 2, y + height / 2)
        self.axes.imshow(array, extent=extent, aspect="auto", zorder=zorder, **options)
        self.axes.plot(
            [extent[0], extent[1], extent[1], extent[0], extent[0]],
            [extent[2], extent[2], extent[3], extent[3], extent[2]],
            color="#7b828c", linewidth=0.8, zorder=zorder,
        )  # fmt: skip
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
