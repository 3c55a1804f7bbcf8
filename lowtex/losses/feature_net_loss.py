"""The feature network's own loss: FeatDepth's autoencoder (Shu et al. 2020, section 3.2)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lowtex.losses._checks import at_least_float32
from lowtex.losses.fast_photometric import fast_photometric_error
from lowtex.losses.smoothness import smoothness_first_order, smoothness_second_order

EDGE_DECAY = 1.0
"""The regularisers weigh by exp(-|dI|) without the 0.5 of the disparity's smoothness."""


def feature_net_loss(
    reconstructions: list[Tensor],
    maps: list[Tensor],
    image: Tensor,
    discriminative: float = 1e-3,
    convergent: float = 1e-3,
    eps: float = 0.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """``mean_s pe(rec_s, I_s) + mean_i 2^-i [-discriminative S1(phi_i; I) + convergent S2(phi_i; I)]``.

    The first regulariser *rewards* large first differences of a map (a feature should change from place to place, so
    that a wrong match costs something), the second asks that this change be steady (so that the error falls towards
    the right match from far away). ``I`` is area-resized to each reconstruction and each map; the other choice,
    enlarging the reconstructions, would blame the coarse ones for detail that they cannot hold.

    Args:
        reconstructions: ``(B, 3, H_s, W_s)`` in [0, 1], one a scale (four in FeatDepth).
        maps: the encoder's maps ``(B, C_i, H_i, W_i)``, finest first (five in FeatDepth).
        image: ``(B, 3, H, W)`` in [0, 1].
        discriminative, convergent: weights of the regularisers; 0 skips one.
        eps: of the photometric error, Charbonnier's (0 is |a - b|, FeatDepth's is 1e-3).

    Returns:
        The scalar loss, which may be negative, and its terms, detached: ``feature_net_total = reconstruction -
        discriminative * map_first + convergent * map_second`` (a skipped one is 0).

    Raises:
        ValueError: no maps or reconstructions, or shapes that do not fit the image; names what it got.
    """
    if image.dim() != 4 or not maps or not reconstructions:
        raise ValueError(
            f"feature_net_loss takes reconstructions, maps and an image (B,3,H,W), "
            f"got {len(reconstructions)} reconstructions, {len(maps)} maps and {tuple(image.shape)}"
        )
    image = at_least_float32(image)
    reconstruction = torch.stack(
        [fast_photometric_error(_area(image, made), made, eps=eps).mean() for made in reconstructions]
    ).mean()
    terms = {"reconstruction": reconstruction}
    total = reconstruction
    for name, regulariser, weight in (
        ("map_first", smoothness_first_order, -discriminative),
        ("map_second", smoothness_second_order, convergent),
    ):
        terms[name] = image.new_zeros(())
        if weight != 0:
            values = [regulariser(phi, _area(image, phi), EDGE_DECAY) / 2**level for level, phi in enumerate(maps)]
            terms[name] = torch.stack(values).mean()
            total = total + weight * terms[name]
    terms["feature_net_total"] = total
    return total, {name: value.detach() for name, value in terms.items()}


def _area(image: Tensor, like: Tensor) -> Tensor:
    return image if image.shape[2:] == like.shape[2:] else F.interpolate(image, like.shape[2:], mode="area")
