"""Which part of a picture and of its ground truth a protocol keeps, drawn on both."""

from collections.abc import Mapping

import numpy as np
from matplotlib.patches import Rectangle

from lowtex_lab.plots.arrays import as_map, as_picture, depth_bar, depth_range, show_depth
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import WIDTH_IN, finish, new_figure, place_image

WINDOW_COLORS = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73")
"""Of the windows, in their order; the truth's own are dashed in the same colours."""

_LEGEND_SHARE = 0.62
"""Width of the legend's column as a share of a picture's."""


@plot
def crop_windows(
    image,
    truth,
    windows: Mapping[str, object],
    truth_windows: Mapping[str, object] | None = None,
    title: str = "Which part counts",
    caption: str = "",
    miniature: bool = False,
):
    """A picture beside its ground truth, and windows in both; the truth is drawn over the picture's extent.

    Args:
        image: the whole picture ``(3,H,W)`` in [0, 1], at any size.
        truth: all of its ground truth ``(h,w)`` or ``(1,h,w)`` in metres, 0 = none.
        windows: what to write in the legend -> (top, bottom, left, right) as shares of the picture's height and width;
            one to four.
        truth_windows: the same for the windows cut out of the truth, drawn dashed, where they are not exactly the
            picture's; a name that both have gets one colour.
        title, caption: texts.
        miniature: mark it as such.

    Raises:
        ValueError: no window, more than four, or one that is not inside the picture.
    """
    given = {**windows, **(truth_windows or {})}
    if not 1 <= len(given) <= len(WINDOW_COLORS):
        raise ValueError(f"crop_windows takes 1 to {len(WINDOW_COLORS)} windows, got {len(given)}")
    boxes = [(name, _box(name, box), "-") for name, box in windows.items()]
    boxes += [(f"{name}: ground truth", _box(name, box), (0, (3, 2))) for name, box in (truth_windows or {}).items()]
    colors = dict(zip(given, WINDOW_COLORS, strict=False))
    picture, depth = as_picture(image), as_map(truth).astype(np.float32)
    height, width = picture.shape[:2]
    cell = WIDTH_IN / (2 + _LEGEND_SHARE)
    figure = new_figure(cell * height / width + 1.2, layout="compressed")
    left, right, side = figure.subplots(1, 3, width_ratios=[1, 1, _LEGEND_SHARE])
    place_image(left, picture, f"picture, {width}×{height}")
    near, far = depth_range(depth)
    shown = show_depth(right, depth, near, far, f"ground truth, {depth.shape[1]}×{depth.shape[0]} values")
    shown.set_extent(left.images[0].get_extent())
    for axes in (left, right):
        for name, (top, bottom, begin, end), line in boxes:
            corner = (begin * width - 0.5, top * height - 0.5)
            color = colors[name.removesuffix(": ground truth")]
            patch = Rectangle(corner, (end - begin) * width, (bottom - top) * height, label=name)
            patch.set(fill=False, edgecolor=color, linestyle=line, linewidth=2)
            axes.add_patch(patch)
    side.set_axis_off()
    side.legend(handles=left.patches, loc="upper left", borderaxespad=0, fontsize=8.5, handlelength=2.2)
    depth_bar(figure, shown, [left, right], near, far, location="bottom", aspect=38, pad=0.02, shrink=0.7)
    return finish(figure, title, caption, miniature=miniature)


def _box(name: str, box: object) -> tuple[float, float, float, float]:
    top, bottom, left, right = (float(value) for value in np.asarray(box))
    if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
        raise ValueError(f"window {name!r} is {(top, bottom, left, right)}; top < bottom, left < right, all in [0, 1]")
    return top, bottom, left, right
