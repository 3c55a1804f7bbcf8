"""A half-written file never takes a good one's place."""

import errno
import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from lowtex.data_paths import MINIATURE_WHAT, fingerprint, is_miniature, parse_roots, resolve_roots
from lowtex.errors import DataError
from lowtex.files import atomic_path, read_json, write_json, write_text
from lowtex.seeding import derive_seed, generator, numpy_generator


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path: Path):
    target = tmp_path / "rows.csv"
    write_text(target, "good")
    with pytest.raises(RuntimeError, match="killed"), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert target.read_text() == "good"
    assert list(tmp_path.iterdir()) == [target]


def test_full_disk_is_one_clear_error(tmp_path: Path):
    target = tmp_path / "deep" / "rows.csv"
    with pytest.raises(DataError, match="no space left while writing .*rows.csv"), atomic_path(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not target.exists()


def test_a_name_that_no_file_can_have_is_one_clear_error(tmp_path: Path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write .*x.txt"):
        write_text(tmp_path / "file" / "x.txt", "")
    for name in ("taken", "x" * 300):
        with pytest.raises(DataError, match=f"cannot write .*{name}: .*; name another file"):
            write_text(tmp_path / name, "")
    assert {path.name for path in tmp_path.iterdir()} == {"taken", "file"}


def test_json_round_trip_and_damage(tmp_path: Path):
    target = tmp_path / "done.json"
    write_json(target, {"b": 1, "a": [1.5]})
    assert read_json(target) == {"a": [1.5], "b": 1}
    with pytest.raises(ValueError, match="Out of range"):
        write_json(target, {"value": float("nan")})
    assert read_json(target) == {"a": [1.5], "b": 1}
    target.write_text("{")
    with pytest.raises(DataError, match="done.json is not valid JSON"):
        read_json(target)
    with pytest.raises(DataError, match="is missing"):
        read_json(tmp_path / "none.json")


def test_generators_depend_on_seed_and_purpose_only():
    def first(*words):
        return generator(*words).initial_seed()

    assert first(0, "order", 1) == first(0, "order", 1) == derive_seed(0, "order", 1)
    assert len({first(0, "order", 1), first(0, "order", 2), first(1, "order", 1), first(0, "jitter", 1)}) == 4
    assert numpy_generator(3, "noise").random() == numpy_generator(3, "noise").random()


def test_roots_are_read_and_named(tmp_path: Path):
    (tmp_path / "raw").mkdir()
    roots = resolve_roots(f"kitti={tmp_path / 'raw'}", "quick")
    assert roots["kitti"] == tmp_path / "raw" and roots.named == {"kitti"}
    assert roots["vkitti2"].parts[-3:] == ("miniature", "quick", "vkitti2")
    assert parse_roots(f"kitti={tmp_path / 'raw'}") == {"kitti": tmp_path / "raw"}


def test_a_file_system_without_modes_is_written_to(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("os.chmod", Mock(side_effect=PermissionError(errno.EPERM, "Operation not permitted")))
    write_text(tmp_path / "rows.csv", "good")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_fingerprint_tells_miniatures_and_contents_apart(tmp_path: Path):
    real, mini = tmp_path / "real", tmp_path / "mini"
    real.mkdir()
    mini.mkdir()
    (mini / "manifest.json").write_text(json.dumps({"what": MINIATURE_WHAT}))
    assert not is_miniature(real) and is_miniature(mini)
    assert fingerprint(real, ["a"]).startswith("real:") and fingerprint(mini, ["a"]).startswith("miniature:")
    assert fingerprint(real, ["a"]) != fingerprint(real, ["b"])
    before = fingerprint(mini, ["a"])
    (mini / "manifest.json").write_text(json.dumps({"what": MINIATURE_WHAT, "seed": 1}))
    assert fingerprint(mini, ["a"]) != before
    # others write files of that name too
    for others in ("{}", "[1]", "not JSON"):
        (real / "manifest.json").write_text(others)
        assert not is_miniature(real)
    # the writer's own manifest, in the root itself, says the same
    (real / "miniature.json").write_text("{}")
    assert is_miniature(real) and fingerprint(real, ["a"]).startswith("miniature:")
