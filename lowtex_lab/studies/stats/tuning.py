"""Choosing a weight on validation scenes: from errors of several weights to one, by a stated rule."""

import pandas as pd

from lowtex.errors import DataError

SWEEP = ("method", "weight", "seed", "error")
"""Columns of a sweep: which method (a data term), the weight tried, the seed, its error on validation images."""


def chosen_weights(sweep: pd.DataFrame) -> pd.DataFrame:
    """The weight of the smallest mean error over seeds, for each method; of equals the smaller weight.

    Every weight of a method must have the same seeds, else a lucky seed could choose. A choice at either end of the
    weights tried says only that the range was too small; ``at_end`` tells.

    Args:
        sweep: rows with the columns `SWEEP`, from validation images alone.

    Returns:
        method, weight, error (mean over seeds), seeds, tried (how many weights), at_end.

    Raises:
        DataError: columns or rows are missing, a score comes twice, or weights have different seeds; says which.
    """
    if missing := [name for name in SWEEP if name not in sweep]:
        raise DataError(f"chosen_weights: the sweep lacks {', '.join(missing)}; it has: {', '.join(map(str, sweep))}")
    if sweep.empty:
        raise DataError("chosen_weights: the sweep has no rows; train and evaluate some weights first")
    if sweep["error"].isna().any() or (sweep["weight"] < 0).any():
        raise DataError("chosen_weights: errors must be numbers and weights not negative")
    lines = []
    for method, own in sweep.groupby("method", sort=False):
        if own.duplicated(["weight", "seed"]).any():
            again = own[own.duplicated(["weight", "seed"])].iloc[0]
            where = f"weight {again['weight']:g}, seed {again['seed']}"
            raise DataError(f"chosen_weights: {method} has two errors for {where}")
        seeds = own.groupby("weight")["seed"].agg(lambda column: tuple(sorted(column)))
        if seeds.nunique() > 1:
            had = "; ".join(f"{weight:g}: {', '.join(map(str, some))}" for weight, some in seeds.items())
            raise DataError(f"chosen_weights: weights of {method} have different seeds ({had}); run the missing ones")
        means = own.groupby("weight")["error"].mean().sort_index()
        best = means.idxmin()
        lines.append(
            {
                "method": method,
                "weight": float(best),
                "error": float(means.loc[best]),
                "seeds": len(seeds.iloc[0]),
                "tried": len(means),
                "at_end": bool(best in (means.index[0], means.index[-1])),
            }
        )
    return pd.DataFrame(lines)
