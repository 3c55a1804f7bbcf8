"""Write requirements.lock: every installed package that pyproject.toml asks for, directly or through another, pinned.

Run it by `make lock` in an environment whose versions are the ones to pin. Build tags (torch's ``+cpu``) are left out,
so that pip takes the build its index offers.
"""

import importlib.metadata
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
APART = ("slurm",)
"""Extras that a machine installs by itself: Snakemake imports every plugin it finds, on every call."""
HEADER = """\
# Every package of the kit, pinned. The Makefile and environment.yml both install from this file; `make lock` renews it.
# Without build tags: pip takes the torch build (CPU or CUDA) that its index offers.
"""


def canonical(name: str) -> str:
    """A package's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(project: dict) -> list[Requirement]:
    """What pyproject.toml names: dependencies, the extras but `APART`, and what builds the package."""
    groups = project["project"]["optional-dependencies"]
    extras = [text for name, group in groups.items() if name not in APART for text in group]
    texts = [*project["project"]["dependencies"], *extras, *project["build-system"]["requires"]]
    return [Requirement(text) for text in texts]


def closure(requirements: list[Requirement]) -> dict[str, str]:
    """Name -> installed version of ``requirements`` and of all they need here."""
    pinned: dict[str, str] = {}
    waiting, seen = list(requirements), set()
    while waiting:
        requirement = waiting.pop()
        name, extras = canonical(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        distribution = importlib.metadata.distribution(name)
        pinned[name] = distribution.version.partition("+")[0]
        for text in distribution.requires or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                waiting.append(needed)
    return pinned


def lock_text() -> str:
    """What requirements.lock has to hold in this environment."""
    pinned = closure(wanted(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))))
    return HEADER + "".join(f"{name}=={pinned[name]}\n" for name in sorted(pinned))


def main() -> None:
    """Write the file."""
    (ROOT / "requirements.lock").write_text(lock_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
