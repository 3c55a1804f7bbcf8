"""The estimator of contrasts: what is drawn, values by hand, and whether its intervals keep their promise."""

import numpy as np
import pytest

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.stats.resampling import cluster_images, estimate_contrasts, scene_of

PAIR = np.array([[1.0, -1.0]])


def draws(number: int = 0) -> np.random.Generator:
    return np.random.default_rng(number)


def names(scenes: int, frames: int) -> list[str]:
    return [f"Scene{scene:02d}/clone/{frame:05d}/l" for scene in range(scenes) for frame in range(frames)]


def test_scene_is_read_from_each_readers_names():
    assert scene_of("Scene20/fog/00012/l") == "Scene20"
    assert scene_of("2011_09_26_drive_0002_sync/0000000069/r") == "2011_09_26_drive_0002_sync"
    assert scene_of("val/frankfurt_000001_000294/l") == "frankfurt"
    assert scene_of("street_0001/l") == scene_of("img-10.21op2-p-015t000") == ""


def test_few_scenes_are_cut_into_stretches_and_many_are_drawn_whole():
    found = cluster_images(reversed(names(2, 20)))
    assert found.unit == "stretch"
    assert found.of(names(2, 20)).tolist() == [c for c in range(10) for _ in range(4)]
    # a stratum that lacks whole stretches has fewer, numbered without gaps, cut in the same places
    assert found.of(names(2, 20)[6:14]).tolist() == [0, 0, 1, 1, 1, 1, 2, 2]
    many = names(10, 3)
    assert cluster_images(many).unit == "scene"
    assert cluster_images(many).of(many).tolist() == [c for c in range(10) for _ in range(3)]
    assert len(set(cluster_images(many, "image").of(many))) == 30
    assert len(set(cluster_images(names(1, 4)).of(names(1, 4)))) == 4, "no more stretches than images"
    with pytest.raises(OptionError, match="clusters='town'.*scene, stretch, image, fixed"):
        cluster_images(many, "town")
    with pytest.raises(DataError, match="no images"):
        cluster_images([])


def test_standard_errors_are_those_known_by_hand():
    def spread(scores, **options):
        return estimate_contrasts(scores, np.arange(4), PAIR, draws(), times=20_000, **options)

    # differences by seed are 0, 1, 2 whatever the images: sd 1, standard error 1 / sqrt(3), 2 degrees
    scores, seeds, images = np.full((2, 3, 4), 5.0), np.array([[0.0], [1.0], [2.0]]), [0.0, 3.0, 0.0, 3.0]
    scores[0] *= np.exp(seeds)
    found = spread(scores)
    known = (found.estimate[0], found.se_seeds[0], found.se_images[0], found.df[0])
    assert known == pytest.approx((1, 1 / np.sqrt(3), 0, 2), abs=1e-9)
    assert np.ravel(found.interval()) - 1 == pytest.approx(np.array([-4.303, 4.303]) / np.sqrt(3), rel=1e-4)
    # differences by image 0, 3, 0, 3 for every seed: sd sqrt(3), standard error sqrt(3 / 4), 3 degrees
    scores[0] = 5 + np.array(images)
    found = spread(scores, log=False)
    assert (found.estimate[0], found.df[0]) == pytest.approx((1.5, 3))
    assert found.se_images == pytest.approx([np.sqrt(3 / 4)], rel=0.03)
    # both together have Satterthwaite's degrees
    scores[0] = 5 + seeds + images
    found = spread(scores, log=False)
    assert found.se**2 == pytest.approx([1 / 3 + 3 / 4], rel=0.05)
    assert found.df == pytest.approx([(1 / 3 + 3 / 4) ** 2 / ((1 / 3) ** 2 / 2 + (3 / 4) ** 2 / 3)], rel=0.05)


def test_one_seed_or_one_cluster_has_no_interval_and_fixed_images_need_none():
    scores = draws().uniform(1, 2, (2, 1, 6))
    spread = estimate_contrasts(scores, np.arange(6), PAIR, draws())
    assert np.isfinite(spread.estimate).all() and np.isnan(spread.interval()).all()
    scores = draws().uniform(1, 2, (2, 4, 6))
    assert np.isnan(estimate_contrasts(scores, np.zeros(6, int), PAIR, draws()).interval()).all()
    fixed = estimate_contrasts(scores, np.zeros(6, int), PAIR, draws(), fixed_images=True)
    same = estimate_contrasts(scores[[0, 0]], np.arange(6), PAIR, draws())
    assert np.array(same.interval()).tolist() == [[0.0], [0.0]], "equal experiments differ by exactly nothing"
    assert fixed.se_images[0] == 0 and fixed.df[0] == pytest.approx(3) and np.isfinite(fixed.interval()).all()


def simulated(rng, effect=0.0, seeds=5, seed_noise=0.05, place_noise=0.05):
    """Two experiments: log errors with streets that both see, noise of training, of places and of single scores; ten
    places of four frames."""
    street = rng.normal(0, 0.5, (1, 1, 40))
    trained = rng.normal(0, seed_noise, (2, seeds, 1))
    places = np.repeat(rng.normal(0, place_noise, (2, 1, 10)), 4, axis=2)
    single = rng.normal(0, 0.05, (2, seeds, 40))
    level = np.array([effect, 0.0])[:, None, None]
    return np.exp(level + street + trained + places + single), np.repeat(np.arange(10), 4)


@pytest.mark.parametrize("noise", [{"seed_noise": 0.02, "place_noise": 0.1}, {"seeds": 3, "seed_noise": 0.05}])
def test_95_percent_intervals_hold_the_truth_in_about_95_percent_of_simulations(noise):
    rng, truth, inside = draws(1), np.log(0.9), []
    for _ in range(300):
        scores, labels = simulated(rng, truth, **noise)
        low, high = estimate_contrasts(scores, labels, PAIR, rng, times=400).interval()
        inside.append(low[0] <= truth <= high[0])
    # 300 coins of 0.95 fall outside 0.91 to 0.985 less than once in 300 times; some excess is the method's own
    assert 0.915 <= np.mean(inside) <= 0.995


def test_copies_of_images_buy_nothing_where_places_are_drawn():
    scores, labels = simulated(draws(6), place_noise=0.2)
    copied = np.concatenate([scores] * 4, axis=2)
    drawn = ((scores, labels), (copied, np.tile(labels, 4)), (copied, np.arange(160)))
    once, four_times, new = (estimate_contrasts(*one, PAIR, draws(), times=2000) for one in drawn)
    assert np.allclose(once.interval(), four_times.interval(), rtol=1e-9)
    assert new.se_images[0] < 0.6 * once.se_images[0], "drawn one by one they would pass for new images"
