"""Published weights give the outputs of the original formulas; a wrong file says what does not match."""

import pytest
import torch
from published_reference import (
    WIDTH,
    iresnet_maps,
    iresnet_weights,
    monodepth2_disparities,
    monodepth2_weights,
    resnet_maps,
    resnet_weights,
)
from safetensors.torch import save_file

from lowtex.errors import CheckpointError
from lowtex.networks import (
    DepthNet,
    FeatureNet,
    IResNetEncoder,
    NestedDecoder,
    ResNetEncoder,
    UNetDecoder,
    load_published,
)

OWN = [8, 8, 8, 16, 32]  # 16 .. 256 at an eighth of the width, rounded to multiples of 8


def image(seed=0):
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(seed))


def saved(folder, weights, name="weights.pth"):
    path = folder / name
    save_file(weights, path) if path.suffix == ".safetensors" else torch.save(weights, path)
    return path


def same(maps, expected, tolerance=1e-4):
    assert len(maps) == len(expected)
    for got, want in zip(maps, expected, strict=True):
        assert got.shape == want.shape
        torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance * float(want.abs().max()))


@pytest.mark.parametrize("depth", (18, 50))
@pytest.mark.parametrize("suffix", ("pth", "safetensors"))
def test_torchvision_resnet_gives_its_maps(tmp_path, depth, suffix):
    weights = resnet_weights(depth)
    encoder = ResNetEncoder(depth, WIDTH).eval()
    report = load_published(encoder, saved(tmp_path, weights, f"resnet.{suffix}"))
    assert report.source == "torchvision resnet" and set(report.dropped) == {"fc.weight", "fc.bias"}
    assert report.loaded == len(weights) - 2 and report.untouched == ()
    with torch.no_grad():
        same(encoder(image()), resnet_maps(weights, image(), depth))


def test_old_files_without_batch_counters_load(tmp_path):
    weights = {k: v for k, v in resnet_weights(18).items() if not k.endswith("num_batches_tracked")}
    encoder = ResNetEncoder(18, WIDTH).eval()
    load_published(encoder, saved(tmp_path, weights))
    with torch.no_grad():
        same(encoder(image()), resnet_maps(weights, image(), 18))


@pytest.mark.parametrize("depth", (18, 34, 50))
def test_iduta_iresnet_gives_its_maps_in_the_released_reading_only(tmp_path, depth):
    weights = iresnet_weights(depth)
    path = saved(tmp_path, {"epoch": 90, "state_dict": {f"module.{k}": v for k, v in weights.items()}})
    encoder = IResNetEncoder(depth, WIDTH, rectify_after_start=True).eval()
    report = load_published(encoder, path)
    assert report.source == "iduta iresnet"
    with torch.no_grad():
        released = iresnet_maps(weights, image(), depth, rectified=True)
        text = iresnet_maps(weights, image(), depth, rectified=False)
        same(encoder(image()), released)
        assert not torch.allclose(released[4], text[4], rtol=1e-2)

        other = IResNetEncoder(depth, WIDTH).eval()
        before = other.conv1.weight.clone()
        with pytest.raises(CheckpointError, match="rectify_after_start=True"):
            load_published(other, path)
        assert torch.equal(other.conv1.weight, before)
        load_published(other, path, as_start=True)
        same(other(image()), text)


def test_iduta_weights_need_pooling_shortcuts(tmp_path):
    encoder = IResNetEncoder(34, WIDTH, rectify_after_start=True, projection="stride")
    with pytest.raises(CheckpointError, match="--set network.projection=max_pool"):
        load_published(encoder, saved(tmp_path, iresnet_weights(34)))


@pytest.mark.parametrize("projection", ("max_pool", "stride"))
@pytest.mark.parametrize("depth", (34, 50))
def test_torchvision_resnet_starts_an_iresnet(tmp_path, depth, projection):
    weights = resnet_weights(depth)
    path = saved(tmp_path, weights)
    encoder = IResNetEncoder(depth, WIDTH, projection=projection)
    with pytest.raises(CheckpointError, match="as_start=True"):
        load_published(encoder, path)
    report = load_published(encoder, path, as_start=True)
    state = encoder.state_dict()
    last = "bn3" if depth == 50 else "bn2"
    shift = 1 if projection == "max_pool" else 0
    # every convolution has a source, but for the shortcut of stage 1 that a basic ResNet lacks
    convolutions = [name for name in state if state[name].dim() == 4]
    own_only = {"layer1.0.downsample.0.weight"} if (depth, projection) == (34, "stride") else set()
    assert {name for name in convolutions if name in report.untouched} == own_only
    assert torch.equal(state["layer2.1.conv2.weight"], weights["layer2.1.conv2.weight"])
    assert torch.equal(state[f"layer3.0.downsample.{shift}.weight"], weights["layer3.0.downsample.0.weight"])
    assert torch.equal(state[f"layer3.0.{last}.running_var"], weights[f"layer3.0.{last}.running_var"])
    # the norm after an addition, and the one before a block, keep their start
    assert torch.equal(state[f"layer3.5.{last}.weight"], torch.ones_like(state[f"layer3.5.{last}.weight"]))
    assert f"layer3.5.{last}.weight" in report.untouched and "layer3.2.bn0.weight" in report.untouched


def test_a_shallower_resnet_does_not_start_a_deeper_iresnet(tmp_path):
    encoder = IResNetEncoder(34, WIDTH)
    with pytest.raises(CheckpointError, match=r"missing: .*layer1\.2\.conv1\.weight"):
        load_published(encoder, saved(tmp_path, resnet_weights(18)), as_start=True)


def monodepth2_folder(folder):
    encoder = {f"encoder.{k}": v for k, v in resnet_weights(18).items()}
    torch.save({**encoder, "height": 192, "width": 640, "use_stereo": True}, folder / "encoder.pth")
    decoder = monodepth2_weights([8, 8, 16, 32, 64], OWN, seed=1)
    torch.save(decoder, folder / "depth.pth")
    return decoder


def test_monodepth2_folder_gives_its_disparities(tmp_path):
    decoder_weights = monodepth2_folder(tmp_path)
    encoder = ResNetEncoder(18, WIDTH)
    network = DepthNet(encoder, UNetDecoder(encoder.channels, WIDTH)).eval()
    report = load_published(network, tmp_path)
    assert report["decoder"].loaded == len(decoder_weights) == 28
    with torch.no_grad():
        maps = resnet_maps(resnet_weights(18), image(), 18)
        same(network(image()), monodepth2_disparities(decoder_weights, maps))
    # the files one by one
    again = UNetDecoder(encoder.channels, WIDTH)
    load_published(again, tmp_path / "depth.pth")
    load_published(ResNetEncoder(18, WIDTH), tmp_path / "encoder.pth")
    with torch.no_grad():
        same(again(maps), monodepth2_disparities(decoder_weights, maps))


def test_half_a_folder_names_the_missing_file_and_changes_nothing(tmp_path):
    monodepth2_folder(tmp_path)
    encoder = ResNetEncoder(18, WIDTH)
    network = DepthNet(encoder, UNetDecoder(encoder.channels, WIDTH))
    before = {k: v.clone() for k, v in network.state_dict().items()}
    (tmp_path / "depth.pth").rename(tmp_path / "elsewhere.pth")
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
    message = str(caught.value)
    for part in (
        "weights.pth",
        "1 missing: layer4.1.conv2.weight",
        "1 unexpected: layer9.0.conv1.weight",
        "layer2.0.conv1.weight (16, 4, 3, 3) instead of (16, 8, 3, 3)",
        "1 not finite: bn1.bias",
    ):
        assert part in message
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


def test_another_family_or_part_is_named(tmp_path):
    resnet, iresnet = saved(tmp_path, resnet_weights(18), "r.pth"), saved(tmp_path, iresnet_weights(18), "i.pth")
    with pytest.raises(CheckpointError, match="holds an iResNet"):
        load_published(ResNetEncoder(18, WIDTH), iresnet)
    with pytest.raises(CheckpointError, match=r"depth\.pth"):
        load_published(UNetDecoder([8, 8, 16, 32, 64], WIDTH), resnet)
    decoder = saved(tmp_path, monodepth2_weights([8, 8, 16, 32, 64], OWN), "d.pth")
    with pytest.raises(CheckpointError, match="does not hold a ResNet"):
        load_published(ResNetEncoder(18, WIDTH), decoder)
    for module in (NestedDecoder([8, 8, 16, 32, 64], width=WIDTH), FeatureNet(18, WIDTH)):
        with pytest.raises(CheckpointError, match=type(module).__name__):
            load_published(module, resnet)
    network = DepthNet(ResNetEncoder(18, WIDTH), UNetDecoder([8, 8, 16, 32, 64], WIDTH))
    with pytest.raises(CheckpointError, match="not a folder"):
        load_published(network, resnet)
    with pytest.raises(CheckpointError, match="goes into DepthNet"):
        load_published(DepthNet(ResNetEncoder(18, WIDTH), NestedDecoder([8, 8, 16, 32, 64], width=WIDTH)), tmp_path)


def test_files_that_are_no_weights(tmp_path):
    encoder = ResNetEncoder(18, WIDTH)
    with pytest.raises(CheckpointError, match=r"no weights at .*gone\.pth"):
        load_published(encoder, tmp_path / "gone.pth")
    whole = saved(tmp_path, resnet_weights(18))
    cut = tmp_path / "cut.pth"
    cut.write_bytes(whole.read_bytes()[:2000])
    text = tmp_path / "page.pth"
    text.write_text("<html>sign in</html>")
    tensors = tmp_path / "cut.safetensors"
    tensors.write_bytes(b"\x08\x00\x00")
    for path in (cut, text, tensors):
        with pytest.raises(CheckpointError, match=f"{path.name} is not a readable file of weights"):
            load_published(encoder, path)
    with pytest.raises(CheckpointError, match="objects other than weights"):
        load_published(encoder, saved(tmp_path, {"network": ResNetEncoder(18, WIDTH)}, "module.pth"))
    with pytest.raises(CheckpointError, match="holds no weights; it holds epoch"):
        load_published(encoder, saved(tmp_path, {"epoch": 3}, "epoch.pth"))
