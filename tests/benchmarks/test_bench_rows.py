"""Rows are complete and typed, kept and replaced as they should be; targets are judged; table and figure say it."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import rows as measured
from benchmarks.harness import GROUPS, Result, Subject
from benchmarks.subjects.steps import RESNET, STEP
from lowtex.data_paths import REPOSITORY
from lowtex.errors import DataError
from lowtex.evaluation.results import write_csv
from lowtex_lab.plots import benchmark_overview
from lowtex_lab.plots.saving import refuse_blank
from lowtex_lab.studies.evidence import REFERENCE
from lowtex_lab.studies.summary import with_blocks

STEP_SUBJECT = Subject("step", STEP, RESNET, 4, 192, 640, "pixels + auto-mask")
LOOP = Subject("loader", "training loop", "quick baseline", 8, 96, 320, "miniature KITTI")
READER = Subject("data", "KittiRaw, pair item", "", 0, 192, 640, "real")


def made(kit=(0.5, 0.4, 0.6), device="cpu") -> measured.Rows:
    rows = measured.Rows(device)
    seconds = {"yardstick": [1.0, 1.2, 1.1], "kit": list(kit), "kit_bf16": [0.3, 0.3, 0.2]}
    rows.add_result(STEP_SUBJECT, Result(seconds, {"kit": 1e-6, "kit_bf16": 1e-3}))
    rows.add_memory(STEP_SUBJECT, {"yardstick": 2 * 10**9, "kit": 10**9, "kit_bf16": 8 * 10**8})
    rows.threads = 1
    reader = {"yardstick": [0.06] * 3, "kit": [0.02] * 3, "kit_prepared": [0.001] * 3}
    rows.add_result(READER, Result(reader, {}))
    rows.threads = None
    profile = replace(STEP_SUBJECT, group="profile", name="profile of a step")
    for name, share in (("files, 0 workers", 0.25), ("prepared, 2 workers", 0.0)):
        rows.add(LOOP, name, "per_s", 12.34, 3)
        rows.add(LOOP, name, "idle_share", share, 3)
    for name, floor in (("yardstick", 400), ("kit", 400), ("kit_bf16", 200)):
        rows.add(STEP_SUBJECT, name, "floor_ms", floor)
        for kind, ms in (("convolution", 100), ("loss", 50)):
            rows.add(profile, name, "profile_ms", ms, part=kind)
    return rows


def value(frame, contestant, metric, subject=STEP):
    own = frame[(frame["contestant"] == contestant) & (frame["metric"] == metric) & (frame["subject"] == subject)]
    assert len(own) == 1
    return own["value"].iloc[0]


def test_rows_are_complete_and_typed(tmp_path):
    frame = made().frame()
    assert tuple(frame.columns) == measured.COLUMNS and not frame.isna().any().any()
    assert set(frame["metric"]) <= set(measured.UNITS) and (frame["unit"] == frame["metric"].map(measured.UNITS)).all()
    assert value(frame, "kit", "ms") == 500 and value(frame, "kit", "ms_least") == 400
    assert value(frame, "kit", "times_faster") == pytest.approx(2.2) and value(frame, "kit", "per_s") == 8
    assert value(frame, "kit", "memory_ratio") == 0.5 and value(frame, "yardstick", "peak_mb") == 2000
    assert value(frame, "kit_prepared", "times_from_files", READER.name) == pytest.approx(20)
    assert "times_faster" not in set(frame.loc[frame["contestant"] == "yardstick", "metric"])
    assert (frame.loc[frame["subject"] == READER.name, "threads"] == 1).all()
    assert (frame["created"].str.len() == 20).all() and (frame["torch_version"] != "").all()

    write_csv(tmp_path / "rows.csv", frame)
    again = measured.read_rows(tmp_path / "rows.csv")
    pd.testing.assert_frame_equal(again, frame)
    assert all(isinstance(cell, str) for name in measured.TEXT for cell in again[name])
    assert frame["n"].dtype == frame["height"].dtype == np.int64 and frame["value"].dtype == np.float64


def test_what_is_measured_again_replaces_and_the_rest_stays():
    old, new = made().frame(), made(kit=(0.1, 0.1, 0.1)).frame()
    only_step = new[new["subject"] == STEP]
    both = measured.merged(old, only_step)
    assert value(both, "kit", "ms") == pytest.approx(100) and len(both) == len(old)
    assert value(both, "kit", "ms", READER.name) == pytest.approx(20)
    other = made().frame().assign(device="another card", device_kind="cuda")
    assert len(measured.merged(old, other)) == len(old) + len(other)
    assert measured.merged(measured.read_rows(Path("nowhere.csv")), new) is new


@pytest.mark.parametrize(
    "content", ["", "a,b\n1,2\n", "\0\0", ",".join(measured.COLUMNS) + "\n" + ",".join("x" for _ in measured.COLUMNS)]
)
def test_a_file_of_something_else_is_an_error(tmp_path, content):
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(DataError, match="rows.csv holds no rows of a benchmark"):
        measured.read_rows(tmp_path / "rows.csv")


def verdicts(frame, device="cpu"):
    return dict(zip(measured.judged(frame, device)["target"], measured.judged(frame, device)["verdict"], strict=True))


def test_targets_are_judged(monkeypatch):
    told = verdicts(made().frame())
    assert len(told) == 7 and not verdicts(made(device="cuda").frame(), "cuda")
    assert told["whole step in fp32, times the yardstick"] == measured.REACHED
    assert told["peak memory of the step, of the yardstick's"] == measured.REACHED
    assert told["cached item, times one from files"] == measured.REACHED
    assert told["loss alone, times the yardstick"] == measured.OPEN
    assert verdicts(made(kit=(0.59,) * 3).frame())["whole step in fp32, times the yardstick"] == measured.MISSED
    # of several that fit the least favourable one counts, whichever way is good
    both = pd.concat([made().frame(), made(kit=(0.9,) * 3).frame()])
    assert verdicts(both)["whole step in fp32, times the yardstick"] == measured.MISSED
    slow = {"target": "ms", "subject": STEP, "contestant": "kit", "metric": "ms", "bound": 600.0, "way": "at most"}
    monkeypatch.setattr("benchmarks.rows.TARGETS", [slow])
    assert verdicts(made().frame())["ms"] == measured.REACHED and verdicts(both)["ms"] == measured.MISSED


def test_the_table_says_it():
    text = measured.report(made().frame())
    assert re.search(r"\| whole step in fp32, times the yardstick +\| at least 1.9 +\| +2.2 \| reached +\| +3 \|", text)
    [line] = [line for line in text.splitlines() if "whole step, ResNet-18 + U-Net, batch 4, 640x192" in line]
    assert [cell.strip() for cell in line.split("|")][2:6] == ["yardstick", "1.10 s", "-", "3"]
    assert re.search(r"\| convolution +(\| 100 ms, 67% ){3}\|", text)
    loop = [[cell.strip() for cell in line.split("|")][2:7] for line in text.splitlines() if " workers" in line]
    assert loop == [["files, 0 workers", "12.3", "25.0%", "-", "3"], ["prepared, 2 workers", "12.3", "0.0%", "-", "3"]]
    assert re.search(r"\| the whole step +(\| +150 ms ){3}\|", text)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in lines) and len(lines) > 20


def test_the_figure_shows_ratios_and_parts():
    figure = benchmark_overview(made().frame())
    refuse_blank(figure)
    words = " ".join(t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text")))
    for told in ("whole step, ResNet-18 + U-Net, 4 × 640x192", "2.2×", "3.67×", "arithmetic floor", "150 ms"):
        assert told in words, told
    below = figure.axes[1]
    assert [bar.get_width() for bar in below.patches if bar.get_y() < 0][:2] == [100, 50]


def test_its_page_shows_the_committed_benchmark():
    rows = measured.read_rows(REFERENCE / "bench" / "rows.csv")
    assert (rows["commit"] != "").all() and set(rows["group"]) >= set(GROUPS)
    text = (REPOSITORY / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert with_blocks(text, {"speed": measured.targets_table(rows)}) == text, "run `make readme`"
    assert (REFERENCE / "bench" / "table.md").read_text(encoding="utf-8") == measured.report(rows)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (pd.DataFrame({"metric": ["ms"]}), "needs the columns group"),
        (made().frame().query("metric == 'peak_mb'"), "no ratio to a yardstick and no profile"),
        (pd.concat([made().frame(), made().frame().assign(device="b")]), "takes rows of one device"),
    ],
)
def test_the_figure_refuses_what_it_cannot_show(rows, told):
    with pytest.raises(DataError, match=told):
        benchmark_overview(rows)
