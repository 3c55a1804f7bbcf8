"""The notebooks and what each needs, as data: the Snakefile, `lowtex run` and the tests all read this table."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from lowtex.errors import OptionError

ALL_CORES = 0


@dataclass(frozen=True)
class Node:
    """One notebook of the batch.

    Attributes:
        name: file name without its ending; the first two characters are its number.
        needs: numbers of the notebooks whose results it reads.
        data: data sets it reads (`lowtex.data_paths.DATASETS`). A run on real data repeats it where all of them are
            named: beside real files a miniature would be taken for one of them.
        beside: data sets that it reads too where they are named, and does without elsewhere.
        apart: it looks at its data sets one by one, each said to be real or miniature, and measures nothing across
            them; a run on real data repeats it where any of them is named.
        trains: it makes the checkpoints. A run on real data takes them from the run on the miniatures, unless the
            profile has none.
        learns: it trains or fine-tunes networks, where it does not find them: on a cluster it asks for a GPU.
        threads: cores it keeps busy; `ALL_CORES` for the one that trains several networks side by side. Numbers of a
            training depend on its threads; every one has a single thread here, whatever the machine.
        quick_s: its wall time in the quick profile on 2 cores, until a run has measured it. Long ones begin first.
    """

    name: str
    needs: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    apart: bool = False
    trains: bool = False
    learns: bool = False
    threads: int = 1
    quick_s: int = 20

    @property
    def number(self) -> str:
        """The two characters by which a person calls it."""
        return self.name[:2]


def _plain(described: dict) -> dict:
    lists = {name: tuple(value) for name, value in described.items() if isinstance(value, list)}
    return {**described, **lists, "threads": ALL_CORES if described.get("threads") == "all" else 1}


_TABLE = yaml.safe_load(Path(__file__).with_name("graph.yaml").read_text(encoding="utf-8"))

NOTEBOOKS = tuple(Node(name, **_plain(described)) for name, described in _TABLE["notebooks"].items())

TIMEOUT_S = {profile: 60 * minutes for profile, minutes in _TABLE["timeout_min"].items()}
"""Time limit of one notebook, by profile."""

MEMORY_MB = _TABLE["memory_mb"]
"""Memory to ask a cluster for, by profile."""

SPARE_MIN = 10
"""Minutes to ask a cluster for beyond a notebook's time limit, so that the notebook's own message comes first."""


def node(number: str) -> Node:
    """Find a notebook by number (``"04"``, ``"4"``) or by name (``"04_training"``).

    Raises:
        OptionError: there is none; lists those there are.
    """
    wanted = str(number).strip().removesuffix(".ipynb")
    for candidate in NOTEBOOKS:
        if wanted == candidate.name or wanted.zfill(2) == candidate.number:
            return candidate
    raise OptionError(f"there is no notebook {number!r}; there are: {', '.join(n.name for n in NOTEBOOKS)}")


def select(only: Iterable[str] = (), data_names: Iterable[str] = ()) -> tuple[Node, ...]:
    """The notebooks a run is asked for: those named, or else all, or else those whose data the real data sets are.

    Raises:
        OptionError: a notebook that is named, or every one that reads the real data sets, would mix them with
            miniatures; or no notebook reads them. Says which data sets to name as well.
    """
    chosen = {node(number).name for number in only}
    names = list(data_names)
    mixed = left_out(names)
    if chosen:
        refused = [reason for n, reason in mixed.items() if n.name in chosen]
        if refused:
            raise OptionError(f"{'; '.join(refused)}; name these too, or leave the notebook out")
        return tuple(n for n in NOTEBOOKS if n.name in chosen)
    if not names:
        return NOTEBOOKS
    found = tuple(n for n in NOTEBOOKS if set(names) & set(n.data) and n not in mixed)
    if not found:
        raise OptionError("; ".join(mixed.values()) or f"no notebook reads {' and '.join(names)}")
    return found


def left_out(data_names: Iterable[str]) -> dict[Node, str]:
    """The notebooks that read some of these data sets but not only these, each with what else it reads."""
    names = set(data_names)
    partly = [n for n in NOTEBOOKS if not n.apart and names & set(n.data) and not set(n.data) <= names]
    return {
        n: f"{n.name} also reads {' '.join(f'--data {d}=FOLDER' for d in n.data if d not in names)}" for n in partly
    }


def with_upstream(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """``nodes`` and everything they need, in the table's order."""
    wanted = set(nodes)
    needed = {node(number) for n in wanted for number in n.needs}
    if needed <= wanted:
        return tuple(n for n in NOTEBOOKS if n in wanted)
    return with_upstream(wanted | needed)
