"""The command line: every command on a tiny world, its errors, and its exit codes."""

import errno
import io
import re
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
import yaml

from lowtex.catalog import TRUTH_FILES
from lowtex.data_paths import DATASETS, REPOSITORY
from lowtex.errors import DataError
from lowtex.evaluation.results import read_rows
from lowtex_lab import cli
from lowtex_lab.cli import download, options
from lowtex_lab.cli.run import _environment as snakemake_environment
from lowtex_lab.notebook import graph
from lowtex_lab.notebook.runner import parameters_of

BAD = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
LAB = "matplotlib seaborn requests papermill snakemake nbformat nbconvert IPython ipywidgets jinja2 psutil".split()


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"example:\n  lowtex {command}" in text
    assert all(len(line) <= 125 for line in text.splitlines())
    for number, name in re.findall(r"--set (\d\d)\.(\w+)=", text):
        assert name in parameters_of(REPOSITORY / "notebooks" / f"{graph.node(number).name}.ipynb")


def test_help_lists_all_commands_without_importing_torch_or_any_package_of_the_lab():
    code = f"import sys\nsys.modules.update(dict.fromkeys({LAB}))\nfrom lowtex_lab import cli\n"
    code += "try: cli.main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(name in out for name in cli.COMMANDS)
    assert out.strip().endswith("False")


@pytest.mark.parametrize(("words", "missing"), [("doctor", "psutil"), ("data download --to x --improved", "requests")])
def test_a_core_only_install_says_what_the_command_needs(words, missing, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "lowtex_lab.cli.download", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    assert cli.main(words.split()) == cli.FAILED
    told = "The lowtex command needs the packages of the notebooks: pip install 'lowtex[lab]'"
    assert capsys.readouterr().err == f"{told} ({missing} is missing)\n"


def test_errors_are_one_line_interrupts_130_and_others_are_not_hidden(monkeypatch, capsys, refused):
    action = Mock(return_value=None, side_effect=DataError("a.png is\n  truncated"))
    parser = Namespace(parse_args=lambda words: Namespace(run=action))
    monkeypatch.setattr(cli, "build_parser", lambda only: parser)
    assert refused() == "lowtex: a.png is truncated"
    action.side_effect = OSError(errno.EROFS, "Read-only file system", "x/log.csv")
    assert cli.main([]) == cli.FAILED
    assert re.fullmatch(r"lowtex: x/log.csv: Read-only .*; make sure .* folder\n", capsys.readouterr().err)
    action.side_effect = KeyboardInterrupt
    assert cli.main([]) == 130
    assert "what was finished is kept" in capsys.readouterr().err
    action.side_effect = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError):
        cli.main([])
    action.side_effect = None
    assert cli.main([]) == 0


@pytest.mark.parametrize(("words", "message"), BAD.items())
def test_bad_input_is_one_line_that_names_it(words, message, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(download, "download", lambda *given, **options: pytest.fail("fetched all the same"))
    assert message in refused(*words.split())
    assert list(tmp_path.iterdir()) == []


def test_data_miniature_says_what_is_there(world, said):
    told = said("data", "miniature", "--profile", "smoke", "--out", world)
    assert all(f"/{name}: " in told for name in ("vkitti2", "kitti_raw", "kitti_depth"))


def test_what_is_to_be_compiled_reaches_the_training(world, tmp_path, monkeypatch):
    trained, planned = [], []
    train = Mock(side_effect=lambda *_, options, **__: trained.append(options) or tmp_path)
    monkeypatch.setattr("lowtex.training.train_experiment", train)
    monkeypatch.setattr("lowtex_lab.studies.batch.run_plan", lambda place, *_: planned.append(place) or {})
    words = ["--profile", "smoke", "--data", f"vkitti2={world / 'vkitti2'}", "--compile", "all"]
    assert cli.main(["train", "baseline", *words]) == 0
    assert cli.main(["ablate", "baseline", "--run-dir", str(tmp_path), *words]) == 0
    assert [place.compile for place in (*trained, *planned)] == ["all", "all"]


def test_train_finds_what_is_trained_and_fine_tunes(world, trained, said, refused):
    words = ["train", "baseline", "--profile", "smoke", "--out", trained.parent]
    before = (trained / "network.safetensors").stat().st_mtime_ns
    said(*words, "--data", f"vkitti2={world / 'vkitti2'}")
    assert (trained / "network.safetensors").stat().st_mtime_ns == before
    real = ["--data", f"kitti={world / 'kitti_raw'}", "--init", trained]
    said(*words, *real, "--steps", "1")
    [tuned] = trained.parent.glob("baseline_finetuned-s0-*")
    assert (tuned / "done.json").is_file()
    assert "width is 0.125 in the checkpoint, 0.25 here" in refused(*words, *real, "--set", "network.width=0.25")
    assert not [path for path in trained.parent.iterdir() if path.name.startswith("feature_net")]


def test_evaluate_prints_a_table_and_adds_rows(world, trained, said, refused, tmp_path):
    rows = tmp_path / "rows.csv"
    words = ["evaluate", "--checkpoint", trained, "--profile", "smoke", "--out", rows, "--data"]
    printed = said(*words, f"vkitti2={world / 'vkitti2'}", "--strata", "known")
    assert "vkitti2_dense" in printed and "AbsRel" in printed and "no scaling" in printed
    kitti = [f"kitti={world / 'kitti_raw'}", "--data", f"kitti_depth={world / 'kitti_depth'}"]
    said(*words, *kitti, "--protocol", "improved", "--flip", "--scaling", "median")
    said(*words, *kitti, "--protocol", "eigen_raw", "--precision", "tf32")
    frame = read_rows(rows)
    assert ((frame["eval_precision"] == "tf32") == (frame["protocol"] == "eigen_raw")).all()
    assert set(frame["protocol"]) == {"vkitti2_dense", "improved", "eigen_raw"}
    told = {name.rpartition(" miniature:")[0] for name in frame["eval_data"]}
    assert told == {"vkitti2 clone", "kitti_depth", "kitti"}
    assert frame["miniature"].all() and (frame["experiment"] == "baseline").all()
    assert (frame["flip"] == (frame["protocol"] == "improved")).all()
    assert (frame[frame["protocol"] == "improved"]["scaling"] == "median").all()
    told = refused(*words, kitti[0], "--protocol", "vkitti2_dense")
    assert "protocol vkitti2_dense needs --data vkitti2=FOLDER; named are: kitti" in told


def test_every_path_on_the_command_line_may_begin_with_the_home_folder(tmp_path, monkeypatch, refused):
    assert Path not in options.TYPES.values()
    monkeypatch.setenv("HOME", str(tmp_path))
    for kind in ("path", "file", "folder"):
        assert options.TYPES[kind]("~/a folder/b{c}") == tmp_path / "a folder" / "b{c}"
    for words in (["predict", "a.png", "--checkpoint", "x", "--out="], ["evaluate", "--checkpoint", " "]):
        assert "is empty; name a file or a folder" in refused(*words)


def test_what_is_in_the_way_of_results_is_told_before_any_work(world, trained, tmp_path, monkeypatch, refused):
    monkeypatch.setattr("lowtex.evaluation.evaluate.evaluate", lambda *given, **more: pytest.fail("work has begun"))
    evaluate = ["evaluate", "--checkpoint", trained, "--data", f"vkitti2={world / 'vkitti2'}"]
    foreign = tmp_path / "foreign.csv"
    foreign.write_text("a,b\n1,2\n")
    for option, message in (("--out", "is not a table of rows"), ("--per-image", "is no table of scores of images")):
        assert message in refused(*evaluate, option, foreign)
        assert f"argument {option}: {tmp_path} is a folder; name a file" in refused(*evaluate, option, tmp_path)
    both = ["--out", tmp_path / "r.csv", "--per-image", tmp_path / "r.csv"]
    assert "--out and --per-image both name" in refused(*evaluate, *both)
    obstacles = {foreign: "is a file; name a folder", foreign / "deep": "nothing can be written below"}
    for command, option in (("train", "--out"), ("predict", "--out"), ("run", "--run-dir"), ("ablate", "--run-dir")):
        for place, message in obstacles.items():
            assert message in refused(command, option, place)
    assert foreign.read_text() == "a,b\n1,2\n"


def test_rows_are_written_before_words_and_no_letter_ends_a_command(world, trained, tmp_path, monkeypatch, capsys):
    rows, terminal = tmp_path / "rows.csv", io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", terminal)
    words = ["evaluate", "--checkpoint", str(trained), "--data", f"vkitti2={world / 'vkitti2'}", "--out", str(rows)]
    assert cli.main(words) == 0
    terminal.flush()
    assert "?" in terminal.buffer.getvalue().decode("cp1252") and len(read_rows(rows)) > 0

    class Full(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, "No space left on device")

    rows.unlink()
    monkeypatch.setattr(sys, "stdout", Full())
    assert cli.main(words) in (cli.FAILED, cli.BAD_INPUT)
    assert len(read_rows(rows)) > 0
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lowtex: ")]
    assert "no space left" in line.lower()
    monkeypatch.setattr(sys, "stdout", Full())
    assert cli.main(["data", "check", "--data", f"vkitti2={world / 'vkitti2'}", "--list", str(tmp_path / "l.csv")]) != 0
    assert (tmp_path / "l.csv").is_file()


def test_one_damaged_file_leaves_the_other_images_and_says_so(world, trained, tmp_path, said, capsys, refused):
    root, rows, images = tmp_path / "vkitti2", tmp_path / "rows.csv", tmp_path / "images.csv"
    shutil.copytree(world / "vkitti2", root)
    words = ["evaluate", "--checkpoint", str(trained), "--data", f"vkitti2={root}"]
    words += ["--out", str(rows), "--per-image", str(images), "--strata", "known"]
    said(*words)
    said(*words)
    [whole] = set(read_rows(rows).query("stratum == 'all'")["images"])
    scores = pd.read_csv(images)
    once = scores.groupby(["image", "stratum_kind", "stratum"]).size()
    assert (once == 1).all() and (scores["stratum"] == "all").sum() == whole, "a second call adds nothing"
    assert {"experiment", "seed", "split", "protocol", "abs_rel"} <= set(scores)
    truth = sorted(root.glob("Scene20/clone/frames/depth/Camera_0/*.png"))[0]
    truth.write_bytes(truth.read_bytes()[:100])
    assert cli.main(words) == 1
    printed = capsys.readouterr()
    assert f"{whole - 1} of {whole} images scored; 1 damaged (Scene20/clone/" in printed.out
    assert "is left out: " in printed.err and str(truth) in printed.err
    counts = read_rows(rows).query("stratum == 'all'").groupby("split")["images"].unique()
    assert counts["eigen_like/test without 1 damaged"] == [whole - 1] and counts["eigen_like/test"] == [whole]
    for path in root.glob("Scene*/clone/frames/depth/Camera_0/*.png"):
        path.write_bytes(b"")
    assert f"no image could be scored, {whole} of {whole} are damaged; the first: " in refused(*words)


def test_without_ground_truth_one_line_says_where_it_belongs(world, trained, tmp_path, refused):
    root = tmp_path / "rig"
    shutil.copytree(world / "stereo", root, ignore=shutil.ignore_patterns("depth", "disparity"))
    assert set(TRUTH_FILES) == set(DATASETS)
    line = refused("evaluate", "--checkpoint", trained, "--data", f"stereo={root}")
    assert line.count("stereo_dense") == 1 and f"ground truth belongs in {root}/depth/NAME.npy (metres) or" in line


def test_doctor_looks_at_everything_and_changes_nothing(world, tmp_path, capsys):
    cli.main(["doctor", "--data", f"kitti={world / 'kitti_raw'}", "--data", f"kitti_depth={world / 'kitti_depth'}"])
    text = capsys.readouterr().out
    for part in ("software", "machine", "notebooks", "data", "results", "torch", "memory", "disk", "kernel"):
        assert f"\n{part}" in text or f"  {part} " in text
    assert f"kitti        {world / 'kitti_raw'}" in text and "ground truth" in text
    assert "to get the real ones" in text, "what is missing comes with the way to get it"
    assert cli.main(["doctor", "--data", f"kitti={tmp_path}"]) == 1
    assert "kitti: " in capsys.readouterr().out.partition("to mend:")[2]
    assert list(tmp_path.iterdir()) == []


def test_a_home_folder_without_a_place_to_write_gets_snakemake_another(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "XDG_CACHE_HOME" not in snakemake_environment(tmp_path / ".run")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert snakemake_environment(tmp_path / ".run")["XDG_CACHE_HOME"] == str(tmp_path / ".run" / "cache")
