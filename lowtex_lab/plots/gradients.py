"""How strongly and how rightly each data term pulls at surfaces of each texture."""

import pandas as pd

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.curves import loss_styles
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import MUTED, finish, legend_row, new_figure
from lowtex_lab.plots.tidy import in_order, require_columns


@plot
def gradient_by_texture(
    table: pd.DataFrame,
    title: str = "Which pixels each loss trains",
    axis: str = "known texture contrast of the surface",
    caption: str = "",
    miniature: bool = False,
):
    """Strength and direction of each loss's gradient by texture; what `studies.loss_analysis.loss_gradients` measures.

    Args:
        table: rows ``loss, stratum, magnitude, toward, pixels, images``; ``all`` is left out.
        title, caption: texts.
        axis: what the strata are.
        miniature: mark it as such.

    Raises:
        DataError: missing columns, or no strata.
    """
    require_columns(table, ["loss", "stratum", "magnitude", "toward", "pixels", "images"], "gradient_by_texture")
    table = table[table["stratum"] != "all"]
    if table.empty:
        raise DataError("gradient_by_texture: the table has no strata beside 'all'")
    bins = in_order(table["stratum"])
    figure = new_figure(4.0)
    panels = figure.subplots(1, 2, sharex=True)
    for loss, style in loss_styles(table["loss"]).items():
        own = table[table["loss"] == loss].set_index("stratum").reindex(bins)
        for axes, column in zip(panels, ("magnitude", "toward"), strict=True):
            axes.plot(range(len(bins)), own[column], color=style.color, marker=style.marker, label=style.label)
    panels[0].axhline(1, color=MUTED, linestyle=":", linewidth=1.2)
    panels[0].set(title="How strongly", ylabel="mean |gradient|; 1 = average pixel")
    panels[1].axhline(0.5, color=MUTED, linestyle=":", linewidth=1.2)
    panels[1].set(title="How rightly", ylabel="share of pixels pulled towards\nthe truth; 0.5 = chance")
    panels[0].set_ylim(0, None)
    panels[1].set_ylim(min(0.4, float(table["toward"].min()) - 0.03), 1.0)
    text = [name.replace(">=", "≥ ").replace("<", "< ").replace("-", "–") for name in bins]
    for axes in panels:
        axes.grid(True)
        axes.set_xticks(range(len(bins)), text, rotation=25 if len(bins) > 4 else 0)
        axes.set_xlabel(axis)
    legend_row(figure)
    once = table[table["loss"] == table["loss"].iloc[0]]
    behind = f"{count(int(table['images'].max()), 'image')} · {int(once['pixels'].sum()):,} gradients of each loss"
    return finish(figure, title, " · ".join(part for part in (behind, caption) if part), miniature=miniature)
