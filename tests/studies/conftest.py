"""A miniature that several studies measure."""

import pytest

from lowtex_lab.miniature import write_vkitti2


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Virtual KITTI 2 in 48 x 160 pixels, one frame to validate on and three to test; who damages it takes a copy."""
    folder = tmp_path_factory.mktemp("data") / "vkitti2"
    return write_vkitti2(folder, {"Scene01": 2, "Scene06": 1, "Scene20": 1}, (48, 160), progress=False)
