"""The look every figure shares: `lowtex.mplstyle`, colours, the title above and the caption below.

Nothing here draws through pyplot. A figure is a `matplotlib.figure.Figure` made directly, so no global state is left
behind and nothing has to be closed; the settings hold only while a plot is drawn or saved.
"""

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LogNorm
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.text import Annotation
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from lowtex.errors import DataError
from lowtex_lab.plots.tidy import LOOK, in_order

WIDTH_IN = 9.0
"""Width of every figure, inches: 1350 pixels saved at `DPI`, shown at about 900 in a README."""

DPI = 150
CAPTION_PT = 8.5
INK = "#222222"
MUTED = "#555555"
NO_DATA = "#c9c9c9"
"""Colour of pixels without a value (no ground truth)."""

TRUTH = "#D55E00"
"""Colour of whatever is known to be true: the true disparity in a loss curve, a ground-truth line."""

STYLE = matplotlib.rc_params_from_file(Path(__file__).with_name("lowtex.mplstyle"), use_default_template=False)


@dataclass(frozen=True)
class MethodStyle:
    """How one method is drawn everywhere: legend text, colour, marker and line style."""

    label: str
    color: str
    marker: str
    linestyle: str = "-"


METHODS = {name: MethodStyle(**look) for name, look in LOOK["methods"].items()}
"""The four named methods, in reading order."""

_LOSSES = {name: MethodStyle(**look) for name, look in LOOK["losses"].items()}


def method_styles(names: Iterable[str]) -> dict[str, MethodStyle]:
    """Styles of several methods, in reading order: the four named ones first, then others in order of appearance.

    A method that has no colour of its own takes the next spare one; ten spare colours exist, then they repeat
    with another line style.
    """
    names = list(dict.fromkeys(map(str, names)))
    styles = {name: METHODS[name] for name in METHODS if name in names}
    for index, name in enumerate(name for name in names if name not in METHODS):
        turn, slot = divmod(index, len(LOOK["spare"]))
        line = ("-", "--", ":")[turn % 3]
        styles[name] = MethodStyle(name.replace("_", " "), linestyle=line, **LOOK["spare"][slot])
    return styles


def loss_styles(losses: Iterable[str]) -> dict[str, MethodStyle]:
    """Styles of data terms, always the same for the known ones; of other names as in `method_styles`."""
    names = list(dict.fromkeys(map(str, losses)))
    known = {name: _LOSSES[name] for name in names if name in _LOSSES}
    return known | method_styles(name for name in names if name not in known)


def depth_colormap() -> Colormap:
    """Near is bright, far is dark; no value is light grey."""
    return matplotlib.colormaps["magma_r"].with_extremes(bad=NO_DATA)


def disparity_colormap() -> Colormap:
    """Near, a large disparity, is bright as in `depth_colormap`; no value is light grey."""
    return matplotlib.colormaps["magma"].with_extremes(bad=NO_DATA)


def depth_norm(near_m: float, far_m: float) -> LogNorm:
    """Logarithmic metres, so that the near half of a street does not share one colour."""
    return LogNorm(near_m, far_m, clip=True)


class Figure(MatplotlibFigure):
    """A matplotlib figure that a notebook shows without pyplot having been imported.

    ``trimmed``: `finish` takes away the empty bands that images of a fixed shape leave. ``legend_columns``: of the
    legend under the title.
    """

    trimmed = False
    legend_columns = 5

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        with styled():
            self.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
        return buffer.getvalue()


@contextmanager
def styled() -> Iterator[None]:
    """Draw or save within the kit's style; the caller's settings are untouched afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def new_figure(height_in: float, *, width_in: float = WIDTH_IN, layout: str = "constrained") -> Figure:
    """An empty figure of the common width. ``layout='compressed'`` keeps grids of images tight."""
    figure = Figure(figsize=(width_in, height_in), layout=layout)
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.05, h_pad=0.05, wspace=0.02, hspace=0.02)
    figure.trimmed = layout == "compressed"
    return figure


def finish(figure: Figure, title: str, *said: str, miniature: bool = False) -> Figure:
    """Put the title above and the caption line below, and mark a miniature as one.

    Args:
        figure: made with `new_figure`; its layout engine makes room for both texts.
        title: one sentence; wrapped to the figure's width.
        said: parts of the caption, what stands behind the picture: images, seeds, protocol; empty ones are left out.
        miniature: the data are the kit's own small world, which the title must say.
    """
    caption = " · ".join(part for part in said if part)
    title = wrap(figure, f"{title} — miniature data" if miniature else title, 12, "bold")
    legend = figure.legends[0] if figure.legends and not figure.trimmed else None
    if legend is not None:
        # the title ends in empty lines, which are the legend's place: matplotlib would put one over the other
        title += "\n " * -(-len(legend.get_texts()) // figure.legend_columns)
        legend.set_in_layout(False)
    texts = [figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)]
    if caption:
        caption = wrap(figure, caption, CAPTION_PT)
        texts.append(figure.supxlabel(caption, x=0.01, ha="left", fontsize=CAPTION_PT, color=MUTED))
    if legend is not None:
        # where the layout will put the title, without a whole layout to find it
        texts[0].set_y(1 - figure.get_layout_engine().get()["h_pad"] / figure.get_figheight())
        bottom = texts[0].get_window_extent().y0 / figure.bbox.height
        legend.set_loc("lower left")
        legend.set_bbox_to_anchor((0.004, bottom - 0.05 / figure.get_figheight()))
    elif figure.trimmed:
        figure.draw_without_rendering()
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        content = max(box.y1 for box in boxes) - min(box.y0 for box in boxes)
        around = [*texts, *figure.legends]
        content += sum(part.get_window_extent().height for part in around)
        figure.set_figheight(content / figure.dpi + 0.12 * (1 + len(around)))
    return figure


def wrap(figure: MatplotlibFigure, text: str, points: float, weight: str = "normal") -> str:
    """Break ``text`` into lines that fit the figure's width, by the mean width of a letter of the font."""
    letters = 72 * figure.get_figwidth() / (points * (0.66 if weight == "bold" else 0.54))
    return textwrap.fill(text, int(letters), break_long_words=False, break_on_hyphens=False)


def legend_row(figure: Figure, most: int = 5) -> None:
    """One legend for all panels in a row of its own, which `finish` puts under the title."""
    handles = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend_columns = min(len(handles), most)
    columns = {"ncols": figure.legend_columns, "borderaxespad": 0, "columnspacing": 1.6}
    figure.legend(handles.values(), handles.keys(), **columns)


def strata_panels(rows: pd.DataFrame, what: str, height_in: float, **options) -> tuple[Figure, dict]:
    """A row of panels, one for each stratum of ``rows`` in reading order: the figure, and stratum -> axes.

    Raises:
        DataError: more than three strata.
    """
    strata = in_order(rows["stratum"])
    if len(strata) > 3:
        raise DataError(f"{what} takes at most 3 strata ({len(strata)} given)")
    figure, panels = panel_rows(len(strata), height_in - 1.2, len(strata), sharey=True, **options)
    for axes, stratum in zip(panels, strata, strict=True):
        axes.set_title(stratum_title(stratum))
    return figure, dict(zip(strata, panels, strict=True))


def panel_rows(count: int, row_in: float, columns: int = 3, **options) -> tuple[Figure, list]:
    """That many panels, ``columns`` a row and ``row_in`` inches high each; places left over stay blank."""
    columns = min(count, columns)
    rows = -(-count // columns)
    figure = new_figure(1.2 + row_in * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for blank in panels[count:]:
        blank.set_axis_off()
    for axes in panels[max(count - columns, 0) : count]:
        axes.tick_params(labelbottom=True)
    return figure, panels[:count]


def stratum_title(stratum: str) -> str:
    """What stands above a panel."""
    if stratum in ("low", "middle", "high"):
        return f"{stratum} texture"
    return "all pixels" if stratum == "all" else str(stratum)


def method_lines(axes, rows: pd.DataFrame, x: str, y: str, by: str, styles: dict[str, MethodStyle], **look) -> None:
    """A line for each name in the column ``by``, in its own look; several rows at one ``x`` give their mean."""
    # it brings scipy.stats, a second of processor time, so that it is imported where it draws
    import seaborn

    for name, style in styles.items():
        own = rows[rows[by].astype(str) == name]
        if own[y].notna().any():
            options = {"markersize": 5.5, "markeredgewidth": 0, "errorbar": None, "linestyle": style.linestyle, **look}
            options["marker"] = style.marker if options.get("marker") is None else options["marker"]
            options |= {"color": style.color, "label": style.label, "legend": False}
            seaborn.lineplot(own, x=x, y=y, ax=axes, **options)
    axes.set(xlabel="", ylabel="")


def method_dots(axes, rows: pd.DataFrame, x, y, style: MethodStyle, **look) -> None:
    """Dots of one method, with a white rim that keeps neighbours apart."""
    look = {"marker": style.marker, "color": style.color, "markersize": 6, "zorder": 3, **look}
    axes.plot(rows[x], rows[y], linestyle="", **{"markeredgecolor": "white", "markeredgewidth": 0.7, **look})


def note(axes, text: str, place: tuple, shift: tuple[float, float] = (0, 0), **look) -> Annotation:
    """Write ``text`` at a place of the data (or ``xycoords``), moved by ``shift`` points."""
    look = {"fontsize": 8.5, "va": "center", **look}
    return axes.annotate(text, place, xytext=shift, textcoords="offset points", **look)


def log_axis(axis, values, ticks: int = 8) -> None:
    """A logarithmic axis over some values, with at most so many round numbers on it."""
    least, most = float(np.min(values)) / 1.06, float(np.max(values)) * 1.06
    name = axis.axis_name
    axis.axes.set(**{f"{name}scale": "log", f"{name}lim": (least, most)})
    places = MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]).tick_values(least, most)
    if most / least > 5:
        decades = 10.0 ** np.arange(np.floor(np.log10(least)), np.ceil(np.log10(most)) + 1)
        places = np.outer(decades, (1, 2, 5)).ravel()
    axis.set_major_locator(FixedLocator([place for place in places if least <= place <= most]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:.3g}")


def place_image(axes, array, title: str = "", **options):
    """Show an array without ticks, with a thin frame and a title; returns the matplotlib image."""
    image = axes.imshow(array, interpolation=options.pop("interpolation", "nearest"), **options)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, linewidth=0.6, edgecolor="#888888")
    if title:
        axes.set_title(title, fontsize=9.5)
    return image
