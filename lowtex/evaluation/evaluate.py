"""Scoring predictions by a protocol: one image (`score`: resize, scale, clamp, mask, measure), or a network over a data
set (`evaluate`).

Each image is scored on its own and the scores are averaged over images, as the literature does, so an image with few
valid pixels weighs as much as one with many. Texture strata work the same way: an image without a pixel in a stratum
does not count there, and ``images`` says how many did.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lowtex.datasets.images import resize_area, to_tensor
from lowtex.datasets.sample import StereoSample, collate
from lowtex.devices import device_of, set_precision
from lowtex.errors import DataError, require_choice
from lowtex.evaluation.metrics import D1_ALL, disparity_outliers, metric_names, pixel_errors, summarise
from lowtex.evaluation.postprocessing import flip_postprocess, resize_map
from lowtex.evaluation.protocols import IMAGE_CROPS, Protocol, get_protocol
from lowtex.evaluation.texture import strata_makers
from lowtex.geometry import NOMINAL_BASELINE_M, StereoRig, depth_to_disparity, nominal_to_metres
from lowtex.networks.layers import evaluation_mode
from lowtex.progress import Progress

NO_TRUTH, NO_PIXELS = "no ground truth", "no pixel that the protocol counts"

PRECISIONS = ("fp32", "tf32")
"""Of a prediction, on GPUs; see `lowtex.devices.set_precision`."""


Strata = str | Sequence[str] | Mapping[str, Callable] | None
"""What ``strata=`` takes: a kind, several, label -> function(sample, size) -> masks, or nothing."""


@dataclass(frozen=True)
class Comparison:
    """A prediction brought to its ground truth, ready for metrics and error maps; all ``(h, w)``, metres.

    Attributes:
        truth: ground truth, 0 = none; clamped where the protocol says so.
        prediction: resized, scaled as the protocol says, clamped.
        valid: bool, the pixels that count.
        scale: what the prediction was multiplied with (1 without scaling).
        unclamped: the prediction before it was clamped.
    """

    truth: np.ndarray
    prediction: np.ndarray
    valid: np.ndarray
    scale: float
    unclamped: np.ndarray


def compare(prediction, sample: StereoSample, protocol: str | Protocol, *, quantity: str = "depth") -> Comparison:
    """Bring a prediction to the size of the sample's ground truth, as the protocol says.

    Args:
        prediction: ``(H, W)`` or ``(1, H, W)`` at any size, array or tensor, > 0 everywhere.
        sample: with ground truth.
        protocol: name or value; its ``flip`` is not applied here, it needs the network.
        quantity: ``depth``, metres; or ``inverse_depth``, 1 / metres. With a scaling such as ``x5.4`` in units of a
            pretended baseline instead of metres.

    Raises:
        DataError: no or damaged ground truth, or a prediction that is not finite and positive; names the image.
        ValueError: shapes.
    """
    protocol = get_protocol(protocol)
    require_choice("quantity", quantity, ("depth", "inverse_depth"))
    truth = _truth_of(sample)
    values = _require_positive(_map(prediction, f"prediction of {sample.name}"), sample.name)
    if quantity == "depth" and values.shape == truth.shape:
        depth = values
    else:
        # interpolating between a wall and the sky in depth invents points far behind the wall; some protocols do
        resized = values if quantity == protocol.resized else 1.0 / values
        resized = resize_map(resized, *truth.shape, protocol.interpolation)
        depth = resized if protocol.resized == "depth" else 1.0 / resized
    valid = protocol.valid(truth)
    if protocol.clamp_truth:
        truth = np.where(truth > 0, np.clip(truth, protocol.min_depth_m, protocol.cap_m), 0.0)
    scale = 1.0
    if protocol.nominal_factor is not None:
        scale = nominal_to_metres(1.0, protocol.nominal_factor * NOMINAL_BASELINE_M)
    elif protocol.scaling == "median" and valid.any():
        scale = float(np.median(truth[valid]) / np.median(depth[valid]))
    metres = depth * scale
    return Comparison(truth, np.clip(metres, protocol.min_depth_m, protocol.cap_m), valid, scale, metres)


def score(
    prediction, sample: StereoSample, protocol: str | Protocol, *, strata: Strata = None, quantity: str = "depth"
) -> list[dict]:
    """Score one prediction: a dict a stratum, of image, stratum_kind, stratum, pixels, scale and the metrics.

    The first is the whole image (kind ``none``, stratum ``all``); a stratum without a valid pixel is left out, and so
    is everything where the protocol counts no pixel at all (an empty list). Arguments and errors as in `compare`;
    ``strata`` as in `evaluate`.
    """
    protocol = get_protocol(protocol)
    compared = compare(prediction, sample, protocol, quantity=quantity)
    if not compared.valid.any():
        return []
    errors = pixel_errors(compared.truth[compared.valid], compared.prediction[compared.valid], log10=protocol.log10)
    if protocol.d1_all:
        rig = sample.rig.resized(compared.truth.shape[1], compared.truth.shape[0])
        maps = (torch.from_numpy(depth[compared.valid]) for depth in (compared.truth, compared.unclamped))
        errors[D1_ALL] = disparity_outliers(*(depth_to_disparity(depth, rig).numpy() for depth in maps))

    def row(kind: str, stratum: str, select: np.ndarray | None) -> dict:
        pixels = int(compared.valid.sum() if select is None else select.sum())
        place = {"image": sample.name, "stratum_kind": kind, "stratum": stratum, "pixels": pixels}
        return {**place, "scale": compared.scale, **summarise(errors, select)}

    rows = [row("none", "all", None)]
    for kind, masks_of in strata_makers(strata).items():
        for stratum, mask in masks_of(sample, compared.truth.shape).items():
            select = mask[compared.valid]
            if stratum != "all" and select.any():
                rows.append(row(kind, stratum, select))
    return rows


@dataclass
class Evaluation:
    """What a network scored on a data set by a protocol.

    Attributes:
        protocol: as it was applied, options included.
        per_image: one row an image and stratum: image, stratum_kind, stratum, pixels, scale, and a column a metric.
            The whole image is stratum ``all`` of kind ``none``.
        unscored: image name -> why it was predicted but has no score.
        damaged: image name -> what is wrong with its files, of images that could not be scored because of it.
        seconds: wall time of the whole.
        precision: that the network was computed in.
    """

    protocol: Protocol
    per_image: pd.DataFrame
    unscored: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    precision: str = "fp32"

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metric columns."""
        return metric_names(self.protocol.log10, self.protocol.d1_all)

    @property
    def images(self) -> int:
        """How many images were scored."""
        return int((self.per_image["stratum_kind"] == "none").sum())

    def means(self) -> pd.DataFrame:
        """Means over images: a row a stratum with stratum_kind, stratum, images, pixels (their sum) and the metrics."""
        groups = self.per_image.groupby(["stratum_kind", "stratum"], sort=False)
        means = groups[list(self.metrics)].mean()
        means.insert(0, "images", groups.size())
        means.insert(1, "pixels", groups["pixels"].sum())
        return means.reset_index()

    def describe(self) -> str:
        """The protocol, how many images stand behind the means, and which have no score."""
        asked = self.images + len(self.unscored) + len(self.damaged)
        parts = [self.protocol.describe(), f"{self.images} of {asked} images scored"]
        groups = {f"with {why}": [n for n, own in self.unscored.items() if own == why] for why in (NO_TRUTH, NO_PIXELS)}
        for what, names in {"damaged": list(self.damaged), **groups}.items():
            if names:
                parts.append(f"{len(names)} {what} ({names[0]}{', …' if len(names) > 1 else ''})")
        return "; ".join(parts)


@torch.no_grad()
def predict(
    network, samples: Sequence[StereoSample], *, flip: bool = False, units: bool = False, precision: str = "fp32"
) -> np.ndarray:
    """Inverse depth, 1 / metres, of images of one size, ``(B, H, W)`` float64 at the network's size.

    Args:
        network: has ``depth(image (B,3,H,W), rig) -> metres (B,1,H,W)``; the images are brought to its device.
        samples: images of one size.
        flip: average with the prediction for the mirrored image (see `evaluation.postprocessing.flip_postprocess`).
        units: 1 / units of the network's pretended baseline instead: its ``depth_in_units(image)`` where it has one
            (`lowtex.networks.DepthNet`), else its ``depth`` as it is.
        precision: one of `PRECISIONS`, whatever was trained or predicted before.

    Raises:
        DataError: a prediction that is not finite and positive; names the image.
        OptionError: an unknown precision.
    """
    require_choice("precision", precision, PRECISIONS)
    set_precision(device_of(network), precision)
    batch = collate(list(samples)).to(device_of(network))

    def inverse(image: Tensor, rig: StereoRig) -> np.ndarray:
        in_units = units and hasattr(network, "depth_in_units")
        depth = network.depth_in_units(image) if in_units else network.depth(image, rig)
        if depth.dim() != 4 or depth.shape[1] != 1 or depth.shape[0] != len(image):
            raise ValueError(f"the network's depth must be ({len(image)}, 1, H, W), got {tuple(depth.shape)}")
        values = depth[:, 0].double().cpu().numpy()
        for name, one in zip(batch.names, values, strict=True):
            _require_positive(one, name)
        return 1.0 / values

    direct = inverse(batch.image, batch.rig)
    if not flip:
        return direct
    rig = batch.rig
    if rig.cx is not None and rig.width is not None:
        rig = replace(rig, cx=rig.width - 1 - rig.cx)
    return flip_postprocess(direct, inverse(batch.image.flip(-1), rig)[..., ::-1])


def predict_photo(network, size: tuple[int, int], image: np.ndarray, focal_px: float, baseline_m: float) -> np.ndarray:
    """Depth of one photo, ``(h, w)`` float32 metres, brought to the photo's size as inverse depth.

    Args:
        network: as for `predict`.
        size: (height, width) the network was trained at, multiples of 32.
        image: ``(h, w, 3)`` uint8 RGB at its own size.
        focal_px: focal length in pixels at that size.
        baseline_m: of the training cameras; a network whose scale is fixed does not look at it.

    Raises:
        DataError: the prediction is not finite and positive.
    """
    height, width = image.shape[:2]
    rig = StereoRig(focal_px, baseline_m, width=width, height=height).resized(size[1], size[0])
    try:
        [inverse] = predict(network, [StereoSample(to_tensor(resize_area(image, size)), rig, "the photo")])
    except DataError as error:
        raise DataError(
            "the network's depth is not finite and positive; the checkpoint is damaged, train it again"
        ) from error
    return (1.0 / resize_map(inverse, height, width)).astype(np.float32)


def evaluate(
    network,
    dataset,
    protocol: str | Protocol,
    *,
    flip: bool | None = None,
    scaling: str | None = None,
    strata: Strata = None,
    precision: str = "fp32",
    batch_size: int = 8,
    progress: bool = False,
    keep_going: bool = False,
) -> Evaluation:
    """Predict every image of a data set and score those that have ground truth.

    Args:
        network: has ``depth(image, rig)``; put into evaluation mode meanwhile, if it has one.
        dataset: ``len`` and ``[i] -> StereoSample``; its attribute ``ground_truth``, where it has one, must be
            the protocol's (`evaluation.protocols.GROUND_TRUTHS`).
        protocol: name or value.
        flip, scaling: instead of the protocol's own; stated in the rows. ``scaling="x5.4"`` is for checkpoints that
            were trained with a pretended baseline of 0.1 (Monodepth2's and its kin): one unit of the network is then
            5.4 m, whatever the network or the data say of metres, see `lowtex.evaluation.protocols.Protocol`.
        strata: kinds of strata to score as well (``known``, ``gradient``, ``visibility``, ``edges``, ``distance``,
            crossed as in ``known*distance``): a name, several, or label -> function(sample, size) -> masks.
        precision: one of `PRECISIONS`; stated in the rows.
        batch_size: images predicted together; the scores do not depend on it beyond rounding.
        progress: show a bar.
        keep_going: score the other images where the files of one are damaged, and note it in ``damaged``. Rows of
            such an evaluation must say so, because they rest on fewer images.

    Raises:
        DataError: damaged files (with ``keep_going`` only if that leaves no image), a prediction that is not finite
            and positive, or strata the data can't give.
        OptionError: unknown names, or a protocol that does not fit the data's ground truth.
    """
    protocol = get_protocol(protocol).changed(flip=flip, scaling=scaling)
    reader = _reader_of(dataset)
    crop = getattr(reader, "crop", "any")
    protocol.require(getattr(reader, "ground_truth", None), type(reader).__name__, crop)
    if protocol.image_crop is None and crop in IMAGE_CROPS:
        # rows must not say that nothing was cut off
        protocol = replace(protocol, image_crop=crop)
    start = time.perf_counter()
    rows: list[dict] = []
    unscored: dict[str, str] = {}
    damaged: dict[str, str] = {}
    bar = Progress("evaluate", len(dataset), "image") if progress else nullcontext()
    with evaluation_mode(network), bar:
        for samples in _batches(dataset, batch_size, damaged if keep_going else None):
            units = protocol.nominal_factor is not None
            inverses = predict(network, samples, flip=protocol.flip, units=units, precision=precision)
            for sample, inverse in zip(samples, inverses, strict=True):
                scored = []
                if has_truth := sample.depth is not None and bool((sample.depth != 0).any()):
                    scored = score(inverse, sample, protocol, strata=strata, quantity="inverse_depth")
                if not scored:
                    unscored[sample.name] = NO_PIXELS if has_truth else NO_TRUTH
                rows.extend(scored)
            if progress:
                bar.update(len(samples))
    columns = ["image", "stratum_kind", "stratum", "pixels", "scale", *metric_names(protocol.log10, protocol.d1_all)]
    seconds = time.perf_counter() - start
    result = Evaluation(protocol, pd.DataFrame(rows, columns=columns), unscored, damaged, seconds, precision)
    if damaged and not rows:
        first = next(iter(damaged.values()))
        raise DataError(f"no image could be scored, {len(damaged)} of {len(dataset)} are damaged; the first: {first}")
    if unscored or damaged:
        warnings.warn(f"not every image could be scored: {result.describe()}", stacklevel=2)
    return result


def _reader_of(dataset):
    """What a `torch.utils.data.Subset` or another wrapper is made of: it says the ground truth and the crop."""
    while not hasattr(dataset, "ground_truth") and isinstance(getattr(dataset, "dataset", None), Dataset):
        dataset = dataset.dataset
    return dataset


def _batches(dataset, batch_size: int, damaged: dict[str, str] | None) -> Iterator[list[StereoSample]]:
    """Consecutive samples whose images have one size; KITTI's native sizes differ between days.

    Samples whose files are damaged are noted in ``damaged`` and left out; None raises the error.
    """
    held: list[StereoSample] = []
    for index in range(len(dataset)):
        try:
            sample = dataset[index]
            if sample.depth is not None:
                _truth_of(sample)
        except DataError as error:
            if damaged is None:
                raise
            names = getattr(dataset, "names", None)
            damaged[names[index] if names else f"image {index}"] = str(error)
            continue
        if held and (len(held) >= batch_size or sample.image.shape != held[0].image.shape):
            yield held
            held = []
        # the other view is never needed here, and a data set may have it for some images only
        held.append(replace(sample, other=None))
    if held:
        yield held


def _require_positive(values: np.ndarray, name: str) -> np.ndarray:
    """The values, or a `DataError` that names the image if any is not finite and > 0."""
    bad = ~np.isfinite(values)
    what = "not finite (NaN or infinite)" if bad.any() else "not > 0"
    bad = bad if bad.any() else values <= 0
    if bad.any():
        raise DataError(
            f"the prediction for {name} has {int(bad.sum())} of {values.size} values that are {what}; it cannot be "
            "scored: has the training diverged, or is the checkpoint damaged?"
        )
    return values


def _truth_of(sample: StereoSample) -> np.ndarray:
    """A sample's ground truth, ``(h, w)`` float64 metres, 0 = none.

    Raises:
        DataError: it has none, or a value is negative or not finite; names the image.
    """
    if sample.depth is None:
        raise DataError(f"{sample.name} has no ground truth to score against")
    truth = _map(sample.depth, f"ground truth of {sample.name}")
    bad = ~np.isfinite(truth) | (truth < 0)
    if bad.any():
        raise DataError(
            f"the ground truth of {sample.name} has {int(bad.sum())} of {truth.size} values that are negative or not "
            "finite; 0 means none, so the file or its reader is damaged"
        )
    return truth


def _map(values, what: str) -> np.ndarray:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{what} must be (H, W) or (1, H, W), got {array.shape}")
    return array.astype(np.float64, copy=False)
