"""`lowtex run`."""

import argparse
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from lowtex.errors import LowtexError
from lowtex.files import obstacle


def run(options: argparse.Namespace) -> int:
    """A notebook whose source and inputs are unchanged is skipped; a changed one reruns with all that depends on it;
    those that do not depend on a failed one go on. The files of --data are inputs too: another rig.yaml, or one pair
    more. A change of the package alone reruns nothing: ask for it by --rerun. Real data (--data) are run into a folder
    of their own, results/PROFILE-on-NAMES, with the checkpoints of results/PROFILE, so that their rows never mix with
    those of the miniatures.

    example:
      lowtex run
      lowtex run --only 10,11 --data kitti=~/kitti_raw --data kitti_depth=~/kitti_depth
      lowtex run --only 11 --set 11.finetune_steps=400 --run-dir results/longer
    """
    from lowtex.data_paths import parse_roots
    from lowtex.paths import shown
    from lowtex.progress import duration
    from lowtex_lab.notebook import graph
    from lowtex_lab.notebook.batch import Settings

    began = time.monotonic()
    cores = options.cores or len(os.sched_getaffinity(0))
    roots = parse_roots(options.data)
    config = {name: getattr(options, name) for name in ("profile", "seed", "device", "only", "set")}
    for name in ("run_dir", "checkpoints_from"):
        config[name] = getattr(options, name) and getattr(options, name).absolute()
    data_root = ";".join(f"{name}={folder}" for name, folder in roots.items())
    settings = Settings.from_config(config | {"data_root": data_root, "timeout_min": options.timeout})
    again = [graph.node(number).name for number in options.rerun.split(",") if number.strip()]
    for node in graph.with_upstream(settings.nodes):
        # a notebook that is missing or has no such parameter is found before anything is run
        settings.parameters(node)
    if options.dry_run:
        return _show_planned(settings, cores, again)
    state = settings.run_dir / ".run"
    state.mkdir(parents=True, exist_ok=True)
    with _lock(state / "lock", shown(settings.run_dir)) as held:
        settings.claim()
        plan = Path(settings.plan_file)
        plan.unlink(missing_ok=True)
        _say_what_is_asked_for(settings, cores)
        log = state / "snakemake.log"
        words = _snakemake(settings, state, settings.run_dir, cores, again)
        code = _call([*words, "--quiet", "host", "progress", "rules", "reason"], log, held)
    if not plan.is_file():
        if code != 0:
            return _explain(log)
        print(f"nothing to do: everything is up to date ({time.monotonic() - began:.1f} s)")
        _say_what_is_older_than_the_package(settings)
        return 0
    return _summarise(settings, plan, log, code, duration(time.monotonic() - began))


def _say_what_is_asked_for(settings, cores: int) -> None:
    from lowtex.paths import shown
    from lowtex_lab.notebook import graph

    print(
        f"lowtex run: {len(settings.nodes)} notebooks, profile {settings.profile}, seed {settings.seed}, {cores} cores"
    )
    if not settings.only:
        for reason in graph.left_out(settings.roots).values():
            print(f"left out: {reason}")
    print(f"results go to {shown(settings.run_dir)}", flush=True)


def _snakemake(settings, state: Path, folder: Path, cores: int, again: list[str]) -> list[str]:
    """The call of Snakemake, but for what it prints.

    Args:
        state: where its settings are written.
        folder: with Snakemake's notes on what was done before.
        cores: to use.
        again: names of the notebooks to run although they are up to date.
    """
    from lowtex.data_paths import REPOSITORY
    from lowtex.files import write_json

    write_json(state / "config.json", settings.as_config())
    # the records by name too: a page of what there was after a failure would else pass for the finished run's
    targets = ["report", *(str(settings.record(node)) for node in settings.nodes)]
    words = [sys.executable, "-m", "snakemake", *targets, "--snakefile", str(REPOSITORY / "notebooks" / "Snakefile")]
    words += ["--directory", str(folder), "--configfile", str(state / "config.json"), "--cores", str(cores)]
    words += ["--keep-going", "--rerun-incomplete", "--nolock", "--scheduler", "greedy"]
    return [*words, "--forcerun", *again] if again else words


@contextmanager
def _lock(path: Path, folder: str) -> Iterator[int]:
    """One run at a time in a folder. The operating system lets go of it when the last process of the run has ended."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LowtexError(
                f"another run is at work in {folder}; wait for it, or choose another folder with --run-dir"
            ) from error
        yield file.fileno()


def _call(words: list[str], log: Path, held: int | None = None) -> int:
    """Run Snakemake with the lock handed on, so that a run whose caller was killed still holds it while it works.

    Without a lock nothing is run, and what it prints goes to the log.
    """
    from lowtex_lab.notebook.runner import stop_tree

    with log.open("wb") as errors:
        shown, kept = (errors, []) if held is None else (None, [held])
        process = subprocess.Popen(words, stdout=shown, stderr=errors, pass_fds=kept, env=_environment(log.parent))
        try:
            return process.wait()
        except BaseException:
            # Ctrl-C reaches Snakemake too, but it may wait for its jobs; SIGTERM does not reach it
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=2)
            stop_tree(process)
            raise


def _environment(state: Path) -> dict[str, str]:
    """Snakemake keeps a cache in the home folder; where nothing can be written there, it gets one of this run's own."""
    # the steps print where this process does: a letter that the terminal lacks must not end one of them either
    encoding = f"{getattr(sys.stdout, 'encoding', None) or 'utf-8'}:replace"
    changed = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": encoding}
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    if obstacle(cache / "file"):
        changed["XDG_CACHE_HOME"] = str(state / "cache")
    return os.environ | changed


def _summarise(settings, plan: Path, log: Path, code: int, took: str) -> int:
    from lowtex.files import read_json
    from lowtex.paths import shown
    from lowtex_lab.notebook.report import write_report

    if code == 0:
        print(f"done in {took}: open {shown(settings.run_dir / 'index.html')}")
        return 0
    content = read_json(plan)
    failed = [name for name in content["started"] if content["ended"].get(name) != "done in"]
    skipped = [name for name in content["steps"] if name not in content["started"]]
    if failed:
        print(f"FAILED after {took}: {', '.join(failed)}", end="")
        print(f"; not run, because they need one of those: {', '.join(skipped)}" if skipped else "")
        print("what was finished is kept; mend the cause and run the same command again", flush=True)
        try:
            print(f"what there is so far: {shown(write_report(settings.run_dir))}")
        except LowtexError as error:
            print(f"what there is so far could not be shown: {error}")
        return 1
    return _explain(log)


def _say_what_is_older_than_the_package(settings) -> None:
    from lowtex.files import read_json
    from lowtex_lab.notebook.runner import package_digest

    now = package_digest()
    older = [node.number for node in settings.nodes if read_json(settings.record(node)).get("package") != now]
    if older:
        told = (
            f"the package has changed since {', '.join(older)} ran; to run {'it' if len(older) == 1 else 'them'} anew"
        )
        print(f"{told}: lowtex run --rerun {','.join(older)}")


def _show_planned(settings, cores: int, again: list[str]) -> int:
    """Say what would run; the run's folder is left as it is, and is not made."""
    from lowtex_lab.notebook.jobs import ORDER

    settings.check_claim()
    _say_what_is_asked_for(settings, cores)
    with TemporaryDirectory() as folder:
        state = Path(folder)
        noted = settings.run_dir if (settings.run_dir / ".snakemake").is_dir() else state
        log = state / "snakemake.log"
        code = _call([*_snakemake(settings, state, noted, cores, again), "--dry-run", "--quiet", "rules"], log)
        if code != 0:
            return _explain(log)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    firsts = {line.split()[0] for line in lines if line.strip()}
    planned = [name for name in ORDER if name in firsts]
    print(f"would run: {', '.join(planned)}" if planned else "nothing to do: everything is up to date")
    return 0


def _explain(log: Path) -> int:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    raise LowtexError(f"the workflow engine stopped; the end of {log}: {' | '.join(lines[-6:]) or 'nothing'}")
