"""True depth fed as a prediction is perfect under every protocol, read from tiny trees in each data set's layout."""

import json

import cv2
import numpy as np
import pytest
import torch
from dataset_trees import write_kitti, write_kitti_depth, write_vkitti2
from dataset_trees_cityscapes import write_cityscapes
from dataset_trees_make3d import write_make3d

from lowtex.errors import DataError, OptionError
from lowtex.evaluation import evaluate, ground_truth_of, score
from lowtex.metrics import HIGHER_IS_BETTER, METRICS
from lowtex.protocols import GROUND_TRUTHS, PROTOCOLS
from lowtex.roots import DATASETS, Roots
from lowtex.sources import (
    PAIRS,
    SOURCES,
    data_name,
    default_protocol,
    needed_roots,
    open_pairs,
    open_test_set,
    require_named,
    training_settings,
)

SIZE = (32, 64)


def write_stereo(root):
    """Two pairs with depth in ``.npy`` metres."""
    random = np.random.default_rng(0)
    for number in range(2):
        for side in ("left", "right"):
            (root / side).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / side / f"{number}.png"), random.integers(0, 255, (20, 40, 3)).astype(np.uint8))
        (root / "depth").mkdir(exist_ok=True)
        depth = random.uniform(0.5, 60, (20, 40)).astype(np.float32)
        depth[:3] = 0
        np.save(root / "depth" / f"{number}.npy", depth)
    (root / "rig.yaml").write_text("focal_px: 40\nbaseline_m: 0.1\ncx: 19.5\ncy: 9.5\nwidth: 40\nheight: 20\n")


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """All six data sets, tiny, as if the user had named them."""
    top = tmp_path_factory.mktemp("trees")
    paths = {name: top / name for name in DATASETS}
    write_kitti(paths["kitti"])
    write_kitti_depth(paths["kitti_depth"])
    write_vkitti2(paths["vkitti2"], {"Scene01": 2, "Scene20": 1}, variations=("clone", "fog"))
    write_make3d(paths["make3d"])
    write_cityscapes(paths["cityscapes"])
    write_stereo(paths["stereo"])
    return Roots(paths, frozenset(DATASETS))


def split_of(protocol):
    kind = PROTOCOLS[protocol].ground_truth
    return "available" if kind in ("velodyne_x", "velodyne_z", "improved", "vkitti2") else None


class Knows:
    """A network that looks the true depth up; where there is none it says something else that is finite."""

    def __init__(self, dataset):
        self.known = {sample.name: sample for sample in (dataset[i] for i in range(len(dataset)))}
        self.images = [(sample.image, sample.depth) for sample in self.known.values()]

    def depth(self, image, rig):
        assert len(image) == 1
        depth = next(depth for seen, depth in self.images if torch.equal(seen, image[0]))
        return torch.where(depth > 0, depth, 33.0)[None]


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_true_depth_is_perfect(roots, name):
    protocol = PROTOCOLS[name]
    dataset = open_test_set(name, roots, split_of(name), SIZE)
    assert ground_truth_of(dataset) == protocol.ground_truth
    samples = [dataset[i] for i in range(len(dataset))]
    scored = 0
    for sample in samples:
        assert sample.other is None, "a test set needs one view"
        if sample.depth is None:
            continue
        truth = sample.depth
        rows = score(torch.where(truth > 0, truth, 33.0), sample, name)
        scored += len(rows)
        for row in rows:
            for metric in (*METRICS, *(["log10"] if protocol.log10 else [])):
                want = 1.0 if metric in HIGHER_IS_BETTER else 0.0
                assert row[metric] == pytest.approx(want, abs=1e-7), (sample.name, metric)
            assert row["scale"] == pytest.approx(1)
    # this tree's few laser points lie outside of the crops of some
    assert scored == len([s for s in samples if s.depth is not None]) or protocol.crop


@pytest.mark.parametrize("name", ["improved", "vkitti2_dense", "make3d_c1", "cityscapes", "stereo_dense"])
def test_the_whole_way_from_files_to_rows(roots, name):
    dataset = open_test_set(name, roots, split_of(name), SIZE)
    result = evaluate(Knows(dataset), dataset, name, batch_size=1)
    row = result.means().iloc[0]
    assert result.images == len(dataset) and not result.unscored
    assert row["d1"] == 1 and row["abs_rel"] == pytest.approx(0, abs=1e-7)
    assert ("log10" in row) == (name == "make3d_c1")


def test_the_table_knows_every_kind_and_every_root():
    assert set(SOURCES) == set(GROUND_TRUTHS)
    assert {source.root for source in SOURCES.values()} == set(DATASETS)
    assert set(PAIRS) == set(DATASETS) - {"make3d", "kitti_depth"}
    for kind, source in SOURCES.items():
        assert PROTOCOLS[source.protocol].ground_truth == kind
        assert source.options.get("crop") == PROTOCOLS[source.protocol].image_crop
    assert {name: default_protocol([name]) for name in DATASETS} == {
        "vkitti2": "vkitti2_dense",
        "kitti": "eigen_raw",
        "kitti_depth": "improved",
        "make3d": "make3d_c1",
        "cityscapes": "cityscapes",
        "stereo": "stereo_dense",
    }
    assert default_protocol([]) == "vkitti2_dense" and default_protocol(["kitti", "kitti_depth"]) == "improved"
    assert needed_roots("improved") == ("kitti_depth", "kitti") and needed_roots("make3d_c1") == ("make3d",)
    require_named("make3d_c1", [])
    with pytest.raises(OptionError, match="protocol make3d_c1 needs --data make3d=FOLDER; named are: kitti"):
        require_named("make3d_c1", ["kitti"])


def test_the_reader_makes_the_crops_that_the_protocol_requires(roots):
    make3d = open_test_set("make3d_c1", roots, None, SIZE)
    assert make3d.split == "test" and len(make3d) == 3 and make3d[0].depth.shape == (1, 21, 305)
    city = open_test_set("cityscapes", roots, None, SIZE)
    assert city.split == "val" and city[0].depth.shape == (1, 15, 40)
    whole = open_test_set("cityscapes_full", roots, None, SIZE, crop=None)
    assert whole[0].depth.shape == (1, 20, 40)
    assert evaluate(Knows(whole), whole, "cityscapes_full", batch_size=1).images == 1
    with pytest.raises(OptionError, match="needs images cropped to 'bottom_quarter'.*Cityscapes has crop=None"):
        evaluate(Knows(whole), whole, "cityscapes")
    uncropped = open_test_set("make3d_c1", roots, None, SIZE, crop=None)
    with pytest.raises(OptionError, match="choose --reader crop=c1"):
        evaluate(Knows(uncropped), uncropped, "make3d_c1")


def test_rows_say_which_images_they_are(roots):
    def name_of(protocol, split=None, **options):
        return data_name(open_test_set(protocol, roots, split, SIZE, **options), SOURCES[protocol_kind(protocol)].root)

    def protocol_kind(protocol):
        return PROTOCOLS[protocol].ground_truth

    assert name_of("vkitti2_dense", "test") == "vkitti2 clone"
    assert name_of("vkitti2_dense", "test", variation="fog") == "vkitti2 fog"
    assert name_of("vkitti2_dense", "available") == "vkitti2 clone+fog"
    assert name_of("cityscapes") == "cityscapes bottom_quarter"
    assert name_of("cityscapes_full", crop="bottom_fifth") == "cityscapes bottom_fifth"
    assert name_of("cityscapes_full", crop=None) == "cityscapes uncropped"
    assert name_of("make3d_c1") == "make3d" and name_of("stereo_dense") == "stereo"
    assert name_of("eigen_raw", "available") == "kitti" and name_of("improved", "available") == "kitti_depth"


def test_a_typical_camera_is_told(roots, tmp_path):
    write_cityscapes(tmp_path, cameras=False)
    there = Roots({**roots.paths, "cityscapes": tmp_path}, roots.named)
    with pytest.raises(DataError, match="typical_camera"):
        open_test_set("cityscapes", there, None, SIZE)
    typical = open_test_set("cityscapes", there, None, SIZE, typical_camera=True)
    assert data_name(typical, "cityscapes") == "cityscapes bottom_quarter typical camera"
    pairs = open_pairs("cityscapes", tmp_path, "train", SIZE, typical_camera=True)
    settings = training_settings(pairs, "cityscapes", tmp_path, {"typical_camera": True})
    assert settings["data__source"].startswith("real:") and settings["data__source"].endswith(" typical_camera=True")


def test_improved_truth_never_takes_the_images_of_a_miniature(roots, tmp_path):
    # the images lie beside the maps; a miniature root of `kitti` that is not named must not be looked at
    write_kitti(tmp_path / "kitti_raw")
    write_kitti_depth(tmp_path / "kitti_depth")
    paths = {**roots.paths, "kitti_depth": tmp_path / "kitti_depth", "kitti": tmp_path / "no" / "miniature"}
    dataset = open_test_set("improved", Roots(paths, frozenset(["kitti_depth"])), "available", SIZE)
    assert dataset.tree.root == tmp_path / "kitti_raw"
    with pytest.raises(DataError, match="miniature"):
        open_test_set("improved", Roots(paths, frozenset()), "available", SIZE)


@pytest.mark.parametrize("root", list(PAIRS))
def test_pairs_have_both_views_and_no_truth(roots, root):
    split = "train" if root in ("cityscapes", "stereo") else "available"
    pairs = open_pairs(root, roots[root], split, SIZE)
    assert len(pairs) >= 2 and pairs[0].other is not None and pairs[0].depth is None
    assert tuple(pairs[0].image.shape) == (3, *SIZE)
    settings = training_settings(pairs, root, roots[root])
    assert settings["data__dataset"] == root and settings["data__source"].startswith("real:")
    assert settings.get("data__variation") == ("clone+fog" if root == "vkitti2" else None)


@pytest.mark.parametrize("root", ["make3d", "kitti_depth", "sintel"])
def test_what_has_no_pairs_is_not_trained_on(roots, root):
    with pytest.raises(OptionError, match=f"training data='{root}' is not known"):
        open_pairs(root, roots.paths["kitti"], "train", SIZE)


def test_unknown_options_and_splits_are_refused(roots):
    with pytest.raises(OptionError, match="has no option 'fog'"):
        open_test_set("vkitti2_dense", roots, "test", SIZE, fog=True)
    with pytest.raises(OptionError, match="variation='hail' is not in"):
        open_test_set("vkitti2_dense", roots, "test", SIZE, variation="hail")
    with pytest.raises((OptionError, DataError), match="nowhere"):
        open_test_set("cityscapes", roots, "nowhere", SIZE)


def test_disparity_becomes_depth_by_the_camera_file(roots):
    """Row 2 of each disparity map holds 10 px: depth is fx * baseline / 10 of the json beside it."""
    [path] = (roots["cityscapes"] / "camera" / "val" / "lindau").glob("*.json")
    camera = json.loads(path.read_text())
    want = camera["intrinsic"]["fx"] * camera["extrinsic"]["baseline"] / 10
    sample = open_test_set("cityscapes", roots, "val", SIZE)[0]
    assert sample.depth[0, 2].tolist() == pytest.approx([want] * 40)
    assert not sample.depth[0, :2].any(), "no disparity, and none of a disparity of 0"
