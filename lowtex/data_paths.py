"""Which folder holds which data set: real roots where the user names them, miniatures everywhere else."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lowtex.errors import DataError, OptionError, require_choice
from lowtex.files import read_json
from lowtex.profiles import PROFILES

REPOSITORY = Path(__file__).resolve().parents[1]
"""The checkout the package runs from; the kit is installed in place."""

DATASETS = ("vkitti2", "kitti", "kitti_depth", "kitti_pairs", "kitti_2015", "make3d", "cityscapes", "stereo")
"""Names a root can be given for: Virtual KITTI 2, KITTI raw, KITTI's improved ground truth, the pairs of KITTI's object
and road benchmarks, KITTI stereo 2015, Make3D, Cityscapes, and a folder of one's own stereo pairs."""

MINIATURE_FOLDERS = {name: "kitti_raw" if name == "kitti" else name for name in DATASETS}
"""Folder of each data set's miniature, within the profile's."""

STREETS_FOLDER = "vkitti2_streets"
"""Folder of the miniature's held-out streets, beside the others where a profile has them."""

MINIATURE_MANIFEST = "manifest.json"
"""Left beside a profile's miniatures, one file for all its roots."""

MINIATURE_WHAT = "miniature data sets written by lowtex, not the real ones"
"""What such a manifest says in ``what``; others' files have that name too."""

ROOT_MANIFEST = "miniature.json"
"""Left in each root by the writer itself, with the parameters and the version of the world."""

TEXTS = (".txt", ".yaml", ".yml", ".json", ".csv")
"""Files that hold numbers which decide over many images (calibration, lists); they are always read whole."""

SAMPLED_BYTES, SAMPLED_FILES = 2**28, 2000
"""Of other files at most so much is read, and of at most so many, so that 45,200 pairs take seconds."""

END_BYTES = 2**20
"""Of a file longer than twice this only so much is read at either end."""


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


def parse_roots(data_root: str | Iterable[str] | Mapping[str, str | Path]) -> dict[str, Path]:
    """Read ``"kitti=/a;kitti_depth=/b"`` (or a list of such parts, or a mapping) into folders.

    Raises:
        OptionError: an unknown data set, or a part without ``=``.
        DataError: the folder does not exist.
    """
    if isinstance(data_root, Mapping):
        parts = [f"{name}={path}" for name, path in data_root.items()]
    else:
        parts = (data_root if isinstance(data_root, str) else ";".join(data_root)).split(";")
    roots = {}
    for part in filter(None, map(str.strip, parts)):
        name, _, path = (word.strip() for word in part.partition("="))
        if not path:
            raise OptionError(f"data root {part!r} must read NAME=FOLDER, e.g. kitti=data/kitti_raw")
        require_choice("data set", name, DATASETS)
        # unlike `Path.expanduser`, this leaves the home folder of an unknown user as it is
        folder = Path(os.path.expanduser(path))
        if not folder.is_dir():
            raise DataError(f"data root of {name}: {folder} is not a folder; check --data {name}=FOLDER")
        roots[name] = folder.resolve()
    return roots


def resolve_roots(data_root: str | Iterable[str] | Mapping[str, str | Path] = "", profile: str = "quick") -> Roots:
    """The user's folders, and the profile's miniatures for the data sets not named."""
    named = parse_roots(data_root)
    paths = {name: miniature_folder(profile) / folder for name, folder in MINIATURE_FOLDERS.items()}
    return Roots(paths | named, frozenset(named))


def is_miniature(root: str | Path) -> bool:
    """Whether the kit wrote this folder, or the one above it: it leaves a manifest there."""
    return miniature_manifest(root) is not None


def profile_of_miniature(root: str | Path) -> str:
    """The profile that the kit keeps this miniature for, where its manifest describes every file; else empty."""
    folder = Path(root).resolve().parent
    kept = [profile for profile in PROFILES if folder == miniature_folder(profile).resolve()]
    return kept[0] if kept and is_miniature(root) else ""


def fingerprint(root: str | Path, names: Iterable[str], content: str = "") -> str:
    """``miniature:<hash>`` or ``real:<hash>``: which frames these are, without a path of one machine in it.

    Args:
        root: of the data set; where the kit wrote it, its manifest counts too.
        names: of the frames, in order.
        content: of their files (`content_digest`); left out where the manifest describes them.
    """
    digest = hashlib.sha256("\n".join(names).encode())
    manifest = miniature_manifest(root)
    if manifest is not None:
        digest.update(manifest.read_bytes())
    digest.update(content.encode())
    return f"{'real' if manifest is None else 'miniature'}:{digest.hexdigest()[:12]}"


def values_digest(values: object) -> str:
    """Twelve hex digits of plain values, whatever the order of names in a mapping; other objects by their text."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:12]


def content_digest(files: Iterable[str | Path], root: str | Path | None = None) -> str:
    """A hash of what files hold: the same for a copy on another machine, another one after any likely change.

    Counted are the name and size of each file, `TEXTS` whole, and of the others the content of a sample that is spread
    evenly over them (`SAMPLED_BYTES`, `SAMPLED_FILES`): of all of them in a small data set.

    Args:
        files: in an order that does not depend on the machine; one that is given again counts once.
        root: count their paths from here; None counts their names alone, wherever they lie.
    """
    digest = hashlib.sha256()
    large: list[tuple[str | Path, int]] = []
    for path in dict.fromkeys(files):
        name = os.path.basename(path) if root is None else os.path.relpath(path, root)
        try:
            size = os.stat(path).st_size
        except OSError:
            size = -1
        digest.update(f"{name}\n{size}\n".encode(errors="surrogateescape"))
        if size > 0 and name.lower().endswith(TEXTS):
            digest.update(_content(path, size))
        elif size > 0:
            large.append((path, size))
    total = sum(min(size, 2 * END_BYTES) for _, size in large)
    step = max(1, -(-total // SAMPLED_BYTES), -(-len(large) // SAMPLED_FILES))
    for path, size in large[::step]:
        digest.update(_content(path, size))
    return digest.hexdigest()[:12]


def folder_digest(root: str | Path) -> str:
    """`content_digest` of every file under a folder, hidden ones aside."""
    found: list[str] = []
    seen: set[str] = set()
    for folder, inner, names in os.walk(root, followlinks=True):
        # a link may lead back up
        if os.path.realpath(folder) in seen:
            inner.clear()
            continue
        seen.add(os.path.realpath(folder))
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        found += [os.path.join(folder, name) for name in sorted(names) if not name.startswith(".")]
    return content_digest(found, root)


def miniature_manifest(root: str | Path) -> Path | None:
    """The manifest nearest to the files, None for real data: the root's own says which world wrote them."""
    folders = (Path(root), Path(root).parent)
    places = [folder / name for folder in folders for name in (ROOT_MANIFEST, MINIATURE_MANIFEST)]
    return next((path for path in places if path.is_file() and _is_ours(path)), None)


def _is_ours(path: Path) -> bool:
    """The kit wrote this manifest."""
    if path.name == ROOT_MANIFEST:
        return True
    with suppress(DataError, OSError):
        manifest = read_json(path)
        return isinstance(manifest, dict) and manifest.get("what") == MINIATURE_WHAT
    return False


def _content(path: str | Path, size: int) -> bytes:
    # whoever reads a file says what is wrong with it
    with suppress(OSError), open(path, "rb") as file:
        if size <= 2 * END_BYTES or str(path).lower().endswith(TEXTS):
            return file.read()
        start = file.read(END_BYTES)
        file.seek(size - END_BYTES)
        return start + file.read()
    return b""
