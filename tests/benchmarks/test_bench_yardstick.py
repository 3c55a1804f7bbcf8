"""The yardstick and the kit compute the same thing: values and gradients, float64, flat patches included."""

from dataclasses import replace

import pytest
import torch

from benchmarks.subjects import steps
from benchmarks.subjects.terms import disparities
from benchmarks.yardstick.losses import FeatureObjective, PixelObjective
from benchmarks.yardstick.networks import DepthNet, Extractor
from lowtex.losses import StereoObjective
from lowtex.networks import build_depth_net

HEIGHT, WIDTH = 64, 96


def double(batch):
    """The batch in float64."""
    tensors = {name: getattr(batch, name).double() for name in ("image", "other", "direction")}
    return replace(batch, rig=batch.rig.to(dtype=torch.float64), **tensors)


def networks(name):
    torch.manual_seed(0)
    settings = replace(steps.EXPERIMENTS[name].network, width=0.125)
    kit = build_depth_net(settings).double()
    plain = DepthNet(settings).double()
    plain.load_state_dict(kit.state_dict())
    return kit, plain


def leaves(count):
    """Disparities of so many pairs, in float64, that take gradients."""
    return [output.detach().double().requires_grad_() for output in disparities(count, HEIGHT, WIDTH, "cpu")]


def require_same_objective(count, kit, plain, relative):
    """Both are functions of disparities of so many pairs; value and gradients have to agree."""
    ours, theirs = leaves(count), leaves(count)
    a, b = kit(ours), plain(theirs)
    assert a.item() == pytest.approx(b.item(), rel=1e-6) and b.item() > 1e-3
    a.backward()
    b.backward()
    for one, other in zip(ours, theirs, strict=True):
        scale = float(other.grad.abs().max())
        assert scale > 0 and float((one.grad - other.grad).abs().max()) < relative * scale


@pytest.mark.parametrize("name", steps.EXPERIMENTS)
def test_networks_are_the_same_function_with_the_same_gradients(name):
    kit, plain = networks(name)
    image = steps.pairs(2, HEIGHT, WIDTH).image.double()
    ours, theirs = kit(image), plain(image)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    sum(output.square().mean() for output in ours).backward()
    sum(output.square().mean() for output in theirs).backward()
    theirs = dict(plain.named_parameters())
    assert set(theirs) == {name for name, _ in kit.named_parameters()}
    for name, a in kit.named_parameters():
        torch.testing.assert_close(a.grad, theirs[name].grad, rtol=1e-5, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("flat", [False, True])
def test_pixel_objective(flat):
    kit, plain = networks(steps.RESNET)
    batch = double(steps.pairs(3, HEIGHT, WIDTH))
    if flat:
        # nothing but two plain halves: no gradient but smoothness beyond their edge
        batch.image[:], batch.other[:] = 0.4, 0.4
        batch.image[..., WIDTH // 2 :], batch.other[..., WIDTH // 2 - 3 :] = 0.6, 0.6
    objective = StereoObjective(steps.PIXELS)
    own = PixelObjective(plain, batch, noise=False)
    require_same_objective(3, lambda outputs: objective(kit, outputs, batch)[0], own, relative=1e-5)


def test_feature_objective_and_extractor(conditions):
    kit, plain = networks(steps.IRESNET)
    batch = double(steps.pairs(2, HEIGHT, WIDTH))
    features = steps.feature_net(conditions).double()
    extractor = Extractor.like(steps.experiment_of(steps.IRESNET, conditions).feature_net, features)
    torch.testing.assert_close(extractor(batch.image), features.lowest(batch.image), rtol=1e-9, atol=1e-9)
    objective = StereoObjective(steps.FEATURES, features)
    own = FeatureObjective(plain, batch, extractor)
    require_same_objective(2, lambda outputs: objective(kit, outputs, batch)[0], own, relative=1e-4)
