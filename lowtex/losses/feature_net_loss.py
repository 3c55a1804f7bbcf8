"""The feature network's own loss: FeatDepth's autoencoder (Shu et al. 2020, section 3.2)."""

import torch.nn.functional as F
from torch import Tensor

from lowtex.losses._checks import at_least_float32
from lowtex.losses.photometric import photometric_error
from lowtex.losses.smoothness import smoothness_first_order, smoothness_second_order

EDGE_DECAY = 1.0
"""The regularisers weigh by exp(-|dI|) without the 0.5 of the disparity's smoothness."""


def feature_net_loss(
    image: Tensor,
    maps: list[Tensor],
    reconstructions: list[Tensor],
    discriminative: float = 1e-3,
    convergent: float = 1e-3,
    alpha: float = 0.85,
) -> tuple[Tensor, dict[str, Tensor]]:
    """``mean_s pe(rec_s, I_s) + mean_i 2^-i [-discriminative S1(phi_i; I) + convergent S2(phi_i; I)]``.

    The first regulariser *rewards* large first differences of a map (a feature should change from place to place, so
    that a wrong match costs something), the second asks that this change be steady (so that the error falls towards
    the right match from far away). ``I`` is area-resized to each reconstruction and each map; the other choice,
    enlarging the reconstructions, would let the coarse ones off what they cannot show.

    Args:
        image: ``(B, 3, H, W)`` in [0, 1].
        maps: the encoder's maps ``(B, C_i, H_i, W_i)``, finest first (five in FeatDepth).
        reconstructions: ``(B, 3, H_s, W_s)`` in [0, 1], one a scale (four in FeatDepth).
        discriminative, convergent: weights of the regularisers; 0 skips one.
        alpha: weight of SSIM in the photometric error.

    Returns:
        The scalar loss and its terms, detached: ``total = reconstruction - discriminative * first +
        convergent * second``. The loss may be negative.

    Raises:
        ValueError: no maps or reconstructions, or a reconstruction without three channels; names what it got.
    """
    if image.dim() != 4 or not maps or not reconstructions:
        raise ValueError(
            f"feature_net_loss takes an image (B,3,H,W), maps and reconstructions, "
            f"got {tuple(image.shape)}, {len(maps)} maps and {len(reconstructions)} reconstructions"
        )
    image = at_least_float32(image)
    reconstruction = image.new_zeros(())
    for made in reconstructions:
        reconstruction = reconstruction + photometric_error(_area(image, made), made, alpha).mean()
    reconstruction = reconstruction / len(reconstructions)
    loss = reconstruction
    terms = {"reconstruction": reconstruction, "first": image.new_zeros(()), "second": image.new_zeros(())}
    for name, regulariser, weight in (
        ("first", smoothness_first_order, -discriminative),
        ("second", smoothness_second_order, convergent),
    ):
        if weight == 0:
            continue
        for level, features in enumerate(maps):
            value = regulariser(features, _area(image, features), EDGE_DECAY)
            terms[name] = terms[name] + value / (2**level * len(maps))
        loss = loss + weight * terms[name]
    terms["total"] = loss
    return loss, {name: value.detach() for name, value in terms.items()}


def _area(image: Tensor, like: Tensor) -> Tensor:
    return image if image.shape[2:] == like.shape[2:] else F.interpolate(image, like.shape[2:], mode="area")
