"""Sliders in a live Jupyter; a static grid of small multiples where nobody can move one.

The live picture is replaced through a display handle and never through an ``Output`` widget, because notebooks with
live ``Output`` widgets sometimes never finish under papermill.
"""

import inspect
from collections.abc import Callable
from functools import partial
from io import BytesIO

import matplotlib
import numpy as np
from IPython.display import Image, display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lowtex.errors import OptionError
from lowtex.progress import headless

Control = tuple | list | range
MOST_COLUMNS = 4
"""Pictures of the first control, side by side in a static grid."""

MOST_ROWS = 3
"""Values of the second control, one row each."""

TILE_IN = (2.9, 2.1)
DPI = 110


def explore(callback: Callable, **controls: Control) -> None:
    """Show what ``callback`` draws for other values of its arguments.

    Args:
        callback: ``callback(ax, **values)`` draws into a matplotlib axes, or ``callback(**values)`` returns a figure.
        controls: for each argument a range ``(low, high)`` or ``(low, high, step)`` of numbers, or a list of choices.
            A pair of whole numbers gives a slider in whole steps.

    Raises:
        OptionError: a control is neither, or is empty.
    """
    if headless():
        display(Image(data=_png(grid(callback, **controls))))
        return
    import ipywidgets

    widgets = {name: _widget(ipywidgets, name, control) for name, control in controls.items()}

    def draw():
        return Image(data=_png(_picture(callback, {name: widget.value for name, widget in widgets.items()})))

    display(ipywidgets.VBox(list(widgets.values())))
    handle = display(draw(), display_id=True)
    for widget in widgets.values():
        widget.observe(lambda change: handle.update(draw()), names="value")


def grid(callback: Callable, **controls: Control) -> Figure:
    """The static form of `explore`: one small picture for each of a few values.

    The first control runs along a row (at most four values, its ends included), the second down the rows (at most
    three); any further one stays at its middle value, which the title names.
    """
    if not controls:
        raise OptionError("explore() needs at least one control, e.g. shift=(0, 20)")
    names = list(controls)
    values = {name: _values(name, control) for name, control in controls.items()}
    columns = _spread(values[names[0]], MOST_COLUMNS)
    rows = _spread(values[names[1]], MOST_ROWS) if len(names) > 1 else [None]
    fixed = {name: _middle(values[name]) for name in names[2:]}
    figure = Figure(figsize=(TILE_IN[0] * len(columns), TILE_IN[1] * len(rows) + 0.3), layout="constrained")
    panels = np.atleast_2d(figure.subplots(len(rows), len(columns), squeeze=False))
    for row, down in enumerate(rows):
        for column, across in enumerate(columns):
            chosen = {names[0]: across, **({names[1]: down} if len(names) > 1 else {}), **fixed}
            axes = panels[row, column]
            if _draws_into_axes(callback):
                callback(axes, **chosen)
            else:
                axes.imshow(_pixels(callback(**chosen)))
                axes.set_axis_off()
            shown = [f"{name} = {_text(chosen[name])}" for name in names[:2]]
            own = axes.get_title()
            axes.set_title(", ".join(shown) + (f"\n{own}" if own else ""), fontsize=9)
    _fit_height(figure, panels)
    if fixed:
        figure.suptitle(", ".join(f"{name} = {_text(value)}" for name, value in fixed.items()), fontsize=9)
    return figure


def _fit_height(figure: Figure, panels: np.ndarray) -> None:
    """Wide pictures would leave empty bands between the rows."""
    shapes = [axes.images[0].get_array().shape for axes in panels.flat if axes.images and axes.axison]
    if len(shapes) == panels.size:
        lines = max(axes.get_title().count("\n") for axes in panels.flat)
        tile = TILE_IN[0] * max(height / width for height, width, *_ in shapes) + 0.32 + 0.16 * lines
        figure.set_size_inches(figure.get_figwidth(), tile * panels.shape[0] + 0.3)


def _picture(callback: Callable, values: dict) -> Figure:
    if not _draws_into_axes(callback):
        return callback(**values)
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    callback(figure.subplots(), **values)
    return figure


def _draws_into_axes(callback: Callable) -> bool:
    names = list(inspect.signature(callback).parameters)
    return bool(names) and names[0] in ("ax", "axes")


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    _forget(figure)
    return buffer.getvalue()


def _pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba()).copy()
    _forget(figure)
    return picture


def _forget(figure: Figure) -> None:
    """A figure made through pyplot would be shown a second time at the end of its cell."""
    pyplot = matplotlib.__dict__.get("pyplot")
    if pyplot is not None:
        pyplot.close(figure)


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


def _spread(values: list, most: int) -> list:
    """At most so many of the values, evenly, the ends included."""
    return [values[i] for i in sorted({int(round(i)) for i in np.linspace(0, len(values) - 1, min(len(values), most))})]


def _middle(values: list):
    few = _spread(values, 3)
    return few[len(few) // 2]


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _widget(ipywidgets, name: str, control: Control):
    values = _values(name, control)
    options = [(_text(value), value) for value in values]
    if isinstance(control, tuple):
        kind = partial(ipywidgets.SelectionSlider, continuous_update=False)
    else:
        kind = ipywidgets.Dropdown
    return kind(options=options, index=values.index(_middle(values)), description=name)
