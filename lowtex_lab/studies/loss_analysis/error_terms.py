"""Every data term as a function of disparity: one place that knows how each of them compares two views.

from lowtex_lab.studies.loss_analysis.error_terms import error_terms
terms = error_terms(feature_net, random_net)
error_of = terms["census"].between(image, other)      # maps of both views, made once
error_of(shift_px)                                    # (B, 1, H, W), differentiable in the shift

A term is what the objective minimises (`lowtex.losses.objective`), before masks and means, and made of the very same
functions: an image is turned into a map (itself, or a feature map of half the size), the other view's map is moved
sideways, and the two are compared. What a term says of half-size maps, it says here at the image's size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.devices import device_of
from lowtex.errors import OptionError, require_choice
from lowtex.geometry import warp_horizontal
from lowtex.losses import feature_map_error
from lowtex.losses.objective import pixel_error
from lowtex.settings import LossSettings

SETTINGS: dict[str, LossSettings] = {
    "pixels": LossSettings(data_term="pixels"),
    "features": LossSettings(data_term="features"),
    "features ssim": LossSettings(data_term="features", feature_distance="ssim_l1"),
    "census": LossSettings(data_term="pixels", pixel_error="census"),
    "zncc": LossSettings(data_term="pixels", pixel_error="zncc"),
    "random features": LossSettings(data_term="features"),
    "pixels + features": LossSettings(data_term="both"),
}
"""The terms, by name, as the objective's settings. ``random features`` are those of a network never trained;
``pixels + features`` are both with equal weight (FeatDepth's form; its weight of 1e-3 belongs to maps of its scale)."""

OTHER_SIZES = {"pixels at half size": "pixels", "features at full size": "features"}
"""The first two terms at each other's resolution, which no objective uses: to tell what resolution alone does."""

TERMS = (*SETTINGS, *OTHER_SIZES)
"""All names."""


@dataclass(frozen=True)
class Part:
    """One comparison.

    Attributes:
        prepare: image ``(B, 3, H, W)`` in [0, 1] -> map ``(B, C, h, w)``, h and w those of the image or half of them.
        against: the target's map -> a function from the other view's map, moved, to errors ``(B, 1, h, w)``.
        weight: of its error in the sum.
    """

    prepare: Callable[[Tensor], Tensor]
    against: Callable[[Tensor], Callable[[Tensor], Tensor]]
    weight: float = 1.0


@dataclass(frozen=True)
class ErrorTerm:
    """A data term by name: the weighted sum of its parts, each brought to the image's size."""

    name: str
    parts: tuple[Part, ...]

    def between(self, image: Tensor, other: Tensor) -> Callable[[Tensor | float], Tensor]:
        """The term's error as a function of the shift that brings the other view to the target.

        A shift is brought to a smaller map's size as training does it, by bilinear interpolation, and counted in that
        map's pixels; its errors are repeated to the image's size. So a place of a half-size map counts for the four
        pixels it stands for, and terms of different sizes have means, sums and gradients of one unit.

        Args:
            image, other: target and other view ``(B, 3, H, W)`` in [0, 1]; no gradient reaches them.

        Returns:
            ``shift_px -> (B, 1, H, W)``: the shift in pixels of the image, signed as for
            `lowtex.geometry.warp_horizontal`, ``(B, 1, H, W)`` with gradient, or one number for all.
        """
        size = tuple(image.shape[2:])
        with torch.no_grad():
            views = image.detach(), other.detach()
            maps = [tuple(part.prepare(view) for view in views) for part in self.parts]
            compared = [part.against(target) for part, (target, _) in zip(self.parts, maps, strict=True)]

        def error_of(shift_px: Tensor | float) -> Tensor:
            total = None
            for part, error, (_, moving) in zip(self.parts, compared, maps, strict=True):
                here = part.weight * _full_size(error(_moved(moving, shift_px, size)), size)
                total = here if total is None else total + here
            return total

        return error_of


def error_terms(
    feature_net: nn.Module | None = None, random_net: nn.Module | None = None, names: Sequence[str] | None = None
) -> dict[str, ErrorTerm]:
    """Data terms by name, in the order asked for.

    Args:
        feature_net: the trained network, frozen; ``lowest(image) -> (B, C, H/2, W/2)``.
        random_net: one that was never trained, for ``random features``.
        names: of `TERMS`; None = all of `SETTINGS` that the networks given allow.

    Raises:
        OptionError: an unknown name, or one that needs a network which was not given.
    """
    if names is None:
        names = [name for name in SETTINGS if _network_of(name, feature_net, random_net) is not None]
    return {name: ErrorTerm(name, _parts(name, _network_of(name, feature_net, random_net))) for name in names}


def _network_of(name: str, feature_net: nn.Module | None, random_net: nn.Module | None) -> nn.Module | bool | None:
    """The network that a term needs; False where it needs none, None where it is not there."""
    require_choice("data term", name, TERMS)
    if name == "random features":
        return random_net
    return feature_net if "features" in name else False


def _parts(name: str, net: nn.Module | bool | None) -> tuple[Part, ...]:
    if net is None:
        wanted = "random_net" if name == "random features" else "feature_net"
        raise OptionError(f"data term {name!r} compares feature maps: give a {wanted}")
    loss, parts = SETTINGS[OTHER_SIZES.get(name, name)], []
    if loss.uses_pixels:
        prepare = _half_size if name in OTHER_SIZES else _as_it_is
        parts.append(Part(prepare, partial(partial, pixel_error, loss), loss.pixel_weight))
    if loss.uses_features:
        prepare = partial(_at_every_pixel, net) if name in OTHER_SIZES else partial(lowest_map, net)
        parts.append(Part(prepare, partial(_feature_comparison, loss), loss.feature_weight))
    return tuple(parts)


def _feature_comparison(loss: LossSettings, target: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda other: feature_map_error(target, other, loss.feature_distance, alpha=loss.ssim_alpha)


def lowest_map(net: nn.Module, image: Tensor) -> Tensor:
    """A feature network's lowest map of ``image``, made where the network is and brought to where the image is."""
    return net.lowest(image.to(device_of(net))).to(image.device)


def _as_it_is(image: Tensor) -> Tensor:
    return image


def _half_size(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, 2)


def _at_every_pixel(net: nn.Module, image: Tensor) -> Tensor:
    """The lowest map without its stride: the network sees the image four times, moved by a pixel, and the four maps
    are put between each other. ``[..., ::2, ::2]`` is the map itself."""
    height, width = image.shape[2:]
    beyond = F.pad(image, (0, 1, 0, 1), mode="replicate")
    views = [beyond[..., y : y + height, x : x + width] for y in (0, 1) for x in (0, 1)]
    maps = [lowest_map(net, view) for view in views]
    full = maps[0].new_empty(*maps[0].shape[:2], height, width)
    for index, one in enumerate(maps):
        full[..., index // 2 :: 2, index % 2 :: 2] = one
    return full


def _moved(maps: Tensor, shift_px: Tensor | float, size: tuple[int, int]) -> Tensor:
    """``warp_horizontal`` of a map by a shift in pixels of the image of that ``size``."""
    share = maps.shape[-1] / size[1]
    if isinstance(shift_px, Tensor):
        if tuple(maps.shape[2:]) != size:
            shift_px = F.interpolate(shift_px, maps.shape[2:], mode="bilinear", align_corners=False)
        return warp_horizontal(maps, shift_px * share)
    # the same for all: whole columns are fetched, which costs a fraction of fetching each value
    last = maps.shape[-1] - 1
    position = (torch.arange(last + 1, dtype=torch.float64, device=maps.device) - shift_px * share).clamp(0, last)
    low = position.floor()
    left, weight = maps.index_select(-1, low.long()), (position - low).to(maps.dtype)
    if not weight.any():
        return left
    return torch.lerp(left, maps.index_select(-1, (low.long() + 1).clamp(max=last)), weight)


def _full_size(error: Tensor, size: tuple[int, int]) -> Tensor:
    return error if tuple(error.shape[2:]) == size else F.interpolate(error, size, mode="nearest-exact")
