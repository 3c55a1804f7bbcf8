"""What the paper's review asks, what the kit's prototype found, and the simpler explanations, as claims to be judged.

A question of the review is put as the claim that a *yes* would be. What the prototype found was one look at one size
with one to three seeds; each finding is a claim like any other, so that the table says which of them survive.
"""

from lowtex_lab.studies.claims.comparisons import EQUAL, Claim, Versus
from lowtex_lab.studies.claims.of_the_paper import ABSTRACT, KITTI_COMMAND, LOW_KINDS, REVIEW, low, part
from lowtex_lab.studies.diagnostics.transfer import ONE_DEPTH, OTHER_PICTURE, rival_of

PARTS = ("encoder", "data term", "smoothness", "skips")


def _carries(protocol: str) -> tuple[Versus, ...]:
    return (
        Versus("ours", rival_of("ours", ONE_DEPTH), protocol),
        Versus("ours", rival_of("ours", OTHER_PICTURE), protocol),
        Versus("ours", "baseline", protocol),
    )


def _carries_reading(place: str) -> str:
    return (
        f"shown there by pictures only. Measured here: learnt on Virtual KITTI 2's miniature, scored on {place}, "
        "beside one depth everywhere, the prediction for another picture, and the baseline"
    )


QUESTIONS = (
    Claim(
        "each part by itself",
        "Each of the four parts lowers the error, whatever the others are set to.",
        "review",
        tuple(part(name, stratum) for name in PARTS for stratum in ("all", "low")),
        question="Which part brings what?",
        reading="main effects of the full factorial: encoder, data term, smoothness, skips",
    ),
    Claim(
        "the last two rows",
        "What separates the ablation rows 'encoder + feature-maps loss' and 'ours' lowers the error.",
        "review",
        (
            Versus("ours", "encoder_features"),
            low("ours", "encoder_features"),
            Versus("iresnet-features-both-plain", "iresnet-features-first-plain"),
            Versus("iresnet-features-first-nested", "iresnet-features-first-plain"),
        ),
        question="What separates the last two ablation rows, and does it help?",
        reading="both orders of smoothness and nested skips, the only reading that uses every named part (the edge "
        "weights of smoothness differ too); then each of the two alone",
    ),
    Claim(
        "Make3D",
        "What the network learnt on streets carries over to Make3D.",
        "review",
        _carries("make3d_c1"),
        question="Make3D is only shown: what are the numbers?",
        reading=_carries_reading("that of Make3D"),
        change="lowtex run --only 13 --data make3d=FOLDER",
        about="make3d",
    ),
    Claim(
        "Cityscapes",
        "The network gives good depth on Cityscapes.",
        "review",
        _carries("cityscapes"),
        question="Cityscapes is only shown: what are the numbers?",
        reading=_carries_reading("that of Cityscapes"),
        change="lowtex run --only 14 --data cityscapes=FOLDER",
        about="cityscapes",
    ),
    Claim(
        "low texture, measured",
        "The method is better in low-texture areas, on whatever data set they are measured.",
        "review",
        (
            low("ours", "baseline"),
            Versus("ours", "baseline", "eigen_raw", "low", ("gradient",)),
            Versus("ours", "baseline", "cityscapes", "low", ("gradient",)),
        ),
        question="Nothing is measured in low-texture areas: what would be found there?",
        reading="by the known contrast of surfaces, and where that is not known by the image's gradient",
        about="kitti",
    ),
    Claim(
        "beyond old methods",
        "The method also exceeds the method that it builds on, trained in the same way.",
        "review",
        (Versus("ours", "featdepth"), Versus("ours", "featdepth", "improved")),
        question="Only old methods are compared: what about newer ones?",
        reading="FeatDepth is the newest that can be trained here at equal budget; published rows of others stand in "
        "notebooks 10, 11 and 13, by protocol, for whoever has the real data",
        change=KITTI_COMMAND,
        about="kitti_depth",
    ),
    Claim(
        "M and MS rows",
        "Training on moving-camera sequences as well, or instead, does as well.",
        "review",
        blocked="the kit trains on stereo pairs only, as the abstract says of the paper; nothing here could stand for "
        "the review's M and MS rows",
        question="Why are M rows never reported beside MS?",
    ),
)
"""Of the review, about what the paper leaves open."""

RIVALS = (
    Claim(
        "more than contrast normalisation",
        "Feature maps do better than pixels after local contrast normalisation, which learns nothing.",
        "rival",
        (Versus("ours", "census"), low("ours", "census"), Versus("ours", "zncc"), low("ours", "zncc")),
        reading="census transform and normalised cross-correlation in the place of feature maps, all else as in ours",
    ),
    Claim(
        "more than random filters",
        "Trained feature maps do better than those of a network that was never trained.",
        "rival",
        (Versus("ours", "random-features"), low("ours", "random-features")),
    ),
    Claim(
        "more than a weight of smoothness",
        "Feature maps do better than pixels also where each has the weight of smoothness that suits it best.",
        "rival",
        (Versus("features-tuned", "pixels-tuned"), low("features-tuned", "pixels-tuned")),
        reading="each weight is that of the smallest error on validation scenes; judged on test scenes",
    ),
    Claim(
        "more than a lucky seed",
        "The gain of the whole method is larger than what other seeds and other streets could change.",
        "rival",
        (Versus("ours", "baseline"), low("ours", "baseline")),
        reading="the intervals are over seeds and images, at the kit's small size and budget",
    ),
)
"""What a doubter would say instead, turned round: each claim is that the doubter is wrong."""


def _smoother(weight: str) -> Versus:
    return low("features-smooth-0.001", f"pixels-smooth-{weight}", split="val")


_PLAIN = ("resnet-features-first-plain", "resnet-pixels-first-plain")

PROTOTYPE = (
    Claim(
        "low-texture error nearly halved",
        "Feature maps instead of pixels bring the low-texture error down to about half (0.53 to 0.55 of it).",
        "prototype",
        (low(*_PLAIN, times=0.65),),
        reading="below 0.65 of the error counts as 'nearly half'; plain ResNet and U-Net, first-order smoothness",
    ),
    Claim(
        "textured areas too",
        "Feature maps instead of pixels lower the error overall and in textured areas as well.",
        "prototype",
        (Versus(*_PLAIN), Versus(*_PLAIN, stratum="high", kinds=LOW_KINDS)),
    ),
    Claim(
        "second order changes nothing",
        "Second-order smoothness added to first order has no clear effect.",
        "prototype",
        (
            Versus("resnet-features-both-plain", "resnet-features-first-plain", expects=EQUAL),
            Versus("resnet-pixels-both-plain", "resnet-pixels-first-plain", expects=EQUAL),
        ),
        reading="the prototype saw no clear effect; this asks for more, that any effect be smaller than the margin",
    ),
    Claim(
        "zero padding collapses",
        "With zero padding in the feature network, training on feature maps alone collapses.",
        "prototype",
        (Versus("ours", "features-zero-padding", times=0.5),),
        reading="less than half of the error where borders are replicated",
    ),
    Claim(
        "a small feature weight is little",
        "Pixels with feature maps added at a small weight gain a little on pixels alone, and stay far behind feature "
        "maps alone where texture is low.",
        "prototype",
        (low("features-added", "iresnet-pixels-both-nested"), low("ours", "features-added", times=0.8)),
        reading="'far behind': feature maps alone have less than 0.8 of its error",
    ),
    Claim(
        "smoothing more does not close the gap",
        "Pixels do not catch up where texture is low when they are smoothed three, ten or thirty times as much.",
        "prototype",
        tuple(_smoother(weight) for weight in ("0.003", "0.01", "0.03")),
        reading="feature maps at weight 0.001 against pixels at larger ones, on validation scenes",
    ),
)
"""Of the prototype: half-width ResNet-18, 200 steps, one to three seeds (the kit's first look at learning)."""

CLAIMS = (*ABSTRACT, *REVIEW, *QUESTIONS, *RIVALS, *PROTOTYPE)
"""What can be put to a test, and what cannot, in the order of the table."""
