"""Six smoke steps lead where they led before: the log and each tensor of the weights against ``golden_training.json``.

A change that is meant to change what a training leads to writes the file anew:

    python -m tests.test_golden_training

The numbers are means and norms, not hashes, so that another processor's rounding passes and a changed formula does not.
"""

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from lowtex import training
from lowtex.checkpoints import load_feature_net, load_network
from lowtex.datasets.sample import StereoSample
from lowtex.experiments import Experiment, named_experiment
from lowtex.geometry import StereoRig, warp_horizontal
from lowtex.networks import build_depth_net, build_feature_net
from lowtex.seeding import generator
from lowtex.training import LoopOptions

GOLDEN = Path(__file__).with_name("golden_training.json")
RECIPES = ("baseline", "ours", "joint")
HEIGHT, WIDTH = 64, 192
RATE = 1e-5

LOG, WEIGHT, MOMENT = (1e-3, 1e-6), (1e-3, 2e-6), (0.1, 1e-12)
"""How far a number may lie from the stored one: a part of its size, and what else. Gradients differ most between
processors: a pixel whose two errors are nearly equal may fall on the other side of the auto-mask."""


class Pairs(torch.utils.data.Dataset):
    """Cloudy textures a constant disparity apart; the two principal points differ."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> StereoSample:
        random = generator(index, "golden")
        rough, fine = (torch.rand(1, 3, HEIGHT // side, WIDTH // side, generator=random) for side in (8, 2))
        right = 0.7 * F.interpolate(rough, (HEIGHT, WIDTH), mode="bilinear") + 0.3 * F.interpolate(
            fine, (HEIGHT, WIDTH)
        )
        shift = torch.full((1, 1, HEIGHT, WIDTH), 2.5 + index)
        left, right = ((view * 255).round() / 255 for view in (warp_horizontal(right, shift), right))
        rig = StereoRig(110.0, 0.5, cx=95.5, cy=31.5, width=WIDTH, height=HEIGHT, cx_offset_px=0.5)
        return StereoSample(left[0], rig, f"pair{index}", other=right[0])


def recipe(name: str) -> Experiment:
    """A recipe in six steps of the smoke profile, its learning rate dropped on the way.

    The rate is low, because Adam makes steps of the same length of gradients that are nothing but rounding.
    """
    changes = {"schedule__steps": 6, "schedule__learning_rate": RATE}
    if name == "baseline":
        return named_experiment("baseline", "smoke", **changes)
    changes |= {"feature_net__learning_rate": RATE, "feature_net__kind": "joint" if name == "joint" else "autoencoder"}
    return named_experiment("ours", "smoke", **changes)


def summary(tensors: dict[str, torch.Tensor], momentum: dict[str, torch.Tensor]) -> dict[str, list[float]]:
    """Of each tensor of real numbers: mean, root mean square, and where it is learnt, those of Adam's first moment."""
    rows = {}
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            parts = [tensor.double(), *([momentum[name].double()] if name in momentum else [])]
            rows[name] = [number for part in parts for number in (part.mean(), part.square().mean().sqrt())]
    return {name: [float(f"{number:.5g}") for number in row] for name, row in rows.items()}


def moments(state: dict, experiment: Experiment) -> dict[str, dict[str, torch.Tensor]]:
    """Adam's first moment, a mean of the gradients, for each parameter of each module in a saved state."""
    modules = {"network": build_depth_net(experiment.network)}
    if "feature_net" in state["modules"]:
        modules["feature_net"] = build_feature_net(experiment.feature_net)
    names = [(key, name) for key, module in modules.items() for name, _ in module.named_parameters()]
    found: dict[str, dict] = {key: {} for key in modules}
    for number, of_parameter in state["optimizer"]["state"].items():
        key, name = names[number]
        found[key][name] = of_parameter["exp_avg"]
    return found


def read_log(folder: Path) -> dict[str, list[float]]:
    """The columns of a training's log, six digits."""
    return pd.read_csv(folder / "log.csv").map(lambda number: float(f"{number:.6g}")).to_dict("list")


def trained(name: str, folder: Path) -> dict[str, dict]:
    """What a recipe leads to: log and weights, and those of its feature network where it has one."""
    torch.set_num_threads(1)
    experiment, made = recipe(name), {}
    options = LoopOptions(device="cpu", checkpoint_every=1)
    stopped = training.train_experiment(experiment, Pairs(), folder, options=replace(options, stop_after=5))
    # what no finished training keeps: the state, here of the last step but one
    state = torch.load(stopped / "state.pt")
    momentum = moments(state, experiment)
    if name == "joint":
        made["feature_weights"] = summary(state["modules"]["feature_net"], momentum["feature_net"])
    elif name == "ours":
        [shared] = folder.glob("feature_net-*")
        made["feature_log"] = read_log(shared)
        made["feature_weights"] = summary(load_feature_net(shared).state_dict(), {})
    finished = training.train_experiment(experiment, Pairs(), folder, options=options)
    made["log"] = read_log(finished)
    made["weights"] = summary(load_network(finished)[0].state_dict(), momentum["network"])
    return made


@pytest.mark.parametrize("name", RECIPES)
def test_six_steps_lead_where_they_led_before(name, tmp_path):
    expected, got = json.loads(GOLDEN.read_text(encoding="utf-8"))[name], trained(name, tmp_path)
    assert got.keys() == expected.keys()
    for part, rows in expected.items():
        assert got[part].keys() == rows.keys(), part
        for key, numbers in rows.items():
            if part.endswith("log"):
                limits = [(abs(number), *LOG) for number in numbers]
            else:
                # a mean may be nearly nothing: how exact it is depends on the size of what it is the mean of
                kinds = zip(numbers[1::2], (WEIGHT, MOMENT), strict=False)
                limits = [(size, *limit) for size, limit in kinds for _ in range(2)]
            for number, now, (size, relative, absolute) in zip(numbers, got[part][key], limits, strict=True):
                meant = f"{part}, {key}; if meant: python -m tests.test_golden_training"
                assert now == pytest.approx(number, rel=0, abs=relative * size + absolute), meant


def write() -> None:
    """Train the recipes anew and put what they lead to into the file."""
    golden = {}
    for name in RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            golden[name] = trained(name, Path(folder))
    lines = json.dumps(golden, indent=1)
    # a list of numbers on one line
    lines = re.sub(r"\[\s+([^\[\]]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", lines)
    GOLDEN.write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
