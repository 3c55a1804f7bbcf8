"""Tables from rows, and the published numbers beside them."""

import numpy as np
import pandas as pd
import pytest

from lowtex.errors import DataError, OptionError
from lowtex.evaluation.metrics import METRICS
from lowtex.evaluation.protocols import PROTOCOLS
from lowtex.evaluation.results import COLUMNS, markdown_table, merge_rows, table, to_markdown, write_table


def measured(name="ours", seed=0, factor=1.1, protocol="eigen_raw", count=2, miniature=True, strata=("low", "high")):
    """Rows of a prediction that is ``factor`` times too far, without running one."""
    values = {"abs_rel": abs(factor - 1), "d1": float(factor < 1.25)}
    place = {**PROTOCOLS[protocol].row(), "experiment": name, "experiment_key": f"{name}{seed}", "seed": seed}
    place |= {"train_data": "vkitti2 train", "eval_data": "kitti", "split": "test", "miniature": miniature}
    place |= {"profile": "quick", "status": "measured", "images": count, "pixels": 100 * count}
    place |= {"lowtex_version": "1", "torch_version": "2", "device": "a cpu", "threads": 1, "wall_s": 0.0}
    place |= {"train_precision": "fp32", "eval_precision": "fp32"}
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
    assert lines["status"].tolist() == ["measured, MINIATURE"] * 2


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
    assert "| baseline | measured, MINIATURE | 0.300 ± 0.141 |" in text
    one = to_markdown(table(measured()))
    assert "±" not in one and "| 0.100 |" in one


def test_lines_of_different_protocols_never_share_a_line():
    rows = merge_rows(measured(), measured(protocol="improved", factor=1.5), measured(miniature=False, factor=2.0))
    lines = table(rows)
    assert sorted(zip(lines["protocol"], lines["status"], lines["abs_rel"].round(3), strict=True)) == [
        ("eigen_raw", "measured", 1.0),
        ("eigen_raw", "measured, MINIATURE", 0.1),
        ("improved", "measured, MINIATURE", 0.5),
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
    assert lines["status"].tolist()[:2] == ["measured, MINIATURE"] * 2
    reported = lines[lines["status"] == "reported"]
    assert len(reported) > 10 and (reported["source"] != "").all() and reported["seeds"].isna().all()
    assert set(reported["protocol"]) == {"eigen_raw"} and set(reported["eval_data"]) == {"KITTI, as published"}
    flipped = measured().assign(flip=True)
    text = to_markdown(table(flipped, reported=True))
    assert "| EPCDepth R18, 640x192 | reported |" in text and "| 0.0998 |" in text
    dense = table(measured(protocol="vkitti2_dense"), reported=True)
    assert set(dense["status"]) == {"measured, MINIATURE"}


def test_tables_are_written_twice(tmp_path):
    markdown, plain = write_table(tmp_path / "12_main.v1", table(several()))
    assert markdown.name == "12_main.v1.md" and plain.name == "12_main.v1.csv"
    assert markdown.read_text(encoding="utf-8") == to_markdown(table(several()))
    assert pd.read_csv(plain)["seeds"].tolist() == [2, 2]


def test_miniatures_cannot_be_mistaken_beside_reported_lines():
    text = to_markdown(table(merge_rows(measured(), measured("real", miniature=False)), reported=True))
    [mini] = [line for line in text.splitlines() if line.startswith("| ours |")]
    [real] = [line for line in text.splitlines() if line.startswith("| real |")]
    assert "MINIATURE" in mini and "kitti (miniature)" in mini
    assert "MINIATURE" not in real and "(miniature)" not in real
    assert "Lines marked MINIATURE were measured on the kit's own small rendered world" in text.splitlines()[-1]
    assert "MINIATURE" not in to_markdown(table(measured(miniature=False), reported=True))


def test_any_frame_and_cells_as_markdown_for_the_page_and_for_the_terminal():
    text = to_markdown(pd.DataFrame({"a|b": ["x|y", ""], "n": [1, 2]}))
    assert text.splitlines()[2:] == ["| x\\|y | 1 |", "| - | 2 |"]
    lines = [["a", "1"], ["long", "10.5"]]
    assert markdown_table(["", "n"], lines, {1}).splitlines()[:3] == ["| | n |", "| --- | ---: |", "| a | 1 |"]
    assert markdown_table(["what", "n"], lines, {1}, aligned=True).splitlines() == [
        "| what |    n |",
        "|------|-----:|",
        "| a    |    1 |",
        "| long | 10.5 |",
    ]
