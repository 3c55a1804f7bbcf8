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

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lowtex.data_paths import ROOT_MANIFEST
from lowtex.datasets import VirtualKitti2
from lowtex.datasets.images import read_rgb, resize_area, to_tensor
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, require_choice
from lowtex.evaluation.evaluate import compare, evaluate, predict, score
from lowtex.evaluation.texture import strata
from lowtex.files import read_json
from lowtex_lab.miniature.render import VKITTI2_RIG, Scene, one_thread, photographs, world_at
from lowtex_lab.miniature.solids import COLUMNS
from lowtex_lab.miniature.vkitti2 import JPEG, centimetres
from lowtex_lab.miniature.writing import as_bgr8, world_version, write_image
from lowtex_lab.studies.rows import PROTOCOL
from lowtex_lab.studies.texture_windows import window_makers

FRAMES = 12
"""Test images that are rendered again, spread evenly over the split."""

KINDS = ("known", "distance")
"""Strata of `measure`; texture is that of factor 1, so that a stratum holds the same pixels throughout. At factor 1
alone low texture under every definition (`studies.texture_windows`) comes on top, of all test images."""

NORMAL, BARE = "1", "0, bare"
LEVELS = {f"{factor:g}": (factor, True) for factor in (2.0, 1.0, 0.5, 0.25, 0.1, 0.0)} | {BARE: (0.0, False)}
"""Level -> the factor on every surface's contrast, and whether painted details are kept; from strong texture to none.
"""

CACHE = "texture_sweep"
_CACHE_VERSION = 1
"""Grows whenever `rerender` would give other pixels from the same world."""


@torch.no_grad()
@one_thread()
def rerender(
    scene: Scene, frame: int, level: str, size: tuple[int, int], variation: str = "clone", views: bool = False
) -> list[tuple[Tensor, Tensor]]:
    """Images ``(3, H, W)`` in [0, 1] and depths ``(1, H, W)`` metres (0 = sky) of the left view, or of both.

    `lowtex_lab.miniature.render.render` with the surfaces' contrasts multiplied; at `NORMAL` it gives the same bits.
    """
    factor, painted = LEVELS[level]
    world = world_at(scene, scene.pose(frame, variation)[0][2], variation)
    table = world.table.clone()
    table[COLUMNS["contrast"]] *= factor
    if not painted:
        table[COLUMNS["pattern"]] = 0
    world = replace(world, table=table)
    made = photographs(world, scene, frame, variation, VKITTI2_RIG.resized(size[1], size[0]), cameras=1 + views)
    return [(image, depth) for image, depth, _, _ in made]


def sweep_samples(
    root: str | Path,
    level: str = NORMAL,
    frames: int = FRAMES,
    *,
    size: tuple[int, int] | None = None,
    split: str = "test",
    views: bool = False,
) -> list[StereoSample]:
    """Samples of a miniature Virtual KITTI 2 with another contrast of texture, left view.

    What has been rendered is kept beside ``root`` in `CACHE`.

    Args:
        root: the miniature.
        level: of `LEVELS`.
        frames: how many, spread evenly over the split; all where it has fewer.
        size: (height, width) of the images; None = as written.
        split: of `lowtex.datasets.VirtualKitti2`.
        views: render the right view too.

    Returns:
        As the reader's. ``texture_contrast`` stays that of factor 1 (the surfaces' own), as do ground truth and
        visibility.

    Raises:
        DataError: real data, of which nothing can be rendered again; or a miniature of another version of the world.
        OptionError: an unknown level, or what the reader refuses.
    """
    require_choice("level", level, LEVELS)
    manifest, reader = _manifest(Path(root)), VirtualKitti2(root, split=split, size=size, views=False)
    samples = []
    for index in np.unique(np.linspace(0, len(reader) - 1, min(frames, len(reader))).round().astype(int)):
        sample = reader[int(index)]
        pictures = _pictures(Path(root), manifest, sample, level, views)
        image, *other = (to_tensor(resize_area(one, tuple(sample.image.shape[-2:]))) for one in pictures)
        samples.append(replace(sample, image=image, other=other[0] if views else None))
    return samples


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
        `lowtex_lab.studies.texture_windows.window_makers`, kinds ``window 9 px``, …, ``known contrast``.

    Raises:
        DataError: as `sweep_samples`.
    """
    frames, usual = [], {}
    for level in sorted(LEVELS, key=lambda label: label != NORMAL):
        samples, rows = sweep_samples(root, level, FRAMES, size=size), []
        for sample, inverse in zip(samples, predict(network, samples), strict=True):
            compared = compare(inverse, sample, PROTOCOL, quantity="inverse_depth")
            moved = np.abs(compared.prediction / usual.setdefault(sample.name, compared.prediction) - 1)
            masks = {kind: strata(sample, kind) for kind in KINDS} | {"none": {"all": True}}
            for row in score(inverse, sample, PROTOCOL, strata=KINDS, quantity="inverse_depth"):
                inside = compared.valid & masks[row["stratum_kind"]][row["stratum"]]
                rows.append({**row, "moved": float(moved[inside].mean())})
        factor, painted = LEVELS[level]
        frames.append(pd.DataFrame(rows).assign(factor=factor, painted=painted))
    dataset = VirtualKitti2(root, split="test", size=size, views=False)
    whole = evaluate(network, dataset, PROTOCOL, strata=window_makers(size[1])).per_image
    frames.append(whole[whole["stratum_kind"] != "none"].assign(factor=1.0, painted=True, moved=0.0))
    columns = ["factor", "painted", "image", "stratum_kind", "stratum", "pixels", "abs_rel", "d1", "moved"]
    return pd.concat(frames, ignore_index=True)[columns]


def _manifest(root: Path) -> dict:
    if not (root / ROOT_MANIFEST).is_file():
        raise DataError(
            f"{root} was not written by lowtex: of real pictures there is nothing to render again with other texture; "
            "take the miniature (leave data_root empty)"
        )
    manifest = read_json(root / ROOT_MANIFEST)
    layout, version = manifest.get("layout"), manifest.get("world_version")
    if layout != "vkitti2" or version != world_version("vkitti2"):
        raise DataError(
            f"{root} is a miniature of {layout}, version {version} of its world; the sweep needs vkitti2, version "
            f"{world_version('vkitti2')}: write it again (lowtex data miniature)"
        )
    return manifest


def _pictures(root: Path, manifest: dict, sample: StereoSample, level: str, views: bool) -> list[np.ndarray]:
    """``(H, W, 3)`` uint8 RGB of the left view, or of both, as they would have been written and read; rendered once."""
    name, variation, frame, _ = sample.name.split("/")
    height, width = manifest["size"]
    folder = f"{manifest['world_version']}-{_CACHE_VERSION}-s{manifest['seed']}-{height}x{width}"
    stem = f"{name}_{variation}_{frame}_x{level.replace(', ', '-')}"
    paths = [root.parent / CACHE / folder / f"{stem}_c{camera}.jpg" for camera in range(1 + views)]
    if not all(path.is_file() for path in paths):
        made = rerender(Scene(name, int(manifest["seed"])), int(frame), level, (height, width), variation, views)
        _require_same_depth(centimetres(made[0][1]), sample)
        for path, (image, _) in zip(paths, made, strict=True):
            write_image(path, as_bgr8(image), *JPEG)
    return [read_rgb(path) for path in paths]


def _require_same_depth(rendered: np.ndarray, sample: StereoSample) -> None:
    # whole centimetres up to 655.34 m: float32 holds them exactly enough to be rounded back
    stored = np.rint(sample.depth[0].numpy().astype(np.float64) * 100).astype(np.int64)
    same = np.where(rendered == 65535, 0, rendered) == stored
    if not same.all():
        raise DataError(
            f"{sample.name}: rendered again, {int((~same).sum())} pixels have another depth than on disk; it was "
            "changed or comes from another machine: delete the miniature, lowtex data miniature writes it again"
        )
