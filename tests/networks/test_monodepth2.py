"""A folder of Monodepth2's is loaded whole, evaluated with x5.4, and refused in one sentence where it is not one."""

import numpy as np
import pytest
import torch
from published_reference import WIDTH, monodepth2_disparities, monodepth2_weights, resnet_maps, resnet_weights

from lowtex.datasets.sample import StereoSample
from lowtex.errors import CheckpointError
from lowtex.evaluation.evaluate import evaluate
from lowtex.geometry import StereoRig
from lowtex.networks.pretrained import is_monodepth2, load_monodepth2
from lowtex_lab import cli

OWN = [8, 8, 8, 16, 32]
SIZE = (64, 96)


def write_folder(folder, depth=18, **told):
    folder.mkdir(exist_ok=True)
    encoder = {f"encoder.{name}": value for name, value in resnet_weights(depth).items()}
    told = {"height": SIZE[0], "width": SIZE[1], "use_stereo": True} | told
    torch.save(
        {**encoder, **{name: value for name, value in told.items() if value is not None}}, folder / "encoder.pth"
    )
    channels = [8, 8, 16, 32, 64] if depth < 50 else [8, 32, 64, 128, 256]
    decoder = monodepth2_weights(channels, OWN, seed=1)
    torch.save(decoder, folder / "depth.pth")
    return decoder


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_a_folder_is_a_network_with_its_size(tmp_path, depth):
    decoder = write_folder(tmp_path / "stereo_640x192", depth)
    assert is_monodepth2(tmp_path / "stereo_640x192") and not is_monodepth2(tmp_path)
    network, known = load_monodepth2(tmp_path / "stereo_640x192")
    assert known["experiment"] == "stereo_640x192" and known["size"] == SIZE and known["facts"]["use_stereo"] is True
    assert len(known["row"]["experiment_key"]) == 12 and known["row"]["train_data"] == "published weights"
    assert network.metres_per_unit is None and network.reference_focal is None and not network.training
    image = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        want = monodepth2_disparities(decoder, resnet_maps(resnet_weights(depth), image, depth))[0]
        torch.testing.assert_close(network(image)[0], want, rtol=1e-3, atol=1e-4)
    assert WIDTH == 1 / 8, "the stem's channels tell the width"


def test_evaluated_with_x5_4_it_equals_the_formula(tmp_path):
    decoder = write_folder(tmp_path)
    network, _ = load_monodepth2(tmp_path)
    image = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        disparity = monodepth2_disparities(decoder, resnet_maps(resnet_weights(18), image[None], 18))[0][0, 0].double()
    depth = 5.4 / (1 / 100 + (1 / 0.1 - 1 / 100) * disparity.numpy())
    truth = 1 + 30 * torch.rand(1, *SIZE, generator=torch.Generator().manual_seed(1))
    g = truth[0].double().numpy()
    p = np.clip(depth, 1e-3, 80)
    rig = StereoRig(60.0, 0.5327, width=SIZE[1], height=SIZE[0])
    sample = StereoSample(image, rig, "one", depth=truth)
    row = evaluate(network, [sample], "improved", scaling="x5.4").per_image.iloc[0]
    assert row["abs_rel"] == pytest.approx(np.mean(np.abs(g - p) / g), rel=1e-4)
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean((g - p) ** 2)), rel=1e-4)
    metres = evaluate(network, [sample], "improved").per_image.iloc[0]
    p = np.clip(depth * 5.327 / 5.4, 1e-3, 80)
    assert metres["abs_rel"] == pytest.approx(np.mean(np.abs(g - p) / g), rel=1e-4)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: write_folder(folder, height=None), "does not say its height and width"),
        (lambda folder: (folder / "encoder.pth").write_bytes(b"PK"), "not a readable file of weights"),
        (lambda folder: (folder / "depth.pth").write_bytes(b""), "not a readable file of weights"),
        (lambda folder: torch.save({"a": torch.ones(1)}, folder / "encoder.pth"), "does not hold a ResNet"),
        (lambda folder: torch.save([1, 2], folder / "encoder.pth"), "of type list"),
        (lambda folder: torch.save({"a": torch.ones(1)}, folder / "depth.pth"), "is not Monodepth2's depth.pth"),
    ],
)
def test_what_is_not_one_is_refused(tmp_path, damage, message):
    write_folder(tmp_path)
    damage(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        load_monodepth2(tmp_path)


def test_another_depth_is_refused(tmp_path):
    write_folder(tmp_path)
    weights = torch.load(tmp_path / "encoder.pth")
    more = {name.replace("layer1.1", "layer1.7"): value for name, value in weights.items() if "layer1.1" in name}
    more |= {name.replace("layer1.1", "layer1.8"): value for name, value in weights.items() if "layer1.1" in name}
    torch.save({**weights, **more}, tmp_path / "encoder.pth")
    with pytest.raises(CheckpointError, match="of a depth that the kit does not have"):
        load_monodepth2(tmp_path)


def test_the_command_evaluates_it(tmp_path, capsys):
    from lowtex.evaluation.results import read_rows
    from lowtex_lab.miniature.kitti import write_kitti

    write_kitti(tmp_path / "world", frames={"train": 1, "val": 1, "test": 1}, size=SIZE, progress=False)
    write_folder(tmp_path / "mono_640x192", use_stereo=False)
    words = ["evaluate", "--checkpoint", str(tmp_path / "mono_640x192"), "--out", str(tmp_path / "rows.csv")]
    words += ["--data", f"kitti={tmp_path / 'world' / 'kitti_raw'}", "--split", "available"]
    for scaling in ("x5.4", "median"):
        assert cli.main([*words, "--scaling", scaling]) == 0
        printed = capsys.readouterr().out
        assert ("has no scale; evaluate it with --scaling median" in printed) == (scaling != "median")
    rows = read_rows(tmp_path / "rows.csv")
    assert set(rows["scaling"]) == {"x5.4", "median"} and set(rows["experiment"]) == {"mono_640x192"}
    assert set(rows["train_data"]) == {"published weights"} and rows["miniature"].all()
    [told] = set(rows["eval_data"])
    assert told.startswith("kitti lanczos miniature:"), "images are shrunk as Monodepth2 shrinks them"
    assert cli.main([*words, "--scaling", "x5.4", "--reader", "resize=area"]) == 0
    told = set(read_rows(tmp_path / "rows.csv")["eval_data"]) - {told}
    assert [name.partition(":")[0] for name in told] == ["kitti miniature"]
    assert cli.main([*words, "--scaling", "x5,4"]) == 2
    assert (
        "scaling='x5,4' is not known; choose one of: none, median, or a factor such as x5.4" in capsys.readouterr().err
    )
