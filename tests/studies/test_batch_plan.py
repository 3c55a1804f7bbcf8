"""The ablation's plan and its processes: what is to be done, in which order, what a failure stops; no training."""

import time

import pytest

from lowtex.errors import OptionError
from lowtex.experiments import GROUPS, VARIANTS, factorial, get_profile
from lowtex_lab.studies import batch as ablation_batch
from lowtex_lab.studies.batch import Place, make_plan, parse_numbers, run_plan, select, splits_of

SMOKE = get_profile("smoke")


def test_seeds_are_read_and_wrong_ones_named():
    assert parse_numbers("--seeds", "3, 0,5-6,6") == [3, 0, 5, 6]
    for wrong in ("", "a", "3-1", "1-", "1.5"):
        with pytest.raises(OptionError, match="--seeds .* must read 0-4"):
            parse_numbers("--seeds", wrong)


def test_names_are_chosen_by_group_and_singly_each_once():
    assert select(["factorial"]) == list(factorial())
    assert select(["rivals"], ["ours", "census"]) == [*GROUPS["rivals"], "ours"]
    assert select() == list(VARIANTS)


def test_what_is_there_to_be_chosen_from_never_sees_a_test_scene(tmp_path):
    place, to_choose = Place(tmp_path, tmp_path, "smoke"), {*GROUPS["curve"], *GROUPS["course"], *GROUPS["recipes"]}
    assert {splits_of(name, place) for name in to_choose} == {("val",)}
    assert {splits_of(name, place) for name in VARIANTS if name not in to_choose} == {("val", "test")}


def test_a_plan_has_each_training_once_and_feature_networks_first(tmp_path):
    place = Place(tmp_path, tmp_path, "smoke")
    plan, done = make_plan(place, list(VARIANTS), (0, 1), SMOKE, {"data__source": "miniature:x"})
    trainings = [task for task in plan if task.entries]
    assert done == 0 and len({task.experiment.key for task in trainings}) == len(trainings)
    assert sum(len(task.entries) for task in trainings) == 2 * len(VARIANTS)
    ours = next(task for task in trainings if "ours" in [entry.name for entry in task.entries])
    assert [entry.name for entry in ours.entries] == ["ours", "iresnet-features-both-nested", "features-smooth-0.001"]
    assert [entry.splits for entry in ours.entries] == [("val", "test"), ("val", "test"), ("val",)]
    # whole seeds one after the other; within a seed what others wait for comes first
    assert [task.experiment.seed for task in plan] == sorted(task.experiment.seed for task in plan)
    first = [task for task in plan if task.experiment.seed == 0]
    networks = [task.gives for task in first if task.gives]
    assert [task.gives for task in first[: len(networks)]] == networks and len(set(networks)) == len(networks)
    # shared maps, zero padding, maps as they are, FeatDepth's (both); random and joint ones need no training before
    assert len(networks) == 4
    by_name = {entry.name: task for task in first for entry in task.entries}
    assert by_name["random-features"].needs == by_name["features-joint"].needs == by_name["census"].needs == ""
    assert by_name["ours"].needs == by_name["squeeze-excite"].needs == by_name["ours"].experiment.feature_net_key


FAKE = """
import json, os, sys, time
given = json.loads(sys.argv[1])
name = next(iter(given["splits"]), "network")
with open(os.environ["TOLD"], "a", buffering=1) as file:
    file.write(f"begin {name} {os.environ['OMP_NUM_THREADS']}\\n")
    time.sleep(float(os.environ.get("LASTS", "0.05")))
    file.write(f"end {name}\\n")
if name == os.environ.get("DIES"):
    os.kill(os.getpid(), 9)
if name == os.environ.get("FAILS"):
    sys.exit("something is wrong\\n")
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """``fake(names, jobs, **environment)``: run a plan with a stand-in for the work; what failed, and what it told."""
    (tmp_path / "fake_work.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    monkeypatch.setattr(ablation_batch, "POLL_S", 0.01)

    def run(names, jobs, tell=lambda line: None, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        place = Place(tmp_path, tmp_path, "smoke", threads=3)
        plan, _ = make_plan(place, names, (0,), SMOKE, {"data__source": "miniature:x"})
        failed = run_plan(place, plan, jobs, tell, module="fake_work")
        return failed, (tmp_path / "told").read_text().splitlines()

    return run


def test_processes_run_side_by_side_and_wait_for_their_feature_network(fake, tmp_path):
    lines = []
    failed, told = fake(["ours", "encoder_features", "baseline", "encoder"], 2, lines.append, LASTS="0.3")
    assert failed == {}
    events = [line.split() for line in told]
    assert {event[2] for event in events if event[0] == "begin"} == {"3"}
    begun, ended = ({event[1]: i for i, event in enumerate(events) if event[0] == what} for what in ("begin", "end"))
    assert sorted(begun) == ["baseline", "encoder", "encoder_features", "network", "ours"]
    assert begun["ours"] > ended["network"] and begun["encoder_features"] > ended["network"]
    assert begun["baseline"] < ended["network"]
    at_once = [sum(1 if e[0] == "begin" else -1 for e in events[: i + 1]) for i in range(len(events))]
    assert max(at_once) == 2
    assert len(lines) == 5 and lines[0].startswith("[1/5]") and lines[-1].startswith("[5/5]")
    assert "to come" in lines[0] and "to come" not in lines[-1]
    assert not list((tmp_path / "ablation" / "logs").iterdir()), "logs of what went well are not kept"


def test_a_failure_stops_only_what_needs_it(fake, tmp_path):
    failed, told = fake(["ours", "baseline", "census", "encoder_features"], 1, FAILS="network", DIES="baseline")
    assert set(failed) == {"baseline-s0", "ours-s0", "encoder_features-s0", next(k for k in failed if "feature_" in k)}
    assert failed["baseline-s0"].startswith("killed by signal 9")
    assert failed["ours-s0"] == "its feature network failed: something is wrong"
    assert [line for line in told if line.startswith("end")] == ["end network", "end baseline", "end census"]
    assert "something is wrong" in next((tmp_path / "ablation" / "logs").glob("feature_net*")).read_text()


def test_an_interrupted_batch_ends_its_processes(fake, tmp_path):
    def interrupt(line):
        raise KeyboardInterrupt

    began = time.monotonic()
    lasts = 'float(os.environ.get("LASTS", "0.05"))'
    (tmp_path / "fake_work.py").write_text(FAKE.replace(lasts, '0.05 if name == "baseline" else 60'))
    with pytest.raises(KeyboardInterrupt):
        fake(["baseline", "encoder"], 2, interrupt)
    assert time.monotonic() - began < 20
    assert "end encoder" not in (tmp_path / "told").read_text()
