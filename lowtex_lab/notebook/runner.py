"""Running one notebook without a screen.

Parameters are checked against the notebook's own first, because papermill itself would only warn of an unknown one.
Papermill runs in a process of its own with a timeout round it, into a folder beside the target. The executed notebook
and the record its last cell wrote are moved into place only when the exit code is 0 *and* that record is there,
because papermill alone calls a timeout or a dead kernel completed. Otherwise what there is stays as
``<name>.FAILED.ipynb`` and an earlier good copy is not touched.
"""

import ast
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
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from lowtex.data_paths import REPOSITORY
from lowtex.errors import DataError, LowtexError, OptionError
from lowtex.files import read_json, write_json, write_text
from lowtex.options import typed
from lowtex.paths import PACKAGE_VARIABLE, package_folder, shown
from lowtex.progress import LONGEST_PAUSE_S, duration

KERNEL = "python3"
POLL_S = 0.2

PAPERMILL = """\
import sys
sys.modules.setdefault("rfc3987_syntax", None)
from papermill.cli import papermill
papermill(prog_name="papermill")
"""
"""Papermill's command without three quarters of its import.

nbformat validates by jsonschema, which builds a parser for internationalised addresses (`rfc3987_syntax`) if that
package is there, and leaves the check out where it is missing. The format of notebooks has no such address.
"""

CELL_FILE = re.compile(r"(?:/[\w.~+-]+)*/ipykernel_\d+/\d+\.py")
"""The temporary file that a traceback names in place of a cell."""


class NotebookError(LowtexError):
    """A notebook did not run to its end."""


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
    source, folder = Path(source).resolve(), Path(run_dir) / "notebooks"
    checked = check_parameters(source, parameters)
    target, failed = folder / source.name, folder / f"{source.stem}.FAILED.ipynb"
    folder.mkdir(parents=True, exist_ok=True)
    # what a runner that was killed could not remove; the process that made a folder is in its name
    for left in folder.glob(f".{source.stem}.*.*"):
        owner = left.name.split(".")[-2]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    began, package = time.monotonic(), package_digest()
    prefix = f".{source.stem}.{os.getpid()}."
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder, ignore_cleanup_errors=True) as name:
        work = Path(name)
        output = work / "output.ipynb"
        try:
            code = _execute(source, work, checked, timeout_s, tell)
            record = _judge(source, work, code)
        except NotebookError as error:
            raise NotebookError(f"{error}{_keep(output, failed)}") from error
        record |= {"parameters": checked, "kernel": KERNEL, "package": package}
        record["runner_wall_s"] = round(time.monotonic() - began, 1)
        text = output.read_text(encoding="utf-8").replace(str(output), str(target))
        write_text(target, portable(text))
        write_json(target.with_suffix(".result.json"), record)
        for old in (failed, failed.with_suffix(".html")):
            old.unlink(missing_ok=True)
    return record


def parameters_of(source: str | Path) -> dict[str, Any]:
    """The names and default values in a notebook's cell tagged ``parameters``.

    Raises:
        DataError: not a notebook, or it has no such cell, or a default is not a plain literal.
    """
    source = Path(source)
    try:
        # as plain JSON: nbformat's import takes more than a second, and every call of the batch comes through here
        cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
        tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
        code = "".join(tagged[0]["source"]) if len(tagged) == 1 else ""
    except FileNotFoundError as error:
        raise DataError(f"there is no notebook {source}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{source} is not a notebook ({error!r})") from error
    if len(tagged) != 1:
        raise DataError(f"{source} has {len(tagged)} cells tagged 'parameters'; it needs exactly one")
    try:
        statements = ast.parse(code).body
    except SyntaxError as error:
        raise DataError(f"{source}: the parameters cell is not Python (line {error.lineno}: {error.msg})") from error
    found = {}
    for statement in statements:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        try:
            found[target.id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError, TypeError) as error:
            line = ast.unparse(statement)
            raise DataError(f"{source}: {line!r} in the parameters cell is not of the form name = literal") from error
    return found


def check_parameters(source: str | Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` with each value brought to the type of the notebook's default; papermill itself would only warn.

    Raises:
        OptionError: a name the notebook does not have, or a value of another type.
    """
    known = parameters_of(source)
    checked = {}
    for name, value in given.items():
        if name not in known:
            raise OptionError(f"{Path(source).name} has no parameter {name!r}; it has: {', '.join(known)}")
        kind = Any if known[name] is None else type(known[name])
        plain = str(value) if isinstance(value, Path) else value
        checked[name] = typed(f"parameter {name}", plain, kind, from_text=True)
    return checked


def package_digest() -> str:
    """Twelve hex digits of the packages' sources, by which a result made with other ones is known."""
    digest = hashlib.sha256()
    for package in ("lowtex", "lowtex_lab"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def portable(text: str) -> str:
    """The text of an executed notebook without this machine's paths: they are relative to the checkout."""
    text = text.replace(f"{REPOSITORY}/", "").replace(str(REPOSITORY), ".")
    # looked for only in lines that have it: a search through a megabyte of picture, base64, takes minutes
    lines = text.splitlines(keepends=True)
    return "".join(CELL_FILE.sub("cell", line) if "/ipykernel_" in line else line for line in lines)


def stop_tree(process: subprocess.Popen) -> None:
    """End a process and all it started; a kernel has a session of its own and would outlive its papermill."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        family = [*parent.children(recursive=True), parent]
        for end in (psutil.Process.terminate, psutil.Process.kill):
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    end(member)
            family = psutil.wait_procs(family, timeout=3)[1]
    process.wait()


def _execute(source: Path, work: Path, parameters: dict, timeout_s: float, tell: Callable[[str], None]) -> int:
    """Run papermill and pass the notebook's progress on; returns its exit code, and leaves no process behind."""
    output, progress = work / "output.ipynb", work / "progress.txt"
    # papermill fills parameters into {name} in a path, and a doubled brace is a brace
    paths = [str(path).replace("{", "{{").replace("}", "}}") for path in (source, output)]
    words = [sys.executable, "-c", PAPERMILL, *paths, "-k", KERNEL, "-y", json.dumps(parameters)]
    words += ["--no-progress-bar", "--start-timeout", "180"]
    first_parent, began = os.getppid(), time.monotonic()
    with (work / "papermill.log").open("wb") as log:
        apart = {"cwd": REPOSITORY, "env": _environment(work), "start_new_session": True}
        process = subprocess.Popen(words, stdout=log, stderr=log, **apart)
    heard, running = began, True
    try:
        with progress.open("a+", encoding="utf-8", errors="replace") as relay:
            relay.seek(0)
            while running:
                time.sleep(POLL_S)
                # what was written up to its end is read after it
                running, now = process.poll() is None, time.monotonic()
                for line in relay:
                    tell(line.rstrip("\n"))
                    heard = now
                if running and now - heard >= LONGEST_PAUSE_S:
                    heard = now
                    tell(f"{_position(output)}, {duration(now - began)} so far")
                if running and now - began > timeout_s:
                    raise NotebookError(
                        f"{source.stem}: stopped after its time limit of {duration(timeout_s)}, {_position(output)}; "
                        "allow more with `lowtex run --timeout MINUTES`"
                    )
                if os.getppid() != first_parent:
                    raise NotebookError(f"{source.stem}: stopped, because the run it belongs to has ended")
        return process.returncode
    finally:
        stop_tree(process)


def _judge(source: Path, work: Path, code: int) -> dict[str, Any]:
    """The record of a notebook that succeeded; what is wrong with any other is an error."""
    result = work / "result.json"
    record = read_json(result) if code == 0 and result.is_file() else {}
    folder = record.pop("package_folder", None)
    if code != 0:
        reason = _reason(work, code)
    elif not record:
        reason = "every cell ran, but the last one left no record; it has to call finish()"
    elif record.get("notebook") != source.stem:
        reason = f"its record is of {record.get('notebook')!r}; see its call of start()"
    elif record.get("python") != shown(sys.executable):
        reason = (
            f"ran in {record.get('python')}, not in {shown(sys.executable)}; the Jupyter kernel {KERNEL!r} belongs to "
            "another Python, see `lowtex doctor`"
        )
    elif folder != str(package_folder()):
        reason = (
            f"its kernel imported lowtex from {folder or 'another checkout'}, but this run is of {package_folder()}; "
            f"take the other one off PYTHONPATH, or install this one: pip install -e {REPOSITORY}"
        )
    else:
        return record
    raise NotebookError(f"{source.stem}: {reason}")


def _keep(output: Path, failed: Path) -> str:
    """Keep what a failed notebook has come to, and say where; papermill may have been stopped while it wrote it."""
    try:
        text = portable(output.read_text(encoding="utf-8"))
        json.loads(text)
    except (OSError, ValueError):
        return ""
    write_text(failed, text)
    return f". What there is of it: {shown(failed)}"


def _environment(work: Path) -> dict[str, str]:
    share = str(Path(sys.prefix) / "share" / "jupyter")
    others = os.environ.get("JUPYTER_PATH")
    return os.environ | {
        "LOWTEX_HEADLESS": "1",
        "LOWTEX_PROGRESS": str(work / "progress.txt"),
        "LOWTEX_RESULT": str(work / "result.json"),
        # this environment's own kernel goes before one of the same name in the home folder
        "JUPYTER_PATH": share + (os.pathsep + others if others else ""),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        # neither start-up files of the home folder, nor one history shared by kernels that run side by side
        "IPYTHONDIR": str(work / "ipython"),
        # the home folder may be read-only; a kernel's connection file belongs to this run anyway
        "JUPYTER_RUNTIME_DIR": str(work / "jupyter"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        PACKAGE_VARIABLE: str(package_folder()),
    }


def _reason(work: Path, code: int) -> str:
    """The first error in the executed notebook, or else papermill's last words."""
    for position, cell in enumerate(_cells(work / "output.ipynb"), start=1):
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                value = output.get("evalue", "").strip()
                return f"cell {position} raised {output.get('ename')}{': ' + value if value else ''}"
    log = (work / "papermill.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    position = _position(work / "output.ipynb")
    return f"papermill ended with exit code {code}, {position} ({log[-1].strip() if log else 'no message'})"


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
