"""What the paper's abstract and its review state, each sentence in our words with the comparisons that bear on it.

What the review asks, what the prototype found, and what a doubter would say instead is in `studies.claims.asked`. Only
the abstract and a published review could be read; no sentence here is quoted, and no number of the paper is known.
"""

from lowtex_lab.studies.claims.comparisons import Claim, MainEffect, Versus

LOW_KINDS = ("known", "gradient")
"""Texture strata, the first kind that the numbers have: known contrast in the miniature, image gradient elsewhere."""

KITTI_COMMAND = "lowtex run --profile paper --data kitti=FOLDER --data kitti_depth=FOLDER --data vkitti2=FOLDER"
"""What a person with the real data sets runs, once a seed."""


def low(better: str, than: str, protocol: str = "vkitti2_dense", **more) -> Versus:
    """A comparison on low-texture pixels."""
    return Versus(better, than, protocol, "low", LOW_KINDS, **more)


def part(factor: str, stratum: str = "all") -> MainEffect:
    """A factor's main effect on all pixels, or on those of a texture."""
    return MainEffect(factor, stratum=stratum, kinds=("none",) if stratum == "all" else LOW_KINDS)


def edges(better: str, than: str, quantity: str, stratum: str = "all") -> Versus:
    """A comparison of how well depth edges are placed (`lowtex_lab.studies.diagnostics.edge_sharpness.QUANTITIES`)."""
    return Versus(better, than, measure="edges", metric="value",
                  select=(("quantity", quantity), ("stratum", stratum)))  # fmt: skip


def inside(better: str, than: str, quantity: str, **more) -> Versus:
    """A comparison of what encoders throw away (`diagnostics.encoder_information.QUANTITIES`), mean over stages."""
    return Versus(better, than, measure="encoder", metric="value", select=(("quantity", quantity),), **more)


ABSTRACT = (
    Claim(
        "plain pixels ignored",
        "Earlier stereo training, which takes every pixel to obey the camera's motion, leaves problematic low-texture "
        "pixels out.",
        "abstract",
        (Versus("baseline: high", "baseline: low", measure="mask", metric="ignored"),),
        reading="the only thing there that leaves pixels out is Monodepth2's auto-mask: does it ignore more plain "
        "pixels than textured ones, at the trained baseline's own disparity?",
    ),
    Claim(
        "features in low texture",
        "Comparing lowest-level feature maps instead of pixels lowers the error in low-texture areas.",
        "abstract",
        (
            low("iresnet-features-first-plain", "iresnet-pixels-first-plain"),
            low("iresnet-features-both-nested", "iresnet-pixels-both-nested"),
            part("data term", "low"),
        ),
        reading="three times, with nothing but the data term changed: in the network of the review's row 'encoder', in "
        "the whole method, and over all sixteen settings of the other parts",
    ),
    Claim(
        "both orders of smoothness",
        "First- and second-order smoothing together lower the error.",
        "abstract",
        (part("smoothness"), part("smoothness", "low")),
        reading="against first order alone, over all settings of the other parts",
    ),
    Claim(
        "consistent gradients",
        "Smoothing of both orders makes the gradients of depth consistent.",
        "abstract",
        (
            MainEffect("smoothness", measure="smoothness", metric="bend",
                       select=(("surface", "all"), ("texture", "all"))),
            MainEffect("smoothness", measure="smoothness", metric="tilt_deg",
                       select=(("surface", "all"), ("texture", "all"))),
        ),
        reading="on surfaces that are planes, the prediction bends less, and its normals are nearer to the true ones",
    ),
    Claim(
        "a new network",
        "The new network in the place of a ResNet with a U-Net lowers the error.",
        "abstract",
        (
            Versus("iresnet-pixels-first-nested", "resnet-pixels-first-plain"),
            Versus("iresnet-features-both-nested", "resnet-features-both-plain"),
        ),
        reading="encoder and skips changed together, with the old loss and with the new one",
    ),
    Claim(
        "sharper edges",
        "The new network places depth edges better.",
        "abstract",
        (
            edges("iresnet-features-both-nested", "resnet-features-both-plain", "off_px"),
            edges("ours", "baseline", "off_px"),
            edges("ours", "baseline", "width_px"),
        ),
        reading="how far true edges are from predicted ones, for the network alone and for the whole method; and over "
        "how many pixels a step is taken",
    ),
    Claim(
        "clear outlines at plain boundaries",
        "Outlines are clear even where both sides of a boundary are plain.",
        "abstract",
        (
            edges("ours", "baseline", "off_px", "both plain"),
            edges("ours", "baseline", "width_px", "both plain"),
        ),
    ),
    Claim(
        "whole method in low texture",
        "The whole method is better than the usual stereo self-supervision where texture is low.",
        "abstract",
        (low("ours", "baseline"),),
        reading="against the kit's own training by Monodepth2's recipe, at equal size and budget",
    ),
    Claim(
        "KITTI, Eigen split",
        "The whole method has a smaller error than stereo-trained Monodepth2 on the Eigen split of KITTI.",
        "abstract",
        (Versus("ours", "baseline", "eigen_raw"),),
        reading="on the miniature: learnt on its Virtual KITTI 2, scored on its KITTI by the Eigen protocol",
        change=KITTI_COMMAND,
        about="kitti",
    ),
    Claim(
        "Virtual KITTI 2",
        "The whole method has a smaller error than Monodepth2 on Virtual KITTI 2.",
        "abstract",
        (Versus("ours", "baseline"),),
        reading="scenes 01 and 20 held out; the paper's split is not known",
        change=KITTI_COMMAND,
        about="vkitti2",
    ),
    Claim(
        "exceeds all prior methods",
        "The method exceeds earlier stereo-trained methods on KITTI.",
        "abstract",
        blocked="the paper's own numbers could not be obtained, and published numbers of others hold for real KITTI at "
        "full scale; the two rivals that the kit trains itself have lines of their own",
        change=KITTI_COMMAND,
        about="kitti",
    ),
    Claim(
        "dense virtual truth",
        "Virtual KITTI 2 suits the evaluation, because its depth is dense and exact for each pixel.",
        "abstract",
        blocked="a property of the data set and no effect of a method; notebooks 10 to 12 show how many pixels each "
        "ground truth has",
        about="vkitti2",
    ),
)  # fmt: skip
"""Of the abstract."""

REVIEW = (
    Claim(
        "encoder alone",
        "The changed encoder lowers the error by itself.",
        "review",
        (Versus("encoder", "baseline"), low("encoder", "baseline")),
        reading="the ablation row 'encoder' against a Monodepth2-style baseline, both without pretrained weights",
    ),
    Claim(
        "a ReLU only at a stage's end",
        "A ReLU after every block deletes too much of what the encoder carries; one at the end of a stage keeps it.",
        "review",
        (inside("ours", "baseline", "zeroed_stage"), Versus("ours", "rectified-path")),
        reading="a smaller share of the main path set to zero, and a smaller error than with one more ReLU a stage, "
        "which is what iResNet's released code computes",
    ),
    Claim(
        "the shortcut's lost 75 %",
        "A strided 1x1 shortcut alone loses about three quarters of a map; max-pooling before it mends that.",
        "review",
        (
            inside("strided-shortcut", "ours", "shortcut_positions", times=0.3),
            Versus("ours", "strided-shortcut"),
        ),
        reading="it reads fewer than 0.3 of the places that the other reads; and the loss is felt in the error",
    ),
    Claim(
        "features overall",
        "Comparing feature maps instead of pixels lowers the error over all pixels.",
        "review",
        (Versus("encoder_features", "encoder"), part("data term")),
        reading="the ablation row 'encoder + feature-maps loss' against 'encoder', in which the auto-mask goes with "
        "the pixel term; and the data term alone, over all settings of the other parts",
    ),
    Claim(
        "features instead of pixels",
        "Feature maps replace pixels; they are not added to them.",
        "review",
        (Versus("ours", "features-added"), Versus("ours", "features-added-equal")),
        reading="a smaller error than with both, feature maps added with FeatDepth's small weight or with weight 1",
    ),
    Claim(
        "several scales",
        "A feature loss at one scale is weak; at several scales the error is lower.",
        "review",
        (Versus("ours", "features-single"), low("ours", "features-single")),
        reading="every disparity scale against the lowest feature map; the other reading is 'features-levels'",
    ),
    Claim(
        "skips close the semantic gap",
        "Skips through which deeper levels keep feeding upper ones lower the error and place edges better.",
        "review",
        (
            part("skips"),
            MainEffect("skips", measure="edges", metric="value", select=(("quantity", "off_px"), ("stratum", "all"))),
        ),
        reading="nested nodes as in UNet++, over all settings of the other parts",
    ),
    Claim(
        "KITTI, improved truth",
        "The whole method has a smaller error than Monodepth2 on KITTI's improved ground truth.",
        "review",
        (Versus("ours", "baseline", "improved"),),
        reading="on the miniature: learnt on its Virtual KITTI 2, scored on its KITTI",
        change=KITTI_COMMAND,
        about="kitti_depth",
    ),
    Claim(
        "exceeds FeatDepth",
        "The whole method has a smaller error than FeatDepth ('Shu' in its tables).",
        "review",
        (Versus("ours", "featdepth"), low("ours", "featdepth"), Versus("ours", "featdepth", "eigen_raw")),
        reading="FeatDepth's objective in the baseline's network, trained by the kit on stereo pairs at equal budget",
        change=KITTI_COMMAND,
        about="kitti",
    ),
)
"""Of the review, about the method and its tables."""
