"""The settings of a batch of notebooks, and what the Snakefile asks about them."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lowtex.data_paths import MINIATURE_MANIFEST, folder_digest, miniature_folder, parse_roots
from lowtex.errors import OptionError, require_choice
from lowtex.experiments import get_profile
from lowtex.files import read_json, write_json
from lowtex.options import typed
from lowtex.paths import RUN_FILE, default_run_dir, from_root, notebooks_folder, shown, training_run_dir
from lowtex_lab.notebook import graph
from lowtex_lab.notebook.runner import check_parameters, parameters_of


@dataclass(frozen=True)
class Settings:
    """One run: what is run, with what, and where it lands.

    Attributes:
        profile, seed, device: as in every notebook.
        run_dir: the run's folder.
        checkpoints_from: the run whose trainings it uses; itself, but for a run on real data.
        data_root: real data as ``name=folder;name=folder``; empty for the miniatures.
        only: names of the notebooks asked for; empty for all (of those that read the real data, where it is given).
        changes: ``name=value``, or ``04.name=value`` for one notebook alone.
        timeout_min: time limit of one notebook, minutes.
    """

    profile: str
    seed: int
    run_dir: Path
    checkpoints_from: Path
    data_root: str = ""
    device: str = "auto"
    only: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    timeout_min: float | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Settings":
        """Fill in what ``config`` (of the Snakefile or of the command line) leaves out, and check it.

        Raises:
            OptionError: an unknown profile, device, notebook, data set or parameter, or a folder with braces.
            DataError: a data root is not a folder.
        """
        known = ("profile", "seed", "run_dir", "checkpoints_from", "data_root", "device", "only", "set", "timeout_min")
        for name in config:
            require_choice("run setting", name, known)
        profile = str(config.get("profile") or "quick")
        get_profile(profile)
        device = str(config.get("device") or "auto")
        require_choice("device", device, ("auto", "cpu", "cuda"))
        seed = typed("seed", str(config.get("seed") or 0), int, from_text=True)
        roots = parse_roots(config.get("data_root") or "")
        named = config.get("run_dir")
        run_dir = from_root(named) if named else default_run_dir(profile, seed, roots)
        source = config.get("checkpoints_from")
        settings = cls(
            profile=profile,
            seed=seed,
            run_dir=run_dir,
            checkpoints_from=from_root(source) if source else training_run_dir(run_dir, profile, seed, roots),
            data_root=";".join(f"{name}={roots[name]}" for name in sorted(roots)),
            device=device,
            only=tuple(n.name for n in graph.select(_words(config.get("only")), ())) if config.get("only") else (),
            changes=tuple(_words(config.get("set"))),
            timeout_min=config.get("timeout_min"),
        )
        settings._check_changes()
        for folder in (settings.run_dir, settings.checkpoints_from, notebooks_folder()):
            if "{" in str(folder):
                raise OptionError(f"{folder} has a brace in its name, which Snakemake takes for a wildcard; rename it")
        return settings

    def as_config(self) -> dict[str, Any]:
        """Plain values that `from_config` reads; also what ``run.json`` holds."""
        plain = asdict(self) | {"run_dir": shown(self.run_dir), "checkpoints_from": shown(self.checkpoints_from)}
        changes = plain.pop("changes")
        return plain | {"only": list(self.only), "set": list(changes)}

    @property
    def roots(self) -> dict[str, Path]:
        """The real data sets by name."""
        return parse_roots(self.data_root)

    @property
    def nodes(self) -> tuple[graph.Node, ...]:
        """The notebooks asked for."""
        return graph.select(self.only, self.roots)

    @property
    def timeout_s(self) -> int:
        """Time limit of one notebook, seconds."""
        return int(self.timeout_min * 60) if self.timeout_min else graph.TIMEOUT_S[self.profile]

    def gpus(self, node: graph.Node) -> int:
        """GPUs to ask a cluster for."""
        return int(node.learns and self.device != "cpu")

    @property
    def plan_file(self) -> str:
        """Where the steps of the present call are noted."""
        return str(self.run_dir / ".run" / "plan.json")

    def folder(self, node: graph.Node) -> Path:
        """The run folder a notebook writes to: a notebook that trains writes where the checkpoints come from."""
        return self.checkpoints_from if node.trains else self.run_dir

    def source(self, node: graph.Node) -> str:
        """The notebook's source."""
        return str(notebooks_folder() / f"{node.name}.ipynb")

    def executed(self, node: graph.Node) -> str:
        """The executed copy."""
        return str(self.folder(node) / "notebooks" / f"{node.name}.ipynb")

    def record(self, node: graph.Node) -> str:
        """The record its last cell writes."""
        return str(self.folder(node) / "notebooks" / f"{node.name}.result.json")

    def parameters(self, node: graph.Node) -> str:
        """The notebook's parameters as JSON."""
        values = {
            "profile": self.profile,
            "seed": self.seed,
            "run_dir": shown(self.folder(node)),
            "data_root": ";".join(f"{name}={folder}" for name, folder in self._given(node).items()),
            "device": self.device,
        }
        own = {} if node.trains and self.checkpoints_from != self.run_dir else self._changes_of(node)
        return json.dumps(check_parameters(self.source(node), values | own), sort_keys=True)

    def data(self, node: graph.Node) -> str:
        """What the named folders that a notebook reads hold, as text: a change of it is a reason to run it again."""
        read = {*node.data, *node.beside} & set(self._given(node))
        return " ".join(f"{name}={held}" for name, held in self._held.items() if name in read)

    def _given(self, node: graph.Node) -> dict[str, Path]:
        """The named folders that a notebook gets: one that trains learns from the miniatures, where there are any."""
        if not node.trains:
            return self.roots
        own = () if miniature_record(self.profile) else node.beside
        return {name: folder for name, folder in self.roots.items() if name in own}

    @cached_property
    def _held(self) -> dict[str, str]:
        """`lowtex.data_paths.folder_digest` by data set; several notebooks read one."""
        return {name: folder_digest(folder) for name, folder in self.roots.items()}

    def check_claim(self) -> None:
        """Refuse a folder that holds another run's results.

        Raises:
            OptionError: it was run with another profile, seed or data before; says the command that works.
        """
        path = self.run_dir / RUN_FILE
        # what a run that failed before has left is nobody's result
        finished = [*self.run_dir.glob("rows/*.csv"), *self.run_dir.glob("notebooks/*.result.json")]
        if not path.is_file() or not finished:
            return
        before, mine = read_json(path), self.as_config()
        for name in ("profile", "seed", "data_root"):
            if name in before and before[name] != mine[name]:
                raise OptionError(
                    f"{shown(self.run_dir)} holds results with {name}={before[name]!r}, and this run has "
                    f"{name}={mine[name]!r}; rows must not mix, so choose another folder; to the same command add: "
                    f"{self._folders_elsewhere()}"
                )

    def claim(self) -> None:
        """Write ``run.json``, unless the folder holds another run's results.

        Raises:
            OptionError: as `check_claim`.
        """
        self.check_claim()
        path = self.run_dir / RUN_FILE
        mine = self.as_config()
        if not path.is_file() or read_json(path) != mine:
            write_json(path, mine)

    def _folders_elsewhere(self) -> str:
        """The options that lead to a folder that is free, with the trainings that would have been used here."""
        free = (self.run_dir.with_name(f"{self.run_dir.name}-{number}") for number in range(2, 1000))
        words = ["--run-dir", shown(next(folder for folder in free if not folder.exists()))]
        words += ["--checkpoints-from", shown(self.checkpoints_from)] if self.checkpoints_from != self.run_dir else []
        return shlex.join(words)

    def _changes_of(self, node: graph.Node) -> dict[str, str]:
        known, found = parameters_of(self.source(node)), {}
        for name, value, owner in map(_change, self.changes):
            if owner == node or (owner is None and name in known):
                found[name] = value
        return found

    def _check_changes(self) -> None:
        for name, _, owner in map(_change, self.changes):
            nodes = (owner,) if owner else graph.with_upstream(self.nodes)
            known = sorted({name for n in nodes for name in parameters_of(self.source(n))})
            require_choice("parameter", name, known)


def miniature_record(profile: str) -> str:
    """The file that says a profile's miniatures are complete; empty for a profile that has none."""
    has_any = bool(get_profile(profile).miniature_frames)
    return str(miniature_folder(profile) / MINIATURE_MANIFEST) if has_any else ""


def miniature_content(profile: str) -> str:
    """What the miniatures are, as text: a change of it is a reason to write them again."""
    from lowtex_lab.miniature.store import manifest_of

    return json.dumps(manifest_of(profile), sort_keys=True)


def _words(value: Any) -> list[str]:
    items = value if isinstance(value, list | tuple) else str(value or "").split(",")
    return [str(item).strip() for item in items if str(item).strip()]


def _change(text: str) -> tuple[str, str, graph.Node | None]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise OptionError(f"--set {text!r} must read name=value, or 04.name=value for one notebook")
    number, dot, own = name.partition(".")
    return (own, value, graph.node(number)) if dot else (name, value, None)
