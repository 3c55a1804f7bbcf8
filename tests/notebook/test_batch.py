"""The batch: its settings and table, Snakemake running tiny notebooks in the places of the real ones, and Slurm."""

import json
import os
import re
import shlex
import subprocess
import sys
import time

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
    first, second = tmp_path / "rig a", tmp_path / "b"
    for data in (first, second):
        data.mkdir()

    def settings(**changes):
        return Settings.from_config(
            {"run_dir": tmp_path / "on", "data_root": f"stereo={first}", "only": "17"} | changes
        )

    settings().claim()
    # a run that failed leaves its folder to the next
    settings(data_root=f"stereo={second}").claim()
    assert read_json(tmp_path / "on" / "run.json")["data_root"] == f"stereo={second}"
    settings().claim()
    write_text(tmp_path / "on" / "rows" / "17.csv", "")
    settings(only="01").claim()
    for other in ({"seed": 1}, {"profile": "standard"}, {"data_root": f"stereo={second}"}):
        with pytest.raises(OptionError, match="rows must not mix, so choose another folder; .* add: ") as error:
            settings(**other).claim()
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


def test_a_run_is_stopped_fails_resumes_and_follows_changes(notebooks, tmp_path, capfd):
    """The whole of `lowtex run`, call after call in one folder, whose name has spaces."""
    run_dir, rig, luck = tmp_path / "a run of b", tmp_path / "rig", tmp_path / "luck"
    write_text(rig / "rig.yaml", "baseline_m: 0.1\n")
    words = ["run", "--profile", "paper", "--run-dir", str(run_dir), "--checkpoints-from", str(run_dir), "--data"]
    words += [f"stereo={rig}", "--cores", "2", "--only"]
    every = [*words, "01,02,09,12"]

    def steps(text, what):
        return sorted(line.split("] ")[1].split(":")[0] for line in text.splitlines() if f": {what}" in line)

    def planned(*more):
        assert cli.main([*every, "--dry-run", *more]) == 0
        return capfd.readouterr().out.splitlines()[-1]

    whole = "would run: 01_data, 02_networks, 04_training, 09_ablation_all, 12_virtual_kitti2, report"
    assert planned() == whole and not run_dir.exists(), "a dry run claims nothing"

    # SIGTERM in the middle of a notebook: its kernel ends, and no lock is held that the next call would meet
    tell = "import os, time\nfrom lowtex.progress import say\nsay(f'kernel {os.getpid()}')"
    write_notebook(notebooks / "02_networks.ipynb", tell, "time.sleep(900)")
    call = [sys.executable, "-m", "lowtex_lab.cli", *words, "02"]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    kernel = next(int(line.split()[-1]) for line in process.stdout if "kernel" in line)
    process.terminate()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and "the same command goes on from there" in said
    assert not psutil.pid_exists(kernel)

    # one notebook fails
    write_notebook(notebooks / "02_networks.ipynb")
    code = f"import os\nif not os.path.exists({str(luck)!r}):\n    raise RuntimeError('no luck')"
    write_notebook(notebooks / "12_virtual_kitti2.ipynb", code)
    assert cli.main(every) == 1
    text, others = capfd.readouterr().out, ["01_data", "02_networks", "04_training", "09_ablation_all"]
    assert steps(text, "done") == others, "those that do not need it go on"
    assert steps(text, "FAILED") == ["12_virtual_kitti2"]
    assert "12_virtual_kitti2: cell 3 raised RuntimeError: no luck" in text
    assert "FAILED after" in text and "not run, because they need one of those: report" in text
    assert "12_virtual_kitti2" in (run_dir / "index.html").read_text(), "the page shows what there is"
    made = sorted(path.name for path in (run_dir / "notebooks").iterdir() if path.suffix not in (".json", ".html"))
    assert made == [*(f"{name}.ipynb" for name in others), "12_virtual_kitti2.FAILED.ipynb"]

    # the cause was outside of the notebook, whose source stays as it was
    luck.touch()
    assert cli.main(every) == 0
    text = capfd.readouterr().out
    assert steps(text, "done") == ["12_virtual_kitti2", "report"], "what was finished is not run again"
    assert not list((run_dir / "notebooks").glob("*FAILED*"))

    # up to date, although the package was another one when 02 ran
    record = run_dir / "notebooks" / "02_networks.result.json"
    text, times = record.read_text(), record.stat()
    assert package_digest() in text
    record.write_text(text.replace(package_digest(), "of another time"))
    os.utime(record, ns=(times.st_atime_ns, times.st_mtime_ns))
    began = time.process_time(), os.times().children_user
    assert cli.main(every) == 0
    text = capfd.readouterr().out
    assert "nothing to do: everything is up to date" in text and steps(text, "started") == []
    assert "the package has changed since 02 ran; to run it anew: lowtex run --rerun 02" in text
    spent = time.process_time() - began[0] + os.times().children_user - began[1]
    assert spent < 10, f"{spent:.1f} s of processor time to find that there is nothing to do"

    # a file of the data, a source that another notebook needs, and a parameter are changes; 02 has none
    (rig / "rig.yaml").write_text("baseline_m: 0.2\n")
    write_notebook(notebooks / "04_training.ipynb", "changed = True")
    assert planned("--set", "09.answer=2") == whole.replace("02_networks, ", "")
    assert read_json(run_dir / "run.json")["set"] == [], "a dry run leaves the run as it is"
    assert cli.main([*every, "--data", f"stereo={tmp_path}", "--dry-run"]) == 2
    assert f"--run-dir '{run_dir}-2'" in capfd.readouterr().err


def test_one_run_at_a_time_in_a_folder(notebooks, tmp_path, capsys):
    import fcntl

    run_dir = tmp_path / "run"
    (run_dir / ".run").mkdir(parents=True)
    with (run_dir / ".run" / "lock").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert cli.main(["run", "--profile", "paper", "--run-dir", str(run_dir), "--only", "02"]) == 2
    assert "another run is at work in" in capsys.readouterr().err


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


def test_a_dry_run_with_the_profile_asks_for_what_each_notebook_needs(notebooks, repository, tmp_path):
    profile = yaml.safe_load((repository / "notebooks" / "slurm" / "config.yaml").read_text())
    # without the plugin, which is installed on a cluster alone, Snakemake does not know this one word
    assert profile.pop("executor") == "slurm"
    write_text(tmp_path / "profile" / "config.yaml", yaml.safe_dump(profile))
    run_dir = tmp_path / "run"
    call = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "notebooks" / "Snakefile")]
    call += ["--directory", str(run_dir), "--profile", str(tmp_path / "profile"), "--dry-run"]
    call += ["--config", "profile=standard", f"run_dir={run_dir}", "timeout_min=90"]
    environment = os.environ | {"PYTHONPATH": str(repository)}
    done = subprocess.run(call, env=environment, capture_output=True, text=True)
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
