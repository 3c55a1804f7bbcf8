"""Saved figures: whole, never blank, the same bytes for the same input, and drawn again from what lies beside them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from figure_samples import make_rows, make_sample
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lowtex.errors import DataError
from lowtex.evaluation.results import write_rows
from lowtex.geometry import StereoRig
from lowtex_lab import plots as figures
from lowtex_lab.plots.run_figures import comparable_groups, draw_standing, texture_kind, timeline_rows
from lowtex_lab.plots.saving import keep, load_call, redraw_card


def _bytes(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def bars():
    return figures.metric_bars(make_rows(), kind="known")


def test_everything_lies_beside_the_picture(tmp_path, bars):
    path = figures.save_figure(bars, tmp_path / "figures" / "12_bars")
    assert path.name == "12_bars.png"
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "12_bars.csv",
        "12_bars.json",
        "12_bars.pdf",
        "12_bars.png",
    ]
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.with_suffix(".pdf").read_bytes()[:4] == b"%PDF"
    card = json.loads(path.with_suffix(".json").read_text())
    assert "miniature data" in card["title"] and "3 seeds" in card["caption"]
    pd.testing.assert_frame_equal(pd.read_csv(path.with_suffix(".csv")), make_rows(), check_dtype=False)


def test_the_same_input_gives_the_same_bytes_and_so_does_a_redraw(tmp_path, bars):
    for name in ("a", "b"):
        figures.save_figure(figures.metric_bars(make_rows(), kind="known"), tmp_path / name / "bars")
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    for ending in ("png", "pdf"):
        (tmp_path / "b" / f"bars.{ending}").unlink()
    redraw_card(tmp_path / "b" / "bars.json")
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")


class TremblingLayout(ConstrainedLayoutEngine):
    """A layout whose places differ in the last bits, as those of matplotlib's solver do now and then."""

    def __init__(self, by: float):
        super().__init__()
        self.by = by

    def execute(self, fig):
        super().execute(fig)
        for axes in fig.axes:
            axes._set_position(np.array(axes.get_position(original=True).bounds) + self.by, which="both")


def test_a_layout_that_differs_in_its_last_bits_gives_the_same_bytes(tmp_path):
    for name, by in (("a", 0.0), ("b", 3e-15), ("c", 1e-3)):
        bars = figures.metric_bars(make_rows(), kind="known")
        bars.set_layout_engine(TremblingLayout(by))
        figures.save_figure(bars, tmp_path / name / "bars")
        assert isinstance(bars.get_layout_engine(), TremblingLayout), "the figure is left as it was"
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    assert (tmp_path / "a" / "bars.png").read_bytes() != (tmp_path / "c" / "bars.png").read_bytes()


def test_a_figure_of_arrays_redraws_to_the_same_bytes(tmp_path):
    figures.save_figure(figures.pair_panel(make_sample()), tmp_path / "pair")
    before = _bytes(tmp_path)
    assert set(before) == {"pair.json", "pair.npz", "pair.pdf", "pair.png"}
    (tmp_path / "pair.png").write_bytes(b"")
    redraw_card(tmp_path / "pair.json")
    assert _bytes(tmp_path) == before


def test_other_data_for_the_csv_survive_a_redraw(tmp_path, bars):
    figures.save_figure(bars, tmp_path / "bars", data={"x": [1, 2]})
    before = _bytes(tmp_path)
    assert before["bars.csv"] == b"x\n1\n2\n" and "bars.rows.csv" in before
    redraw_card(tmp_path / "bars.json")
    assert _bytes(tmp_path) == before


def test_blank_pictures_and_empty_panels_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(DataError, match="nearly one colour"):
        figures.save_figure(Figure(), tmp_path / "blank")
    figure = Figure()
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1])
    right.set_title("errors")
    with pytest.raises(DataError, match="the panel 'errors' is empty"):
        figures.save_figure(figure, tmp_path / "half")
    black = Figure()
    axes = black.add_axes((0, 0, 1, 1))
    axes.imshow(np.zeros((4, 4)), cmap="gray", aspect="auto")
    axes.set_axis_off()
    with pytest.raises(DataError, match="nearly one colour"):
        figures.save_figure(black, tmp_path / "black")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_of_one_s_own_is_kept_with_its_data(tmp_path):
    figure = Figure()
    figure.subplots().plot([0, 1], [0, 1], linewidth=4)
    path = figures.save_figure(figure, tmp_path / "own.png", data=pd.DataFrame({"x": [0, 1]}))
    assert path == tmp_path / "own.png" and (tmp_path / "own.csv").read_text() == "x\n0\n1\n"
    assert load_call(tmp_path / "own.json") is None and redraw_card(tmp_path / "own.json") is None


def test_a_missing_or_damaged_companion_is_named(tmp_path, bars):
    figures.save_figure(bars, tmp_path / "bars")
    (tmp_path / "bars.csv").unlink()
    with pytest.raises(DataError, match=r"bars\.csv is missing or damaged"):
        redraw_card(tmp_path / "bars.json")
    figures.save_figure(figures.stereo_anaglyph(make_sample()), tmp_path / "ana")
    (tmp_path / "ana.npz").write_bytes((tmp_path / "ana.npz").read_bytes()[:200])
    with pytest.raises(DataError, match=r"ana\.npz is missing or damaged"):
        redraw_card(tmp_path / "ana.json")


def test_a_recipe_of_another_version_is_named(tmp_path, bars):
    figures.save_figure(bars, tmp_path / "bars")
    card = json.loads((tmp_path / "bars.json").read_text())
    (tmp_path / "bars.json").write_text(json.dumps({**card, "function": "pie_chart"}))
    with pytest.raises(DataError, match="no plotting function 'pie_chart' in this version"):
        redraw_card(tmp_path / "bars.json")
    (tmp_path / "bars.json").write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(DataError, match="not a figure card of format 1"):
        redraw_card(tmp_path / "bars.json")


def test_texts_that_csv_readers_misread_survive(tmp_path):
    frame = make_rows()
    frame["crop"] = "None"
    frame["experiment_key"] = [f"{i:03d}e1" for i in range(len(frame))]
    frame["experiment_key"] = frame.groupby(["experiment", "seed"])["experiment_key"].transform("first")
    path = figures.save_figure(figures.metric_bars(frame, kind="known"), tmp_path / "bars")
    back = load_call(path.with_suffix(".json")).frames["rows"]
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)


def test_arguments_come_back_as_they_were():
    generator = torch.Generator().manual_seed(0)
    picture = (torch.rand(3, 40, 60, generator=generator) * 255).round() / 255
    given = {
        "picture": picture,
        "metres": torch.rand(1, 40, 60, generator=generator) * 80,
        "tiny": torch.rand(1, 40, 60, generator=generator) * 1e-7,
        "mask": picture[:1] > 0.5,
        "rig": StereoRig(60.0, 0.5, cx=1.0),
        "number": np.float32(0.5),
        "missing": float("nan"),
        "names": ["a", "b"],
        "nested": {"ours": [picture]},
        "nothing": None,
    }
    kept = {}

    def show(**arguments):
        kept.update(arguments)
        return Figure()

    show.__wrapped__ = show
    figures.PLOTS["show"] = show
    try:
        call = keep("show", given)
        json.dumps(call.arguments, allow_nan=False)
        call.draw()
    finally:
        del figures.PLOTS["show"]
    np.testing.assert_allclose(kept["picture"], given["picture"], atol=1e-6)
    assert call.arrays["picture"].dtype == np.uint8
    np.testing.assert_allclose(kept["metres"], given["metres"], rtol=6e-4, atol=1e-4)
    np.testing.assert_allclose(kept["tiny"], given["tiny"], rtol=1e-6)
    assert kept["mask"].dtype == bool and np.array_equal(kept["mask"], given["mask"])
    assert kept["rig"] == given["rig"] and kept["number"] == 0.5 and np.isnan(kept["missing"])
    assert kept["names"] == ["a", "b"] and kept["nothing"] is None
    np.testing.assert_allclose(kept["nested"]["ours"][0], given["picture"], atol=1e-6)


def test_an_argument_that_cannot_be_kept_is_named():
    with pytest.raises(TypeError, match="argument title is of type object, which cannot be kept"):
        figures.timeline(pd.DataFrame(), title=object())


def test_dollar_signs_are_text(tmp_path):
    frame = pd.DataFrame({"name": ["costs $5 and $"], "start_s": [0.0], "seconds": [1.0]})
    figures.save_figure(figures.timeline(frame, title="$x_"), tmp_path / "money")


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
