"""Sliders in a live Jupyter; a static grid of small multiples where nobody can move one.

The live picture is replaced through a display handle and never through an ``Output`` widget, because notebooks with
live ``Output`` widgets sometimes never finish under papermill.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from itertools import product
from types import MappingProxyType

import numpy as np
from IPython.display import Image, display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from lowtex.errors import OptionError
from lowtex.progress import headless
from lowtex_lab.notebook.run import forget, readable
from lowtex_lab.plots.images import depth_bar

Control = tuple | list | range
MOST_COLUMNS = 3
"""Pictures of the first control, side by side in a static grid."""

MOST_ROWS = 3
"""Values of the second control, one row each."""

LIVE_IN = (7.6, 4.2)
TILE_IN = (2.9, 2.1)
DPI = 110


def explore(
    callback: Callable, *, start: Mapping[str, object] = MappingProxyType({}), bar: str = "", **controls: Control
) -> None:
    """Show what ``callback`` draws for other values of its arguments.

    The picture fills its frame: where the callback shows an image, the figure takes the image's proportions.

    Args:
        callback: ``callback(ax, **values)`` draws into a matplotlib axes, or ``callback(**values)`` returns a figure.
        controls: for each argument a range ``(low, high)`` or ``(low, high, step)`` of numbers, or a list of choices.
            A pair of whole numbers gives a slider in whole steps. The name, with blanks for underscores, stands
            before the control.
        start: values to begin with, where the point shows; else the middle one. The nearest value of the control.
        bar: label of a colour bar for the callback's points, or else its image; empty draws none.

    Raises:
        OptionError: a control is neither, or is empty, or ``start`` names none of them.
    """
    if unknown := set(start) - set(controls):
        raise OptionError(f"explore(start=…) names {sorted(unknown)[0]!r}, which is no control")
    if headless():
        display(Image(data=_png(grid(callback, start=start, bar=bar, **controls))))
        return
    import ipywidgets

    widgets = {name: _widget(ipywidgets, name, control, start) for name, control in controls.items()}

    def draw():
        chosen = {name: widget.value for name, widget in widgets.items()}
        return Image(data=_png(_picture(callback, chosen, bar)))

    display(ipywidgets.VBox(list(widgets.values())))
    handle = display(draw(), display_id=True)
    for widget in widgets.values():
        widget.observe(lambda change: handle.update(draw()), names="value")


def grid(
    callback: Callable, *, start: Mapping[str, object] = MappingProxyType({}), bar: str = "", **controls: Control
) -> Figure:
    """The static form of `explore`: one small picture for each of a few values.

    The first control runs along a row (at most three values: its ends, and the start between them), the second down
    the rows (at most three); any further one stays at its start, which the title names.
    """
    if not controls:
        raise OptionError("explore() needs at least one control, e.g. shift=(0, 20)")
    first, *others = controls
    values = {name: _values(name, control) for name, control in controls.items()}
    begin = {name: _start(values[name], start.get(name)) for name in controls}
    columns = [{first: value} for value in _spread(values[first], MOST_COLUMNS, begin[first])]
    rows = [{name: value} for name in others[:1] for value in _spread(values[name], MOST_ROWS, begin[name])] or [{}]
    fixed = {name: begin[name] for name in others[1:]}
    figure = Figure(figsize=(TILE_IN[0] * len(columns), TILE_IN[1] * len(rows) + 0.3), layout="compressed")
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    for axes, (down, across) in zip(panels.flat, product(rows, columns), strict=True):
        if _draws_into_axes(callback):
            callback(axes, **across, **down, **fixed)
        else:
            axes.imshow(_pixels(callback(**across, **down, **fixed)))
            axes.set_axis_off()
        own = axes.get_title()
        axes.set_title(_said(across | down) + (f"\n{own}" if own else ""), fontsize=9)
    _fit(figure, panels, bar)
    if fixed:
        figure.suptitle(_said(fixed), fontsize=9)
    return figure


def _fit(figure: Figure, panels: np.ndarray, bar: str) -> None:
    """Give the figure the proportions of its images, and one colour bar below them all; plots stay as they are."""
    shapes = [axes.images[0].get_array().shape for axes in panels.flat if axes.images and axes.axison]
    if len(shapes) < panels.size:
        return
    wide_in = figure.get_figwidth() / panels.shape[1]
    lines = max(axes.get_title().count("\n") + 1 for axes in panels.flat)
    tile_in = wide_in * max(height / width for height, width, *_ in shapes) + 0.2 + 0.16 * lines
    tall_in = tile_in * panels.shape[0] + 0.1
    if bar:
        look = {"location": "bottom", "fraction": 0.05, "aspect": 40, "shrink": 0.6, "pad": 0.1 / tall_in}
        look["ax"] = panels.ravel().tolist()
        points = (one for one in panels.flat[0].collections if isinstance(one, PathCollection))
        drawn = next(points, panels.flat[0].images[0])
        if isinstance(drawn.norm, LogNorm):
            scale = depth_bar(figure, drawn, drawn.norm.vmin, drawn.norm.vmax, **look)
        else:
            scale = figure.colorbar(drawn, **look)
        scale.set_label(bar, fontsize=9)
        scale.ax.tick_params(labelsize=8.5)
    figure.set_size_inches(figure.get_figwidth(), tall_in + (0.6 if bar else 0.0))


def _picture(callback: Callable, values: dict, bar: str) -> Figure:
    if not _draws_into_axes(callback):
        return callback(**values)
    figure = Figure(figsize=LIVE_IN, layout="compressed")
    axes = figure.subplots()
    callback(axes, **values)
    _fit(figure, np.array([[axes]]), bar)
    return figure


def _draws_into_axes(callback: Callable) -> bool:
    return next(iter(inspect.signature(callback).parameters), "") in ("ax", "axes")


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    # cut where the picture ends: an image of a fixed shape leaves white bands
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.05)
    forget(figure)
    return buffer.getvalue()


def _pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba()).copy()
    forget(figure)
    return picture


def _values(name: str, control: Control) -> list:
    """Every value of a control, in order."""
    if isinstance(control, list | range):
        if not len(control):
            raise OptionError(f"explore({name}=…) has no choices")
        return list(control)
    numbers = isinstance(control, tuple) and all(isinstance(value, int | float) for value in control)
    if not numbers or len(control) not in (2, 3) or control[0] >= control[1] or (len(control) == 3 and control[2] <= 0):
        raise OptionError(f"explore({name}={control!r}) must be (low, high), (low, high, step) or a list of choices")
    low, high, *step = control
    whole = all(isinstance(number, int) for number in control)
    step = step[0] if step else 1 if whole else (high - low) / 100
    count = int(np.floor((high - low) / step + 1e-9)) + 1
    return [low + index * step if whole else float(low + index * step) for index in range(count)]


def _spread(values: list, most: int, start: object) -> list:
    """At most so many of the values, evenly, with both ends; ``start`` takes the place of the middle one."""
    places = sorted({int(round(i)) for i in np.linspace(0, len(values) - 1, min(len(values), most))})
    if len(places) > 2 and values.index(start) not in places:
        places[len(places) // 2] = values.index(start)
    return [values[i] for i in places]


def _start(values: list, wanted: object):
    """The value to begin with: the one wanted, the nearest to it among numbers, or the middle one."""
    if wanted in values:
        return wanted
    if wanted is not None and all(isinstance(value, int | float) for value in values):
        return min(values, key=lambda value: abs(value - wanted))
    return values[len(values) // 2]


def _said(values: Mapping[str, object]) -> str:
    """``shift px = 3, kind = a``."""
    return ", ".join(f"{name.replace('_', ' ')} = {readable(value)}" for name, value in values.items())


def _widget(ipywidgets, name: str, control: Control, start: Mapping[str, object]):
    values = _values(name, control)
    options = [(readable(value), value) for value in values]
    if isinstance(control, tuple):
        kind = partial(ipywidgets.SelectionSlider, continuous_update=False)
    else:
        kind = ipywidgets.Dropdown
    begin = values.index(_start(values, start.get(name)))
    text = {"description": name.replace("_", " "), "style": {"description_width": "initial"}}
    return kind(options=options, index=begin, **text)
