"""What a notebook calls: its run, its files, its record; progress and sliders with and without a person."""

import json
import sys
from io import BytesIO
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import imread

from lowtex import progress
from lowtex.data_paths import REPOSITORY
from lowtex.errors import DataError, OptionError
from lowtex.files import write_json
from lowtex.paths import default_run_dir, from_root, shown
from lowtex_lab.notebook import run as notebook
from lowtex_lab.notebook import runner as notebooks
from lowtex_lab.notebook import widgets


@pytest.fixture
def shows(monkeypatch) -> list:
    """What would be displayed."""
    seen = []
    for module in (notebook, widgets):
        monkeypatch.setattr(module, "display", lambda *things, **options: seen.extend(things))
    return seen


@pytest.fixture
def run(tmp_path, shows):
    return notebook.start("10", run_dir=tmp_path / "run")


def test_start_fills_in_folders(tmp_path):
    plain = notebook.start("04")
    assert plain.name == "04_training" and plain.run_dir == REPOSITORY / "results" / "quick"
    assert plain.experiments_dir == plain.run_dir / "experiments"
    assert notebook.start("4", seed=2, run_dir="results/mine").run_dir == REPOSITORY / "results" / "mine"
    real = notebook.start("10", data_root=f"kitti={tmp_path}")
    assert real.run_dir == default_run_dir("quick", 0, ["kitti"])
    assert real.experiments_dir == REPOSITORY / "results" / "quick" / "experiments"
    assert real.root("kitti") == tmp_path and not real.is_miniature("kitti")
    write_json(tmp_path / "own" / "run.json", {"checkpoints_from": str(tmp_path / "other")})
    assert notebook.start("10", run_dir=tmp_path / "own").experiments_dir == tmp_path / "other" / "experiments"


def test_figure_is_saved_with_its_data_and_shown_once(run, shows):
    figure = plt.figure()
    figure.subplots().plot([0, 1, 2], [2, 0, 1])
    data = pd.DataFrame({"x": [0, 1, 2], "y": [2, 0, 1]})
    run.figure(figure, "10_line", data)
    endings = {path.name.removeprefix("10_line.") for path in (run.run_dir / "figures").iterdir()}
    assert endings == {"png", "pdf", "csv", "json"}
    pd.testing.assert_frame_equal(pd.read_csv(run.run_dir / "figures" / "10_line.csv"), data)
    [image] = shows
    assert image.data == (run.run_dir / "figures" / "10_line.png").read_bytes(), "what is shown is what was saved"
    # what stays open would be shown a second time at the end of the cell
    assert figure.number not in plt.get_fignums()


def test_a_blank_figure_is_refused_and_nothing_written(run, shows):
    with pytest.raises(DataError, match="10_blank: the picture is nearly one colour"):
        run.figure(Figure(), "10_blank", pd.DataFrame({"x": [1]}))
    assert not (run.run_dir / "figures").exists() and not shows and not run.files


def test_table_is_rounded_for_reading_and_whole_for_programs(run, shows):
    run.table(pd.DataFrame({"method": ["a", "b"], "abs_rel": [0.123456789, float("nan")]}), "10_errors", "Caption.")
    text = (run.run_dir / "tables" / "10_errors.md").read_text()
    assert text.startswith("Caption.\n\n| ") and "0.123 |" in text and "0.1235" not in text
    assert "0.123456789" in (run.run_dir / "tables" / "10_errors.csv").read_text()
    assert shows[0].data == text
    # of a long one a part is shown and all is saved
    long = pd.DataFrame({"a": range(40)})
    run.table(long, "10_long", "Caption.", show=long.head(2))
    assert "| 39 |" in (run.run_dir / "tables" / "10_long.md").read_text()
    assert "| 39 |" not in shows[1].data and "`tables/10_long.csv`" in shows[1].data
    with pytest.raises(OptionError, match="table '10_none' has no rows"):
        run.table(pd.DataFrame({"a": []}), "10_none")


def test_finish_leaves_the_record(run, shows, monkeypatch, tmp_path):
    figure = Figure()
    figure.subplots().plot([0, 1, 2], [2, 0, 1])
    run.figure(figure, "10_line")
    facts = {"images": np.int64(3), "abs_rel": torch.tensor(0.5), "names": ("a", "b"), "by": {"low": np.float32(0.25)}}
    with pytest.raises(OptionError, match="figure='10_lines'.* no such figure, but: 10_line$"):
        run.finish(figure="10_lines")
    run.finish("It is\n  0.5.", "10_line", **facts, good=True, where=REPOSITORY / "lowtex")
    record = json.loads((run.run_dir / "notebooks" / "10_kitti.result.json").read_text())
    plain = {"images": 3, "abs_rel": 0.5, "names": ["a", "b"], "by": {"low": 0.25}, "good": True, "where": "lowtex"}
    assert record["facts"] == plain
    assert (record["answer"], record["figure"]) == ("It is 0.5.", "figures/10_line.png")
    assert (record["notebook"], record["status"], record["seed"]) == ("10_kitti", "done", 0)
    assert record["python"] == shown(sys.executable) and record["files"] == ["figures/10_line.png"]
    assert {"torch_version", "lowtex_version", "device", "threads", "wall_s", "finished"} <= set(record)
    assert "10_kitti is done" in shows[-1].data and "10_line.png" in shows[-1].data
    assert "- abs rel: 0.5\n" in shows[-1].data and "{" not in shows[-1].data
    monkeypatch.setenv("LOWTEX_RESULT", str(tmp_path / "elsewhere.json"))
    run.finish()
    bare = json.loads((tmp_path / "elsewhere.json").read_text())
    assert (bare["facts"], bare["answer"], bare["figure"]) == ({}, "", "")


def test_a_kernel_with_another_checkout_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("LOWTEX_PACKAGE", "/other/lowtex")
    with pytest.raises(
        OptionError, match=rf"imported lowtex from {REPOSITORY}/lowtex, but the run is of /other/lowtex"
    ):
        notebook.start("10", run_dir=tmp_path)
    # one that is too old to notice it itself
    told = {"notebook": "10_kitti", "python": shown(sys.executable)}
    for folder in ({}, {"package_folder": "/other/lowtex"}):
        (tmp_path / "result.json").write_text(json.dumps(told | folder))
        with pytest.raises(notebooks.NotebookError, match="imported lowtex from (/other|another checkout)"):
            notebooks._judge(Path("10_kitti.ipynb"), tmp_path, 0)
    (tmp_path / "result.json").write_text(json.dumps(told | {"package_folder": str(REPOSITORY / "lowtex")}))
    assert notebooks._judge(Path("10_kitti.ipynb"), tmp_path, 0) == told


def test_finish_refuses_facts_that_say_nothing(run):
    for value, message in ((float("nan"), "is not finite"), (torch.zeros(3), "is of type Tensor")):
        with pytest.raises(OptionError, match=rf"finish\(bad.*{message}"):
            run.finish(bad=value)
    assert not (run.run_dir / "notebooks").exists()


def test_paths_name_no_machine():
    assert shown(REPOSITORY / "results" / "quick") == "results/quick"
    assert shown("/elsewhere/x") == "/elsewhere/x"
    assert from_root("results/../results/quick") == REPOSITORY / "results" / "quick"
    assert from_root("~/x") == Path.home() / "x"


@pytest.fixture
def headless(monkeypatch):
    """Nobody looks on, and the clock takes steps of so many seconds."""

    def begin(step_s):
        clock = count(0.0, step_s)
        monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
        monkeypatch.setenv("LOWTEX_HEADLESS", "1")

    return begin


def test_headless_progress_prints_few_lines_and_passes_them_on(headless, monkeypatch, tmp_path, capsys):
    headless(0.4)
    monkeypatch.setenv("LOWTEX_PROGRESS", str(tmp_path / "relay.txt"))
    assert list(progress.track(range(200), "reading", unit="pair")) == list(range(200))
    lines = capsys.readouterr().out.splitlines()
    assert (tmp_path / "relay.txt").read_text().splitlines() == lines
    assert 9 <= len(lines) <= 12
    assert lines[1] == "reading: 20/200 pairs (10 %), about 1 min 12 s left"
    assert lines[-1].startswith("reading: done, 200 pairs in 1 min ")
    with pytest.raises(ValueError), progress.Progress("broken", 5) as bar:
        bar.update()
        raise ValueError
    assert capsys.readouterr().out.splitlines()[-1].startswith("broken: stopped, 1/5 steps in ")


def test_a_silent_task_of_unknown_length_still_says_something(headless, capsys):
    headless(10.0)
    list(progress.track(iter(range(6)), "counting"))
    assert capsys.readouterr().out.splitlines() == [
        "counting: 3 steps, 30 s",
        "counting: 6 steps, 1 min 00 s",
        "counting: done, 6 steps in 1 min 10 s",
    ]


def test_reporter_begins_anew_with_another_count_and_says_that_it_resumed(monkeypatch, capsys):
    monkeypatch.setenv("LOWTEX_HEADLESS", "1")
    report = progress.reporter("training ours")
    for total, first in ((3, 1), (5, 4)):
        for step in range(first, total + 1):
            report(step, total, 0.5)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" in ")[0] for line in lines] == [
        "training ours: done, 3 steps",
        "training ours: resumed after 3 of 5 steps",
        "training ours: done, 5 steps",
    ]
    assert lines[-1].endswith("; loss 0.5000")


def draw(ax, shift, kind, gain=1.0):
    ax.imshow(np.full((4, 6), shift * gain), vmin=0, vmax=20)
    ax.set_title(kind)


def test_headless_it_is_one_picture_of_the_ends_that_says_the_values(monkeypatch, shows):
    monkeypatch.setenv("LOWTEX_HEADLESS", "1")
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    controls = {"shift": (0, 20), "kind": ["a", "b"], "gain": (0.0, 1.0)}
    widgets.explore(draw, **controls)
    [image] = shows
    assert image.data.startswith(b"\x89PNG")
    figure = widgets.grid(draw, **controls)
    titles = [axes.get_title().splitlines()[0] for axes in figure.axes]
    assert titles == [f"shift = {shift}, kind = {kind}" for kind in "ab" for shift in (0, 10, 20)]
    assert figure.get_suptitle() == "gain = 0.5"
    assert [axes.images[0].get_array()[0, 0] for axes in figure.axes[:3]] == [0, 5, 10]
    steps = widgets.grid(lambda ax, s: ax.plot([s, s]), s=(0.0, 1.0, 0.25))
    assert [axes.get_title() for axes in steps.axes] == ["s = 0", "s = 0.5", "s = 1"]


def test_grid_shows_where_it_starts_and_fits_its_images():
    options = {"start": {"shift": 3.2, "kind": "b", "gain": 1.0}, "bar": "value"}
    figure = widgets.grid(draw, **options, shift=(0, 20), kind=["a", "b"], gain=(0.0, 1.0))
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles == [f"shift = {shift}, kind = a\na" for shift in (0, 3, 20)] and figure.get_suptitle() == "gain = 1"
    assert figure.axes[-1].get_xlabel() == "value"
    picture = imread(BytesIO(widgets._png(figure)))
    inked = (picture[..., :3].min(-1) < 0.99).any(1)
    # the longest white band, as a share of the height
    longest = max(map(len, "".join("x" if row else " " for row in inked).split("x")))
    assert longest < 0.1 * len(inked)
    with pytest.raises(OptionError, match="'zoom', which is no control"):
        widgets.explore(draw, start={"zoom": 1}, shift=(0, 20))


def test_a_callback_may_return_a_figure():
    def picture(n):
        figure = Figure(figsize=(1, 1))
        figure.add_axes((0, 0, 1, 1), facecolor=(n / 255, 0, 0)).set_xticks([])
        return figure

    grid = widgets.grid(picture, n=[10, 200])
    assert [int(axes.images[0].get_array()[50, 50, 0]) for axes in grid.axes] == [10, 200]


def test_the_colour_bar_is_of_the_points_and_a_depth_has_round_numbers():
    def depths(ax, n):
        ax.imshow(np.full((4, 8), 10.0), norm=LogNorm(3, 80))

    def points(ax, n):
        ax.imshow(np.full((4, 8), 10.0))
        ax.contour(np.eye(4, 8), [0.5])
        ax.scatter([1, 2], [1, 2], c=[0, 1], vmin=0, vmax=0.5)

    def ends(callback):
        bar = widgets.grid(callback, bar="depth, m", n=[1, 2]).axes[-1]
        return [text.get_text() for text in bar.get_xticklabels()], bar.get_xlabel()

    assert ends(depths) == (["3", "7", "15", "30", "80"], "depth, m")
    assert ends(points)[0][-1] == "0.5", "of the points, and not of outlines"


@pytest.mark.parametrize("control", [(3, 1), (0, 1, 0), (1,), "ab", []])
def test_a_wrong_control_is_named(control):
    with pytest.raises(OptionError, match="explore"):
        widgets.grid(draw, shift=control)
    with pytest.raises(OptionError, match="at least one control"):
        widgets.grid(draw)


def test_live_explore_redraws_without_an_output_widget(monkeypatch):
    import ipywidgets

    monkeypatch.delenv("LOWTEX_HEADLESS", raising=False)
    monkeypatch.setattr(ipywidgets, "Output", None)
    things, updates = [], []
    handle = SimpleNamespace(update=updates.append)
    monkeypatch.setattr(widgets, "display", lambda thing, display_id=False: things.append(thing) or handle)
    widgets.explore(draw, shift=(0, 20), kind=["a", "b"])
    box, first = things
    slider, choice = box.children
    assert isinstance(slider, ipywidgets.SelectionSlider) and slider.value == 10 and len(slider.options) == 21
    slider.value = 20
    choice.value = "a"
    assert len(updates) == 2 and updates[0].data != first.data
