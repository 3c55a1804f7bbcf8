"""Weights that others published: read, recognised, names mapped, checked as a whole, and only then loaded.

A folder of Monodepth2's (``encoder.pth`` and ``depth.pth``) is a whole network, ready to evaluate: `load_monodepth2`.
Its depth is in units of a pretended baseline of 0.1 (stereo-trained) or of nothing at all (trained on one camera).
Loaded here, the network gives metres by the baseline of the rig at hand; the literature's own number for KITTI, 5.4
metres a unit, is ``scaling="x5.4"`` of the evaluation (`lowtex.evaluation.protocols.Protocol`).
"""

import hashlib
import pickle
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lowtex.errors import CheckpointError
from lowtex.networks.decoders import UNetDecoder
from lowtex.networks.depth_net import DepthNet
from lowtex.networks.iresnet import IResNetEncoder
from lowtex.networks.resnet import BLOCKS, STAGE_PLANES, ResNetEncoder, is_bottleneck

SUFFIXES = (".pth", ".pt", ".safetensors")


def load_published(module: nn.Module, path: str | Path, as_start: bool = False) -> set[str]:
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
        Names of the module that kept their values (only with ``as_start``).

    Raises:
        CheckpointError: no such file, not a file of weights, or weights of another network; lists the names that are
            missing, unexpected or of another shape. The module is then left as it was.
    """
    path = Path(path)
    if isinstance(module, DepthNet) or path.is_dir():
        return _load_folder(module, path)
    weights = {name: value for name, value in read_weights(path).items() if name.split(".")[0] != "fc"}
    untouched: set[str] = set()
    if isinstance(module, UNetDecoder):
        weights = _monodepth2_decoder(weights, path)
    elif isinstance(module, ResNetEncoder | IResNetEncoder):
        _check_family(module, weights, path, as_start)
        if isinstance(module, IResNetEncoder) and not _is_iresnet(weights):
            weights, untouched = _resnet_as_start(weights, module)
    else:
        raise CheckpointError(
            f"no published weights are known for a {type(module).__name__}; {path} can go into a ResNetEncoder, "
            "an IResNetEncoder, a UNetDecoder, or (a folder) into a DepthNet made of these"
        )
    fill(module, weights, path, untouched)
    return untouched


def _load_folder(module: nn.Module, folder: Path) -> set[str]:
    fits = isinstance(module, DepthNet) and isinstance(module.encoder, ResNetEncoder)
    if not fits or not isinstance(module.decoder, UNetDecoder):
        raise CheckpointError(
            "a folder of Monodepth2 weights goes into DepthNet(ResNetEncoder(18), UNetDecoder(…)); load other "
            f"weights into its parts: load_published(network.encoder, file), got {type(module).__name__} and {folder}"
        )
    for stem in ("encoder", "depth"):
        if _file(folder, stem) is None:
            lacks = f"has no {stem}.pth" if folder.is_dir() else "is not a folder"
            raise CheckpointError(
                f"{folder} {lacks}; a DepthNet takes a folder with encoder.pth and depth.pth; for encoder weights "
                "alone call load_published(network.encoder, file)"
            )
    # the decoder's file is looked at before anything is loaded, so that a wrong folder leaves the network as it was
    path = _file(folder, "depth")
    compare(module.decoder, _monodepth2_decoder(read_weights(path), path), path)
    load_published(module.encoder, _file(folder, "encoder"))
    return load_published(module.decoder, path)


def _file(folder: Path, stem: str) -> Path | None:
    return next((path for end in SUFFIXES if (path := folder / f"{stem}{end}").is_file()), None)


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, unwrapped and without the prefixes that wrappers add.

    Raises:
        CheckpointError: no such file, or not one of weights.
    """
    values = _read(path)
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


def _read(path: Path) -> object:
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}; download them and give the path of the file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # every kind of damage raises something else
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, pickle.UnpicklingError):
            reason = "it holds objects other than weights, or is no torch file"
        raise CheckpointError(f"{path} is not a readable file of weights ({reason}); download it again") from error


def _is_iresnet(weights: dict[str, Tensor]) -> bool:
    """iResNet pools first, so its shortcut's convolution is the second part, not the first."""
    shortcut = weights.get("layer2.0.downsample.1.weight")
    return shortcut is not None and shortcut.dim() == 4


def _check_family(module: nn.Module, weights: dict[str, Tensor], path: Path, as_start: bool) -> None:
    """Raise CheckpointError unless the weights are of the module's family, and in its reading of the main path."""
    wanted = isinstance(module, IResNetEncoder)
    found = _is_iresnet(weights)
    problems = {
        "does not hold a ResNet or iResNet: conv1.weight and layer1.0.conv1.weight are not in it; it holds "
        f"{_some(weights)}": not {"conv1.weight", "layer1.0.conv1.weight"} <= weights.keys(),
        "holds an iResNet; load it into an IResNetEncoder of the same depth": found and not wanted,
        "holds an iResNet whose shortcuts pool first, but this encoder's projection is stride; choose --set "
        "network.projection=max_pool": found and wanted and module.projection != "max_pool",
        "was trained by code that rectifies the main path after each stage's first block; build the encoder with "
        "rectify_after_start=True to get its outputs, or pass as_start=True to begin training from these weights in "
        "the other reading": found and wanted and not module.rectify_after_start and not as_start,
        "holds a torchvision ResNet, which an iResNet cannot reproduce; pass as_start=True to begin training from its "
        "convolutions, or load it into a ResNetEncoder": wanted and not found and not as_start,
    }
    for problem, is_so in problems.items():
        if is_so:
            raise CheckpointError(f"{path} {problem}")


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

    def own(name: re.Match) -> str:
        number = int(name[1])
        place = f"heads.{number - 10}" if number >= 10 else f"{('reduce', 'fuse')[number % 2]}.{number // 2}"
        return f"{place}.conv.{name[2]}"

    return {re.sub(r"^decoder\.(\d+)\.conv(?:\.conv)?\.(\w+)$", own, name): value for name, value in weights.items()}


def fill(module: nn.Module, weights: dict[str, Tensor], path: Path, kept: Iterable[str] = ()) -> None:
    """Put weights into a module once all of them fit; ``kept`` names what keeps its value. Errors as in `compare`."""
    compare(module, weights, path, kept)
    module.load_state_dict({**module.state_dict(), **weights})


def compare(module: nn.Module, weights: dict[str, Tensor], path: Path, kept: Iterable[str] = ()) -> None:
    """Raise CheckpointError with all that does not match; batch norms' counters are missing in old files."""
    own = module.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    other_shapes = [
        f"{name} {tuple(value.shape)} instead of {tuple(own[name].shape)}"
        for name, value in weights.items()
        if name in own and value.shape != own[name].shape
    ]
    complaints = {
        "missing": sorted(own.keys() - weights.keys() - counters - set(kept)),
        "unexpected": sorted(weights.keys() - own.keys()),
        "of another shape": other_shapes,
        "not finite": [name for name, value in weights.items() if not torch.isfinite(value).all()],
    }
    told = [f"{len(names)} {title}: {_some(names)}" for title, names in complaints.items() if names]
    if told:
        raise CheckpointError(
            f"{path} does not fit this {type(module).__name__}: {'; '.join(told)}. Use the experiment and profile it "
            "was trained with; for published weights the same depth, and width 1.0"
        )


def _some(names: Iterable[str]) -> str:
    names = [str(name) for name in names]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def is_monodepth2(path: str | Path) -> bool:
    """The folder holds an ``encoder`` and a ``depth`` file of weights."""
    return all(_file(Path(path), stem) is not None for stem in ("encoder", "depth"))


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
    path = _file(folder, "encoder")
    weights, told = read_weights(path), _read(path)
    depth = _depth(weights, path)
    try:
        size = (int(told["height"]), int(told["width"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} does not say its height and width; Monodepth2's encoder.pth does") from error
    width = weights["conv1.weight"].shape[0] / STAGE_PLANES[0]
    encoder = ResNetEncoder(depth, width)
    network = DepthNet(encoder, UNetDecoder(encoder.channels, width))
    load_published(network, folder)
    both = b"".join(_file(folder, stem).read_bytes() for stem in ("encoder", "depth"))
    row = {"experiment_key": hashlib.sha256(both).hexdigest()[:12], "seed": 0, "train_data": "published weights"}
    known = {"experiment": folder.name, "size": size, "row": row, "path": folder}
    # their code shrinks images by Pillow's antialiasing filter
    known["reader"] = {"resize": "lanczos"}
    known["facts"] = {"use_stereo": bool(told["use_stereo"])} if "use_stereo" in told else {}
    return network.eval(), known


def _depth(weights: dict, path: Path) -> int:
    """The depth of a ResNet's weights; CheckpointError where no `ResNetEncoder` has it, or the width of its stem."""
    if not {"conv1.weight", "layer1.0.conv2.weight"} <= set(weights):
        raise CheckpointError(f"{path} does not hold a ResNet; Monodepth2's encoder.pth does")
    pairs = {tuple(name.split(".")[:2]) for name in weights if name.startswith("layer")}
    stages = tuple(sum(stage == f"layer{k}" for stage, _ in pairs) for k in (1, 2, 3, 4))
    deep = "layer1.0.conv3.weight" in weights
    depth = next((d for d, blocks in BLOCKS.items() if blocks == stages and is_bottleneck(d) == deep), None)
    if depth in (None, 152):
        raise CheckpointError(f"{path} holds a ResNet of a depth that the kit does not have (18, 34, 50 or 101)")
    stem = tuple(weights["conv1.weight"].shape)
    most = 4 * STAGE_PLANES[0]
    if len(stem) != 4 or not 1 <= stem[0] <= most:
        raise CheckpointError(f"{path} holds a ResNet whose conv1.weight is {stem}; the kit's have 1 to {most} maps")
    return depth
