"""What a fine-tuning takes over from the training it starts from, beside the weights: its yardstick and its metres."""

import shutil
from pathlib import Path

from filelock import FileLock

from lowtex.errors import CheckpointError
from lowtex.experiments import Experiment
from lowtex.files import read_json
from lowtex.networks import DepthNet


def is_finished(folder: str | Path) -> bool:
    """The training ended and its network was written."""
    return (Path(folder) / "done.json").is_file()


def feature_net_of_start(experiment: Experiment, start: str | Path | None, experiments: str | Path) -> Path | None:
    """The feature network that a fine-tuning's start compared maps of, copied beside the fine-tuning if it lies apart.

    A frozen yardstick must not change under way, and a few pairs would hardly train another. None where the start has
    none of the same settings, or where it learns beside the depth network.

    Raises:
        CheckpointError: the start had one, and it is gone.
    """
    folder = Path(start) if start is not None else None
    if folder is None or experiment.feature_net.kind == "joint" or not is_finished(folder):
        return None
    before = Experiment.from_dict(read_json(folder / "experiment.json"))
    if before.feature_net != experiment.feature_net:
        return None
    usual = f"feature_net-s{before.seed}-{before.feature_net_key}"
    there = folder.parent / read_json(folder / "done.json").get("feature_net", usual)
    if not is_finished(there):
        raise CheckpointError(
            f"{folder} was trained with the feature network {there.name}, which is not in {folder.parent}; "
            "put it there, or train the start again"
        )
    here = Path(experiments) / there.name
    if is_finished(here):
        return here
    here.mkdir(parents=True, exist_ok=True)
    with FileLock(here / ".lock"):
        if not is_finished(here):
            # done.json last; contents alone, because modes can't be set on every file system
            for name in ("feature_net.safetensors", "log.csv", "done.json"):
                if (there / name).is_file():
                    shutil.copyfile(there / name, here / name)
    return here


def carried_over_metres(facts: dict, network: DepthNet) -> float:
    """Metres in a unit for weights learnt with another camera, so that they begin with the metres they gave before.

    They take a longer lens for nearness (`DepthNet.reference_focal`), and from now on the lens of reference is the new
    one.
    """
    metres = facts.get("metres_per_unit", network.metres_per_unit)
    return metres * (network.reference_focal / facts.get("reference_focal", network.reference_focal))
