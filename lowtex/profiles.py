"""The profiles: sizes and schedules, and how much miniature data they are run on. The code path is one."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from lowtex.errors import require_choice
from lowtex.settings import FeatureNetSettings, ScheduleSettings


@dataclass(frozen=True)
class Profile:
    """Sizes and schedules of one way to run the kit.

    Attributes:
        name: ``quick``, ``standard`` or ``paper``; ``smoke`` runs every line in seconds for the tests, and its numbers
            mean nothing.
        depth, width: of the encoder; all methods of a profile share them.
        least_channels: of the decoder's levels, see `lowtex.settings.NetworkSettings`.
        size: (height, width) the network sees.
        schedule, feature_net: training lengths.
        seeds: how many seeds the tables are made of.
        miniature_frames: frames per scene of the miniature Virtual KITTI 2.
        miniature_variations: frames per scene that the other nine variations of the miniature Virtual KITTI 2 have.
        miniature_kitti, miniature_cityscapes: pairs per split of the miniature KITTI and Cityscapes.
        miniature_make3d: images of the miniature Make3D.
        miniature_stereo: pairs in the miniature of a folder of one's own.
        miniature_streets: frames of each of the 16 streets that are held out from everything, in a root of their own
            (splits ``streets/val`` and ``streets/test`` of Virtual KITTI 2's layout); 0 writes none.
        finetune_steps: optimiser steps of a fine-tuning (notebooks 11, 14 and 17, and `--init`).
        transfer_steps: optimiser steps of the training on Cityscapes (notebook 14).
    """

    name: str
    depth: int
    width: float
    size: tuple[int, int]
    schedule: ScheduleSettings
    feature_net: FeatureNetSettings
    seeds: int
    miniature_frames: dict[str, int]
    miniature_variations: dict[str, int]
    miniature_kitti: dict[str, int]
    miniature_cityscapes: dict[str, int]
    miniature_make3d: int
    miniature_stereo: int
    finetune_steps: int
    transfer_steps: int
    least_channels: int | None = None
    miniature_streets: int = 0


def _read(name: str, values: dict) -> Profile:
    parts = {
        "size": tuple(values["size"]),
        "schedule": ScheduleSettings(**values["schedule"]),
        "feature_net": FeatureNetSettings(**values["feature_net"]),
    }
    return Profile(name, **{**values, **parts})


_TEXT = Path(__file__).with_name("profiles.yaml").read_text(encoding="utf-8")

PROFILES = {name: _read(name, values) for name, values in yaml.safe_load(_TEXT).items()}
"""All profiles by name, from ``profiles.yaml``."""


def get_profile(name: str) -> Profile:
    """The profile of that name; `OptionError` lists the known ones."""
    require_choice("profile", name, PROFILES)
    return PROFILES[name]
