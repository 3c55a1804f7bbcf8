"""The command line: every command on a tiny world, its errors, and its exit codes."""

import argparse
import errno
import io
import re
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from lowtex.errors import DataError, OptionError
from lowtex.evaluation.evaluate import predict_photo
from lowtex.geometry import StereoRig
from lowtex_lab import cli
from lowtex_lab.cli.evaluate import find_photos
from lowtex_lab.cli.predict_files import predict_files, write_depth
from lowtex_lab.cli.run import _environment as snakemake_environment


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The miniatures of the smoke profile, written by the command."""
    folder = tmp_path_factory.mktemp("world")
    assert cli.main(["data", "miniature", "--profile", "smoke", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def trained(world, tmp_path_factory):
    """A baseline trained for four steps, by the command; its folder."""
    out = tmp_path_factory.mktemp("experiments")
    words = ["train", "baseline", "--profile", "smoke", "--data", f"vkitti2={world / 'vkitti2'}", "--out", str(out)]
    assert cli.main(words) == 0
    [folder] = [path for path in out.iterdir() if path.name.startswith("baseline")]
    return folder


class FlatNetwork(torch.nn.Module):
    """Predicts focal / width metres times ten everywhere, so that every expected number is known."""

    reference_focal = 0.5

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def depth(self, image, rig):
        assert image.shape[-2:] == (32, 64) and (rig.height, rig.width) == (32, 64)
        return torch.full((1, 1, 32, 64), 10.0 * rig.focal_px / rig.width)


def load_flat(path):
    return FlatNetwork(), {"size": (32, 64), "facts": {"rig": {"focal_px": 32.0, "baseline_m": 0.5, "width": 64}}}


def photo(path, height=50, width=100, value=90):
    cv2.imwrite(str(path), np.full((height, width, 3), value, np.uint8))
    return path


def said(capsys) -> str:
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"example:\n  lowtex {command}" in text
    assert all(len(line) <= 125 for line in text.splitlines())


def test_help_lists_all_commands_without_importing_torch():
    code = "import sys\nfrom lowtex_lab import cli\ntry: cli.main(['--help'])\n"
    code += "except SystemExit: print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(name in out for name in cli.COMMANDS)
    assert out.strip().endswith("False")


@pytest.mark.parametrize("words", [[], ["bogus"], ["run", "--profile", "huge"], ["predict", "a.png"]])
def test_a_wrong_command_line_exits_with_2(words, capsys):
    assert cli.main(words) == 2
    text = said(capsys)
    assert text.startswith("lowtex: ") and "--help` shows the options" in text and "\n" not in text


def test_errors_are_one_line_interrupts_130_and_others_are_not_hidden(monkeypatch, capsys):
    def fail(error):
        def action(options):
            raise error

        return action

    class Parser:
        def parse_args(self, words):
            return Namespace(run=self.action)

    parser = Parser()
    monkeypatch.setattr(cli, "build_parser", lambda only: parser)
    parser.action = fail(DataError("a.png is\n  truncated"))
    assert cli.main([]) == 2
    assert said(capsys) == "lowtex: a.png is truncated"
    parser.action = fail(KeyboardInterrupt())
    assert cli.main([]) == 130
    assert "what was finished is kept" in said(capsys)
    parser.action = fail(ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError):
        cli.main([])
    parser.action = lambda options: None
    assert cli.main([]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run --only 99", "there is no notebook '99'; there are: 00_start_here"),
        ("run --data kitti", "must read NAME=FOLDER"),
        ("run --data kitty=/", "'kitty' is not known; choose one of: vkitti2, kitti, kitti_depth"),
        ("run --data kitti=no/such/folder", "no/such/folder is not a folder; check --data kitti=FOLDER"),
        ("run --data kitti=~nosuchuser/x", "~nosuchuser/x is not a folder; check --data kitti=FOLDER"),
        ("run --run-dir ~nosuchuser/x --only 99", "99"),
        ("run --set 04.nothing_like_it=1", "'nothing_like_it' is not known; choose one of:"),
        ("run --set seed", "must read name=value"),
        ("run --cores 0", "argument --cores: '0' must be a whole number >= 1"),
        ("train nothing", "experiment='nothing' is not known; choose one of: baseline, featdepth, encoder"),
        ("train", "name an experiment, e.g. `lowtex train ours`"),
        ("train resnet-pixels-first", "did you mean resnet-pixels-first-plain"),
        ("train baseline --set loss.nothing=1", "loss.nothing is not a setting; loss has: data_term, pixel_weight"),
        ("train baseline --set smooth=1", "must read part.name=value"),
        ("train baseline --data kitti_depth=.", "'kitti_depth' is not known; choose one of: vkitti2, kitti, citys"),
        ("train baseline --data kitti=. --data vkitti2=.", "train on one data set at a time"),
        ("train baseline --set loss.auto_mask=maybe", "--set loss.auto_mask=maybe must be true or false"),
        ("train baseline --set loss.smooth_first=0,01", "--set loss.smooth_first=0,01 must be a number >= 0"),
        ("train baseline --set schedule.learning_rate=abc", "learning_rate=abc must be a number > 0"),
        ("train baseline --set schedule.batch_size=2.0", "batch_size=2.0 must be a whole number >= 1"),
        ("train baseline --set feature_net.depth=18", "experiment 'baseline' compares no feature maps"),
        ("train baseline --set data.split=val", "what is trained on is said by --data, --split and --reader"),
        ("train baseline --steps 5 --set schedule.steps=6", "--steps and --set schedule.steps say the same"),
        ("train baseline --steps 0", "argument --steps: '0' must be a whole number >= 1"),
        ("train baseline --seed -1", "argument --seed: '-1' must be a whole number >= 0"),
        ("run --seed 1.5", "argument --seed: '1.5' must be a whole number >= 0"),
        ("run --timeout nan", "argument --timeout: 'nan' must be a number > 0"),
        ("data rig --pairs 0", "argument --pairs: '0' must be a whole number >= 1"),
        ("evaluate --checkpoint no/such", "no checkpoint at no/such"),
        ("predict no/such.png --checkpoint x", "no/such.png does not exist; give image files"),
        ("data miniature --profile paper", "profile=paper has no miniatures, it reads real data"),
        ("figures --run-dir no/such", "no/such"),
    ],
)
def test_bad_input_is_one_line_that_names_it(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words.split()) == 2
    text = said(capsys)
    assert message in text and text.startswith("lowtex: ") and "\n" not in text
    assert list(tmp_path.iterdir()) == []


def test_data_writes_all_three_and_a_second_call_nothing(world, capsys):
    assert {"vkitti2", "kitti_raw", "kitti_depth", "manifest.json"} <= {path.name for path in world.iterdir()}
    before = {path: path.stat().st_mtime_ns for path in world.rglob("*") if path.name != ".lock"}
    assert cli.main(["data", "miniature", "--profile", "smoke", "--out", str(world)]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in world.rglob("*") if path.name != ".lock"}
    assert "vkitti2: " in capsys.readouterr().out


def test_train_finds_what_is_trained_and_fine_tunes(world, trained, capsys):
    words = ["train", "baseline", "--profile", "smoke", "--out", str(trained.parent)]
    before = (trained / "network.safetensors").stat().st_mtime_ns
    assert cli.main([*words, "--data", f"vkitti2={world / 'vkitti2'}"]) == 0
    assert (trained / "network.safetensors").stat().st_mtime_ns == before
    real = ["--data", f"kitti={world / 'kitti_raw'}", "--init", str(trained)]
    assert cli.main([*words, *real, "--steps", "1"]) == 0
    [tuned] = trained.parent.glob("baseline_finetuned-s0-*")
    assert (tuned / "done.json").is_file()
    capsys.readouterr()
    assert cli.main([*words, *real, "--set", "network.width=0.25"]) == 2
    assert "width is 0.125 in the checkpoint, 0.25 here" in said(capsys)
    assert not [path for path in trained.parent.iterdir() if path.name.startswith("feature_net")]


def test_evaluate_prints_a_table_and_adds_rows(world, trained, capsys, tmp_path):
    from lowtex.evaluation.results import read_rows

    rows = tmp_path / "rows.csv"
    words = ["evaluate", "--checkpoint", str(trained), "--profile", "smoke", "--out", str(rows)]
    assert cli.main([*words, "--data", f"vkitti2={world / 'vkitti2'}", "--strata", "known"]) == 0
    printed = capsys.readouterr().out
    assert "vkitti2_dense" in printed and "AbsRel" in printed and "no scaling" in printed
    kitti = [f"kitti={world / 'kitti_raw'}", f"kitti_depth={world / 'kitti_depth'}"]
    both = [word for pair in kitti for word in ("--data", pair)]
    assert cli.main([*words, *both, "--protocol", "improved", "--flip", "--scaling", "median"]) == 0
    assert cli.main([*words, *both, "--protocol", "eigen_raw"]) == 0
    frame = read_rows(rows)
    assert set(frame["protocol"]) == {"vkitti2_dense", "improved", "eigen_raw"}
    told = {name.rpartition(" miniature:")[0] for name in frame["eval_data"]}
    assert told == {"vkitti2 clone", "kitti_depth", "kitti"}
    assert frame["miniature"].all() and (frame["experiment"] == "baseline").all()
    improved = frame[frame["protocol"] == "improved"]
    assert improved["flip"].all() and (improved["scaling"] == "median").all()
    assert not frame[frame["protocol"] == "eigen_raw"]["flip"].any()
    capsys.readouterr()
    assert cli.main([*words, "--data", kitti[0], "--protocol", "vkitti2_dense"]) == 2
    assert "protocol vkitti2_dense needs --data vkitti2=FOLDER; named are: kitti" in said(capsys)


def exit_code(words):
    """Of a command line, however it is refused."""
    try:
        return cli.main(words)
    except SystemExit as stopped:
        return stopped.code


def options_of(parser):
    """All options of a parser and of the parsers below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from options_of(child)
        else:
            yield action


def test_every_path_on_the_command_line_may_begin_with_the_home_folder(tmp_path, monkeypatch, capsys):
    from lowtex_lab.cli.options import file_to_write, folder_to_write, given_path

    paths = {given_path, file_to_write, folder_to_write}
    found = [action for name in cli.COMMANDS for action in options_of(cli.build_parser(name))]
    assert not [action.option_strings for action in found if action.type is Path]
    assert sum(action.type in paths for action in found) >= 18
    monkeypatch.setenv("HOME", str(tmp_path))
    for kind in paths:
        assert kind("~/a folder/b{c}") == tmp_path / "a folder" / "b{c}"
    for words in (["predict", "a.png", "--checkpoint", "x", "--out="], ["evaluate", "--checkpoint", " "]):
        assert exit_code(words) == 2
        assert "is empty; name a file or a folder" in capsys.readouterr().err


def test_what_is_in_the_way_of_results_is_told_before_any_work(world, trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("lowtex.evaluation.evaluate.evaluate", lambda *given, **more: pytest.fail("work has begun"))
    evaluate = ["evaluate", "--checkpoint", str(trained), "--data", f"vkitti2={world / 'vkitti2'}"]
    foreign = tmp_path / "foreign.csv"
    foreign.write_text("a,b\n1,2\n")
    for option, message in (("--out", "is not a table of rows"), ("--per-image", "is no table of scores of images")):
        assert cli.main([*evaluate, option, str(foreign)]) == 2
        assert message in said(capsys)
        assert exit_code([*evaluate, option, str(tmp_path)]) == 2
        assert f"argument {option}: {tmp_path} is a folder; name a file" in capsys.readouterr().err
    obstacles = {foreign: "is a file; name a folder", foreign / "deep": "nothing can be written below"}
    assert cli.main([*evaluate, "--out", str(tmp_path / "r.csv"), "--per-image", str(tmp_path / "r.csv")]) == 2
    assert "--out and --per-image both name" in said(capsys)
    for command, option in (("train", "--out"), ("predict", "--out"), ("run", "--run-dir"), ("ablate", "--run-dir")):
        for place, message in obstacles.items():
            assert exit_code([command, option, str(place)]) == 2
            assert message in capsys.readouterr().err
    assert foreign.read_text() == "a,b\n1,2\n"


def test_rows_are_written_before_words_and_no_letter_ends_a_command(world, trained, tmp_path, monkeypatch, capsys):
    from lowtex.evaluation.results import read_rows

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


def test_one_damaged_file_leaves_the_other_images_and_says_so(world, trained, tmp_path, capsys):
    from lowtex.evaluation.results import read_rows

    root, rows, images = tmp_path / "vkitti2", tmp_path / "rows.csv", tmp_path / "images.csv"
    shutil.copytree(world / "vkitti2", root)
    words = ["evaluate", "--checkpoint", str(trained), "--data", f"vkitti2={root}"]
    words += ["--out", str(rows), "--per-image", str(images), "--strata", "known"]
    assert cli.main(words) == 0 and cli.main(words) == 0
    [whole] = set(read_rows(rows).query("stratum == 'all'")["images"])
    scores = pd.read_csv(images)
    once = scores.groupby(["image", "stratum_kind", "stratum"]).size()
    assert (once == 1).all() and (scores["stratum"] == "all").sum() == whole, "a second call adds nothing"
    assert {"experiment", "seed", "split", "protocol", "abs_rel"} <= set(scores)
    truth = sorted(root.glob("Scene20/clone/frames/depth/Camera_0/*.png"))[0]
    truth.write_bytes(truth.read_bytes()[:100])
    capsys.readouterr()
    assert cli.main(words) == 1
    printed = capsys.readouterr()
    assert f"{whole - 1} of {whole} images scored; 1 damaged (Scene20/clone/" in printed.out
    assert "is left out: " in printed.err and str(truth) in printed.err
    new = read_rows(rows).query("split == 'eigen_like/test without 1 damaged' and stratum == 'all'")
    assert set(new["images"]) == {whole - 1}
    assert set(read_rows(rows).query("split == 'eigen_like/test' and stratum == 'all'")["images"]) == {whole}
    for path in root.glob("Scene*/clone/frames/depth/Camera_0/*.png"):
        path.write_bytes(b"")
    assert cli.main(words) == 2
    assert f"no image could be scored, {whole} of {whole} are damaged; the first: " in said(capsys)


def test_without_ground_truth_one_line_says_where_it_belongs(world, trained, tmp_path, capsys):
    from lowtex.catalog import TRUTH_FILES
    from lowtex.data_paths import DATASETS

    root = tmp_path / "rig"
    shutil.copytree(world / "stereo", root, ignore=shutil.ignore_patterns("depth", "disparity"))
    assert cli.main(["evaluate", "--checkpoint", str(trained), "--data", f"stereo={root}"]) == 2
    printed = capsys.readouterr()
    assert "stereo_dense" not in printed.out
    assert set(TRUTH_FILES) == set(DATASETS)
    [line] = [line for line in printed.err.splitlines() if line.startswith("lowtex: ")]
    assert line.count("stereo_dense") == 1 and f"ground truth belongs in {root}/depth/NAME.npy (metres) or" in line


def test_predict_end_to_end(world, trained, tmp_path, capsys):
    [first, *_] = sorted((world / "vkitti2").glob("Scene01/clone/frames/rgb/Camera_0/*.jpg"))
    out = tmp_path / "depth"
    assert cli.main(["predict", str(first), "--checkpoint", str(trained), "--out", str(out)]) == 0
    assert "warning: the focal length is unknown" in capsys.readouterr().out
    depth = np.load(out / f"{first.stem}.npy")
    assert depth.dtype == np.float32 and depth.shape == (64, 192) and (depth > 0).all()
    coded = cv2.imread(str(out / f"{first.stem}.png"), cv2.IMREAD_UNCHANGED)
    assert coded.dtype == np.uint16
    np.testing.assert_allclose(coded / 256.0, np.minimum(depth, 65535 / 256), atol=0.5 / 256)
    picture = cv2.imread(str(out / f"{first.stem}_depth_colour.png"))
    assert picture.std() > 10 and sorted(path.name for path in out.iterdir()) == sorted(
        f"{first.stem}{ending}" for ending in (".npy", ".png", "_depth_colour.png")
    )


def test_focal_length_scales_metres_and_is_counted_at_the_photos_size(tmp_path):
    lines = []
    known = dict(load=load_flat, tell=lines.append)
    # 0.5 of the width is the training camera's; the photo is 100 px wide
    [path] = predict_files([photo(tmp_path / "a.png")], "x", tmp_path / "out", **known)
    assert np.load(path) == pytest.approx(np.full((50, 100), 5.0))
    assert "focal length is unknown" in lines[0] and "0.500 x image width" in lines[0]
    lines.clear()
    [path] = predict_files([tmp_path / "a.png"], "x", tmp_path / "out", focal_px=80.0, existing="overwrite", **known)
    assert np.load(path) == pytest.approx(np.full((50, 100), 8.0))
    assert len(lines) == 1 and "1 of 1 photos done" in lines[0]
    with pytest.raises(OptionError, match="--focal -3.0 must be a positive number of pixels"):
        predict_files([tmp_path / "a.png"], "x", tmp_path / "out", focal_px=-3.0, **known)


def test_a_focal_length_that_is_no_number_of_pixels_is_refused(tmp_path):
    """The warning names it as a share of the width, so a share is what people type."""
    known = dict(load=load_flat, tell=lambda line: None)
    with pytest.raises(DataError, match=r"a\.png: focal length 0\.581 px .*write 0\.581 x 100 = 58\.1 with --focal"):
        predict_files([photo(tmp_path / "a.png")], "x", tmp_path / "out", focal_px=0.581, **known)


class BrightNetwork(FlatNetwork):
    """Depth is how bright the picture is, so that it shows how the file was read."""

    def depth(self, image, rig):
        return torch.full((1, 1, 32, 64), 1.0) * image.mean()


def test_deep_photos_are_read_by_the_bits_they_fill(tmp_path):
    for name, bits in (("eight", 8), ("twelve", 12)):
        values = np.full((50, 100, 3), round(0.6 * (2**bits - 1)))
        cv2.imwrite(str(tmp_path / f"{name}.png"), values.astype(np.uint8 if bits == 8 else np.uint16))

    def depth(name, trained_with=None, **options):
        facts = {"rig": {"focal_px": 32.0, "width": 64}, "image_bits": trained_with}
        known = dict(load=lambda path: (BrightNetwork(), {"size": (32, 64), "facts": facts}), tell=lambda line: None)
        photos, out = [tmp_path / f"{name}.png"], tmp_path / "out"
        [path] = predict_files(photos, "x", out, existing="overwrite", **known, **options)
        return np.load(path).mean()

    right = depth("eight")
    with pytest.raises(DataError, match=r"twelve\.png is a 16-bit image .* by --image-bits: 12, or 16"):
        depth("twelve")
    assert depth("twelve", image_bits=12) == pytest.approx(right, rel=5e-3)
    assert depth("twelve", trained_with=12) == pytest.approx(right, rel=5e-3)
    assert depth("eight", trained_with=12) == right, "8-bit photos fill 8 bits"
    assert depth("twelve", trained_with=12, image_bits=16) < right / 10
    with pytest.raises(DataError, match=r"but 10 bits end at 1023; .*--image-bits"):
        depth("twelve", image_bits=10)


def test_a_network_trained_on_12_bits_predicts_12_bits(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for folder in ("left", "right"):
        (tmp_path / "rig" / folder).mkdir(parents=True)
        values = rng.integers(0, 4096, (64, 192, 3)).astype(np.uint16)
        cv2.imwrite(str(tmp_path / "rig" / folder / "a.png"), values)
    (tmp_path / "rig" / "rig.yaml").write_text(
        "focal_px: 120\nbaseline_m: 0.2\ncx: 95\ncy: 31\nwidth: 192\nheight: 64\nimage_bits: 12\n"
    )
    words = ["train", "baseline", "--profile", "smoke", "--data", f"stereo={tmp_path / 'rig'}", "--steps", "1"]
    assert cli.main([*words, "--set", "schedule.batch_size=1", "--out", str(tmp_path / "trained")]) == 0
    [folder] = [path for path in (tmp_path / "trained").iterdir() if path.name.startswith("baseline")]
    deep = str(tmp_path / "rig" / "left" / "a.png")
    metres = []
    for number, more in enumerate(([], ["--image-bits", "12"])):
        out = tmp_path / str(number)
        assert cli.main(["predict", deep, "--checkpoint", str(folder), "--out", str(out), *more]) == 0
        metres.append(np.load(out / "a.npy"))
    np.testing.assert_array_equal(*metres)


def test_several_photos_folders_and_a_damaged_one(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("b10.png", "b2.png", "c.jpg"):
        photo(folder / name)
    (folder / "notes.txt").write_text("not an image")
    (folder / "._c.jpg").write_bytes(b"of macOS")
    whole = (folder / "b10.png").read_bytes()
    (folder / "b10.png").write_bytes(whole[: len(whole) // 2])
    photos = find_photos([folder, folder / "c.jpg"])
    assert [path.name for path in photos] == ["b2.png", "b10.png", "c.jpg"]
    lines = []
    with pytest.raises(DataError, match=r"1 of 3 photos could not be predicted; the first: .*b10\.png"):
        predict_files(photos, "x", tmp_path / "out", load=load_flat, tell=lines.append)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.npy")) == ["b2.npy", "c.npy"]
    photo(folder / "wide.png", 40, 400)
    predict_files([folder / "wide.png"], "x", tmp_path / "out", load=load_flat, tell=lines.append)
    assert any("wide.png is 400x40" in line and "squeezes" in line for line in lines)


def test_a_photo_is_never_overwritten_nor_two_written_as_one(tmp_path):
    original = photo(tmp_path / "a.png")
    before = original.read_bytes()
    with pytest.raises(OptionError, match=r"a\.png would be overwritten by its depth map"):
        predict_files([original], "x", tmp_path, load=load_flat)
    assert original.read_bytes() == before
    photo(tmp_path / "a.jpg")
    with pytest.raises(OptionError, match=r"would both write .*a\.npy"):
        predict_files(find_photos([tmp_path]), "x", tmp_path / "out", load=load_flat)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        find_photos([tmp_path / "empty"])


def test_earlier_depth_is_replaced_only_where_that_is_asked_for(world, trained, tmp_path, capsys, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    photos, out = [photo(tmp_path / f"{name}.png") for name in "ab"], tmp_path / "out"
    lines = []
    known = dict(load=load_flat, tell=lines.append)
    predict_files(photos[:1], "x", out, focal_px=80.0, **known)
    with pytest.raises(OptionError, match=r"depth of 1 of 2 photos \(such as a.npy\); add --overwrite"):
        predict_files(photos, "x", out, load=lambda path: pytest.fail("work has begun"))
    assert len(predict_files(photos, "x", out, existing="skip", **known)) == 1
    assert np.load(out / "a.npy").max() == pytest.approx(8.0), "as it was"
    assert predict_files(photos, "x", out, existing="skip", **known) == []
    assert len(predict_files(photos, "x", out, existing="overwrite", **known)) == 2
    assert np.load(out / "a.npy").max() == pytest.approx(5.0)
    words = ["predict", str(photos[0]), "--checkpoint", str(trained), "--out", str(out)]
    assert [cli.main([*words, *more]) for more in ([], ["--overwrite"], ["--skip-existing"])] == [2, 0, 0]
    capsys.readouterr()
    monkeypatch.setattr("lowtex_lab.cli.predict_files.predict_photo", interrupted)
    assert cli.main([*words, "--overwrite"]) == 130
    assert said(capsys).endswith(
        "what was finished is kept, and the same command with --skip-existing goes on from there"
    )
    photo(tmp_path / "a_depth_colour.jpg")
    with pytest.raises(OptionError, match="would both write .*a_depth_colour.png"):
        predict_files([photos[0], tmp_path / "a_depth_colour.jpg"], "x", tmp_path / "new", load=load_flat)


def test_files_that_are_no_photos_are_named_and_ppm_is_one(tmp_path):
    lines = []
    for name in ("a.ppm", "B.PNG"):
        photo(tmp_path / name)
    for name in ("c.heic", "d.HEIC", "notes", "._B.PNG"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in find_photos([tmp_path], lines.append)] == ["a.ppm", "B.PNG"]
    [line] = lines
    assert line.endswith("read here: .heic (2), no ending (1)")
    for name in ("a.ppm", "B.PNG"):
        (tmp_path / name).unlink()
    with pytest.raises(DataError, match=r"holds no image .*, but \.heic \(2\)"):
        find_photos([tmp_path], lines.append)


def test_a_full_disk_leaves_no_part_of_a_photos_depth(tmp_path, monkeypatch):
    photos, out, calls = [photo(tmp_path / f"{name}.png") for name in "ab"], tmp_path / "out", []
    write = Path.write_bytes

    def full(path, content):
        calls.append(path)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"no space left while writing .*b.*free some space"):
        predict_files(photos, "x", out, load=load_flat, tell=lambda line: None)
    assert sorted(path.name for path in out.iterdir()) == ["a.npy", "a.png", "a_depth_colour.png"]


def test_depth_is_resized_as_inverse_depth_and_must_be_finite():
    class Halves(FlatNetwork):
        def depth(self, image, rig):
            depth = torch.full((1, 1, 32, 64), 2.0)
            depth[..., 32:] = 8.0
            return depth

    image = np.zeros((32, 128, 3), np.uint8)
    depth = predict_photo(Halves(), (32, 64), image, 64.0, 0.5)
    # between 1/2 and 1/8 a quarter of the way in inverse depth, not in depth
    assert depth[5, 63] == pytest.approx(1 / (0.75 / 2 + 0.25 / 8), rel=1e-5)

    class Broken(FlatNetwork):
        def depth(self, image, rig):
            return torch.full((1, 1, 32, 64), float("nan"))

    with pytest.raises(DataError, match="not finite and positive"):
        predict_photo(Broken(), (32, 64), image, 64.0, 0.5)
    assert StereoRig(64.0, 0.5, width=128, height=32).resized(64, 32).focal_px == 32.0


def test_depth_png_is_clipped_at_its_ends(tmp_path):
    depth = np.array([[1e-4, 1.0, 255.0, 900.0]] * 4, np.float32)
    path = write_depth(tmp_path / "d", depth, np.zeros((4, 4, 3), np.uint8))
    assert np.load(path).max() == 900.0
    coded = cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED)
    assert coded[0].tolist() == [1, 256, 65280, 65535], "0 would mean no value"


def test_doctor_looks_at_everything_and_changes_nothing(world, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    cli.main(["doctor", "--data", f"kitti={world / 'kitti_raw'}", "--data", f"kitti_depth={world / 'kitti_depth'}"])
    text = capsys.readouterr().out
    for part in ("software", "machine", "notebooks", "data", "results", "torch", "memory", "disk", "kernel"):
        assert f"\n{part}" in text or f"  {part} " in text
    assert f"kitti        {world / 'kitti_raw'}" in text and "ground truth" in text
    assert "to get the real ones" in text, "what is missing comes with the way to get it"
    assert sorted(tmp_path.rglob("*")) == before
    assert cli.main(["doctor", "--data", f"kitti={tmp_path}"]) == 1
    assert "kitti: " in capsys.readouterr().out.partition("to mend:")[2]


def test_what_the_file_system_refuses_is_one_line(world, tmp_path, capsys, monkeypatch):
    def refused(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path / "x" / "log.csv"))

    (tmp_path / "file").write_text("in the way")
    words = ["train", "baseline", "--profile", "smoke", "--data", f"vkitti2={world / 'vkitti2'}"]
    assert cli.main([*words, "--out", str(tmp_path / "file" / "x")]) == 2
    assert re.fullmatch(r"lowtex: .*/file is a file, so nothing can be written below it; .*\n", capsys.readouterr().err)
    # what no look beforehand can see
    monkeypatch.setattr("lowtex.training.train_experiment", refused)
    assert cli.main([*words, "--out", str(tmp_path / "x")]) == 1
    assert re.fullmatch(r"lowtex: \S+/x/log.csv: Read-only .*; make sure .* folder\n", capsys.readouterr().err)


def test_a_home_folder_without_a_place_to_write_gets_snakemake_another(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "XDG_CACHE_HOME" not in snakemake_environment(tmp_path / ".run")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert snakemake_environment(tmp_path / ".run")["XDG_CACHE_HOME"] == str(tmp_path / ".run" / "cache")
