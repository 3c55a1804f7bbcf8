"""Training resumes to the same weights, is never done twice, and stops with a clear word."""

import errno
import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from lowtex import training
from lowtex.checkpoints import load_feature_net, load_network, load_state, load_weights_into
from lowtex.datasets.sample import StereoSample, as_bytes
from lowtex.errors import CheckpointError, DataError, LowtexError, OptionError
from lowtex.experiments import Experiment, change, named_experiment
from lowtex.geometry import StereoRig, warp_horizontal
from lowtex.networks import DepthNet, FeatureNet, build_depth_net
from lowtex.seeding import generator
from lowtex.settings import FeatureNetSettings
from lowtex.training import LoopOptions, pairs_of_steps, training_loader

SIZE = (64, 96)
RIG = StereoRig(60.0, 0.5, cx=47.5, cy=31.5, width=96, height=64)


class Pairs(torch.utils.data.Dataset):
    """Random textures a constant disparity apart."""

    def __init__(self, count: int = 5):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> StereoSample:
        right = torch.randint(256, (3, *SIZE), generator=generator(index, "pairs")) / 255
        left = warp_horizontal(right[None], torch.full((1, 1, *SIZE), 2.0 + index % 3))[0].clamp(0, 1)
        return StereoSample(left, RIG, f"pair{index}", other=right)


def tiny(name: str = "ours", steps: int = 6, **changes) -> Experiment:
    experiment = named_experiment(
        name, "quick", network__depth=18, network__width=0.125, data__height=SIZE[0], data__width=SIZE[1],
        schedule__steps=steps, schedule__batch_size=2, **changes,
    )  # fmt: skip
    if experiment.feature_net is None:
        return experiment
    return replace(experiment, feature_net=FeatureNetSettings(depth=18, width=0.125, steps=3, batch_size=2))


def with_features(experiment: Experiment, **settings) -> Experiment:
    """The experiment with other settings of its feature network."""
    return replace(experiment, feature_net=replace(experiment.feature_net, **settings))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_network(folder)[0].state_dict()


def assert_same(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


CPU = LoopOptions(device="cpu", checkpoint_every=2)
FULL_DISK = OSError(errno.ENOSPC, "No space left on device")


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path):
    whole = training.train_experiment(tiny(steps=4), Pairs(), tmp_path / "whole", options=CPU)
    parted = training.train_experiment(tiny(steps=4), Pairs(), tmp_path / "parts", options=replace(CPU, stop_after=3))
    assert not training.is_finished(parted) and not (parted / "network.safetensors").exists()
    training.train_experiment(tiny(steps=4), Pairs(), tmp_path / "parts", options=CPU)
    assert_same(weights(whole), weights(parted))
    assert (whole / "log.csv").read_text() == (parted / "log.csv").read_text()
    assert not (parted / "state.pt").exists()


def test_a_finished_training_is_found_where_nothing_can_be_written(tmp_path, monkeypatch):
    folder = training.train_experiment(tiny(steps=1), Pairs(), tmp_path, options=CPU)
    again = change(tiny(steps=1), name="again", start_from="0123")

    refuse = Mock(side_effect=OSError(errno.EROFS, "Read-only file system"))
    for name in ("lowtex.distributed.FileLock", "pathlib.Path.mkdir"):
        monkeypatch.setattr(name, refuse)
    for name in ("ours", "the same by another name"):
        experiment = replace(tiny(steps=1), name=name)
        assert training.train_experiment(experiment, Pairs(), tmp_path, options=CPU) == folder
    assert training.train_feature_net(tiny(steps=1), Pairs(), tmp_path).name.startswith("feature_net-s0-")
    assert training._feature_net_of_start(again, folder, tmp_path).name.startswith("feature_net-s0-")
    with pytest.raises(OSError, match="Read-only"):
        training.train_experiment(tiny(steps=2), Pairs(), tmp_path, options=CPU)


def test_a_random_feature_network_is_compared_and_never_trained(tmp_path):
    folder = training.train_experiment(with_features(tiny(steps=1), kind="random"), Pairs(), tmp_path, options=CPU)
    assert training.is_finished(folder) and "reconstruction" not in pd.read_csv(folder / "log.csv")


def test_a_joint_feature_network_learns_whole_and_is_compared_at_one_scale(tmp_path, monkeypatch):
    """Weights and batch norms move with its own rate."""
    seen, lowest = [], FeatureNet.lowest
    monkeypatch.setattr(FeatureNet, "lowest", lambda self, image: seen.append(lowest(self, image)) or seen[-1])
    experiment = with_features(tiny("encoder_features", steps=4), kind="joint", learning_rate=3e-3)
    parted = training.train_experiment(experiment, Pairs(), tmp_path, options=replace(CPU, stop_after=3))
    [start] = tmp_path.glob("feature_net-*")
    before, state = load_feature_net(start).state_dict(), torch.load(parted / "state.pt")
    after = state["modules"]["feature_net"]
    counts = [name for name in after if name.endswith("num_batches_tracked")]
    assert counts and all(after[name] == before[name] + 3 for name in counts), "batch norms are in training mode"
    still = [name for name in after if torch.equal(after[name], before[name])]
    assert not [name for name in still if not name.startswith(("mean_", "deviation_"))]
    assert [group["lr"] for group in state["optimizer"]["param_groups"]] == [1e-3, 3e-3]
    # of the running statistics, which are measured before the first step; drawn at 0 and 1 they would drift
    assert len(seen) == 6 and all(0.9 < float(maps.std()) < 1.1 for maps in seen)
    assert not any(maps.requires_grad for maps in seen), "no gradient of the depth objective: constant maps would win"


def test_a_checkpoint_knows_its_experiment_and_scale_and_fits_nothing_else(tmp_path):
    experiment = tiny("baseline", steps=2, network__nominal_baseline=0.015)
    folder = training.train_experiment(experiment, Pairs(), tmp_path, options=CPU)
    network, info = load_network(folder / "network.safetensors")
    assert info["experiment"] == experiment and info["size"] == SIZE and not network.training
    assert network.metres_per_unit == pytest.approx(0.5 / 0.015)  # the rig's baseline over the nominal one
    assert network.reference_focal == pytest.approx(60 / 96)
    depth = network.depth(torch.rand(1, 3, *SIZE), RIG)
    assert depth.shape == (1, 1, *SIZE) and bool((depth > 0).all())
    done = json.loads((folder / "done.json").read_text())
    assert done["steps"] == 2 and done["pairs"] == 5 and done["threads"] == 1 and done["wall_s"] > 0
    assert done["device"] and done["torch_version"] == torch.__version__
    # what is of something else is refused
    with pytest.raises(CheckpointError, match="does not fit this DepthNet: .*missing.*unexpected"):
        load_weights_into(build_depth_net(tiny("ours").network), folder)
    with pytest.raises(CheckpointError, match="holds a depth_net"):
        load_feature_net(folder / "network.safetensors")
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes((folder / "network.safetensors").read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="torn.safetensors is not a readable"):
        load_network(torn)
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match="not a checkpoint of this kit"):
        load_network(tmp_path / "foreign.safetensors")


def test_fine_tuning_with_another_camera_keeps_the_metres_it_learnt(tmp_path):
    class OtherCamera(Pairs):
        def __getitem__(self, index: int) -> StereoSample:
            return replace(super().__getitem__(index), rig=replace(RIG, focal_px=90.0, baseline_m=1.0))

    first = training.train_experiment(tiny("baseline", steps=1), Pairs(), tmp_path, options=CPU)
    later = change(tiny("baseline", steps=1), data__source="real:other", start_from=training.content_hash(first))
    second = training.train_experiment(later, OtherCamera(), tmp_path, start=first, options=CPU)
    # not the new baseline over the nominal one (10), but the old metres (5), for a lens half as long again
    assert load_network(second)[0].metres_per_unit == pytest.approx(5.0 * 1.5)


def test_fine_tuning_compares_the_maps_its_start_compared(tmp_path):
    first = training.train_experiment(tiny("ours", steps=1), Pairs(), tmp_path / "runs", options=CPU)
    [shared] = (tmp_path / "runs").glob("feature_net-*")
    start_from = training.content_hash(first)
    later = change(tiny("ours", steps=1), data__source="real:other", start_from=start_from)
    assert later.feature_net_key not in shared.name, "by its own data it would train another"
    second = training.train_experiment(later, Pairs(), tmp_path / "other", start=first, options=CPU)
    [copied] = (tmp_path / "other").glob("feature_net-*")
    name = "feature_net.safetensors"
    assert copied.name == shared.name and (copied / name).read_bytes() == (shared / name).read_bytes()
    third = change(later, start_from=later.key)
    # the folder or the file in it
    start = second / "network.safetensors"
    training.train_experiment(third, Pairs(), tmp_path / "other", start=start, options=CPU)
    assert [path.name for path in (tmp_path / "other").glob("feature_net-*")] == [shared.name]
    shared.rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=f"{shared.name}, which is not in .*train the start again"):
        training.train_experiment(later, Pairs(), tmp_path / "third", start=first, options=CPU)


def test_a_damaged_state_names_the_file_and_the_way_out(tmp_path):
    folder = training.train_experiment(tiny("baseline"), Pairs(), tmp_path, options=replace(CPU, stop_after=2))
    whole = (folder / "state.pt").read_bytes()
    name = whole.index(b"wall_s")
    # the second is one flipped bit in a name
    for damaged in (b"not a state", whole[:name] + bytes([whole[name] ^ 128]) + whole[name + 1 :]):
        (folder / "state.pt").write_bytes(damaged)
        with pytest.raises(CheckpointError, match="state.pt is damaged.*delete it"):
            training.train_experiment(tiny("baseline"), Pairs(), tmp_path, options=CPU)


class Spoilt(Pairs):
    """What the reading process can't see and the loss does: a shift that is no number."""

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return replace(sample, direction=float("nan")) if index == 3 else sample


def test_an_image_that_is_not_in_range_is_named_before_it_is_made_bytes():
    for wrong in (float("nan"), -0.5, 1.5):
        sample = Pairs()[3]
        sample.other[1, 5, 7] = wrong
        with pytest.raises(DataError, match=r"pair3 has values that are not in \[0, 1\]"):
            as_bytes(sample)


def test_nan_in_a_sample_is_named_and_the_last_state_stays(tmp_path):
    experiment, each_step = tiny("baseline", steps=30), replace(CPU, checkpoint_every=1)
    with pytest.raises(LowtexError, match="pair3"):
        training.train_experiment(experiment, Spoilt(), tmp_path, options=each_step)
    folder = training.experiment_folder(tmp_path, experiment)
    assert not training.is_finished(folder) and not (folder / "network.safetensors").exists()
    batches = pairs_of_steps(len(Spoilt()), 2, 30, experiment.seed).tolist()
    before = next(step for step, batch in enumerate(batches) if 3 in batch)
    assert before > 0, "the first batch is clean with this seed, so there is a state to look at"
    # one state at a step that is no multiple of checkpoint_every, and none
    training.train_experiment(experiment, Spoilt(), tmp_path / "parts", options=replace(CPU, stop_after=before))
    for place, told in (("parts", f"the state of step {before} is kept"), ("none", "nothing was saved yet")):
        with pytest.raises(LowtexError, match=told):
            training.train_experiment(experiment, Spoilt(), tmp_path / place, options=CPU)
    state = torch.load(folder / "state.pt")
    assert state["step"] == before
    assert all(bool(torch.isfinite(value).all()) for value in state["modules"]["network"].values())


def test_training_data_of_another_kind_is_refused(tmp_path):
    class Single(Pairs):
        def __getitem__(self, index):
            return replace(super().__getitem__(index), other=None)

    with pytest.raises(DataError, match=r"pair\d has no second view"):
        training.train_experiment(tiny("baseline"), Single(), tmp_path, options=CPU)
    with pytest.raises(DataError, match="is empty"):
        training.train_experiment(tiny("baseline"), Pairs(0), tmp_path, options=CPU)
    with pytest.raises(DataError, match=r"\(64, 96\).*\(96, 320\)"):
        training.train_experiment(named_experiment("baseline", "quick"), Pairs(), tmp_path, options=CPU)


def test_every_pair_is_seen_once_an_epoch_in_a_new_order():
    places = pairs_of_steps(length=6, batch_size=4, steps=6, seed=0).flatten().tolist()
    epochs = [places[:6], places[6:12], places[12:18], places[18:24]]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_a_batch_in_parts_is_the_whole_batch_but_for_batch_norm(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.nn.BatchNorm2d, "forward", lambda self, x: x * self.weight[:, None, None])
    logs, found = [], []
    for parts in (1, 2):
        experiment = tiny("ours", steps=2, schedule__accumulate=parts, loss__smooth_second=0.01)
        folder = training.train_experiment(experiment, Pairs(), tmp_path / str(parts), options=CPU)
        logs.append(pd.read_csv(folder / "log.csv"))
        found.append(weights(folder))
    pd.testing.assert_frame_equal(*logs, rtol=1e-4)
    for name in found[0]:
        torch.testing.assert_close(found[0][name], found[1][name], rtol=1e-3, atol=1e-4)
    with pytest.raises(OptionError, match="accumulate=3 must divide batch_size=2"):
        tiny("ours", schedule__accumulate=3)


def test_compiled_training_learns_the_same_keeps_its_names_and_goes_on_from_either_form(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    saved, save_state = [], training.save_state
    monkeypatch.setattr(training, "save_state", lambda path, state: (saved.append(state), save_state(path, state)))
    experiment = tiny("baseline", steps=3, schedule__accumulate=2)
    plain = training.train_experiment(experiment, Pairs(), tmp_path / "plain", options=CPU)
    training.train_experiment(experiment, Pairs(), tmp_path / "both", options=replace(CPU, stop_after=1))
    both = training.train_experiment(experiment, Pairs(), tmp_path / "both", options=replace(CPU, compile="all"))
    assert json.loads((plain / "done.json").read_text())["compiled"] == []
    assert json.loads((both / "done.json").read_text())["compiled"] == ["loss", "network"]
    pd.testing.assert_frame_equal(pd.read_csv(plain / "log.csv"), pd.read_csv(both / "log.csv"), rtol=1e-4)
    passed = [int(count) for name, count in weights(plain).items() if name.endswith("num_batches_tracked")]
    assert passed and set(passed) == {3 * 2}, "batch norms have met each part of each batch"
    names = [state["modules"]["network"].keys() for state in saved]
    assert len(names) == 5 and all(found == weights(plain).keys() == weights(both).keys() for found in names)
    with pytest.raises(OptionError, match="compile='loss,network' is not known; choose one of: auto, off, loss, all"):
        LoopOptions(compile="loss,network")


def test_a_full_gpu_ends_a_training_in_one_line_and_keeps_the_last_state(tmp_path, monkeypatch):
    folder = training.train_experiment(tiny("baseline"), Pairs(), tmp_path, options=replace(CPU, stop_after=2))
    for place in ("lowtex.networks.DepthNet.forward", "torch.optim.Adam.step"):
        with monkeypatch.context() as patched:
            patched.setattr(place, Mock(side_effect=torch.OutOfMemoryError("CUDA out of memory")))
            told = "full at step 2 with 2 pairs at a time; .* step 2 is kept.*accumulate=2"
            with pytest.raises(LowtexError, match=told):
                training.train_experiment(tiny("baseline"), Pairs(), tmp_path, options=CPU)
        assert (folder / "state.pt").exists()
    resumed = training.train_experiment(tiny("baseline"), Pairs(), tmp_path, options=CPU)
    whole = training.train_experiment(tiny("baseline"), Pairs(), tmp_path / "whole", options=CPU)
    assert_same(weights(resumed), weights(whole))


def test_a_full_gpu_says_what_can_still_be_lowered(tmp_path, monkeypatch):
    full = Mock(side_effect=RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    for network, name, changes, told in (
        (DepthNet, "baseline", {"batch_size": 12, "accumulate": 4}, r"3 pairs at .*--set schedule.accumulate=6 \("),
        (DepthNet, "baseline", {"accumulate": 2}, "1 pairs at .*train anew with smaller images$"),
        (FeatureNet, "ours", {}, "2 pairs at .*--set feature_net.batch_size=1 or smaller images$"),
    ):
        experiment = change(tiny(name), **{f"schedule__{setting}": value for setting, value in changes.items()})
        with monkeypatch.context() as patched, pytest.raises(LowtexError, match=told):
            patched.setattr(network, "forward", full)
            training.train_experiment(experiment, Pairs(), tmp_path, options=CPU)


def test_a_process_hands_over_the_same_batches_and_none_in_shared_memory():
    order = pairs_of_steps(5, 2, 3, seed=0)
    expected, found = list(training_loader(Pairs(), order)), list(training_loader(Pairs(), order, workers=1))
    for batch, same in zip(found, expected, strict=True):
        assert torch.equal(batch.views, same.views) and torch.equal(batch.table, same.table)
        assert batch.columns == same.columns and batch.names == same.names
        assert not batch.views.is_shared()


class Damaged(Pairs):
    def __getitem__(self, index: int) -> StereoSample:
        if index == 4:
            raise DataError("pair4.png is damaged; get it again")
        return super().__getitem__(index)


def test_what_goes_wrong_in_a_worker_is_said_in_one_line():
    with pytest.raises(LowtexError, match=r"^pair4.png is damaged; get it again$"):
        list(training_loader(Damaged(), pairs_of_steps(5, 2, 3, seed=0), workers=1))


@pytest.mark.parametrize("busy", [False, True], ids=["waiting for it", "in a step"])
def test_a_worker_that_is_killed_ends_a_training_in_one_line_and_it_goes_on(busy, tmp_path):
    """As a system that is short of memory does it. torch tells of it by a signal, wherever the training is."""
    others = set(multiprocessing.active_children())

    def kill(step, steps, loss):
        if step == 5:
            os.kill((set(multiprocessing.active_children()) - others).pop().pid, signal.SIGKILL)
            until = time.monotonic() + 60
            while busy and time.monotonic() < until:
                time.sleep(0.01)

    options = replace(CPU, workers=2, report=kill)
    with pytest.raises(LowtexError, match="^the processes that read .*killed by signal.*last saved state .*again$"):
        training.train_experiment(tiny("baseline", 60), Pairs(), tmp_path, options=options)
    # batches that were ready are still taken, so that the last state may be a later one than that of the kill
    [kept] = [load_state(path)["step"] for path in tmp_path.glob("*/state.pt")]
    steps = []
    options = replace(CPU, workers=2, stop_after=kept + 2, report=lambda step, *_: steps.append(step))
    training.train_experiment(tiny("baseline", 60), Pairs(), tmp_path, options=options)
    assert 4 <= kept < 60 and steps == [kept + 1, kept + 2]


def test_workers_that_cannot_be_started_are_one_line(monkeypatch):
    """Their locks lie in /dev/shm; their batches do not."""
    monkeypatch.setattr("multiprocessing.context.BaseContext.Lock", Mock(side_effect=FULL_DISK))
    told = r"could not be started \(No space left .*room in /dev/shm.*--shm-size.*again$"
    with pytest.raises(LowtexError, match=told):
        list(training_loader(Pairs(), pairs_of_steps(5, 2, 3, seed=0), workers=1))


def test_a_full_disk_ends_a_training_in_one_line_and_keeps_the_last_state(tmp_path, monkeypatch):
    half = training.train_experiment(tiny("baseline", steps=3), Pairs(), tmp_path, options=replace(CPU, stop_after=2))
    kept = (half / "state.pt").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", Mock(side_effect=FULL_DISK))
        with pytest.raises(DataError, match="^no space left while writing .*state.pt; free some space"):
            training.train_experiment(tiny("baseline", steps=3), Pairs(), tmp_path, options=CPU)
    assert (half / "state.pt").read_bytes() == kept and not [p for p in half.iterdir() if p.name.startswith(".state")]
