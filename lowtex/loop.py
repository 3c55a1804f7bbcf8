"""One resumable training loop, on any device and any number of processes; what is trained is the caller's business."""

import csv
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized
from torch import Tensor, nn
from torch.utils.data import Dataset

from lowtex import distributed as processes
from lowtex.batches import StepSampler, training_loader
from lowtex.checkpoints import load_state, save_state
from lowtex.datasets.sample import StereoBatch
from lowtex.devices import keep_freed_memory, resolve_device
from lowtex.distributed import mean, shared_batch, told_by_each, told_by_main
from lowtex.errors import CheckpointError, LowtexError, OptionError
from lowtex.files import atomic_path
from lowtex.networks.batch_norm import share_statistics

StepFunction = Callable[[StereoBatch, int], tuple[Tensor, dict[str, Tensor | float]]]


@dataclass
class LoopOptions:
    """How a training is carried out; none of it changes the result.

    Attributes:
        device: ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``.
        checkpoint_every: steps between two saved states; a killed run loses at most that many.
        stop_after: stop (unfinished, resumable) once this many steps are done; None runs to the end.
        workers: processes that decode images ahead.
        report: called after each step with (steps done, steps in all, loss).
    """

    device: str = "auto"
    checkpoint_every: int = 100
    stop_after: int | None = None
    workers: int = 0
    report: Callable[[int, int, float], None] | None = None


@dataclass
class LoopState:
    """What a loop ended with: steps done, a log row a step, seconds spent over all its parts."""

    step: int = 0
    log: list[dict] = field(default_factory=list)
    wall_s: float = 0.0


def make_accelerator(device: str = "auto") -> Accelerator:
    """The device(s) to train on; the number of processes is what ``accelerate launch`` started.

    Its option of precision is not taken: ``schedule.precision`` is part of an experiment.

    Raises:
        OptionError: an unknown device, a GPU where none is visible, or a device that the launcher does not give.
    """
    wanted = resolve_device(device).type
    if is_initialized() and processes.count() == 1 and AcceleratorState().device.type != wanted:
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
    state_path: Path,
    dataset: Dataset,
    modules: dict[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    make_step: Callable[[dict[str, nn.Module]], StepFunction],
    *,
    steps: int,
    batch_size: int,
    seed: int,
    learning_rate_factor: Callable[[int], float],
    accelerator: Accelerator,
    options: LoopOptions,
) -> LoopState:
    """Train until ``steps`` are done, resuming from ``state_path`` where it exists.

    The order of the pairs and their augmentation depend on the seed and the step alone, and the state holds modules,
    optimiser and log, so a resumed run ends in the same weights as an uninterrupted one, bit for bit on one CPU.
    Several processes share each batch evenly; random numbers, batch norms' statistics, masked means, losses and log
    are those of the whole batch, so that they learn what one process would, but for the rounding of sums.

    Args:
        make_step: gets the modules as prepared for the device(s), returns the function that turns a batch and its
            step number into (scalar loss, terms to log).
        learning_rate_factor: multiplies each group's own learning rate, as a function of the step.

    Raises:
        LowtexError: the loss is not finite; names step and samples. The last state stays.
    """
    keep_freed_memory()
    state = LoopState()
    if told_by_main(state_path.is_file):
        saved = load_state(state_path)
        if told_by_main(lambda: saved["step"]) != saved["step"]:
            raise CheckpointError(
                f"{state_path} is another file for another process; all machines need the same folder"
            )
        for name, module in modules.items():
            module.load_state_dict(saved["modules"][name])
        optimizer.load_state_dict(saved["optimizer"])
        state = LoopState(step=saved["step"], log=saved["log"], wall_s=saved["wall_s"])
    base_rates = [group.setdefault("base_lr", group["lr"]) for group in optimizer.param_groups]

    if accelerator.num_processes > 1:
        for module in modules.values():
            share_statistics(module)
        # of 1x1 convolutions, whose gradient's strides have two names for one and the same layout
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    prepared = dict(zip(modules, accelerator.prepare(*modules.values()), strict=True)) if len(modules) > 1 else {
        name: accelerator.prepare(module) for name, module in modules.items()
    }  # fmt: skip
    optimizer = accelerator.prepare(optimizer)
    step_function = make_step(prepared)
    sampler = StepSampler(
        len(dataset), batch_size, steps, seed, state.step, accelerator.process_index, accelerator.num_processes
    )
    last = steps if options.stop_after is None else min(steps, options.stop_after)
    started, spent = time.perf_counter(), state.wall_s
    pending: list[tuple[int, float, dict]] = []

    def flush() -> None:
        values = iter(_means([value for _, _, terms in pending for value in terms.values()], accelerator.device))
        for step, rate, terms in pending:
            state.log.append({"step": step, "learning_rate": rate, **{name: next(values) for name in terms}})
        pending.clear()
        state.wall_s = spent + time.perf_counter() - started

    def save() -> None:
        flush()
        if not accelerator.is_main_process:
            return
        save_state(
            state_path,
            {
                "step": state.step,
                "modules": {name: accelerator.unwrap_model(m).state_dict() for name, m in prepared.items()},
                "optimizer": optimizer.state_dict(),
                "log": state.log,
                "wall_s": state.wall_s,
            },
        )

    with shared_batch():
        for step, batch in enumerate(training_loader(dataset, sampler, options.workers), start=state.step):
            if step >= last:
                break
            for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
                group["lr"] = rate * learning_rate_factor(step)
            optimizer.zero_grad(set_to_none=True)
            loss, terms = step_function(batch.to(accelerator.device), step)
            value = float(mean(loss.detach()))
            if not math.isfinite(value):
                each = told_by_each((math.isfinite(float(loss.detach())), batch.names[:4]))
                names = [name for finite, names in each if not finite for name in names]
                raise LowtexError(
                    f"the loss is {value} at step {step} (samples {', '.join(names[:4])}, …); the "
                    f"state of step {state.step - state.step % options.checkpoint_every} is kept. Check them, or lower "
                    "schedule.learning_rate"
                )
            accelerator.backward(loss)
            optimizer.step()
            state.step = step + 1
            pending.append((step, optimizer.param_groups[0]["lr"], terms))
            if options.report is not None and accelerator.is_main_process:
                options.report(state.step, steps, value)
            if state.step % options.checkpoint_every == 0 and state.step < last:
                save()
        save()
    return state


def _means(values: list[Tensor | float], device: torch.device) -> list[float]:
    """Each value's mean over the processes, all of them sent at once."""
    if not values:
        return []
    # float64 holds what was measured in float32 exactly
    return mean(torch.stack([torch.as_tensor(v, dtype=torch.float64, device=device) for v in values])).tolist()


def write_log(path: Path, log: list[dict]) -> None:
    """The log as CSV: one row a step, one column a loss term."""
    columns = list(dict.fromkeys(name for row in log for name in row))
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(log)
