"""Feature maps of an encoder, stride by stride."""

from collections.abc import Sequence

import numpy as np

from lowtex_lab.plots.arrays import as_picture, image_rows_height
from lowtex_lab.plots.recipe import plot, to_array
from lowtex_lab.plots.style import finish, new_figure, place_image

MOST_MAPS = 6


@plot
def encoder_maps(
    maps: Sequence,
    image=None,
    channels: int = 5,
    title: str = "What the encoder's maps look like",
    strides: Sequence[int] | None = None,
    miniature: bool = False,
):
    """The channels that vary most of each of an encoder's maps, one row a stride.

    Each channel is stretched to its own range (2nd to 98th percentile): the colours show where it varies, not how much.

    Args:
        maps: ``(C,h,w)`` or ``(1,C,h,w)``, finest first, at most six; what `ResNetEncoder` returns.
        image: ``(3,H,W)`` in [0, 1], drawn first.
        channels: how many channels of each map.
        title: replaces the standard one.
        strides: for the row labels; None = 2, 4, 8, ….
        miniature: mark it as such.

    Raises:
        ValueError: a map of another shape, none, or more than six.
    """
    arrays = [to_array(values).astype(np.float32) for values in maps]
    arrays = [a[0] if a.ndim == 4 and a.shape[0] == 1 else a for a in arrays]
    wrong = [a.shape for a in arrays if a.ndim != 3]
    if wrong or not 1 <= len(arrays) <= MOST_MAPS:
        raise ValueError(f"encoder_maps takes 1 to {MOST_MAPS} maps (C,h,w), got {wrong or len(arrays)}")
    strides = list(strides) if strides is not None else [2 ** (i + 1) for i in range(len(arrays))]
    rows = len(arrays) + (image is not None)
    figure = new_figure(image_rows_height(rows, channels, arrays[0].shape[1:], extra_in=0.8), layout="compressed")
    axes = figure.subplots(rows, channels, squeeze=False)
    for blank in axes.flat:
        blank.set_axis_off()
    if image is not None:
        axes[0, 0].set_axis_on()
        place_image(axes[0, 0], as_picture(image), "image")
    for row, (array, stride) in enumerate(zip(arrays, strides, strict=True), start=int(image is not None)):
        spread = array.reshape(len(array), -1).std(axis=1)
        best = np.argsort(-spread, kind="stable")[:channels]
        for column, channel in enumerate(best):
            values = array[channel]
            low, high = np.quantile(values, [0.02, 0.98])
            if high <= low:
                # an edge detector that fires in a few places only has equal percentiles
                low, high = float(values.min()), float(values.max())
            axes[row, column].set_axis_on()
            label = f"channel {channel}"
            if column == 0:
                label = f"stride {stride}: {array.shape[2]}×{array.shape[1]}, {array.shape[0]} ch."
            place_image(axes[row, column], values, label, cmap="viridis", vmin=low, vmax=max(high, low + 1e-9))
    caption = f"the {channels} channels with the largest spread of each map · each stretched to its own range"
    return finish(figure, title, caption, miniature=miniature)
