"""Published numbers: what is in the table, what must not be, and which may stand beside a measured line."""

import pandas as pd
import pytest

from lowtex.evaluation.metrics import LOG10, METRICS
from lowtex.evaluation.protocols import PROTOCOLS
from lowtex.evaluation.results import comparable_rows, published_rows, reported_lines


def measured(protocol="eigen_raw", **options):
    """One measured line of a table, as `table` gives it."""
    changed = PROTOCOLS[protocol].changed(**options)
    values = {"abs_rel": 0.1, "rmse": 4.0} | ({"log10": 0.1} if changed.log10 else {})
    return pd.DataFrame([{**changed.row(), "method": "ours", "eval_data": "x", **values}])


def names(protocol="eigen_raw", **options):
    found = comparable_rows(**PROTOCOLS[protocol].changed(**options).row())
    return {
        f"{m} {t} {r}".strip() for m, t, r in zip(found["method"], found["training"], found["resolution"], strict=True)
    }


def test_published_rows_are_marked_and_sourced():
    rows = published_rows()
    assert len(rows) == 54
    assert set(rows["status"]) == {"reported"} and (rows["source"] != "").all() and (rows["method"] != "").all()
    assert rows[[*METRICS, LOG10]].notna().any(axis=1).all()
    assert set(rows["protocol"]) <= {*PROTOCOLS, "improved_unstated"}
    assert set(rows["training"]) == {"S", "M", "MS", "S + semantics", "S + Virtual KITTI depth"}
    assert set(rows["postprocessing"]) == {"none", "flip", "multi-scale", "not stated"}
    assert rows[rows["training"] == "S"]["scaling"].isin(["none", "median"]).all()
    assert rows["resolution"].str.fullmatch(r"(\d{3,4}x\d{3})?").all()
    assert not rows.duplicated(["method", "training", "resolution", "postprocessing", "protocol"]).any()
    # plausible: errors in (0, 12), shares in (0.7, 1) and rising
    assert rows["abs_rel"].dropna().between(0.05, 0.4).all()
    assert rows[["d1", "d2", "d3"]].stack().dropna().between(0.7, 1).all()
    full = rows.dropna(subset=["d1", "d2", "d3"])
    assert ((full["d1"] < full["d2"]) & (full["d2"] < full["d3"])).all()


def test_images_and_scaling_are_those_of_the_protocol():
    rows = published_rows()
    for protocol, group in rows.groupby("protocol"):
        want = {"eigen_raw": 697, "make3d_c1": 134}.get(protocol.removesuffix("_smde"), 652)
        assert set(group["images"]) == {want}, protocol
    make3d = published_rows("make3d_c1")
    assert set(make3d["scaling"]) == {"median"} and make3d["rmse_log"].isna().all()
    assert make3d["log10"].notna().sum() == 3 and rows[rows["protocol"] != "make3d_c1"]["log10"].isna().all()


def test_only_what_was_taken_in_the_same_way_is_comparable():
    plain, flipped = names(), names(flip=True)
    assert "Monodepth2 R18 S 640x192" in plain and "Monodepth2 R18 S 640x192" not in flipped
    assert "Depth Hints R50 S 640x192" in flipped and "Depth Hints R50 S 640x192" not in plain
    # not said with or without: beside both, and its line says so
    assert "SDFA-Net SwinT S 1280x384" in plain & flipped
    # neither with nor without, but its own way
    assert "FAL-NetB N=49 S 1242x375" not in plain | flipped
    # nobody says how a network without a scale was scaled
    assert not {name for name in plain | flipped if " MS " in name or " M " in name}
    assert names(scaling="x5.4") == plain, "a fixed factor is no median"
    assert not names(scaling="median")
    assert not names("eigen_raw_z") and not names("vkitti2_dense") and not names("improved_garg")
    assert "Monodepth2 M" in names("make3d_c1") and "OCFD-Net R50 S 512x256" in names("make3d_c1", flip=True)
    assert not names("make3d_c1", scaling="none")
    assert names("improved") == {"Monodepth2 R18 S 640x192"}
    assert names("improved_smde", flip=True) >= {"SDFA-Net SwinT S 1280x384", "OCFD-Net R50 S 1280x384"}


@pytest.mark.parametrize("change", [{"crop": "none"}, {"cap_m": 50.0}, {"ground_truth": "velodyne_z"}])
def test_a_protocol_that_has_only_the_name_gets_no_published_row(change):
    row = {**PROTOCOLS["eigen_raw"].row(), **change}
    assert comparable_rows(**row).empty
    assert not comparable_rows(**PROTOCOLS["eigen_raw"].row()).empty


def test_lines_state_what_their_sources_state():
    lines = reported_lines(pd.concat([measured(), measured(flip=True), measured()]), ["abs_rel"])
    assert not lines.duplicated(["method", "train_data", "flip", "source"]).any(), "what fits two lines comes once"
    assert set(lines["flip"]) == {True, False, "not stated"}
    assert set(lines["crop"]) == {"garg"} and set(lines["cap_m"]) == {80.0}
    by_method = lines.set_index("method")
    assert by_method.loc["SDFA-Net SwinT, 1280x384", "flip"] == "not stated"
    make3d = reported_lines(measured("make3d_c1"), ["abs_rel", "log10"])
    assert set(make3d["eval_data"]) == {"Make3D, as published"} and set(make3d["scaling"]) == {"median"}
    # a line that states none of the metrics shown is not shown
    assert "Monodepth2 R18, 640x192" not in set(reported_lines(measured("improved"), ["abs_rel"])["method"])
    assert "Monodepth2 R18, 640x192" in set(reported_lines(measured("improved"), ["rmse"])["method"])


def test_published_rows_hold_the_numbers_of_their_sources():
    rows = published_rows("eigen_raw").set_index(["method", "training", "resolution"])
    row = rows.loc[("FeatDepth R50", "MS", "1024x320")]
    assert row[list(METRICS)].tolist() == [0.099, 0.697, 4.427, 0.184, 0.889, 0.963, 0.982]
    make3d = published_rows("make3d_c1").set_index("method").loc["Monodepth2"]
    assert make3d[["abs_rel", "sq_rel", "rmse", "log10"]].tolist() == [0.322, 3.589, 7.417, 0.163]
