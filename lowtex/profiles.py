"""The profiles: sizes and schedules, and how much miniature data they are run on. The code path is one."""

from dataclasses import dataclass

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
        finetune_steps: optimiser steps of a fine-tuning (notebooks 10, 11 and 14).
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


PROFILES = {
    "smoke": Profile(
        name="smoke",
        depth=34,
        width=0.125,
        size=(64, 192),
        schedule=ScheduleSettings(steps=4, batch_size=2, learning_rate=1e-3),
        feature_net=FeatureNetSettings(depth=18, width=0.125, steps=3, batch_size=2, learning_rate=1e-3),
        seeds=1,
        miniature_frames={"Scene01": 2, "Scene02": 4, "Scene06": 2, "Scene18": 4, "Scene20": 2},
        miniature_variations={"Scene01": 1, "Scene20": 1},
        miniature_kitti={"train": 3, "val": 1, "test": 3},
        miniature_cityscapes={"train": 4, "val": 2},
        miniature_make3d=2,
        miniature_stereo=2,
        finetune_steps=2,
        transfer_steps=3,
        least_channels=16,
    ),
    "quick": Profile(
        name="quick",
        depth=34,
        width=0.25,
        size=(96, 320),
        schedule=ScheduleSettings(steps=200, batch_size=8, learning_rate=1e-3),
        feature_net=FeatureNetSettings(depth=18, width=0.5, steps=150, batch_size=8, learning_rate=1e-3),
        seeds=1,
        miniature_frames={"Scene01": 20, "Scene02": 100, "Scene06": 20, "Scene18": 100, "Scene20": 20},
        miniature_variations={"Scene01": 5, "Scene20": 5},
        miniature_kitti={"train": 8, "val": 4, "test": 20},
        miniature_cityscapes={"train": 80, "val": 16},
        miniature_make3d=12,
        miniature_stereo=8,
        finetune_steps=40,
        transfer_steps=80,
        least_channels=16,
    ),
    "standard": Profile(
        name="standard",
        depth=50,
        width=1.0,
        size=(192, 640),
        schedule=ScheduleSettings(steps=6_000, batch_size=12, learning_rate=1e-4),
        feature_net=FeatureNetSettings(depth=50, steps=3_000),
        seeds=3,
        miniature_frames={"Scene01": 60, "Scene02": 600, "Scene06": 60, "Scene18": 600, "Scene20": 60},
        miniature_variations={"Scene01": 15, "Scene20": 15},
        miniature_kitti={"train": 20, "val": 10, "test": 60},
        miniature_cityscapes={"train": 400, "val": 60},
        miniature_make3d=60,
        miniature_stereo=20,
        finetune_steps=500,
        transfer_steps=3_000,
    ),
    "paper": Profile(
        name="paper",
        depth=50,
        width=1.0,
        size=(192, 640),
        # 45,200 targets / 12 a step * 20 epochs
        schedule=ScheduleSettings(steps=75_340, batch_size=12, learning_rate=1e-4),
        feature_net=FeatureNetSettings(depth=50, steps=30_000),
        seeds=3,
        miniature_frames={},
        miniature_variations={},
        miniature_kitti={},
        miniature_cityscapes={},
        miniature_make3d=0,
        miniature_stereo=0,
        finetune_steps=5_000,
        transfer_steps=30_000,
    ),
}


def get_profile(name: str) -> Profile:
    """The profile of that name; `OptionError` lists the known ones."""
    require_choice("profile", name, PROFILES)
    return PROFILES[name]
