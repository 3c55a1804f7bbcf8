"""The miniature data of a profile: written once, found again by whoever needs it."""

from functools import partial
from pathlib import Path

from filelock import FileLock

from lowtex.data_paths import MINIATURE_MANIFEST, MINIATURE_WHAT, ROOT_MANIFEST, STREETS_FOLDER, miniature_folder
from lowtex.datasets.virtual_kitti2 import STREET_SPLITS
from lowtex.errors import DataError, OptionError
from lowtex.experiments import get_profile
from lowtex.files import read_json, write_json
from lowtex.progress import say

WORLD_SEED = 0
"""Seed of the streets. It is not the seed of a run: all seeds of an experiment see the same data."""


def manifest_of(profile: str) -> dict:
    """What the miniatures of a profile are, as recorded beside them; without dates, so that equal data are equal.

    ``roots`` has one entry a root folder, empty for a profile without miniatures: what decides its files, with the
    version of the world behind that layout alone. Where one layout's entry changes, only its data are written, and
    only the networks trained on them trained, anew.
    """
    from lowtex_lab.miniature.writing import world_version

    roots = {}
    for name, options in _options_of(profile).items():
        layout = "vkitti2" if name == STREETS_FOLDER else name
        roots[name] = {**options, "world_version": world_version(layout)}
    return {
        "what": MINIATURE_WHAT,
        "profile": profile,
        "seed": WORLD_SEED,
        "roots": roots,
    }


def is_written(folder: Path, manifest: dict) -> bool:
    """The miniatures in ``folder`` are complete and are the ones ``manifest`` describes."""
    return _read(folder / MINIATURE_MANIFEST) == manifest and not _stale(folder, manifest)


def ensure_miniature(profile: str, folder: Path | None = None, progress: bool = True) -> Path:
    """Write a profile's miniature data sets unless they are there; two callers at once write them once.

    Args:
        profile: a profile that has miniatures.
        folder: where to; None is ``data/miniature/<profile>``, where every reader looks.

    Returns:
        The folder, with a root for each data set in it, named as in `lowtex.data_paths.MINIATURE_FOLDERS`.

    Raises:
        OptionError: the profile reads real data only.
        DataError: no space left, or the folder can't be written to.
    """
    manifest = manifest_of(profile)
    if not manifest["roots"]:
        raise OptionError(
            f"profile={profile} has no miniatures, it reads real data: give --data vkitti2=FOLDER, --data kitti=FOLDER "
            "(a notebook's data_root), or choose profile quick or standard"
        )
    folder = folder or miniature_folder(profile)
    if is_written(folder, manifest):
        # before the lock: in a checkout where nothing can be written they can still be read
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if is_written(folder, manifest):
            return folder
        stale = _stale(folder, manifest)
        if stale:
            say(f"writing the miniature data sets of profile {profile}: {', '.join(stale)}")
        # a folder half written by an older kit must not pass for the new one
        (folder / MINIATURE_MANIFEST).unlink(missing_ok=True)
        options = _options_of(profile)
        for write, names in _writers(folder):
            if set(names) & set(stale):
                write(**options[names[0]], seed=WORLD_SEED, progress=progress)
        write_json(folder / MINIATURE_MANIFEST, manifest)
    return folder


def _options_of(profile: str) -> dict[str, dict]:
    """The options each root is written with, by the profile's numbers; nothing for a profile without miniatures."""
    chosen = get_profile(profile)
    if not chosen.miniature_frames:
        return {}
    height, width = chosen.size
    scenes = {"frames": chosen.miniature_frames, "variation_frames": chosen.miniature_variations}
    kitti = {"frames": chosen.miniature_kitti, "size": [height, width]}
    held_out = dict.fromkeys(sum(STREET_SPLITS.values(), ()), chosen.miniature_streets)
    streets = {"frames": held_out, "size": [height, width]}
    return {
        "vkitti2": {**scenes, "size": [height, width]},
        "kitti_raw": kitti,
        "kitti_depth": kitti,
        "kitti_pairs": kitti,
        "kitti_2015": kitti,
        # a third wider than the network's pictures, so that these are never blown up
        "make3d": {"images": chosen.miniature_make3d, "size": [4 * (width * 4 // 9), 3 * (width * 4 // 9)]},
        # of the proportions of the official pictures, and large enough to lose the bonnet and be made smaller
        "cityscapes": {"frames": chosen.miniature_cityscapes, "size": [width * 9 // 10, 2 * (width * 9 // 10)]},
        "stereo": {"pairs": chosen.miniature_stereo, "size": [width * 9 // 8, 2 * width]},
        # a root of its own: what networks learn from keeps its files and its name
        **({STREETS_FOLDER: streets} if chosen.miniature_streets else {}),
    }


def _writers(folder: Path) -> list:
    """Each writer with its place, and the roots it makes."""
    from lowtex_lab import miniature

    return [
        (partial(miniature.write_vkitti2, folder / "vkitti2"), ("vkitti2",)),
        (partial(miniature.write_kitti, folder), ("kitti_raw", "kitti_depth")),
        (partial(miniature.write_kitti_benchmarks, folder), ("kitti_pairs", "kitti_2015")),
        (partial(miniature.write_make3d, folder / "make3d"), ("make3d",)),
        (partial(miniature.write_cityscapes, folder / "cityscapes"), ("cityscapes",)),
        (partial(miniature.write_stereo_folder, folder / "stereo"), ("stereo",)),
        (partial(miniature.write_vkitti2, folder / STREETS_FOLDER), (STREETS_FOLDER,)),
    ]


def _stale(folder: Path, manifest: dict) -> list[str]:
    """Names of the roots that are not there, not finished, or others than ``manifest`` describes."""
    wanted = {name: {**entry, "seed": WORLD_SEED} for name, entry in manifest["roots"].items()}
    return [name for name, entry in wanted.items() if not entry.items() <= _read(folder / name / ROOT_MANIFEST).items()]


def _read(path: Path) -> dict:
    """A manifest; empty where there is none or it is damaged."""
    try:
        return read_json(path)
    except DataError:
        return {}
