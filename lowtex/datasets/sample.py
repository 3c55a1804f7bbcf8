"""The one sample every reader yields, and the batch the training loop takes."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lowtex.geometry import StereoRig


@dataclass
class StereoSample:
    """One target view with what is known about it.

    Attributes:
        image: ``(3, H, W)`` float32 RGB in [0, 1], the view whose depth is asked for.
        rig: focal lengths, principal point and baseline at the size of ``image``.
        name: where it comes from, for messages and rows, e.g. ``2011_09_26_drive_0001_sync/0000000005/l``.
        other: the other camera's view, ``(3, H, W)``, or None where only one view exists.
        direction: +1 where the target is the left camera (its content lies at ``x - disparity`` in ``other``),
            -1 where it is the right one.
        depth: ``(1, h, w)`` float32 metres at the ground truth's own size, 0 = no ground truth there; or None.
        texture_contrast: ``(1, h, w)`` known texture contrast of the surface seen, >= 0 (miniatures only).
        visible: ``(1, h, w)`` bool, the point is also seen by the other camera (miniatures only).
    """

    image: Tensor
    rig: StereoRig
    name: str
    other: Tensor | None = None
    direction: float = 1.0
    depth: Tensor | None = None
    texture_contrast: Tensor | None = None
    visible: Tensor | None = None


@dataclass
class StereoBatch:
    """Samples of one image size side by side: images ``(B, 3, H, W)``, a stacked rig, ``direction`` ``(B,)``.

    ``network_image`` is what the network sees (colour-jittered while training); losses use ``image``.
    """

    image: Tensor
    rig: StereoRig
    direction: Tensor
    other: Tensor | None = None
    network_image: Tensor | None = None
    names: list[str] = field(default_factory=list)
    samples: list[StereoSample] = field(default_factory=list)

    def to(self, device: torch.device | str) -> "StereoBatch":
        """The same batch with its stacked tensors on ``device`` (the samples stay where they are)."""
        return replace(
            self,
            image=self.image.to(device),
            rig=self.rig.to(device),
            direction=self.direction.to(device),
            other=None if self.other is None else self.other.to(device),
            network_image=None if self.network_image is None else self.network_image.to(device),
        )


def collate(samples: list[StereoSample]) -> StereoBatch:
    """Put samples of one image size into a batch.

    Raises:
        ValueError: no samples, images of different sizes, or only some of them with a second view.
    """
    if not samples:
        raise ValueError("collate needs at least one sample")
    sizes = {tuple(sample.image.shape) for sample in samples}
    if len(sizes) > 1:
        raise ValueError(f"images of one batch must have one size, got {sorted(sizes)}; give the reader a size=(H, W)")
    with_other = [sample.other is not None for sample in samples]
    if any(with_other) and not all(with_other):
        raise ValueError(f"only some samples have a second view: {[s.name for s in samples]}")
    return StereoBatch(
        image=torch.stack([sample.image for sample in samples]),
        rig=StereoRig.stack([sample.rig for sample in samples]),
        direction=torch.tensor([float(sample.direction) for sample in samples]),
        other=torch.stack([sample.other for sample in samples]) if all(with_other) else None,
        names=[sample.name for sample in samples],
        samples=list(samples),
    )
