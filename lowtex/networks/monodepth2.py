"""Monodepth2's checkpoints as they are published: a folder with ``encoder.pth`` and ``depth.pth``, ready to evaluate.

Their depth is in units of a pretended baseline of 0.1 (stereo-trained) or of nothing at all (trained on one camera).
Loaded here, the network gives metres by the baseline of the rig at hand; the literature's own number for KITTI, 5.4
metres a unit, is ``scaling="x5.4"`` of the evaluation (`lowtex.evaluation.protocols.Protocol`).
"""

import hashlib
import pickle
from pathlib import Path

import torch

from lowtex.errors import CheckpointError
from lowtex.networks.decoders import UNetDecoder
from lowtex.networks.depth_net import DepthNet
from lowtex.networks.pretrained import load_published, read_weights
from lowtex.networks.resnet import ResNetEncoder

STEM_CHANNELS = 64
"""Channels of a ResNet's first convolution at width 1.0."""

_BLOCKS = {(False, 2): 18, (False, 3): 34, (True, 3): 50}
"""Depth by (has a third convolution a block, blocks in the first stage)."""


def is_monodepth2(path: str | Path) -> bool:
    """The folder holds an ``encoder`` and a ``depth`` file of weights."""
    return all(any((Path(path) / f"{stem}{end}").is_file() for end in (".pth", ".pt")) for stem in ("encoder", "depth"))


def load_monodepth2(folder: str | Path) -> tuple[DepthNet, dict]:
    """The network of such a folder in evaluation mode, and what `lowtex.checkpoints.load_network` would tell of one.

    Returns:
        network, and a dict with ``experiment`` (the folder's name), ``size`` (height, width, which Monodepth2 keeps in
        ``encoder.pth``), ``reader`` (options of the reader: how the images that it was trained on were resized),
        ``facts`` (``use_stereo``, if the file tells), ``row`` (what a result row needs beside the name; its key is a
        hash of both files) and ``path``.

    Raises:
        CheckpointError: damaged, of another network, or without its size.
    """
    folder = Path(folder)
    path = next(folder / f"encoder{end}" for end in (".pth", ".pt") if (folder / f"encoder{end}").is_file())
    weights, told = read_weights(path), _plain_values(path)
    depth = _depth(weights, path)
    try:
        size = (int(told["height"]), int(told["width"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} does not say its height and width; Monodepth2's encoder.pth does") from error
    width = weights["conv1.weight"].shape[0] / STEM_CHANNELS
    encoder = ResNetEncoder(depth, width)
    network = DepthNet(encoder, UNetDecoder(encoder.channels, width))
    load_published(network, folder)
    digest = hashlib.sha256()
    for stem in ("encoder", "depth"):
        digest.update(next(folder.glob(f"{stem}.p*")).read_bytes())
    # their code shrinks images by Pillow's antialiasing filter
    reader = {"resize": "lanczos"}
    row = {"experiment_key": digest.hexdigest()[:12], "seed": 0, "train_data": "published weights"}
    facts = {"use_stereo": bool(told["use_stereo"])} if "use_stereo" in told else {}
    known = {"experiment": folder.name, "size": size, "reader": reader, "facts": facts, "row": row, "path": folder}
    return network.eval(), known


def _depth(weights: dict, path: Path) -> int:
    names = set(weights)
    if not {"conv1.weight", "layer1.0.conv2.weight"} <= names:
        raise CheckpointError(f"{path} does not hold a ResNet; Monodepth2's encoder.pth does")
    blocks = len({name.split(".")[1] for name in names if name.startswith("layer1.")})
    depth = _BLOCKS.get(("layer1.0.conv3.weight" in names, blocks))
    if depth == 50 and len({name.split(".")[1] for name in names if name.startswith("layer3.")}) != 6:
        depth = None
    if depth is None:
        raise CheckpointError(f"{path} holds a ResNet of a depth that the kit does not have (18, 34 or 50)")
    return depth


def _plain_values(path: Path) -> dict:
    """What the file holds beside weights; `read_weights` has already found it readable."""
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is not a readable file of weights; download it again") from error
    return {name: value for name, value in values.items() if not isinstance(value, torch.Tensor)}
