"""Running one notebook without a screen.

Papermill runs in a process of its own with a timeout round it, into a folder beside the target. The executed notebook
and the record its last cell wrote are moved into place only when the exit code is 0 *and* that record is there,
because papermill alone calls a timeout or a dead kernel completed. Otherwise what there is stays as
``<name>.FAILED.ipynb`` and an earlier good copy is not touched.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lowtex.data_paths import REPOSITORY
from lowtex.errors import LowtexError
from lowtex.files import read_json, write_json, write_text
from lowtex.paths import PACKAGE_VARIABLE, package_folder, shown
from lowtex.progress import LONGEST_PAUSE_S, duration
from lowtex_lab.notebook.parameters import check_parameters

KERNEL = "python3"
POLL_S = 0.2


class NotebookError(LowtexError):
    """A notebook did not run to its end."""


@dataclass(frozen=True)
class _Workspace:
    """Where one run of a notebook writes before anything is moved into place."""

    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "output.ipynb"

    @property
    def record(self) -> Path:
        return self.folder / "result.json"

    @property
    def progress(self) -> Path:
        return self.folder / "progress.txt"

    @property
    def log(self) -> Path:
        return self.folder / "papermill.log"


def run_notebook(
    source: str | Path,
    run_dir: str | Path,
    parameters: Mapping[str, Any],
    *,
    timeout_s: float,
    tell: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Run a notebook with ``parameters``; returns the record its last cell wrote, with what the runner adds to it.

    Leaves ``<run_dir>/notebooks/<name>.ipynb`` and ``<name>.result.json``. The notebook's progress lines go to
    ``tell`` as they come; where none come, a line says now and then which cell it is at.

    Raises:
        OptionError: an unknown parameter; nothing is run then.
        NotebookError: a cell failed, the time was up, the kernel died, or the last cell left no record.
    """
    # papermill starts in the root of the checkout, and a link may lead to the source
    source, run_dir = Path(source).resolve(), Path(run_dir)
    checked = check_parameters(source, parameters)
    target = run_dir / "notebooks" / source.name
    failed = target.with_suffix(".FAILED.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_orphans(target)
    began, package = time.monotonic(), package_digest()
    with tempfile.TemporaryDirectory(
        prefix=f".{source.stem}.{os.getpid()}.", dir=target.parent, ignore_cleanup_errors=True
    ) as name:
        work = _Workspace(Path(name))
        work.progress.touch()
        try:
            code = _execute(source, work, checked, timeout_s, tell)
            record = _judge(source, work, code)
        except NotebookError as error:
            raise NotebookError(f"{error}{_keep(work.output, failed)}") from error
        record |= {
            "parameters": checked,
            "kernel": KERNEL,
            "package": package,
            "runner_wall_s": round(time.monotonic() - began, 1),
        }
        write_text(target, portable(work.output.read_text(encoding="utf-8"), target))
        write_json(target.with_suffix(".result.json"), record)
        for old in (failed, failed.with_suffix(".html")):
            old.unlink(missing_ok=True)
    return record


def package_digest() -> str:
    """Twelve hex digits of the packages' sources, by which a result made with other ones is known."""
    digest = hashlib.sha256()
    for package in ("lowtex", "lowtex_lab"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


CELL_FILE = re.compile(r"(?:/[\w.~+-]+)*/ipykernel_\d+/\d+\.py")
"""The temporary file that a traceback names in place of a cell."""


def portable(text: str, target: Path | None = None) -> str:
    """The text of an executed notebook without this machine's paths: they are relative to the checkout."""
    content = _without_paths(json.loads(text))
    if target is not None and "papermill" in content["metadata"]:
        content["metadata"]["papermill"]["output_path"] = shown(target)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_paths(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_paths(part) for part in value]
    if not isinstance(value, str):
        return value
    value = value.replace(f"{REPOSITORY}/", "").replace(str(REPOSITORY), ".")
    # looked for only where it is: a search through a megabyte of picture, base64, takes minutes
    return CELL_FILE.sub("cell", value) if "/ipykernel_" in value else value


def stop_tree(process: subprocess.Popen) -> None:
    """End a process and all it started; a kernel has a session of its own and would outlive its papermill."""
    try:
        parent = psutil.Process(process.pid)
        family = [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return
    for member in family:
        _quietly(member.terminate)
    for member in psutil.wait_procs(family, timeout=3)[1]:
        _quietly(member.kill)
    process.wait()


def _execute(source: Path, work: _Workspace, parameters: dict, timeout_s: float, tell: Callable[[str], None]) -> int:
    # papermill fills parameters into {name} in a path, and a doubled brace is a brace
    paths = [str(path).replace("{", "{{").replace("}", "}}") for path in (source, work.output)]
    words = [sys.executable, "-m", "lowtex_lab.notebook.fast_start", *paths, "-k", KERNEL, "-y"]
    words += [json.dumps(parameters), "--no-progress-bar", "--start-timeout", "180"]
    first_parent, began = os.getppid(), time.monotonic()
    with work.log.open("wb") as log:
        process = subprocess.Popen(
            words, cwd=REPOSITORY, env=_environment(work), stdout=log, stderr=log, start_new_session=True
        )
    try:
        seen, heard = 0, began
        while process.poll() is None:
            time.sleep(POLL_S)
            now = time.monotonic()
            seen, lines = _new_lines(work.progress, seen)
            for line in lines:
                tell(line)
            if lines:
                heard = now
            elif now - heard >= LONGEST_PAUSE_S:
                heard = now
                tell(f"{_position(work.output)}, {duration(now - began)} so far")
            if now - began > timeout_s:
                raise NotebookError(
                    f"{source.stem}: stopped after its time limit of {duration(timeout_s)}, {_position(work.output)}; "
                    "allow more with `lowtex run --timeout MINUTES`"
                )
            if os.getppid() != first_parent:
                raise NotebookError(f"{source.stem}: stopped, because the run it belongs to has ended")
        for line in _new_lines(work.progress, seen)[1]:
            tell(line)
        return process.returncode
    finally:
        stop_tree(process)


def _judge(source: Path, work: _Workspace, code: int) -> dict[str, Any]:
    if code != 0:
        raise NotebookError(f"{source.stem}: {_reason(work, code)}")
    if not work.record.is_file():
        raise NotebookError(f"{source.stem}: every cell ran, but the last one left no record; it has to call finish()")
    record = read_json(work.record)
    if record.get("notebook") != source.stem:
        raise NotebookError(f"{source.stem}: its record is of {record.get('notebook')!r}; see its call of start()")
    if record.get("python") != shown(sys.executable):
        raise NotebookError(
            f"{source.stem}: ran in {record.get('python')}, not in {shown(sys.executable)}; the Jupyter kernel "
            f"{KERNEL!r} belongs to another Python, see `lowtex doctor`"
        )
    folder = record.pop("package_folder", None)
    if folder != str(package_folder()):
        raise NotebookError(
            f"{source.stem}: its kernel imported lowtex from {folder or 'another checkout'}, but this run is of "
            f"{package_folder()}; take the other one off PYTHONPATH, or install this one: pip install -e {REPOSITORY}"
        )
    return record


def _keep(output: Path, failed: Path) -> str:
    """Keep what a failed notebook has come to, and say where; papermill may have been stopped while it wrote it."""
    try:
        text = portable(output.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    write_text(failed, text)
    return f". What there is of it: {shown(failed)}"


def _environment(work: _Workspace) -> dict[str, str]:
    share = str(Path(sys.prefix) / "share" / "jupyter")
    others = os.environ.get("JUPYTER_PATH")
    return os.environ | {
        "LOWTEX_HEADLESS": "1",
        "LOWTEX_PROGRESS": str(work.progress),
        "LOWTEX_RESULT": str(work.record),
        # this environment's own kernel goes before one of the same name in the home folder
        "JUPYTER_PATH": share + (os.pathsep + others if others else ""),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        # neither start-up files of the home folder, nor one history shared by kernels that run side by side
        "IPYTHONDIR": str(work.folder / "ipython"),
        # the home folder may be read-only; a kernel's connection file belongs to this run anyway
        "JUPYTER_RUNTIME_DIR": str(work.folder / "jupyter"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        PACKAGE_VARIABLE: str(package_folder()),
    }


def _reason(work: _Workspace, code: int) -> str:
    for position, cell in enumerate(_cells(work.output), start=1):
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                value = output.get("evalue", "").strip()
                return f"cell {position} raised {output.get('ename')}{': ' + value if value else ''}"
    log = work.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = next((line.strip() for line in reversed(log) if line.strip()), "no message")
    return f"papermill ended with exit code {code}, {_position(work.output)} ({last})"


def _position(output: Path) -> str:
    cells = _cells(output)
    if not cells:
        return "at its start"
    states = [cell.get("metadata", {}).get("papermill", {}).get("status") for cell in cells]
    done = [number for number, state in enumerate(states, start=1) if state == "completed"]
    return f"at cell {min(len(cells), max(done, default=0) + 1)} of {len(cells)}"


def _cells(output: Path) -> list[dict]:
    """The cells as the source has them, without those that papermill adds."""
    added = {"injected-parameters", "papermill-error-cell-tag"}
    try:
        cells = json.loads(output.read_text(encoding="utf-8"))["cells"]
        return [cell for cell in cells if not added & set(cell["metadata"].get("tags", []))]
    except (OSError, ValueError, KeyError):
        # papermill may be writing it at this moment, or may not have begun
        return []


def _new_lines(path: Path, seen: int) -> tuple[int, list[str]]:
    with path.open("rb") as file:
        file.seek(seen)
        text = file.read()
    whole = text[: text.rfind(b"\n") + 1]
    return seen + len(whole), whole.decode("utf-8", errors="replace").splitlines()


def _remove_orphans(target: Path) -> None:
    """What a runner that was killed could not remove; the process that made a folder is in its name."""
    for folder in target.parent.glob(f".{target.stem}.*.*"):
        owner = folder.name.removeprefix(f".{target.stem}.").partition(".")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _quietly(action: Callable[[], None]) -> None:
    try:
        action()
    except psutil.NoSuchProcess:
        pass
