"""Tests of networks: weights are drawn anew for each test, always from the same seed."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_seed():
    torch.manual_seed(0)
