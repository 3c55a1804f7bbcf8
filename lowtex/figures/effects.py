"""How much each claimed change lowers the error: an effect a comparison, a dot a seed."""

import numpy as np
import pandas as pd

from lowtex.figures.recipe import plot
from lowtex.figures.style import INK, METHODS, MUTED, count, finish, new_figure
from lowtex.figures.tidy import require_columns


@plot
def claim_effects(
    effects: pd.DataFrame, margin: float = 0.02, title: str = "What each claimed change does to the error"
):
    """The share by which an error falls, for each comparison behind a claim; right of zero is an improvement.

    Args:
        effects: rows ``claim, comparison, seed, effect, images, miniature``, from `lowtex.claims.effects`.
        margin: effects smaller than this count as no difference; drawn as a band.
        title: replaces the standard one.

    Raises:
        DataError: missing columns or no rows.
    """
    require_columns(effects, ["claim", "comparison", "seed", "effect", "images", "miniature"], "claim_effects")
    groups = list(effects.groupby(["claim", "comparison"], sort=False))
    figure = new_figure(1.5 + 0.52 * len(groups))
    axes = figure.subplots()
    axes.axvspan(-100 * margin, 100 * margin, color="#e9e9e9", linewidth=0)
    axes.axvline(0, color=MUTED, linewidth=1)
    labels = []
    for place, ((claim, comparison), group) in enumerate(groups):
        values = 100 * group["effect"].to_numpy(float)
        axes.barh(place, values.mean(), height=0.55, color=METHODS["ours" if values.mean() > 0 else "encoder"].color)
        if len(values) > 1:
            spread = place + np.linspace(-0.15, 0.15, len(values))
            axes.plot(values, spread, linestyle="", marker="o", markersize=4, color="white", markeredgecolor=INK,
                      markeredgewidth=0.8)  # fmt: skip
        end = max(values.max(), 0.0) if values.mean() > 0 else min(values.min(), 0.0)
        axes.annotate(f"{values.mean():+.1f} %", (end, place), xytext=(6 if values.mean() > 0 else -6, 0), va="center",
                      textcoords="offset points", ha="left" if values.mean() > 0 else "right", fontsize=9)  # fmt: skip
        labels.append(f"{claim}\n{comparison}")
    axes.set_yticks(range(len(groups)), labels, fontsize=8.5)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    least, most = 100 * min(effects["effect"].min(), -2 * margin), 100 * max(effects["effect"].max(), 2 * margin)
    room = 0.16 * (most - least)
    axes.set_xlim(least - room, most + room)
    axes.grid(True, axis="x")
    axes.set_xlabel("error saved, in % of the reference's (right of 0: better)")
    seeds, images = effects.groupby(["claim", "comparison"])["seed"].nunique(), effects["images"]
    few, many = int(seeds.min()), int(seeds.max())
    behind = count(few, "seed") if few == many else f"{few} to {many} seeds"
    dots = "dots: single seeds, bars: their mean" if many > 1 else "no spread is known"
    pictures = f"{images.min()}" if images.min() == images.max() else f"{images.min()} to {images.max()}"
    caption = f"{behind}, {dots} · n = {pictures} images · grey band: counts as no difference"
    return finish(figure, title, caption, miniature=bool(effects["miniature"].all()))
