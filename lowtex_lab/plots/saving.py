"""Saving a figure with everything behind it, and drawing saved figures again.

Beside ``name.png`` (150 dpi) and ``name.pdf`` lie ``name.csv`` (the numbers), ``name.npz`` (arrays, where the plot
needs any) and ``name.json`` (the plotting function, its arguments, the title and the caption).
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as MatplotlibFigure

from lowtex import files
from lowtex.errors import DataError
from lowtex_lab.plots.recipe import Recipe, cook, plain_frame
from lowtex_lab.plots.style import DPI, styled

FORMAT = 1
PLACE_DIGITS = 9
"""Digits of a panel's place, as a share of the figure, that are the same every time."""

_MIN_INK = 0.002


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
    if data is None:
        return _save(figure, base, None)
    return _save(figure, base, _as_csv(data if isinstance(data, pd.DataFrame) else pd.DataFrame(dict(data))))


def _save(figure: MatplotlibFigure, base: Path, own_csv: str | None) -> Path:
    with styled():
        png, pdf = BytesIO(), BytesIO()
        with _frozen_layout(figure):
            figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
            refuse_blank(figure, base, png.getvalue())
            plain = {"Creator": None, "Producer": None, "CreationDate": None}
            figure.savefig(pdf, format="pdf", dpi=DPI, metadata=plain)
    recipe: Recipe | None = getattr(figure, "recipe", None)
    tables = {} if own_csv is None else {"csv": own_csv}
    frames = {}
    for key, frame in (recipe.frames if recipe else {}).items():
        suffix = "csv" if len(recipe.frames) == 1 and own_csv is None else f"{key}.csv"
        tables[suffix] = _as_csv(frame)
        frames[key] = {"file": f"{base.name}.{suffix}", "text": _text_columns(frame)}
    for suffix, text in tables.items():
        files.write_text(_beside(base, suffix), text)
    if recipe and recipe.arrays:
        _write_arrays(_beside(base, "npz"), recipe.arrays)
    card = {
        "format": FORMAT,
        "title": figure.get_suptitle() or "",
        "caption": figure.get_supxlabel() or "",
        "function": recipe.function if recipe else None,
        "arguments": recipe.arguments if recipe else None,
        "frames": frames,
        "arrays": f"{base.name}.npz" if recipe and recipe.arrays else None,
    }
    files.write_json(_beside(base, "json"), card)
    _write_bytes(_beside(base, "pdf"), pdf.getvalue())
    _write_bytes(_beside(base, "png"), png.getvalue())
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


def load_recipe(card_path: str | Path) -> Recipe | None:
    """Read back what a saved figure was drawn from; None for a figure that was not made by a plotting function.

    Raises:
        DataError: a file that belongs to it is missing or damaged.
    """
    card_path = Path(card_path)
    card = files.read_json(card_path)
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise DataError(f"{card_path} is not a figure card of format {FORMAT}; draw the figure anew")
    if not card["function"]:
        return None
    frames = {key: _read_table(card_path.parent / part["file"], part["text"]) for key, part in card["frames"].items()}
    arrays = {}
    if card["arrays"]:
        path = card_path.parent / card["arrays"]
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
        except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
            raise DataError(f"{path} is missing or damaged ({error}); run the notebook that makes it again") from error
    return Recipe(card["function"], card["arguments"], frames, arrays)


def redraw_card(card_path: str | Path) -> Path | None:
    """Draw one saved figure again from the files beside it; None where it has no recipe.

    Raises:
        DataError: a file that belongs to it is missing or damaged, or the drawing failed.
    """
    card_path = Path(card_path)
    recipe = load_recipe(card_path)
    if recipe is None:
        return None
    try:
        figure = cook(recipe)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"{card_path}: {recipe.function} cannot draw what is stored ({error})") from error
    figure.recipe = recipe
    base = card_path.with_suffix("")
    own_table = _beside(base, "csv")
    named = {part["file"] for part in json.loads(card_path.read_text(encoding="utf-8"))["frames"].values()}
    own_csv = own_table.read_text(encoding="utf-8") if own_table.name not in named and own_table.exists() else None
    return _save(figure, base, own_csv)


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


def _text_columns(frame: pd.DataFrame) -> list[str]:
    return [str(c) for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c].dtype)]


def _as_csv(frame: pd.DataFrame) -> str:
    return plain_frame(frame).to_csv(index=False, lineterminator="\n")


def _read_table(path: Path, text: list[str]) -> pd.DataFrame:
    try:
        # as text first: readers take the word None for a gap, a hash for a number, and may round the last digit
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in frame.columns:
            if column in text:
                frame[column] = frame[column].where(frame[column] != "")
            else:
                frame[column] = _numbers(list(frame[column]))
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path} is missing or damaged ({error}); run the notebook that makes it again") from error
    return frame


def _numbers(cells: list[str]) -> list:
    if cells and set(cells) <= {"True", "False"}:
        return [cell == "True" for cell in cells]
    try:
        return [int(cell) for cell in cells]
    except ValueError:
        return [float(cell) if cell else float("nan") for cell in cells]


def _write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with files.atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def _write_bytes(path: Path, content: bytes) -> None:
    with files.atomic_path(path) as temporary:
        temporary.write_bytes(content)
