"""Which version of the world a layout's files come from.

What makes pictures is shared by all layouts; a writer is not. So the version of a layout is a hash of the shared
modules and of its own writer, and an edit of one writer neither rewrites the other layouts' data nor trains the
networks anew that learned from them. This module and ``__init__`` make no pictures and are left out.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from lowtex.errors import require_choice
from lowtex.miniature.pair import WORLD_VERSION

WRITERS = {
    "vkitti2": ("vkitti2.py",),
    "kitti_raw": ("kitti.py", "kitti_calibration.py", "lidar.py"),
    "kitti_depth": ("kitti.py", "kitti_calibration.py", "lidar.py"),
    "make3d": ("make3d.py",),
    "cityscapes": ("cityscapes.py", "bonnet.py"),
    "stereo": ("stereo_folder.py",),
}
"""Modules that only the layout's own files depend on; every module named nowhere here belongs to all layouts."""

_NO_PICTURES = ("__init__.py", "versions.py")
_MODULES = Path(__file__).parent


@lru_cache(maxsize=len(WRITERS))
def world_version(layout: str) -> str:
    """`WORLD_VERSION` and a hash of the sources behind a layout, so that older data are never taken for new.

    Raises:
        OptionError: an unknown layout.
    """
    require_choice("layout", layout, WRITERS)
    digest = hashlib.sha256()
    for path in sources(layout):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{WORLD_VERSION}-{digest.hexdigest()[:12]}"


def sources(layout: str) -> list[Path]:
    """The modules whose change makes a layout's files old, sorted."""
    others = {name for names in WRITERS.values() for name in names} - set(WRITERS[layout])
    return sorted(path for path in _MODULES.glob("*.py") if path.name not in others and path.name not in _NO_PICTURES)
