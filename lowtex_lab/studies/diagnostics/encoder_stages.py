"""An encoder's stages taken apart: what lies on the main path before each ReLU, and what an output depends on.

A stage here is what leads from one map of the encoder to the next, half its size; ResNet's max-pool belongs to its
first one. Its shortcut is the way round the first block's branch. The main path is the shortcut and the sums after it,
the path without convolutions of 3x3.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.errors import DataError
from lowtex.networks import IResNetEncoder, ResNetEncoder
from lowtex.networks.resnet import Encoder

STAGES = (1, 2, 3, 4)


@dataclass(frozen=True)
class StageTrace:
    """What passed through one stage.

    Attributes:
        input: ``(B, C, H, W)``, the encoder's map before it.
        output: ``(B, C', H/2, W/2)``, the map after it, >= 0.
        before_relu: what lay on the main path before each ReLU on it, in order; each of the output's shape.
    """

    input: Tensor
    output: Tensor
    before_relu: list[Tensor] = field(default_factory=list)

    def zeroed(self) -> Tensor:
        """``(R, B, C', H/2, W/2)`` bool: values that each of the R ReLUs on the main path sets to 0."""
        return torch.stack([values <= 0 for values in self.before_relu])


def trace(encoder: Encoder, image: Tensor) -> list[StageTrace]:
    """The four stages of an encoder on images ``(B, 3, H, W)`` in [0, 1]; no gradients.

    Raises:
        DataError: an encoder of another family than ResNet and iResNet.
        ValueError: images of another shape.
    """
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    stages = [blocks_of(encoder, stage) for stage in STAGES]
    with torch.no_grad(), _watching([part for blocks in stages for b in blocks for part in _parts(b)], seen):
        maps = encoder(image)
        return [
            StageTrace(maps[k], maps[k + 1], [values for block in blocks for values in _sums(encoder, block, seen)])
            for k, blocks in enumerate(stages)
        ]


def blocks_of(encoder: Encoder, stage: int) -> nn.Sequential:
    """The blocks of stage 1 to 4.

    Raises:
        DataError: an encoder of another family.
    """
    if not isinstance(encoder, ResNetEncoder | IResNetEncoder):
        raise DataError(f"an encoder of class {type(encoder).__name__} has no stages known here; use ResNet or iResNet")
    return getattr(encoder, f"layer{stage}")


def shortcut_of(encoder: Encoder, stage: int) -> Callable[[Tensor], Tensor]:
    """The way round the branch of a stage's first block, from the stage's input: a max-pool, a 1x1 convolution, …"""
    around = blocks_of(encoder, stage)[0].downsample or nn.Identity()
    return lambda x: around(_entered(encoder, stage, x))


def stage_of(encoder: Encoder, stage: int) -> Callable[[Tensor], Tensor]:
    """A whole stage, from the encoder's map before it to the one after it."""
    blocks = blocks_of(encoder, stage)
    return lambda x: blocks(_entered(encoder, stage, x))


def dependence(part: Callable[[Tensor], Tensor], x: Tensor, draw: torch.Generator) -> Tensor:
    """How strongly the output of ``part`` depends on each value of ``x``, here and now: ``(B, C, H, W)``.

    The gradient of a random mixture of all outputs. What no output depends on has none, exactly 0; a value that a
    max-pool passes over is such a one, though a larger value in its place would be seen.
    """
    x = x.detach().clone().requires_grad_()
    out = part(x)
    mixture = torch.randn(out.shape, generator=draw).to(out)
    return torch.autograd.grad(out, x, mixture)[0]


def by_place(gradient: Tensor) -> Tensor:
    """How a gradient ``(B, C, H, W)`` divides among the four places of each square of 2 x 2: ``(4,)``, sum 1.

    Shares of the squared gradient: upper left, upper right, lower left, lower right. A half-sized output has one
    position for four of its input's; shares of 1/4 say that they count alike. All NaN where there is no gradient.
    """
    energy = F.pixel_unshuffle((gradient.double() ** 2).sum(dim=1, keepdim=True), 2).sum(dim=(0, 2, 3))
    return energy / energy.sum()


def _entered(encoder: Encoder, stage: int, x: Tensor) -> Tensor:
    return encoder.before_stages(x) if stage == 1 else x


def _last_norm(block: nn.Module) -> nn.Module | None:
    return block.bn3 if block.bottleneck else block.bn2


def _parts(block: nn.Module) -> Iterator[nn.Module]:
    yield from (part for part in (block, _last_norm(block), block.downsample) if part is not None)


def _sums(encoder: Encoder, block: nn.Module, seen: dict[nn.Module, tuple[Tensor, Tensor]]) -> list[Tensor]:
    """What the ReLUs on a block's main path get, in order; put together from what was seen of its parts."""
    entered = seen[block][0]
    if isinstance(encoder, ResNetEncoder):
        return [seen[_last_norm(block)][1] + (entered if block.downsample is None else seen[block.downsample][1])]
    at_start = [entered] if block.rectify_main else []
    # the End block's batch norm has the sum already
    return [*at_start, seen[_last_norm(block)][1]] if block.role == "end" else at_start


@contextmanager
def _watching(modules: Sequence[nn.Module], seen: dict[nn.Module, tuple[Tensor, Tensor]]) -> Iterator[None]:
    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[module] = inputs[0], output

    handles = [module.register_forward_hook(note) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
