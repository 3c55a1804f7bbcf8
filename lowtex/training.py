"""Training an experiment, from top to bottom: the feature network first, where one is compared, then the depth net.

`train_experiment` is what a command or a notebook calls. `_fit_depth` holds one step: augment, network, objective.
`run_loop` does the steps: data, learning rate, backward, optimiser, checkpoint, log. Then come the data (which pairs
make up step k, read by how many processes) and their augmentation, pure functions of the seed and the step: nothing
random is kept between steps, so a run that resumes at step k sees exactly what the uninterrupted one saw.
"""

import math
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, Dataset

from lowtex.checkpoints import load_feature_net, load_state, load_weights_into, save_network, save_state
from lowtex.datasets.augment import flip_pair, jitter_colour
from lowtex.datasets.cache import free_memory
from lowtex.datasets.sample import PackedBatch, StereoBatch, pack
from lowtex.devices import (
    COMPILE,
    Compiled,
    choose_kernels,
    copy_to_host,
    keep_freed_memory,
    parts_to_compile,
    resolve_device,
)
from lowtex.distributed import (
    broadcast_from_main,
    check_share,
    gather_objects,
    is_main,
    main_lock,
    mean,
    share_of_draw,
    shared_batch,
    sharers,
    wait_for_file,
    whole_batch,
    world_size,
)
from lowtex.errors import CheckpointError, DataError, LowtexError, OptionError, require_choice
from lowtex.experiments import Experiment
from lowtex.files import atomic_path, read_json, shown_size, write_json
from lowtex.losses import StereoObjective, feature_net_loss
from lowtex.networks import DepthNet, FeatureNet, build_depth_net, build_feature_net, load_published
from lowtex.networks.batch_norm import share_statistics
from lowtex.provenance import provenance
from lowtex.seeding import generator, seed_everything
from lowtex.settings import ScheduleSettings

NORMALISATION_IMAGES = 64
"""Training images that the feature maps' per-channel mean and deviation are measured on."""

WORKER_TIMEOUT_S = 600
"""Longer than any batch takes to read."""


@dataclass
class LoopOptions:
    """How a training is carried out; none of it changes the result, but for the rounding of another device or form.

    Attributes:
        device: ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``.
        compile: by `torch.compile`: ``loss``, ``all`` (the depth network too), ``off``, or ``auto``
            (`lowtex.devices.parts_to_compile`: the loss on a GPU).
        checkpoint_every: steps between two saved states; a killed run loses at most that many.
        stop_after: stop (unfinished, resumable) once this many steps are done; None runs to the end.
        workers: processes that decode images ahead.
        report: called after each step with (steps done, steps in all, loss).
        share_beginning: leave the state of the last step at the full learning rate beside the experiments, and begin
            with it where another length has left it: up to there all lengths are one training, bit for bit on one CPU.
            In one process, and not for ``decay: cosine``, which never stays at the full rate.
    """

    device: str = "auto"
    compile: str = "auto"
    checkpoint_every: int = 100
    stop_after: int | None = None
    workers: int = 0
    report: Callable[[int, int, float], None] | None = None
    share_beginning: bool = False

    def __post_init__(self):
        require_choice("compile", self.compile, COMPILE)


@dataclass
class LoopState:
    """What a loop ended with: steps done, a log row a step, seconds spent over all its parts, what was compiled; and
    the step of the state that its folder holds, None where there is none."""

    step: int = 0
    log: list[dict] = field(default_factory=list)
    wall_s: float = 0.0
    compiled: list[str] = field(default_factory=list)
    saved_at: int | None = None

    @property
    def kept(self) -> str:
        """What an error says of the folder's state."""
        return "nothing was saved yet" if self.saved_at is None else f"the state of step {self.saved_at} is kept"


def experiment_folder(experiments: str | Path, experiment: Experiment) -> Path:
    """Where an experiment lives: ``<experiments>/<name>-s<seed>-<key>``; the key alone decides what it is."""
    experiments = Path(experiments)
    found = sorted(experiments.glob(f"*-{experiment.key}"))
    return found[0] if found else experiments / f"{experiment.name}-s{experiment.seed}-{experiment.key}"


def is_finished(folder: str | Path) -> bool:
    """The training ended and its network was written."""
    return (Path(folder) / "done.json").is_file()


def train_experiment(
    experiment: Experiment,
    dataset: Dataset,
    experiments: str | Path,
    *,
    start: str | Path | None = None,
    options: LoopOptions | None = None,
) -> Path:
    """Train, or go on, or find it done; returns the experiment's folder.

    The folder ends up with ``network.safetensors``, ``log.csv`` (every loss term of every step), ``experiment.json``
    and ``done.json`` (steps, seconds, device, versions). An interrupted call leaves ``state.pt`` and the next one
    resumes from it. Where several processes were started (`lowtex.distributed`), all of them call this with the same
    arguments and share each batch; one of them writes.

    Args:
        experiment: what to train.
        dataset: its training samples, each with a second view, at the experiment's size.
        experiments: folder of all experiments of a run.
        start: checkpoint to fine-tune from (the experiment's ``start_from`` names its content). The feature network
            it was trained with serves again, where it lies beside it.
        options: device, checkpoints, progress.

    Raises:
        DataError: no samples, or samples without a second view or of another size.
        CheckpointError: ``start`` is of another network.
        OptionError: the processes cannot share a batch evenly.
        LowtexError: the loss became non-finite.
    """
    options = options or LoopOptions()
    device = make_accelerator(options.device).device
    folder = experiment_folder(experiments, experiment)
    with _in_hand(folder) as unfinished:
        if not unfinished:
            return folder
        check_share("schedule.batch_size", experiment.schedule.batch_size, experiment.schedule.accumulate)
        if is_main():
            write_json(folder / "experiment.json", experiment.as_dict())
        rig = _check(experiment, dataset)
        feature_net, facts = None, {}
        if experiment.loss.uses_features:
            shared = _feature_net_of_start(experiment, start, experiments)
            shared = shared or train_feature_net(experiment, dataset, experiments, options=options)
            feature_net = load_feature_net(wait_for_file(shared / "feature_net.safetensors"))
            facts["feature_net"] = shared.name

        seed_everything(experiment.seed, "weights")
        network = build_depth_net(experiment.network)
        if network.metres_per_unit is None:
            network.metres_per_unit = rig.baseline_m / network.nominal_baseline
        network.reference_focal = rig.focal_px / rig.width
        if start is not None:
            before = load_weights_into(network, start)
            # weights learnt with another camera begin with the metres they gave before: they take a longer lens for
            # nearness (`DepthNet.reference_focal`), and from now on the lens of reference is the new one
            longer = network.reference_focal / before.get("reference_focal", network.reference_focal)
            network.metres_per_unit = before.get("metres_per_unit", network.metres_per_unit) * longer
        elif experiment.network.pretrained:
            load_published(network.encoder, experiment.network.pretrained, as_start=True)
        state = _fit_depth(experiment, dataset, folder, network, feature_net, options)
        if state.step < experiment.schedule.steps or not is_main():
            return folder
        facts |= {
            "steps": state.step,
            "metres_per_unit": network.metres_per_unit,
            "reference_focal": network.reference_focal,
            "rig": rig.as_dict(),
            "image_bits": getattr(dataset, "image_bits", None),
        }
        save_network(folder / "network.safetensors", network, "depth_net", experiment, **facts)
        _finish(folder, state, device, pairs=len(dataset), **facts)
    return folder


@contextmanager
def _in_hand(folder: Path) -> Iterator[bool]:
    """The folder of a training, locked; gives False where the training is finished."""
    if broadcast_from_main(lambda: is_finished(folder)):
        # nothing is written any more: it may lie in a folder that can only be read
        yield False
        return
    folder.mkdir(parents=True, exist_ok=True)
    with main_lock(folder / ".lock"):
        yield not broadcast_from_main(lambda: is_finished(folder))


def _finish(folder: Path, state: "LoopState", device: torch.device, **facts: object) -> None:
    facts |= {"steps": state.step, "processes": world_size(), "wall_s": state.wall_s, "compiled": state.compiled}
    write_json(folder / "done.json", {**facts, **provenance(device)})
    (folder / "state.pt").unlink(missing_ok=True)


def _check(experiment: Experiment, dataset: Dataset):
    if len(dataset) == 0:
        raise DataError(f"the training set of {experiment.name!r} is empty; check --data and the split")
    sample = dataset[0]
    if tuple(sample.image.shape[-2:]) != experiment.data.size:
        raise DataError(
            f"{sample.name} is {tuple(sample.image.shape[-2:])}, but {experiment.name!r} trains at "
            f"{experiment.data.size} (height, width); open the data set with that size"
        )
    return sample.rig


def _feature_net_of_start(experiment: Experiment, start: str | Path | None, experiments: str | Path) -> Path | None:
    """The feature network that a fine-tuning's start compared maps of, copied beside the fine-tuning if it lies apart.

    A frozen yardstick must not change under way, and a few pairs would hardly train another. None where the start has
    none of the same settings, or where it learns beside the depth network.

    Raises:
        CheckpointError: the start had one, and it is gone.
    """
    if start is None or experiment.feature_net.kind == "joint" or not is_finished(folder := _folder_of(start)):
        return None
    before = Experiment.from_dict(read_json(folder / "experiment.json"))
    if before.feature_net != experiment.feature_net:
        return None
    usual = f"feature_net-s{before.seed}-{before.feature_net_key}"
    there = folder.parent / read_json(folder / "done.json").get("feature_net", usual)
    if not is_finished(there):
        raise CheckpointError(
            f"{folder} was trained with the feature network {there.name}, which is not in {folder.parent}; "
            "put it there, or train the start again"
        )
    here = Path(experiments) / there.name
    with _in_hand(here) as unfinished:
        if unfinished and is_main():
            # contents alone, because modes can't be set on every file system; done.json last
            for name in ("feature_net.safetensors", "log.csv", "done.json"):
                if (there / name).is_file():
                    shutil.copyfile(there / name, here / name)
    return here


def content_hash(checkpoint: str | Path) -> str:
    """The content hash of a finished experiment's settings and steps, for `Experiment.start_from`."""
    folder = _folder_of(checkpoint)
    if not is_finished(folder):
        raise CheckpointError(f"{checkpoint} is not of a finished training; give the folder of one")
    return Experiment.from_dict(read_json(folder / "experiment.json")).key


def _folder_of(checkpoint: str | Path) -> Path:
    """The folder of a finished experiment, which may be given by its ``network.safetensors`` too."""
    path = Path(checkpoint)
    return path if path.is_dir() else path.parent


def _fit_depth(experiment, dataset, folder, network: DepthNet, feature_net: FeatureNet | None, options) -> LoopState:
    """The depth network's training; a feature network of kind ``joint`` learns beside it, by its own loss."""
    schedule = experiment.schedule
    accelerator = make_accelerator(options.device)
    network = network.to(memory_format=torch.channels_last)
    modules: dict[str, nn.Module] = {"network": network}
    groups = [{"params": list(network.parameters()), "lr": schedule.learning_rate}]
    joint = feature_net is not None and experiment.feature_net.kind == "joint"
    if joint:
        feature_net.unfreeze()
        modules["feature_net"] = feature_net
        groups.append({"params": list(feature_net.parameters()), "lr": experiment.feature_net.learning_rate})
    elif feature_net is not None:
        feature_net.to(accelerator.device)
    parts = parts_to_compile(options.compile, accelerator.device, schedule.deterministic)
    objectives = [StereoObjective(experiment.loss, feature_net, compiled="loss" in parts)]
    features_end = experiment.loss.features_until * schedule.steps
    if experiment.loss.uses_features and features_end < schedule.steps:
        pixels = replace(experiment.loss, data_term="pixels")
        objectives.append(StereoObjective(pixels, compiled="loss" in parts))
    if "network" in parts:
        # not the module itself, whose weights would get other names
        network.forward = Compiled(network.forward, "the depth network")

    def step(models, batch, number, part):
        seen = batch.network_image.contiguous(memory_format=torch.channels_last)
        with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=schedule.precision == "bf16"):
            outputs = models["network"](seen)
        outputs = [output.float() for output in outputs]
        noise = generator(experiment.seed, "auto_mask", number, part, device=accelerator.device)
        objective = objectives[0] if number < features_end else objectives[-1]
        loss, terms = objective(accelerator.unwrap_model(models["network"]), outputs, batch, generator=noise)
        if sharers() > 1:
            # they wait for a gradient of every parameter, also where an objective leaves coarse heads out
            loss = loss + 0.0 * torch.stack([output.mean() for output in outputs]).sum()
        if joint:
            own, own_terms = _feature_net_step(models["feature_net"], batch.image, experiment)
            if number % 50 == 0 and part == 0:
                feature_net.fit_normalisation([whole_batch(batch.image)])
            loss, terms = loss + own, {**terms, **own_terms}
        return loss, terms

    optimizer = torch.optim.Adam(groups, fused=True)
    walk = partial(run_loop, folder, dataset, modules, optimizer, step, schedule, experiment.seed)
    if options.share_beginning and world_size() == 1 and schedule.decay != "cosine":
        _walk_beginning(walk, folder, experiment, options)
    state = walk(options)
    forms = {"loss": [objective._sum for objective in objectives], "network": [network.forward]}
    state.compiled = [part for part in parts if any(one.form is not None for one in forms[part])]
    return state


def _walk_beginning(walk: Callable, folder: Path, experiment: Experiment, options: LoopOptions) -> None:
    """Take the steps at the full learning rate, from where another length of this training left off, and leave the
    state for others (`LoopOptions.share_beginning`)."""
    own, shared = folder / "state.pt", folder.parent / f"beginning-s{experiment.seed}-{experiment.beginning_key}.pt"
    steps = experiment.schedule.full_steps
    left_at = 0
    if shared.is_file():
        left = load_state(shared)
        left_at = left["step"]
        if left_at <= steps and not own.is_file():
            # what was looked at, not what another length may have put there meanwhile
            save_state(own, left)
        del left
    if options.stop_after is not None and options.stop_after < steps:
        return
    if (load_state(own)["step"] if own.is_file() else 0) < steps:
        walk(replace(options, stop_after=steps))
        if left_at < steps:
            with atomic_path(shared) as temporary:
                shutil.copyfile(own, temporary)


def train_feature_net(
    experiment: Experiment, dataset: Dataset, experiments: str | Path, *, options: LoopOptions | None = None
) -> Path:
    """Train the feature network that an experiment compares maps of, by its own loss alone (FeatDepth's autoencoder).

    Experiments with the same feature settings, data and seed share it. For kinds ``random`` and ``joint`` nothing is
    trained here; their maps are still scaled per channel, after the batch norms of ``joint`` have measured the training
    images. Returns the folder with ``feature_net.safetensors``.
    """
    options = options or LoopOptions()
    device = make_accelerator(options.device).device
    settings = experiment.feature_net
    folder = Path(experiments) / f"feature_net-s{experiment.seed}-{experiment.feature_net_key}"
    with _in_hand(folder) as unfinished:
        if not unfinished:
            return folder
        _check(experiment, dataset)
        seed_everything(experiment.seed, "feature weights")
        network = build_feature_net(settings).to(memory_format=torch.channels_last)
        state = LoopState()
        if settings.kind == "autoencoder" and settings.steps:
            check_share("feature_net.batch_size", settings.batch_size)
            state = _fit_features(experiment, dataset, folder, network, replace(options, stop_after=None))
        if not is_main():
            return folder
        network.cpu()
        count = min(len(dataset), NORMALISATION_IMAGES)
        chosen = [i * len(dataset) // count for i in range(count)]
        if settings.kind == "joint":
            # its maps are compared from the first step on; from 0 and 1 the running statistics would need dozens of
            # steps to arrive, and the size of the maps would grow severalfold meanwhile
            batches = [chosen[i : i + settings.batch_size] for i in range(0, count, settings.batch_size)]
            update_bn((torch.stack([dataset[i].image for i in batch]) for batch in batches), network.encoder)
        if settings.normalise:
            network.fit_normalisation(dataset[i].image[None] for i in chosen)
        save_network(folder / "feature_net.safetensors", network, "feature_net", experiment, steps=state.step)
        _finish(folder, state, device)
    return folder


def _fit_features(experiment, dataset, folder, network: FeatureNet, options) -> LoopState:
    """The autoencoder's training, by its own loss alone."""
    settings = experiment.feature_net
    rates = {"drop_at": 0.75, "drop_factor": 0.1, "decay": "drop", "warm_up_steps": 0}
    # jitter would make the maps depend on colours the objective never compares; mirroring is harmless
    changes = {"steps": settings.steps, "batch_size": settings.batch_size, "flip": 0.5, "jitter": 0.0, "accumulate": 1}
    changes["precision"] = experiment.feature_net_precision
    schedule = replace(experiment.schedule, **rates, **changes)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)

    def step(models, batch, number, part):
        return _feature_net_step(models["feature_net"], batch.image, experiment)

    return run_loop(folder, dataset, {"feature_net": network}, optimizer, step, schedule, experiment.seed, options)


def _feature_net_step(model: Callable, image: torch.Tensor, experiment: Experiment):
    maps, reconstructions = model(image.contiguous(memory_format=torch.channels_last), all_levels=True)
    settings = experiment.feature_net
    weights = {"discriminative": settings.discriminative, "convergent": settings.convergent}
    return feature_net_loss(reconstructions, maps, image, **weights, eps=settings.pixel_l1_eps)


def make_accelerator(device: str = "auto") -> Accelerator:
    """The device(s) to train on; the number of processes is what ``accelerate launch`` started.

    Its option of precision is not taken: ``schedule.precision`` is part of an experiment.

    Raises:
        OptionError: an unknown device, a GPU where none is visible, or a device that the launcher does not give.
    """
    wanted = resolve_device(device).type
    if is_initialized() and world_size() == 1 and AcceleratorState().device.type != wanted:
        # accelerate keeps a process's first device, whatever is asked for later
        AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=wanted == "cpu", mixed_precision="no")
    if accelerator.device.type != wanted:
        raise OptionError(
            f"device={device} asks for {wanted}, but accelerate was set up for {accelerator.device}; "
            "start the training anew with one device, and without ACCELERATE_TORCH_DEVICE"
        )
    return accelerator


def run_loop(
    folder: Path,
    dataset: Dataset,
    modules: dict[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    step_function: Callable[[dict[str, nn.Module], StereoBatch, int, int], tuple[Tensor, dict[str, Tensor]]],
    schedule: ScheduleSettings,
    seed: int,
    options: LoopOptions,
) -> LoopState:
    """Train until ``steps`` are done, resuming from the folder's ``state.pt`` where there is one; writes ``log.csv``.

    The order of the pairs and their augmentation depend on the seed and the step alone, and the state holds modules,
    optimiser and log, so a resumed run ends in the same weights as an uninterrupted one, bit for bit on one CPU.
    Several processes share each batch evenly; random numbers, batch norms' statistics, masked means, losses and log
    are those of the whole batch, so that they learn what one process would, but for the rounding of sums.

    Args:
        step_function: turns the modules as prepared for the device(s), in training mode, an augmented batch (or an
            equal part of it), the step's number and the part's into (scalar loss, terms to log).
        schedule: steps, batch size, augmentation, ``accumulate`` and the course of the learning rate; its height is
            each group's own of the optimiser.

    Raises:
        LowtexError: the loss is not finite, the GPU's memory is full (names step and samples), or a process that reads
            images died. The last state stays.
    """
    accelerator, state_path = make_accelerator(options.device), folder / "state.pt"
    keep_freed_memory()
    choose_kernels(accelerator.device, schedule.precision, schedule.deterministic)
    state = LoopState()
    if broadcast_from_main(state_path.is_file):
        saved = load_state(state_path)
        if broadcast_from_main(lambda: saved["step"]) != saved["step"]:
            raise CheckpointError(
                f"{state_path} is another file for another process; all machines need the same folder"
            )
        for name, module in modules.items():
            module.load_state_dict(saved["modules"][name])
        optimizer.load_state_dict(saved["optimizer"])
        state = LoopState(step=saved["step"], log=saved["log"], wall_s=saved["wall_s"], saved_at=saved["step"])
    base_rates = [group.setdefault("base_lr", group["lr"]) for group in optimizer.param_groups]

    if accelerator.num_processes > 1:
        for module in modules.values():
            share_statistics(module)
        # of 1x1 convolutions, whose gradient's strides have two names for one and the same layout
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    prepared = {name: accelerator.prepare(module).train() for name, module in modules.items()}
    optimizer = accelerator.prepare(optimizer)
    steps, parts = schedule.steps, schedule.accumulate
    share = schedule.batch_size // accelerator.num_processes
    mine = slice(accelerator.process_index * share, (accelerator.process_index + 1) * share)
    order = pairs_of_steps(len(dataset), schedule.batch_size, steps, seed)[state.step :, mine]
    last = steps if options.stop_after is None else min(steps, options.stop_after)
    started, spent = time.perf_counter(), state.wall_s
    waiting: list[tuple] = []

    def settle() -> None:
        """Log and report the step whose numbers are on their way to the host; a loss that is not finite is an error."""
        while waiting:
            step, rate, names, read, samples = waiting.pop()
            own, loss, *terms = read()
            if not math.isfinite(loss):
                each = gather_objects((math.isfinite(own), samples[:4]))
                found = [name for finite, names in each if not finite for name in names]
                raise LowtexError(
                    f"the loss is {loss} at step {step} (samples {', '.join(found[:4])}, …); {state.kept}. "
                    "Check them, or lower schedule.learning_rate"
                )
            state.log.append({"step": step, "learning_rate": rate, **dict(zip(names, terms, strict=True))})
            if options.report is not None and accelerator.is_main_process:
                options.report(step + 1, steps, loss)

    def save() -> None:
        settle()
        state.wall_s, state.saved_at = spent + time.perf_counter() - started, state.step
        if accelerator.is_main_process:
            saved = {name: accelerator.unwrap_model(module).state_dict() for name, module in prepared.items()}
            save_state(state_path, {**vars(state), "modules": saved, "optimizer": optimizer.state_dict()})

    with shared_batch(), _death_of_a_reader(), _full_card(schedule, state, "network" in modules):
        for step, packed in enumerate(training_loader(dataset, order, options.workers), start=state.step):
            if step >= last:
                break
            for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
                group["lr"] = rate * schedule.rate(step)
            optimizer.zero_grad(set_to_none=True)
            batch = augment(packed.unpack(accelerator.device), schedule, seed, step)
            found = []
            for number, part in enumerate(batch.split(parts)):
                loss, terms = step_function(prepared, part, step, number)
                accelerator.backward(loss / parts)
                found.append({"loss": loss.detach(), **terms})
            # float64 holds what was measured in float32 exactly
            own = torch.stack([torch.stack(list(part.values())) for part in found]).double().mean(0)
            # the loss of the step before, now that this one is under way: a GPU never waits for the host
            settle()
            read = copy_to_host(torch.cat([own[:1], mean(own)]))
            waiting.append((step, optimizer.param_groups[0]["lr"], list(terms), read, packed.names))
            optimizer.step()
            state.step = step + 1
            if state.step % options.checkpoint_every == 0 and state.step < last:
                save()
        save()
    if accelerator.is_main_process:
        with atomic_path(folder / "log.csv") as temporary:
            pd.DataFrame(state.log).to_csv(temporary, index=False)
    return state


def pairs_of_steps(length: int, batch_size: int, steps: int, seed: int) -> Tensor:
    """Which pairs make up each step: indices ``(steps, batch_size)``.

    The data set is walked in a new seeded order each epoch; a batch may straddle two epochs, so that every step has
    the same size and no pair is left out.
    """
    epochs = range(math.ceil(steps * batch_size / length))
    orders = [torch.randperm(length, generator=generator(seed, "order", epoch)) for epoch in epochs]
    return torch.cat(orders)[: steps * batch_size].reshape(steps, batch_size)


def training_loader(dataset: Dataset, order: Tensor, workers: int = 0) -> Iterator[PackedBatch]:
    """Batches of the pairs ``order (steps, B)``, prepared ahead: by a thread, or by ``workers`` processes.

    Processes hand batches over through pipes (see `PackedBatch`), because shared memory is small in a container, and
    torch would wait for ever for a batch that found no room.

    Raises:
        LowtexError: a file is damaged; or a worker could not be started, died, or gave nothing for
            `WORKER_TIMEOUT_S`.
    """
    workers = min(workers, os.cpu_count() or 1)
    batches = DataLoader(
        _Batches(dataset, order),
        batch_size=None,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        timeout=WORKER_TIMEOUT_S if workers else 0,
    )
    try:
        if workers:
            # a half-made loader that finds no room for its locks would complain once more when it is taken away
            torch.multiprocessing.get_context().Lock()
        walk = iter(batches) if workers else _by_a_thread(batches)
    except OSError as error:
        raise LowtexError(
            f"the processes that read images could not be started ({error.strerror}): they need some memory, of which "
            f"{shown_size(free_memory())} are free, and their locks some room in /dev/shm. Free these, or give the "
            "container more (docker run --shm-size), then run the same command again"
        ) from error
    with _death_of_a_reader():
        for batch in walk:
            if isinstance(batch, LowtexError):
                raise batch
            yield batch


@contextmanager
def _death_of_a_reader() -> Iterator[None]:
    """One line where a worker died: torch raises its error wherever the training is, in a step or waiting for a batch.

    Raises:
        LowtexError: says what to do.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader"):
            raise
        # while it waits for a batch, torch catches its own word of the signal, and says only that a process exited
        told = error.__cause__ if str(error.__cause__).startswith("DataLoader") else error
        raise LowtexError(
            f"the processes that read images stopped ({str(told).splitlines()[0].strip().rstrip('.')}); usually "
            f"memory ran out: {shown_size(free_memory())} are free. Close other programs or give the container more "
            "memory; the training goes on from its last saved state when the same command is run again"
        ) from error


@contextmanager
def _full_card(schedule: ScheduleSettings, state: LoopState, depth: bool) -> Iterator[None]:
    """One line where the GPU's memory does not hold a step.

    Args:
        schedule, state: of the loop.
        depth: the depth network is trained, whose batch can be taken in parts.

    Raises:
        LowtexError: names the step, how many pairs it takes at a time, and what to lower.
    """
    try:
        yield
    except RuntimeError as error:
        # cuBLAS has words of its own for it
        if "out of memory" not in str(error) and "ALLOC_FAILED" not in str(error):
            raise
        share, parts = schedule.batch_size // world_size(), schedule.accumulate
        more = next((number for number in range(parts + 1, share + 1) if share % number == 0), 0)
        lower = f"schedule.accumulate={more} (the same batch in smaller parts)" if more else ""
        if not depth:
            lower = f"feature_net.batch_size={share // 2 * world_size()}" if share > 1 else ""
        raise LowtexError(
            f"the GPU's memory is full at step {state.step} with {share // parts} pairs at a time; {state.kept}. "
            "Close what else runs there and run the same command again, or train anew with "
            f"{f'--set {lower} or ' if lower else ''}smaller images"
        ) from error


def _by_a_thread(batches: DataLoader) -> Iterator[PackedBatch | LowtexError]:
    """The batches, the next one always being made by a thread beside the training."""
    walk = iter(batches)
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(next, walk, None)
        while (batch := ahead.result()) is not None:
            ahead = pool.submit(next, walk, None)
            yield batch


class _Batches(Dataset):
    """The packed batch of each step. An error of the kit is handed over as it is; torch would add a traceback to it."""

    def __init__(self, dataset: Dataset, order: Tensor):
        # prepared samples are bytes already
        source = getattr(dataset, "prepared", None) or dataset
        self.read, self.order = getattr(source, "as_bytes", source.__getitem__), order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, step: int) -> PackedBatch | LowtexError:
        try:
            return pack([self.read(index) for index in self.order[step].tolist()])
        except LowtexError as error:
            return error


def augment(batch: StereoBatch, schedule: ScheduleSettings, seed: int, step: int) -> StereoBatch:
    """Stereo flip and colour jitter for one step.

    The flip mirrors both views and swaps them, so that the pair stays a pair. The jitter changes what the network
    sees, never what the loss compares. Where several processes share the batch, each takes its part of what is drawn
    for the whole (`lowtex.distributed.share_of_draw`).
    """
    device = batch.image.device
    random = generator(seed, "augment", step, device=device)
    drawn = share_of_draw(lambda shape: torch.rand(shape, generator=random, device=device), batch.image.shape[:1])
    batch = flip_pair(batch, drawn < schedule.flip)
    batch.network_image = batch.image
    if schedule.jitter:
        batch.network_image = jitter_colour(
            batch.image, generator=generator(seed, "jitter", step, 0, device=device), probability=schedule.jitter
        )
    return batch
