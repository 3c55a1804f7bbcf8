"""The Slurm profile: what each job would ask for, and what would be handed to sbatch."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from notebook_files import write_notebook

from lowtex_lab.notebook import graph
from lowtex_lab.notebook.batch import Settings

SCHEDULER = """\
#!{python}
# stands for Slurm's commands: notes a submission, knows one account, says that every job has failed
import json, os, sys
from pathlib import Path
name, words = Path(sys.argv[0]).name, sys.argv[1:]
if name == "sbatch":
    with open({log!r}, "a") as file:
        file.write(json.dumps(words) + "\\n")
    print(sum(1 for _ in open({log!r})))
elif name == "sacctmgr":
    print("CHANGE-ME")
elif name == "sacct":
    print("\\n".join(f"{{number}}|FAILED" for number in range(1, 9)))
"""


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """Tiny notebooks in the places of the real ones, and no miniature to be written."""
    folder = tmp_path / "notebooks"
    for node in graph.NOTEBOOKS:
        write_notebook(folder / f"{node.name}.ipynb")
    monkeypatch.setenv("LOWTEX_NOTEBOOKS", str(folder))
    return folder


@pytest.fixture
def profile(repository) -> dict:
    return yaml.safe_load((repository / "notebooks" / "slurm" / "config.yaml").read_text())


def snakemake(repository: Path, run_dir: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    start = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "notebooks" / "Snakefile")]
    return subprocess.run(
        [*start, "--directory", str(run_dir), *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(repository), os.environ.get("PYTHONPATH", "")])}
        | environment,
        capture_output=True,
        text=True,
        timeout=200,
    )


def planned(output: str) -> dict[str, dict[str, str]]:
    """Rule -> its threads and resources, as a dry run shows them."""
    jobs = {}
    for block in re.split(r"^\[.*\]$", output, flags=re.MULTILINE):
        name = re.search(r"^(?:local)?rule (\w+):$", block, re.MULTILINE)
        threads = re.search(r"^    threads: (\d+)$", block, re.MULTILINE)
        resources = re.search(r"^    resources: (.*)$", block, re.MULTILINE)
        if name:
            pairs = (pair.split("=") for pair in (resources[1].split(", ") if resources else ()))
            jobs[name[1]] = {"threads": threads[1] if threads else "1", **dict(pairs)}
    return jobs


def test_a_dry_run_with_the_profile_asks_for_what_each_notebook_needs(notebooks, repository, profile, tmp_path):
    # without the plugin, which is installed on a cluster alone, Snakemake does not know this one word
    assert profile.pop("executor") == "slurm"
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "config.yaml").write_text(yaml.safe_dump(profile))
    run_dir = tmp_path / "run"
    config = ["--config", "profile=standard", f"run_dir={run_dir}"]
    done = snakemake(repository, run_dir, "--profile", str(tmp_path / "profile"), "--dry-run", *config)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    jobs = planned(done.stdout)
    assert set(jobs) >= {node.name for node in graph.NOTEBOOKS} | {"report"}
    for node in graph.NOTEBOOKS:
        asked = jobs[node.name]
        assert asked["mem_mb"] == "24000" and asked["runtime"] == str(24 * 60 + graph.SPARE_MIN)
        assert asked["slurm_partition"] == asked["slurm_account"] == "CHANGE-ME"
        assert asked["threads"] == (str(profile["cores"]) if node.threads == graph.ALL_CORES else str(node.threads))
        assert asked["gpu"] == ("1" if node.learns else "0")
    assert "gpu" not in jobs["report"]


def test_what_is_asked_for_follows_profile_time_limit_and_device():
    config = {"profile": "paper", "timeout_min": 90, "device": "cpu"}
    settings = Settings.from_config(config)
    assert settings.runtime_min == 90 + graph.SPARE_MIN and settings.memory_mb == graph.MEMORY_MB["paper"]
    assert settings.gpus(graph.node("04")) == 0
    assert Settings.from_config({"profile": "paper"}).gpus(graph.node("04")) == 1
    assert set(graph.MEMORY_MB) == set(graph.TIMEOUT_S)


def test_the_notebooks_that_learn_are_those_that_call_for_it(repository):
    """The table says so by hand; what the notebooks call says it too."""
    learning = re.compile(r"\bstudy\.(train|train_side_by_side|fine_tune)\(|\bfine_tune\(")
    for node in graph.NOTEBOOKS:
        cells = json.loads((repository / "notebooks" / f"{node.name}.ipynb").read_text(encoding="utf-8"))["cells"]
        code = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert bool(learning.search(code)) == node.learns, node.name


def test_jobs_are_submitted_with_what_they_ask_for(notebooks, repository, tmp_path):
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="pip install lowtex[slurm]")
    tools, log, run_dir = tmp_path / "bin", tmp_path / "submitted", tmp_path / "run"
    tools.mkdir()
    for name in ("sbatch", "sacct", "sacctmgr", "sinfo", "scontrol", "squeue", "sshare", "scancel"):
        (tools / name).write_text(SCHEDULER.format(python=sys.executable, log=str(log)))
        (tools / name).chmod(0o755)
    words = ["--profile", str(repository / "notebooks" / "slurm"), "--slurm-init-seconds-before-status-checks", "1"]
    # of the paper's profile, which has no miniature that all would wait for
    config = ["--config", "profile=paper", f"run_dir={run_dir}", "only=02,04"]
    snakemake(repository, run_dir, *words, *config, PATH=f"{tools}{os.pathsep}{os.environ['PATH']}")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    submitted = {words[words.index("--comment") + 1]: words for words in lines}
    assert set(submitted) == {"rule_02_networks", "rule_04_training"}
    minutes = str(graph.TIMEOUT_S["paper"] // 60 + graph.SPARE_MIN)
    for name, words in submitted.items():
        for option, value in (("-A", "CHANGE-ME"), ("-p", "CHANGE-ME"), ("-t", minutes), ("--mem", "64000")):
            assert words[words.index(option) + 1] == value, (name, option)
    assert "--cpus-per-task=1" in submitted["rule_02_networks"]
    assert not [word for word in submitted["rule_02_networks"] if "gpu" in word]
    assert {"--gpus=1", "--cpus-per-task=8"} <= set(submitted["rule_04_training"])
