"""Every plot of the kit: a pure function of tidy rows or arrays that returns a matplotlib figure.

from lowtex_lab import plots as figures
figure = figures.metric_bars(rows, "abs_rel", kind="known")
figures.save_figure(figure, "results/quick/figures/12_by_texture")   # PNG, PDF, CSV, and what redraws it
figures.redraw("results/quick")                                      # all of a run's figures, without training

What each function takes is kept when it is called, so that the saved figure can be drawn again; its arguments are
never changed. See `lowtex_lab.plots.saving` for how, `lowtex_lab.plots.style` for the common look.
"""

from lowtex_lab.plots.curves import line_panels, timeline
from lowtex_lab.plots.diagrams import diagram_blocks, diagram_decoders, diagram_stereo_loop, diagram_white_wall
from lowtex_lab.plots.effects import claim_effects, effect_forest, factorial_cells, interaction_plot, weight_curves
from lowtex_lab.plots.images import (
    encoder_maps,
    image_grid,
    one_street,
    plainest_window,
    prediction_panel,
    texture_strata_overlay,
)
from lowtex_lab.plots.results import (
    benchmark_overview,
    case_dots,
    error_by_distance,
    error_vs_contrast,
    errors_over_bins,
    metric_bars,
)
from lowtex_lab.plots.rig_check import draw_rig_check, rig_check
from lowtex_lab.plots.run_figures import redraw
from lowtex_lab.plots.samples import stereo_anaglyph
from lowtex_lab.plots.saving import PLOTS, plot, save_figure
from lowtex_lab.plots.style import METHODS, method_styles, styled
