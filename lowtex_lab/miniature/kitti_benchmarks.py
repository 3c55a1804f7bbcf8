"""The miniature world in the layouts of KITTI's benchmarks of single frames: pairs to train on, stereo 2015 to test on.

``kitti_pairs/training/{image_2,image_3}/%06d.png`` with ``calib/%06d.txt``, as the object benchmark has them, and
``kitti_2015/training/{image_2,image_3,disp_noc_0,disp_occ_0}/%06d_10.png`` with ``calib_cam_to_cam/%06d.txt``. Cameras
and laser are those of `lowtex_lab.miniature.kitti`.
"""

from itertools import count
from pathlib import Path

import numpy as np

from lowtex.files import write_text
from lowtex.geometry import StereoRig
from lowtex_lab.miniature.kitti import KITTI_RIG, accumulated, calibration_files, frame_calibration, seen
from lowtex_lab.miniature.render import Scene, render
from lowtex_lab.miniature.writing import Target, as_bgr8, check_counts, check_size, deal, fill, write_image

STREETS = {"train": ("pairs_1", "pairs_2"), "val": ("pairs_val",), "test": ("stereo_1", "stereo_2")}
"""Streets of each split; its frames are dealt out to them in equal parts."""

_PAIRS_README = """Layout of KITTI's object benchmark: pairs without ground truth. splits/{train,val}.txt list the
frames; all have one camera, so that they can't be told apart by date as the real ones are."""
_STEREO_README = """Layout of KITTI stereo 2015 (disparity: uint16, pixels * 256, 0 = none), all of it to test on."""


def write_kitti_benchmarks(
    root: str | Path,
    frames: dict[str, int],
    size: tuple[int, int] = (96, 320),
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Write pairs in the layouts of KITTI's object benchmark and of KITTI stereo 2015.

    A finished folder with the same parameters is left as it is; an interrupted one is carried on with.

    Args:
        root: folder that gets ``kitti_pairs`` and ``kitti_2015``; those are new, empty, or written by this function.
        frames: number of pairs of "train" and "val" (of ``kitti_pairs``) and of "test" (``kitti_2015``).
        size: (height, width) of the images; the cameras are KITTI's, scaled to it.
        seed: of the whole world.
        progress: show a bar.

    Returns:
        ``root`` as a path.

    Raises:
        OptionError: an option is out of range, or a folder holds something else.
        DataError: the disk is full or the folder cannot be written.
    """
    frames = check_counts("frames", frames, STREETS)
    size, root = check_size(size), Path(root)
    parameters = {"frames": frames, "size": size, "seed": int(seed)}
    pairs = Target(root / "kitti_pairs", _PAIRS_README, ["training", "splits"], layout="kitti_pairs", **parameters)
    stereo = Target(root / "kitti_2015", _STEREO_README, ["training"], layout="kitti_2015", **parameters)
    rig = KITTI_RIG.resized(size[1], size[0])

    def jobs() -> list[tuple]:
        found, numbers = [], count()
        for split, total in frames.items():
            is_test, first = split == "test", len(found)
            for street, share in deal(STREETS[split], total):
                for k in range(share):
                    paths = _paths((stereo if is_test else pairs).root / "training", f"{next(numbers):06d}", is_test)
                    found.append((paths, Scene(street, int(seed)), k, size, rig))
            if not is_test:
                lines = [f"{job[0]['calibration'].stem}\n" for job in found[first:]]
                write_text(pairs.root / "splits" / f"{split}.txt", "".join(lines))
        return found

    fill([pairs, stereo], jobs, _write_frame, "KITTI benchmarks miniature", progress)
    return root


def _paths(training: Path, number: str, is_test: bool) -> dict[str, Path]:
    name, calibration = (f"{number}_10.png", "calib_cam_to_cam") if is_test else (f"{number}.png", "calib")
    kinds = ("image_2", "image_3", *(("disp_noc_0", "disp_occ_0") if is_test else ()))
    return {kind: training / kind / name for kind in kinds} | {"calibration": training / calibration / f"{number}.txt"}


def _write_frame(paths: dict[str, Path], scene: Scene, frame: int, size: tuple[int, int], rig: StereoRig) -> None:
    """Both images and the calibration, and in a test frame the laser's disparity."""
    pair, is_test = render(scene, frame, size, rig=rig), "disp_noc_0" in paths
    write_image(paths["image_2"], as_bgr8(pair.left))
    write_image(paths["image_3"], as_bgr8(pair.right))
    text = calibration_files(rig)["calib_cam_to_cam.txt"] if is_test else frame_calibration(rig)
    write_text(paths["calibration"], text)
    if is_test:
        depth = seen(accumulated(scene, frame, size), pair.depth_left, pair.rig, camera=2)
        disparity = np.divide(rig.focal_px * rig.baseline_m, depth, out=np.zeros_like(depth), where=depth > 0)
        units = (disparity * 256).round().astype(np.uint16)
        write_image(paths["disp_occ_0"], units)
        write_image(paths["disp_noc_0"], np.where(pair.visible_left[0].numpy(), units, np.uint16(0)))
