"""The objective: what each setting computes, masks, the compiled form with its gradients, number formats, messages."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from stereo_world import LinearNetwork, PooledFeatures, make_batch, random_outputs

from lowtex.experiments import named_experiment
from lowtex.geometry import warp_horizontal
from lowtex.losses import (
    TERMS,
    StereoObjective,
    feature_map_error,
    masked_mean,
    normalise_disparity,
    out_of_view_mask,
    photometric_error,
    smoothness_first_order,
    smoothness_second_order,
)
from lowtex.settings import LossSettings

UNSMOOTHED = {"smooth_first": 0.0, "smooth_second": 0.0}


@pytest.fixture
def feature_net():
    return PooledFeatures()


def evaluate(settings, outputs, batch, feature_net=None, generator=None):
    return StereoObjective(LossSettings(**settings), feature_net)(LinearNetwork(), outputs, batch, generator)


def shifted(output, size, direction):
    """The stand-in network's shift of an output brought to ``size``, written out: 10 * 0.1 m * focal * s."""
    resized = F.interpolate(output, size, mode="bilinear", align_corners=False)
    return direction.to(output).reshape(-1, 1, 1, 1) * resized * size[1]


def test_pixel_term_equals_the_formula():
    batch, outputs = make_batch([3, 5], [1.0, -1.0], torch.float64), random_outputs(2, torch.float64)
    total, terms = evaluate({"data_term": "pixels", "ssim_alpha": 0.7, **UNSMOOTHED}, outputs, batch)
    expected = sum(
        photometric_error(batch.image, warp_horizontal(batch.other, shifted(o, (32, 64), batch.direction)), 0.7).mean()
        for o in outputs
    )
    torch.testing.assert_close(total, expected / 4)
    assert terms["pixel"] == total and terms["feature"] == 0 and terms["masked"] == 0


@pytest.mark.parametrize("distance", ["robust_l1", "ssim_l1"])
@pytest.mark.parametrize("scales", ["lowest", "levels", "single"])
def test_feature_term_equals_the_formula_where_the_other_view_looks(scales, distance, feature_net):
    feature_net.double()
    batch, outputs = make_batch([3, 5], [1.0, -1.0], torch.float64), random_outputs(2, torch.float64)
    settings = {"feature_scales": scales, "feature_distance": distance, "out_of_view_mask": True, **UNSMOOTHED}
    total, terms = evaluate(settings, outputs, batch, feature_net)
    pairs = list(zip(feature_net.levels(batch.image), feature_net.levels(batch.other), strict=True))
    chosen = {
        "lowest": [(o, *pairs[0]) for o in outputs],
        "levels": [(o, *pair) for o, pair in zip(outputs, pairs, strict=False)],
        "single": [(outputs[0], *pairs[0])],
    }[scales]
    expected = []
    for output, target, other in chosen:
        shift = shifted(output, tuple(target.shape[2:]), batch.direction)
        error = feature_map_error(target, warp_horizontal(other, shift), distance)
        expected.append(masked_mean(error, out_of_view_mask(shift)))
    torch.testing.assert_close(total, torch.stack(expected).mean())
    assert terms["feature"] == total and terms["pixel"] == 0


@pytest.mark.parametrize("quantity", ["normalised_disparity", "disparity", "depth"])
def test_smoothness_equals_the_formula(quantity):
    batch, outputs = make_batch([3, 5], dtype=torch.float64), random_outputs(2, torch.float64)
    settings = {"data_term": "pixels", "smooth_first": 0.2, "smooth_second": 0.3, "edge_decay": 0.8}
    total, terms = evaluate({**settings, "smooth_quantity": quantity}, outputs, batch)
    first = second = 0
    for k, s in enumerate(outputs):
        image = F.avg_pool2d(batch.image, 2**k)
        d = {"disparity": s, "normalised_disparity": normalise_disparity(s), "depth": normalise_disparity(0.1 / s)}
        first = first + smoothness_first_order(d[quantity], image, 0.8) / 2**k / 4
        second = second + smoothness_second_order(d[quantity], image, 0.8) / 2**k / 4
    torch.testing.assert_close(terms["smooth_first"], first.detach())
    torch.testing.assert_close(terms["smooth_second"], second.detach())
    torch.testing.assert_close(total, terms["data"] + 0.2 * first + 0.3 * second)


@pytest.mark.parametrize("data_term", ["pixels", "features", "both"])
def test_terms_add_up(data_term, feature_net):
    loss = LossSettings(data_term=data_term, pixel_weight=0.5, feature_weight=3.0, smooth_first=0.1, smooth_second=0.2)
    total, terms = StereoObjective(loss, feature_net)(LinearNetwork(), random_outputs(2), make_batch([3, 5]))
    assert tuple(terms) == TERMS and not any(value.requires_grad for value in terms.values())
    assert (terms["pixel"] > 0) == loss.uses_pixels and (terms["feature"] > 0) == loss.uses_features
    torch.testing.assert_close(terms["data"], 0.5 * terms["pixel"] + 3 * terms["feature"])
    smooth = 0.1 * terms["smooth_first"] + 0.2 * terms["smooth_second"]
    torch.testing.assert_close(terms["total"], terms["data"] + smooth)
    assert terms["total"] == total.detach() and total.requires_grad


@pytest.mark.parametrize("term", ["features", "ssim_l1", "census", "zncc"])
def test_auto_mask_silences_a_static_scene(term, feature_net):
    batch, outputs = make_batch([0]), random_outputs(1)
    assert torch.equal(batch.image, batch.other)
    compared = {"data_term": "features"} if term == "features" else {"data_term": "pixels", "pixel_error": term}
    settings = {**compared, "auto_mask": True, **UNSMOOTHED}
    total, terms = evaluate(settings, outputs, batch, feature_net, torch.Generator().manual_seed(0))
    total.backward()
    assert terms["masked"] > 0.99
    assert max(o.grad.abs().max() for o in outputs) == 0
    total, terms = evaluate({**settings, "auto_mask": False}, outputs, batch, feature_net)
    total.backward()
    assert terms["masked"] == 0 and outputs[0].grad.abs().sum() > 0


# between them every choice of data term, scales, distances, masks and smoothed quantity
KINDS = {"all": LossSettings("both", feature_scales="levels", auto_mask=True, out_of_view_mask=True)}
for name in ("baseline", "featdepth", "features-ssim", "smooth-depth", "census", "zncc"):
    KINDS[name] = named_experiment(name).loss


@pytest.mark.parametrize("loss", KINDS.values(), ids=KINDS)
def test_compiled_form_is_one_graph_and_equal(loss, feature_net, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    feature_net.double()
    batch, found = make_batch([3, 5], [1.0, -1.0], torch.float64), []
    for compiled in (False, True):
        objective = StereoObjective(loss, feature_net, compiled)
        outputs = random_outputs(2, torch.float64)[:2]
        total, terms = objective(LinearNetwork(), outputs, batch, torch.Generator().manual_seed(0))
        total.backward()
        found.append((total, terms, [output.grad for output in outputs]))
    assert objective._sum.form is not None, "it was given up"
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-12)
    assert found[0][2][0].abs().sum() > 0


def test_half_precision_and_autocast_change_nothing(feature_net):
    batch, outputs = make_batch([3, 5]), random_outputs(2, torch.bfloat16)
    settings = {"data_term": "both", "feature_scales": "levels"}
    reference = evaluate(settings, [o.float() for o in outputs], batch, feature_net)[0]
    with torch.autocast("cpu", torch.bfloat16):
        total = evaluate(settings, outputs, batch, feature_net)[0]
    assert total.dtype == torch.float32 and torch.equal(total, reference)
    total.backward()
    assert outputs[3].grad.dtype == torch.bfloat16 and outputs[3].grad.isfinite().all()


def test_a_nan_in_an_output_makes_the_loss_nan_and_no_wild_index(feature_net):
    batch, outputs = make_batch([3, 5]), random_outputs(2)
    outputs[2].data[1, 0, 0, 0] = float("nan")
    for settings in ({"data_term": "pixels"}, {"data_term": "pixels", "pixel_error": "zncc"}, {}):
        assert evaluate(settings, outputs, batch, feature_net)[0].isnan(), settings


def test_errors_name_what_they_got(feature_net):
    batch, outputs = make_batch([3, 5]), random_outputs(2)
    with pytest.raises(ValueError, match="data_term='features'.*feature_net"):
        StereoObjective(LossSettings())
    with pytest.raises(ValueError, match=r"B=2.*\(1, 1, 32, 64\)"):
        evaluate({"data_term": "pixels"}, [o[:1] for o in outputs], batch)
    feature_net.levels = lambda image: [F.avg_pool2d(image, 2)]
    with pytest.raises(ValueError, match="needs 4 maps.*gave 1"):
        evaluate({"feature_scales": "levels"}, outputs, batch, feature_net)
    batch.other = batch.other[..., :32]
    with pytest.raises(ValueError, match=r"\(2, 3, 32, 64\), \(2, 3, 32, 32\)"):
        evaluate({"data_term": "pixels"}, outputs, batch)
    batch.other = None
    with pytest.raises(ValueError, match="other view.*drive/0/l"):
        evaluate({"data_term": "pixels"}, outputs, batch)
