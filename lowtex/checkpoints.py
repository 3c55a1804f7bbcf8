"""Checkpoints: weights as safetensors with the experiment in their header, and the state a run resumes from."""

import io
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from lowtex.errors import CheckpointError, OptionError
from lowtex.experiments import Experiment
from lowtex.files import atomic_path
from lowtex.networks import DepthNet, FeatureNet, build_depth_net, build_feature_net
from lowtex.networks.pretrained import fill

FORMAT = "lowtex-1"


def save_network(path: str | Path, module: nn.Module, kind: str, experiment: Experiment, **facts: object) -> None:
    """Write a module's weights and what made them.

    Args:
        path: ``*.safetensors``.
        module: the network.
        kind: ``depth_net`` or ``feature_net``; a wrong one is refused when loading.
        experiment: stored whole in the header.
        facts: more plain values for the header (steps done, training rig, …).
    """
    header = {
        "format": FORMAT,
        "kind": kind,
        "experiment": json.dumps(experiment.as_dict(), sort_keys=True),
        "facts": json.dumps(facts, sort_keys=True),
    }
    tensors = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    with atomic_path(path) as temporary:
        # written here and not by the library, whose own error for a full disk is none of the file system's
        temporary.write_bytes(save(tensors, metadata=header))


def load_network(path: str | Path) -> tuple[DepthNet, dict]:
    """The depth network of a checkpoint, in evaluation mode on the CPU, and what is known about it.

    Args:
        path: a ``network.safetensors``, or the folder of a finished experiment that holds one.

    Returns:
        network, and a dict with ``experiment`` (an `Experiment`), ``size`` (height, width it was trained at),
        ``facts`` (steps, training rig) and ``path``.

    Raises:
        CheckpointError: missing, damaged, or of another network; says what did not match.
    """
    path, header, tensors = _read(path, "depth_net")
    experiment = _experiment(path, header)
    facts = json.loads(header.get("facts", "{}"))
    network = build_depth_net(experiment.network)
    fill(network, tensors, path)
    network.metres_per_unit = facts.get("metres_per_unit", network.metres_per_unit)
    network.reference_focal = facts.get("reference_focal", network.reference_focal)
    # the layout that convolutions on a CPU are fastest in, as in training
    network = network.eval().to(memory_format=torch.channels_last)
    return network, {"experiment": experiment, "size": experiment.data.size, "facts": facts, "path": path}


def load_weights_into(network: nn.Module, path: str | Path) -> dict:
    """Start a network from a checkpoint of the same architecture (fine-tuning); returns the header's facts.

    Raises:
        CheckpointError: another architecture, with the names and shapes that differ.
    """
    path, header, tensors = _read(path, "depth_net")
    fill(network, tensors, path)
    return json.loads(header.get("facts", "{}"))


def load_feature_net(path: str | Path) -> FeatureNet:
    """A trained feature network, frozen.

    Raises:
        CheckpointError: missing, damaged, or not a feature network.
    """
    path, header, tensors = _read(path, "feature_net")
    experiment = _experiment(path, header)
    network = build_feature_net(experiment.feature_net)
    fill(network, tensors, path)
    return network.freeze().to(memory_format=torch.channels_last)


def save_state(path: str | Path, state: dict) -> None:
    """Write everything a run resumes from, in one move."""
    content = io.BytesIO()
    torch.save(state, content)
    with atomic_path(path) as temporary:
        # as in `save_network`
        temporary.write_bytes(content.getbuffer())


def load_state(path: str | Path) -> dict:
    """Read what `save_state` wrote.

    Raises:
        CheckpointError: damaged; deleting it starts the run again.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # every kind of damage raises something else
        first = str(error).split("\n", 1)[0].split(". ", 1)[0] or type(error).__name__
        raise CheckpointError(f"{path} is damaged ({first}); delete it to start this training again") from error


def _read(path: str | Path, kind: str) -> tuple[Path, dict, dict]:
    path = Path(path)
    if path.is_dir():
        path = path / ("network.safetensors" if kind == "depth_net" else "feature_net.safetensors")
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}; train one with `lowtex train`, or run `make reproduce`")
    try:
        with safe_open(path, framework="pt") as file:
            header = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file ({error}); make or copy it again") from error
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not a checkpoint of this kit (format {header.get('format')!r}, expected {FORMAT!r}); "
            "published weights are read by lowtex.networks.load_published"
        )
    if header.get("kind") != kind:
        raise CheckpointError(f"{path} holds a {header.get('kind')}, but a {kind} is needed here")
    return path, header, tensors


def _experiment(path: Path, header: dict) -> Experiment:
    try:
        return Experiment.from_dict(json.loads(header["experiment"]))
    except (KeyError, ValueError, TypeError, OptionError) as error:
        raise CheckpointError(f"{path} names no experiment this kit knows ({error}); train it again") from error
