"""Rendered frames shared by the tests of the miniature world."""

import pytest
import torch

from lowtex_lab.miniature import Scene, render

SIZE = (96, 320)


@pytest.fixture(scope="session")
def clean_pairs():
    """Six frames of different streets without noise and exposure differences."""
    torch.set_num_threads(1)
    return [
        render(Scene(name), frame, SIZE, noise=0.0, exposure=0.0)
        for name, frame in (("Scene01", 3), ("Scene02", 0), ("Scene06", 7), ("Scene18", 12), ("Scene20", 5), ("x", 1))
    ]
