"""Where to compute, and what the C library is told about memory."""

import subprocess
import sys
from functools import partial
from types import SimpleNamespace
from unittest.mock import Mock, call

import pytest
import torch
from torch._dynamo.backends.common import aot_autograd
from torch._functorch.aot_autograd import make_boxed_func
from torch._inductor import config as inductor

from lowtex.datasets.sample import StereoBatch, StereoSample
from lowtex.devices import COMPILE, Compiled, choose_kernels, keep_freed_memory, parts_to_compile, resolve_device
from lowtex.errors import OptionError
from lowtex.evaluation.evaluate import predict
from lowtex.geometry import StereoRig
from lowtex.provenance import commit, provenance
from lowtex.training import make_accelerator


@pytest.mark.parametrize(
    ("device", "line"),
    [
        ("tpu", "'tpu' is not known; choose one of: auto, cpu, cuda"),
        ("mps", "device=mps: Apple's GPUs are not supported"),
        ("cuda:1", "CUDA_VISIBLE_DEVICES=1 and device=cuda"),
        ("cuda", "was built without CUDA; use cpu, or install" if torch.version.cuda is None else "its driver must be"),
    ],
)
def test_a_device_that_cannot_be_had_is_one_line(device, line, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(OptionError, match=line):
        resolve_device(device)


@pytest.mark.parametrize(("precision", "rounding"), [("fp32", "ieee"), ("tf32", "tf32"), ("bf16", "tf32")])
def test_a_card_is_told_how_to_round(precision, rounding, monkeypatch):
    convolutions, products = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    before = convolutions.fp32_precision, products.fp32_precision, torch.backends.cudnn.benchmark
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    choose_kernels(torch.device("cpu"), precision, deterministic=True)
    assert before == (convolutions.fp32_precision, products.fp32_precision, torch.backends.cudnn.benchmark)
    try:
        choose_kernels(torch.device("cuda"), precision, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark
        choose_kernels(torch.device("cuda"), precision)
        assert torch.backends.cudnn.benchmark and not torch.are_deterministic_algorithms_enabled()
        assert convolutions.fp32_precision == products.fp32_precision == rounding
        # a prediction says its own, whatever was trained before
        sample = StereoSample(torch.rand(3, 32, 64), StereoRig(60.0, 0.5, width=64, height=32), "one")
        network = SimpleNamespace(depth=lambda image, rig: image[:, :1] + 1)
        monkeypatch.setattr("lowtex.evaluation.evaluate.device_of", lambda network: torch.device("cuda"))
        monkeypatch.setattr(StereoBatch, "to", lambda self, device: self)
        for own, expected in (("tf32", "tf32"), ("fp32", "ieee")):
            predict(network, [sample], precision=own)
            assert convolutions.fp32_precision == products.fp32_precision == expected
        with pytest.raises(OptionError, match="precision='bf16' is not known; choose one of: fp32, tf32"):
            predict(network, [sample], precision="bf16")
    finally:
        torch.use_deterministic_algorithms(False)
        convolutions.fp32_precision, products.fp32_precision, torch.backends.cudnn.benchmark = before


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
    mallopt = Mock(return_value=1)
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    assert keep_freed_memory.__wrapped__()
    # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's malloc.h
    assert mallopt.mock_calls == [call(-3, 32 * 1024 * 1024), call(-1, 2**31 - 1)]
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory.__wrapped__(), "a C library without mallopt is left alone"


@pytest.mark.parametrize("answer", ["import time; time.sleep(9)", 'exit("fatal: detected dubious ownership")'])
def test_a_git_that_does_not_answer_loses_no_row(answer, tmp_path, monkeypatch):
    git = tmp_path / "git"
    git.write_text(f"#!{sys.executable}\n{answer}\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    usual = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *words, timeout, **more: usual(*words, timeout=0.5, **more))
    monkeypatch.setattr("lowtex.provenance.REPOSITORY", tmp_path)
    assert commit.__wrapped__() == "", "no checkout"
    (tmp_path / ".git").mkdir()
    assert commit.__wrapped__() == "unknown"


def test_the_loss_is_compiled_for_a_gpu_unless_kernels_have_to_repeat():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert [parts_to_compile(option, cpu) for option in COMPILE] == [(), (), ("loss",), ("loss", "network")]
    assert [parts_to_compile("auto", cuda, repeats) for repeats in (False, True)] == [("loss",), ()]


def no_way_back(graph, inputs):
    raise RuntimeError("no way back\nand a page about it")


def broken(x):
    torch._dynamo.graph_break()
    return x.sin().sum()


def boxed(graph, inputs):
    return make_boxed_func(graph.forward)


def sine(x):
    return x.sin().sum()


@pytest.mark.parametrize(
    ("backend", "function", "reason"),
    [
        (aot_autograd(fw_compiler=boxed), sine, None),
        (aot_autograd(fw_compiler=boxed, bw_compiler=no_way_back), sine, "RuntimeError: no way back"),
        ("eager", broken, "Unsupported: "),
        ("inductor", sine, "InvalidCxxCompiler: No working C++ compiler"),
    ],
    ids=["compiles", "forward only", "two graphs", "no compiler"],
)
def test_what_cannot_be_compiled_goes_on_after_one_line(backend, function, reason, monkeypatch, capfd):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    x = torch.arange(3.0, requires_grad=True)
    with inductor.patch({"cpp.cxx": ("no-such-compiler",), "fx_graph_cache": False}):
        form = Compiled(function, "the loss")
        for _ in range(2):
            x.grad = None
            form(x).backward()
            torch.testing.assert_close(x.grad, x.detach().cos())
    out, err = capfd.readouterr()
    assert err == ""
    if reason is None:
        assert form.form is not None and out == ""
    else:
        assert form.form is None and out.startswith(f"the loss cannot be compiled here ({reason}")
        assert out.count("\n") == 1 and out.endswith("--compile off does not try\n")


def test_an_error_of_the_function_itself_is_raised_as_it_is(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))

    def refuse(x):
        raise ValueError(f"not of shape {tuple(x.shape)}")

    with pytest.raises(ValueError, match=r"not of shape \(3,\)"):
        Compiled(refuse, "the loss")(torch.ones(3))
