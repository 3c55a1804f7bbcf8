"""Where to compute, and what the C library is told about memory."""

import subprocess
import sys

import pytest
import torch

from lowtex.devices import keep_freed_memory, resolve_device
from lowtex.errors import OptionError
from lowtex.provenance import commit, provenance
from lowtex.training import make_accelerator


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(OptionError, match="device"):
        resolve_device("tpu")


def test_each_training_gets_the_device_it_asks_for(monkeypatch):
    assert make_accelerator("cpu").device == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: f"card {device}")
    for asked, given in (("auto", "cuda"), ("cpu", "cpu"), ("cuda", "cuda"), ("cpu", "cpu")):
        device = make_accelerator(asked).device
        assert device.type == given, f"{asked}: {device}"
        assert provenance(device)["device"].startswith("card") == (given == "cuda")


def test_a_device_that_the_launcher_does_not_give_is_refused(monkeypatch):
    make_accelerator("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    launched = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "x", "MASTER_PORT": "1"}
    for name, value in launched.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OptionError, match="asks for cuda, but accelerate was set up for cpu"):
        make_accelerator("cuda")


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


GIT_FAILS = {
    "slow": "import time; time.sleep(9)",
    "owner": 'import sys; sys.exit("fatal: detected dubious ownership in repository")',
}


@pytest.mark.parametrize("kind", GIT_FAILS)
def test_a_git_that_does_not_answer_loses_no_row(kind, tmp_path, monkeypatch):
    git = tmp_path / "git"
    git.write_text(f"#!{sys.executable}\n{GIT_FAILS[kind]}\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    usual = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *words, timeout, **more: usual(*words, timeout=0.5, **more))
    monkeypatch.setattr("lowtex.provenance.REPOSITORY", tmp_path)
    assert commit.__wrapped__() == "", "no checkout"
    (tmp_path / ".git").mkdir()
    assert commit.__wrapped__() == "unknown"
