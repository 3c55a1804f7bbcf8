"""`lowtex train` and `lowtex ablate`."""

import argparse
import os
from pathlib import Path

from lowtex.errors import CheckpointError, OptionError, require_choice
from lowtex_lab.cli.options import reader_options


def train(options: argparse.Namespace) -> int:
    r"""An experiment that is finished is found and not trained again; an interrupted one goes on where it stopped.
    Training takes stereo pairs only and never reads ground truth. Without --data it takes the miniature Virtual KITTI
    2. On several GPUs: accelerate launch --multi_gpu --num_processes N -m lowtex_lab.cli train ..., N a divisor of the
    batch size.

    example:
      lowtex train ours
      lowtex train --list
      lowtex train resnet-pixels-first-plain --seed 3
      lowtex train ours --init results/quick/experiments/ours-s0-0123456789ab \
          --data kitti=~/kitti_raw --split available --out results/finetuned
    """
    from lowtex import distributed as processes
    from lowtex.catalog import open_pairs, training_settings
    from lowtex.experiments import change, get_profile, listing, named_experiment
    from lowtex.paths import default_run_dir, shown
    from lowtex.progress import reporter
    from lowtex.training import LoopOptions, content_hash, make_accelerator, train_experiment

    if options.list:
        print(listing())
        return 0
    if options.experiment is None:
        raise OptionError("name an experiment, e.g. `lowtex train ours`; `lowtex train --list` shows all")
    profile = get_profile(options.profile)
    asked = settings(options.set)
    if options.steps is not None and "schedule__steps" in asked:
        raise OptionError("--steps and --set schedule.steps say the same; give one of them")
    recipe = named_experiment(options.experiment, profile, options.seed, **asked)
    processes.check_launch()
    if processes.world_size() > 1:
        # from here on they know each other
        make_accelerator(options.device)
    with processes.main_first():
        data, root = training_root(options.data, profile.name)
    given = reader_options(options.reader, data)
    if given.get("views") is False:
        raise OptionError("--reader views=false leaves one view of each pair, and training needs both")
    if recipe.data.variation != "clone":
        given.setdefault("variation", recipe.data.variation)
    dataset = open_pairs(data, root, options.split, recipe.data.size, **given)
    changes = training_settings(dataset, data, root, given)
    finetuned = options.init and "schedule__steps" not in asked
    steps = options.steps or (profile.finetune_steps if finetuned else recipe.schedule.steps)
    if options.init:
        _same_network(options.init, recipe)
        changes |= {"name": f"{recipe.name}_finetuned", "start_from": content_hash(options.init)}
    experiment = change(recipe, schedule__steps=steps, **changes)
    out = options.out or default_run_dir(profile.name, options.seed) / "experiments"
    print(f"{experiment.name} ({experiment.key}): {len(dataset)} pairs of {data} from {shown(root)}, steps: {steps}")
    pairs, workers = in_memory(dataset)
    told = reporter(f"training {experiment.name}")
    loop = LoopOptions(device=options.device, compile=options.compile, workers=workers, report=told)
    folder = train_experiment(experiment, pairs, out, start=options.init, options=loop)
    print(f"trained: {shown(folder)}")
    print(f"next: lowtex evaluate --checkpoint {shown(folder)}")
    return 0


def _same_network(checkpoint: Path, recipe) -> None:
    """Refuse another network's checkpoint before anything is trained.

    Raises:
        CheckpointError: names the settings that differ.
    """
    from dataclasses import asdict

    from lowtex.checkpoints import load_network

    # what weights mean in metres is carried over with them, and the rest is of a start from nothing
    free = ("metres_per_unit", "nominal_baseline", "pretrained", "pretrained_content", "initial_bias")
    theirs, ours = (asdict(e.network) for e in (load_network(checkpoint)[1]["experiment"], recipe))
    differ = [
        f"{name} is {theirs[name]!r} in the checkpoint, {ours[name]!r} here"
        for name in ours
        if theirs[name] != ours[name] and name not in free
    ]
    if differ:
        raise CheckpointError(
            f"{checkpoint} is of another network than {recipe.name!r}: {'; '.join(differ)}; "
            "name the experiment and profile it was trained with, or set these by --set network.NAME=VALUE"
        )


def settings(changes: list[str]) -> dict[str, object]:
    """``loss.smooth_first=0.01`` -> ``{"loss__smooth_first": 0.01}``, each value of its setting's type.

    Raises:
        OptionError: not of that form, no such setting, or a value of another type.
    """
    from lowtex.experiments import setting_type
    from lowtex.options import typed

    found: dict[str, object] = {}
    for text in changes:
        path, _, value = text.partition("=")
        part, _, own = path.partition(".")
        if not (own and value):
            raise OptionError(f"--set {text!r} must read part.name=value, e.g. loss.smooth_first=0.01")
        if path in ("data.dataset", "data.split", "data.source"):
            raise OptionError(f"--set {path}: what is trained on is said by --data, --split and --reader")
        found[f"{part}__{own}"] = typed(f"--set {path}", value, setting_type(part, own), from_text=True)
    return found


def training_root(data: list[str], profile: str) -> tuple[str, Path]:
    """The data set to train on and its folder: the one named, or the miniature, which is written if it is not there.

    Raises:
        OptionError: two are named, or one that has no stereo pairs of its own.
        DataError: the folder does not exist.
    """
    from lowtex.data_paths import parse_roots
    from lowtex.experiments import TRAINABLE
    from lowtex_lab.miniature.store import ensure_miniature

    roots = parse_roots(data)
    if not roots:
        return "vkitti2", ensure_miniature(profile) / "vkitti2"
    if len(roots) > 1:
        raise OptionError(f"--data names {' and '.join(roots)}; train on one data set at a time")
    [(name, folder)] = roots.items()
    require_choice("--data", name, TRAINABLE)
    return name, folder


def in_memory(dataset):
    """The pairs decoded once and kept, where they fit; else as they are, with processes that read ahead.

    Several trainers on one machine share its memory and its cores.
    """
    from functools import partial

    from lowtex.datasets import CachedPairs
    from lowtex.datasets.cache import free_memory
    from lowtex.distributed import local_world_size
    from lowtex.progress import track

    limit, here = free_memory() // 2, local_world_size()
    try:
        shown = partial(track, title="reading", total=len(dataset), unit="pair")
        return CachedPairs(dataset, shown, limit_bytes=limit // here), 0
    except OptionError:
        return dataset, max(1, min(8, (os.cpu_count() or 1) // here))


def ablate(options: argparse.Namespace) -> int:
    r"""Trains the rows of the ablation for several seeds and scores each on validation and test scenes, several at a
    time. Whatever is finished is kept and never done again: stop it when you like and call it again. Rows and scores of
    single images are written to RUN/ablation as they come. Numbers depend on the threads of a training, so they are in
    the rows. --measure takes further measurements of networks that are trained already, and trains nothing.

    The first --data is learnt from, without ground truth, and the others are scored on by the protocol of each; of one
    alone, which must be Virtual KITTI 2, its own validation and test scenes. --init RUN starts each training from that
    of the same name and seed in another ablation, and goes on for the profile's steps of a fine-tuning.

    example:
      lowtex ablate --only factorial --seeds 0-4
      lowtex ablate --only curve --seeds 0-2 --jobs 8
      lowtex ablate ours census zncc --seeds 0
      lowtex ablate --only factorial --measure edges
      lowtex ablate --only named --profile study --data kitti_pairs=~/object --split all --data kitti_2015=~/stereo
      lowtex ablate --only named --profile study --data kitti_pairs=~/object --split all --data kitti_2015=~/stereo \
          --init results/ablation-study --run-dir results/ablation-study-finetuned
    """
    import torch

    from lowtex.catalog import open_pairs, training_settings
    from lowtex.data_paths import parse_roots
    from lowtex.devices import resolve_device
    from lowtex.experiments import get_profile
    from lowtex.paths import shown
    from lowtex_lab.studies.batch import Place, make_plan, parse_numbers, run_plan, select, take_measures
    from lowtex_lab.studies.evidence import ablation_dir
    from lowtex_lab.studies.rows import finished_labels

    names, seeds = select(options.only, options.names), sorted(parse_numbers("--seeds", options.seeds))
    jobs = options.jobs or max(1, len(os.sched_getaffinity(0)) // options.threads)
    resolve_device(options.device)
    profile = get_profile(options.profile)
    named = parse_roots(options.data)
    data, root = training_root([f"{name}={folder}" for name, folder in list(named.items())[:1]], profile.name)
    tests = named if len(named) > 1 else {}
    if data != "vkitti2" and not tests:
        raise OptionError(f"--data {data} alone has nothing to score on; add a data set with ground truth by --data")
    settings = training_settings(open_pairs(data, root, options.split, profile.size), data, root)
    # trainings on other data, scores on other test sets and other beginnings are ablations of their own
    on = "-".join([*named, "finetuned"] if options.init else named)
    run_dir = (options.run_dir or ablation_dir(profile.name, on)).absolute()
    if options.finished and not finished_labels(options.finished):
        raise OptionError(
            f"--finished {options.finished} holds no finished ablation; name the folder above its folder 'ablation'"
        )
    own = {"data": data, "split": options.split, "tests": tests, "start": options.init and options.init.absolute()}
    device = {"device": options.device, "threads": options.threads, "compile": options.compile}
    place = Place(run_dir, root.absolute(), profile.name, **device, **own)
    if options.measure:
        torch.set_num_threads(place.threads)
        return _report_failed(take_measures(place, list(dict.fromkeys(options.measure)), names, seeds))
    plan, done = make_plan(place, names, seeds, profile, settings, options.finished)
    todo = sum(len(task.entries) for task in plan)
    print(
        f"{len(names)} rows x {len(seeds)} seeds: {done} done before, {todo} to come in {len(plan)} tasks; "
        f"{jobs} at a time, {options.threads} threads each; results go to {shown(place.run_dir)}",
        flush=True,
    )
    if options.dry_run:
        for task in plan:
            also = ", ".join(entry.name for entry in task.entries[1:])
            print(f"  {task.label}{f' (also {also})' if also else ''}")
        return 0
    failed = run_plan(place, plan, jobs)
    code = _report_failed(failed)
    if failed:
        print(f"{len(failed)} failed; their logs are in {shown(place.run_dir / 'ablation' / 'logs')}")
    return code


def _report_failed(failed: dict[str, str]) -> int:
    for label, reason in failed.items():
        print(f"FAILED {label}: {reason}")
    return 1 if failed else 0
