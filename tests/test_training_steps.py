"""What every step of a training gets and does: images, order, noise, rates, precision and where the weights start."""

import shutil
from collections import defaultdict
from dataclasses import replace

import pandas as pd
import pytest
import torch
from test_training import CPU, Pairs, assert_same, tiny, weights, with_features

from lowtex import training
from lowtex.checkpoints import load_feature_net
from lowtex.experiments import change
from lowtex.losses import StereoObjective
from lowtex.networks import DepthNet, FeatureNet, build_depth_net, load_published
from lowtex.networks.layers import SigmoidHead
from tests.networks.published_reference import WIDTH, resnet_weights


@pytest.fixture
def watched(monkeypatch):
    """What the networks and the objective were given in the trainings of a test, by name, a value a call."""
    calls = defaultdict(list)

    def watch(owner, name, note):
        """Keep what ``note`` makes of a method's arguments, and let it do its work."""
        method = getattr(owner, name)

        def watching(self, *given, **options):
            for key, value in note(self, *given, **options).items():
                calls[key].append(value)
            return method(self, *given, **options)

        monkeypatch.setattr(owner, name, watching)

    def state(network):
        return {name: value.clone() for name, value in network.state_dict().items()}

    def given(objective, network, outputs, batch, generator=None):
        noise = torch.randn(4, generator=generator.clone_state()).tolist()
        batch_given = {"names": tuple(batch.names), "clean": batch.image.clone()}
        return {"objective": objective, "outputs": outputs, "noise": noise, **batch_given}

    watch(DepthNet, "forward", lambda network, image: {"seen": image.clone(), "start": state(network)})
    watch(FeatureNet, "forward", lambda net, image, **_: {"feature_seen": image.clone(), "feature_start": state(net)})
    watch(FeatureNet, "lowest", lambda net, image: {"compared": image.clone()})
    watch(StereoObjective, "__call__", given)
    return calls


def of_the_pair(image: torch.Tensor, name: str) -> bool:
    """The image is a view of that pair as it was read, or the other one mirrored."""
    sample = Pairs()[int(name.removeprefix("pair"))]
    return torch.equal(image, sample.image) or torch.equal(image, sample.other.flip(-1))


def test_the_network_sees_the_jittered_image_and_the_loss_compares_the_clean_one(tmp_path, watched):
    training.train_experiment(tiny("ours", 3, schedule__jitter=1.0), Pairs(), tmp_path, options=CPU)
    assert len(watched["seen"]) == len(watched["clean"]) == 3
    for seen, clean, names in zip(watched["seen"], watched["clean"], watched["names"], strict=True):
        for jittered, image, name in zip(seen, clean, names, strict=True):
            assert of_the_pair(image, name) and float((jittered - image).abs().mean()) > 0.005
            both = torch.stack([jittered.mean(0).flatten(), image.mean(0).flatten()])
            assert float(torch.corrcoef(both)[0, 1]) > 0.8, "the same view, in other colours"
    for compared, clean in zip(watched["compared"][::2], watched["clean"], strict=True):
        assert torch.equal(compared, clean), "the maps compared are of the clean image too"
    # by a network that is loaded, frozen and stays as it was
    [shared] = tmp_path.glob("feature_net-*")
    loaded, compared = load_feature_net(shared), watched["objective"][-1].feature_net
    assert not loaded.train().training and not any(p.requires_grad for p in loaded.parameters())
    assert not any(part.training for part in compared.modules())
    assert_same(loaded.state_dict(), compared.state_dict())
    training.train_experiment(tiny("baseline", 1, schedule__jitter=0.0), Pairs(), tmp_path, options=CPU)
    assert torch.equal(watched["seen"][-1], watched["clean"][-1])


class Plain(Pairs):
    """Each view of a single colour, which tells the pair by its red and the side by its blue."""

    def __getitem__(self, index: int):
        sample = super().__getitem__(index)
        for view, blue in ((sample.image, 0.4), (sample.other, 0.6)):
            view[:] = torch.tensor([0.3 + 0.03 * index, 0.5, blue]).reshape(3, 1, 1)
        return sample


def order_and_flips(batches: list[torch.Tensor]) -> tuple[list[tuple], list[tuple]]:
    """Which pairs of `Plain` the images of each step are of, and which are mirrored."""
    colours = [batch.mean((2, 3)) for batch in batches]
    order = [tuple(((c[:, 0] - 0.3) / 0.03).round().int().tolist()) for c in colours]
    return order, [tuple((c[:, 2] > 0.5).tolist()) for c in colours]


def test_order_flips_jitter_noise_and_weights_differ_between_steps_and_seeds(tmp_path, watched):
    for seed in (0, 1):
        experiment = with_features(tiny("ours", 3, schedule__jitter=1.0), steps=3, batch_size=8)
        experiment = change(experiment, seed=seed, schedule__batch_size=8)
        training.train_experiment(experiment, Plain(8), tmp_path, options=CPU)
    for images in (watched["clean"], watched["feature_seen"]):
        order, flips = order_and_flips(images)
        assert len(set(order)) == 6, "a new order each epoch (a step, here) and for each seed"
        assert len(set(flips)) == 6, "other flips each step and for each seed"
    order, flips = order_and_flips(watched["clean"])
    assert all(sorted(indices) == list(range(8)) for indices in order)
    colours: dict[tuple, list] = {}
    for indices, mirrored, seen in zip(order, flips, watched["seen"], strict=True):
        for index, flip, image in zip(indices, mirrored, seen, strict=True):
            colours.setdefault((index, flip), []).append(tuple(image.mean((1, 2)).tolist()))
    assert all(len(set(met)) == len(met) for met in colours.values()), "a view meets other colours each time"
    assert max(len(met) for met in colours.values()) >= 4
    assert len({tuple(noise) for noise in watched["noise"]}) == 6, "other noise each step and for each seed"
    for starts in (watched["start"], watched["feature_start"]):
        first, other = (starts[step]["encoder.conv1.weight"] for step in (0, 3))
        assert not torch.equal(first, other), "each seed begins with weights of its own"


def rates(folder) -> list[float]:
    return pd.read_csv(folder / "log.csv").learning_rate.tolist()


def test_resumed_after_the_drop_of_the_learning_rate_it_does_not_drop_again(tmp_path):
    experiment = with_features(tiny(), kind="joint", learning_rate=1e-2)
    experiment = change(experiment, schedule__learning_rate=1e-3, schedule__drop_at=0.5)
    whole = training.train_experiment(experiment, Pairs(), tmp_path / "whole", options=CPU)
    for steps in (4, 5):
        parted = training.train_experiment(
            experiment, Pairs(), tmp_path / "parts", options=replace(CPU, stop_after=steps)
        )
        state = torch.load(parted / "state.pt")
        assert [group["lr"] for group in state["optimizer"]["param_groups"]] == pytest.approx([1e-4, 1e-3])
    training.train_experiment(experiment, Pairs(), tmp_path / "parts", options=CPU)
    assert rates(parted) == pytest.approx([1e-3] * 3 + [1e-4] * 3)
    assert (whole / "log.csv").read_text() == (parted / "log.csv").read_text()
    assert_same(weights(whole), weights(parted))


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        # cosines of 0, 30, 60, 90, 120 and 150 degrees, and thirds of the way up
        ({"decay": "cosine", "warm_up_steps": 3}, [1 / 3, (2 + 3**0.5) / 6, 0.75, 0.5, 0.25, (2 - 3**0.5) / 4]),
        # it ends just above nothing
        ({"decay": "linear", "warm_up_steps": 2, "drop_at": 0.5}, [0.5, 1, 1, 1, 2 / 3, 1 / 3]),
    ],
)
def test_the_rate_warms_up_and_falls_also_when_resumed(tmp_path, course, expected):
    course = {f"schedule__{name}": value for name, value in course.items()}
    experiment = change(tiny("baseline"), schedule__learning_rate=1e-3, **course)
    training.train_experiment(experiment, Pairs(), tmp_path, options=replace(CPU, stop_after=4))
    folder = training.train_experiment(experiment, Pairs(), tmp_path, options=CPU)
    assert rates(folder) == pytest.approx([1e-3 * rate for rate in expected])


@pytest.mark.parametrize("data_term", ["features", "both"])
def test_feature_maps_first_and_pixels_later(tmp_path, data_term):
    first = change(tiny("ours"), loss__data_term=data_term)
    experiment = change(first, loss__features_until=0.5)
    log = pd.read_csv(training.train_experiment(experiment, Pairs(), tmp_path, options=CPU) / "log.csv")
    usual = pd.read_csv(training.train_experiment(first, Pairs(), tmp_path, options=CPU) / "log.csv")
    assert (log["feature"] > 0).tolist() == [True] * 3 + [False] * 3
    assert (log["pixel"] > 0).tolist() == [data_term == "both"] * 3 + [True] * 3
    pd.testing.assert_frame_equal(log[:3], usual[:3])
    assert (log["total"] > 0).all() and (log["smooth_second"] > 0).all()
    longer = change(experiment, schedule__steps=12)
    assert longer.beginning_key != experiment.beginning_key, "half of another length is another step"
    assert change(first, schedule__steps=12).beginning_key == first.beginning_key


@pytest.mark.parametrize(
    ("decay", "kind", "lengths"),
    # 4 of 4; 6 from 3 on; 12 from 5 on (three quarters of 6, rounded up); 8 finds 9, which is beyond its 6
    [("drop", "joint", {4: 4, 6: 3}), ("linear", "", {4: 4, 6: 3, 12: 7, 8: 8})],
)
def test_lengths_that_share_their_beginning_end_as_if_trained_alone(tmp_path, watched, decay, kind, lengths):
    settings = {"schedule__decay": decay, "schedule__warm_up_steps": 2, "schedule__learning_rate": 1e-3}
    experiment = change(with_features(tiny(), kind=kind, learning_rate=1e-2) if kind else tiny("baseline"), **settings)
    for steps, taken in lengths.items():
        longer = change(experiment, schedule__steps=steps)
        alone = training.train_experiment(longer, Pairs(), tmp_path / "alone", options=CPU)
        before = len(watched["seen"])
        options = replace(CPU, share_beginning=True)
        together = training.train_experiment(longer, Pairs(), tmp_path / "together", options=options)
        assert len(watched["seen"]) - before == taken
        assert (alone / "log.csv").read_text() == (together / "log.csv").read_text()
        assert_same(weights(alone), weights(together))


def test_a_longer_beginning_that_comes_meanwhile_is_not_taken(tmp_path, monkeypatch):
    """As ``lowtex ablate --jobs`` trains several lengths at once."""
    options = replace(CPU, share_beginning=True)
    alone, short, long = (
        training.train_experiment(tiny("baseline", steps), Pairs(), tmp_path / name, options=options)
        for name, steps in (("alone", 6), ("together", 4), ("long", 12))
    )
    [shared], [later] = (folder.parent.glob("beginning-*.pt") for folder in (short, long))

    def load_state(path):
        state = load(path)
        if path == shared:
            shutil.copyfile(later, shared)
        return state

    load = training.load_state
    monkeypatch.setattr(training, "load_state", load_state)
    together = training.train_experiment(tiny("baseline", 6), Pairs(), short.parent, options=options)
    assert (alone / "log.csv").read_text() == (together / "log.csv").read_text()
    assert_same(weights(alone), weights(together))


def test_the_feature_networks_rate_drops_once_at_three_quarters(tmp_path):
    experiment = with_features(tiny(), steps=8, learning_rate=1e-2)

    def die(step, steps, loss):
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        options = replace(CPU, checkpoint_every=7, report=die)
        training.train_feature_net(experiment, Pairs(), tmp_path, options=options)
    folder = training.train_feature_net(experiment, Pairs(), tmp_path, options=CPU)
    assert rates(folder) == pytest.approx([1e-2] * 6 + [1e-3] * 2)


def test_discriminative_and_convergent_are_weights_of_their_own_regularisers(tmp_path):
    experiment = with_features(tiny(), discriminative=0.3, convergent=0.05)
    log = pd.read_csv(training.train_feature_net(experiment, Pairs(), tmp_path, options=CPU) / "log.csv")
    total = log.reconstruction - 0.3 * log.map_first + 0.05 * log.map_second
    assert log.feature_net_total.tolist() == pytest.approx(total.tolist(), rel=1e-4)
    assert (log.map_first > 0).all() and (log.map_second > 0).all() and (log.reconstruction > 0).all()


@pytest.mark.parametrize("most, chosen", [(64, [0, 1, 2, 3, 4, 5, 6]), (3, [0, 2, 4])])
def test_maps_are_normalised_over_all_images_chosen(most, chosen, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "NORMALISATION_IMAGES", most)
    shared = training.train_feature_net(with_features(tiny(), kind="random"), Pairs(7), tmp_path, options=CPU)
    measured, again = load_feature_net(shared), load_feature_net(shared)
    again.fit_normalisation(Pairs(7)[index].image for index in chosen)
    for level in range(5):
        for name in (f"mean_{level}", f"deviation_{level}"):
            torch.testing.assert_close(getattr(measured, name), getattr(again, name), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision, inside", [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_bf16_is_on_inside_the_network_and_ends_before_its_heads(precision, inside, tmp_path, watched):
    met: dict[str, set] = {"convolution": set(), "head": set()}

    def note(module, inputs, output):
        if isinstance(module, SigmoidHead):
            met["head"].add(output.dtype)
        elif isinstance(module, torch.nn.Conv2d):
            met["convolution"].add(output.dtype)

    hook = torch.nn.modules.module.register_module_forward_hook(note)
    try:
        experiment = tiny("baseline", 2, schedule__precision=precision)
        folder = training.train_experiment(experiment, Pairs(), tmp_path, options=CPU)
    finally:
        hook.remove()
    assert met["convolution"] == {inside} and met["head"] == {torch.float32}
    assert all(output.dtype == torch.float32 for output in watched["outputs"][0])
    assert all(value.dtype in (torch.float32, torch.int64) for value in weights(folder).values())


def test_a_feature_network_is_trained_in_what_its_key_says(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(training, "choose_kernels", lambda device, precision, deterministic: told.append(precision))
    for precision in ("bf16", "tf32"):
        experiment = tiny("ours", 1, schedule__precision=precision)
        training.train_experiment(experiment, Pairs(), tmp_path / precision, options=CPU)
    assert told == ["fp32", "bf16", "tf32", "tf32"]


def test_training_starts_from_pretrained_weights(tmp_path, watched):
    file = tmp_path / "resnet18.pth"
    torch.save(resnet_weights(18), file)
    experiment = tiny("encoder", 1)
    training.train_experiment(experiment, Pairs(), tmp_path, options=CPU)
    pretrained = change(experiment, network__pretrained=str(file))
    assert pretrained.network.width == WIDTH
    first = training.train_experiment(pretrained, Pairs(), tmp_path, options=CPU)
    plain, start = watched["start"]
    expected = build_depth_net(pretrained.network)
    expected.load_state_dict(plain)
    load_published(expected.encoder, file, as_start=True)
    assert_same(start, expected.state_dict())
    assert torch.equal(start["encoder.conv1.weight"], resnet_weights(18)["conv1.weight"])
    # a checkpoint that a fine-tuning starts from has seen more than the pretrained file
    later = replace(pretrained, start_from=training.content_hash(first))
    training.train_experiment(later, Pairs(), tmp_path, start=first, options=CPU)
    assert_same(watched["start"][-1], weights(first))
