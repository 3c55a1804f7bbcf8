"""Fixtures of the figures' tests."""

import pytest
from figure_samples import make_rows


@pytest.fixture
def rows():
    return make_rows()
