"""How far networks that learnt on Virtual KITTI 2's miniature carry: the other data sets' miniatures, by their rules.

Make3D and Cityscapes are shown in the paper and not measured; here every network of an ablation gets numbers on both,
and on KITTI with either ground truth. A number on its own says little: where a data set's truth is nearly flat, or all
its pictures are laid out alike, a network that learnt nothing scores well. So beside each network stand two *rivals*
that never look at the picture they are scored on.

from lowtex_lab.studies.diagnostics.transfer import with_rivals
scores = with_rivals(evidence.measured("transfer", ["ours"]))
compare(scores[scores["protocol"] == "make3d_c1"], [("ours", "ours: one depth")])
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lowtex.catalog import data_name, needed_roots, open_test_set, source_of
from lowtex.data_paths import MINIATURE_FOLDERS, Roots, is_miniature
from lowtex.errors import DataError
from lowtex.evaluation.evaluate import Evaluation, predict, score
from lowtex.evaluation.protocols import Protocol, get_protocol
from lowtex.evaluation.results import per_image_rows
from lowtex.networks import DepthNet

PROTOCOLS = ("eigen_raw", "improved", "make3d_c1", "cityscapes")
"""Scored by; the first two on the same pictures. Cityscapes' split is its ``val``, Make3D's scale is each image's own
(median scaling), as these protocols have it."""

MOST_IMAGES = 20
"""Of a data set with more, as many spread evenly over its split."""

BATCH = 8

NETWORK, ONE_DEPTH, OTHER_PICTURE = "network", "one depth", "another picture"

RIVALS = (ONE_DEPTH, OTHER_PICTURE)
"""Predictors that never look at the picture they are scored on: the median of all the depths that the network gives on
this data set, everywhere; and its prediction for the picture half the data set away, a layout, but not this one."""


def measure(network: DepthNet, root: Path, size: tuple[int, int]) -> pd.DataFrame:
    """Scores of every image of the other miniatures, by the network and by its rivals.

    Args:
        network: in evaluation mode, on its device.
        root: the miniature of Virtual KITTI 2; the others lie beside it (`lowtex_lab.miniature.store`).
        size: (height, width) of the images the network sees.

    Returns:
        as `evaluation.results.per_image_rows`, without experiment, experiment_key and seed: eval_data, split, the
        protocol's columns, image, stratum_kind, stratum (texture by the image's gradient), pixels, scale, the metrics
        (``log10`` empty where the protocol has none); then predictor: ``network``, or one of `RIVALS`.

    Raises:
        DataError: real data, or a miniature that is not there.
    """
    roots = sibling_roots(root)
    frames = [_scores(network, get_protocol(name), roots, size) for name in PROTOCOLS]
    return pd.concat(frames, ignore_index=True)


def with_rivals(measured: pd.DataFrame) -> pd.DataFrame:
    """The same scores with the rivals as experiments of their own, ``ours: one depth``, for
    `lowtex_lab.studies.stats.effects.compare`.

    Args:
        measured: of `lowtex_lab.studies.evidence.Evidence.measured`: what `measure` returns, with experiment and seed.

    Raises:
        DataError: it is something else.
    """
    if missing := [name for name in ("experiment", "predictor", "protocol") if name not in measured]:
        raise DataError(f"these are no results of the measure 'transfer': they lack {', '.join(missing)}")
    own = measured["predictor"] == NETWORK
    names = measured["experiment"].where(own, measured["experiment"] + ": " + measured["predictor"])
    return measured.assign(experiment=names)


def sibling_roots(root: str | Path) -> Roots:
    """The roots of all miniatures of a profile, from that of Virtual KITTI 2.

    Raises:
        DataError: real data, or a miniature is missing; says which and the way out.
    """
    root = Path(root).resolve()
    if not is_miniature(root):
        raise DataError(
            f"{root} holds real data, which have no other data sets beside them; give these to the notebooks, "
            "`lowtex run --data kitti=FOLDER --data make3d=FOLDER ...`"
        )
    paths = {name: root.parent / folder for name, folder in MINIATURE_FOLDERS.items()} | {"vkitti2": root}
    for name in (name for protocol in PROTOCOLS for name in needed_roots(protocol)):
        if not paths[name].is_dir():
            raise DataError(f"no miniature of {name} at {paths[name]}; `lowtex data miniature` writes all of a profile")
    # as nobody named them, readers of improved ground truth find the pictures beside it
    return Roots(paths)


def _scores(network: DepthNet, protocol: Protocol, roots: Roots, size: tuple[int, int]) -> pd.DataFrame:
    dataset = open_test_set(protocol, roots, None, size)
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), MOST_IMAGES)).round().astype(int))
    samples = [dataset[int(index)] for index in chosen]
    told = {"eval_data": data_name(dataset, source_of(protocol).root), "split": dataset.split}
    parts = [samples[start : start + BATCH] for start in range(0, len(samples), BATCH)]
    maps = np.concatenate([predict(network, part, flip=protocol.flip) for part in parts])
    predictions = {
        NETWORK: maps,
        ONE_DEPTH: np.full_like(maps, np.median(maps)),
        OTHER_PICTURE: np.roll(maps, len(maps) // 2, axis=0),
    }
    frames = []
    for predictor, inverses in predictions.items():
        rows = []
        for inverse, sample in zip(inverses, samples, strict=True):
            rows += score(inverse, sample, protocol, strata="gradient", quantity="inverse_depth")
        if not rows:
            raise DataError(f"no pixel of {told['eval_data']} counts by protocol {protocol.name}; nothing was scored")
        scored = per_image_rows(Evaluation(protocol, pd.DataFrame(rows)), "", **told)
        frames.append(scored.drop(columns=["experiment", "experiment_key", "seed"]).assign(predictor=predictor))
    return pd.concat(frames, ignore_index=True)
