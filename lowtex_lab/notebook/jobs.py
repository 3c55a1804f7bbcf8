"""The steps that the Snakefile's rules carry out, each saying what begins, what ends and what is still to come."""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from lowtex.errors import LowtexError
from lowtex.files import file_problem, read_json, write_json
from lowtex.progress import duration
from lowtex_lab.notebook import graph
from lowtex_lab.notebook.batch import Settings
from lowtex_lab.notebook.runner import run_notebook

ORDER = ("miniature", *(node.name for node in graph.NOTEBOOKS), "report")
"""Every step there can be."""


def write_plan(settings: Settings, steps: Iterable[str], cores: int) -> None:
    """Note what the present call has to do, so that every step can say what is still to come."""
    todo = sorted(set(steps), key=ORDER.index)
    seconds = {"miniature": 30, "report": 20}
    for node in (node for node in graph.NOTEBOOKS if node.name in todo):
        record = Path(settings.record(node))
        known = read_json(record).get("runner_wall_s") if record.is_file() else None
        estimate = known or (node.quick_s if settings.profile == "quick" else None)
        share = 1 if node.threads == graph.ALL_CORES else node.threads / cores
        seconds[node.name] = estimate and estimate * share
    write_json(settings.plan_file, {"steps": todo, "seconds": seconds, "started": [], "ended": {}})


@contextmanager
def announced(name: str, plan: str | Path) -> Iterator[Callable[[str], None]]:
    """Around one step of a plan: says what begins and ends, and what is still to come; steps may run side by side.

    Yields:
        what says a line of this step.
    """
    began, result = time.monotonic(), "FAILED after"
    noted = _note(plan, lambda now: now["started"].append(name))
    label = f"[{len(noted['started'])}/{len(noted['steps'])}] {name}" if noted else name
    short = name[:2] if name[:2].isdigit() else name
    print(f"{label}: started", flush=True)
    try:
        yield lambda line: print(f"  {short} | {line}", flush=True)
        result = "done in"
    finally:
        noted = _note(plan, lambda now: now["ended"].update({name: result}))
        print(f"{label}: {result} {duration(time.monotonic() - began)}{_outlook(noted)}", flush=True)


def _note(path: str | Path, change: Callable[[dict], None]) -> dict:
    """The plan after a change; empty where a step is called without one."""
    if not Path(path).is_file():
        return {}
    with FileLock(f"{path}.lock"):
        plan = read_json(path)
        change(plan)
        write_json(Path(path), plan)
    return plan


def _outlook(plan: dict) -> str:
    running = [name for name in plan.get("started", ()) if name not in plan["ended"]]
    to_come = [name for name in plan.get("steps", ()) if name not in plan["started"]]
    text = f"; running: {', '.join(running)}" if running else ""
    if to_come:
        seconds = [plan["seconds"].get(name) for name in to_come]
        about = "" if None in seconds else f" (about {duration(sum(seconds))})"
        text += f"; still to come: {', '.join(to_come)}{about}"
    return text


def main(arguments: list[str] | None = None) -> int:
    """Carry out one step of the run that a ``run.json`` describes; called by the Snakefile's rules.

    Args:
        arguments: the step's name, one of `ORDER`, and the path of the file.
    """
    name, run_file = sys.argv[1:] if arguments is None else arguments
    os.environ["LOWTEX_HEADLESS"] = "1"
    # a batch system ends a job by SIGTERM; without this its kernel would go on
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = Settings.from_config(read_json(run_file))
        with announced(name, settings.plan_file) as tell:
            _carry_out(name, settings, tell)
    except LowtexError as error:
        print(f"lowtex: {error}", flush=True)
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if isinstance(error, OSError) and (line := file_problem(error)):
            print(f"lowtex: {line}", flush=True)
            return 2
        traceback.print_exc()
        print(f"lowtex: {name} stopped by an unexpected error: {error!r}; the log in .run has the rest", flush=True)
        return 1
    return 0


def _carry_out(name: str, settings: Settings, tell: Callable[[str], None]) -> None:
    if name == "miniature":
        from lowtex_lab.miniature.store import ensure_miniature

        ensure_miniature(settings.profile)
        return
    if name == "report":
        from lowtex_lab.notebook.report import write_report

        write_report(settings.run_dir)
        return
    node = graph.node(name)
    parameters = json.loads(settings.parameters(node))
    run_notebook(settings.source(node), settings.folder(node), parameters, timeout_s=settings.timeout_s, tell=tell)


if __name__ == "__main__":
    sys.exit(main())
