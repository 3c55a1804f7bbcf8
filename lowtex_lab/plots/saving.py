"""A figure with everything behind it: saved with what its function was called with, and drawn again from there.

Beside ``name.png`` (150 dpi) and ``name.pdf`` lie ``name.csv`` (the table), ``name.npz`` (arrays, where the plot needs
any) and ``name.json`` (title, caption, the plotting function and its other arguments).

Every plotting function is wrapped by `plot`, which rounds arrays as they are stored *before* the function draws them:
the saved picture and the one drawn again later are the same.
"""

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
import pandas as pd
import torch
from fontTools.subset import Options
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.patches import FancyArrowPatch
from torch import Tensor

from lowtex import files
from lowtex.errors import DataError
from lowtex.geometry import StereoRig
from lowtex_lab.plots.style import DPI, styled

PLACE_DIGITS = 9
"""Digits of a panel's place, as a share of the figure, that are the same every time."""

PLOTS: dict[str, Callable] = {}
"""Every plotting function by name; what `lowtex figures` can draw again."""

_MIN_INK = 0.002

# rules for setting type, which matplotlib does by itself: to cut them down to a PDF's letters took half of its time
Options._drop_tables_default = [*Options._drop_tables_default, "GDEF", "GPOS", "GSUB"]


def plot(function: Callable) -> Callable:
    """Make ``function`` a plot: drawn in the common style, registered in `PLOTS`, its call kept as ``figure.call``."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def draw(*args, **kwargs):
        name = function.__name__
        given = signature.bind(*args, **kwargs).arguments
        kept = {key: _kept(value, f"{name}: argument {key}") for key, value in given.items()}
        with styled():
            figure = function(**kept)
        figure.call = {"function": name, "arguments": kept}
        return figure

    PLOTS[function.__name__] = draw
    return draw


def to_array(value: Any) -> np.ndarray:
    """A tensor (any device) or array-like as numpy; bfloat16 becomes float32."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype is torch.bfloat16 else value).numpy()
    return np.asarray(value)


def _kept(value: Any, what: str) -> Any:
    """A copy of an argument as it comes back from the files.

    Raises:
        TypeError: an argument is of a kind that cannot be stored.
    """
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, bool | int | float | str | StereoRig):
        return value
    if isinstance(value, pd.DataFrame):
        categories = value.select_dtypes("category").columns
        return value.reset_index(drop=True).astype(dict.fromkeys(categories, object))
    if isinstance(value, Tensor | np.ndarray):
        return _rounded(to_array(value))
    if isinstance(value, Mapping):
        return {str(key): _kept(part, f"{what}.{key}") for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_kept(part, f"{what}.{index}") for index, part in enumerate(value)]
    raise TypeError(f"{what} is of type {type(value).__name__}, which cannot be kept for redrawing")


def _rounded(array: np.ndarray) -> np.ndarray:
    """Floats in half precision where that is near enough for a picture, else in single; other types as they are."""
    if array.dtype.kind != "f":
        return array.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        half = array.astype(np.float16)
        largest = np.abs(array[np.isfinite(array)]).max(initial=0)
        near = np.isclose(half, array, rtol=1e-3, atol=1e-4 * largest, equal_nan=True).all()
    return (half if near else array).astype(np.float32)


def save_figure(
    figure: MatplotlibFigure,
    path_without_suffix: str | Path,
    data: pd.DataFrame | Mapping[str, Any] | None = None,
) -> Path:
    """Save a figure as PNG and PDF with the data behind it; each file appears whole or not at all.

    A figure made by one of the kit's plotting functions brings its own data and can be drawn again by `redraw`.
    For any other figure give ``data``. The same input gives the same bytes: no dates, no version strings.

    Args:
        figure: what to save.
        path_without_suffix: e.g. ``results/quick/figures/12_by_texture``.
        data: a table for ``name.csv``, or a mapping of columns; only for a figure that brings none.

    Returns:
        The path of the PNG.

    Raises:
        DataError: the picture is nearly one colour, or a panel of it is empty; nothing is written then.
    """
    base = Path(path_without_suffix)
    if base.suffix.lower() in (".png", ".pdf", ".csv"):
        base = base.with_suffix("")
    png, pdf = BytesIO(), BytesIO()
    with styled():
        _fix_places(figure)
        figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
        refuse_blank(figure, base, png.getvalue())
        plain = {"Creator": None, "Producer": None, "CreationDate": None}
        figure.savefig(pdf, format="pdf", dpi=DPI, metadata=plain)
    tables, arrays, call = {}, {}, getattr(figure, "call", {"function": None, "arguments": {}})
    frames = {key: value for key, value in call["arguments"].items() if isinstance(value, pd.DataFrame)}
    # several tables are told apart by the names of their arguments
    names = {
        id(frame): f"{base.name}.{key}.csv" if len(frames) > 1 else f"{base.name}.csv" for key, frame in frames.items()
    }

    def stand_in(value: Any) -> dict[str, Any]:
        if isinstance(value, StereoRig):
            return {"$rig": value.as_dict()}
        if isinstance(value, np.ndarray):
            key = str(len(arrays))
            with np.errstate(over="ignore"):
                half = value.astype(np.float16) if value.dtype == np.float32 else value
            arrays[key] = half if np.array_equal(half, value, equal_nan=value.dtype.kind == "f") else value
            return {"$array": key}
        name = names.get(id(value), f"{base.name}.{len(tables) + 1}.csv")
        tables[name] = value
        text = [str(c) for c in value.columns if not pd.api.types.is_numeric_dtype(value[c].dtype)]
        return {"$table": name, "text": text}

    card = {"title": figure.get_suptitle() or "", "caption": figure.get_supxlabel() or ""}
    text = json.dumps(card | call, default=stand_in, indent=1)
    if data is not None and not tables:
        tables[f"{base.name}.csv"] = pd.DataFrame(data)
    for name, table in tables.items():
        files.write_text(base.parent / name, table.to_csv(index=False, lineterminator="\n"))
    if arrays:
        with files.atomic_path(_beside(base, "npz")) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **arrays)
    files.write_text(_beside(base, "json"), text + "\n")
    for suffix, content in (("pdf", pdf), ("png", png)):
        with files.atomic_path(_beside(base, suffix)) as temporary:
            temporary.write_bytes(content.getvalue())
    return _beside(base, "png")


def refuse_blank(figure: MatplotlibFigure, name: str | Path = "figure", png: bytes | None = None) -> None:
    """Raise if the figure shows nothing.

    Args:
        figure: to look at.
        name: for the message.
        png: the figure, if it is drawn already.

    Raises:
        DataError: a visible panel holds no data, or hardly a pixel differs from the background.
    """
    for index, axes in enumerate(figure.axes):
        if axes.axison and axes.get_visible() and not axes.has_data():
            label = axes.get_title(loc="left") or axes.get_title() or f"number {index + 1}"
            raise DataError(f"{name}: the panel {label!r} is empty; check the rows or arrays it is drawn from")
    if png is None:
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=50)
        png = buffer.getvalue()
    channels = cv2.split(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR))
    ink = float(np.any([np.abs(one - np.median(one.ravel()[::7])) > 24 for one in channels], axis=0).mean())
    if ink < _MIN_INK:
        raise DataError(
            f"{name}: the picture is nearly one colour ({ink:.2%} of its pixels differ from the background); "
            "was it saved after it was closed, or drawn from no rows?"
        )


def redraw_card(card_path: str | Path) -> Path | None:
    """Draw one saved figure again from the files beside it; None where it is no plot of the kit.

    Raises:
        DataError: a file that belongs to it is missing or damaged, this version has no such function, or the drawing
            failed.
    """
    card_path = Path(card_path)
    card = files.read_json(card_path)
    if not (name := card.get("function")):
        return None
    if name not in PLOTS:
        known = ", ".join(sorted(PLOTS))
        raise DataError(f"{card_path}: no plotting function {name!r} in this version; known: {known}")
    try:
        figure = PLOTS[name](**_filled_in(card["arguments"], card_path))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"{card_path}: {name} cannot draw what is stored ({error})") from error
    return save_figure(figure, card_path.with_suffix(""))


def _filled_in(value: Any, card_path: Path) -> Any:
    """Arguments with the tables and arrays that they name.

    Raises:
        DataError: a file is missing or damaged.
    """
    if isinstance(value, list):
        return [_filled_in(part, card_path) for part in value]
    if not isinstance(value, dict):
        return value
    if "$rig" in value:
        return StereoRig(**value["$rig"])
    if "$array" not in value and "$table" not in value:
        return {key: _filled_in(part, card_path) for key, part in value.items()}
    path = card_path.with_suffix(".npz") if "$array" in value else card_path.parent / value["$table"]
    try:
        if "$array" in value:
            with np.load(path, allow_pickle=False) as stored:
                return stored[value["$array"]]
        # by itself pandas takes the word None for a gap and a hash for a number
        text = {"dtype": dict.fromkeys(value["text"], object), "keep_default_na": False, "na_values": [""]}
        return pd.read_csv(path, **text)
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise DataError(f"{path} is missing or damaged ({error}); run the notebook that makes it again") from error


def _fix_places(figure: MatplotlibFigure) -> None:
    """Find the places of all panels once, for both files, and keep them to nine digits.

    The solver behind matplotlib's constrained layout orders its variables by where they lie in memory, so the last bit
    of a place differs now and then between two drawings of the same data; a line snaps to another pixel by that.
    """
    if figure.get_layout_engine() is None:
        return
    # at the size it is saved at: hinting makes text a little wider there, and long labels would touch the edge
    figure.set_dpi(DPI)
    figure.get_layout_engine().execute(figure)
    # with "none", a stand-in for an engine, matplotlib draws all twice for each file; an arrow needs that, because the
    # box that it points to has its size only after a first time
    figure.set_layout_engine("none" if figure.findobj(FancyArrowPatch) else None)
    for axes in figure.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, PLACE_DIGITS))
    for text in (figure._suptitle, figure._supxlabel, figure._supylabel):
        if text is not None:
            text.set_position(np.round(text.get_position(), PLACE_DIGITS))


def _beside(base: Path, suffix: str) -> Path:
    return base.parent / f"{base.name}.{suffix}"
