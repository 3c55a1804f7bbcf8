"""Trainings and feature networks on a fake CUDA card: tensors without values, whose devices must agree.

torch's fake tensors know shape, dtype and device. A few lines of C++ (``fake_card.cpp``) let a build of torch for CPUs
carry them on ``cuda:0`` through autograd and an optimiser, so that a tensor left on the CPU raises, as it would on a
card. Nothing is computed. The lines have to be loaded before torch, so all this happens in a process of its own: this
file, run as a script.
"""

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    """What the script below saw on the fake card, by part."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++) here, which the fake card needs")
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a real card")
    source, library = Path(__file__).with_name("fake_card.cpp"), tmp_path_factory.mktemp("card") / "hooks.so"
    headers = Path(torch.__file__).parent / "include"
    links = Path(torch.__file__).parent / "lib"
    words = [compiler, "-O0", "-shared", "-fPIC", "-std=c++20", f"-I{headers}", str(source)]
    words += [f"-L{links}", "-lc10", "-ltorch_cpu", f"-Wl,-rpath,{links}", "-o", str(library)]
    built = subprocess.run(words, capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"torch's headers do not compile here: {built.stderr.strip().splitlines()[-1]}")
    ended = subprocess.run([sys.executable, __file__, str(library)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout)


def test_every_setting_trains_and_every_use_of_networks_keeps_to_one_device(card):
    """The script would have ended at the first tensor elsewhere, as it tries out itself.

    Names without a setting of their own it skips.
    """
    from lowtex.experiments import NAMED

    assert set(NAMED) <= set(card["trained"]) and len(card["trained"]) >= 40


def test_a_step_sends_two_tensors_up_and_waits_once(card):
    """For the loss of the step before."""
    for name, step in card["steps"].items():
        assert step["copies"] <= 2 and step["syncs"] <= 1, (name, step)


def tiny(name: str, **changes):
    from test_training import SIZE

    from lowtex.experiments import named_experiment

    size = {"data__height": SIZE[0], "data__width": SIZE[1], "schedule__batch_size": 2}
    return named_experiment(name, "smoke", network__depth=18, **size, **changes)


COUNTED = ("baseline", "ours", "census") if os.environ.get("LOWTEX_COUNT_ALL") else ("ours",)
"""Compiling takes half a minute each: by default the paper's loss alone, all three where asked."""


@pytest.mark.parametrize("name", COUNTED)
def test_compiled_loss_takes_at_most_a_third_of_the_operations(card, name):
    """Forward and backward, as torch's compiler schedules them for a CPU; a card's schedule waits for a card."""
    import torch
    from test_training import SIZE, Pairs

    from lowtex.datasets.sample import collate
    from lowtex.losses import StereoObjective
    from lowtex.networks import DepthNet, build_feature_net

    loss, torch_compile, scheduled = tiny(name).loss, torch.compile, []
    network = DepthNet(torch.nn.Identity(), torch.nn.Identity(), metres_per_unit=1.0)
    features = build_feature_net(tiny(name).feature_net).freeze() if loss.uses_features else None
    values = [torch.full((2, 1, SIZE[0] >> k, SIZE[1] >> k), 0.05, requires_grad=True) for k in range(2)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch, "compile", lambda *a, **k: torch_compile(*a, **k, backend=scheduling(scheduled)))
        objective = StereoObjective(loss, features, compiled=True)
        objective(network, values, collate([Pairs()[0], Pairs()[1]]), torch.Generator().manual_seed(0))[0].backward()
    assert objective._sum.form is not None, "it was given up"
    # the way forward and the way back; seen with pytest -rP
    print(f"{name}: the loss takes {card['loss'][name]} operations as it is, {scheduled} compiled")
    assert len(scheduled) == 2 and 20 < sum(scheduled) <= card["loss"][name] / 3


def scheduling(counts: list[int]):
    """A backend of `torch.compile`: counts what inductor would launch, and computes as it was written."""
    from copy import deepcopy

    from torch._functorch.aot_autograd import make_boxed_func
    from torch._inductor import compile_fx, config
    from torch._inductor.graph import GraphLowering
    from torch._inductor.scheduler import NopKernelSchedulerNode

    class Scheduled(Exception):
        pass

    def count(lowering):
        lowering._update_scheduler()
        counts.append(sum(not isinstance(node, NopKernelSchedulerNode) for node in lowering.scheduler.nodes))
        raise Scheduled

    def inner(graph, inputs, **how):
        written, before = deepcopy(graph), len(counts)
        with patch.object(GraphLowering, "codegen", count), config.patch(fx_graph_cache=False):
            try:
                compile_fx.compile_fx_inner(graph, inputs, **how)
            except Exception:
                if len(counts) == before:
                    raise
        return make_boxed_func(written.forward)

    return lambda graph, inputs: compile_fx.compile_fx(graph, inputs, inner_compile=inner)


def on_the_fake_card() -> dict:
    import numpy as np
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils._python_dispatch import TorchDispatchMode

    from lowtex import training
    from lowtex.datasets.sample import PackedBatch
    from lowtex.evaluation import evaluate as evaluation
    from lowtex.evaluation.evaluate import predict_photo
    from lowtex.experiments import VARIANTS
    from lowtex.geometry import StereoRig
    from lowtex.losses import StereoObjective, masks
    from lowtex.networks import DepthNet, build_depth_net, build_feature_net
    from lowtex_lab.studies.loss_analysis import error_terms

    sys.path.insert(0, str(Path(__file__).parent))
    from test_training import RIG, SIZE, Pairs

    card = torch.device("cuda:0")

    class Watch(TorchDispatchMode):
        """Counts operations on the card, copies to it and waits for it; stands in for what depends on values."""

        def __init__(self):
            super().__init__()
            self.counts = dict.fromkeys(("operations", "copies", "syncs"), 0)

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            name = func.overloadpacket.__name__
            if name == "device":
                return func(*args)
            if name == "_local_scalar_dense":
                self.counts["syncs"] += args[0].device == card
                kind = args[0].dtype
                return 1.0 if kind.is_floating_point else kind == torch.bool or 1
            if name in ("index", "index_put", "index_put_") and any(
                i is not None and i.dtype == torch.bool for i in args[1]
            ):
                self.counts["syncs"] += args[0].device == card
                one = torch.zeros(1, dtype=torch.long, device=args[0].device)
                return func(args[0], [one], **(kwargs or {})) if name == "index" else args[0]
            self.counts["syncs"] += name == "nonzero" and args[0].device == card
            out = func(*args, **(kwargs or {}))
            if name in ("_to_copy", "copy_") and isinstance(out, torch.Tensor):
                source = (args[1] if name == "copy_" else args[0]).device
                self.counts["copies"] += source != card and out.device == card
                self.counts["syncs"] += source == card and out.device != card
            if not func.is_view and not name.startswith("empty") and name != "detach":
                leaves = torch.utils._pytree.tree_leaves((args, out))
                self.counts["operations"] += any(getattr(leaf, "fake_device", None) == card for leaf in leaves)
            return out

    class Card:
        """What `lowtex.training` takes of accelerate."""

        device, num_processes, process_index, is_main_process = card, 1, 0, True

        def __init__(self):
            self.moved = {}

        def prepare(self, thing):
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
    marks = []

    def loader(dataset, order, workers):
        for row in order:
            marks.append(dict(watches[-1].counts))
            yield training.pack([dataset[i] for i in range(len(row))])

    training.training_loader = loader

    class Heads(torch.nn.Module):
        """A network as small as can be, where the objective is what matters."""

        def __init__(self):
            super().__init__()
            self.convolution = torch.nn.Conv2d(3, 1, 1)

        def forward(self, image):
            return [torch.sigmoid(self.convolution(image[..., :: 2**k, :: 2**k])) for k in range(2)]

    def train(experiment, steps=1, features_too=False, whole=True) -> None:
        experiment = replace(experiment, schedule=replace(experiment.schedule, steps=steps))
        with Watch() as watch:
            watches.append(watch)
            network = build_depth_net(experiment.network) if whole else DepthNet(torch.nn.Identity(), Heads())
            features = None
            network.metres_per_unit, network.reference_focal = 1.0, 0.6
            if experiment.loss.uses_features:
                features = build_feature_net(experiment.feature_net)
                if features_too:
                    features_of = replace(experiment, feature_net=replace(experiment.feature_net, steps=steps))
                    training._fit_features(features_of, Pairs(), folder, features, options)
                features.freeze()
            training._fit_depth(experiment, Pairs(), folder, network, features, options)

    def settings(values) -> set[tuple]:
        return {(type(values), *item) for item in vars(values or SimpleNamespace()).items()}

    def a_step(**how) -> dict:
        """The second of three steps: no start, no end. The third is only asked for."""
        train(steps=3, **how)
        before, after = marks[-2:]
        return {name: after[name] - before[name] for name in before}

    folder, options = Path(tempfile.mkdtemp()), training.LoopOptions(compile="off", stop_after=2)
    watches, met = [], set()
    found = {"trained": [], "steps": {}, "loss": {}}
    alone = []
    with FakeTensorMode(allow_non_fake_inputs=True):
        # the fake card has no event to wait for
        torch.Event = lambda device: SimpleNamespace(record=lambda: None, synchronize=lambda: None)
        for name in VARIANTS:
            experiment = tiny(name)
            # neither a weight nor the width of a window changes a device
            loss = replace(experiment.loss, smooth_first=1.0, smooth_second=float(experiment.loss.smooth_second > 0))
            loss = replace(loss, feature_weight=1.0, pixel_weight=1.0, edge_decay=1.0, pixel_window=3)
            features = experiment.feature_net if experiment.loss.uses_features else None
            features = features and replace(features, discriminative=1.0, convergent=1.0, steps=1)
            network = replace(experiment.network, initial_bias=0.0)
            of_network, of_loss = settings(network), settings(loss) | settings(features)
            of_loss.add(experiment.schedule.precision)
            if not of_network | of_loss <= met:
                train(experiment, whole=not of_network <= met)
            met |= of_network | of_loss
            found["trained"].append(name)
        masked = {"loss__auto_mask": True, "loss__out_of_view_mask": True}
        for name, how in {
            "baseline": {"experiment": tiny("baseline"), "whole": False},
            "ours in bf16, masked": {"experiment": tiny("ours", schedule__precision="bf16", **masked)},
            # of a small window: a fifth of the operations, and the same ways to a wrong device
            "census": {"experiment": tiny("census", loss__pixel_window=3, **masked), "whole": False},
            "joint": {"experiment": tiny("ours", feature_net__kind="joint"), "whole": False},
        }.items():
            found["steps"][name] = a_step(**how)
        train(tiny("ours"), features_too=True, whole=False)

        whole_sum = StereoObjective._sum

        def loss_alone(objective, step):
            """Forward and backward of all that `StereoObjective` may compile; nothing comes after it."""
            leaves = [output.detach().requires_grad_() for output in step.outputs]
            before = watches[-1].counts["operations"]
            whole_sum(objective, replace(step, outputs=leaves))[0].backward()
            alone.append(watches[-1].counts["operations"] - before)
            raise InterruptedError

        for name in COUNTED:
            with patch.object(StereoObjective, "_sum", loss_alone), contextlib.suppress(InterruptedError):
                train(tiny(name), whole=False)
            found["loss"][name] = alone[-1]

        with Watch():
            experiment = tiny("ours")
            network = move(build_depth_net(experiment.network), card).eval()
            network.metres_per_unit = 1.0
            real = torch.Tensor.numpy
            torch.Tensor.numpy = lambda tensor: np.ones(tensor.shape)
            for flip in (False, True):
                evaluation.predict(network, [Pairs()[0]], flip=flip)
            predict_photo(network, SIZE, np.zeros((*SIZE, 3), np.uint8), 60.0, 0.5)
            torch.Tensor.numpy = real
            net = move(build_feature_net(experiment.feature_net).freeze(), card)
            image, other = torch.rand(2, 1, 3, *SIZE)
            for term in error_terms(net, net).values():
                assert term(image, other)(torch.ones(1, 1, *SIZE)).device == image.device

        def rig_left_behind(batch, device):
            return replace(unpack(batch, device), rig=StereoRig.stack([RIG, RIG]))

        # a tensor on the wrong device is caught: the auto-mask's noise, and the rig
        unpack, noise_left_behind = PackedBatch.unpack, lambda draw, shape: torch.randn(shape)
        for fault in ((masks, "share_of_draw", noise_left_behind), (PackedBatch, "unpack", rig_left_behind)):
            with patch.object(*fault), pytest.raises(RuntimeError, match="device"):
                train(tiny("baseline"), whole=False)
    return found


if __name__ == "__main__":
    ctypes.CDLL(sys.argv[1])
    print(json.dumps(on_the_fake_card()))
