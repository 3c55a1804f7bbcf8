"""One method's error as a share of another's, seed by seed: the form in which a claim of "better by" is made."""

import pandas as pd

from lowtex.errors import DataError
from lowtex_lab.plots.tidy import in_order, refuse_mixture


def ratio_table(
    rows: pd.DataFrame, method: str = "ours", reference: str = "baseline", stratum_kind: str = "none"
) -> pd.DataFrame:
    """AbsRel of two methods and their ratio, a line a stratum; ratios are taken within a seed and then averaged.

    Args:
        rows: tidy rows of one data set and protocol.
        method, reference: experiments.
        stratum_kind: ``none`` for whole images only; another kind adds its strata below ``all``.

    Returns:
        stratum, the two means over seeds (columns named after the methods), ratio, ratio_min, ratio_max (over seeds),
        images (per seed), seeds.

    Raises:
        DataError: no rows of one of the methods, no seed that both have, or rows of several protocols or data sets.
    """
    kept = rows[(rows["metric"] == "abs_rel") & rows["stratum_kind"].isin(["none", stratum_kind])]
    kept = kept[(kept["stratum_kind"] == "none") | (kept["stratum"] != "all")]
    refuse_mixture(kept, ("eval_data", "split", "protocol", "scaling", "flip", "profile"), "ratio_table")
    pairs = kept[kept["experiment"] == method].merge(
        kept[kept["experiment"] == reference], on=["stratum", "seed"], suffixes=("", "_reference")
    )
    if pairs.empty:
        raise DataError(
            f"no seed has both {method!r} and {reference!r} with metric 'abs_rel'; "
            f"the rows hold: {', '.join(sorted(set(rows['experiment'])))}"
        )
    pairs["ratio"] = pairs["value"] / pairs["value_reference"]
    columns = {method: ("value", "mean"), reference: ("value_reference", "mean"), "ratio": ("ratio", "mean")}
    columns |= {"ratio_min": ("ratio", "min"), "ratio_max": ("ratio", "max")}
    columns |= {"images": ("images", "max"), "seeds": ("seed", "nunique")}
    table = pairs.groupby("stratum").agg(**columns)
    return table.loc[in_order(table.index)].reset_index()
