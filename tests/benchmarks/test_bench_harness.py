"""Turns, medians, comparisons and choices of the harness, with a clock that is told what to say."""

import math
from dataclasses import replace
from itertools import repeat

import pytest
import torch

from benchmarks import harness
from benchmarks.harness import Contest, Contestant, Disagreement, Subject, asked, chosen, compared, race
from lowtex.errors import LowtexError

SUBJECT = Subject("loss", "thing", "ResNet-18 + U-Net", 4, 192, 640, "of wool")


class World:
    """A clock that only contestants move, by so many seconds a call, and the order in which they were called."""

    def __init__(self, **seconds):
        self.now, self.order = 0.0, []
        self.seconds = {name: iter(own if isinstance(own, list) else repeat(own)) for name, own in seconds.items()}

    def clock(self):
        return self.now

    def make(self, conditions, subject, name):
        def run():
            self.order.append(name)
            self.now += next(self.seconds[name])
            return {"loss": torch.tensor(2.0)}

        return Contestant(run)


def contest(world, names=("yardstick", "kit", "kit_bf16"), **options):
    return Contest(SUBJECT, names, world.make, dict.fromkeys(names[1:], 1e-3), **options)


def test_every_round_runs_each_contestant_once_and_medians_are_of_the_rounds_alone(conditions, monkeypatch):
    world = World(yardstick=0.5, kit=[90.0, 1.0, 9.0, 1.0], kit_bf16=0.125)
    monkeypatch.setattr(harness, "keep_freed_memory", lambda: world.order.append("memory is kept"))
    result = race(contest(world, round_s=1e9), conditions, 3, world.clock)
    # the warm-up calls each twice, to see how long a call lasts once all is set up, but a slow one once
    assert world.order[:6] == ["memory is kept", *["yardstick"] * 2, "kit", *["kit_bf16"] * 2]
    assert world.order[6:] == ["yardstick", "kit", "kit_bf16"] * 3
    assert result.seconds["kit"] == [1.0, 9.0, 1.0] and result.median("kit") == 1.0
    assert result.difference == {"kit": 0.0, "kit_bf16": 0.0}


def test_short_calls_are_timed_several_at_a_time_and_items_are_counted(conditions):
    world = World(yardstick=0.03, kit=0.006)
    result = race(contest(world, ("yardstick", "kit")), conditions, 3, world.clock)
    assert world.order.count("kit") == 2 + 3 * math.ceil(harness.MEASURED_S / 0.006)
    assert result.median("kit") == pytest.approx(0.006)

    def make(*told):
        made = world.make(*told)
        return Contestant(made.run, items=3)

    result = race(Contest(SUBJECT, ("kit",), make), conditions, 3, world.clock)
    assert result.median("kit") == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("call", "smoke", "rounds"),
    [(1.0, True, 7), (5.0, True, 6), (8.0, True, 3), (0.1, False, 28), (1.0, False, 15), (10.0, False, 3)],
)
def test_slow_contests_get_fewer_rounds_and_short_ones_more(conditions, call, smoke, rounds):
    world = World(kit=call)
    contest = Contest(SUBJECT, ("kit",), world.make, round_s=30.0)
    assert len(race(contest, replace(conditions, smoke=smoke), 7, world.clock).seconds["kit"]) == rounds


def test_threads_are_as_before_afterwards(conditions):
    seen = []

    def make(*told):
        return Contestant(lambda: seen.append(torch.get_num_threads()) or {})

    race(Contest(SUBJECT, ("kit",), make, threads=2), conditions, 3)
    assert set(seen) == {2} and torch.get_num_threads() == 1


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"loss": 1.02}, r"differ by 2\.0e-02, and 1e-02 is allowed"),
        ({"loss": float("nan")}, "differ by inf"),
        ({"gradient": 1.0}, "yardstick gives loss 1, kit gradient 1"),
        ({}, "kit nothing"),
    ],
)
def test_a_disagreement_is_an_error(values, told):
    one = Contest(SUBJECT, ("yardstick", "kit"), None, {"kit": 1e-2})
    with pytest.raises(Disagreement, match=told) as caught:
        compared(one, {"yardstick": {"loss": 1.0}, "kit": values})
    assert "thing, ResNet-18 + U-Net, batch 4, 640x192" in str(caught.value)
    assert isinstance(caught.value, LowtexError)


def test_what_is_asked_for():
    every = [
        Contest(SUBJECT, ("kit",), None),
        Contest(Subject("step", "whole step", "IResNet-50 + nested", 12, 128, 416), ("kit",), None, long=True),
    ]
    assert chosen(every, []) == every[:1], "long ones only where they are asked for"
    assert chosen(every, ["step"]) == every[1:] and chosen(every, ["loss"]) == every[:1]
    assert chosen(every, ["step+416x128", "WOOL"]) == every and chosen(every, ["step+640x192"]) == []
    assert not asked(Subject("profile", "profile of a step"), ["step"]) and asked(SUBJECT, ["thing"])
    assert asked(SUBJECT, ["resnet-18 + u-net"]) and not asked(SUBJECT, ["+"])


def test_agreement_is_told_by_contestant():
    one = Contest(SUBJECT, ("yardstick", "kit", "kit_bf16"), None, {"kit": 1e-2, "kit_bf16": 0.5})
    values = {"yardstick": {"loss": 2.0, "g": 1.0}, "kit": {"loss": 2.0, "g": 1.001}, "kit_bf16": {"loss": 2.5, "g": 1}}
    assert compared(one, values) == pytest.approx({"kit": 1e-3, "kit_bf16": 0.25})
