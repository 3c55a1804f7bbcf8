"""The trainings of a notebook side by side on a processor, a process and a thread each.

One small network does not keep several cores busy, and its numbers depend on the number of threads. Several at a time
do, and the numbers are the same on two cores and on sixteen.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from lowtex.errors import LowtexError
from lowtex.progress import say
from lowtex_lab.notebook.study import Study
from lowtex_lab.studies.batch import run_plan, tasks_of
from lowtex_lab.studies.rows import Entry
from lowtex_lab.studies.work import Place

THREADS = 1
"""Of each training, as `lowtex ablate` has it: a notebook and the ablation then train the very same networks."""


def train_side_by_side(study: Study, names: Sequence[str], seeds: Sequence[int]) -> dict[tuple[str, int], Path]:
    """The folders of trained experiments by name and seed; trains only what is not finished.

    On a processor as many train at a time as this process has threads, each in a process of its own with one thread.
    On a GPU, which one training fills, they are trained one after the other.

    Raises:
        LowtexError: one of them failed; the others are finished and kept.
    """
    experiments = {(name, seed): study.experiment(name, seed) for name in names for seed in seeds}
    if study.run.torch_device.type == "cpu":
        place = Place(
            run_dir=study.run.experiments_dir.parent,
            root=study.run.root(study.train_on).absolute(),
            profile=study.run.profile.name,
            device="cpu",
            threads=THREADS,
            pair_options=study.pair_options.get(study.train_on, {}),
        )
        plan = tasks_of(place, [Entry(name, experiment, ()) for (name, _), experiment in experiments.items()])
        if plan:
            jobs = min(torch.get_num_threads(), len(plan))
            say(f"{len(plan)} trainings, {jobs} at a time, {THREADS} thread each")
            with study.run.training():
                failed = run_plan(place, plan, jobs)
            if failed:
                label, reason = next(iter(failed.items()))
                raise LowtexError(f"{len(failed)} of {len(plan)} trainings failed; {label}: {reason}")
    return {(name, seed): study.train(name, seed) for name, seed in experiments}
