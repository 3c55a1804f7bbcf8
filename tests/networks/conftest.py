"""Tests of networks: weights are drawn anew for each test from one seed, and run on one thread.

They are many tiny convolutions, for which a second thread costs more than it brings.
"""

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread_one_seed(_two_threads):
    torch.set_num_threads(1)
    torch.manual_seed(0)
