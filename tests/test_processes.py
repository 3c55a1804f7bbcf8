"""Two processes train as one would, write once, speak once, stop together and go on together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
from dataset_trees import write_stereo
from launched import train_all
from safetensors.torch import load_file

from lowtex import distributed as processes
from lowtex.errors import DataError, OptionError
from lowtex_lab import cli

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent), "CUDA_VISIBLE_DEVICES": ""}
EXACT = 1e-12
"""Relative, in float64: what the processes add up in another order differs by 6e-16 at most in four steps here. Masked
means that each takes over its own half differ by 2e-5, noise of its own by 1e-4, batch norms or jitter by 4e-2."""
FLOAT32 = 1e-5
"""Relative, over four steps in float32: 3e-7 was the most seen. Over many steps Adam enlarges it without bound, because
it divides by a gradient's own size however small that is, as it does where the number of threads changes."""


def command(*words: str) -> list[str]:
    """``accelerate launch`` on a port that is free, without its hints about options that were not given."""
    launch = ["-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes", "2"]
    plain = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    return [sys.executable, *launch, *plain, *words]


def call(*words: str) -> subprocess.CompletedProcess:
    """A part of `launched` in two processes."""
    words = command(str(HERE / "launched.py"), *words)
    return subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=400)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> str:
    return f"stereo={write_stereo(tmp_path_factory.mktemp('stereo'))}"


def train(pairs: str, out: Path, *more: str) -> list[str]:
    words = ["train", "baseline", "--profile", "smoke", "--device", "cpu", "--data", pairs, "--out", str(out)]
    return [*words, "--split", "all", *more]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, pairs) -> dict:
    """What one process and what two make of the same experiments, and what each of the two saw."""
    folder = tmp_path_factory.mktemp("launched")
    torch.set_num_threads(1)
    train_all(folder / "alone")
    together = folder / "together"
    together.mkdir()
    ended = call("first", str(together))
    [parted] = (together / "parted").glob("both-*")
    left = {path.name for path in parted.iterdir()}
    second = call("second", str(together), *train(pairs, together / "by command"))
    assert second.returncode == 0, second.stderr[-3000:]
    found = {"alone": folder / "alone", "together": together, "ended": ended, "left": left, "parted": parted}
    return found | {"said": second.stdout, "warned": second.stderr}


@pytest.mark.parametrize("name", ["feature_net", "both", "joint", "single", "float32"])
def test_two_processes_have_the_losses_of_one(trained, name):
    paths = [sorted(trained[who].glob(f"{name}-s0-*/log.csv")) for who in ("alone", "together")]
    assert paths[0]
    for logs in zip(*paths, strict=True):
        alone, together = (pd.read_csv(path) for path in logs)
        pd.testing.assert_frame_equal(alone, together, rtol=FLOAT32 if name == "float32" else EXACT, atol=0)
        losses = together["feature_net_total" if name == "feature_net" else "total"]
        assert losses.is_unique and len(losses) >= 3, "it learns: no two steps are one"
        assert name != "float32" or 0 < together["masked"].iloc[-1] < 1, "the masks take part"


def test_running_statistics_are_those_of_the_whole_batch(trained):
    """Those of the depth network show in no loss of a training."""
    folders = [next(trained[who].glob("both-*")) for who in ("alone", "together")]
    alone, together = (load_file(folder / "network.safetensors") for folder in folders)
    running = [name for name in alone if "running_" in name]
    assert running
    for name in running:
        torch.testing.assert_close(together[name], alone[name], rtol=1e-6, atol=1e-9)


def test_a_training_whose_process_dies_goes_on_in_both(trained):
    assert trained["ended"].returncode != 0 and "exitcode  : 9 " in trained["ended"].stderr
    assert "state.pt" in trained["left"] and "done.json" not in trained["left"]
    told = [json.loads((trained["together"] / f"second-{rank}.json").read_text())["steps"] for rank in (0, 1)]
    assert told == [[3, 4], []], "from the state of step 2, and told by one process"
    [whole] = trained["together"].glob("both-*")
    first, second = (load_file(folder / "network.safetensors") for folder in (whole, trained["parted"]))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    done = json.loads((trained["parted"] / "done.json").read_text())
    assert done["processes"] == 2 and done["steps"] == 4
    assert not (trained["parted"] / "state.pt").exists()


def test_nan_in_the_sample_of_one_process_stops_both(trained):
    said = [json.loads((trained["together"] / f"second-{rank}.json").read_text())["said"] for rank in (0, 1)]
    assert said[0] == said[1] and "(samples pair3, …)" in said[0], "the other one's half is finite"


def test_the_command_speaks_writes_and_tells_an_error_once(trained):
    for line in ("training baseline: done, 4 steps", "trained: ", "next: "):
        assert trained["said"].count(line) == 1, trained["said"]
    assert trained["said"].count("3 pairs of stereo") == 2, "once in each of two calls"
    # the batch that could not be parted is all that was wrong
    [told] = trained["warned"].strip().splitlines()
    assert "schedule.batch_size=3 cannot be shared evenly by 2 processes" in told and "start 1 or 3" in told
    [folder] = (trained["together"] / "by command").iterdir()
    files = {path.name for path in folder.iterdir()} - {".lock"}
    assert files == {"experiment.json", "network.safetensors", "log.csv", "done.json"}


def test_an_interrupt_ends_all_and_is_told_once(pairs, tmp_path):
    words = command("-m", "lowtex_lab.cli", *train(pairs, tmp_path, "--steps", "100000"))
    with subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            for line in run.stdout:
                if "training baseline: " in line:
                    break
            children = psutil.Process(run.pid).children(recursive=True)
            run.send_signal(signal.SIGTERM)
            error = run.communicate(timeout=200)[1]
        finally:
            run.kill()
    assert run.returncode != 0 and error.count("lowtex: interrupted") == 1, error
    assert len(children) == 2
    until = time.monotonic() + 20
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
        assert time.monotonic() < until, "a process is left"
        time.sleep(0.1)


def test_a_share_that_does_not_part_evenly_is_refused(monkeypatch):
    """It would be parted with a pair left over, which no step would learn from."""
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "0")
    processes.check_share("schedule.batch_size", 12, 3)
    with pytest.raises(OptionError, match=r"=12 cannot be .* 4 processes in 2 parts \(.*start 1 or 2 or 3 or 6, or"):
        processes.check_share("schedule.batch_size", 12, 2)


def test_other_commands_are_started_by_themselves(monkeypatch, capsys):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["doctor"]) == cli.BAD_INPUT
    assert "start lowtex doctor by itself" in capsys.readouterr().err
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert cli.main(["doctor"]) == cli.BAD_INPUT
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("left", "message"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2 is in the environment, but no launcher started this process; unset"),
        ({"WORLD_SIZE": "abc"}, "WORLD_SIZE=abc must be a whole number >= 1; unset WORLD_SIZE"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "but MASTER_ADDR and MASTER_PORT of a launch are not; unset WORLD_SIZE"),
    ],
)
def test_what_a_launch_left_in_the_environment_is_one_line(monkeypatch, capsys, left, message):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in left.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["train", "baseline", "--profile", "smoke"]) == cli.BAD_INPUT
    [line] = capsys.readouterr().err.splitlines()
    assert message in line and "accelerate launch" in line


def test_a_launch_that_starts_one_process_instead_of_several_is_refused(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    processes.check_launch()
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(OptionError, match="started one process only.*--multi_gpu"):
        processes.check_launch()


def test_a_folder_that_another_machine_does_not_see_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(DataError, match="process 1 on .* does not see .*experiment.json.*shared file system"):
        processes.wait_for_file(tmp_path / "experiment.json", seconds=0.1)
