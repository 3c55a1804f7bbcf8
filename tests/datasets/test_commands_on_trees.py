"""`lowtex train` and `lowtex evaluate` on tiny trees in the layouts of Cityscapes, Make3D and a folder of one's own."""

import pytest
from dataset_trees import write_vkitti2
from dataset_trees_cityscapes import write_cityscapes
from dataset_trees_make3d import write_make3d
from test_protocols_on_trees import write_stereo

from lowtex import cli
from lowtex.checkpoints import load_network
from lowtex.results import read_rows


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    top = tmp_path_factory.mktemp("trees")
    write_cityscapes(top / "cityscapes")
    write_make3d(top / "make3d")
    write_vkitti2(top / "vkitti2", {"Scene01": 1, "Scene02": 1, "Scene18": 1, "Scene20": 1}, ("clone", "fog"))
    write_stereo(top / "stereo")
    return top


def train(trees, out, data, *more):
    words = ["train", "baseline", "--profile", "smoke", "--device", "cpu", "--out", str(out)]
    assert cli.main([*words, "--data", f"{data}={trees / data}", *more]) == 0
    [folder] = [path for path in out.iterdir() if path.name.startswith("baseline")]
    return folder


@pytest.fixture(scope="module")
def trained(trees, tmp_path_factory):
    return train(trees, tmp_path_factory.mktemp("trained"), "cityscapes")


def test_training_on_cityscapes_and_on_a_folder_of_ones_own(trees, trained, tmp_path):
    data = load_network(trained)[1]["experiment"].data
    assert (data.dataset, data.split) == ("cityscapes", "train") and data.source.startswith("real:")
    network, known = load_network(train(trees, tmp_path / "own", "stereo"))
    assert known["experiment"].data.dataset == "stereo" and known["experiment"].data.split == "all"
    assert network.metres_per_unit == pytest.approx(1.0), "baseline 0.1 m over the pretended 0.1"


def test_training_on_a_variation_says_so(trees, tmp_path, capsys):
    by_reader = train(trees, tmp_path / "a", "vkitti2", "--reader", "variation=fog", "--steps", "1")
    by_setting = train(trees, tmp_path / "b", "vkitti2", "--set", "data.variation=fog", "--steps", "1")
    experiments = [load_network(folder)[1]["experiment"] for folder in (by_reader, by_setting)]
    assert experiments[0].data.variation == "fog" and experiments[0].key == experiments[1].key
    plain = train(trees, tmp_path / "c", "vkitti2", "--steps", "1")
    assert load_network(plain)[1]["experiment"].data.variation == "clone"
    capsys.readouterr()
    words = ["train", "baseline", "--profile", "smoke", "--data", f"vkitti2={trees / 'vkitti2'}", "--reader", "fog"]
    assert cli.main(words) == 2
    assert "--reader 'fog' must read NAME=VALUE, e.g. variation=fog" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "words", "protocol", "name", "crop"),
    [
        ("make3d", [], "make3d_c1", "make3d", "c1"),
        ("make3d", ["--protocol", "make3d_c1_centred"], "make3d_c1_centred", "make3d", "c1"),
        ("cityscapes", [], "cityscapes", "cityscapes bottom_quarter", "manydepth in bottom_quarter"),
        (
            "cityscapes",
            ["--protocol", "cityscapes_full", "--reader", "crop=bottom_fifth", "--split", "train"],
            "cityscapes_full",
            "cityscapes bottom_fifth",
            "none",
        ),
        ("stereo", [], "stereo_dense", "stereo", "none"),
        ("vkitti2", ["--reader", "variation=fog"], "vkitti2_dense", "vkitti2 fog", "none"),
    ],
)
def test_evaluation_on_every_layout(trees, trained, tmp_path, capsys, data, words, protocol, name, crop):
    rows = tmp_path / "rows.csv"
    call = ["evaluate", "--checkpoint", str(trained), "--device", "cpu", "--out", str(rows)]
    assert cli.main([*call, "--data", f"{data}={trees / data}", *words]) == 0
    assert protocol in capsys.readouterr().out
    found = read_rows(rows)
    assert set(found["protocol"]) == {protocol} and set(found["eval_data"]) == {name} and set(found["crop"]) == {crop}
    assert not found["miniature"].any() and found["train_data"].str.startswith("cityscapes train real:").all()
    make3d = data == "make3d"
    assert set(found["scaling"]) == {"median" if make3d else "none"}
    assert ("log10" in set(found["metric"])) == make3d


def test_scoring_what_was_learnt_from_is_told(trees, trained, capsys):
    words = ["evaluate", "--checkpoint", str(trained), "--device", "cpu", "--data"]
    city = [*words, f"cityscapes={trees / 'cityscapes'}", "--split"]
    told = "these are the very images it was trained on"
    assert cli.main([*city, "train"]) == 0 and told in capsys.readouterr().out
    assert cli.main([*city, "val"]) == 0 and told not in capsys.readouterr().out
    assert cli.main([*words, f"stereo={trees / 'stereo'}"]) == 0 and told not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "make3d=MAKE3D", "--protocol", "eigen_raw"], "protocol eigen_raw needs --data kitti=FOLDER"),
        (["--data", "make3d=MAKE3D", "--reader", "crop=None"], "needs images cropped to 'c1'"),
        (["--data", "make3d=MAKE3D", "--reader", "crop=d9"], "crop='d9' is not known"),
        (["--data", "make3d=MAKE3D", "--reader", "colour=1"], "data set 'make3d' has no option 'colour'"),
        (["--data", "make3d=MAKE3D", "--protocol", "make3d_c2"], "protocol='make3d_c2' is not known"),
        (["--data", "make3d=MAKE3D", "--scaling", "x"], "scaling='x' is not known; choose one of: none, median, or a"),
    ],
)
def test_bad_calls_are_one_line(trees, trained, capsys, words, message):
    words = [word.replace("MAKE3D", str(trees / "make3d")) for word in words]
    assert cli.main(["evaluate", "--checkpoint", str(trained), *words]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1


def test_make3d_has_nothing_to_train_on(trees, capsys):
    assert cli.main(["train", "baseline", "--profile", "smoke", "--data", f"make3d={trees / 'make3d'}"]) == 2
    assert "'make3d' is not known; choose one of: vkitti2, kitti, cityscapes, stereo" in capsys.readouterr().err
