"""Weights that others published: read, recognised, names mapped, checked as a whole, and only then loaded.

A folder of Monodepth2's (``encoder.pth`` and ``depth.pth``) is a whole network, ready to evaluate: `load_monodepth2`.
Its depth is in units of a pretended baseline of 0.1 (stereo-trained) or of nothing at all (trained on one camera).
Loaded here, the network gives metres by the baseline of the rig at hand; the literature's own number for KITTI, 5.4
metres a unit, is ``scaling="x5.4"`` of the evaluation (`lowtex.evaluation.protocols.Protocol`).
"""

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lowtex.errors import CheckpointError
from lowtex.networks.decoders import UNetDecoder
from lowtex.networks.depth_net import DepthNet
from lowtex.networks.iresnet import IResNetEncoder
from lowtex.networks.resnet import ResNetEncoder

SHOWN = 6
"""How many names of each kind an error lists."""


@dataclass(frozen=True)
class Loaded:
    """What `load_published` did.

    Attributes:
        source: ``torchvision resnet``, ``iduta iresnet`` or ``monodepth2 decoder``.
        loaded: number of tensors copied.
        dropped: names in the file that this network has no use for (the classifier).
        untouched: names of the network that kept their values (only with ``as_start``).
    """

    source: str
    loaded: int
    dropped: tuple[str, ...]
    untouched: tuple[str, ...]


def load_published(module: nn.Module, path: str | Path, as_start: bool = False) -> Loaded | dict[str, Loaded]:
    """Load published weights into a network of this kit, so that it computes what the original code computes.

    ==================================  =============================================================================
    module                              file (``.pth``/``.pt``/``.tar`` of torch, or ``.safetensors``)
    ==================================  =============================================================================
    `ResNetEncoder`                     torchvision ResNet; Monodepth2's ``encoder.pth``
    `IResNetEncoder`                    iduta's iResNet; with ``as_start`` also a torchvision ResNet
    `UNetDecoder`                       Monodepth2's ``depth.pth``
    `DepthNet`                          a folder with Monodepth2's ``encoder.pth`` and ``depth.pth``
    ==================================  =============================================================================

    Both encoders take an image in [0, 1] and normalise it themselves as ``(x - 0.45) / 0.225``; with an input
    normalised the same way the originals give the same maps. A classifier (``fc``) in the file is dropped.

    Args:
        module: the network, at ``width=1.0`` for the published files.
        path: the file, or the folder for a `DepthNet`.
        as_start: the weights are a start for training, not a network to be reproduced. Then an iResNet takes a
            torchvision ResNet's convolutions and those batch norms that stand at the same place (not the one before a
            block, which ResNet lacks, nor the one after an addition), and iduta's weights whatever its reading of
            the main path.

    Returns:
        What was loaded; for a folder a dict with ``encoder`` and ``decoder``.

    Raises:
        CheckpointError: no such file, not a file of weights, or weights of another network; lists the names that are
            missing, unexpected or of another shape. The module is then left as it was.
    """
    path = Path(path)
    if isinstance(module, DepthNet) or path.is_dir():
        return _load_folder(module, path)
    weights = read_weights(path)
    if isinstance(module, UNetDecoder):
        return _load(module, _monodepth2_decoder(weights, path), path, "monodepth2 decoder")
    if not isinstance(module, ResNetEncoder | IResNetEncoder):
        raise CheckpointError(
            f"no published weights are known for a {type(module).__name__}; {path} can go into a ResNetEncoder, "
            "an IResNetEncoder, a UNetDecoder, or (a folder) into a DepthNet made of these"
        )
    if "conv1.weight" not in weights or "layer1.0.conv1.weight" not in weights:
        raise CheckpointError(
            f"{path} does not hold a ResNet or iResNet: conv1.weight and layer1.0.conv1.weight are not in it; "
            f"it holds {_some(weights)}"
        )
    source = "iduta iresnet" if _is_iresnet(weights) else "torchvision resnet"
    if isinstance(module, ResNetEncoder):
        if source == "iduta iresnet":
            raise CheckpointError(f"{path} holds an iResNet; load it into an IResNetEncoder of the same depth")
        return _load(module, weights, path, source)
    if source == "iduta iresnet":
        _check_reading(module, path, as_start)
        return _load(module, weights, path, source)
    if not as_start:
        raise CheckpointError(
            f"{path} holds a torchvision ResNet, which an iResNet cannot reproduce; pass as_start=True to begin "
            "training from its convolutions, or load it into a ResNetEncoder"
        )
    started, without_source = _resnet_as_start(weights, module)
    return _load(module, started, path, source, without_source)


def _load_folder(module: nn.Module, folder: Path) -> dict[str, Loaded]:
    fits = isinstance(module, DepthNet) and isinstance(module.encoder, ResNetEncoder)
    if not fits or not isinstance(module.decoder, UNetDecoder):
        raise CheckpointError(
            "a folder of Monodepth2 weights goes into DepthNet(ResNetEncoder(18), UNetDecoder(…)); load other "
            f"weights into its parts: load_published(network.encoder, file), got {type(module).__name__} and {folder}"
        )
    if not folder.is_dir():
        raise CheckpointError(
            f"a DepthNet takes a folder with encoder.pth and depth.pth, and {folder} is not a folder; "
            "for encoder weights alone call load_published(network.encoder, file)"
        )
    files = {}
    for part, stem in (("encoder", "encoder"), ("decoder", "depth")):
        found = [folder / f"{stem}{suffix}" for suffix in (".pth", ".pt", ".safetensors")]
        files[part] = next((file for file in found if file.is_file()), None)
        if files[part] is None:
            raise CheckpointError(f"{folder} has no {stem}.pth; a Monodepth2 model is encoder.pth and depth.pth")
    # the decoder's file is looked at before anything is loaded, so that a wrong folder leaves the network as it was
    decoder_weights = _monodepth2_decoder(read_weights(files["decoder"]), files["decoder"])
    _compare(module.decoder, decoder_weights, files["decoder"])
    return {
        "encoder": load_published(module.encoder, files["encoder"]),
        "decoder": _load(module.decoder, decoder_weights, files["decoder"], "monodepth2 decoder"),
    }


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, unwrapped and without the prefixes that wrappers add."""
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}; download them and give the path of the file")
    try:
        if path.suffix == ".safetensors":
            values = load_file(path)
        else:
            values = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # every kind of damage raises something else
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, pickle.UnpicklingError):
            reason = "it holds objects other than weights, or is no torch file"
        raise CheckpointError(f"{path} is not a readable file of weights ({reason}); download it again") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(values, dict) and isinstance(values.get(wrapper), dict):
            values = values[wrapper]
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds a value of type {type(values).__name__}, not a dictionary of weights")
    weights = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    if not weights:
        raise CheckpointError(f"{path} holds no weights; it holds {_some(values)}")
    for prefix in ("module.", "encoder."):
        if all(name.startswith(prefix) for name in weights):
            weights = {name[len(prefix) :]: value for name, value in weights.items()}
    return weights


def _is_iresnet(weights: dict[str, Tensor]) -> bool:
    """iResNet pools first, so its shortcut's convolution is the second part, not the first."""
    shortcut = weights.get("layer2.0.downsample.1.weight")
    return shortcut is not None and shortcut.dim() == 4


def _check_reading(module: IResNetEncoder, path: Path, as_start: bool) -> None:
    if module.projection != "max_pool":
        raise CheckpointError(
            f"{path} holds an iResNet whose shortcuts pool first, but this encoder's projection is "
            f"{module.projection}; choose --set network.projection=max_pool"
        )
    if not module.rectify_after_start and not as_start:
        raise CheckpointError(
            f"{path} was trained by code that rectifies the main path after each stage's first block; build the "
            "encoder with rectify_after_start=True to get its outputs, or pass as_start=True to begin training from "
            "these weights in the other reading"
        )


def _resnet_as_start(weights: dict[str, Tensor], module: IResNetEncoder) -> tuple[dict[str, Tensor], set[str]]:
    """A ResNet's tensors under iResNet's names, and the names in the module that have no source.

    No source: the batch norm before a block's first convolution; the last batch norm of every block but Start, which
    stands after the addition in iResNet; the first stage's shortcut where it is a convolution and ResNet has none.
    """
    shift = 1 if module.projection == "max_pool" else 0
    own = module.state_dict()
    last = "bn3" if module.expansion == 4 else "bn2"
    started = {}
    for name, value in weights.items():
        parts = name.split(".")
        if parts[0].startswith("layer") and len(parts) > 3:
            if parts[2] == "downsample":
                parts[3] = str(int(parts[3]) + shift)
            elif parts[2] == last and parts[1] != "0":
                continue
        started[".".join(parts)] = value
    without_source = {name for name in own if ".bn0." in name or name.startswith("layer1.0.downsample")}
    without_source |= {name for name in own if f".{last}." in name and ".0." not in name}
    return started, without_source - set(started)


def _monodepth2_decoder(weights: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Monodepth2's ``decoder.N``: ten blocks from deep to fine, two a size, then the heads from fine to coarse."""
    if "decoder.0.conv.conv.weight" not in weights:
        raise CheckpointError(
            f"{path} is not Monodepth2's depth.pth: decoder.0.conv.conv.weight is not in it; it holds {_some(weights)}"
        )
    names = {}
    for kind in ("weight", "bias"):
        for step in range(5):
            names[f"decoder.{2 * step}.conv.conv.{kind}"] = f"reduce.{step}.conv.{kind}"
            names[f"decoder.{2 * step + 1}.conv.conv.{kind}"] = f"fuse.{step}.conv.{kind}"
        for scale in range(4):
            names[f"decoder.{10 + scale}.conv.{kind}"] = f"heads.{scale}.conv.{kind}"
    return {names.get(name, name): value for name, value in weights.items()}


def _load(
    module: nn.Module, weights: dict[str, Tensor], path: Path, source: str, without_source: set[str] = frozenset()
) -> Loaded:
    dropped = tuple(name for name in weights if name.split(".")[0] == "fc")
    weights = {name: value for name, value in weights.items() if name not in dropped}
    _compare(module, weights, path, without_source)
    module.load_state_dict({**module.state_dict(), **weights})
    return Loaded(source, len(weights), dropped, tuple(sorted(without_source)))


def _compare(module: nn.Module, weights: dict[str, Tensor], path: Path, without_source: set[str] = frozenset()) -> None:
    """Raise CheckpointError with all that does not match; batch norms' counters are missing in old files."""
    own = module.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    complaints = []
    missing = own.keys() - weights.keys() - counters - without_source
    unexpected = weights.keys() - own.keys()
    shapes = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    not_finite = [name for name, value in weights.items() if not torch.isfinite(value).all()]
    for title, names in (
        ("missing", sorted(missing)),
        ("unexpected", sorted(unexpected)),
        ("of another shape", shapes),
        ("not finite", not_finite),
    ):
        if names:
            complaints.append(f"{len(names)} {title}: {_some(names)}")
    if complaints:
        raise CheckpointError(
            f"{path} does not fit this {type(module).__name__}; {'; '.join(complaints)}. Check the depth, and that "
            "width is 1.0, in which all published weights come"
        )


def _some(names) -> str:
    names = [str(name) for name in names]
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


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
