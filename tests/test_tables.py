"""Tables from rows, and the published numbers beside them."""

import numpy as np
import pandas as pd
import pytest

from lowtex.errors import DataError, OptionError
from lowtex.evaluation import PROTOCOLS
from lowtex.metrics import LOG10, METRICS
from lowtex.results import COLUMNS, merge_rows, published_rows, table, to_markdown, write_table


def measured(name="ours", seed=0, factor=1.1, protocol="eigen_raw", count=2, miniature=True, strata=("low", "high")):
    """Rows of a prediction that is ``factor`` times too far, without running one."""
    values = {"abs_rel": abs(factor - 1), "d1": float(factor < 1.25)}
    place = {**PROTOCOLS[protocol].row(), "experiment": name, "experiment_key": f"{name}{seed}", "seed": seed}
    place |= {"train_data": "vkitti2 train", "eval_data": "kitti", "split": "test", "miniature": miniature}
    place |= {"profile": "quick", "status": "measured", "images": count, "pixels": 100 * count}
    place |= {"lowtex_version": "1", "torch_version": "2", "device": "a cpu", "threads": 1, "wall_s": 0.0}
    rows = [
        {**place, "stratum_kind": kind, "stratum": stratum, "metric": metric, "value": value, "created": "now"}
        for kind, stratum in [("none", "all"), *(("known", stratum) for stratum in strata)]
        for metric, value in values.items()
    ]
    return pd.DataFrame(rows)[list(COLUMNS)]


def several():
    factors = {("baseline", 0): 1.2, ("baseline", 1): 1.4, ("ours", 0): 1.1, ("ours", 1): 1.1}
    return merge_rows(*(measured(name, seed, factor) for (name, seed), factor in factors.items()))


def test_a_table_has_means_deviations_and_counts():
    lines = table(several())
    assert lines["method"].tolist() == ["baseline", "ours"]
    assert lines["abs_rel"].tolist() == pytest.approx([0.3, 0.1], rel=1e-6)
    assert lines["abs_rel_sd"].tolist() == pytest.approx([np.std([0.2, 0.4], ddof=1), 0], abs=1e-6)
    assert lines["images"].tolist() == [2, 2] and lines["seeds"].tolist() == [2, 2]
    assert lines["status"].tolist() == ["measured, miniature"] * 2


def test_a_table_by_stratum_is_in_the_order_of_texture():
    lines = table(several(), stratum_kind="known", metrics=["d1", "abs_rel"])
    assert lines["stratum"].tolist() == ["all", "low", "high"] * 2
    assert [name for name in lines if name in METRICS] == ["d1", "abs_rel"]
    text = to_markdown(lines)
    assert "| Method | Status | Pixels | δ<1.25 | AbsRel | Images | Seeds |" in text
    assert "Throughout: pixels by known;" in text


def test_bins_are_in_the_order_of_their_numbers():
    bins = (">=80 m", "5-10 m", "10-20 m", "<5 m")
    lines = table(measured(strata=bins), stratum_kind="known")
    assert lines["stratum"].tolist() == ["all", "<5 m", "5-10 m", "10-20 m", ">=80 m"]
    crossed = ("high/<10 m", "low/>=10 m", "low/<10 m")
    lines = table(measured(strata=crossed), stratum_kind="known")
    assert lines["stratum"].tolist() == ["all", "low/<10 m", "low/>=10 m", "high/<10 m"]


def test_markdown_states_protocol_miniature_images_and_seeds():
    text = to_markdown(table(several()))
    lines = text.splitlines()
    assert lines[0].startswith("Throughout: ")
    for part in ("protocol eigen_raw", "crop garg", "cap (m) 80", "scaling none", "flip no", "evaluated on kitti"):
        assert part in lines[0]
    assert lines[2].startswith("| Method | Status | AbsRel") and lines[2].endswith("| Images | Seeds |")
    assert "| baseline | measured, miniature | 0.300 ± 0.141 |" in text
    one = to_markdown(table(measured()))
    assert "±" not in one and "| 0.100 |" in one


def test_lines_of_different_protocols_never_share_a_line():
    rows = merge_rows(measured(), measured(protocol="improved", factor=1.5), measured(miniature=False, factor=2.0))
    lines = table(rows)
    assert sorted(zip(lines["protocol"], lines["status"], lines["abs_rel"].round(3), strict=True)) == [
        ("eigen_raw", "measured", 1.0),
        ("eigen_raw", "measured, miniature", 0.1),
        ("improved", "measured, miniature", 0.5),
    ]
    assert "| Status | Protocol |" in to_markdown(lines).replace("Evaluated on | ", "")


def test_a_seed_counts_once_and_all_seeds_on_the_same_images():
    other = measured()
    other["experiment_key"] = "ffffffffffff"
    with pytest.raises(DataError, match="ours on kitti by eigen_raw, all pixels: seed 0 has more than one row"):
        table(merge_rows(measured(), other))
    with pytest.raises(DataError, match=r"different numbers of images, \[2, 3\]"):
        table(merge_rows(measured(), measured(seed=1, count=3)))


def test_nothing_to_tabulate():
    with pytest.raises(DataError, match="no rows"):
        table(several().iloc[:0])
    with pytest.raises(OptionError, match="log10"):
        table(several(), metrics=["log10"])


def test_reported_lines_only_on_request_and_of_the_same_protocol():
    assert "reported" not in set(table(several())["status"])
    lines = table(several(), reported=True)
    assert lines["status"].tolist()[:2] == ["measured, miniature"] * 2
    reported = lines[lines["status"] == "reported"]
    assert len(reported) == len(published_rows("eigen_raw")) and (reported["source"] != "").all()
    assert set(reported["protocol"]) == {"eigen_raw"} and reported["seeds"].isna().all()
    text = to_markdown(lines)
    assert "| EPCDepth R18, 640x192 | reported |" in text and "| 0.0998 |" in text
    dense = table(measured(protocol="vkitti2_dense"), reported=True)
    assert set(dense["status"]) == {"measured, miniature"}


def test_tables_are_written_twice(tmp_path):
    markdown, plain = write_table(tmp_path / "12_main.v1", table(several()))
    assert markdown.name == "12_main.v1.md" and plain.name == "12_main.v1.csv"
    assert markdown.read_text(encoding="utf-8") == to_markdown(table(several()))
    assert pd.read_csv(plain)["seeds"].tolist() == [2, 2]


def test_any_frame_as_markdown():
    text = to_markdown(pd.DataFrame({"a|b": ["x|y", ""], "n": [1, 2]}))
    assert text.splitlines()[2:] == ["| x\\|y | 1 |", "| - | 2 |"]


def test_published_rows_are_marked_and_sourced():
    rows = published_rows()
    assert len(rows) == 52
    assert set(rows["status"]) == {"reported"} and (rows["source"] != "").all()
    assert rows[[*METRICS, LOG10]].notna().any(axis=1).all()
    assert set(rows["protocol"]) <= {*PROTOCOLS, "eigen_raw_smde", "improved_smde", "improved_unstated", "make3d_c1"}
    # plausible: errors in (0, 12), shares in (0.7, 1) and rising
    assert rows["abs_rel"].dropna().between(0.05, 0.4).all()
    assert rows[["d1", "d2", "d3"]].stack().dropna().between(0.7, 1).all()
    full = rows.dropna(subset=["d1", "d2", "d3"])
    assert ((full["d1"] < full["d2"]) & (full["d2"] < full["d3"])).all()


def test_published_rows_hold_the_numbers_of_their_sources():
    rows = published_rows("eigen_raw").set_index(["method", "training", "resolution"])
    row = rows.loc[("Monodepth2 R18", "S", "640x192")]
    assert row[list(METRICS)].tolist() == [0.109, 0.873, 4.960, 0.209, 0.864, 0.948, 0.975]
    row = rows.loc[("FeatDepth R50", "MS", "1024x320")]
    assert row[list(METRICS)].tolist() == [0.099, 0.697, 4.427, 0.184, 0.889, 0.963, 0.982]
    make3d = published_rows("make3d_c1").set_index("method").loc["Monodepth2"]
    assert make3d[["abs_rel", "sq_rel", "rmse", "log10"]].tolist() == [0.322, 3.589, 7.417, 0.163]


def test_published_rows_hold_nothing_remembered():
    rows = published_rows()
    assert not rows["method"].str.contains("3Net|PLADE|low-texture", case=False).any()
    garg = rows[rows["method"] == "Garg"]
    assert garg["abs_rel"].tolist() == [0.169]
    improved = rows[rows["method"].str.startswith("Monodepth2") & rows["protocol"].str.startswith("improved")]
    assert improved["rmse"].tolist() == [3.868]
    assert improved[[name for name in METRICS if name != "rmse"]].isna().all(axis=None)
    hints = rows[(rows["method"] == "Depth Hints R50") & (rows["resolution"] == "1024x320")]
    assert hints[["d2", "d3"]].isna().all(axis=None)
    assert rows[rows["method"] == "SuperDepth"]["resolution"].tolist() == [""]
    # what was remembered and not read: first numbers of those rows with the second, which together name them
    remembered = {(0.152, 1.226), (0.148, 1.344), (0.129, 0.996), (0.119, 1.201), (0.085, 0.537), (0.119, 0.920)}
    remembered |= {(0.109, 0.811), (0.102, 0.675), (0.090, 0.542), (0.080, 0.466), (0.374, 3.792), (0.544, 10.94)}
    assert not remembered & set(zip(rows["abs_rel"], rows["sq_rel"], strict=True))
