"""The miniature data of a profile: written once, found again by whoever needs it."""

from pathlib import Path

from filelock import FileLock

from lowtex.errors import OptionError
from lowtex.experiments import get_profile
from lowtex.files import read_json, write_json
from lowtex.progress import say
from lowtex.roots import MINIATURE_MANIFEST, miniature_folder

WORLD_SEED = 0
"""Seed of the streets. It is not the seed of a run: all seeds of an experiment see the same data."""


def manifest_of(profile: str) -> dict:
    """What the miniatures of a profile are, as recorded beside them; without dates, so that equal data are equal."""
    from lowtex.miniature.writing import world_version

    chosen = get_profile(profile)
    return {
        "what": "miniature data sets written by lowtex, not the real ones",
        "profile": profile,
        "seed": WORLD_SEED,
        "height": chosen.size[0],
        "width": chosen.size[1],
        "vkitti2": chosen.miniature_frames,
        "kitti": chosen.miniature_kitti,
        # other pictures by the same settings: the data are then written, and networks trained, anew
        "world_version": world_version(),
    }


def is_written(folder: Path, manifest: dict) -> bool:
    """The miniatures in ``folder`` are complete and are the ones ``manifest`` describes."""
    path = folder / MINIATURE_MANIFEST
    return path.is_file() and read_json(path) == manifest


def ensure_miniature(profile: str, folder: Path | None = None, progress: bool = True) -> Path:
    """Write a profile's miniature data sets unless they are there; two callers at once write them once.

    Args:
        profile: a profile that has miniatures.
        folder: where to; None is ``data/miniature/<profile>``, where every reader looks.

    Returns:
        The folder, with ``vkitti2``, ``kitti_raw`` and ``kitti_depth`` in it.

    Raises:
        OptionError: the profile reads real data only.
        DataError: no space left, or the folder can't be written to.
    """
    manifest = manifest_of(profile)
    if not manifest["vkitti2"]:
        raise OptionError(
            f"profile={profile} has no miniatures, it reads real data: give --data vkitti2=FOLDER, --data kitti=FOLDER "
            "(a notebook's data_root), or choose profile quick or standard"
        )
    folder = folder or miniature_folder(profile)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if is_written(folder, manifest):
            return folder
        from lowtex.miniature import write_kitti, write_vkitti2

        say(f"writing the miniature data sets of profile {profile}")
        # a folder half written by an older kit must not pass for the new one
        (folder / MINIATURE_MANIFEST).unlink(missing_ok=True)
        size = manifest["height"], manifest["width"]
        write_vkitti2(folder / "vkitti2", frames=manifest["vkitti2"], size=size, seed=WORLD_SEED, progress=progress)
        write_kitti(folder, frames=manifest["kitti"], size=size, seed=WORLD_SEED, progress=progress)
        write_json(folder / MINIATURE_MANIFEST, manifest)
    return folder
