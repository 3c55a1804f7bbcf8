"""Conditions of the smallest sizes."""

import pytest

from benchmarks.harness import Conditions


@pytest.fixture
def conditions(tmp_path):
    return Conditions("cpu", True, None, tmp_path, 1)
