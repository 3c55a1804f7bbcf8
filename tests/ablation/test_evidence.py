"""What notebooks read of an ablation: from the right place, the right split and seeds, and measures of its networks."""

import os
import sys
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
import torch

from lowtex.errors import DataError, OptionError
from lowtex.experiments import get_profile
from lowtex_lab import cli
from lowtex_lab.studies import evidence, rows
from lowtex_lab.studies import measures as ablation_measures
from lowtex_lab.studies.evidence import Evidence, open_evidence
from lowtex_lab.studies.rows import read_table

NAMES = ["resnet-pixels-first-plain", "baseline"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    assert cli.main(["data", "miniature", "--profile", "smoke", "--out", str(folder)]) == 0
    return folder / "vkitti2"


@pytest.fixture(scope="module")
def words(world, tmp_path_factory):
    """The command that made a batch of two names and two seeds, less one that is missing."""
    run_dir = tmp_path_factory.mktemp("run")
    words = ["--profile", "smoke", "--device", "cpu", "--data", f"vkitti2={world}", "--run-dir", str(run_dir)]
    assert cli.main(["ablate", *NAMES, "--seeds", "0", *words]) == 0
    assert cli.main(["ablate", NAMES[0], "--seeds", "1", *words]) == 0
    return words


@pytest.fixture
def found(words) -> Evidence:
    from pathlib import Path

    return Evidence(Path(words[-1]), "smoke", True)


@pytest.fixture
def mean_disparity(monkeypatch):
    """A measure called edges: the mean output on a grey picture; counts how often it is taken."""
    module = ModuleType("lowtex_test_measure")
    module.calls = []

    def measure(network, root, size):
        module.calls.append(root)
        with torch.no_grad():
            value = network(torch.full((1, 3, *size), 0.5))[0].mean().item()
        return pd.DataFrame({"image": ["grey"], "quantity": ["mean"], "value": [value]})

    module.measure = measure
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(ablation_measures.MEASURES, "edges", module.__name__)
    return module


def test_names_and_seeds(found):
    assert found.names == ["baseline", "resnet-pixels-first-plain"], "in the ablation's order, not the alphabet's"
    assert found.seeds("resnet-pixels-first-plain") == (0, 1) and found.seeds("baseline") == (0,)
    assert found.seeds("ours") == ()
    assert found.missing(["ours", "baseline"]) == ["ours"]
    assert found.present(["ours", NAMES[0], "baseline", NAMES[0]]) == NAMES


def test_scores_and_rows_of_one_split(found):
    for split, scenes in (("test", {"Scene01", "Scene20"}), ("val", {"Scene06"})):
        scores = found.scores(NAMES, split)
        assert set(scores["image"].str.split("/").str[0]) == scenes
        assert set(zip(scores["experiment"], scores["seed"], strict=True)) == {
            ("resnet-pixels-first-plain", 0),
            ("resnet-pixels-first-plain", 1),
            ("baseline", 0),
        }
        assert set(scores["stratum_kind"]) >= {"none", "known", "edges"}
        means = found.rows(NAMES, split)
        assert set(means["split"]) == {f"eigen_like/{split}"} == set(scores["split"])
        whole = scores[(scores["stratum_kind"] == "none") & (scores["experiment"] == "baseline")]
        row = means[
            (means["stratum_kind"] == "none") & (means["experiment"] == "baseline") & (means["metric"] == "abs_rel")
        ]
        assert row["value"].item() == pytest.approx(whole["abs_rel"].mean(), rel=1e-4)
    with pytest.raises(DataError, match="no scores of ours, zncc; `lowtex ablate ours zncc`"):
        found.scores(["ours", "baseline", "zncc"])
    with pytest.raises(OptionError, match="split"):
        found.scores(NAMES, "train")


def test_scores_are_read_once_until_they_change(found, monkeypatch):
    read, seen = rows.read_csv_gz, []
    monkeypatch.setattr(rows, "read_csv_gz", lambda path: seen.append(path.name) or read(path))
    path = found.folder / "images" / "baseline-s0.csv.gz"
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    first = found.scores(["baseline"])
    pd.testing.assert_frame_equal(found.scores(["baseline"]), first)
    found.scores(["baseline"], "val")
    assert seen == ["baseline-s0.csv.gz"]
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 2))
    found.scores(["baseline"])
    assert seen == ["baseline-s0.csv.gz"] * 2


def test_it_says_where_from_and_what_stands_behind(found):
    text = found.describe()
    assert str(found.run_dir) in text and "made here" in text
    assert "2 experiments, 3 rows of experiment and seed from 3 trainings" in text
    assert found.caption == "smoke profile, miniature, 1 to 2 seeds"


def test_measures_are_taken_once_and_follow_the_training(found, words, mean_disparity, capsys):
    command = ["ablate", *NAMES, "--seeds", "0-1", "--measure", "edges", *words]
    assert not found.has_measure("edges")
    with pytest.raises(DataError, match="lowtex ablate --measure edges"):
        found.measured("edges")
    assert cli.main(command) == 0
    assert "4 rows, 1 of them not trained yet; 0 measurements done before, 3 to come" in capsys.readouterr().out
    measured = found.measured("edges")
    assert list(measured.columns) == ["image", "quantity", "value", *ablation_measures.ADDED]
    assert measured["value"].nunique() == 3 and measured["miniature"].all() and set(measured["profile"]) == {"smoke"}
    assert set(found.measured("edges", ["baseline"])["experiment"]) == {"baseline"}
    assert cli.main(command) == 0 and len(mean_disparity.calls) == 3
    # a measurement of another training than the one that stands now is taken again
    path = found.folder / "edges" / "baseline-s0.csv.gz"
    text = read_table(found.run_dir, "edges", ["baseline-s0"]).assign(experiment_key="old")
    text.to_csv(path, index=False)
    assert cli.main(command) == 0 and len(mean_disparity.calls) == 4
    assert "old" not in set(found.measured("edges")["experiment_key"])


def test_a_measure_that_fails_stops_no_other(found, words, mean_disparity, monkeypatch, capsys):
    took = mean_disparity.measure

    def measure(network, root, size):
        if not mean_disparity.calls:
            mean_disparity.calls.append("failed")
            raise DataError("that root cannot be measured")
        return took(network, root, size)

    mean_disparity.measure = measure
    for path in (found.folder / "edges").glob("*"):
        path.unlink()
    assert cli.main(["ablate", *NAMES, "--seeds", "0", "--measure", "edges", *words]) == 1
    assert "FAILED resnet-pixels-first-plain-s0: edges: that root cannot be measured" in capsys.readouterr().out
    assert set(found.measured("edges")["experiment"]) == {"baseline"}
    with pytest.raises(OptionError, match="measure"):
        found.measured("colour")


def _run(run_dir, profile="smoke", named=()):
    return SimpleNamespace(run_dir=run_dir, profile=get_profile(profile), roots=SimpleNamespace(named=set(named)))


def test_places_are_looked_into_in_order(found, tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "ablation_dir", lambda profile, real=False: tmp_path / f"own-{profile}{real}")
    monkeypatch.setattr(evidence, "REFERENCE", tmp_path / "reference")
    with pytest.raises(DataError, match="no rows of the ablation.*lowtex ablate --profile quick"):
        open_evidence(_run(tmp_path / "run"))
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "ablation").symlink_to(found.folder)
    committed = open_evidence(_run(tmp_path / "run"))
    assert committed.run_dir == tmp_path / "reference" and not committed.own and committed.profile == "quick"
    assert "not trained in this run" in committed.describe()
    # another profile has rows of its own, or is told that these are quick's
    assert open_evidence(_run(tmp_path / "run", "standard")).profile == "quick"
    (tmp_path / "own-quickFalse").symlink_to(found.run_dir)
    assert open_evidence(_run(tmp_path / "run")).own
    assert open_evidence(_run(found.run_dir, "quick")).run_dir == found.run_dir
    real = _run(tmp_path / "run", named=["vkitti2"])
    assert open_evidence(real).run_dir == tmp_path / "own-quickFalse"
    (tmp_path / "own-quickTrue").symlink_to(found.run_dir)
    assert open_evidence(real).run_dir == tmp_path / "own-quickTrue"


def test_a_place_without_the_wanted_rows_is_passed_over_and_says_so(found, tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "ablation_dir", lambda profile, real=False: found.run_dir)
    monkeypatch.setattr(evidence, "REFERENCE", tmp_path / "reference")
    with pytest.raises(DataError, match="passed over: no rows of ours"):
        open_evidence(_run(tmp_path / "run"), ["baseline", "ours"])
    assert open_evidence(_run(tmp_path / "run"), ["baseline"]).passed_over == ()
