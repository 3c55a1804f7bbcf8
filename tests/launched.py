"""What `test_processes` has several processes do: ``accelerate launch … launched.py PART FOLDER [OPTION …]``."""

import json
import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from test_training import CPU, Pairs, Spoilt, tiny

from lowtex import distributed as processes
from lowtex import training
from lowtex.errors import LowtexError
from lowtex.experiments import Experiment, change
from lowtex.training import make_accelerator
from lowtex_lab import cli


def experiments() -> dict[str, Experiment]:
    """Everything that is drawn, averaged or counted over a batch, and an objective that leaves coarse heads out."""
    masks = {"loss__auto_mask": True, "loss__out_of_view_mask": True}
    batch = {"schedule__jitter": 0.7, "schedule__batch_size": 4}
    both = change(tiny("ours", steps=4), loss__data_term="both", **masks, **batch)
    alone = {"loss__feature_scales": "single", "loss__smooth_first": 0.0, "loss__smooth_second": 0.0}
    named = {
        "both": both,
        "joint": replace(both, feature_net=replace(both.feature_net, kind="joint")),
        "single": change(tiny("ours", steps=3), **alone, **batch),
        "float32": change(tiny("baseline", steps=4), **masks, **batch),
    }
    return {name: replace(experiment, name=name) for name, experiment in named.items()}


class DoublePairs(Pairs):
    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return replace(sample, image=sample.image.double(), other=sample.other.double())


@contextmanager
def float64():
    """Trainings in float64: the order of sums then shows at 1e-16, and anything else from its own size on."""
    single = torch.Tensor.float
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.Tensor.float = single


def train_all(folder: Path) -> None:
    todo = experiments()
    training.train_experiment(todo.pop("float32"), Pairs(), folder, options=CPU)
    with float64():
        for experiment in todo.values():
            training.train_experiment(experiment, DoublePairs(), folder, options=CPU)


def first(folder: Path) -> None:
    """All trainings, and one that dies at step 3."""
    make_accelerator("cpu")
    train_all(folder)

    def die(step, steps, loss):
        if step == 3:
            os._exit(9)

    with float64():
        options = replace(CPU, report=die)
        start = folder / "parted"
        with processes.main_first():
            if processes.is_main():
                for shared in folder.glob("feature_net-*"):
                    shutil.copytree(shared, start / shared.name)
        training.train_experiment(experiments()["both"], DoublePairs(), start, options=options)


def second(folder: Path) -> None:
    """The training that died goes on; what is finished is found; NaN in a sample stops all; then the command line, with
    a batch that cannot be parted and with one that can."""
    steps = []
    options = replace(CPU, report=lambda step, *_: steps.append(step))
    with float64():
        training.train_experiment(experiments()["both"], DoublePairs(), folder / "parted", options=options)
        training.train_experiment(experiments()["both"], DoublePairs(), folder, options=options)
    said = ""
    try:
        training.train_experiment(tiny("baseline", steps=30), Spoilt(), folder / "spoilt", options=CPU)
    except LowtexError as error:
        said = str(error)
    (folder / f"second-{processes.rank()}.json").write_text(json.dumps({"steps": steps, "said": said}))
    words = sys.argv[3:]
    refused = ["--set", "schedule.batch_size=3", "--out", str(folder / "refused")]
    assert cli.main([*words, *refused]) == cli.BAD_INPUT
    sys.exit(cli.main(words))


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"first": first, "second": second}[sys.argv[1]](Path(sys.argv[2]))
