"""Losses: pixel and feature-map errors, smoothness, masks, and the objective that averages them over scales."""

from lowtex.losses.census_zncc import census_error, zncc_error
from lowtex.losses.fast_photometric import fast_photometric_error
from lowtex.losses.feature_map import feature_map_error, warped_feature_error
from lowtex.losses.feature_net_loss import feature_net_loss
from lowtex.losses.masks import auto_mask, identity_threshold, masked_mean, out_of_view_mask
from lowtex.losses.objective import TERMS, StereoObjective
from lowtex.losses.photometric import photometric_error, structural_dissimilarity
from lowtex.losses.smoothness import normalise_disparity, smoothness_first_order, smoothness_second_order
