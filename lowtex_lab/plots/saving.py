"""A figure with everything behind it: what a plot was called with is kept, saved beside it, and drawn again from there.

Beside ``name.png`` (150 dpi) and ``name.pdf`` lie ``name.csv`` (the numbers), ``name.npz`` (arrays, where the plot
needs any) and ``name.json`` (the plotting function, its arguments, the title and the caption).

Every plotting function is wrapped by `plot`. It draws from what is kept, not from what was given: the saved picture
and the one drawn again later are therefore the same, and what was given is never changed. Arrays are kept small:
pictures in [0, 1] as bytes, other large maps in half precision where their range allows it.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure as MatplotlibFigure
from torch import Tensor

from lowtex import files
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.geometry import StereoRig
from lowtex_lab.plots.style import DPI, styled

FORMAT = 1
PLACE_DIGITS = 9
"""Digits of a panel's place, as a share of the figure, that are the same every time."""

PLOTS: dict[str, Callable] = {}
"""Every plotting function by name; what `lowtex figures` can draw again."""

_MIN_INK = 0.002
_LARGE = 2048
_HALF_MAX, _HALF_MIN = 6e4, 1e-4


@dataclass
class Call:
    """One call of a plotting function.

    Attributes:
        function: its name in `PLOTS`.
        arguments: JSON-able tree; ``{"$frame": key}`` and ``{"$array": key}`` stand for the tables and arrays below.
        frames: data frames by key (saved as CSV).
        arrays: arrays by key (saved as one compressed ``.npz``).
    """

    function: str
    arguments: dict[str, Any]
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def draw(self) -> MatplotlibFigure:
        """The figure, which has this call as ``figure.call``.

        Raises:
            DataError: the call is of a function this version does not have.
        """
        if self.function not in PLOTS:
            known = ", ".join(sorted(PLOTS))
            raise DataError(f"no plotting function {self.function!r} in this version; known: {known}")
        arguments = {name: _given(value, self) for name, value in self.arguments.items()}
        with styled():
            figure = PLOTS[self.function].__wrapped__(**arguments)
        figure.call = self
        return figure


def plot(function: Callable) -> Callable:
    """Make ``function`` a plot: drawn in the common style, kept on the figure as ``figure.call``, and registered."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def draw(*args, **kwargs):
        return keep(function.__name__, signature.bind(*args, **kwargs).arguments).draw()

    PLOTS[function.__name__] = draw
    return draw


def keep(function: str, arguments: Mapping[str, Any]) -> Call:
    """A call as it is kept.

    Raises:
        TypeError: an argument is of a kind that cannot be kept, with its name.
    """
    call = Call(function, {})
    call.arguments = {name: _kept(value, name, call) for name, value in arguments.items()}
    return call


def to_array(value: Any) -> np.ndarray:
    """A tensor (any device) or array-like as numpy; bfloat16 becomes float32."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype is torch.bfloat16 else value).numpy()
    return np.asarray(value)


def _kept(value: Any, name: str, call: Call) -> Any:
    def parts(values: Mapping) -> list:
        return [[str(key), _kept(part, f"{name}.{key}", call)] for key, part in values.items()]

    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return {"$number": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, pd.DataFrame):
        call.frames[name] = plain_frame(value)
        return {"$frame": name}
    if isinstance(value, Tensor | np.ndarray):
        call.arrays[name], kind = _packed(to_array(value))
        return {"$array": name, "dtype": kind}
    if isinstance(value, StereoRig):
        return {"$rig": dict(parts(value.as_dict()))}
    if isinstance(value, StereoSample):
        return {"$sample": dict(parts(vars(value)))}
    if isinstance(value, Mapping):
        return {"$map": parts(value)}
    if isinstance(value, list | tuple):
        return [_kept(part, f"{name}.{index}", call) for index, part in enumerate(value)]
    kind = type(value).__name__
    raise TypeError(f"{call.function}: argument {name} is of type {kind}, which cannot be kept for redrawing")


def _given(value: Any, call: Call) -> Any:
    if isinstance(value, list):
        return [_given(part, call) for part in value]
    if not isinstance(value, dict):
        return value
    if "$number" in value:
        return float(value["$number"])
    if "$frame" in value:
        return call.frames[value["$frame"]].copy()
    if "$array" in value:
        array, kind = call.arrays[value["$array"]], value["dtype"]
        return array.astype(np.float32) / np.float32(255) if kind == "picture" else array.astype(kind)
    if "$rig" in value:
        return StereoRig(**{key: _given(part, call) for key, part in value["$rig"].items()})
    if "$sample" in value:
        parts = {key: _given(part, call) for key, part in value["$sample"].items()}
        return StereoSample(**{k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in parts.items()})
    return {key: _given(part, call) for key, part in value["$map"]}


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy that survives CSV: no index, no categories."""
    categories = frame.select_dtypes("category").columns
    return frame.reset_index(drop=True).astype(dict.fromkeys(categories, object))


def _packed(array: np.ndarray) -> tuple[np.ndarray, str]:
    """An array as it is stored, and the type it comes back as."""
    array = np.ascontiguousarray(array)
    if array.dtype.kind != "f" or array.size < _LARGE:
        return array, str(array.dtype)
    finite = array[np.isfinite(array)]
    is_picture = array.ndim >= 3 and 3 in (array.shape[-1], array.shape[-3]) and finite.size == array.size
    if is_picture and finite.min() >= 0 and finite.max() <= 1:
        return np.round(array * 255).astype(np.uint8), "picture"
    magnitude = np.abs(finite[finite != 0])
    fits = magnitude.size and magnitude.max() < _HALF_MAX and magnitude.min() > _HALF_MIN
    return array.astype(np.float16 if fits else np.float32), "float32"


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
        data: a table for ``name.csv``, or a mapping of columns.

    Returns:
        The path of the PNG.

    Raises:
        DataError: the picture is nearly one colour, or a panel of it is empty; nothing is written then.
    """
    base = Path(path_without_suffix)
    if base.suffix.lower() in (".png", ".pdf", ".csv"):
        base = base.with_suffix("")
    return _save(figure, base, None if data is None else _as_csv(pd.DataFrame(data)))


def _save(figure: MatplotlibFigure, base: Path, own_csv: str | None) -> Path:
    with styled():
        png, pdf = BytesIO(), BytesIO()
        with _frozen_layout(figure):
            figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
            refuse_blank(figure, base, png.getvalue())
            plain = {"Creator": None, "Producer": None, "CreationDate": None}
            figure.savefig(pdf, format="pdf", dpi=DPI, metadata=plain)
    call = getattr(figure, "call", None) or Call("", {})
    tables = {} if own_csv is None else {"csv": own_csv}
    frames = {}
    for key, frame in call.frames.items():
        suffix = "csv" if len(call.frames) == 1 and own_csv is None else f"{key}.csv"
        tables[suffix] = _as_csv(frame)
        text = [str(c) for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c].dtype)]
        frames[key] = {"file": f"{base.name}.{suffix}", "text": text}
    for suffix, text in tables.items():
        files.write_text(_beside(base, suffix), text)
    if call.arrays:
        with files.atomic_path(_beside(base, "npz")) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **call.arrays)
    card = {
        "format": FORMAT,
        "title": figure.get_suptitle() or "",
        "caption": figure.get_supxlabel() or "",
        "function": call.function or None,
        "arguments": call.arguments if call.function else None,
        "frames": frames,
        "arrays": f"{base.name}.npz" if call.arrays else None,
    }
    files.write_json(_beside(base, "json"), card)
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
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).reshape(-1, 3).astype(np.int32)
    colours, counts = np.unique(pixels[::7] @ np.array([65536, 256, 1]), return_counts=True)
    background = colours[np.argmax(counts)] // np.array([65536, 256, 1]) % 256
    ink = float((np.abs(pixels - background).max(axis=1) > 24).mean())
    if ink < _MIN_INK:
        raise DataError(
            f"{name}: the picture is nearly one colour ({ink:.2%} of its pixels differ from the background); "
            "was it saved after it was closed, or drawn from no rows?"
        )


def load_call(card_path: str | Path) -> Call | None:
    """The call a saved figure was drawn by, from the files beside it; None if it is no plot of the kit.

    Raises:
        DataError: a file is missing or damaged, or the card is of another format.
    """
    card_path = Path(card_path)
    card = files.read_json(card_path)
    if card.get("format") != FORMAT:
        raise DataError(f"{card_path} is not a figure card of format {FORMAT}; draw the figure anew")
    if not card["function"]:
        return None
    call = Call(card["function"], card["arguments"])
    paths = {key: card_path.parent / part["file"] for key, part in card["frames"].items()}
    try:
        for key, path in paths.items():
            call.frames[key] = _read_table(path, card["frames"][key]["text"])
        if card["arrays"]:
            path = card_path.parent / card["arrays"]
            with np.load(path, allow_pickle=False) as stored:
                call.arrays = {key: stored[key] for key in stored.files}
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise DataError(f"{path} is missing or damaged ({error}); run the notebook that makes it again") from error
    return call


def redraw_card(card_path: str | Path) -> Path | None:
    """Draw one saved figure again from the files beside it; None where it is no plot of the kit.

    Raises:
        DataError: a file that belongs to it is missing or damaged, or the drawing failed.
    """
    card_path = Path(card_path)
    call = load_call(card_path)
    if call is None:
        return None
    try:
        figure = call.draw()
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"{card_path}: {call.function} cannot draw what is stored ({error})") from error
    base = card_path.with_suffix("")
    named = {part["file"] for part in files.read_json(card_path)["frames"].values()}
    table = _beside(base, "csv")
    own = table.read_text(encoding="utf-8") if table.exists() and table.name not in named else None
    return _save(figure, base, own)


@contextmanager
def _frozen_layout(figure: MatplotlibFigure) -> Iterator[None]:
    """Find the places of all panels once, for both files, and keep them to nine digits.

    The solver behind matplotlib's constrained layout orders its variables by where they lie in memory, so the last bit
    of a place differs now and then between two drawings of the same data; a line snaps to another pixel by that.
    """
    engine = figure.get_layout_engine()
    if engine is None:
        yield
        return
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        in_layout = axes.get_in_layout()
        axes.set_position(np.round(axes.get_position(original=True).bounds, PLACE_DIGITS))
        axes.set_in_layout(in_layout)
    for text in (figure._suptitle, figure._supxlabel, figure._supylabel):
        if text is not None:
            text.set_position(np.round(text.get_position(), PLACE_DIGITS))
    try:
        yield
    finally:
        figure.set_layout_engine(engine)


def _beside(base: Path, suffix: str) -> Path:
    return base.parent / f"{base.name}.{suffix}"


def _as_csv(frame: pd.DataFrame) -> str:
    return plain_frame(frame).to_csv(index=False, lineterminator="\n")


def _read_table(path: Path, text: list[str]) -> pd.DataFrame:
    # by itself pandas takes the word None for a gap and a hash for a number
    types = dict.fromkeys(text, object)
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])
