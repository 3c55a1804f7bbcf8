"""Where to compute, and what the C library is told about memory."""

import pytest
import torch

from lowtex.devices import keep_freed_memory, resolve_device
from lowtex.errors import OptionError


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(OptionError, match="device"):
        resolve_device("tpu")


def test_the_c_library_is_told_where_it_can_be(monkeypatch):
    told = []

    class Mallopt:
        def __call__(self, parameter: int, value: int) -> int:
            told.append((parameter, value))
            return 1

    class Library:
        mallopt = Mallopt()

    monkeypatch.setattr("ctypes.CDLL", lambda name: Library)
    assert keep_freed_memory.__wrapped__()
    # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's malloc.h
    assert told == [(-3, 32 * 1024 * 1024), (-1, 2**31 - 1)]
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory.__wrapped__(), "a C library without mallopt is left alone"
