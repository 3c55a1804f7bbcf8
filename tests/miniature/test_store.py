"""A profile's miniatures: all layouts, each written anew only when its own numbers or sources change."""

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lowtex.data_paths import MINIATURE_FOLDERS, is_miniature
from lowtex.datasets import VirtualKitti2
from lowtex.datasets.virtual_kitti2 import VKITTI2_SPLITS
from lowtex.files import read_json
from lowtex.profiles import PROFILES
from lowtex_lab.miniature import store as miniature_store
from lowtex_lab.miniature import writing
from lowtex_lab.miniature.store import ensure_miniature, is_written, manifest_of
from lowtex_lab.miniature.writing import MANIFEST, UNFINISHED

TINY = replace(
    PROFILES["smoke"],
    size=(16, 48),
    miniature_frames={"Scene01": 1, "Scene02": 1},
    miniature_variations={"Scene01": 1},
    miniature_kitti={"train": 1, "test": 1},
    miniature_cityscapes={"train": 1, "val": 1},
    miniature_make3d=1,
    miniature_stereo=1,
)
FOLDERS = set(MINIATURE_FOLDERS.values())
FRAMES = Path(__file__).with_name("world_frames.json")
"""Thumbnails of the tiny world's files and the versions they are of; written anew where it is missing."""


def use_profile(patch, **changes):
    """Let the smoke profile be the tiny one."""
    patch.setattr(miniature_store, "get_profile", lambda name: replace(TINY, **changes))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        use_profile(patch)
        return ensure_miniature("smoke", tmp_path_factory.mktemp("written"), progress=False)


@pytest.fixture
def world(written, tmp_path, monkeypatch):
    """A copy of its own for each test."""
    use_profile(monkeypatch)
    return shutil.copytree(written, tmp_path / "world")


def stamps(folder):
    return {name: (folder / name / "miniature.json").stat().st_mtime_ns for name in FOLDERS}


def changed(folder, before):
    return {name for name, stamp in stamps(folder).items() if stamp != before[name]}


def test_every_root_is_written_and_checked_on_its_own(world, monkeypatch):
    assert {path.name for path in world.iterdir() if path.is_dir()} == FOLDERS
    manifest = manifest_of("smoke")
    assert read_json(world / "manifest.json") == manifest and set(manifest["roots"]) == FOLDERS
    for name in FOLDERS:
        own = read_json(world / name / "miniature.json")
        assert own.items() >= manifest["roots"][name].items() and own["world_version"] == writing.world_version(name)
        assert "SYNTHETIC DATA" in (world / name / "README.txt").read_text() and is_miniature(world / name)
    assert (world / "vkitti2" / "Scene01" / "30-deg-right").is_dir()
    assert not (world / "vkitti2" / "Scene02" / "fog").exists()


def test_finished_miniatures_are_found_where_nothing_can_be_written(world, monkeypatch):
    def refused(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(miniature_store, "FileLock", refused)
    assert ensure_miniature("smoke", world, progress=False) == world


def thumbnail(path):
    """Sixteen means of a picture or depth map."""
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32)
    return cv2.resize(picture.reshape(*picture.shape[:2], -1).mean(axis=2), (4, 4), interpolation=cv2.INTER_AREA)


def test_the_versions_are_of_these_frames(world):
    """A change of the pictures must raise `WORLD_VERSION`, or the layout's own number, and write the file anew."""
    versions = {name: writing.world_version(name) for name in sorted(FOLDERS)}
    paths = sorted(path for name in FOLDERS for path in (world / name).rglob("*") if path.suffix in (".png", ".jpg"))
    assert len(paths) > 25
    found = {
        path.relative_to(world).as_posix(): thumbnail(path).astype(float).round(2).ravel().tolist() for path in paths
    }
    if not FRAMES.is_file():
        FRAMES.write_text(json.dumps({"versions": versions, "frames": found}, indent=None) + "\n")
    kept = json.loads(FRAMES.read_text())
    assert kept["versions"] == versions and kept["frames"].keys() == found.keys()
    for name, frame in found.items():
        # other processors round a pixel here and there to the next grey level
        tolerance = 2.0 if max(frame) <= 255 else 0.01 * max(frame)
        assert np.abs(np.subtract(frame, kept["frames"][name])).max() < tolerance, f"{name} looks different"


CHANGES = {
    "nothing": (lambda city, patch: None, set()),
    "another version of a layout": (lambda city, patch: patch.setitem(writing.LAYOUTS, "stereo", 99), {"stereo"}),
    "another number": (lambda city, patch: use_profile(patch, miniature_make3d=2), {"make3d"}),
    "root gone": (lambda city, patch: city.rename(city.parents[1] / "away"), {"cityscapes"}),
    "root unfinished": (lambda city, patch: (city / MANIFEST).rename(city / UNFINISHED), {"cityscapes"}),
    "manifest cut": (lambda city, patch: (city.parent / "manifest.json").write_text('{"profile"'), set()),
}
"""What is done to Cityscapes' root or by a patch, and the roots that are then written anew."""


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_has_changed_or_is_not_complete_is_written_anew(world, monkeypatch, change):
    before, city, (do, rewritten) = stamps(world), world / "cityscapes", CHANGES[change]
    do(city, monkeypatch)
    assert is_written(world, manifest_of("smoke")) == (change == "nothing")
    ensure_miniature("smoke", world, progress=False)
    assert is_written(world, manifest_of("smoke")) and changed(world, before) == rewritten
    assert len(list((world / "make3d" / "Test134").iterdir())) == (2 if change == "another number" else 1)
    assert list((city / "leftImg8bit").rglob("*.png"))


def test_held_out_streets_are_a_root_of_their_own_that_changes_no_other(world, monkeypatch):
    before, manifest = stamps(world), manifest_of("smoke")
    use_profile(monkeypatch, miniature_streets=2)
    assert not is_written(world, manifest_of("smoke"))
    ensure_miniature("smoke", world, progress=False)
    roots = manifest_of("smoke")["roots"]
    assert is_written(world, manifest_of("smoke")) and not changed(world, before)
    assert {name: roots[name] for name in FOLDERS} == manifest["roots"]
    assert set(roots) == FOLDERS | {"vkitti2_streets"}
    parts = {part: VirtualKitti2(world / "vkitti2_streets", f"streets/{part}").names for part in ("val", "test")}
    assert {part: len(names) for part, names in parts.items()} == {"val": 4 * 2, "test": 12 * 2}
    streets = {part: {name.split("/")[0] for name in names} for part, names in parts.items()}
    others = {scene for scenes in VKITTI2_SPLITS.values() for scene in scenes}
    assert {part: len(names) for part, names in streets.items()} == {"val": 4, "test": 12}
    assert not streets["val"] & streets["test"] and not others & (streets["val"] | streets["test"])


@pytest.mark.parametrize("profile", ["smoke", "quick", "standard"])
def test_sizes_of_every_profile_are_ones_the_writers_take(profile):
    roots = manifest_of(profile)["roots"]
    height, width = PROFILES[profile].size
    assert roots["vkitti2"]["size"] == roots["kitti_raw"]["size"] == [height, width]
    tall, wide = roots["make3d"]["size"]
    # the middle of the picture, twice as wide as high, is at least as large as what the network sees
    assert 3 * tall == 4 * wide and wide >= width and wide // 2 >= height
    assert roots["cityscapes"]["size"][1] == 2 * roots["cityscapes"]["size"][0]
    assert roots["cityscapes"]["size"][0] * 3 // 4 >= height
    assert min(roots["stereo"]["size"]) >= height
