"""One notebook run headless: what counts as success, and what is kept when it is not one."""

import json
import sys
import time
from pathlib import Path

import psutil
import pytest
from notebook_files import write_notebook

from lowtex.data_paths import REPOSITORY
from lowtex.errors import DataError, OptionError
from lowtex.files import write_text
from lowtex.paths import shown
from lowtex_lab.notebook import runner

TELL = """\
import os, sys
from lowtex.progress import track
for item in track(range(answer), 'counting', unit='item'): pass"""

ENDLESS = "import os\nfrom lowtex.progress import say\nsay(f'kernel {os.getpid()}')", "import time\ntime.sleep(900)"


def run(source: Path, tmp_path: Path, timeout_s: float = 500, **parameters):
    lines = []
    record = runner.run_notebook(source, tmp_path / "run", parameters, timeout_s=timeout_s, tell=lines.append)
    return record, lines


def test_success_leaves_notebook_and_record_and_streams_progress(tmp_path):
    told = "print(os.environ['LOWTEX_HEADLESS'], sys.executable)\nprint('a file in', os.getcwd() + '/results')"
    source = write_notebook(tmp_path / "04_training.ipynb", TELL, told)
    before = source.read_bytes()
    record, lines = run(source, tmp_path, answer="3")
    folder = tmp_path / "run" / "notebooks"
    assert sorted(path.name for path in folder.iterdir()) == ["04_training.ipynb", "04_training.result.json"]
    assert record == json.loads((folder / "04_training.result.json").read_text())
    assert record["given"] == 3 and record["parameters"] == {"answer": 3} and record["kernel"] == "python3"
    assert record["runner_wall_s"] > 0
    assert any(line.startswith("counting: done, 3 items in ") for line in lines)
    assert source.read_bytes() == before, "the source is never written to"
    text = (folder / "04_training.ipynb").read_text()
    executed = json.loads(text)
    printed = "".join("".join(o.get("text", "")) for c in executed["cells"] for o in c.get("outputs", []))
    assert f"1 {shown(sys.executable)}" in printed, "headless, in this environment's Python"
    assert "a file in results" in printed
    assert str(REPOSITORY) not in text, "an executed notebook names no path of this machine"
    assert executed["metadata"]["papermill"]["output_path"].endswith("run/notebooks/04_training.ipynb")


def test_failing_cell_is_named_and_an_earlier_good_copy_is_kept(tmp_path):
    folder = tmp_path / "run" / "notebooks"
    for name in ("04_training.ipynb", "04_training.result.json"):
        write_text(folder / name, "earlier")
    source = write_notebook(tmp_path / "04_training.ipynb", "fine = 1", "raise ValueError('the reason')")
    with pytest.raises(runner.NotebookError, match="04_training: cell 4 raised ValueError: the reason.*FAILED.ipynb"):
        run(source, tmp_path)
    assert (folder / "04_training.ipynb").read_text() == "earlier"
    assert (folder / "04_training.result.json").read_text() == "earlier"
    failed = json.loads((folder / "04_training.FAILED.ipynb").read_text())
    outputs = [output for cell in failed["cells"] for output in cell.get("outputs", [])]
    assert "ValueError" in {output.get("ename") for output in outputs}
    assert len(list(folder.iterdir())) == 3, "nothing temporary stays"


def test_timeout_ends_the_kernel_too(tmp_path, monkeypatch):
    source = write_notebook(tmp_path / "04_training.ipynb", *ENDLESS)
    lines, clock = [], time.monotonic

    def tell(line):
        # on a busy machine it is first told that the kernel has not come up yet
        if line.startswith("kernel"):
            lines.append(line)
            # papermill notes meanwhile that the first cell has ended
            time.sleep(1)

    # the time is up once the kernel has told its number
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 1000 * len(lines))
    with pytest.raises(runner.NotebookError, match=r"stopped after its time limit of .* at cell 4 of 5; .*--timeout"):
        runner.run_notebook(source, tmp_path / "run", {}, timeout_s=500, tell=tell)
    assert not psutil.pid_exists(int(lines[0].split()[-1]))
    left = [path.name for path in (tmp_path / "run" / "notebooks").iterdir()]
    assert left in (["04_training.FAILED.ipynb"], []), "none where papermill was just writing it"


NO_RECORD = "every cell ran, but the last one left no record; it has to call finish"
DEAD = "papermill ended with exit code"


@pytest.mark.parametrize(("cell", "message"), [("fine = 1", NO_RECORD), ("import os\nos._exit(7)", DEAD)])
def test_a_notebook_without_a_record_and_a_dead_kernel_fail(tmp_path, cell, message):
    orphan = tmp_path / "run" / "notebooks" / ".04_training.999999999.abc"
    orphan.mkdir(parents=True)
    source = write_notebook(tmp_path / "04_training.ipynb", cell, finish=False)
    with pytest.raises(runner.NotebookError, match=message):
        run(source, tmp_path)
    folder = tmp_path / "run" / "notebooks"
    assert not (folder / "04_training.ipynb").exists()
    assert (folder / "04_training.FAILED.ipynb").exists() or message == DEAD
    assert not orphan.exists(), "left by a runner that was killed"


def test_unknown_parameter_is_refused_before_anything_runs(tmp_path):
    source = write_notebook(tmp_path / "04_training.ipynb")
    with pytest.raises(OptionError, match="has no parameter 'sed'; it has: profile, seed, run_dir.*answer"):
        run(source, tmp_path, sed=3)
    assert not (tmp_path / "run").exists()


def test_parameters_take_the_type_of_their_default(tmp_path):
    defaults = "whole = 1\nreal = 0.5\nflag = False\nnames = ['a']\nnothing = None"
    source = write_notebook(tmp_path / "04_training.ipynb", parameters=defaults)
    assert runner.parameters_of(source)["names"] == ["a"]
    given = {"whole": "7", "real": "2", "flag": "true", "names": "['b', 'c']", "nothing": "x", "profile": "quick"}
    expected = {"whole": 7, "real": 2.0, "flag": True, "names": ["b", "c"], "nothing": "x", "profile": "quick"}
    assert runner.check_parameters(source, given) == expected
    for name, value in {"whole": "7.5", "real": "much", "flag": "maybe", "names": "b", "profile": 3}.items():
        with pytest.raises(OptionError, match=f"parameter {name}={value} must be a|parameter flag=maybe must be true"):
            runner.check_parameters(source, {name: value})


def test_a_broken_parameters_cell_is_named(tmp_path):
    source = tmp_path / "x.ipynb"
    for content, message in {
        "not json": "is not a notebook",
        '{"cells": []}': "has 0 cells tagged 'parameters'",
        tagged("n = f()"): "not of the form name = lit",
        tagged("n ="): "is not Python .line 1: inv",
    }.items():
        source.write_text(content)
        with pytest.raises(DataError, match=message):
            runner.parameters_of(source)
    with pytest.raises(DataError, match="there is no notebook"):
        runner.parameters_of(tmp_path / "y.ipynb")


def tagged(code: str) -> str:
    return json.dumps({"cells": [{"metadata": {"tags": ["parameters"]}, "source": [code]}]})


def test_half_an_output_is_no_second_error(tmp_path):
    (tmp_path / "output.ipynb").write_text('{"cells": [')
    assert runner._keep(tmp_path / "output.ipynb", tmp_path / "x.FAILED.ipynb") == ""
    assert runner._keep(tmp_path / "missing.ipynb", tmp_path / "x.FAILED.ipynb") == ""
    assert not (tmp_path / "x.FAILED.ipynb").exists()


def test_portable_takes_out_paths_of_kernels_and_checkout():
    # a careless search through base64 takes time that grows with the square of its length, and stopped a batch once
    picture = "A/" * 400_000
    cells = [f"{REPOSITORY}/lowtex/a.py, {REPOSITORY}", "/t/ipykernel_12/345.py:1", picture]
    text = json.dumps({"metadata": {}, "cells": cells}, indent=0)
    assert json.loads(runner.portable(text))["cells"] == ["lowtex/a.py, .", "cell:1", picture]
