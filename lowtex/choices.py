"""The choices that the paper leaves open, and the rivals of its explanation: for `lowtex.variants`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lowtex.experiments import NAMED

Changes = Mapping[str, object]
"""What a row sets, as `lowtex.experiments.change` takes it."""


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
