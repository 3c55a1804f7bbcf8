"""Training an experiment: the feature network first (where one is compared), then the depth network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import Dataset

from lowtex import distributed as processes
from lowtex.batches import augment
from lowtex.checkpoints import load_feature_net, load_network, load_weights_into, save_network
from lowtex.distributed import check_share, held_by_main, is_main, told_by_main, wait_for_file, whole_batch
from lowtex.errors import CheckpointError, DataError
from lowtex.experiments import Experiment
from lowtex.files import read_json, write_json
from lowtex.fine_tuning import carried_over_metres, feature_net_of_start, is_finished
from lowtex.loop import LoopOptions, LoopState, make_accelerator, run_loop, write_log
from lowtex.losses import StereoObjective, feature_net_loss
from lowtex.networks import DepthNet, FeatureNet, build_depth_net, build_feature_net, load_published
from lowtex.provenance import provenance
from lowtex.seeding import generator, seed_everything
from lowtex.settings import ScheduleSettings

__all__ = ["experiment_folder", "is_finished", "load_network", "train_experiment", "train_feature_net"]

NORMALISATION_IMAGES = 64
"""Training images that the feature maps' per-channel mean and deviation are measured on."""


def experiment_folder(experiments: str | Path, experiment: Experiment) -> Path:
    """Where an experiment lives: ``<experiments>/<name>-s<seed>-<key>``; the key alone decides what it is."""
    experiments = Path(experiments)
    found = sorted(experiments.glob(f"*-{experiment.key}"))
    return found[0] if found else experiments / f"{experiment.name}-s{experiment.seed}-{experiment.key}"


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
    if told_by_main(lambda: is_finished(folder)):
        # nothing is written any more: it may lie in a folder that can only be read
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with held_by_main(folder / ".lock"):
        if told_by_main(lambda: is_finished(folder)):
            return folder
        check_share("schedule.batch_size", experiment.schedule.batch_size)
        if is_main():
            write_json(folder / "experiment.json", experiment.as_dict())
        rig = _check(experiment, dataset)
        feature_net = None
        if experiment.loss.uses_features:
            shared = feature_net_of_start(experiment, start, experiments)
            shared = shared or train_feature_net(experiment, dataset, experiments, options=options)
            wait_for_file(shared / "feature_net.safetensors")
            feature_net = load_feature_net(shared)

        seed_everything(experiment.seed, "weights")
        network = build_depth_net(experiment.network)
        if network.metres_per_unit is None:
            network.metres_per_unit = rig.baseline_m / network.nominal_baseline
        network.reference_focal = rig.focal_px / rig.width
        if start is not None:
            facts = load_weights_into(network, start)
            network.metres_per_unit = carried_over_metres(facts, network)
        elif experiment.network.pretrained:
            load_published(network.encoder, experiment.network.pretrained, as_start=True)
        state = _fit_depth(experiment, dataset, folder, network, feature_net, options)
        if is_main():
            write_log(folder / "log.csv", state.log)
        if state.step < experiment.schedule.steps or not is_main():
            return folder
        facts = {
            **({"feature_net": shared.name} if feature_net is not None else {}),
            "steps": state.step,
            "metres_per_unit": network.metres_per_unit,
            "reference_focal": network.reference_focal,
            "rig": rig.as_dict(),
            "image_bits": getattr(dataset, "image_bits", None),
        }
        save_network(folder / "network.safetensors", network, "depth_net", experiment, **facts)
        pairs = len(dataset)
        facts |= {"pairs": pairs, "processes": processes.count(), "wall_s": state.wall_s}
        write_json(folder / "done.json", {**facts, **provenance(device)})
        (folder / "state.pt").unlink(missing_ok=True)
    return folder


def _fit_depth(experiment, dataset, folder, network: DepthNet, feature_net: FeatureNet | None, options) -> LoopState:
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
    objective = StereoObjective(experiment.loss, feature_net)

    def make_step(prepared):
        model = prepared["network"].train()

        def step(batch, number):
            batch = augment(batch, schedule, experiment.seed, number)
            seen = batch.network_image.contiguous(memory_format=torch.channels_last)
            with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=schedule.precision == "bf16"):
                outputs = model(seen)
            outputs = [output.float() for output in outputs]
            noise = generator(experiment.seed, "auto_mask", number, 0)
            loss, terms = objective(accelerator.unwrap_model(model), outputs, batch, generator=noise)
            if processes.sharers() > 1:
                # they wait for a gradient of every parameter, also where an objective leaves coarse heads out
                loss = loss + 0.0 * torch.stack([output.mean() for output in outputs]).sum()
            if joint:
                own, own_terms = _feature_net_step(prepared["feature_net"], batch.image, experiment)
                if number % 50 == 0:
                    feature_net.fit_normalisation([whole_batch(batch.image)])
                loss, terms = loss + own, {**terms, **own_terms}
            return loss, terms

        return step

    return run_loop(
        folder / "state.pt",
        dataset,
        modules,
        torch.optim.Adam(groups, fused=True),
        make_step,
        steps=schedule.steps,
        batch_size=schedule.batch_size,
        seed=experiment.seed,
        learning_rate_factor=lambda step: schedule.drop_factor if step >= schedule.drop_at * schedule.steps else 1.0,
        accelerator=accelerator,
        options=options,
    )


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
    if told_by_main(lambda: is_finished(folder)):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with held_by_main(folder / ".lock"):
        if told_by_main(lambda: is_finished(folder)):
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
        if state.log:
            write_log(folder / "log.csv", state.log)
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
        facts = {"steps": state.step, "processes": processes.count(), "wall_s": state.wall_s}
        write_json(folder / "done.json", {**facts, **provenance(device)})
        (folder / "state.pt").unlink(missing_ok=True)
    return folder


def _fit_features(experiment, dataset, folder, network: FeatureNet, options) -> LoopState:
    settings = experiment.feature_net
    accelerator = make_accelerator(options.device)
    # jitter would make the maps depend on colours the objective never compares; mirroring is harmless
    schedule = ScheduleSettings(steps=max(settings.steps, 1), flip=0.5, jitter=0.0)

    def make_step(prepared):
        model = prepared["feature_net"].train()

        def step(batch, number):
            batch = augment(batch, schedule, experiment.seed, number)
            return _feature_net_step(model, batch.image, experiment)

        return step

    return run_loop(
        folder / "state.pt",
        dataset,
        {"feature_net": network},
        torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True),
        make_step,
        steps=settings.steps,
        batch_size=settings.batch_size,
        seed=experiment.seed,
        learning_rate_factor=lambda step: 0.1 if step >= 0.75 * settings.steps else 1.0,
        accelerator=accelerator,
        options=options,
    )


def _feature_net_step(model: Callable, image: torch.Tensor, experiment: Experiment):
    maps, reconstructions = model(image.contiguous(memory_format=torch.channels_last), all_levels=True)
    return feature_net_loss(
        reconstructions,
        maps,
        image,
        discriminative=experiment.feature_net.discriminative,
        convergent=experiment.feature_net.convergent,
        eps=experiment.feature_net.pixel_l1_eps,
    )


def _check(experiment: Experiment, dataset: Dataset):
    if len(dataset) == 0:
        raise DataError(f"the training set of {experiment.name!r} is empty; check --data and the split")
    sample = dataset[0]
    if sample.other is None:
        raise DataError(f"{sample.name} has no second view; stereo training needs both cameras")
    if tuple(sample.image.shape[-2:]) != experiment.data.size:
        raise DataError(
            f"{sample.name} is {tuple(sample.image.shape[-2:])}, but {experiment.name!r} trains at "
            f"{experiment.data.size} (height, width); open the data set with that size"
        )
    return sample.rig


def content_hash(checkpoint: str | Path) -> str:
    """The content hash of a finished experiment's settings and steps, for `Experiment.start_from`."""
    path = Path(checkpoint)
    folder = path if path.is_dir() else path.parent
    if not is_finished(folder):
        raise CheckpointError(f"{checkpoint} is not of a finished training; give the folder of one")
    return Experiment.from_dict(read_json(folder / "experiment.json")).key
