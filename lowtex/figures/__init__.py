"""Every plot of the kit: a pure function of tidy rows or arrays that returns a matplotlib figure.

from lowtex import figures
figure = figures.metric_bars(rows, "abs_rel", kind="known")
figures.save_figure(figure, "results/quick/figures/12_by_texture")   # PNG, PDF, CSV, and what redraws it
figures.redraw("results/quick")                                      # all of a run's figures, without training

What each function takes is written down when it is called, so that the saved figure can be drawn again; its arguments
are never changed. See `lowtex.figures.recipe` for how, `lowtex.figures.style` for the common look.
"""

from lowtex.figures.benchmark_plots import benchmark_overview
from lowtex.figures.bin_curves import errors_over_bins
from lowtex.figures.cell_plots import factorial_cells
from lowtex.figures.curves import loss_landscape, timeline, training_curves
from lowtex.figures.data_sets import data_sets_panel
from lowtex.figures.diagrams import diagram_smoothness, diagram_stereo_loop, diagram_white_wall
from lowtex.figures.diagrams_networks import diagram_blocks, diagram_decoders
from lowtex.figures.effect_plots import effect_forest, interaction_plot
from lowtex.figures.effects import claim_effects
from lowtex.figures.gradients import gradient_by_texture
from lowtex.figures.grids import image_grid
from lowtex.figures.ladder_plots import ablation_ladder, budget_course, order_effects
from lowtex.figures.maps import encoder_maps
from lowtex.figures.measured_plots import scatter_panels, stage_lines
from lowtex.figures.panels import depth_grid, line_panels
from lowtex.figures.predictions import prediction_panel
from lowtex.figures.recipe import PLOTS, plot
from lowtex.figures.redrawing import STANDING, draw_standing, redraw
from lowtex.figures.rig_check import draw_rig_check, rig_check
from lowtex.figures.samples import pair_panel, stereo_anaglyph, warp_check
from lowtex.figures.saving import save_figure
from lowtex.figures.scenes import point_cloud_bird_eye, texture_strata_overlay
from lowtex.figures.scores import error_by_distance, error_vs_contrast, metric_bars
from lowtex.figures.seed_plots import paired_dots, weight_curves
from lowtex.figures.smoothness_plots import scan_lines
from lowtex.figures.style import METHODS, method_styles, styled
from lowtex.figures.term_plots import border_profile, pull_by_offset, term_intervals
from lowtex.figures.windows import crop_windows

__all__ = [
    "METHODS",
    "PLOTS",
    "STANDING",
    "ablation_ladder",
    "benchmark_overview",
    "border_profile",
    "budget_course",
    "claim_effects",
    "crop_windows",
    "data_sets_panel",
    "depth_grid",
    "diagram_blocks",
    "diagram_decoders",
    "diagram_smoothness",
    "diagram_stereo_loop",
    "diagram_white_wall",
    "draw_rig_check",
    "draw_standing",
    "effect_forest",
    "encoder_maps",
    "error_by_distance",
    "error_vs_contrast",
    "errors_over_bins",
    "factorial_cells",
    "gradient_by_texture",
    "image_grid",
    "interaction_plot",
    "line_panels",
    "loss_landscape",
    "method_styles",
    "metric_bars",
    "order_effects",
    "pair_panel",
    "paired_dots",
    "plot",
    "point_cloud_bird_eye",
    "prediction_panel",
    "pull_by_offset",
    "redraw",
    "rig_check",
    "save_figure",
    "scan_lines",
    "scatter_panels",
    "stage_lines",
    "stereo_anaglyph",
    "styled",
    "term_intervals",
    "texture_strata_overlay",
    "timeline",
    "training_curves",
    "warp_check",
    "weight_curves",
]
