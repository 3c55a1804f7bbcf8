"""What holds for every plotting function: it draws, says what its documentation promises, and leaves no trace."""

import copy
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from figure_samples import make_landscape, make_log, make_rows, make_sample, texts, within

from lowtex_lab import plots as figures
from lowtex_lab.plots.saving import refuse_blank


def _maps():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 8, 12 // 2**i, 36 // 2**i, generator=generator) for i in range(3)]


def _masks():
    low = np.zeros((24, 72), bool)
    low[:, :18] = True
    return {"low": low, "high": ~low}


def _run():
    return pd.DataFrame({"name": ["01_data", "04_training"], "start_s": [0.0, 9.0], "seconds": [9.0, 130.0],
                         "status": ["done", "failed"]})  # fmt: skip


SAMPLE = make_sample()
DEPTH = SAMPLE.depth

CASES = {
    "pair_panel": (
        lambda: figures.pair_panel(SAMPLE),
        ["left view (the target)", "right view", "warped by the true disparity", "ground-truth depth", "depth in m",
         "known texture contrast", "miniature data", "Scene20/clone/00012/l", "baseline 0.500 m"],
    ),
    "data_sets_panel": (
        lambda: figures.data_sets_panel(
            {"ours": SAMPLE, "one view": replace(SAMPLE, other=None), "no truth": replace(SAMPLE, depth=None)}, ["ours"]
        ),
        ["ours (miniature) · 72×24 px, focal length 60 px", "no second view", "no ground truth to warp by"],
    ),
    "stereo_anaglyph": (lambda: figures.stereo_anaglyph(SAMPLE), ["left view red, right view cyan"]),
    "texture_strata_overlay": (
        lambda: figures.texture_strata_overlay(SAMPLE.image, _masks()),
        ["low: 25% of pixels", "high: 75% of pixels"],
    ),
    "point_cloud_bird_eye": (
        lambda: figures.point_cloud_bird_eye(DEPTH, SAMPLE.rig, image=SAMPLE.image, truth=DEPTH, above_ground=False),
        ["ahead in m", "to the right in m", "prediction", "ground truth"],
    ),
    "prediction_panel": (
        lambda: figures.prediction_panel([SAMPLE.image] * 2, [DEPTH, None], {"ours": [DEPTH + 1] * 2}),
        ["depth in m", "relative error", "no ground truth", "ours (the paper's)", "2 images"],
    ),
    "training_curves": (
        lambda: figures.training_curves(make_log()),
        ["optimiser step", "loss", "2 trainings of 30 steps"],
    ),
    "loss_landscape": (
        lambda: figures.loss_landscape(make_landscape()),
        ["disparity tried, in px", "true disparity", "A", "B"],
    ),
    "timeline": (lambda: figures.timeline(_run()), ["01_data", "2 min 10 s, failed", "seconds since the start"]),
    "metric_bars": (
        lambda: figures.metric_bars(make_rows(), "abs_rel", kind="known"),
        ["AbsRel", "lower is better", "low texture", "all pixels", "n = 38 to 40 images", "3 seeds",
         "no crop, cap 80 m", "no scaling", "miniature data", "baseline", "ours (the paper's)"],
    ),
    "error_vs_contrast": (
        lambda: figures.error_vs_contrast(make_rows()),
        ["known texture contrast", "share of\npixels", "< 0.01", "0.01–0.04", "≥ 0.04", "miniature data"],
    ),
    "error_by_distance": (
        lambda: figures.error_by_distance(make_rows(), kind="known*distance"),
        ["true distance in m", "low texture", "high texture", "< 10"],
    ),
    "encoder_maps": (
        lambda: figures.encoder_maps(_maps(), SAMPLE.image, channels=3),
        ["stride 2: 36×12, 8 ch.", "stride 8: 9×3, 8 ch.", "image"],
    ),
    "diagram_stereo_loop": (figures.diagram_stereo_loop, ["depth network\n(is trained)", "FeatureNet\n(frozen)"]),
    "diagram_blocks": (figures.diagram_blocks, ["iResNet: Start", "4 ReLUs on the main path", "1 ReLU on the main"]),
    "diagram_decoders": (figures.diagram_decoders, ["U-Net", "nested grid", "stride\n32"]),
    "diagram_white_wall": (figures.diagram_white_wall, ["A sketch of the paper's argument, not a measurement"]),
}  # fmt: skip


def test_every_plot_of_these_modules_has_a_case():
    modules = ("samples", "diagrams")
    own = {name for name, f in figures.PLOTS.items() if f.__module__.removeprefix("lowtex_lab.plots.") in modules}
    assert own <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_shows_what_it_promises_within_its_edges_and_changes_no_setting(name):
    draw, promised = CASES[name]
    before = copy.deepcopy(dict(matplotlib.rcParams))
    figure = draw()
    refuse_blank(figure)
    words = texts(figure)
    for part in promised:
        assert " ".join(part.split()) in words, f"{part!r} is not in the figure:\n{words}"
    assert dict(matplotlib.rcParams) == before
    assert figure.get_size_inches()[0] == 9.0
    assert figure.call.function == name
    within(figure)


@pytest.mark.parametrize("name", ["metric_bars", "error_vs_contrast", "error_by_distance"])
def test_rows_are_not_changed(name):
    rows = make_rows()
    before = rows.copy(deep=True)
    options = {"kind": "known"} if name == "metric_bars" else {}
    figures.PLOTS[name](rows, **options)
    pd.testing.assert_frame_equal(rows, before)


def test_a_sample_is_not_changed():
    sample = make_sample()
    before = copy.deepcopy(sample)
    figures.pair_panel(sample)
    for name in ("image", "other", "depth", "texture_contrast"):
        assert torch.equal(getattr(sample, name), getattr(before, name))


def test_pyplot_is_never_used():
    import sys

    figures.timeline(_run())
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_real_rows_are_not_called_miniature():
    assert "miniature" not in texts(figures.metric_bars(make_rows(miniature=False), kind="known"))
