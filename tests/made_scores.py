"""Scores of images with known effects, in the columns of `lowtex.evaluation.results.per_image_rows`."""

from itertools import product

import numpy as np
import pandas as pd

from lowtex_lab.studies.stats.factorial import Factorial

FACTORS = {
    "encoder": ("ResNet", "iResNet"),
    "data term": ("pixels", "features"),
    "smoothness": ("first", "first + second"),
    "skips": ("plain", "nested"),
}


def rows_of(table, stratum="all", kind="none", metric="abs_rel", **more) -> pd.DataFrame:
    """experiment -> (seeds, images) errors as rows; images are of two scenes, half of them each."""
    lines = []
    for name, values in table.items():
        values = np.asarray(values, float)
        half = -(-values.shape[1] // 2)
        for (seed, image), value in np.ndenumerate(values):
            frame = f"{'Scene01' if image < half else 'Scene20'}/clone/{image:05d}/l"
            line = {"experiment": name, "experiment_key": f"{name}{seed}", "seed": seed, "image": frame}
            lines.append(line | {metric: value})
    place = {"eval_data": "vkitti2", "split": "test", "protocol": "vkitti2_dense", "profile": "quick"}
    shared = {"stratum_kind": kind, "stratum": stratum, "pixels": 100}
    return pd.DataFrame(lines).assign(**place | shared | more)


def design() -> Factorial:
    """The issue's sixteen cells, named by their levels' first letters."""
    cells = {}
    for levels in product(*FACTORS.values()):
        name = "".join("-+"[level == new] for level, (_, new) in zip(levels, FACTORS.values(), strict=True))
        cells[name] = dict(zip(FACTORS, levels, strict=True))
    return Factorial(FACTORS, cells)


def factorial_scores(effects, seeds=5, images=40, seed_noise=0.0, image_noise=0.0, seed=0, **more) -> pd.DataFrame:
    """Scores of `design` whose log error is a sum of effects / 2 times the signs, and noise.

    Args:
        effects: tuple of factors -> log ratio.
        seed_noise, image_noise: deviation of log error by training, and by image.
    """
    made, rng = design(), np.random.default_rng(seed)
    street = rng.normal(0, 0.4, images)
    signs = {name: made.signs(name) for name in FACTORS}
    table = {}
    for place, name in enumerate(made.experiments):
        level = sum(value / 2 * np.prod([signs[f][place] for f in chosen]) for chosen, value in effects.items())
        trained = rng.normal(0, seed_noise, (seeds, 1)) if seed_noise else 0.0
        seen = rng.normal(0, image_noise, (seeds, images)) if image_noise else 0.0
        table[name] = 0.1 * np.exp(level + street + trained + seen + np.zeros((seeds, images)))
    return rows_of(table, **more)
