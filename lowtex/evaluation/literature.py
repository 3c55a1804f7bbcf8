"""Numbers that others published, kept as data, and which of them may stand beside a measured line."""

from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np
import pandas as pd

from lowtex.evaluation.metrics import LOG10, METRICS
from lowtex.evaluation.protocols import PROTOCOLS

REPORTED = "reported"

NOT_STATED = "not stated"
"""In a published row: the source does not say."""

_FLIPS = {"none": False, "flip": True}
_DATA = {"make3d": "Make3D", "improved": "KITTI, improved", "velodyne_x": "KITTI"}


@cache
def _published() -> pd.DataFrame:
    with resources.files("lowtex.evaluation").joinpath("literature.csv").open(encoding="utf-8") as file:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    for name in (*METRICS, LOG10):
        frame[name] = pd.to_numeric(frame[name].replace("", np.nan))
    frame["images"] = frame["images"].astype(np.int64)
    return frame


def published_rows(protocol: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Numbers that others published, each read in the public source named beside it; never measured here.

    Columns: method, training (``S`` stereo pairs, ``M`` one moving camera, ``MS`` both), resolution, postprocessing,
    protocol, scaling, images, the metrics (NaN where the source was not seen to state one), source, note, status
    (always ``reported``). The paper itself has no row: none of its numbers could be obtained.

    Protocols are the kit's own (`evaluation.protocols.PROTOCOLS`), and ``improved_unstated`` where the source does not
    say which variant it is. Scaling ``none`` means without the median: many of them multiply by 5.4.

    Args:
        protocol: only these.
    """
    frame = _published().copy()
    if protocol is None:
        return frame
    wanted = [protocol] if isinstance(protocol, str) else list(protocol)
    return frame[frame["protocol"].isin(wanted)].reset_index(drop=True)


def comparable_rows(
    protocol: str, crop: str, cap_m: float, scaling: str, flip: bool, ground_truth: str
) -> pd.DataFrame:
    """The published rows that were taken as a measured line was, see `published_rows` for the columns.

    The protocol must be one of the kit's by name and by crop, cap and ground truth; a row whose scaling is not stated
    is left out (median scaling changes everything), and so is one with another post-processing. A row that does not
    state its post-processing stays, because that changes little; its ``postprocessing`` says ``not stated``. A scaling
    by a fixed factor (``x5.4``) is as good as none.

    Args:
        protocol, crop, cap_m, scaling, flip, ground_truth: as in the columns of measured rows.
    """
    known = PROTOCOLS.get(protocol)
    place = {"crop": crop, "cap_m": cap_m, "ground_truth": ground_truth}
    if known is None or any(known.row()[name] != value for name, value in place.items()):
        return published_rows([])
    rows = published_rows(protocol)
    same_scaling = rows["scaling"] == ("none" if scaling.startswith("x") else scaling)
    same_flip = rows["postprocessing"].map(lambda said: said == NOT_STATED or _FLIPS.get(said) == bool(flip))
    return rows[same_scaling & same_flip.astype(bool)]


def reported_lines(measured: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The lines of a table for the published rows that may stand beside its measured lines, each once.

    Args:
        measured: lines of `lowtex.evaluation.tables.table`.
        metrics: names; a published row without any of them is left out.
    """
    columns = ["protocol", "crop", "cap_m", "scaling", "flip", "ground_truth"]
    lines = []
    for place in measured[columns].drop_duplicates().to_dict("records"):
        found = comparable_rows(**place)
        found = found[found[list(metrics)].notna().any(axis=1)]
        names = [f"{m}, {r}" if r else m for m, r in zip(found["method"], found["resolution"], strict=True)]
        lines.append(
            found.assign(
                method=names,
                train_data=found["training"],
                flip=found["postprocessing"].map(lambda said: _FLIPS.get(said, said)),
                eval_data=f"{_DATA.get(place['ground_truth'], place['ground_truth'])}, as published",
                **{name: place[name] for name in ("crop", "cap_m", "ground_truth")},
            )
        )
    whole = pd.concat(lines, ignore_index=True)
    whole = whole.drop_duplicates(["method", "train_data", "protocol", "flip", "source", *metrics])
    fixed = {"split": REPORTED, "profile": REPORTED, "stratum_kind": "none", "stratum": "all", "seeds": np.nan}
    return whole.assign(**fixed, **{f"{name}_sd": np.nan for name in metrics})
