"""The notebooks and what each needs, as data: the Snakefile, `lowtex run` and the tests all read this table."""

from collections.abc import Iterable
from dataclasses import dataclass

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
        trains: it makes the checkpoints. A run on real data takes them from the run on the miniatures.
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


NOTEBOOKS = (
    Node("00_start_here", needs=("04",)),
    Node("01_data", data=("kitti", "kitti_depth", "vkitti2", "make3d", "cityscapes", "stereo"), apart=True),
    Node("02_networks"),
    # it would train the feature network by itself, but in a batch it takes the one that 04 trains
    Node("03_losses", needs=("04",), quick_s=60),
    Node("04_training", trains=True, learns=True, threads=ALL_CORES, quick_s=240),
    Node("05_ablation_encoder", needs=("04",), quick_s=30),
    Node("06_ablation_feature_maps", needs=("04",), quick_s=40),
    Node("07_ablation_smoothness", needs=("04",), quick_s=30),
    Node("08_ablation_skips", needs=("04",), quick_s=30),
    Node("09_ablation_all", quick_s=40),
    Node("10_kitti", needs=("04",), data=("kitti",), quick_s=40),
    Node("11_improved_kitti", needs=("04",), data=("kitti", "kitti_depth"), learns=True, quick_s=90),
    Node("12_virtual_kitti2", needs=("04",), data=("vkitti2",), quick_s=40),
    Node("13_make3d", needs=("04",), data=("make3d",), quick_s=30),
    # it reads KITTI only where it is of the same kind as Cityscapes, real or miniature
    Node("14_cityscapes", needs=("04",), data=("cityscapes",), beside=("kitti",), learns=True, quick_s=250),
    Node("15_low_texture", needs=("04",), quick_s=40),
    Node("16_claims", needs=("04", "10", "11", "12", "15")),
    Node("17_own_stereo_rig", needs=("04",), data=("stereo",), learns=True, quick_s=90),
)

MEMORY_MB = {"smoke": 4_000, "quick": 8_000, "standard": 24_000, "paper": 64_000}
"""Memory to ask a cluster for, by profile: room for the pairs as bytes (0.7 MB each at 640x192); not measured."""

SPARE_MIN = 10
"""Minutes to ask a cluster for beyond a notebook's time limit, so that the notebook's own message comes first."""

TIMEOUT_S = {"smoke": 20 * 60, "quick": 30 * 60, "standard": 24 * 3600, "paper": 14 * 24 * 3600}


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
    wanted: set[str] = set()
    waiting = [n.number for n in nodes]
    while waiting:
        number = waiting.pop()
        if number not in wanted:
            wanted.add(number)
            waiting.extend(node(number).needs)
    return tuple(n for n in NOTEBOOKS if n.number in wanted)
