"""Damaged prepared data: one clear error with the way out, and never a reason not to train from the files."""

import os

import pytest
from prepared_helpers import SIZE, assert_same, pairs, quiet

from lowtex.datasets import KittiRaw, PreparedPairs, prepared_for
from lowtex.errors import DataError


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(bytes(data))


DAMAGES = {
    "views.npy, a bit": (lambda f: flip(f / "views.npy", -300), "views.npy is damaged .checksum"),
    "views.npy, its beginning": (lambda f: flip(f / "views.npy", 2), "views.npy is damaged"),
    "views.npy, cut": (lambda f: os.truncate(f / "views.npy", 999), "views.npy is damaged .999 bytes instead of"),
    "views.npy, missing": (lambda f: (f / "views.npy").unlink(), "views.npy is damaged .0 bytes"),
    "maps.bin, a bit": (lambda f: flip(f / "maps.bin", 9), "maps.bin is damaged .checksum of depth"),
    "maps.bin, empty": (lambda f: (f / "maps.bin").write_bytes(b""), "maps.bin is damaged .0 bytes"),
    "samples.json, cut": (lambda f: os.truncate(f / "samples.json", 300), "samples.json is damaged"),
    "samples.json, other": (lambda f: (f / "samples.json").write_text("[]"), "samples.json is damaged"),
    "prepared.json, cut": (lambda f: os.truncate(f / "prepared.json", 30), "prepared.json is damaged"),
    "prepared.json, other": (lambda f: (f / "prepared.json").write_text("[1]"), "prepared.json is damaged"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_one_clear_error_and_preparing_mends_it(kind, kitti):
    damage, message = DAMAGES[kind]
    reader = KittiRaw(kitti[0], "available", SIZE)
    folder = quiet(reader)
    damage(folder)
    with pytest.raises(DataError, match=message) as caught:
        kept = PreparedPairs(folder)
        [kept[index] for index in range(3)]
    assert "lowtex data prepare" in str(caught.value) and str(folder) in str(caught.value)
    quiet(reader)
    assert_same(PreparedPairs(folder)[2], reader[2])


def test_a_damaged_one_does_not_stop_who_can_read_the_files(kitti):
    (quiet(pairs(kitti[0])) / "prepared.json").write_text("{")
    lines = []
    assert prepared_for(pairs(kitti[0]), tell=lines.append) is None
    assert lines[0].startswith("prepared data are not used: ") and "prepared.json is damaged" in lines[0]
