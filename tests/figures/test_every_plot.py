"""What holds for every plotting function: it draws, says what its documentation promises, and leaves no trace."""

import copy
import inspect
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from figure_samples import check_whole, make_errors, make_rows, make_sample, texts

from lowtex.errors import DataError
from lowtex_lab import plots as figures

SAMPLE = make_sample()
DEPTH, IMAGE, ROWS = SAMPLE.depth, SAMPLE.image, make_rows()
LOW = np.arange(72) < np.full((24, 1), 18)
MAPS = [torch.rand(1, 8, 12 // 2**i, 36 // 2**i, generator=torch.Generator().manual_seed(0)) for i in range(3)]
RUN = pd.DataFrame({"name": ["01_data", "04_training"], "seconds": [9.0, 130.0], "training_s": [0.0, 99.0]})
STRATA = {"low": LOW, "high": ~LOW}
STREET = {"baseline": 1.5 * DEPTH, "ours": 1.25 * DEPTH}
GRID = {"a": IMAGE, "b": DEPTH, "nothing here": None}
MARKED = {"marks": {"here": (60, 9)}, "boxes": {"a": {"window": (0.2, 0.8, 0.1, 0.5)}}}
WEATHER = pd.DataFrame({"case": ["as it is", "in fog"], "name": "ours", "value": [0.1, 0.2]})

CASES = {
    "stereo_anaglyph": ([SAMPLE, True], {}, "left view red, right view cyan|miniature data|Scene20/clone/00012/l"),
    "texture_strata_overlay": ([IMAGE, STRATA, False, "Strata"], {}, "low: 25% of pixels|high: 75% of pixels"),
    "prediction_panel": (
        [[IMAGE] * 2, [DEPTH, None], {"ours": [DEPTH + 1] * 2}],
        {},
        "depth in m|relative error|no ground truth|ours (the paper's)|2 images",
    ),
    "one_street": (
        [IMAGE, DEPTH, STREET, LOW],
        {},
        "plainest part of this street, baseline is off by 50%, ours by 25%|true depth|violet: ours is|m",
    ),
    "image_grid": (
        [GRID, "A grid"],
        {"colors": {"b": "depth"}, **MARKED},
        "A grid|a|b|nothing here|here|window|depth in m|grey: no value",
    ),
    "timeline": ([RUN], {}, "01_data|2 min 10 s|2 tasks · 2 min 19 s of work, 1 min 39 s of it training"),
    "metric_bars": (
        [ROWS, "abs_rel"],
        {"kind": "known"},
        "AbsRel|lower is better|low texture|all pixels|n = 38 to 40 images|3 seeds|no crop, cap 80 m|no scaling|"
        "miniature data|baseline|ours (the paper's)",
    ),
    "case_dots": (
        [WEATHER, "AbsRel", "Weather"],
        {"miniature": True},
        "as it is|in fog|ours (the paper's)|AbsRel|Weather|miniature data|dashed: the first line",
    ),
    "error_vs_contrast": (
        [ROWS],
        {},
        "known texture contrast|share of pixels|< 0.01|0.01–0.04|≥ 0.04|miniature data|3 seeds",
    ),
    "error_by_distance": ([ROWS], {"kind": "known*distance"}, "true distance in m|low texture|high texture|< 10"),
    "errors_over_bins": ([make_errors()], {"caption": "a caption"}, "95% intervals|5 seeds|a caption"),
    "encoder_maps": ([MAPS, IMAGE, 3], {}, "stride 2: 36×12, 8 ch.|stride 8: 9×3, 8 ch.|image"),
    "diagram_stereo_loop": ([], {}, "depth network (is trained)|FeatureNet (frozen)"),
    "diagram_blocks": ([], {}, "iResNet: Start|4 ReLUs on the main path|1 ReLU on the main"),
    "diagram_decoders": ([], {}, "U-Net|nested grid|stride 32"),
    "diagram_white_wall": ([], {}, "A sketch of the paper's argument, not a measurement"),
}
"""What each is called with, and the words that it must show."""


@pytest.mark.parametrize("name", CASES)
def test_shows_what_it_promises_within_its_edges_and_changes_nothing(name):
    arguments, options, promised = CASES[name]
    settings, before = dict(matplotlib.rcParams), copy.deepcopy(arguments)
    figure = getattr(figures, name)(*arguments, **options)
    check_whole(figure)
    words = texts(figure)
    assert not [part for part in promised.split("|") if part not in words], words
    assert dict(matplotlib.rcParams) == settings and figure.get_size_inches()[0] == 9.0
    assert figure.call["function"] == (name if name in figures.PLOTS else "image_grid")
    for given, was in zip(arguments, before, strict=True):
        if isinstance(given, pd.DataFrame):
            pd.testing.assert_frame_equal(given, was)
        if isinstance(given, torch.Tensor):
            assert torch.equal(given, was)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def first_of(draw) -> type | None:
    """What a plot takes first."""
    return next((parameter.annotation for parameter in inspect.signature(draw).parameters.values()), None)


@pytest.mark.parametrize("name", [name for name, draw in figures.PLOTS.items() if first_of(draw) is pd.DataFrame])
def test_a_table_without_the_columns_that_are_drawn_is_refused(name):
    _, *others = inspect.signature(figures.PLOTS[name]).parameters.values()
    more = ["" for other in others if other.default is other.empty]
    with pytest.raises(DataError, match=f"{name} needs the columns .*; these rows have: colour"):
        figures.PLOTS[name](pd.DataFrame({"colour": ["red"]}), *more)


def test_real_rows_are_not_called_miniature():
    assert "miniature" not in texts(figures.metric_bars(make_rows(miniature=False), kind="known"))
