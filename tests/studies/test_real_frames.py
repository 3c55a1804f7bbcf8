"""Rows of real frames: what is read, how it is tabulated, and what one method's error is of another's."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of

from lowtex.errors import DataError
from lowtex.evaluation.results import write_csv
from lowtex.files import write_json
from lowtex_lab.studies import real_frames
from lowtex_lab.studies.real_frames import NO_PICTURE, START, real_effects, real_rows
from lowtex_lab.studies.references import MEAN_MAP

PLACE = {"crop": "none", "cap_m": 80.0, "scaling": "none", "flip": False, "ground_truth": "disparity_noc"}
SCORES = {"train_data": "pairs", "eval_data": "frames", "split": "test", "miniature": False, "profile": "study"}
ROWS = {"status": "measured", "lowtex_version": "0", "torch_version": "0", "device": "cpu", "threads": 1}
ROWS |= {"wall_s": 1.0, "created": "2026-01-01T00:00:00Z"}
FRAMES = {"kitti_2015": 6, "improved": 3}
ERRORS = {"miniature": {"baseline": 0.4, "ours": 0.4}, "scratch": {"baseline": 0.2, "ours": 0.1}}
"""AbsRel over whole frames; a seed more adds a hundredth, and it is half as large where texture is low."""


def rows_from(scores: pd.DataFrame, metrics: dict[str, float]) -> pd.DataFrame:
    """Tidy rows: the mean of AbsRel over images, and each metric as so many times AbsRel."""
    by = ["experiment", "seed", "protocol", "stratum_kind", "stratum"]
    means = scores.groupby(by, sort=False)["abs_rel"].agg(["mean", "size"]).reset_index()
    parts = [means.assign(metric=name, value=times * means["mean"]) for name, times in metrics.items()]
    rows = pd.concat(parts).rename(columns={"size": "images"}).drop(columns="mean")
    return rows.assign(experiment_key="k", pixels=100, **PLACE, **SCORES, **ROWS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two starts, two methods, three seeds each, and one reference."""
    folder = tmp_path_factory.mktemp("real")
    rng = np.random.default_rng(0)
    strata = (("none", "all", 1.0), ("gradient", "low", 0.5))
    for start, name in product(ERRORS, ("baseline", "ours")):
        errors = (ERRORS[start][name] + 0.01 * np.arange(3))[:, None]
        parts = []
        for (protocol, frames), (kind, stratum, times) in product(FRAMES.items(), strata):
            noisy = times * errors * np.exp(rng.normal(0, 0.01, (3, frames)))
            parts.append(rows_of({name: noisy}, stratum, kind, **PLACE, **SCORES).assign(protocol=protocol))
        for seed, scores in pd.concat(parts).groupby("seed"):
            outliers = rows_from(scores[scores["protocol"] == "kitti_2015"], {"d1_all": 2.0})
            rows = pd.concat([rows_from(scores, {"abs_rel": 1.0, "rmse": 10.0}), outliers])
            label, at = f"{name}-s{seed}", folder / start / "ablation"
            write_csv(at / "images" / f"{label}.csv.gz", scores)
            write_csv(at / "rows" / f"{label}.csv.gz", rows)
            write_json(at / "records" / f"{label}.json", {"key": "k"})
    guess = rows_of({MEAN_MAP: [[0.3] * 6]}).assign(protocol="kitti_2015")
    rows_from(guess, {"abs_rel": 1.0}).to_csv(folder / real_frames.REFERENCES, index=False)
    return folder


def test_rows_say_what_their_networks_learnt_from(folder, tmp_path):
    rows = real_rows(folder)
    assert list(dict.fromkeys(rows["start"])) == [START["miniature"], START["scratch"], NO_PICTURE]
    assert set(rows.loc[rows["start"] == NO_PICTURE, "experiment"]) == {MEAN_MAP}
    with pytest.raises(DataError, match="lowtex ablate .*kitti_pairs=FOLDER"):
        real_rows(tmp_path)
    with pytest.raises(DataError, match="no scores by make3d_c1"):
        real_effects("make3d_c1", folder=folder)


def test_a_line_a_start_and_method_with_its_spread_over_seeds(folder):
    rows = real_rows(folder)
    table = real_frames.real_table(rows).set_index(["start", "method"])
    ours = table.loc[(START["scratch"], "ours")]
    assert ours["abs_rel"] == pytest.approx(0.11, rel=0.02) and ours["rmse"] == pytest.approx(1.1, rel=0.02)
    assert ours["d1_all"] == pytest.approx(0.22, rel=0.02) and ours["low"] == pytest.approx(0.055, rel=0.02)
    assert ours["abs_rel_sd"] == pytest.approx(0.01, rel=0.1) and (ours["images"], ours["seeds"]) == (6, 3)
    wide = real_frames.by_start(table.reset_index()).set_index("method")
    assert list(wide) == [START["miniature"], START["scratch"], NO_PICTURE]
    assert wide.loc["ours", START["scratch"]] == "0.110 ± 0.010"
    assert wide.loc[MEAN_MAP, NO_PICTURE] == "0.300" and wide.loc[MEAN_MAP, START["scratch"]] == "–"
    assert "d1_all" not in real_frames.real_table(rows, "improved")
    with pytest.raises(DataError, match="no rows of real frames by eigen_raw"):
        real_frames.real_table(rows, "eigen_raw")


def test_points_are_every_seeds_values_by_panel(folder):
    panels = {"AbsRel": ("abs_rel", "all"), "low texture": ("abs_rel", "low"), "D1-all": ("d1_all", "all")}
    points = real_frames.real_points(real_rows(folder), "kitti_2015", panels)
    assert len(points) == 3 * 2 * 2 * 3 and MEAN_MAP not in set(points["name"])
    means = points[points["name"] == "ours"].groupby(["panel", "x"])["y"].mean()
    assert means["low texture", START["scratch"]] == pytest.approx(0.055, rel=0.02)
    assert means["D1-all", START["miniature"]] == pytest.approx(0.82, rel=0.02)
    assert list(dict.fromkeys(points["x"])) == [START["miniature"], START["scratch"]]


def test_effects_are_told_start_by_start_over_seeds_and_single_frames(folder, tmp_path):
    effects = real_effects("kitti_2015", folder=folder, stratum_kind="gradient", strata=("all", "low"))
    by = effects.set_index(["effect", "stratum"])
    assert by.loc[(START["scratch"], "low"), "ratio"] == pytest.approx(0.11 / 0.21, rel=0.02)
    assert by.loc[(START["scratch"], "low"), "verdict_corrected"] == "helps"
    assert by.loc[(START["miniature"], "all"), "ratio"] == pytest.approx(1.0, rel=0.02)
    assert set(effects["cluster"]) == {"image"} and set(effects["clusters"]) == {6} and set(effects["seeds"]) == {3}
    assert set(effects["comparisons"]) == {4}, "all starts and strata are one family"
    assert real_effects("kitti_2015", folder=tmp_path).empty
    assert real_effects("kitti_2015", folder=folder, method="x").empty


def test_the_answer_names_the_best_network_what_sees_no_picture_and_each_start(folder):
    said = real_frames.real_answer(real_rows(folder), "kitti_2015", folder)
    assert said.startswith("Of 4 kinds of training the smallest AbsRel is 0.110, that of `ours`, real pairs alone; ")
    assert "a mean map, which sees no" in said and "scores 0.300 (6 real frames, 3 seeds)." in said
    assert "real pairs alone, 0.52 times" in said and "3 seeds, 6 images" in said
    assert "mean map" not in real_frames.real_answer(real_rows(folder), "improved", folder)
