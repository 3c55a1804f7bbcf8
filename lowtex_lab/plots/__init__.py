"""Every plot of the kit: a pure function of tidy rows or arrays that returns a matplotlib figure.

from lowtex_lab import plots as figures
figure = figures.metric_bars(rows, "abs_rel", kind="known")
figures.save_figure(figure, "results/quick/figures/12_by_texture")   # PNG, PDF, CSV, and what redraws it
figures.redraw("results/quick")                                      # all of a run's figures, without training

What each function takes is written down when it is called, so that the saved figure can be drawn again; its arguments
are never changed. See `lowtex_lab.plots.recipe` for how, `lowtex_lab.plots.style` for the common look.
"""

from lowtex_lab.plots.benchmark_plots import benchmark_overview
from lowtex_lab.plots.bin_curves import errors_over_bins
from lowtex_lab.plots.cell_plots import factorial_cells
from lowtex_lab.plots.curves import loss_landscape, timeline, training_curves
from lowtex_lab.plots.data_sets import data_sets_panel
from lowtex_lab.plots.diagrams import diagram_smoothness, diagram_stereo_loop, diagram_white_wall
from lowtex_lab.plots.diagrams_networks import diagram_blocks, diagram_decoders
from lowtex_lab.plots.effect_plots import effect_forest, interaction_plot
from lowtex_lab.plots.effects import claim_effects
from lowtex_lab.plots.gradients import gradient_by_texture
from lowtex_lab.plots.grids import image_grid
from lowtex_lab.plots.ladder_plots import ablation_ladder, budget_course, order_effects
from lowtex_lab.plots.maps import encoder_maps
from lowtex_lab.plots.measured_plots import scatter_panels, stage_lines
from lowtex_lab.plots.panels import depth_grid, line_panels
from lowtex_lab.plots.predictions import prediction_panel
from lowtex_lab.plots.recipe import PLOTS, plot
from lowtex_lab.plots.redrawing import STANDING, draw_standing, redraw
from lowtex_lab.plots.rig_check import draw_rig_check, rig_check
from lowtex_lab.plots.samples import pair_panel, stereo_anaglyph, warp_check
from lowtex_lab.plots.saving import save_figure
from lowtex_lab.plots.scenes import point_cloud_bird_eye, texture_strata_overlay
from lowtex_lab.plots.scores import error_by_distance, error_vs_contrast, metric_bars
from lowtex_lab.plots.seed_plots import paired_dots, weight_curves
from lowtex_lab.plots.smoothness_plots import scan_lines
from lowtex_lab.plots.style import METHODS, method_styles, styled
from lowtex_lab.plots.term_plots import border_profile, pull_by_offset, term_intervals
from lowtex_lab.plots.windows import crop_windows

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
