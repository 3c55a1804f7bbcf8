"""Published weights give the outputs of the original formulas; a wrong file or folder says what does not match."""

import pytest
import torch
from published_reference import (
    WIDTH,
    encoder_maps,
    monodepth2_disparities,
    monodepth2_weights,
    resnet_weights,
)
from safetensors.torch import save_file

from lowtex.errors import CheckpointError
from lowtex.evaluation.results import read_rows
from lowtex.networks import (
    DepthNet,
    FeatureNet,
    IResNetEncoder,
    NestedDecoder,
    ResNetEncoder,
    UNetDecoder,
    load_published,
)
from lowtex.networks.pretrained import is_monodepth2, load_monodepth2
from lowtex_lab import cli
from lowtex_lab.miniature.kitti import write_kitti

OWN = [8, 8, 8, 16, 32]  # 16 .. 256 at an eighth of the width, rounded to multiples of 8
CHANNELS = {18: [8, 8, 16, 32, 64], 34: [8, 8, 16, 32, 64], 50: [8, 32, 64, 128, 256]}
SIZE = (64, 96)


def image():
    return torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def saved(folder, weights, name="weights.pth"):
    path = folder / name
    save_file(weights, path) if path.suffix == ".safetensors" else torch.save(weights, path)
    return path


def write_folder(folder, depth=18, **told):
    """Monodepth2's two files; returns the decoder's weights."""
    folder.mkdir(exist_ok=True)
    told = {"height": SIZE[0], "width": SIZE[1], "use_stereo": True} | told
    encoder = {f"encoder.{name}": value for name, value in resnet_weights(depth).items()}
    torch.save({**encoder, **{k: v for k, v in told.items() if v is not None}}, folder / "encoder.pth")
    decoder = monodepth2_weights(CHANNELS[depth], OWN)
    torch.save(decoder, folder / "depth.pth")
    return decoder


def unet():
    return UNetDecoder(CHANNELS[18], WIDTH)


def monodepth2():
    return DepthNet(ResNetEncoder(18, WIDTH), unet())


def same(got, expected, tolerance=1e-4):
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * float(b.abs().max()))


@pytest.mark.parametrize(("depth", "suffix", "counters"), [(18, "pth", True), (50, "safetensors", False)])
def test_torchvision_resnet_gives_its_maps(tmp_path, depth, suffix, counters):
    weights = resnet_weights(depth)
    kept = {name: value for name, value in weights.items() if counters or not name.endswith("num_batches_tracked")}
    encoder = ResNetEncoder(depth, WIDTH).eval()
    assert load_published(encoder, saved(tmp_path, kept, f"resnet.{suffix}")) == set()
    with torch.no_grad():
        same(encoder(image()), encoder_maps(weights, image(), depth))


@pytest.mark.parametrize("depth", (34, 50))
def test_iduta_iresnet_gives_its_maps_in_the_released_reading_only(tmp_path, depth):
    weights = resnet_weights(depth, iresnet=True)
    path = saved(tmp_path, {"epoch": 90, "state_dict": {f"module.{k}": v for k, v in weights.items()}})
    encoder = IResNetEncoder(depth, WIDTH, rectify_after_start=True).eval()
    load_published(encoder, path)
    with torch.no_grad():
        released, text = (encoder_maps(weights, image(), depth, "iresnet", rectified) for rectified in (True, False))
        same(encoder(image()), released)
        assert not torch.allclose(released[4], text[4], rtol=1e-2)

        other = IResNetEncoder(depth, WIDTH).eval()
        before = other.conv1.weight.clone()
        with pytest.raises(CheckpointError, match="rectify_after_start=True"):
            load_published(other, path)
        assert torch.equal(other.conv1.weight, before)
        load_published(other, path, as_start=True)
        same(other(image()), text)


@pytest.mark.parametrize("projection", ("max_pool", "stride"))
@pytest.mark.parametrize("depth", (34, 50))
def test_torchvision_resnet_starts_an_iresnet(tmp_path, depth, projection):
    weights = resnet_weights(depth)
    encoder = IResNetEncoder(depth, WIDTH, projection=projection)
    untouched = load_published(encoder, saved(tmp_path, weights), as_start=True)
    state, last, shift = encoder.state_dict(), "bn3" if depth == 50 else "bn2", int(projection == "max_pool")
    # every convolution has a source, but for the shortcut of stage 1 that a basic ResNet lacks
    own_only = {"layer1.0.downsample.0.weight"} if (depth, projection) == (34, "stride") else set()
    assert {name for name in untouched if state[name].dim() == 4} == own_only
    sources = {"layer2.1.conv2.weight": "layer2.1.conv2.weight"}
    sources |= {f"layer3.0.downsample.{shift}.weight": "layer3.0.downsample.0.weight"}
    sources |= {f"layer3.0.{last}.running_var": f"layer3.0.{last}.running_var"}
    assert all(torch.equal(state[own], weights[theirs]) for own, theirs in sources.items())
    # the norm after an addition, and the one before a block, keep their start
    assert (state[f"layer3.5.{last}.weight"] == 1).all()
    assert {f"layer3.5.{last}.weight", "layer3.2.bn0.weight"} <= untouched


def test_half_a_folder_names_the_missing_file_and_changes_nothing(tmp_path):
    write_folder(tmp_path)
    network = monodepth2()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    (tmp_path / "depth.pth").unlink()
    with pytest.raises(CheckpointError, match=r"has no depth\.pth"):
        load_published(network, tmp_path)
    torch.save(monodepth2_weights([8, 8, 16, 32, 72], OWN), tmp_path / "depth.pth")
    with pytest.raises(CheckpointError, match=r"reduce\.0\.conv\.weight \(32, 72, 3, 3\) instead of \(32, 64, 3, 3\)"):
        load_published(network, tmp_path)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_a_wrong_file_lists_what_does_not_match_and_changes_nothing(tmp_path):
    encoder = ResNetEncoder(18, WIDTH)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    weights = resnet_weights(18)
    weights["layer9.0.conv1.weight"] = weights.pop("layer4.1.conv2.weight")
    weights["layer2.0.conv1.weight"] = weights["layer2.0.conv1.weight"][:, :4]
    weights["bn1.bias"][0] = float("nan")
    with pytest.raises(CheckpointError) as caught:
        load_published(encoder, saved(tmp_path, weights))
    for part in (
        "weights.pth does not fit this ResNetEncoder",
        "1 missing: layer4.1.conv2.weight",
        "1 unexpected: layer9.0.conv1.weight",
        "layer2.0.conv1.weight (16, 4, 3, 3) instead of (16, 8, 3, 3)",
        "1 not finite: bn1.bias",
    ):
        assert part in str(caught.value)
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


CUT = "is not a readable file of weights"
FILES = {
    "resnet": lambda: resnet_weights(18),
    "resnet34": lambda: resnet_weights(34),
    "iresnet": lambda: resnet_weights(34, iresnet=True),
    "decoder": lambda: monodepth2_weights(CHANNELS[18], OWN),
    "module": lambda: {"network": nn_module()},
    "epoch": lambda: {"epoch": 3},
    "list": lambda: [1, 2],
    "cut": lambda: b"PK\x03\x04 and no more",
    "page": lambda: b"<html>sign in</html>",
    "empty": lambda: b"",
}


def nn_module():
    return ResNetEncoder(18, WIDTH)


@pytest.mark.parametrize(
    ("module", "file", "as_start", "message"),
    [
        (nn_module, "iresnet", False, "holds an iResNet"),
        (nn_module, "decoder", False, "does not hold a ResNet"),
        (nn_module, "gone", False, r"no weights at .*gone\.pth"),
        *((nn_module, name, False, rf"{name}\.pth {CUT}") for name in ("cut", "page", "empty")),
        (nn_module, "module", False, "objects other than weights"),
        (nn_module, "epoch", False, "holds no weights; it holds epoch"),
        (nn_module, "list", False, "of type list"),
        (unet, "resnet", False, r"depth\.pth"),
        (lambda: NestedDecoder(CHANNELS[18], width=WIDTH), "resnet", False, "NestedDecoder"),
        (lambda: FeatureNet(18, WIDTH), "resnet", False, "FeatureNet"),
        (monodepth2, "resnet", False, "not a folder"),
        (lambda: DepthNet(nn_module(), NestedDecoder(CHANNELS[18], width=WIDTH)), ".", False, "goes into DepthNet"),
        (lambda: IResNetEncoder(34, WIDTH), "resnet34", False, "as_start=True"),
        (lambda: IResNetEncoder(34, WIDTH), "resnet", True, r"missing: .*layer1\.2\.conv1\.weight"),
        (
            lambda: IResNetEncoder(34, WIDTH, rectify_after_start=True, projection="stride"),
            "iresnet",
            False,
            "--set network.projection=max_pool",
        ),
    ],
)
def test_what_cannot_go_in_is_named(tmp_path, module, file, as_start, message):
    path = tmp_path if file == "." else tmp_path / f"{file}.pth"
    if file in FILES:
        content = FILES[file]()
        path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(CheckpointError, match=message):
        load_published(module(), path, as_start)


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_a_folder_is_a_network_with_its_size_and_each_file_a_part_of_one(tmp_path, depth):
    decoder = write_folder(tmp_path / "stereo_640x192", depth)
    assert is_monodepth2(tmp_path / "stereo_640x192") and not is_monodepth2(tmp_path)
    network, known = load_monodepth2(tmp_path / "stereo_640x192")
    assert known["experiment"] == "stereo_640x192" and known["size"] == SIZE and known["facts"]["use_stereo"] is True
    assert len(known["row"]["experiment_key"]) == 12 and known["row"]["train_data"] == "published weights"
    assert network.metres_per_unit is None and network.reference_focal is None and not network.training
    alone = UNetDecoder(CHANNELS[depth], WIDTH)
    load_published(alone, tmp_path / "stereo_640x192" / "depth.pth")
    load_published(ResNetEncoder(depth, WIDTH), tmp_path / "stereo_640x192" / "encoder.pth")
    with torch.no_grad():
        maps = encoder_maps(resnet_weights(depth), image(), depth)
        same(network(image()), monodepth2_disparities(decoder, maps), 1e-3)
        same(alone(maps), monodepth2_disparities(decoder, maps))


def one_block_more(folder):
    weights = torch.load(folder / "encoder.pth")
    more = {name.replace("layer1.1", "layer1.7"): value for name, value in weights.items() if "layer1.1" in name}
    torch.save({**weights, **more}, folder / "encoder.pth")


def other_stem(*shape):
    def damage(folder):
        weights = torch.load(folder / "encoder.pth")
        torch.save({**weights, "encoder.conv1.weight": torch.ones(shape)}, folder / "encoder.pth")

    return damage


def of_depth_152(folder):
    blocks = [f"layer{stage + 1}.{block}" for stage, count in enumerate((3, 8, 36, 3)) for block in range(count)]
    weights = {f"{block}.conv{number}.weight": torch.ones(1) for block in blocks for number in (1, 2, 3)}
    size = {"height": SIZE[0], "width": SIZE[1]}
    torch.save({"conv1.weight": torch.ones(64, 3, 7, 7), **weights, **size}, folder / "encoder.pth")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: write_folder(folder, height=None), "does not say its height and width"),
        (lambda folder: (folder / "encoder.pth").write_bytes(b"PK"), CUT),
        (lambda folder: (folder / "depth.pth").write_bytes(b""), CUT),
        (lambda folder: torch.save({"a": torch.ones(1)}, folder / "encoder.pth"), "does not hold a ResNet"),
        (lambda folder: torch.save({"a": torch.ones(1)}, folder / "depth.pth"), "is not Monodepth2's depth.pth"),
        (one_block_more, "of a depth that the kit does not have"),
        (of_depth_152, "of a depth that the kit does not have"),
        (other_stem(512, 3, 7, 7), r"conv1.weight is \(512, 3, 7, 7\); the kit's have 1 to 256"),
        (other_stem(), r"conv1.weight is \(\);"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path, damage, message):
    write_folder(tmp_path)
    damage(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        load_monodepth2(tmp_path)


def test_the_command_evaluates_it(tmp_path, capsys):
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
