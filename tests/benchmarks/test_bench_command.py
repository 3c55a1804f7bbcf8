"""The command from its options to its files, on the smallest sizes; and its errors."""

import os

import pandas as pd
import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import harness
from benchmarks.harness import Contest, Contestant, Subject, peak_memory
from benchmarks.rows import COLUMNS
from benchmarks.subjects import all_contests, terms
from lowtex.errors import LowtexError


@pytest.fixture(autouse=True)
def no_miniatures(monkeypatch):
    """Nothing here reads data; writing the smoke miniatures would take most of the time."""
    monkeypatch.setattr(command, "DATASETS", ())


def refused(capsys, *words) -> str:
    assert command.main([*words, "--smoke"]) == command.BAD_INPUT
    caught = capsys.readouterr()
    assert caught.err.count("\n") == 1 and "Traceback" not in caught.err
    return caught.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--repeats", "2"], "--repeats 2 must be 3 or more"),
        (["--threads", "0"], "--threads 0 must be 1 or more"),
        (["--real", "no/such"], "--real no/such is not a folder"),
        (["--only", "wrap,spee"], "--only wrap,spee is nothing that is measured; name groups (machine, step"),
        pytest.param(
            ["--device", "cuda"],
            "device=cuda was asked for, but",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_errors_are_one_clear_sentence(capsys, tmp_path, words, told):
    assert told in refused(capsys, *words, "--out", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_damaged_rows_are_told_before_anything_is_measured(capsys, tmp_path, monkeypatch):
    (tmp_path / "rows.csv").write_text("nonsense")
    monkeypatch.setattr(command.Run, "everything", None)
    assert "rows.csv holds no rows of a benchmark" in refused(capsys, "--out", str(tmp_path))


def test_a_small_run_from_options_to_files(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "peak_memory", lambda contest, name, conditions: 10**6 * len(name))
    words = ["--smoke", "--repeats", "3", "--threads", "1", "--device", "cpu", "--out", str(tmp_path)]
    assert command.main([*words, "--only", "SSIM,step+ResNet-18 + U-Net"]) == 0
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert tuple(rows.columns) == COLUMNS
    assert set(rows["subject"]) == {"best rate", "SSIM", "whole step"} and (rows["threads"] == 1).all()
    step = rows[rows["subject"] == "whole step"]
    for name in ("yardstick", "kit", "kit_bf16"):
        wanted = {"ms", "ms_least", "ms_most", "per_s", "peak_mb", "floor_ms", "over_floor", "of_matmul_rate"}
        wanted |= set() if name == "yardstick" else {"times_faster", "memory_ratio", "difference"}
        assert set(step.loc[step["contestant"] == name, "metric"]) == wanted
    assert (step.loc[step["metric"] == "ms", "n"] == 3).all()
    assert step.loc[step["metric"] == "difference", "value"].nunique() == 2, "bfloat16 is another network"
    out = capsys.readouterr().out
    assert (tmp_path / "table.md").read_text() in out and (tmp_path / "overview.png").stat().st_size > 10_000

    monkeypatch.setattr(command.machine, "rates", None)
    assert command.main([*words, "--only", "warp"]) == 0, "and no rate is measured where no step is"
    again = pd.read_csv(tmp_path / "rows.csv")
    assert set(again["subject"]) == {"best rate", "SSIM", "whole step", "warp"}
    kept = again[again["subject"] == "whole step"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, step.reset_index(drop=True))


def test_a_disagreement_ends_the_command(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(terms, "fast_photometric_error", lambda a, b, alpha: 0.9 * (a - b).abs())
    words = ["--smoke", "--repeats", "3", "--only", "SSIM", "--out", str(tmp_path)]
    assert command.main(words) == command.FAILED
    caught = capsys.readouterr()
    assert "they do not compute the same thing" in caught.err and caught.err.count("\n") == 1


def test_one_contest_that_cannot_be_measured_does_not_end_the_others(tmp_path, monkeypatch, conditions):
    def make(conditions, subject, name):
        raise LowtexError("no such file")

    bad = Contest(Subject("loss", "bad"), ("kit",), make)
    good = [contest for contest in all_contests(conditions) if contest.subject.name == "SSIM"]
    monkeypatch.setattr(command, "all_contests", lambda conditions: [bad, *good])
    monkeypatch.setattr(command, "peak_memory", lambda *told: 1)
    told = []
    rows = command.Run(conditions, tmp_path / "out", 3, told.append).everything(["loss"])
    assert "bad: skipped, no such file" in told and "SSIM" in set(rows["subject"])


def test_the_machines_best_rate_is_kept(tmp_path, monkeypatch, conditions):
    for seen, told in ((5e9, 5.0), (3e9, 5.0), (8e9, 8.0)):
        monkeypatch.setattr(command.machine, "rates", lambda conditions, seen=seen: {("matmul", "fp32"): seen})
        rows = command.Run(conditions, tmp_path / "out", 3, lambda line: None).everything(["machine"])
        assert rows["value"].tolist() == [told]
    other = command.Run(conditions, tmp_path / "out", 3, lambda line: None)
    other.before["torch_version"] = "another"
    monkeypatch.setattr(command.machine, "rates", lambda conditions: {("matmul", "fp32"): 1e9})
    other.measure_machine()
    assert other.rows.frame()["value"].tolist() == [1.0]


def holds(conditions, subject, name):
    """Eighty megabytes, of which nothing is left once it is done."""

    def run():
        kept = torch.ones(20 * 2**20)
        return {"sum": kept.sum()}

    return Contestant(run)


def kills(conditions, subject, name):
    """A process that ends without a word, as one that is killed for its memory does."""
    return Contestant(lambda: os._exit(9))


def breaks(conditions, subject, name):
    raise ValueError("no such thing")


def test_peak_memory_is_of_a_process_of_its_own(conditions, monkeypatch):
    monkeypatch.setattr(harness, "PRELOADED", ["torch", "cv2", "benchmarks.harness"])
    ballast = torch.ones(60 * 2**20)
    peak = peak_memory(Contest(Subject("loss", "a"), ("kit",), holds), "kit", conditions)
    assert 80 <= peak / 2**20 < 130 and ballast.numel()
    with pytest.raises(LowtexError, match=r"peak memory of a, kit: its process ended with code 9; is there enough"):
        peak_memory(Contest(Subject("loss", "a"), ("kit",), kills), "kit", conditions)
    with pytest.raises(LowtexError, match="its process failed: ValueError: no such thing"):
        peak_memory(Contest(Subject("loss", "a"), ("kit",), breaks), "kit", conditions)
