"""Claims and the comparisons that bear on them, as data: what would have to be measured, and nothing measured."""

from dataclasses import dataclass

from lowtex.catalog import source_of
from lowtex.experiments import factorial
from lowtex_lab.studies.stats.image_scores import error_name

LESS, EQUAL = "less", "same"
"""What a claim expects of a comparison: a smaller error, or no difference."""

REAL_DATA = {
    "kitti": "KITTI",
    "kitti_depth": "KITTI",
    "vkitti2": "Virtual KITTI 2",
    "make3d": "Make3D",
    "cityscapes": "Cityscapes",
}
"""Data root -> what the data set is called in a verdict."""

MADE_IN = ("abstract", "review", "prototype", "rival")
"""Where a claim is made: the paper's abstract, a published review of the paper, the kit's own throw-away prototype, or
what a doubter would say instead."""


@dataclass(frozen=True)
class Versus:
    """One comparison: ``better`` should have the smaller ``metric`` than ``than``.

    Attributes:
        better, than: experiments.
        protocol: of `lowtex.evaluation.protocols`; it implies the data set and the test split.
        stratum: ``all``, ``low`` (texture), ``edge`` or ``interior`` (nearness to a depth edge), …
        kinds: kinds of strata it may come from, the first that the numbers have; ``none`` for whole images.
        metric: an error, smaller is better (of ``d1`` the share of bad pixels); or a column of ``measure``.
        times: the error is held against this share of the other's: 0.65 asks for a third less.
        expects: ``less``, or ``same``: the claim is that there is no difference.
        split: another than the protocol's own, for choices made on validation scenes.
        measure: not errors but a result of this measure (`lowtex_lab.studies.measures`), its column ``metric``.
        select: column and value of the rows of that measure to take.
    """

    better: str
    than: str = ""
    protocol: str = "vkitti2_dense"
    stratum: str = "all"
    kinds: tuple[str, ...] = ("none",)
    metric: str = "abs_rel"
    times: float = 1.0
    expects: str = LESS
    split: str = ""
    measure: str = ""
    select: tuple[tuple[str, str], ...] = ()

    @property
    def experiments(self) -> tuple[str, ...]:
        """All that must have numbers."""
        return self.better, self.than

    @property
    def wanted_split(self) -> str:
        """The last part of the split's name."""
        return self.split or source_of(self.protocol).split

    @property
    def quantity(self) -> str:
        """What is compared: the error's name, or which result of the measure."""
        if not self.measure:
            return error_name(self.metric)
        chosen = dict(self.select)
        return ", ".join([chosen.pop("quantity", self.metric), *(v for v in chosen.values() if v != "all")])

    @property
    def label(self) -> str:
        """The comparison in a few words."""
        return f"{self.better} / {self.than}"

    @property
    def place(self) -> str:
        """Data and pixels in a few words."""
        pixels = "all pixels" if self.stratum == "all" else self.stratum
        where = f"{self.measure}: {self.quantity}" if self.measure else self.protocol
        return ", ".join([where, *([] if self.measure else [pixels]), *([self.split] if self.split else [])])


@dataclass(frozen=True)
class MainEffect(Versus):
    """A factor's new level against its old one over all sixteen cells of the factorial; ``better`` is the factor."""

    @property
    def experiments(self) -> tuple[str, ...]:
        """All cells."""
        return tuple(factorial())

    @property
    def label(self) -> str:
        """The factor."""
        return f"{self.better}, main effect"


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper, of its review or of the prototype, in our words.

    Attributes:
        name: short.
        text: what is claimed; for a question of the review what a *yes* would mean.
        made_in: one of `MADE_IN`.
        tests: the comparisons that bear on it.
        blocked: why it cannot be judged with this kit as it stands, where that is so.
        reading: what the kit had to decide to make it testable.
        question: the review's own question, where it asks one.
        change: what would let it be judged, or be judged on real data; a command where there is one.
        about: name of the data root of which it says something (`REAL_DATA`), where it names a real data set or rests
            on numbers of one. Numbers of that data set's miniature are then no test of it.
    """

    name: str
    text: str
    made_in: str
    tests: tuple[Versus, ...] = ()
    blocked: str = ""
    reading: str = ""
    question: str = ""
    change: str = ""
    about: str = ""
