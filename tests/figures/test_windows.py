"""Windows over a picture and its ground truth, and maps drawn in a picture's proportions."""

import numpy as np
import pytest
from figure_samples import texts

from lowtex_lab import plots as figures
from lowtex_lab.plots.saving import refuse_blank

PICTURE = np.random.default_rng(0).random((3, 40, 30))
GRID = np.linspace(2, 70, 11 * 60).reshape(11, 60)


def test_windows_lie_where_they_should_in_both_panels():
    windows, own = {"middle": (0.25, 0.75, 0.0, 1.0), "other": (0.5, 1.0, 0.2, 0.4)}, {"middle": (3 / 11, 8 / 11, 0, 1)}
    figure = figures.crop_windows(PICTURE, GRID, windows, own, title="Kept", caption="why", miniature=True)
    left, right = figure.axes[:2]
    for axes in (left, right):
        boxes = {patch.get_label(): patch.get_bbox() for patch in axes.patches}
        assert set(boxes) == {"middle", "other", "middle: ground truth"}
        assert boxes["middle"].bounds == pytest.approx((-0.5, 9.5, 30, 20))
        assert boxes["other"].bounds == pytest.approx((5.5, 19.5, 6, 20))
        assert boxes["middle: ground truth"].bounds == pytest.approx((-0.5, 40 * 3 / 11 - 0.5, 30, 40 * 5 / 11))
    assert left.patches[0].get_edgecolor() == left.patches[2].get_edgecolor() != left.patches[1].get_edgecolor()
    # the grid is drawn over the picture's extent, so a row of it lies where the picture has it
    assert right.images[0].get_extent() == left.images[0].get_extent()
    told = texts(figure)
    for text in ("Kept", "why", "miniature data", "picture, 30×40", "ground truth, 60×11 values", "depth in m"):
        assert text in told
    refuse_blank(figure)
    figure.draw_without_rendering()
    assert left.get_window_extent().height == pytest.approx(right.get_window_extent().height, abs=1)


def test_windows_outside_or_none_are_refused():
    for box in ((0.5, 0.4, 0, 1), (0, 1.1, 0, 1), (0, 1, -0.1, 1), (0, 1, 0.3, 0.3)):
        with pytest.raises(ValueError, match="window 'bad' is"):
            figures.crop_windows(PICTURE, GRID, {"bad": box})
    with pytest.raises(ValueError, match="1 to 4 windows, got 0"):
        figures.crop_windows(PICTURE, GRID, {})
    with pytest.raises(ValueError, match="1 to 4 windows, got 5"):
        figures.crop_windows(PICTURE, GRID, {str(i): (0, 1, 0, 1) for i in range(5)})


@pytest.mark.parametrize("aspect", [0.5, 1.0])
def test_a_coarse_grid_gets_the_box_of_its_picture(aspect):
    drawn = [
        figures.prediction_panel([PICTURE], [GRID], {"ours": [GRID]}, aspect=aspect),
        figures.prediction_panel([PICTURE] * 2, [GRID] * 2, {"ours": [GRID] * 2}, aspect=aspect),
        figures.depth_grid({"picture": PICTURE, "truth": GRID}, "Title", aspect=aspect),
        figures.image_grid({"picture": PICTURE, "truth": GRID}, "Title", aspect=aspect),
    ]
    for figure in drawn:
        figure.draw_without_rendering()
        boxes = [axes.get_window_extent() for axes in figure.axes if axes.images]
        assert len(boxes) >= 2
        for box in boxes:
            assert box.height / box.width == pytest.approx(aspect, rel=0.01)
    # without it every value is a square
    figure = figures.depth_grid({"truth": GRID}, "Title")
    figure.draw_without_rendering()
    box = figure.axes[0].get_window_extent()
    assert box.height / box.width == pytest.approx(11 / 60, rel=0.01)
