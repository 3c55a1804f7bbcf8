"""The one sample every reader yields, and the batch the training loop takes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from operator import itemgetter

import torch
from torch import Tensor

from lowtex.datasets.images import unit_range
from lowtex.errors import DataError
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

    def to(self, device: torch.device | str) -> "StereoBatch":
        """The same batch with its tensors on ``device``."""
        return self._each(lambda value: value.to(device))

    def split(self, parts: int) -> "list[StereoBatch]":
        """The batch in so many equal parts, in order."""
        size = len(self.direction) // parts
        slices = [slice(start, start + size) for start in range(0, size * parts, size)]
        return [replace(self._each(itemgetter(part)), names=self.names[part]) for part in slices]

    def _each(self, change: Callable[[Tensor], Tensor]) -> "StereoBatch":
        """The batch with every tensor of it and of its rig changed."""

        def changed(group: StereoBatch | StereoRig) -> dict[str, Tensor]:
            return {name: change(value) for name, value in vars(group).items() if isinstance(value, Tensor)}

        return replace(self, rig=replace(self.rig, **changed(self.rig)), **changed(self))


@dataclass
class PackedBatch:
    """Pairs on their way from the reading process to the device: bytes, and one small table of numbers.

    A step sends two tensors up instead of ten, and the images take a quarter of their room as float32.

    Attributes:
        views: ``(2, B, 3, H, W)`` uint8: the targets, then the other views.
        table: ``(B, n)`` float32: the rig's fields named in ``columns``, then the direction.
    """

    views: Tensor
    table: Tensor
    columns: list[str]
    names: list[str]

    def pin_memory(self) -> "PackedBatch":
        """In memory that a GPU fetches by itself; `torch.utils.data.DataLoader` calls this."""
        return replace(self, views=self.views.pin_memory(), table=self.table.pin_memory())

    def __reduce__(self) -> tuple:
        """Between processes as bytes: torch would put tensors into shared memory, which is small in a container."""
        return _from_arrays, (self.views.numpy(), self.table.numpy(), self.columns, self.names)

    def unpack(self, device: torch.device | str = "cpu") -> StereoBatch:
        """On the device, without waiting for it; images float32 in [0, 1]."""
        image, other = unit_range(self.views.to(device, non_blocking=True))
        *rig, direction = self.table.to(device, non_blocking=True).unbind(1)
        return StereoBatch(
            image, StereoRig(**dict(zip(self.columns, rig, strict=True))), direction, other, image, self.names
        )


def _from_arrays(views, table, columns: list[str], names: list[str]) -> PackedBatch:
    return PackedBatch(torch.from_numpy(views), torch.from_numpy(table), columns, names)


def as_bytes(sample: StereoSample) -> StereoSample:
    """The sample with its views as uint8; exact for the kit's readers, whose images are bytes over 255.

    Raises:
        DataError: there is no second view, or a value is outside [0, 1] or NaN; names the sample.
    """

    def packed(view: Tensor | None) -> Tensor:
        if view is None:
            raise DataError(f"{sample.name} has no second view; stereo training needs both cameras")
        if view.dtype == torch.uint8:
            return view
        low, high = view.aminmax()
        if not (low >= 0 and high <= 1):
            raise DataError(f"{sample.name} has values that are not in [0, 1] ({low:g} to {high:g}); look at its files")
        return (view * 255.0).round().to(torch.uint8)

    return replace(sample, image=packed(sample.image), other=packed(sample.other))


def pack(samples: list[StereoSample]) -> PackedBatch:
    """Pairs of one image size as a `PackedBatch`; errors as for `collate` and `as_bytes`."""
    batch = collate([as_bytes(sample) for sample in samples])
    rig = {name: value for name, value in vars(batch.rig).items() if value is not None}
    table = torch.stack([*rig.values(), batch.direction], 1)
    return PackedBatch(torch.stack([batch.image, batch.other]), table, list(rig), batch.names)


def collate(samples: list[StereoSample]) -> StereoBatch:
    """Put samples of one image size, all with a second view or none, into a batch.

    Raises:
        ValueError: images of different sizes.
    """
    sizes = {tuple(sample.image.shape) for sample in samples}
    if len(sizes) > 1:
        raise ValueError(f"images of one batch must have one size, got {sorted(sizes)}; give the reader a size=(H, W)")
    return StereoBatch(
        image=torch.stack([sample.image for sample in samples]),
        rig=StereoRig.stack([sample.rig for sample in samples]),
        direction=torch.tensor([float(sample.direction) for sample in samples]),
        other=None if samples[0].other is None else torch.stack([sample.other for sample in samples]),
        names=[sample.name for sample in samples],
    )
