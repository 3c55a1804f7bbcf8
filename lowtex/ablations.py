"""The ablation as data: the full factorial, the ambiguous choices one at a time, the rivals, the smoothness curve.

Each row is a small difference over a named experiment, nearly always `ours`, and has a name of its own by which it is
trained (``lowtex train resnet-pixels-first-plain``), scored and plotted. Two names may mean the same training, as
``ours`` and ``iresnet-features-both-nested`` do; then they share its key, and it is done once.
"""

import difflib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from lowtex.errors import OptionError, require_choice
from lowtex.experiments import NAMED, Experiment, named_experiment
from lowtex.profiles import Profile

Changes = Mapping[str, object]
"""What a row sets, as `lowtex.experiments.change` takes it."""

FACTORS: dict[str, dict[str, Changes]] = {
    "encoder": {"resnet": {"network__encoder": "resnet"}, "iresnet": {"network__encoder": "iresnet"}},
    "data term": {"pixels": {"loss__data_term": "pixels"}, "features": {"loss__data_term": "features"}},
    "smoothness": {"first": {"loss__smooth_second": 0.0}, "both": {"loss__smooth_second": 1e-3}},
    "skips": {"plain": {"network__decoder": "unet"}, "nested": {"network__decoder": "nested"}},
}
"""The paper's four changes: factor -> level -> what it sets in `ours`. The second level is the paper's."""


def factorial() -> dict[str, Changes]:
    """All combinations of the levels of `FACTORS`: 16 names such as ``resnet-pixels-first-plain``, each's changes."""
    rows = {}
    for levels in itertools.product(*(factor.items() for factor in FACTORS.values())):
        changes: dict[str, object] = {}
        for _, setting in levels:
            changes |= setting
        rows["-".join(level for level, _ in levels)] = changes
    return rows


def levels_of(name: str) -> dict[str, str]:
    """Factor -> level of a name of the factorial, for a table of effects.

    Raises:
        OptionError: another name.
    """
    require_choice("factorial row", name, factorial())
    return dict(zip(FACTORS, name.split("-"), strict=True))


@dataclass(frozen=True)
class Variant:
    """One row.

    Attributes:
        what: it changes, in a few words.
        changes: settings over those of ``base``.
        base: named experiment.
        dossier: row of the table of unknowns it answers (``U8``), or the section of the component.
        why: somebody would choose it.
    """

    what: str
    changes: Changes = field(default_factory=dict)
    base: str = "ours"
    dossier: str = ""
    why: str = ""


ALTERNATIVES: dict[str, Variant] = {
    "features-levels": Variant(
        "each disparity scale against the feature map of its own level",
        {"loss__feature_scales": "levels"},
        dossier="U8",
        why="the other reading of 'multi-scale': level l of the features with disparity l",
    ),
    "features-single": Variant(
        "the finest disparity alone against the lowest feature map",
        {"loss__feature_scales": "single"},
        dossier="U8",
        why="FeatDepth's code, whose feature loss the paper wants to make multi-scale",
    ),
    "features-ssim": Variant(
        "feature maps compared by SSIM and L1",
        {"loss__feature_distance": "ssim_l1"},
        dossier="U9",
        why="the abstract calls it a photometric loss on feature maps",
    ),
    "features-added": Variant(
        "pixels too, feature maps added with weight 1e-3",
        {"loss__data_term": "both", "loss__feature_weight": 1e-3},
        dossier="U10",
        why="FeatDepth adds its feature term; the paper's abstract says 'instead'",
    ),
    "features-added-equal": Variant(
        "pixels too, feature maps added with weight 1",
        {"loss__data_term": "both"},
        dossier="U11",
        why="1e-3 belongs to maps of FeatDepth's scale; here channels have unit deviation",
    ),
    "features-raw": Variant(
        "feature maps as they leave the network, not scaled per channel",
        {"feature_net__normalise": False},
        dossier="U11",
        why="what FeatDepth does; the weight of smoothness then means something else",
    ),
    "features-joint": Variant(
        "feature network trained beside the depth network instead of before it",
        {"feature_net__kind": "joint"},
        dossier="U6",
        why="FeatDepth's mono_fm_joint; no gradient of the depth objective reaches it, or constant maps would win",
    ),
    "features-zero-padding": Variant(
        "zero padding in the feature network",
        {"feature_net__padding_mode": "zeros"},
        dossier="U6",
        why="what every published ResNet does; alike borders attract zero disparity",
    ),
    "smooth-second-half": Variant(
        "second-order smoothness with half the weight of the first",
        {"loss__smooth_second": 5e-4},
        dossier="U12",
        why="the ratio of the two weights is not known",
    ),
    "edge-decay-1": Variant(
        "smoothness weighted by exp(-|dI|)",
        {"loss__edge_decay": 1.0},
        dossier="U12",
        why="Monodepth2's form; FeatDepth has exp(-0.5 |dI|)",
    ),
    "smooth-disparity": Variant(
        "disparity smoothed as it is, not divided by its mean",
        {"loss__smooth_quantity": "disparity"},
        dossier="U13",
        why="FeatDepth switches the division off where it trains on stereo pairs",
    ),
    "smooth-depth": Variant(
        "depth smoothed instead of disparity",
        {"loss__smooth_quantity": "depth"},
        dossier="U13",
        why="the abstract says depth; a slanted plane is linear in disparity and is not in depth",
    ),
    "auto-mask": Variant(
        "Monodepth2's auto-mask on the feature term",
        {"loss__auto_mask": True},
        dossier="U14",
        why="on in the Monodepth2 baseline, off in FeatDepth on stereo pairs",
    ),
    "out-of-view-mask": Variant(
        "places whose match lies outside the other image left out",
        {"loss__out_of_view_mask": True},
        dossier="U14",
        why="they carry no information in any data term",
    ),
    "squeeze-excite": Variant(
        "HR-Depth's channel gate in the nested decoder",
        {"network__squeeze_excite": True},
        dossier="U16",
        why="part of the nested decoder that was published for this task",
    ),
    "rectified-path": Variant(
        "main path rectified after each stage's first block",
        {"network__rectify_after_start": True},
        dossier="3.1",
        why="what iResNet's released code does by an in-place ReLU, and its text does not",
    ),
    "strided-shortcut": Variant(
        "1x1 shortcut of stride 2 without the max-pool before it",
        {"network__projection": "stride"},
        dossier="3.1",
        why="ResNet's shortcut, which reads one position of four: is that loss felt?",
    ),
}
"""The choices that the paper leaves open, each changed alone in `ours`."""

RIVALS: dict[str, Variant] = {
    "census": Variant(
        "pixels compared by the soft census transform",
        {"loss__data_term": "pixels", "loss__pixel_error": "census"},
        why="local contrast normalisation without anything learnt (Zabih and Woodfill 1994; UnFlow, 2018)",
    ),
    "zncc": Variant(
        "pixels compared by normalised cross-correlation",
        {"loss__data_term": "pixels", "loss__pixel_error": "zncc"},
        why="local contrast normalisation without anything learnt",
    ),
    "random-features": Variant(
        "feature maps of a network that was never trained",
        {"feature_net__kind": "random"},
        dossier="U6",
        why="if random filters do as well, what was learnt is not the reason",
    ),
    "featdepth": Variant(
        NAMED["featdepth"]["what"],
        base="featdepth",
        dossier="3.2",
        why="the method that the paper builds on, 'Shu' in its tables",
    ),
}
"""The simpler explanations, and the method the paper builds on."""

DATA_TERMS: dict[str, Changes] = {
    "pixels": {"loss__data_term": "pixels"},
    "features": {"loss__data_term": "features"},
    "census": RIVALS["census"].changes,
    "zncc": RIVALS["zncc"].changes,
}

SMOOTHNESS_CURVE: dict[str, tuple[float, ...]] = dict.fromkeys(DATA_TERMS, (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1))
"""Weights of both orders of smoothness to try for each data term, to be judged on validation scenes alone: an error
twice as large makes the same weight half as strong, so one weight for all would favour some."""


def curve_name(data_term: str, weight: float) -> str:
    """Name of a point of the curve: ``pixels-smooth-0.003``."""
    return f"{data_term}-smooth-{weight:g}"


def _curve() -> dict[str, Variant]:
    return {
        curve_name(term, weight): Variant(
            f"{term}, smoothness of both orders with weight {weight:g}",
            {**DATA_TERMS[term], "loss__smooth_first": weight, "loss__smooth_second": weight},
        )
        for term, weights in SMOOTHNESS_CURVE.items()
        for weight in weights
    }


TUNED = {"pixels": 1e-2, "features": 3e-3}
"""Each data term's own weight of smoothness: of its curve, that of the smallest error on validation scenes (quick
profile, miniatures, three seeds; notebook 06). Only these points are scored on test scenes. Another profile needs its
own curve."""


def tuned_name(data_term: str) -> str:
    """Name of a data term at its own weight of smoothness: ``pixels-tuned``."""
    return f"{data_term}-tuned"


def _tuned() -> dict[str, Variant]:
    return {
        tuned_name(term): replace(
            _curve()[curve_name(term, weight)],
            why="one weight for all data terms would favour some; each at its best is the fair comparison",
        )
        for term, weight in TUNED.items()
    }


def _cells() -> dict[str, Variant]:
    what = "{encoder}, {data term}, {smoothness} order of smoothness, {skips} skips"
    return {
        name: Variant(what.format(**levels_of(name)).replace("both order", "both orders"), changes)
        for name, changes in factorial().items()
    }


GROUPS: dict[str, dict[str, Variant]] = {
    "named": {name: Variant(recipe["what"], base=name) for name, recipe in NAMED.items()},
    "factorial": _cells(),
    "alternatives": ALTERNATIVES,
    "rivals": RIVALS,
    "curve": _curve(),
    "tuned": _tuned(),
}
"""All rows, by what they are for."""

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {name: row for group in GROUPS.values() for name, row in group.items()}
)
"""All rows by name."""


def any_experiment(
    name: str, profile: str | Profile = "quick", seed: int = 0, source: str = "", **changes: object
) -> Experiment:
    """The experiment of any name of `VARIANTS`; arguments as for `lowtex.experiments.named_experiment`.

    Its key is that of ``named_experiment(row.base, profile, seed, source, **row.changes)``, under its own name.

    Raises:
        OptionError: an unknown name, profile or setting.
    """
    if name not in VARIANTS:
        close = difflib.get_close_matches(name, VARIANTS, 3, 0.5)
        hint = f", did you mean {' or '.join(close)}?" if close else ";"
        raise OptionError(
            f"experiment={name!r} is not known{hint} choose one of: {', '.join(NAMED)}, "
            "or a row of the ablation (`lowtex train --list` shows all)"
        )
    row = VARIANTS[name]
    return replace(named_experiment(row.base, profile, seed, source, **{**row.changes, **changes}), name=name)


def listing() -> str:
    """All names with a line each, by group."""
    width = max(len(name) for name in VARIANTS)
    blocks = []
    for group, rows in GROUPS.items():
        lines = [f"  {name:{width}}  {row.what}{_note(row)}" for name, row in rows.items()]
        blocks.append("\n".join([f"{group}:", *lines]))
    return "\n".join(blocks)


def _note(row: Variant) -> str:
    return f" [{row.dossier}]" if row.dossier else ""
