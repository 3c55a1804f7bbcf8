"""Readers of stereo data sets, all yielding `StereoSample`, and what training does with the pairs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from lowtex.datasets.augment import flip_pair, jitter_colour
from lowtex.datasets.cache import CachedPairs
from lowtex.datasets.cityscapes import Cityscapes
from lowtex.datasets.kitti import KittiImproved, KittiRaw
from lowtex.datasets.kitti_benchmarks import Kitti2015, KittiPairs
from lowtex.datasets.make3d import Make3D
from lowtex.datasets.prepared import PreparedPairs, is_prepared, open_prepared, prepare, prepared_for
from lowtex.datasets.reader import RESIZES, StereoReader
from lowtex.datasets.sample import StereoBatch, StereoSample, collate
from lowtex.datasets.stereo_folder import StereoFolder
from lowtex.datasets.virtual_kitti2 import VirtualKitti2
from lowtex.errors import OptionError, require_choice
from lowtex.options import typed, types_of

READERS: dict[str, type[StereoReader]] = {
    "kitti": KittiRaw,
    "kitti_improved": KittiImproved,
    "kitti_pairs": KittiPairs,
    "kitti_2015": Kitti2015,
    "vkitti2": VirtualKitti2,
    "make3d": Make3D,
    "cityscapes": Cityscapes,
    "stereo": StereoFolder,
}
"""Readers by the name that experiments and the command line use."""


def open_dataset(
    name: str,
    root: str | Path,
    split: str = "train",
    size: Sequence[int] | None = (96, 320),
    *,
    prepared: bool = True,
    resize: str | None = None,
    **options,
) -> StereoReader:
    """Open a data set by its name in `READERS`.

    Args:
        name: of the reader.
        root, split, size: as every reader takes them; see its class for the layout and the splits. The root may also
            be a folder that ``lowtex data prepare`` made of this split.
        prepared: take samples from prepared data instead of the files, where there are any that are current.
        resize: how images are brought to the size: ``area`` (the default), or ``lanczos`` as Monodepth2 has it, for
            networks that were trained so.
        options: further arguments of that reader.

    Raises:
        OptionError: the name, the split or an option is unknown, or an option's value of another type.
        DataError: the root does not hold what the split needs.
    """
    options = checked_options(name, options)
    reader = READERS[name]
    if resize is not None:
        require_choice("resize", resize, RESIZES)
    if is_prepared(root):
        return open_prepared(name, reader, root, split, size, options | ({"resize": resize} if resize else {}))
    opened = reader(root, split=split, size=size, **options)
    opened.resize = resize or opened.resize
    if prepared:
        opened.prepared = prepared_for(opened)
    return opened


def checked_options(name: str, options: Mapping[str, object], from_text: bool = False) -> dict[str, object]:
    """Options of a reader, each of the type that the reader's signature gives it.

    Args:
        name: of the reader.
        options: by name; without root, split and size, which every reader has.
        from_text: the values are texts of ``--reader NAME=VALUE``; see `lowtex.options.typed`.

    Raises:
        OptionError: the reader or an option is unknown, or a value is of another type.
    """
    require_choice("data set", name, READERS)
    known = {option: kind for option, kind in types_of(READERS[name].__init__).items() if option not in _OF_ALL}
    known["resize"] = Literal[RESIZES]
    for option in options:
        if option not in known:
            raise OptionError(f"data set {name!r} has no option {option!r}; it has: {', '.join(known)}")
    before = "--reader " if from_text else ""
    return {
        option: typed(f"{before}{option}", value, known[option], from_text=from_text)
        for option, value in options.items()
    }


_OF_ALL = ("root", "split", "size")
