"""`lowtex figures`: every figure of a run from its files alone."""

import json

import pandas as pd
import pytest
from figure_samples import make_rows, make_sample
from matplotlib.figure import Figure

from lowtex.errors import DataError
from lowtex.evaluation.results import write_rows
from lowtex_lab import plots as figures
from lowtex_lab.plots.run_figures import comparable_groups, draw_standing, texture_kind, timeline_rows

KINDS = ("none", "known")


def _record(folder, name, finished, seconds, **more):
    folder.mkdir(parents=True, exist_ok=True)
    content = {"notebook": name, "finished": finished, "wall_s": seconds - 2.0, "runner_wall_s": seconds, **more}
    (folder / f"{name}.result.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "quick"
    write_rows(folder / "rows" / "12_virtual_kitti2.csv", make_rows(kinds=(*KINDS, "contrast")))
    figures.save_figure(figures.stereo_anaglyph(make_sample()), folder / "figures" / "01_pair")
    own = Figure()
    own.subplots().plot([0, 1], [0, 1], linewidth=4)
    figures.save_figure(own, folder / "figures" / "03_own", data={"x": [0, 1]})
    _record(folder / "notebooks", "01_data", "2025-01-01T10:00:20Z", 20.0)
    return folder


def test_all_figures_come_back_after_their_pictures_are_lost(run):
    before = {p.name: p.read_bytes() for p in (run / "figures").iterdir()}
    (run / "figures" / "01_pair.png").unlink()
    told = []
    result = figures.redraw(run, told.append)
    drawn = {p.name for p in result.drawn}
    assert drawn == {
        "01_pair.png",
        "summary_abs_rel_vkitti2_test_vkitti2_dense.png",
        "summary_d1_vkitti2_test_vkitti2_dense.png",
        "summary_contrast_vkitti2_test_vkitti2_dense.png",
        "summary_timeline.png",
    }
    assert [p.name for p in result.kept] == ["03_own.png"]
    assert len(told) == 6 and "03_own: kept, no plot of the kit drew it" in told
    after = {p.name: p.read_bytes() for p in (run / "figures").iterdir()}
    assert {name: after[name] for name in before} == before
    stamps = {p: p.stat().st_mtime_ns for p in result.drawn}
    draw_standing(run, only_missing=True)
    assert {p: p.stat().st_mtime_ns for p in result.drawn} == stamps


def test_one_figure_that_fails_stops_no_other(tmp_path):
    for name in ("a", "b"):
        figures.save_figure(figures.stereo_anaglyph(make_sample()), tmp_path / "figures" / name)
    (tmp_path / "figures" / "a.npz").unlink()
    (tmp_path / "figures" / "b.png").unlink()
    with pytest.raises(DataError, match=r"1 figures could not be drawn again: .*a\.npz is missing"):
        figures.redraw(tmp_path)
    assert (tmp_path / "figures" / "b.png").is_file()


def test_nothing_to_draw(tmp_path):
    with pytest.raises(DataError, match="is not the folder of a run"):
        figures.redraw(tmp_path / "absent")
    with pytest.raises(DataError, match="holds neither figures nor rows"):
        figures.redraw(tmp_path)


def test_rows_are_grouped_by_what_may_be_compared():
    rows = make_rows(kinds=KINDS)
    flipped = rows.assign(flip=True)
    alone = make_rows(methods=("ours",), kinds=KINDS).assign(eval_data="kitti", protocol="eigen_raw")
    groups = dict(comparable_groups(pd.concat([rows, flipped, alone])))
    assert set(groups) == {"vkitti2_test_vkitti2_dense", "vkitti2_test_vkitti2_dense_flip"}
    assert list(dict(comparable_groups(alone))) == ["kitti_test_eigen_raw"]
    longer = rows.assign(train_data="vkitti2 train, longer")
    assert [name[-2:] for name, _ in comparable_groups(pd.concat([rows, longer]))] == ["se", "_2"]
    assert comparable_groups(rows[:0]) == []
    three = make_rows(methods=("baseline", "encoder", "ours"), kinds=KINDS)
    foggy, nominal = rows.assign(eval_data="vkitti2 fog"), three.assign(scaling="x5.4")
    # two methods in one weather more are their notebook's, beside a table of three
    assert set(dict(comparable_groups(pd.concat([three, foggy, nominal])))) == {
        "vkitti2_test_vkitti2_dense",
        "vkitti2_test_vkitti2_dense_x5_4",
    }
    assert texture_kind(rows) == "known" and texture_kind(rows.assign(stratum_kind="none")) is None


def test_timeline_closes_the_gap_between_two_calls(tmp_path):
    _record(tmp_path / "notebooks", "01_data", "2025-01-01T10:00:20Z", 20.0)
    _record(tmp_path / "notebooks", "02_networks", "2025-01-01T10:00:35Z", 10.0, training_s=4.5)
    _record(tmp_path / "notebooks", "03_losses", "2025-01-03T08:00:00Z", 5.0)
    frame = timeline_rows(tmp_path)
    assert list(frame["name"]) == ["01_data", "02_networks", "03_losses"]
    assert list(frame["start_s"]) == [0.0, 25.0, 35.0]
    assert list(frame["training_s"]) == [0.0, 4.5, 0.0]  # records of earlier versions do not say it
    (tmp_path / "notebooks" / "04_x.result.json").write_text("{}")
    with pytest.raises(DataError, match=r"04_x\.result\.json is not the record of a notebook"):
        timeline_rows(tmp_path)
