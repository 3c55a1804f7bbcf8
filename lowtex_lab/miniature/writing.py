"""What all writers share: a folder that is finished, half finished or somebody else's, and files written once."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext, suppress
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from lowtex.errors import DataError, OptionError, require_choice
from lowtex.files import atomic_path, read_json, write_json, write_text
from lowtex.options import PositiveInt, typed
from lowtex.progress import Progress
from lowtex_lab.miniature.render import WORLD_VERSION

LAYOUTS = dict.fromkeys(
    ("vkitti2", "kitti_raw", "kitti_depth", "kitti_pairs", "kitti_2015", "make3d", "cityscapes", "stereo"), 1
)
"""Version of each layout's own files, raised by hand with any change of its writer that changes them; so an edit of one
writer neither rewrites the other layouts nor trains the networks anew that learnt from them. A change of the world
itself raises `WORLD_VERSION`. A test holds both to rendered frames."""

MANIFEST = "miniature.json"
UNFINISHED = "miniature.unfinished.json"


def world_version(layout: str) -> str:
    """Version of the world and of a layout, ``2.1``: files with another one are old.

    Raises:
        OptionError: an unknown layout.
    """
    require_choice("layout", layout, LAYOUTS)
    return f"{WORLD_VERSION}.{LAYOUTS[layout]}"


class Target:
    """A root folder being written. ``begin`` tells whether there is work; ``end`` marks it finished.

    A finished root carries `MANIFEST` with its parameters; an interrupted one `UNFINISHED`, and is carried on with. A
    root with other parameters is emptied of what the writer made and written anew. A folder with anything else in it
    is refused, so that real data are never mixed with the miniature.

    Args:
        root: the folder.
        readme: what README.txt says of the layout.
        made: patterns of what the writer makes in the folder.
        parameters: all that decides the files; ``layout`` is one of `LAYOUTS`.
    """

    def __init__(self, root: str | Path, readme: str, made: Sequence[str], **parameters):
        self.root, self._readme, self._made = Path(root), readme, made
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}
        self.parameters = {"world_version": world_version(parameters["layout"]), **plain}

    def begin(self) -> bool:
        """Prepare the folder; False where it is finished already.

        Raises:
            OptionError: the folder holds something that this writer did not make.
        """
        manifest, unfinished = self.root / MANIFEST, self.root / UNFINISHED
        if self.root.exists() and not self.root.is_dir():
            raise OptionError(f"{self.root} is a file; give a folder for the miniature")
        noted = next((path for path in (manifest, unfinished) if path.exists()), None)
        old = None
        if noted is not None:
            with suppress(DataError):
                old = read_json(noted)
            if noted == manifest and old == self.parameters:
                return False
        elif self.root.is_dir() and any(self.root.iterdir()):
            raise OptionError(
                f"{self.root} is not empty and was not written by lowtex; give a new or empty folder for the miniature"
            )
        if noted is not None and old != self.parameters:
            # parameters of nobody: if emptying is cut short, the next call goes on with it
            write_json(unfinished, {"emptying": True})
            manifest.unlink(missing_ok=True)
            for path in [path for pattern in self._made for path in self.root.glob(pattern)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        write_json(unfinished, self.parameters)
        manifest.unlink(missing_ok=True)
        version, seed = self.parameters["world_version"], self.parameters["seed"]
        write_text(
            self.root / "README.txt",
            f"SYNTHETIC DATA, not the real data set. Made by lowtex's miniature world, version "
            f"{version}, seed {seed}.\n\n{self._readme}\n",
        )
        return True

    def end(self) -> None:
        """Mark the folder as finished."""
        write_json(self.root / MANIFEST, self.parameters)
        (self.root / UNFINISHED).unlink(missing_ok=True)


def fill(
    targets: Sequence[Target],
    jobs: Callable[[], list[tuple]],
    work: Callable,
    title: str,
    progress: bool,
    unit: str = "pair",
) -> None:
    """Write the folders that are not finished, as many frames at once as torch has threads; an error stops the rest.

    Args:
        targets: of one layout.
        jobs: writes what is not of one frame, and gives the arguments of ``work`` for each frame. The first is a dict
            of the files it writes; where all of them are there, it has been done before.
        work: writes one frame.
        title, unit: of the bar.
        progress: show a bar.
    """
    # a list, because every target begins
    if not any([target.begin() for target in targets]):
        return
    threads, todo = torch.get_num_threads(), jobs()

    def one(job: tuple) -> None:
        torch.set_num_threads(1)  # holds for the worker's own thread
        if not all(path.exists() for path in job[0].values()):
            work(*job)

    pool = ThreadPoolExecutor(max_workers=max(1, min(threads, 8)))
    try:
        with Progress(title, len(todo), unit) if progress else nullcontext() as bar:
            for done in as_completed([pool.submit(one, job) for job in todo]):
                done.result()
                if bar is not None:
                    bar.update()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
    for target in targets:
        target.end()


def write_image(path: Path, image: np.ndarray, *options: int) -> None:
    """Write an image (BGR or one channel) in one move; the suffix chooses the format.

    Raises:
        DataError: it could not be written.
    """
    ok, code = cv2.imencode(path.suffix, image, list(options))
    if not ok:
        raise DataError(f"{path} could not be encoded ({image.dtype}, shape {image.shape})")
    with atomic_path(path) as temporary:
        temporary.write_bytes(code.tobytes())


def as_bgr8(image: Tensor) -> np.ndarray:
    """``(3, H, W)`` RGB in [0, 1] -> ``(H, W, 3)`` BGR uint8."""
    return np.ascontiguousarray((image * 255).round().byte().numpy().transpose(1, 2, 0)[:, :, ::-1])


def check_count(option: str, count: int) -> int:
    """How many frames, pairs or images.

    Raises:
        OptionError: not a whole number above 0.
    """
    return typed(option, count, PositiveInt)


def check_counts(option: str, counts: dict[str, int], splits: Iterable[str] = ()) -> dict[str, int]:
    """Frame counts by split, of those in ``splits``; without these, by scene.

    Raises:
        OptionError: none given, an unknown split, or a number that is not a whole number above 0.
    """
    if not counts:
        raise OptionError(f"{option} is empty; name at least one with its number of frames")
    for name in counts if splits else ():
        require_choice(f"{option}: split", name, splits)
    return {name: check_count(f"{option}: {name}", count) for name, count in counts.items()}


def deal(names: Sequence[str], count: int) -> list[tuple[str, int]]:
    """Deal ``count`` frames out to streets of these names in equal parts; no street goes without a frame."""
    names = list(names)[:count]
    share, rest = divmod(count, len(names))
    return [(name, share + (i < rest)) for i, name in enumerate(names)]


def check_size(size) -> tuple[int, int]:
    """(height, width).

    Raises:
        OptionError: not two whole numbers of 16 or more.
    """
    if len(tuple(size)) != 2 or any(int(n) != n or n < 16 for n in size):
        raise OptionError(f"size must be (height, width), whole numbers of 16 or more, got {size}")
    return int(size[0]), int(size[1])
