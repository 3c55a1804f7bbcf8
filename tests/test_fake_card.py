"""Trainings and feature networks on a fake CUDA card: tensors without values, whose devices must agree.

torch's fake tensors know shape, dtype and device. A few lines of C++ let a build of torch for CPUs carry them on
``cuda:0`` through autograd and an optimiser, so that a tensor left on the CPU raises, as it would on a card. Nothing is
computed. The lines have to be loaded before torch, so all this happens in a process of its own: this file, run as a
script.
"""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOOKS = r"""
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/FakeGuardImpl.h>

namespace c10::impl {
static FakeGuardImpl<DeviceType::CUDA> fake_guard;
static DeviceGuardImplRegistrar registrar(DeviceType::CUDA, &fake_guard);
}  // namespace c10::impl

struct FakeCudaHooks : public at::CUDAHooksInterface {
  FakeCudaHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCuDNN() const override { return false; }
  int getNumGPUs() const override { return 1; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex current_device() const override { return 0; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  bool isPinnedPtr(const void*) const override { return false; }
};

namespace at {
C10_REGISTER_TYPED_CLASS(CUDAHooksRegistry, "CUDAHooks", FakeCudaHooks)
}
"""


def test_every_kind_of_training_and_the_probes_keep_to_one_device(tmp_path):
    if find_compiler() is None:
        pytest.skip("no C++ compiler (g++) here, which the fake card needs")
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a real card")
    source, library = tmp_path / "hooks.cpp", tmp_path / "hooks.so"
    source.write_text(HOOKS)
    headers = Path(torch.__file__).parent / "include"
    links = Path(torch.__file__).parent / "lib"
    words = [find_compiler(), "-O0", "-shared", "-fPIC", "-std=c++20", f"-I{headers}", str(source)]
    built = subprocess.run(
        [*words, f"-L{links}", "-lc10", "-ltorch_cpu", f"-Wl,-rpath,{links}", "-o", str(library)],
        capture_output=True,
        text=True,
    )
    if built.returncode:
        pytest.skip(f"torch's headers do not compile here: {built.stderr.strip().splitlines()[-1]}")
    ended = subprocess.run([sys.executable, __file__, str(library)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.split() == ["caught", "baseline", "ours", "joint", "probes"]


def find_compiler() -> str | None:
    return shutil.which("g++")


def on_the_fake_card() -> None:
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils._python_dispatch import TorchDispatchMode

    from lowtex import training
    from lowtex.networks import build_depth_net, build_feature_net
    from lowtex.training import StepSampler
    from lowtex_lab.studies.loss_analysis import error_terms

    sys.path.insert(0, str(Path(__file__).parent))
    from test_training import SIZE, Pairs, tiny

    card = torch.device("cuda:0")

    class Stand(TorchDispatchMode):
        """Stand-ins for what depends on values, which fake tensors do not have."""

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            name = func.overloadpacket.__name__
            if name == "_local_scalar_dense":
                kind = args[0].dtype
                return 1.0 if kind.is_floating_point else kind == torch.bool or 1
            if name in ("index", "index_put_") and any(i is not None and i.dtype == torch.bool for i in args[1]):
                one = torch.zeros(1, dtype=torch.long, device=args[0].device)
                return func(args[0], [one], **(kwargs or {})) if name == "index" else args[0]
            return func(*args, **(kwargs or {}))

    class Card:
        """What `lowtex.training` takes of accelerate."""

        device, num_processes, process_index, is_main_process = card, 1, 0, True

        def __init__(self):
            self.moved = {}

        def prepare(self, *things):
            found = [self._prepared(thing) for thing in things]
            return found[0] if len(found) == 1 else found

        def _prepared(self, thing):
            if isinstance(thing, torch.optim.Optimizer):
                for group in thing.param_groups:
                    group["params"] = [self.moved[parameter] for parameter in group["params"]]
                return thing
            before = list(thing.parameters())
            self.moved |= dict(zip(before, move(thing, card).parameters(), strict=True))
            return thing

        def unwrap_model(self, module):
            return module

        def backward(self, loss):
            assert loss.device == card
            loss.backward()

    def move(module, device=None, **layout):
        """In place of `Module.to`, which cannot change the device of fake tensors."""
        for part in module.modules() if device is not None else ():
            for name, value in part._parameters.items():
                if value is not None:
                    part._parameters[name] = torch.nn.Parameter(value.detach().to(device), value.requires_grad)
            for name, value in part._buffers.items():
                part._buffers[name] = value if value is None else value.to(device)
        return module

    torch.nn.Module.to = move
    torch.cuda.amp.common.amp_definitely_not_available = lambda: False
    torch.cuda.is_bf16_supported = lambda including_emulation=True: True
    training.make_accelerator = lambda device: Card()
    training.save_state = lambda path, state: None
    training._means = lambda values, device: [0.0] * len(values)
    StepSampler.indices = lambda self, step: list(range(self.batch_size))

    experiments = {
        "baseline": tiny("baseline", steps=1, loss__auto_mask=True, loss__out_of_view_mask=True),
        "ours": tiny("ours", steps=1, schedule__precision="bf16"),
        "joint": tiny("ours", steps=1, feature_net__kind="joint"),
    }
    with FakeTensorMode(allow_non_fake_inputs=True), Stand():
        try:
            torch.rand(4, device=card) + torch.rand(4)
        except RuntimeError:
            print("caught")
        for name, experiment in experiments.items():
            network, features = build_depth_net(experiment.network), None
            network.metres_per_unit = 1.0
            if experiment.loss.uses_features:
                features = build_feature_net(experiment.feature_net).freeze()
            training._fit_depth(experiment, Pairs(), Path(), network, features, training.LoopOptions())
            if name == "ours":
                features = build_feature_net(experiment.feature_net)
                training._fit_features(experiment, Pairs(), Path(), features, training.LoopOptions())
            print(name)
        net = move(build_feature_net(experiments["ours"].feature_net).freeze(), card)
        image, other = torch.rand(2, 1, 3, *SIZE)
        for term in error_terms(net, net, ("census", "features")).values():
            assert term(image, other)(torch.ones(1, 1, *SIZE)).device == image.device
        print("probes")


if __name__ == "__main__":
    ctypes.CDLL(sys.argv[1])
    on_the_fake_card()
