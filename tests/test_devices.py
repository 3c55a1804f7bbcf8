"""Where to compute, and what the C library is told about memory."""

import subprocess
import sys

import pytest
import torch

from lowtex.devices import keep_freed_memory, resolve_device
from lowtex.errors import OptionError

FAULTS = """
import resource, sys
sys.path.insert(0, {root!r})
import torch
from lowtex.devices import keep_freed_memory
if {told}:
    assert keep_freed_memory()
def step():
    return (torch.ones(1_000_000) * 2).sum()  # two blocks of 4 MB, freed again
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(OptionError, match="device"):
        resolve_device("tpu")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's settings")
def test_freed_memory_is_kept_for_the_next_step(repository):
    if not keep_freed_memory():
        pytest.skip("this C library has no mallopt")
    faults = []
    for told in (False, True):
        code = FAULTS.format(root=str(repository), told=told)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        faults.append(int(done.stdout))
    assert faults[1] < 1000 and faults[1] < faults[0] / 10, faults
