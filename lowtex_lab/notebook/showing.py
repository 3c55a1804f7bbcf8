"""Predictions of a study's networks, ready to be looked at: on the ground truth's grid, with the protocol applied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from torch.utils.data import Dataset

from lowtex.datasets.sample import StereoSample
from lowtex.errors import OptionError
from lowtex.evaluation.evaluate import Evaluation, compare, predict
from lowtex.evaluation.postprocessing import resize_map
from lowtex.evaluation.protocols import Protocol, get_protocol
from lowtex.geometry import NOMINAL_BASELINE_M, nominal_to_metres
from lowtex_lab.plots import prediction_panel


@dataclass
class Shown:
    """A few images with what several networks predict for them.

    Attributes:
        samples: the images.
        truths: ground truth ``(h, w)`` in metres, 0 outside of what the protocol counts; None where there is none.
        predictions: method -> a depth map in metres for each image, at its truth's size; without one, at that of
            another image's truth, else at the network's.
    """

    samples: list[StereoSample]
    truths: list[np.ndarray | None]
    predictions: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def figure(self, title: str, miniature: bool, methods: Sequence[str] | None = None, **options):
        """The images with depth and error maps of ``methods`` (None = all); see `lowtex_lab.plots.prediction_panel`."""
        chosen = {name: self.predictions[name] for name in methods or self.predictions}
        names = [short_name(sample.name) for sample in self.samples]
        images = [sample.image for sample in self.samples]
        return prediction_panel(images, self.truths, chosen, names, title=title, miniature=miniature, **options)


def show(networks: Mapping[str, object], dataset: Dataset, names: Sequence[str], protocol: str | Protocol) -> Shown:
    """Predict some images of a data set by several networks, and bring all to the ground truth's size.

    Args:
        networks: method -> network, see `lowtex.evaluation.evaluate.predict`.
        dataset: a reader.
        names: of its images, one or more; see ``dataset.names``.
        protocol: how predictions are scaled and clamped, and which pixels of the truth are kept.

    Raises:
        OptionError: a name the data set does not have.
        DataError: a file is damaged, or a prediction cannot be shown.
    """
    protocol = get_protocol(protocol)
    places = {name: place for place, name in enumerate(dataset.names)}
    if unknown := [name for name in names if name not in places]:
        raise OptionError(f"there is no image {unknown[0]!r} in split {dataset.split!r} ({len(places)} images)")
    samples = [dataset[places[name]] for name in names]
    shown = Shown(samples, [None] * len(samples))
    # what has no truth is shown at the size of what has one, so that a row of maps lines up
    size = next((tuple(s.depth.shape[-2:]) for s in samples if s.depth is not None), None)
    units = protocol.nominal_factor is not None
    for method, network in networks.items():
        shown.predictions[method] = []
        for place, sample in enumerate(samples):
            inverse = predict(network, [sample], flip=protocol.flip, units=units)[0]
            if sample.depth is None or not bool((sample.depth != 0).any()):
                depth = 1.0 / (inverse if size is None else resize_map(inverse, *size))
                if units:
                    depth = nominal_to_metres(depth, protocol.nominal_factor * NOMINAL_BASELINE_M)
                shown.predictions[method].append(np.clip(depth, protocol.min_depth_m, protocol.cap_m))
                continue
            compared = compare(inverse, sample, protocol, quantity="inverse_depth")
            shown.truths[place] = np.where(compared.valid, compared.truth, 0.0)
            shown.predictions[method].append(compared.prediction)
    return shown


def ranked(evaluation: Evaluation, metric: str = "abs_rel") -> pd.DataFrame:
    """Whole images from the best to the worst: image, pixels, scale and the metrics."""
    whole = evaluation.per_image[evaluation.per_image["stratum_kind"] == "none"]
    best_first = metric not in ("d1", "d2", "d3")
    return whole.sort_values(metric, ascending=best_first, kind="stable").reset_index(drop=True)


def best_and_worst(evaluation: Evaluation, metric: str = "abs_rel") -> list[str]:
    """Names of the best and the worst image; one name where only one image was scored."""
    order = ranked(evaluation, metric)["image"].tolist()
    return order[:1] + order[1:][-1:]


def short_name(name: str) -> str:
    """A sample's name without zeros and synchronisation marks, short enough to stand above a small picture.

    A name that is a number alone keeps its zeros: it is how the file is called.
    """
    parts = [part.removesuffix("_sync") for part in name.split("/") if part != "l"]
    if len(parts) == 1:
        return parts[0]
    return " ".join(str(int(part)) if part.isdecimal() else part for part in parts)
