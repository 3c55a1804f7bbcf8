"""The steps that the Snakefile's rules carry out, each saying what begins, what ends and what is still to come."""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from lowtex.disk_space import file_problem
from lowtex.errors import DataError, LowtexError
from lowtex.files import read_json, write_json
from lowtex.progress import duration
from lowtex_lab.notebook import graph
from lowtex_lab.notebook.batch import Settings

ORDER = ("miniature", *(node.name for node in graph.NOTEBOOKS), "report")
"""Every step there can be."""


def write_plan(settings: Settings, steps: Iterable[str], cores: int) -> None:
    """Note what the present call has to do, so that every step can say what is still to come."""
    todo = sorted(set(steps), key=ORDER.index)
    seconds = {}
    for name in todo:
        if name in ("miniature", "report"):
            seconds[name] = 30 if name == "miniature" else 3
            continue
        node = graph.node(name)
        record = Path(settings.record(node))
        known = read_json(record).get("runner_wall_s") if record.is_file() else None
        estimate = known or (node.quick_s if settings.profile == "quick" else None)
        alone = node.threads == graph.ALL_CORES
        seconds[name] = estimate and (estimate if alone else estimate * node.threads / cores)
    write_json(settings.plan_file, {"steps": todo, "seconds": seconds, "started": [], "ended": {}})


class Step:
    """One step of a plan: it says what begins and ends, and what is still to come; steps may run side by side."""

    def __init__(self, name: str, plan: str | Path | None):
        self.name = name
        self.plan = Path(plan) if plan else None
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
        if self.plan is None or not self.plan.is_file():
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
    """Carry out one step; called by the Snakefile's rules."""
    parser = argparse.ArgumentParser(prog="python -m lowtex_lab.notebook.jobs")
    parser.add_argument("step", choices=("notebook", "miniature", "report"))
    parser.add_argument("source", nargs="?", type=Path)
    parser.add_argument("--run-dir", type=Path)
    parser.add_argument("--profile")
    parser.add_argument("--parameters", type=json.loads, default={})
    parser.add_argument("--timeout", type=float)
    parser.add_argument("--plan")
    options = parser.parse_args(arguments)
    os.environ["LOWTEX_HEADLESS"] = "1"
    # a batch system ends a job by SIGTERM; without this its kernel would go on
    signal.signal(signal.SIGTERM, _interrupt)
    name = options.source.stem if options.source else options.step
    try:
        with Step(name, options.plan) as step:
            if options.step == "notebook":
                from lowtex_lab.notebook.report import export_notebook
                from lowtex_lab.notebook.runner import run_notebook

                run_notebook(
                    options.source, options.run_dir, options.parameters, timeout_s=options.timeout, tell=step.say
                )
                # here, where another notebook runs meanwhile; the report makes it where this one could not, or says why
                with contextlib.suppress(DataError):
                    export_notebook(options.run_dir / "notebooks" / options.source.name)
            elif options.step == "miniature":
                from lowtex_lab.miniature.store import ensure_miniature

                ensure_miniature(options.profile)
            else:
                from lowtex_lab.notebook.report import write_report

                write_report(options.run_dir)
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
        print(f"lowtex: {name} met an error nobody expected: {error!r}; the log in .run has the rest", flush=True)
        return 1
    return 0


def _interrupt(number, frame) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
