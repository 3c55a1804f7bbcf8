"""docs/contributing.md is true: each recipe is taken out of the page, applied to a copy of the checkout, and run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from dataset_trees import write_stereo

from lowtex.data_paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "contributing.md").read_text(encoding="utf-8")
RECIPES = dict(part.split("\n", 1) for part in PAGE.split("\n## ")[1:])
READ_AND_SCORE = """
from pathlib import Path
from lowtex.evaluation.evaluate import evaluate

class OneDepth:
    def depth(self, image, rig):
        return 5 + 0 * image[:, :1]

pairs = MyPairs(Path({root!r}))
print(len(list(pairs)), tuple(pairs[0].other.shape), evaluate(OneDepth(), pairs, "stereo_dense").images, "scored")
"""


def test_a_recipe_is_short():
    for name, text in RECIPES.items():
        assert len([line for line in text.splitlines() if line.strip()]) <= 15, name


def blocks(name: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", RECIPES[name], re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of what git would keep, with all of the page's changes."""
    copy = tmp_path_factory.mktemp("contributed")
    for folder in ("lowtex", "lowtex_lab", "notebooks"):
        shutil.copytree(REPOSITORY / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    # the miniatures are shared
    (REPOSITORY / "data").mkdir(exist_ok=True)
    (copy / "data").symlink_to(REPOSITORY / "data")
    for name in RECIPES:
        for text in blocks(name, "diff"):
            words = ["git", "apply", "--unidiff-zero", "-"]
            applied = subprocess.run(words, input=text, cwd=copy, capture_output=True, text=True)
            assert applied.returncode == 0, f"{name}: {applied.stderr}"
    command = copy / "bin" / "lowtex"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lowtex_lab.cli "$@"\n')
    command.chmod(0o755)
    return copy


def run(checkout: Path, *words: str) -> str:
    path = os.pathsep.join([str(checkout / "bin"), os.environ["PATH"]])
    own = {"PATH": path, "PYTHONPATH": str(checkout), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=checkout, env=os.environ | own, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    return write_stereo(tmp_path_factory.mktemp("stereo"))


def test_the_loss_trains_a_step(checkout, pairs):
    words = ["train", "baseline", "--profile", "smoke", "--steps", "1", "--data", f"stereo={pairs}", "--split", "all"]
    said = run(checkout, "lowtex", *words, "--set", "loss.pixel_error=l1", "--out", str(checkout / "out"))
    assert "done, 1 step" in said
    [log] = (checkout / "out").glob("baseline-*/log.csv")
    assert len(log.read_text().splitlines()) == 2


def test_the_data_set_is_read_and_scored(checkout, pairs):
    for path in pairs.glob("left/*.png"):
        torch.save(torch.full((1, 24, 40), 5.0), pairs / f"{path.stem}.pt")
    [code] = blocks("A data set", "python")
    program = code + READ_AND_SCORE.format(root=str(pairs))
    assert "3 (3, 24, 40) 3 scored" in run(checkout, sys.executable, "-c", program)


def test_the_row_is_in_the_plan(checkout):
    [name] = re.findall(r"^\+  ([\w-]+):$", RECIPES["A row of the ablation"], re.MULTILINE)
    calls = ["train", "--list"], ["ablate", name, "--profile", "smoke", "--seeds", "0", "--dry-run"]
    program = f"from lowtex_lab import cli\nfor words in {calls}: assert cli.main(words) == 0"
    listed, _, planned = run(checkout, sys.executable, "-c", program).partition("1 to come")
    assert name in listed and name in planned


def test_the_notebook_is_found_and_runs(checkout):
    # of the notebook that is copied the beginning is enough: all of it runs in tests/notebooks
    source = checkout / "notebooks" / "02_networks.ipynb"
    notebook = nbformat.read(source, as_version=4)
    [start] = [number for number, cell in enumerate(notebook.cells) if "notebook.start(" in cell.source]
    notebook.cells = [*notebook.cells[: start + 1], nbformat.v4.new_code_cell("run.finish()")]
    nbformat.write(notebook, source)
    for text in blocks("A notebook", "sh"):
        said = run(checkout, "sh", "-ec", text)
    assert (checkout / "results" / "smoke" / "notebooks" / "18_mine.result.json").is_file(), said
