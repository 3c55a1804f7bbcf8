"""What a figure was drawn from, kept beside it, so that it can be drawn again without any training.

Every plotting function is wrapped by `plot`. A call is first written down (data frames, arrays, plain values), and
then drawn from what was written down: the saved picture and the one drawn again later are therefore the same.
Arrays are kept small: pictures in [0, 1] as bytes, other large maps in half precision where their range allows it.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.geometry import StereoRig
from lowtex_lab.plots.style import styled

PLOTS: dict[str, Callable] = {}
"""Every plotting function by name; what `lowtex figures` can draw again."""

_LARGE = 2048
_HALF_MAX, _HALF_MIN = 6e4, 1e-4


@dataclass
class Recipe:
    """One recorded call of a plotting function.

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


def plot(function: Callable) -> Callable:
    """Make ``function`` a plot: styled, recorded on the figure it returns as ``figure.recipe``, and registered.

    The arguments given are never changed: the function draws from a copy of them.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def draw(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        recipe = record(function.__name__, bound.arguments)
        figure = cook(recipe)
        figure.recipe = recipe
        return figure

    draw.undecorated = function
    PLOTS[function.__name__] = draw
    return draw


def record(function: str, arguments: Mapping[str, Any]) -> Recipe:
    """Write a call down.

    Raises:
        TypeError: an argument is of a kind that cannot be kept, with its name.
    """
    recipe = Recipe(function, {})
    recipe.arguments = {name: _encode(value, name, recipe) for name, value in arguments.items()}
    return recipe


def cook(recipe: Recipe):
    """Draw the figure of a recipe.

    Raises:
        DataError: the recipe names a function this version does not have.
    """
    if recipe.function not in PLOTS:
        raise DataError(f"no plotting function {recipe.function!r} in this version; known: {', '.join(sorted(PLOTS))}")
    arguments = {name: _decode(value, recipe) for name, value in recipe.arguments.items()}
    with styled():
        return PLOTS[recipe.function].undecorated(**arguments)


def to_array(value: Any) -> np.ndarray:
    """A tensor (any device) or array-like as numpy; bfloat16 becomes float32."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype is torch.bfloat16 else value).numpy()
    return np.asarray(value)


def _encode(value: Any, name: str, recipe: Recipe) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$number": str(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, pd.DataFrame):
        recipe.frames[name] = plain_frame(value)
        return {"$frame": name}
    if isinstance(value, Tensor | np.ndarray):
        packed, scale = _pack(to_array(value))
        recipe.arrays[name] = packed
        return {"$array": name, "dtype": scale}
    if isinstance(value, StereoRig):
        return {"$rig": {key: _encode(part, f"{name}.{key}", recipe) for key, part in value.as_dict().items()}}
    if isinstance(value, StereoSample):
        parts = {f.name: getattr(value, f.name) for f in fields(value)}
        return {"$sample": {key: _encode(part, f"{name}.{key}", recipe) for key, part in parts.items()}}
    if isinstance(value, Mapping):
        return {"$map": [[str(key), _encode(part, f"{name}.{key}", recipe)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        return [_encode(part, f"{name}.{index}", recipe) for index, part in enumerate(value)]
    raise TypeError(
        f"{recipe.function}: argument {name} is of type {type(value).__name__}, which cannot be kept for redrawing"
    )


def _decode(value: Any, recipe: Recipe) -> Any:
    if isinstance(value, list):
        return [_decode(part, recipe) for part in value]
    if not isinstance(value, dict):
        return value
    if "$number" in value:
        return float(value["$number"])
    if "$frame" in value:
        return recipe.frames[value["$frame"]].copy()
    if "$array" in value:
        return _unpack(recipe.arrays[value["$array"]], value["dtype"])
    if "$rig" in value:
        return StereoRig(**{key: _decode(part, recipe) for key, part in value["$rig"].items()})
    if "$sample" in value:
        parts = {key: _decode(part, recipe) for key, part in value["$sample"].items()}
        return StereoSample(**{k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in parts.items()})
    return {key: _decode(part, recipe) for key, part in value["$map"]}


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy that survives CSV: no index, no categories, plain column names."""
    plain = frame.reset_index(drop=True).copy()
    for column in plain.columns:
        if isinstance(plain[column].dtype, pd.CategoricalDtype):
            plain[column] = plain[column].astype(object)
    return plain


def _pack(array: np.ndarray) -> tuple[np.ndarray, str]:
    array = np.ascontiguousarray(array)
    if array.dtype.kind != "f":
        return array, str(array.dtype)
    kept = "float32" if array.dtype == np.float32 or array.size >= _LARGE else str(array.dtype)
    finite = array[np.isfinite(array)]
    if array.size < _LARGE or finite.size == 0:
        return array.astype(kept), kept
    is_picture = array.ndim >= 3 and 3 in (array.shape[-1], array.shape[-3])
    if is_picture and finite.size == array.size and finite.min() >= 0 and finite.max() <= 1:
        return np.round(array * 255).astype(np.uint8), "picture"
    magnitude = np.abs(finite[finite != 0])
    if magnitude.size and magnitude.max() < _HALF_MAX and magnitude.min() > _HALF_MIN:
        return array.astype(np.float16), kept
    return array.astype(kept), kept


def _unpack(array: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "picture":
        return array.astype(np.float32) / np.float32(255)
    return array.astype(dtype)
