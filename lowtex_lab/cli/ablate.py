"""`lowtex ablate`.

Trains the rows of the ablation for several seeds and scores each on validation and test scenes, several at a time.
Whatever is finished is kept and never done again: stop it when you like and call it again. Rows and scores of single
images are written to RUN/ablation as they come. Numbers depend on the threads of a training, so they are in the rows.
--measure takes further measurements of networks that are trained already, and trains nothing.
"""

import argparse
from pathlib import Path

from lowtex_lab.cli.options import add_data, add_device, add_profile, folder_to_write

EXAMPLE = """\
  lowtex ablate --only factorial --seeds 0-4
  lowtex ablate --only curve --seeds 0-2 --jobs 8
  lowtex ablate ours census zncc --seeds 0
  lowtex ablate --only factorial --measure edges"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from lowtex.options import PositiveInt, argument

    parser.add_argument("names", nargs="*", metavar="NAME", help="single rows; `lowtex train --list` shows all")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="GROUP",
        help="named, factorial, alternatives, rivals, curve, tuned, budget or precision; repeatable; default: all",
    )
    parser.add_argument("--seeds", default="0-4", help="as 0-4 or 0,2,5-7; default 0-4")
    parser.add_argument(
        "--jobs", type=argument(PositiveInt), help="trainings at a time; default as many as there are cores"
    )
    parser.add_argument("--threads", type=argument(PositiveInt), default=1, help="of each training; default 1")
    parser.add_argument(
        "--run-dir",
        type=folder_to_write,
        metavar="FOLDER",
        help="default results/ablation, or results/ablation-PROFILE",
    )
    parser.add_argument(
        "--measure",
        action="append",
        default=[],
        metavar="WHAT",
        help="of finished trainings: edges, encoder, mask, smoothness, sweep or transfer; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    add_profile(parser)
    add_data(parser, "the real Virtual KITTI 2: vkitti2=FOLDER; default the miniature")
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Train and score; exit code 1 if anything failed."""
    import os

    from lowtex.catalog import open_pairs, training_settings
    from lowtex.devices import resolve_device
    from lowtex.errors import OptionError
    from lowtex.experiments import get_profile
    from lowtex.paths import shown
    from lowtex_lab.cli.train import training_root
    from lowtex_lab.studies.batch import make_plan, parse_seeds, run_plan, select
    from lowtex_lab.studies.work import Place

    names, seeds = select(options.only, options.names), parse_seeds(options.seeds)
    jobs = options.jobs or max(1, len(os.sched_getaffinity(0)) // options.threads)
    resolve_device(options.device)
    profile = get_profile(options.profile)
    data, root = training_root(options.data, profile.name)
    if data != "vkitti2":
        raise OptionError(f"--data {data}: the ablation is trained and scored on vkitti2=FOLDER or its miniature")
    settings = training_settings(open_pairs(data, root, "train", profile.size), data, root)
    place = Place(_run_dir(options), root.absolute(), profile.name, options.device, options.threads)
    if options.measure:
        return _measure(place, options.measure, names, seeds)
    plan, done = make_plan(place, names, seeds, profile, settings)
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
    for label, reason in failed.items():
        print(f"FAILED {label}: {reason}")
    if failed:
        print(f"{len(failed)} failed; their logs are in {shown(place.run_dir / 'ablation' / 'logs')}")
    return 1 if failed else 0


def _measure(place, measures: list[str], names: list[str], seeds: tuple[int, ...]) -> int:
    import torch

    from lowtex_lab.studies.measures import take_measures

    torch.set_num_threads(place.threads)
    failed = take_measures(place, list(dict.fromkeys(measures)), names, seeds)
    for label, reason in failed.items():
        print(f"FAILED {label}: {reason}")
    return 1 if failed else 0


def _run_dir(options: argparse.Namespace) -> Path:
    from lowtex_lab.studies.evidence import ablation_dir

    if options.run_dir:
        return options.run_dir.absolute()
    return ablation_dir(options.profile, real=bool(options.data))
