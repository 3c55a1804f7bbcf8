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
from lowtex.files import write_json
from lowtex.geometry import StereoRig
from lowtex_lab import cli
from lowtex_lab import plots as figures
from lowtex_lab.plots.run_figures import comparable_groups, texture_kind, timeline_rows
from lowtex_lab.plots.saving import PLOTS, plot, redraw_card

KINDS = ("none", "known")
TASK = pd.DataFrame({"name": ["costs $5 and $x_"], "seconds": [1.0], "training_s": [0.0]})


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def own_figure():
    figure = Figure()
    figure.subplots().plot([0, 1], [0, 1], linewidth=4)
    return figure


class TremblingLayout(ConstrainedLayoutEngine):
    """A layout whose places differ in the last bits, as those of matplotlib's solver do now and then."""

    def execute(self, fig):
        super().execute(fig)
        for axes in fig.axes:
            axes._set_position(np.array(axes.get_position(original=True).bounds) + 3e-15, which="both")


def test_everything_lies_beside_the_picture_and_a_redraw_gives_the_same_bytes(tmp_path):
    rows = make_rows(kinds=KINDS)
    # texts that readers of CSV take for gaps and for numbers
    rows = rows.assign(crop="None", experiment_key=rows["seed"].astype(str) + "e4")
    for name in ("a", "b"):
        bars = figures.metric_bars(rows, kind="known")
        if name == "b":
            bars.set_layout_engine(TremblingLayout(**bars.get_layout_engine().get()))
        path = figures.save_figure(bars, tmp_path / name / "12_bars")
    before = contents(tmp_path / "a")
    assert set(before) == {"12_bars.csv", "12_bars.json", "12_bars.pdf", "12_bars.png"}
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.with_suffix(".pdf").read_bytes()[:4] == b"%PDF"
    card = json.loads(path.with_suffix(".json").read_text())
    assert "miniature data" in card["title"] and "3 seeds" in card["caption"]
    assert contents(tmp_path / "b") == before
    for ending in ("png", "pdf"):
        path.with_suffix(f".{ending}").unlink()
    assert redraw_card(path.with_suffix(".json")) == path
    assert contents(tmp_path / "b") == before


def test_a_figure_of_arrays_redraws_to_the_same_bytes_and_damage_is_named(tmp_path):
    figures.save_figure(figures.stereo_anaglyph(make_sample()), tmp_path / "pair")
    before = contents(tmp_path)
    assert set(before) == {"pair.json", "pair.npz", "pair.pdf", "pair.png"}
    (tmp_path / "pair.png").write_bytes(b"")
    redraw_card(tmp_path / "pair.json")
    assert contents(tmp_path) == before
    (tmp_path / "pair.npz").write_bytes(before["pair.npz"][:200])
    with pytest.raises(DataError, match=r"pair\.npz is missing or damaged"):
        redraw_card(tmp_path / "pair.json")
    for changed, told in (
        ({"function": "pie_chart"}, "no plotting function 'pie_chart' in this version"),
        ({"arguments": {"nonsense": 1}}, "image_grid cannot draw what is stored"),
    ):
        (tmp_path / "pair.json").write_text(json.dumps(json.loads(before["pair.json"]) | changed))
        with pytest.raises(DataError, match=told):
            redraw_card(tmp_path / "pair.json")


def test_blank_pictures_and_empty_panels_are_refused_and_leave_nothing(tmp_path):
    half, black = Figure(), Figure()
    left, right = half.subplots(1, 2)
    left.plot([0, 1], [0, 1])
    right.set_title("errors")
    axes = black.add_axes((0, 0, 1, 1))
    axes.imshow(np.zeros((4, 4)), cmap="gray", aspect="auto")
    axes.set_axis_off()
    panel = "the panel 'errors' is empty"
    for figure, told in ((Figure(), "nearly one colour"), (half, panel), (black, "nearly one colour")):
        with pytest.raises(DataError, match=told):
            figures.save_figure(figure, tmp_path / "blank")
    assert list(tmp_path.iterdir()) == []


def test_arguments_come_back_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr("lowtex_lab.plots.saving.PLOTS", dict(PLOTS))
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(3, 40, 60, generator=generator)
    given = {
        "picture": picture.bfloat16(),
        "metres": picture[:1] * 80,
        "tiny": picture[:1] * 1e-7,
        "large": picture[:1] * 1e6,
        "mask": picture[:1] > 0.5,
        "rig": StereoRig(60.0, 0.5, cx=1.0),
        "number": np.float32(0.5),
        "missing": float("nan"),
        "names": ("a", "b"),
        "nested": {"ours": [picture]},
        "table": pd.DataFrame({"x": pd.Categorical(["a"]), "y": [1 / 3]}, index=[7]),
        "second": pd.DataFrame({"z": [0.1 + 0.2]}),
        "nothing": None,
    }
    kept = []

    @plot
    def show(given):
        kept.append(given)
        return own_figure()

    figures.save_figure(show(given), tmp_path / "shown")
    redraw_card(tmp_path / "shown.json")
    drawn, again = kept
    for name in ("picture", "metres", "tiny", "large", "mask"):
        assert np.array_equal(drawn[name], again[name]), name
        np.testing.assert_allclose(again[name], given[name].float(), rtol=1e-2, atol=1e-3 * float(given[name].max()))
    assert drawn["mask"].dtype == bool and np.array_equal(again["nested"]["ours"][0], drawn["nested"]["ours"][0])
    for found in kept:
        assert found["rig"] == given["rig"] and found["number"] == 0.5 and np.isnan(found["missing"])
        assert found["names"] == ["a", "b"] and found["nothing"] is None
        assert found["table"].to_dict() == {"x": {0: "a"}, "y": {0: 1 / 3}} and found["second"]["z"][0] == 0.1 + 0.2
    with pytest.raises(TypeError, match="argument run is of type object, which cannot be kept"):
        figures.timeline(object())


def _record(folder, name, seconds, **more):
    write_json(folder / f"{name}.result.json", {"wall_s": seconds - 2.0, "runner_wall_s": seconds, **more})


def test_all_figures_come_back_after_their_pictures_are_lost(tmp_path):
    run = tmp_path / "quick"
    write_rows(run / "rows" / "12_virtual_kitti2.csv", make_rows(kinds=(*KINDS, "contrast")))
    # dollar signs are text
    figures.save_figure(figures.timeline(TASK), run / "figures" / "01_pair")
    path = figures.save_figure(own_figure(), run / "figures" / "03_own.png", data=pd.DataFrame({"x": [0, 1]}))
    assert path.name == "03_own.png" and (run / "figures" / "03_own.csv").read_text() == "x\n0\n1\n"
    _record(run / "notebooks", "01_data", 20.0)
    before = contents(run / "figures")
    (run / "figures" / "01_pair.png").unlink()
    told = []
    drawn, kept = figures.redraw(run, told.append)
    summary = {"timeline", *(f"{name}_vkitti2_test_vkitti2_dense" for name in ("abs_rel", "d1", "contrast"))}
    assert {p.stem for p in drawn} == {"01_pair", *(f"summary_{name}" for name in summary)}
    assert [p.name for p in kept] == ["03_own.png"]
    assert len(told) == 6 and "03_own: kept, no plot of the kit drew it" in told
    assert contents(run / "figures").items() >= before.items()


def test_one_figure_that_fails_stops_no_other(tmp_path, capsys):
    for name in ("a", "b"):
        figures.save_figure(figures.timeline(TASK), tmp_path / "figures" / name)
    (tmp_path / "figures" / "a.csv").unlink()
    (tmp_path / "figures" / "b.png").unlink()
    assert cli.main(["figures", "--run-dir", str(tmp_path)]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "1 figures could not be drawn again: a: " in told and "a.csv is missing" in told
    assert (tmp_path / "figures" / "b.png").is_file() and (tmp_path / "index.html").is_file()


def test_rows_are_grouped_by_what_may_be_compared():
    rows = make_rows(kinds=KINDS)
    flipped = rows.assign(flip=True)
    alone = make_rows(["ours"], kinds=KINDS).assign(eval_data="kitti", protocol="eigen_raw")
    longer = rows.assign(train_data="vkitti2 train, longer")
    three = make_rows(["baseline", "encoder", "ours"], kinds=KINDS)
    # two methods in one weather more are their notebook's, beside a table of three
    foggy, nominal = rows.assign(eval_data="vkitti2 fog"), three.assign(scaling="x5.4")
    name = "vkitti2_test_vkitti2_dense"
    for parts, names in (
        ([rows, flipped, alone], [name, f"{name}_flip"]),
        ([alone], ["kitti_test_eigen_raw"]),
        ([rows, longer], [name, f"{name}_2"]),
        ([rows[:0]], []),
        ([three, foggy, nominal], [name, f"{name}_x5_4"]),
    ):
        assert [found for found, _ in comparable_groups(pd.concat(parts))] == names
    assert texture_kind(rows) == "known" and texture_kind(rows.assign(stratum_kind="none")) is None


def test_nothing_to_draw(tmp_path):
    with pytest.raises(DataError, match="is not the folder of a run"):
        figures.redraw(tmp_path / "absent")
    with pytest.raises(DataError, match="holds neither figures nor rows"):
        figures.redraw(tmp_path)


def test_the_seconds_of_a_run_are_those_of_its_records(tmp_path):
    _record(tmp_path / "notebooks", "01_data", 20.0)
    _record(tmp_path / "notebooks", "02_networks", 10.0, training_s=4.5)
    assert timeline_rows(tmp_path).to_numpy().tolist() == [["01_data", 20.0, 0.0], ["02_networks", 10.0, 4.5]]
    (tmp_path / "notebooks" / "04_x.result.json").write_text("{}")
    with pytest.raises(DataError, match=r"04_x\.result\.json is not the record of a notebook"):
        timeline_rows(tmp_path)
