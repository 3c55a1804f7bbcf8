"""The same streets with more and less texture: how a network's predictions bear it when texture is taken away.

The miniature's test scenes are rendered again with the texture contrast of every surface multiplied by one factor, and
nothing else changed: cameras, solids, mean colours, slow waves of tone, light, shadows, haze, exposure and every
pixel's noise are the same numbers, and depth is checked to be the same to the centimetre. Factor 1 gives the very file
on disk. At factor 0 painted details (windows, doors, lane marks), shadows, shading, outlines and noise are left; the
last of `LEVELS` takes the painted details away too, with their colours. Albedo ends at 0.01 and 1, so factor 2 is a
little less than twice the contrast on the strongest surfaces.

The networks have been trained where the factor is 1. So this measures what a *prediction* needs of texture. What a
network can *learn* where there is none is another question, which only a training in such a world would answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lowtex.data_paths import ROOT_MANIFEST
from lowtex.datasets import VirtualKitti2
from lowtex.datasets.images import read_rgb, resize_area, to_tensor
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, LowtexError, OptionError
from lowtex.evaluation.evaluate import compare, evaluate, predict, score
from lowtex.evaluation.texture import strata
from lowtex.files import read_json
from lowtex_lab.miniature.render import NOISE, VKITTI2_RIG, Scene, expose, one_thread, view, world_at
from lowtex_lab.miniature.solids import COLUMNS
from lowtex_lab.miniature.vkitti2 import JPEG, centimetres
from lowtex_lab.miniature.weather import weather
from lowtex_lab.miniature.writing import as_bgr8, world_version, write_image
from lowtex_lab.studies.loss_analysis.texture_windows import window_makers

PROTOCOL = "vkitti2_dense"
FRAMES = 12
"""Test images that are rendered again, spread evenly over the split."""

KINDS = ("known", "distance")
"""Strata of `measure`; texture is that of factor 1, so that a stratum holds the same pixels throughout. At factor 1
alone low texture under every definition (`studies.loss_analysis.texture_windows`) comes on top, of all test images."""

CACHE = "texture_sweep"
_CACHE_VERSION = 1
"""Grows whenever `rerender` would give other pixels from the same world."""


@dataclass(frozen=True)
class Level:
    """How much texture there is: the factor on every surface's contrast; ``painted``: painted details are kept."""

    factor: float
    painted: bool = True

    def __post_init__(self):
        if not (math.isfinite(self.factor) and self.factor >= 0):
            raise OptionError(f"factor={self.factor} must be a number of 0 or more; 1 is the world as it is")

    @property
    def label(self) -> str:
        """``0.25``, or ``0, bare`` without painted details."""
        return f"{self.factor:g}" + ("" if self.painted else ", bare")


LEVELS = (*(Level(factor) for factor in (2.0, 1.0, 0.5, 0.25, 0.1, 0.0)), Level(0.0, painted=False))
"""From strong texture to none."""


@torch.no_grad()
@one_thread()
def rerender(
    scene: Scene,
    frame: int,
    level: Level,
    size: tuple[int, int] = (96, 320),
    variation: str = "clone",
    cameras: Sequence[int] = (0,),
) -> list[tuple[Tensor, Tensor]]:
    """Images ``(3, H, W)`` in [0, 1] and depths ``(1, H, W)`` metres (0 = sky) of cameras 0 (left) and 1 (right).

    `lowtex_lab.miniature.render.render` with the surfaces' contrasts multiplied; with factor 1 it gives the same bits.
    """
    height, width = size
    rig, look = VKITTI2_RIG.resized(width, height), weather(variation)
    (x, y, z), heading = scene.pose(frame, variation)
    world = world_at(scene, z, variation)
    table = world.lit.table.clone()
    table[COLUMNS["contrast"]] *= level.factor
    if not level.painted:
        table[COLUMNS["pattern"]] = 0
    world = replace(world, lit=replace(world.lit, table=table))
    cos, sin = math.cos(heading), math.sin(heading)
    views = []
    for camera in cameras:
        offset = camera * rig.baseline_m
        origin = (x + offset * cos, y, z - offset * sin)
        light, depth, _, _ = view(world, origin, (cos, sin), rig, height, width)
        image = expose(light, scene.seed, scene.name, frame, variation, camera, streaks=look.streaks)
        views.append((image, depth))
    return views


def sweep_samples(
    root: str | Path,
    factor: float = 1.0,
    frames: int = FRAMES,
    *,
    painted: bool = True,
    size: tuple[int, int] | None = None,
    split: str = "test",
    views: bool = False,
) -> list[StereoSample]:
    """Samples of a miniature Virtual KITTI 2 with another contrast of texture, left view.

    What has been rendered is kept beside ``root`` in `CACHE`, where that folder can be written to.

    Args:
        root: the miniature.
        factor: on the contrast of every surface, 0 or more.
        frames: how many, spread evenly over the split; all where it has fewer.
        painted: False takes windows, doors, lane marks and the like away.
        size: (height, width) of the images; None = as written.
        split: of `lowtex.datasets.VirtualKitti2`.
        views: render the right view too.

    Returns:
        As the reader's. ``texture_contrast`` stays that of factor 1 (the surfaces' own), as do ground truth and
        visibility.

    Raises:
        DataError: real data, of which nothing can be rendered again; or a miniature of another version of the world.
        OptionError: a factor below 0, no frames, or what the reader refuses.
    """
    level = Level(float(factor), painted)
    if isinstance(frames, bool) or not isinstance(frames, int) or frames < 1:
        raise OptionError(f"frames={frames!r} must be a whole number of 1 or more")
    manifest = _manifest(Path(root))
    reader = _reader(Path(root), size, split)
    chosen = np.unique(np.linspace(0, len(reader) - 1, min(frames, len(reader))).round().astype(int))
    cameras = (0, 1) if views else (0,)
    samples = []
    for index in chosen:
        sample = reader[int(index)]
        pictures = [_picture(Path(root), manifest, sample, level, camera, cameras) for camera in cameras]
        pictures = [to_tensor(resize_area(p, tuple(sample.image.shape[-2:]))) for p in pictures]
        samples.append(replace(sample, image=pictures[0], other=pictures[1] if views else None))
    return samples


def texture_reaching(
    root: str | Path, factor: float = 1.0, frames: int = FRAMES, kind: str = "known*distance"
) -> pd.DataFrame:
    """How much of the surfaces' texture arrives in the picture: what the same picture at factor 0 lacks.

    A texture finer than a pixel is averaged away before it is seen, and what is left stands in the sensor's noise.

    Args:
        root, factor, frames: as in `sweep_samples`.
        kind: of strata, by the known contrast of factor 1.

    Returns:
        stratum, texture (root mean square of the difference, [0, 1] a colour), over_noise (texture over the deviation
        of the sensor's noise), pixels, images.
    """
    sums: dict[str, np.ndarray] = {}
    samples, plain_ones = sweep_samples(root, factor, frames), sweep_samples(root, 0.0, frames)
    for sample, plain in zip(samples, plain_ones, strict=True):
        squared = (sample.image - plain.image).square().mean(0).numpy()
        for stratum, mask in strata(sample, kind).items():
            sums[stratum] = sums.get(stratum, 0) + np.array([squared[mask].sum(), mask.sum()], dtype=float)
    lines = []
    for stratum, (total, pixels) in ((name, total) for name, total in sums.items() if total[1]):
        texture = float(np.sqrt(total / pixels))
        line = {"stratum": stratum, "texture": texture, "over_noise": texture / NOISE}
        lines.append({**line, "pixels": int(pixels), "images": len(samples)})
    return pd.DataFrame(lines)


def measure(network: nn.Module, root: Path, size: tuple[int, int]) -> pd.DataFrame:
    """A network's errors on the swept test images, and by every definition of low texture: a row an image, level and
    stratum.

    Args:
        network: has ``depth(image, rig)``, in evaluation mode.
        root: a miniature Virtual KITTI 2.
        size: (height, width) that the network sees.

    Returns:
        factor, painted, image, stratum_kind, stratum, pixels, abs_rel, d1, and ``moved``: the mean of
        ``|depth / depth at factor 1 - 1|``, which asks no ground truth. `FRAMES` test images; strata by the known
        contrast of factor 1 (``known``) and by true distance. Then, at factor 1, of *all* test images, the strata of
        `lowtex_lab.studies.loss_analysis.texture_windows.window_makers`, kinds ``window 9 px``, …, ``known contrast``.

    Raises:
        DataError: as `sweep_samples`.
    """
    normal = Level(1.0)
    before: dict[str, np.ndarray] = {}
    masks: dict[tuple[str, str], dict[str, np.ndarray]] = {}

    def masks_of(sample: StereoSample, kind: str) -> dict[str, np.ndarray]:
        # texture, distance and so the strata of an image are the same at every level
        if (sample.name, kind) not in masks:
            masks[sample.name, kind] = strata(sample, kind)
        return masks[sample.name, kind]

    makers = {kind: lambda sample, _, kind=kind: masks_of(sample, kind) for kind in KINDS}
    lines = []
    for level in (normal, *(level for level in LEVELS if level != normal)):
        samples = sweep_samples(root, level.factor, FRAMES, painted=level.painted, size=size)
        for sample, inverse in zip(samples, predict(network, samples), strict=True):
            compared = compare(inverse, sample, PROTOCOL, quantity="inverse_depth")
            usual = before.setdefault(sample.name, compared.prediction)
            change = np.abs(compared.prediction / usual - 1)
            for row in score(inverse, sample, PROTOCOL, strata=makers, quantity="inverse_depth"):
                inside = compared.valid
                if row["stratum_kind"] != "none":
                    inside = inside & masks_of(sample, row["stratum_kind"])[row["stratum"]]
                lines.append(_line(level, row, float(change[inside].mean())))
    whole = evaluate(network, _reader(Path(root), size, "test"), PROTOCOL, strata=window_makers(size[1]))
    rows = whole.per_image[whole.per_image["stratum_kind"] != "none"].to_dict("records")
    return pd.DataFrame([*lines, *(_line(normal, row, 0.0) for row in rows)])


def _line(level: Level, row: dict, moved: float) -> dict:
    kept = {name: row[name] for name in ("image", "stratum_kind", "stratum", "pixels", "abs_rel", "d1")}
    return {"factor": level.factor, "painted": level.painted, **kept, "moved": moved}


def _manifest(root: Path) -> dict:
    if not (root / ROOT_MANIFEST).is_file():
        raise DataError(
            f"{root} was not written by lowtex: of real pictures there is nothing to render again with other texture; "
            "take the miniature (leave data_root empty)"
        )
    manifest = read_json(root / ROOT_MANIFEST)
    if manifest.get("layout") != "vkitti2":
        raise DataError(f"{root} is a miniature of {manifest.get('layout')}; the sweep needs the one of vkitti2")
    if manifest.get("world_version") != world_version("vkitti2"):
        raise DataError(
            f"{root} was written by another version of the miniature world; write it again (lowtex data miniature)"
        )
    return manifest


@lru_cache(maxsize=4)
def _reader(root: Path, size: tuple[int, int] | None, split: str) -> VirtualKitti2:
    return VirtualKitti2(root, split=split, size=size, views=False)


def _picture(
    root: Path, manifest: dict, sample: StereoSample, level: Level, camera: int, cameras: Sequence[int]
) -> np.ndarray:
    """``(H, W, 3)`` uint8 RGB as it would have been written and read; rendered only where it is not kept yet."""
    name, variation, frame, _ = sample.name.split("/")
    height, width = manifest["size"]
    folder = f"{manifest['world_version']}-{_CACHE_VERSION}-s{manifest['seed']}-{height}x{width}"
    paths = [
        root.parent / CACHE / folder / f"{name}_{variation}_{frame}_x{level.label.replace(', ', '-')}_c{c}.jpg"
        for c in (0, 1)
    ]
    try:
        return read_rgb(paths[camera])
    except DataError:
        pass  # not there yet, or damaged
    scene = Scene(name, int(manifest["seed"]))
    for number, (image, depth) in zip(
        cameras, rerender(scene, int(frame), level, (height, width), variation, cameras), strict=True
    ):
        if number == 0:
            _require_same_depth(centimetres(depth), sample)
        picture = as_bgr8(image)
        try:
            write_image(paths[number], picture, *JPEG)
        except LowtexError:
            pass  # a root on a full or read-only disk: then it is rendered every time
        if number == camera:
            code = cv2.imencode(".jpg", picture, list(JPEG))[1]
            found = cv2.cvtColor(cv2.imdecode(code, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGR2RGB)
    return found


def _require_same_depth(rendered: np.ndarray, sample: StereoSample) -> None:
    # whole centimetres up to 655.34 m: float32 holds them exactly enough to be rounded back
    stored = np.rint(sample.depth[0].numpy().astype(np.float64) * 100).astype(np.int64)
    same = np.where(rendered == 65535, 0, rendered) == stored
    if not same.all():
        raise DataError(
            f"{sample.name}: rendered again, {int((~same).sum())} pixels have another depth than on disk; it was "
            "changed or comes from another machine: delete the miniature, lowtex data miniature writes it again"
        )
