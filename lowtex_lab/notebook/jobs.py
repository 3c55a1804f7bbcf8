"""The steps that the Snakefile's rules carry out, each saying what begins, what ends and what is still to come."""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
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


class Step:
    """One step of a plan: it says what begins and ends, and what is still to come; steps may run side by side."""

    def __init__(self, name: str, plan: str | Path):
        self.name, self.plan = name, Path(plan)
        self._began = time.monotonic()
        self._label = name

    def say(self, line: str) -> None:
        """A line of this step."""
        print(f"  {self.name[:2] if self.name[:2].isdigit() else self.name} | {line}", flush=True)

    def __enter__(self) -> "Step":
        plan = self._note(lambda plan: plan["started"].append(self.name))
        if plan:
            self._label = f"[{len(plan['started'])}/{len(plan['steps'])}] {self.name}"
        print(f"{self._label}: started", flush=True)
        return self

    def __exit__(self, kind, error, trace) -> None:
        result = "done in" if kind is None else "FAILED after"
        plan = self._note(lambda plan: plan["ended"].update({self.name: result}))
        took = duration(time.monotonic() - self._began)
        print(f"{self._label}: {result} {took}{self._outlook(plan)}", flush=True)

    def _note(self, change) -> dict | None:
        if not self.plan.is_file():
            return None
        with FileLock(f"{self.plan}.lock"):
            plan = read_json(self.plan)
            change(plan)
            write_json(self.plan, plan)
        return plan

    @staticmethod
    def _outlook(plan: dict | None) -> str:
        if not plan:
            return ""
        running = [name for name in plan["started"] if name not in plan["ended"]]
        to_come = [name for name in plan["steps"] if name not in plan["started"]]
        parts = [f"running: {', '.join(running)}"] if running else []
        if to_come:
            seconds = [plan["seconds"].get(name) for name in to_come]
            about = "" if None in seconds else f" (about {duration(sum(seconds))})"
            parts.append(f"still to come: {', '.join(to_come)}{about}")
        return "".join(f"; {part}" for part in parts)


def main(arguments: list[str] | None = None) -> int:
    """Carry out one step of the run that a ``run.json`` describes; called by the Snakefile's rules.

    Args:
        arguments: the step's name, one of `ORDER`, and the path of the file.
    """
    name, run_file = sys.argv[1:] if arguments is None else arguments
    os.environ["LOWTEX_HEADLESS"] = "1"
    # a batch system ends a job by SIGTERM; without this its kernel would go on
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        settings = Settings.from_config(read_json(run_file))
        with Step(name, settings.plan_file) as step:
            _carry_out(name, settings, step.say)
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


def _interrupt(number, frame) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
