"""The batch: its settings and table, Snakemake running tiny notebooks in the places of the real ones, and Slurm."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from notebook_files import write_notebook

from lowtex.data_paths import DATASETS
from lowtex.errors import OptionError
from lowtex.files import read_json, write_text
from lowtex.paths import default_run_dir
from lowtex.profiles import PROFILES
from lowtex.progress import duration
from lowtex_lab import cli
from lowtex_lab.notebook import graph
from lowtex_lab.notebook.batch import Settings
from lowtex_lab.notebook.jobs import announced, write_plan
from lowtex_lab.notebook.runner import package_digest

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
    """A folder of tiny notebooks that `lowtex run` takes for the real ones."""
    folder = tmp_path / "notebooks of mine"
    for node in graph.NOTEBOOKS:
        write_notebook(folder / f"{node.name}.ipynb")
    monkeypatch.setenv("LOWTEX_NOTEBOOKS", str(folder))
    return folder


def names(nodes) -> list[str]:
    return [node.number for node in nodes]


def test_table_is_in_order_and_its_names_are_known():
    numbers = names(graph.NOTEBOOKS)
    assert numbers == sorted(set(numbers))
    for node in graph.NOTEBOOKS:
        assert set(node.needs) <= set(numbers) and set(node.data) <= set(DATASETS)
        assert node.number not in names(graph.with_upstream(graph.node(n) for n in node.needs)), "no circle"
        assert node.threads == graph.ALL_CORES or not node.trains
    assert set(graph.TIMEOUT_S) == set(graph.MEMORY_MB) == set(PROFILES)
    assert names(graph.with_upstream([graph.node("16")])) == ["04", "10", "11", "12", "15", "16"]
    assert graph.node("4") is graph.node("04_training")


def test_a_run_on_real_data_takes_the_notebooks_that_read_nothing_else():
    taken = {"vkitti2": "01 12", "kitti": "01 10", "kitti kitti_depth": "01 10 11", "kitti_depth": "01"}
    taken |= {"cityscapes": "01 14", "cityscapes kitti": "01 10 14"}  # KITTI is no condition of 14
    assert {data: " ".join(names(graph.select(data_names=data.split()))) for data in taken} == taken


def test_real_data_and_miniatures_are_never_mixed_in_a_notebook(monkeypatch):
    assert graph.select() == graph.NOTEBOOKS
    assert names(graph.select(["04", "10"], ["kitti"])) == ["04", "10"]
    assert names(graph.select(["11"])) == ["11"], "on miniatures alone nothing is mixed"
    [(node, reason)] = graph.left_out(["kitti", "vkitti2"]).items()
    assert node.number == "11" and reason == "11_improved_kitti also reads --data kitti_depth=FOLDER"
    assert not graph.left_out(DATASETS) and not graph.left_out([])
    with pytest.raises(OptionError, match="11_improved_kitti also reads --data kitti_depth=FOLDER; name these too"):
        graph.select(["10", "11"], ["kitti"])
    monkeypatch.setattr(graph, "NOTEBOOKS", (graph.Node("14_transfer", data=("cityscapes", "kitti")),))
    for data, message in (("stereo", "no notebook reads stereo"), ("kitti", "also reads --data cityscapes=FOLDER")):
        with pytest.raises(OptionError, match=message):
            graph.select(data_names=[data])


def test_settings_fill_in_what_is_left_out(notebooks, tmp_path):
    plain = Settings.from_config({})
    assert (plain.profile, plain.seed, plain.run_dir) == ("quick", 0, default_run_dir("quick"))
    assert plain.checkpoints_from == plain.run_dir and plain.nodes == graph.NOTEBOOKS
    assert Settings.from_config({"seed": 3}).run_dir.name == "quick-seed3"
    real = Settings.from_config({"data_root": f"kitti={tmp_path}", "only": "10,04", "set": ["10.answer=5"]})
    assert real.run_dir == default_run_dir("quick", 0, ["kitti"]) and real.run_dir.name == "quick-on-kitti"
    assert real.checkpoints_from == default_run_dir("quick")
    assert names(real.nodes) == ["04", "10"]
    assert real.folder(graph.node("04")) == default_run_dir("quick"), "nothing is trained twice"
    assert real.record(graph.node("10")).startswith(str(real.run_dir))
    assert Settings.from_config(real.as_config()) == real


def test_parameters_of_each_notebook(notebooks, tmp_path):
    settings = Settings.from_config(
        {"data_root": f"kitti={tmp_path}", "run_dir": tmp_path / "r", "seed": 2, "set": ["answer=7", "11.answer=8"]}
    )
    ten, eleven, four = (json.loads(settings.parameters(graph.node(n))) for n in ("10", "11", "04"))
    common = {"profile": "quick", "seed": 2, "run_dir": str(tmp_path / "r"), "device": "auto"}
    assert ten == common | {"data_root": f"kitti={tmp_path}", "answer": 7} and eleven["answer"] == 8
    assert four["data_root"] == "" and "answer" not in four, "the other run's own settings hold for its trainings"


def test_what_a_profile_without_miniatures_trains_on(notebooks, tmp_path):
    for name in ("kitti", "make3d"):
        (tmp_path / name).mkdir()
    data = ";".join(f"{name}={tmp_path / name}" for name in ("kitti", "make3d"))
    for profile, given in (("standard", ""), ("paper", f"kitti={tmp_path / 'kitti'}")):
        settings = Settings.from_config({"profile": profile, "data_root": data, "run_dir": tmp_path / "r"})
        four, ten = (json.loads(settings.parameters(graph.node(number))) for number in ("04", "10"))
        assert (four["data_root"], ten["data_root"]) == (given, data)
        assert bool(settings.data(graph.node("04"))) == bool(given), "another content is trained on anew"


BAD = {
    "run setting='profil' is not known": {"profil": "quick"},
    "profile='huge' is not known": {"profile": "huge"},
    "seed=one must be a whole number": {"seed": "one"},
    "device='tpu' is not known": {"device": "tpu"},
    "parameter='nothing' is not known; choose one of: answer, data_root": {"set": ["nothing=1"]},
    "/a {run} has a brace in its name": {"run_dir": "/a {run}"},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_settings_are_named(notebooks, message):
    with pytest.raises(OptionError, match=message):
        Settings.from_config(BAD[message])


def test_rows_of_two_kinds_never_share_a_folder(notebooks, tmp_path):
    folder = tmp_path / "run"
    Settings.from_config({"run_dir": folder}).claim()
    Settings.from_config({"run_dir": folder, "only": "10"}).claim()
    write_text(folder / "rows" / "10.csv", "")
    for other in ({"seed": 1}, {"profile": "standard"}, {"data_root": f"kitti={tmp_path}"}):
        with pytest.raises(OptionError, match="rows must not mix, so choose another folder; .* add: --run-dir"):
            Settings.from_config({"run_dir": folder, **other}).claim()


def test_a_run_that_failed_leaves_its_folder_to_the_next(notebooks, tmp_path):
    a, b = tmp_path / "rig a", tmp_path / "b"
    a.mkdir()
    b.mkdir()
    first, second = (
        Settings.from_config({"run_dir": tmp_path / "on", "data_root": f"stereo={data}", "only": "17"})
        for data in (a, b)
    )
    first.claim()
    second.claim()
    assert read_json(tmp_path / "on" / "run.json")["data_root"] == f"stereo={b}"
    write_text(tmp_path / "on" / "notebooks" / "17_own_stereo_rig.result.json", "{}")
    with pytest.raises(OptionError) as error:
        first.claim()
    # with these it starts no training again
    told = shlex.split(str(error.value).partition("to the same command add: ")[2])
    assert told == ["--run-dir", str(tmp_path / "on-2"), "--checkpoints-from", str(tmp_path / "quick")]


def test_changed_data_are_a_reason_to_run_again(notebooks, tmp_path):
    data = tmp_path / "rig"
    data.mkdir()

    def held(number, root="stereo"):
        settings = Settings.from_config({"data_root": f"{root}={data}", "run_dir": tmp_path / "run"})
        return settings.data(graph.node(number))

    seen = [held("17")]
    for name, content in (("rig.yaml", "baseline_m: 0.2"), ("left/1.png", "a"), ("left/1.png", "b")):
        write_text(data / name, content)
        seen.append(held("17"))
    (data / ".DS_Store").write_bytes(b"b")
    (data / "left" / "up").symlink_to(data)
    assert len(set(seen)) == 4 and held("17") == seen[-1]
    assert held("04") == held("10") == "", "they do not read it"
    assert held("14", "kitti") != "", "beside Cityscapes"


def test_steps_say_what_is_still_to_come(notebooks, tmp_path, capsys):
    settings = Settings.from_config({"run_dir": tmp_path / "run"})
    write_plan(settings, ["report", "10_kitti", "04_training"], cores=2)
    with announced("04_training", settings.plan_file) as tell:
        tell("one")
    with pytest.raises(ValueError), announced("10_kitti", settings.plan_file):
        raise ValueError
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[1/3] 04_training: started"
    assert lines[1] == "  04 | one"
    assert lines[2].startswith("[1/3] 04_training: done in 0 s; still to come: 10_kitti, report (about ")
    assert lines[4] == "[2/3] 10_kitti: FAILED after 0 s; still to come: report (about 20 s)"
    assert [duration(s) for s in (3.4, 75, 7500)] == ["3 s", "1 min 15 s", "2 h 05 min"]


def test_failure_resume_and_change(notebooks, tmp_path, capfd):
    """The whole of `lowtex run`: one notebook fails, the rest goes on; mended, only it runs; changed, what needs it."""
    run_dir = tmp_path / "a run of b"
    words = ["run", "--profile", "paper", "--run-dir", str(run_dir), "--only", "02,10,12", "--cores", "2"]
    luck = tmp_path / "luck"
    code = f"import os\nif not os.path.exists({str(luck)!r}):\n    raise RuntimeError('no luck')"
    write_notebook(notebooks / "12_virtual_kitti2.ipynb", code)

    def steps(text, what):
        return sorted(line.split("] ")[1].split(":")[0] for line in text.splitlines() if f": {what}" in line)

    assert cli.main(words) == 1
    text = capfd.readouterr().out
    assert steps(text, "done") == ["02_networks", "04_training", "10_kitti"], "those that do not need it go on"
    assert steps(text, "FAILED") == ["12_virtual_kitti2"]
    assert "12_virtual_kitti2: cell 3 raised RuntimeError: no luck" in text
    assert "FAILED after" in text and "not run, because they need one of those: report" in text
    assert "12_virtual_kitti2" in (run_dir / "index.html").read_text(), "the page shows what there is"
    made = sorted(path.name for path in (run_dir / "notebooks").glob("*.ipynb"))
    assert made == ["02_networks.ipynb", "04_training.ipynb", "10_kitti.ipynb", "12_virtual_kitti2.FAILED.ipynb"]

    # the cause was outside of the notebook, whose source stays as it was
    luck.touch()
    assert cli.main(words) == 0
    text = capfd.readouterr().out
    assert steps(text, "done") == ["12_virtual_kitti2", "report"], "what was finished is not run again"
    assert (run_dir / "index.html").is_file()
    assert not list((run_dir / "notebooks").glob("*FAILED*"))

    began = time.process_time(), os.times().children_user
    assert cli.main(words) == 0
    text = capfd.readouterr().out
    assert "nothing to do: everything is up to date" in text and steps(text, "started") == []
    spent = time.process_time() - began[0] + os.times().children_user - began[1]
    assert spent < 10, f"{spent:.1f} s of processor time to find that there is nothing to do"

    record = run_dir / "notebooks" / "02_networks.result.json"
    text, times = record.read_text(), record.stat()
    assert package_digest() in text

    def rewrite(content):
        record.write_text(content)
        os.utime(record, ns=(times.st_atime_ns, times.st_mtime_ns))

    rewrite(text.replace(package_digest(), "of another time"))
    assert cli.main(words) == 0
    assert "the package has changed since 02 ran; to run it anew: lowtex run --rerun 02" in capfd.readouterr().out
    rewrite(text)

    write_notebook(notebooks / "04_training.ipynb", "changed = True")
    assert cli.main([*words, "--dry-run"]) == 0
    planned = capfd.readouterr().out.splitlines()[-1]
    assert planned == "would run: 04_training, 10_kitti, 12_virtual_kitti2, report"
    write_notebook(notebooks / "04_training.ipynb")

    (run_dir / ".run" / "plan.json").unlink(missing_ok=True)
    assert cli.main([*words, "--set", "10.answer=2", "--dry-run"]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "would run: 10_kitti, report", "another parameter is a change"
    assert read_json(run_dir / "run.json")["set"] == [], "a dry run leaves the run as it is"


def test_a_dry_run_claims_nothing_and_an_edited_rig_runs_again(notebooks, tmp_path, capfd):
    run_dir, data = tmp_path / "run", tmp_path / "rig"
    write_text(data / "rig.yaml", "baseline_m: 0.1\n")
    words = ["run", "--profile", "paper", "--run-dir", str(run_dir), "--only", "01", "--data", f"stereo={data}"]
    planned = "would run: 01_data, report"
    assert cli.main([*words, "--dry-run"]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == planned and not run_dir.exists()
    assert cli.main(words) == 0
    (data / "rig.yaml").write_text("baseline_m: 0.2\n")
    capfd.readouterr()
    assert cli.main([*words, "--dry-run"]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == planned
    assert cli.main([*words[:-1], f"stereo={tmp_path}", "--dry-run"]) == 2
    assert f"--run-dir {run_dir}-2 --checkpoints-from {tmp_path / 'paper'}" in capfd.readouterr().err


def test_one_run_at_a_time_in_a_folder(notebooks, tmp_path, capsys):
    import fcntl

    run_dir = tmp_path / "run"
    (run_dir / ".run").mkdir(parents=True)
    with (run_dir / ".run" / "lock").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert cli.main(["run", "--profile", "paper", "--run-dir", str(run_dir), "--only", "02"]) == 2
    assert "another run is at work in" in capsys.readouterr().err


def test_a_terminated_run_leaves_nothing_behind_and_goes_on(notebooks, tmp_path):
    """SIGTERM in the middle of a notebook: its kernel ends, no lock is held, and the next call finishes the work."""
    tell = "import os, time\nfrom lowtex.progress import say\nsay(f'kernel {os.getpid()}')"
    write_notebook(notebooks / "02_networks.ipynb", tell, "time.sleep(900)")
    words = [sys.executable, "-m", "lowtex_lab.cli", "run", "--profile", "paper", "--run-dir", str(tmp_path / "run")]
    process = subprocess.Popen([*words, "--only", "02"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    kernel = next(int(line.split()[-1]) for line in process.stdout if "kernel" in line)
    process.terminate()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and "the same command goes on from there" in said
    assert not psutil.pid_exists(kernel)
    write_notebook(notebooks / "02_networks.ipynb", tell)
    assert subprocess.run([*words, "--only", "02"], capture_output=True).returncode == 0
    left = [path.name for path in (tmp_path / "run" / "notebooks").iterdir()]
    assert not [name for name in left if name.startswith(".") or "FAILED" in name]


@pytest.fixture
def profile(repository) -> dict:
    return yaml.safe_load((repository / "notebooks" / "slurm" / "config.yaml").read_text())


def snakemake(repository: Path, run_dir: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    start = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "notebooks" / "Snakefile")]
    call = [*start, "--directory", str(run_dir), *words]
    environment = os.environ | {"PYTHONPATH": str(repository)} | environment
    return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=200)


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
    write_text(tmp_path / "profile" / "config.yaml", yaml.safe_dump(profile))
    run_dir = tmp_path / "run"
    config = ["--config", "profile=standard", f"run_dir={run_dir}", "timeout_min=90"]
    done = snakemake(repository, run_dir, "--profile", str(tmp_path / "profile"), "--dry-run", *config)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    jobs = planned(done.stdout)
    assert set(jobs) >= {node.name for node in graph.NOTEBOOKS} | {"report"}
    for node in graph.NOTEBOOKS:
        asked = jobs[node.name]
        assert asked["mem_mb"] == "24000" and asked["runtime"] == str(90 + graph.SPARE_MIN)
        assert asked["slurm_partition"] == asked["slurm_account"] == "CHANGE-ME"
        assert asked["threads"] == (str(profile["cores"]) if node.threads == graph.ALL_CORES else str(node.threads))
        assert asked["gpu"] == ("1" if node.learns else "0")
    assert "gpu" not in jobs["report"]
    assert Settings.from_config({"profile": "paper", "device": "cpu"}).gpus(graph.node("04")) == 0


def test_the_notebooks_that_learn_are_those_that_call_for_it(repository):
    """The table says so by hand; what the notebooks call says it too."""
    learning = re.compile(r"\bstudy\.(train|train_side_by_side|fine_tune)\(|\bfine_tune\(")
    for node in graph.NOTEBOOKS:
        text = (repository / "notebooks" / f"{node.name}.ipynb").read_text(encoding="utf-8")
        code = "".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "code")
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
    submitted = {words[words.index("--comment") + 1]: " ".join(words) for words in lines}
    assert set(submitted) == {"rule_02_networks", "rule_04_training"}
    for words in submitted.values():
        assert "-A CHANGE-ME" in words and "-p CHANGE-ME" in words and "--mem 64000" in words
        assert f"-t {graph.TIMEOUT_S['paper'] // 60 + graph.SPARE_MIN} " in words
    assert "--cpus-per-task=1 " in submitted["rule_02_networks"] + " " and "gpu" not in submitted["rule_02_networks"]
    assert "--gpus=1" in submitted["rule_04_training"] and "--cpus-per-task=8" in submitted["rule_04_training"]
