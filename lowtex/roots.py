"""Which folder holds which data set: real roots where the user names them, miniatures everywhere else."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lowtex.errors import DataError, OptionError, require_choice

REPOSITORY = Path(__file__).resolve().parents[1]
"""The checkout the package runs from; the kit is installed in place."""

DATASETS = ("vkitti2", "kitti", "kitti_depth", "make3d", "cityscapes", "stereo")
"""Names a root can be given for: Virtual KITTI 2, KITTI raw, KITTI's improved ground truth, Make3D, Cityscapes, and a
folder of one's own stereo pairs."""

MINIATURE_FOLDERS = {name: "kitti_raw" if name == "kitti" else name for name in DATASETS}
"""Folder of each data set's miniature, within the profile's."""

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

    def is_miniature(self, name: str) -> bool:
        """The root was written by the kit itself, or will be: what nobody named may not have been written yet."""
        return name not in self.named or is_miniature(self[name])

    def as_text(self) -> str:
        """The named roots, in the form `parse_roots` reads (a notebook's ``data_root`` parameter)."""
        return ";".join(f"{name}={self.paths[name]}" for name in sorted(self.named))


def parse_roots(data_root: str | Iterable[str] | Mapping[str, str | Path]) -> dict[str, Path]:
    """Read ``"kitti=/a;kitti_depth=/b"`` (or a list of such parts, or a mapping) into folders.

    Raises:
        OptionError: an unknown data set, or a part without ``=``.
        DataError: the folder does not exist.
    """
    if isinstance(data_root, Mapping):
        pairs = list(data_root.items())
    else:
        text = [data_root] if isinstance(data_root, str) else list(data_root)
        pairs = []
        for part in (piece.strip() for entry in text for piece in entry.split(";")):
            if not part:
                continue
            name, equals, path = part.partition("=")
            if not equals or not path:
                raise OptionError(f"data root {part!r} must read NAME=FOLDER, e.g. kitti=data/kitti_raw")
            pairs.append((name.strip(), path.strip()))
    roots = {}
    for name, path in pairs:
        require_choice("data set", name, DATASETS)
        folder = Path(path).expanduser()
        if not folder.is_dir():
            raise DataError(f"data root of {name}: {folder} is not a folder; check --data {name}=FOLDER")
        roots[name] = folder.resolve()
    return roots


def resolve_roots(data_root: str | Iterable[str] | Mapping[str, str | Path] = "", profile: str = "quick") -> Roots:
    """The user's folders, and the profile's miniatures for the data sets not named."""
    named = parse_roots(data_root)
    base = miniature_folder(profile)
    paths = {name: base / folder for name, folder in MINIATURE_FOLDERS.items()}
    return Roots(paths={**paths, **named}, named=frozenset(named))


def is_miniature(root: str | Path) -> bool:
    """Whether the kit wrote this folder, or the one above it: it leaves a manifest there."""
    return miniature_manifest(root) is not None


def fingerprint(root: str | Path, names: Iterable[str]) -> str:
    """``miniature:<hash>`` or ``real:<hash>``: which frames these are, without a path of one machine in it."""
    digest = hashlib.sha256("\n".join(names).encode())
    manifest = miniature_manifest(root)
    if manifest is not None:
        digest.update(manifest.read_bytes())
    return f"{'real' if manifest is None else 'miniature'}:{digest.hexdigest()[:12]}"


def miniature_manifest(root: str | Path) -> Path | None:
    """The manifest nearest to the files, None for real data: the root's own says which world wrote them."""
    folders = (Path(root), Path(root).parent)
    places = [folder / name for folder in folders for name in (ROOT_MANIFEST, MINIATURE_MANIFEST)]
    return next((path for path in places if path.is_file()), None)
