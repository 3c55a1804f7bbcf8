"""What the paper and its review state, as data, each with the comparisons that bear on it.

A claim names experiments, metric, data and pixels; `judge` looks the comparisons up in tidy rows and applies
`lowtex.verdicts.RULE`. Claims that cannot be put to a test here are listed too, with the reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from lowtex.verdicts import CANNOT, RULE, Outcome, Versus, measure, verdict

__all__ = ["CLAIMS", "RULE", "Claim", "Outcome", "Versus", "effects", "judge", "measure", "verdict"]

TEXTURE_KINDS = ("known", "gradient")
"""Texture strata, the first kind that the rows have: known contrast in the miniature, image gradient elsewhere."""


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper or of its review, in our words.

    Attributes:
        name: short.
        text: what is claimed.
        made_in: ``abstract`` or ``review``.
        tests: the comparisons that bear on it.
        blocked: why it cannot be judged with this kit as it stands, where that is so.
        reading: what the kit had to decide to make it testable.
    """

    name: str
    text: str
    made_in: str
    tests: tuple[Versus, ...] = ()
    blocked: str = ""
    reading: str = ""


def _low(better: str, than: str, protocol: str = "vkitti2_dense") -> Versus:
    return Versus(better, than, protocol, "low", TEXTURE_KINDS)


CLAIMS = (
    Claim(
        "features in low texture",
        "Comparing lowest-level feature maps instead of pixels lowers the error in low-texture areas.",
        "abstract",
        (_low("encoder_features", "encoder"),),
        reading="the auto-mask goes together with the pixel term",
    ),
    Claim(
        "features overall",
        "Comparing feature maps instead of pixels lowers the error over all pixels.",
        "review",
        (Versus("encoder_features", "encoder"),),
        reading="the review's ablation row 'encoder + feature-maps loss' against 'encoder'",
    ),
    Claim(
        "encoder alone",
        "An encoder that rectifies its main path only at the end of a stage, with max-pooling before its strided "
        "shortcut, lowers the error by itself.",
        "review",
        (Versus("encoder", "baseline"),),
        reading="the ablation row 'encoder' against a Monodepth2-style baseline, both without pretrained weights",
    ),
    Claim(
        "smoothness and skips",
        "First- and second-order smoothing together, with skips that deeper levels keep feeding, lower the error more.",
        "abstract",
        (Versus("ours", "encoder_features"), _low("ours", "encoder_features")),
        reading="the only reading of the last ablation row that uses every named contribution; edge_decay differs too",
    ),
    Claim(
        "sharper edges",
        "The new network places depth edges better and keeps outlines clear.",
        "abstract",
        (
            Versus("ours", "encoder_features", stratum="edge", kinds=("edges",)),
            Versus("ours", "baseline", stratum="edge", kinds=("edges",)),
        ),  # fmt: skip
        reading="the error within reach of a depth edge stands for the edge's place",
    ),
    Claim(
        "whole method in low texture",
        "The whole method is better than the usual stereo self-supervision where texture is low.",
        "abstract",
        (_low("ours", "baseline"),),
    ),
    Claim(
        "KITTI, Eigen split",
        "The whole method has a smaller error than stereo-trained Monodepth2 on the Eigen split of KITTI.",
        "abstract",
        (Versus("ours", "baseline", "eigen_raw"),),
        reading="the baseline is the kit's own training by Monodepth2's recipe, at equal size and budget",
    ),
    Claim(
        "KITTI, improved truth",
        "The whole method has a smaller error than Monodepth2 on KITTI's improved ground truth.",
        "review",
        (Versus("ours", "baseline", "improved"),),
    ),
    Claim(
        "Virtual KITTI 2",
        "The whole method has a smaller error than Monodepth2 on Virtual KITTI 2.",
        "abstract",
        (Versus("ours", "baseline", "vkitti2_dense"),),
        reading="scenes 01 and 20 held out; the paper does not define its split",
    ),
    Claim(
        "exceeds all prior methods",
        "The method exceeds earlier stereo-trained methods on KITTI.",
        "abstract",
        blocked="the paper's own numbers could not be obtained, and published numbers of others hold for real KITTI at "
        "full scale only",
    ),
    Claim(
        "several scales",
        "A feature loss at one scale is weak; applying it at several scales helps.",
        "review",
        blocked="no training with feature_scales='single' or 'levels' is part of this run",
    ),
    Claim(
        "Make3D",
        "The network, trained on KITTI, carries over to Make3D.",
        "review",
        blocked="shown there by pictures only, and not measured here yet",
    ),
    Claim(
        "Cityscapes",
        "The network gives good depth on Cityscapes.",
        "review",
        blocked="shown there by pictures only, and not measured here yet",
    ),
)
"""What can be put to a test, and what cannot, in the order of the table."""


def judge(rows: pd.DataFrame, claims: Iterable[Claim] = CLAIMS) -> pd.DataFrame:
    """A line a claim: claim, made in, text, verdict, why, evidence, scope, seeds, images.

    Args:
        rows: tidy rows (`lowtex.results.read_rows`); may be empty.
        claims: what to judge.
    """
    lines = []
    for claim in claims:
        outcomes = [measure(rows, test) for test in claim.tests]
        judged = [outcome for outcome in outcomes if outcome.ratios]
        result, why = (CANNOT, claim.blocked) if claim.blocked else verdict(outcomes)
        scope = "; ".join(dict.fromkeys("miniature only" if o.miniature else "real data" for o in judged))
        lines.append(
            {
                "claim": claim.name,
                "made in": claim.made_in,
                "text": claim.text,
                "verdict": result,
                "why": why,
                "evidence": "; ".join(outcome.evidence() for outcome in judged) or "-",
                "scope": scope or "-",
                "profile": "; ".join(dict.fromkeys(outcome.profile for outcome in judged)) or "-",
                "seeds": min((len(o.ratios) for o in judged), default=0),
                "images": min((o.images for o in judged), default=0),
                "reading": claim.reading or "-",
            }
        )
    return pd.DataFrame(lines)


def effects(rows: pd.DataFrame, claims: Iterable[Claim] = CLAIMS) -> pd.DataFrame:
    """A row a claim, comparison and seed: claim, comparison, seed, effect (1 - ratio), images, miniature, says."""
    found = [
        {
            "claim": claim.name,
            "comparison": f"{test.better} / {test.than}, {test.protocol}, {test.stratum}",
            "seed": seed,
            "effect": 1.0 - ratio,
            "images": outcome.images,
            "miniature": outcome.miniature,
            "says": outcome.says,
        }
        for claim in claims
        for test, outcome in ((test, measure(rows, test)) for test in claim.tests)
        for seed, ratio in outcome.ratios.items()
    ]
    return pd.DataFrame(found, columns=["claim", "comparison", "seed", "effect", "images", "miniature", "says"])
