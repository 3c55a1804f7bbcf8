"""The one estimator of error contrasts: intervals over seeds and images together, where trainings may be missing.

Scores form a table of seeds by images in which every seed meets every image, so two scores that share a seed or an
image are not independent, and drawing single scores would give intervals that are far too narrow (Owen 2007, "The
pigeonhole bootstrap", Annals of Applied Statistics 1(2)). So the variance of each side is estimated for itself, and the
two are added. Compared experiments are always looked at on the same seeds and images, which is what pairs them.

**Seeds.** Each experiment's log error is its mean over the seeds it has. The variance is taken from what each seed,
over all the experiments that have it, pulls a contrast by (a sandwich estimate with seeds as clusters: Liang and Zeger
1986), so that what experiments of one seed share stays shared; it is corrected by n / (n - 1). Where nothing is missing
this is the textbook variance of a mean of paired differences, and the limit of a bootstrap of seeds. Where trainings
are missing, a bootstrap would draw experiments without any. An experiment with a single training shows no spread of its
own and is given the pooled one of the others.

**Images** are drawn with replacement, the same for all experiments and seeds.

**What is drawn on the side of images** are clusters. Neighbouring frames of one street show the same walls, so they are
no independent witnesses. Where there are at least `LEAST_CLUSTERS` scenes, whole scenes are drawn, and the interval
speaks of other scenes. Where there are fewer, as in Virtual KITTI 2's and the miniature's test set of two, a bootstrap
of two things would know nothing, so each scene is cut into stretches of consecutive frames, and the interval speaks
of *other stretches of streets like these*, not of other towns.

**Why not percentiles.** With 3 to 5 seeds the percentiles of any bootstrap are too narrow: a mean of n redrawn things
varies by (n - 1) / n of what it should, and knows nothing of Student's tails (Hesterberg 2015, "What teachers should
know about the bootstrap", The American Statistician 69(4)). BCa corrects skewness, not this: percentiles
of 5 seeds cover the truth in about 85 % of simulations instead of 95 %. So both variances are corrected by n / (n - 1),
and the interval is Student's, with Satterthwaite's degrees of freedom: few where seeds decide, more where images do.
Noise that belongs to single scores is counted on both sides, which errs towards wider intervals; no resampling of a
crossed table is exact (McCullagh 2000, "Resampling and exchangeable arrays", Bernoulli 6(2)).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lowtex.errors import DataError, require_choice

LEAST_CLUSTERS = 10
"""Fewer whole scenes than this are cut into stretches, as many as it takes."""

UNITS = ("scene", "stretch", "image", "fixed")
"""What may be drawn on the side of images; ``fixed`` draws nothing: the interval is of seeds, on these very images."""

TIMES = 2000
"""Draws; the width of an interval then varies by less than 2 % from one random start to another."""

_CITYSCAPES = re.compile(r"^(?P<city>.+)_\d{6}_\d{6}")


@dataclass(frozen=True)
class Clusters:
    """Images put together that are drawn together.

    Attributes:
        unit: one of `UNITS`.
        labels: image name -> its cluster's number.
    """

    unit: str
    labels: dict[str, int]

    def of(self, images: Sequence[str]) -> np.ndarray:
        """Cluster of each image, ``(I,)`` integers from 0 without gaps."""
        return np.unique([self.labels[image] for image in images], return_inverse=True)[1]


def scene_of(image: str) -> str:
    """The scene (drive, city) of an image by its name; all names that tell no scene are of one, named ``''``.

    Names are those of the readers: ``Scene20/clone/00012/l`` and ``<drive>/<frame>/l`` begin with it, Cityscapes'
    ``val/<city>_000000_000019/l`` holds a city. Weather variations of a scene are the same street.
    """
    parts = image.split("/")
    if parts[-1] in ("l", "r"):
        parts = parts[:-1]
    if len(parts) < 2:
        return ""
    city = _CITYSCAPES.match(parts[1])
    return city["city"] if city else parts[0]


def cluster_images(images: Sequence[str], unit: str | None = None) -> Clusters:
    """Decide what is drawn together.

    Args:
        images: all images of the test set, so that strata that lack some are cut in the same places.
        unit: one of `UNITS`; None = whole scenes where there are `LEAST_CLUSTERS`, else stretches of consecutive
            images (by name), equally many in each scene and at least `LEAST_CLUSTERS` together.

    Raises:
        DataError: no images.
        OptionError: an unknown unit.
    """
    images = sorted(set(images))
    if not images:
        raise DataError("no images to draw from: the scores are empty")
    if unit is not None:
        require_choice("clusters", unit, UNITS)
    scenes: dict[str, list[str]] = {}
    for image in images:
        scenes.setdefault(scene_of(image), []).append(image)
    unit = unit or ("scene" if len(scenes) >= LEAST_CLUSTERS else "stretch")
    labels: dict[str, int] = {}
    for number, members in enumerate(scenes.values()):
        if unit == "scene":
            labels |= dict.fromkeys(members, number)
        elif unit == "stretch":
            pieces = min(-(-LEAST_CLUSTERS // len(scenes)), len(members))
            for piece in np.array_split(members, pieces):
                labels |= dict.fromkeys(map(str, piece), max(labels.values(), default=-1) + 1)
        else:
            labels |= {image: len(labels) + place for place, image in enumerate(members)}
    return Clusters(unit, labels)


@dataclass(frozen=True)
class Spread:
    """Contrasts and how sure they are; every array ``(K,)`` for K contrasts.

    Attributes:
        estimate: the contrasts of all seeds and images.
        se_seeds, se_images: standard error that comes from having these seeds, and these images; NaN where there is
            one seed or one cluster, 0 for images where they are held fixed.
        df: Satterthwaite's degrees of freedom of the two together.
        seeds: how many, if all experiments of a contrast have the same; else the number that balanced ones would have
            for the same noise, rounded.
        fewest: seeds of the experiment that has fewest.
    """

    estimate: np.ndarray
    se_seeds: np.ndarray
    se_images: np.ndarray
    df: np.ndarray
    seeds: np.ndarray
    fewest: np.ndarray

    @property
    def se(self) -> np.ndarray:
        """Standard error from both."""
        return np.sqrt(self.se_seeds**2 + self.se_images**2)

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Student's interval, lower and upper ends; NaN where nothing is known."""
        reach = stats.t.ppf(0.5 + level / 2, self.df) * self.se
        return self.estimate - reach, self.estimate + reach


def estimate_contrasts(
    scores: np.ndarray,
    labels: np.ndarray,
    contrasts: np.ndarray,
    generator: np.random.Generator,
    *,
    log: bool = True,
    fixed_images: bool = False,
    times: int = TIMES,
) -> Spread:
    """Contrasts between experiments' mean errors, with their standard errors over seeds and images.

    Within a seed an experiment's error is its mean over images, as in every table. These errors, or their logarithms
    (so that exp of a contrast is a ratio), are averaged over the seeds an experiment has, and then contrasted.

    Args:
        scores: ``(E, S, I)`` errors of E experiments, S seeds, I images, not negative; all NaN where a training is
            missing. Every experiment has one.
        labels: ``(I,)`` clusters, integers from 0 without gaps.
        contrasts: ``(K, E)`` weights, not all 0.
        generator: of `lowtex.seeding.numpy_generator`.
        log: contrasts of logarithms.
        fixed_images: the interval is over seeds alone, on these very images.
        times: draws.

    Raises:
        DataError: a logarithm of a mean error of 0 is asked for.
    """
    there = np.isfinite(scores).all(axis=2)
    counts, clusters = there.sum(axis=1), int(labels.max()) + 1
    sums = np.zeros((*there.shape, clusters))
    np.add.at(sums, (slice(None), slice(None), labels), np.where(there[..., None], scores, 1.0))
    sizes = np.bincount(labels, minlength=clusters).astype(float)

    def errors_of(weights: np.ndarray) -> np.ndarray:
        """``(E, S, B)`` mean errors or their logarithms, clusters counted ``(B, clusters)`` times; 0 if missing."""
        means = (sums @ weights.T) / (weights @ sizes)
        if log and not (means > 0).all():
            raise DataError(
                "an experiment's error is 0 on all of some images drawn, so no ratio of errors exists there; "
                "use another metric or fewer strata"
            )
        return (np.log(means) if log else means) * there[..., None]

    errors = errors_of(np.ones((1, clusters)))[..., 0]
    means = errors.sum(axis=1) / counts
    apart = (errors - means[:, None]) * there
    pulls = contrasts @ (apart / counts[:, None])
    squares = contrasts**2
    weights = squares / squares.sum(axis=1, keepdims=True)
    var_seeds = (pulls**2).sum(axis=1) * (weights @ _correction(np.maximum(counts, 2)))
    var_seeds = var_seeds + _single_trainings(apart, counts, squares)
    freedom = var_seeds**2 / np.maximum(weights @ (counts - 1.0), 1.0)
    var_images = np.zeros(len(contrasts))
    if not fixed_images:
        drawn = generator.multinomial(clusters, np.full(clusters, 1 / clusters), times).astype(float)
        redrawn = contrasts @ (errors_of(drawn).sum(axis=1) / counts[:, None])
        var_images = redrawn.var(axis=1) * _correction(np.array(clusters))
        freedom = freedom + var_images**2 / max(clusters - 1, 1)
    total = (var_seeds + var_images) ** 2
    # two equal experiments have no spread at all, and then any number of degrees will do
    df = np.divide(total, freedom, out=np.ones_like(total), where=freedom != 0)
    return Spread(
        estimate=contrasts @ means,
        se_seeds=np.sqrt(var_seeds),
        se_images=np.sqrt(var_images),
        df=df,
        seeds=np.rint(1 / (weights @ (1 / counts))).astype(int),
        fewest=np.where(contrasts != 0, counts, counts.max()).min(axis=1),
    )


def _single_trainings(apart: np.ndarray, counts: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """What experiments with one training add to the variance: the pooled one of the others; NaN if all have one."""
    free = int((counts - 1).sum())
    single = squares @ (counts == 1)
    return np.where(single > 0, single * ((apart**2).sum() / free if free else np.nan), 0.0)


def _correction(number: np.ndarray) -> np.ndarray:
    """The variance of n things among themselves is (n - 1) / n of what it should be; of one nothing is known."""
    with np.errstate(divide="ignore"):
        return np.where(number > 1, number / (number - 1.0), np.nan)
