"""Bars of trainings side by side: what they say, and that a notebook without a person gets lines instead."""

from lowtex_lab.notebook import bars


def test_every_training_has_a_line_and_the_time_left_is_for_all():
    states = {
        "feature_net-s0-650667aaf730": "done in 41 s",
        "encoder-s0": "training encoder, seed 0: 50/200 steps (25 %), about 2 min 05 s left; loss 0.1234",
        "ours-s0": "waiting",
        "zncc-s0": "training zncc, seed 0: done, 200 steps in 40 s; loss 0.1000",
        "census-s1": "FAILED after 3 s: state.pt is damaged",
    }
    *lines, last = bars.bars_text(states, 90.0).splitlines()
    names = ["feature network, seed 0", "encoder, seed 0", "ours, seed 0", "zncc, seed 0", "census, seed 1"]
    assert [line.split(" █")[0].split(" ░")[0].rstrip() for line in lines] == names
    assert [line.count("█") for line in lines] == [20, 5, 0, 20, 20]
    assert lines[1].endswith("50/200 steps (25 %), about 2 min 05 s left; loss 0.1234"[:50])
    assert lines[4].endswith("state.pt is damaged")
    # 3.25 of 5 done in 90 s, so 48 s to come
    assert last == "2 of 5 trainings ended after 1 min 30 s, about 48 s left"
    assert max(map(len, lines)) <= 100


def test_one_display_is_updated(monkeypatch):
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data["text/plain"])

    monkeypatch.setattr(bars, "display", lambda data, raw, display_id: shown.append(data["text/plain"]) or Handle())
    show = bars.TrainingBars()
    show({"ours-s0": "waiting"})
    show({"ours-s0": "done in 3 s"})
    assert "waiting" in shown[0] and "1 of 1 training ended" in shown[1] and len(shown) == 2
