"""Which folder holds which data set: real roots where the user names them, miniatures everywhere else."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lowtex.errors import DataError, OptionError, require_choice

REPOSITORY = Path(__file__).resolve().parents[1]
"""The checkout the package runs from; the kit is installed in place."""

DATASETS = ("vkitti2", "kitti", "kitti_depth")
"""Names a root can be given for: Virtual KITTI 2, KITTI raw, and KITTI's improved ground truth."""

MINIATURE_MANIFEST = "manifest.json"
"""Left beside a profile's miniatures, one file for all its roots."""

ROOT_MANIFEST = "miniature.json"
"""Left in each root by the writer itself, with the parameters and the version of the world."""


def miniature_folder(profile: str) -> Path:
    """Where the miniatures of a profile are written."""
    return REPOSITORY / "data" / "miniature" / profile


@dataclass(frozen=True)
class Roots:
    """A folder for each data set, and whether the user named it."""

    paths: dict[str, Path]
    named: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Path:
        require_choice("data set", name, DATASETS)
        return self.paths[name]

    def is_miniature(root: str | Path) -> bool:
    """Whether the kit wrote this folder, or the one above it: it leaves a manifest there."""
    return _manifest(root) is not None


def fingerprint(root: str | Path, names: Iterable[str]) -> str:
    """``miniature:<hash>`` or ``real:<hash>``: which frames these are, without a path of one machine in it."""
    digest = hashlib.sha256("\n".join(names).encode())
    manifest = _manifest(root)
    if manifest is not None:
        digest.update(manifest.read_bytes())
    return f"{'real' if manifest is None else 'miniature'}:{digest.hexdigest()[:12]}"


def _manifest(root: str | Path) -> Path | None:
    """The manifest nearest to the files: the root's own says which version of the world wrote them."""
    root = Path(root)
    places = (root / ROOT_MANIFEST, root / MINIATURE_MANIFEST, root.parent / ROOT_MANIFEST, root.parent / MINIATURE_MANIFEST)
    return next((path for path in places if path.is_file()), None)
