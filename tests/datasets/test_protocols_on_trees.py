"""True depth fed as a prediction is perfect under every protocol, on tiny trees in each layout."""

import shutil

import pytest
import torch
from dataset_trees import write_cityscapes, write_kitti, write_kitti_depth, write_vkitti2
from known_depth import KnownDepth
from torch.utils.data import Subset

from lowtex import catalog
from lowtex.catalog import PAIRS, SOURCES, data_name, identity_of, open_pairs, open_test_set, training_settings
from lowtex.data_paths import DATASETS, Roots, fingerprint
from lowtex.datasets import prepare
from lowtex.errors import DataError, OptionError
from lowtex.evaluation.evaluate import Evaluation, evaluate
from lowtex.evaluation.metrics import HIGHER_IS_BETTER
from lowtex.evaluation.protocols import GROUND_TRUTHS, PROTOCOLS
from lowtex.experiments import get_profile

SIZE = (32, 64)


def evaluate_truth(dataset, protocol) -> Evaluation:
    """Of a network that looks the true depth up; where there is none it says something else that is finite."""
    depths = [torch.zeros(1, 1, 1) if sample.depth is None else sample.depth for sample in dataset]
    known = [(sample.image, torch.where(d > 0, d, 33.0)) for sample, d in zip(dataset, depths, strict=True)]
    return evaluate(KnownDepth(known), dataset, protocol, batch_size=1)


def require_perfect(result: Evaluation) -> None:
    want = {metric: float(metric in HIGHER_IS_BETTER) for metric in result.metrics} | {"scale": 1.0}
    for row in result.per_image.to_dict("records"):
        assert {metric: row[metric] for metric in want} == pytest.approx(want, abs=1e-7), row["image"]


@pytest.mark.filterwarnings("ignore:not every image could be scored")
@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_true_depth_is_perfect(roots, name):
    is_partial = PROTOCOLS[name].ground_truth in ("velodyne_x", "velodyne_z", "improved", "vkitti2")
    dataset = open_test_set(name, roots, "available" if is_partial else None, SIZE)
    assert dataset.ground_truth == PROTOCOLS[name].ground_truth
    assert all(sample.other is None for sample in dataset), "a test set needs one view"
    result = evaluate_truth(dataset, name)
    require_perfect(result)
    # this tree's few laser points lie outside of the crops of some
    assert result.images == len(dataset) or PROTOCOLS[name].crop


REAL = {
    "eigen_raw": (4, (14_000, 19_500)),
    "eigen_raw_z": (4, (14_000, 19_500)),
    "improved": (3, (87_000, 92_000)),
    "improved_garg": (3, (60_000, 90_000)),
    "make3d_c1": (4, (1000, 21 * 305)),
    "make3d_c1_centred": (4, (1000, 21 * 305)),
    "cityscapes": (1, (0.5 * 512 * 1664, 512 * 1664)),
    "cityscapes_full": (1, (512 * 1664, 1024 * 2048)),
}
"""Real images with ground truth, and least and most pixels that count in one of them."""


@pytest.mark.filterwarnings("ignore:not every image could be scored")
@pytest.mark.parametrize("name", REAL)
def test_the_truth_of_real_images_is_perfect(name, real_data):
    count, pixels = REAL[name]
    roots = Roots({root: real_data / {"kitti": "kitti_raw"}.get(root, root) for root in DATASETS}, frozenset(DATASETS))
    city = {"split": "train", "typical_camera": True} if name.startswith("cityscapes") else {"split": "available"}
    images = open_test_set(name, roots, size=(96, 320), **city)
    result = evaluate_truth(images, name)
    assert result.images == count == len(images) - len(result.unscored)
    assert result.per_image["pixels"].between(*pixels).all()
    if name == "improved":
        # it counts the few pixels beyond its own clamp, where no prediction can be right
        assert result.per_image["abs_rel"].between(0, 1e-4).all()
    else:
        require_perfect(result)


def test_a_reader_says_its_ground_truth(roots):
    dataset = open_test_set("vkitti2_dense", roots, "test", SIZE)
    known = KnownDepth((sample.image, sample.depth.clamp(min=1)) for sample in dataset)
    for images in (dataset, Subset(dataset, [0])):
        with pytest.raises(OptionError, match="eigen_raw.*VirtualKitti2 has 'vkitti2'; use vkitti2_dense or vkitti2_g"):
            evaluate(known, images, "eigen_raw")
    assert evaluate(known, [dataset[0]], "eigen_raw").images == 1, "a list says nothing"


def test_the_table_knows_every_kind_and_every_root():
    assert set(SOURCES) == set(GROUND_TRUTHS)
    assert {source.root for source in SOURCES.values()} == set(DATASETS) - {"kitti_pairs"}
    assert set(PAIRS) == set(DATASETS) - {"make3d", "kitti_depth", "kitti_2015"}
    assert catalog.default_protocol([]) == "vkitti2_dense"
    assert catalog.default_protocol(["kitti", "kitti_depth"]) == "improved"
    assert catalog.needed_roots("improved") == ("kitti_depth", "kitti")


def test_rows_say_which_images_they_are(roots):
    def name_of(protocol, split=None, **options):
        root = SOURCES[PROTOCOLS[protocol].ground_truth].root
        name = data_name(open_test_set(protocol, roots, split, SIZE, **options), root)
        words, hashed = name.rsplit(" ", 1)
        assert hashed.startswith("real:") and len(hashed) == 17
        return words

    assert name_of("vkitti2_dense", "test") == "vkitti2 clone"
    assert name_of("vkitti2_dense", "test", variation="fog") == "vkitti2 fog"
    assert name_of("vkitti2_dense", "available") == "vkitti2 clone+fog"
    assert name_of("cityscapes") == "cityscapes bottom_quarter"
    assert name_of("cityscapes_full", crop="bottom_fifth") == "cityscapes bottom_fifth"
    assert name_of("cityscapes_full") == "cityscapes uncropped"
    assert name_of("make3d_c1") == "make3d" and name_of("stereo_dense") == "stereo"
    assert name_of("eigen_raw", "available") == "kitti" and name_of("improved", "available") == "kitti_depth"
    assert name_of("eigen_raw", "available", camera="right") == "kitti right camera"
    assert name_of("eigen_raw", "available", camera="both") == "kitti both cameras"


@pytest.mark.parametrize("root", PAIRS)
def test_each_thing_that_changes_the_samples_changes_what_they_are(tmp_path, roots, root):
    """Each file a sample needs, in turn, then options; a copy of all is the same."""
    split = "train" if root in ("cityscapes", "stereo") else "available"

    def source(place, **options):
        return training_settings(open_pairs(root, place, split, SIZE, **options), root, place)["data__source"]

    folder = shutil.copytree(roots[root], tmp_path / root)
    pairs = open_pairs(root, folder, split, SIZE)
    settings = training_settings(pairs, root, folder)
    assert len(pairs) >= 2 and pairs[0].other is not None and pairs[0].depth is None
    assert tuple(pairs[0].image.shape) == (3, *SIZE) and settings["data__dataset"] == root
    assert settings.get("data__variation") == ("clone+fog" if root == "vkitti2" else None)
    usual = settings["data__source"]
    assert usual.startswith("real:") and source(roots[root]) == usual
    found, needed = {usual}, dict.fromkeys(path for i in range(len(pairs)) for path in pairs.needed(i))
    assert any(path.suffix in (".txt", ".yaml", ".json") for path in needed)
    for path in needed:
        kept = path.read_bytes()
        # a comment, or what decoders pass over: of the same length, so that the content alone tells
        path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]) if path.suffix in (".png", ".jpg") else kept + b" ")
        found.add(source(folder))
        path.write_bytes(kept)
    assert len(found) == 1 + len(needed)
    more = [{"camera": "both"}] + ([{"crop": None}] if root == "cityscapes" else [])
    assert not {source(folder, **options) for options in more} & found
    assert source(folder) == usual


def test_prepared_samples_are_what_they_hold(roots, tmp_path):
    pairs = open_pairs("stereo", roots["stereo"], "train", SIZE)
    folders = [prepare(pairs, tmp_path / name, progress=False, tell=str) for name in ("a", "b")]
    shutil.copytree(roots["stereo"], tmp_path / "changed")
    shutil.copy(tmp_path / "changed" / "left" / "a.png", tmp_path / "changed" / "left" / "c.png")
    changed = open_pairs("stereo", tmp_path / "changed", "train", SIZE)
    folders.append(prepare(changed, tmp_path / "c", progress=False, tell=str))
    told = [identity_of(open_pairs("stereo", folder, "all", SIZE)) for folder in folders]
    assert told[0] == told[1] and told[0].images != told[2].images and told[0].others == told[2].others


def test_a_miniature_the_kit_keeps_is_known_by_its_manifest(tmp_path, monkeypatch):
    """Its keys and the names in its rows are those of the committed evidence."""
    monkeypatch.setattr("lowtex.data_paths.miniature_folder", lambda profile: tmp_path / profile)
    folder = tmp_path / "smoke" / "vkitti2"
    write_vkitti2(folder, {"Scene01": 1, "Scene20": 1})
    (folder / "miniature.json").write_text("{}")
    roots, size = Roots({"vkitti2": folder}), get_profile("smoke").size
    test = open_test_set("vkitti2_dense", roots, "test", size)
    assert data_name(test, "vkitti2") == "vkitti2 clone"
    settings = training_settings(open_pairs("vkitti2", folder, "test", size), "vkitti2", folder)
    assert settings["data__source"] == fingerprint(folder, test.names)
    (tmp_path / "mine.txt").write_text("Scene20/clone 0 l\n")
    listed = open_test_set("vkitti2_dense", roots, str(tmp_path / "mine.txt"), size)
    assert data_name(listed, "vkitti2").startswith("vkitti2 clone miniature:")
    assert data_name(test, "vkitti2", size) == "vkitti2 clone"
    assert data_name(test, "vkitti2", SIZE) == f"vkitti2 clone at {size[1]}x{size[0]}"
    right = open_test_set("vkitti2_dense", roots, "test", size, camera="right")
    assert data_name(right, "vkitti2") == "vkitti2 clone right camera"
    away = shutil.copytree(folder, tmp_path / "copied" / "elsewhere")
    elsewhere = open_test_set("vkitti2_dense", Roots({"vkitti2": away}), "test", size)
    assert identity_of(elsewhere).beside, "whoever copies it may change it"


def test_a_typical_camera_is_told(roots, tmp_path):
    write_cityscapes(tmp_path, cameras=False)
    there = Roots({**roots.paths, "cityscapes": tmp_path}, roots.named)
    with pytest.raises(DataError, match="typical_camera"):
        open_test_set("cityscapes", there, None, SIZE)
    typical = open_test_set("cityscapes", there, None, SIZE, typical_camera=True)
    assert data_name(typical, "cityscapes").startswith("cityscapes bottom_quarter typical camera real:")
    pairs = open_pairs("cityscapes", tmp_path, "train", SIZE, typical_camera=True)
    settings = training_settings(pairs, "cityscapes", tmp_path, {"typical_camera": True})
    assert settings["data__source"].startswith("real:") and settings["data__source"].endswith(" typical_camera=True")


def test_improved_truth_never_takes_the_images_of_a_miniature(roots, tmp_path):
    # the images lie beside the maps; a miniature root of `kitti` that is not named must not be looked at
    write_kitti(tmp_path / "kitti_raw")
    write_kitti_depth(tmp_path / "kitti_depth")
    paths = {**roots.paths, "kitti_depth": tmp_path / "kitti_depth", "kitti": tmp_path / "no" / "miniature"}
    dataset = open_test_set("improved", Roots(paths, frozenset(["kitti_depth"])), "available", SIZE)
    assert dataset.raw_root == tmp_path / "kitti_raw"
    with pytest.raises(DataError, match="miniature"):
        open_test_set("improved", Roots(paths, frozenset()), "available", SIZE)


@pytest.mark.parametrize("root", ["make3d", "kitti_depth", "kitti_2015", "sintel"])
def test_what_has_no_pairs_is_not_trained_on(roots, root):
    with pytest.raises(OptionError, match=f"training data='{root}' is not known"):
        open_pairs(root, roots.paths["kitti"], "train", SIZE)
