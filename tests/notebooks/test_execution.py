"""Every notebook runs headless from its first cell to its last, in the profile whose numbers mean nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from lowtex.evaluation.results import read_rows
from lowtex.files import read_json
from lowtex_lab.notebook import graph


@pytest.mark.timeout(1500)
def test_the_whole_batch_runs_and_leaves_what_it_promises(tmp_path: Path, repository: Path):
    run_dir = tmp_path / "smoke"
    command = [sys.executable, "-m", "lowtex_lab.cli", "run", "--profile", "smoke", "--run-dir", str(run_dir)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    for node in graph.NOTEBOOKS:
        record = read_json(run_dir / "notebooks" / f"{node.name}.result.json")
        assert record["status"] == "done" and record["profile"] == "smoke"
        assert (run_dir / "notebooks" / f"{node.name}.ipynb").is_file()
        assert all((run_dir / name).is_file() for name in record["files"])
    rows = read_rows(run_dir / "rows")
    assert set(rows["experiment"]) >= {"baseline", "encoder", "encoder_features", "ours"}
    assert rows["miniature"].all() and {"vkitti2_dense", "eigen_raw", "improved"} <= set(rows["protocol"])
    page = (run_dir / "index.html").read_text(encoding="utf-8")
    assert "miniature" in page and all(node.name in page for node in graph.NOTEBOOKS)
