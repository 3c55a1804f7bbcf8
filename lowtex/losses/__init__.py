"""Losses: pixel and feature-map errors, smoothness, masks, and the objective that sums them over scales."""

from lowtex.losses.census_zncc import census_error, zncc_error
from lowtex.losses.feature_map import feature_map_error, warped_feature_error
from lowtex.losses.feature_net_loss import feature_net_loss
from lowtex.losses.masks import auto_mask, identity_threshold, masked_mean, out_of_view_mask
from lowtex.losses.objective import TERMS, StereoObjective, describe_non_finite
from lowtex.losses.photometric import (
    PatchStatistics,
    patch_statistics,
    photometric_error,
    photometric_error_plain,
    structural_dissimilarity_plain,
)
from lowtex.losses.smoothness import normalise_disparity, smoothness_first_order, smoothness_second_order

__all__ = [
    "TERMS",
    "PatchStatistics",
    "StereoObjective",
    "auto_mask",
    "census_error",
    "describe_non_finite",
    "feature_map_error",
    "feature_net_loss",
    "identity_threshold",
    "masked_mean",
    "normalise_disparity",
    "out_of_view_mask",
    "patch_statistics",
    "photometric_error",
    "photometric_error_plain",
    "smoothness_first_order",
    "smoothness_second_order",
    "structural_dissimilarity_plain",
    "warped_feature_error",
    "zncc_error",
]
