"""The README's tables and verdicts: from rows, with their spread, and the same as the committed rows say."""

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of

from lowtex.data_paths import REPOSITORY
from lowtex_lab.studies import summary
from lowtex_lab.studies.claims import FAILS, HOLDS
from lowtex_lab.studies.real_frames import NO_PICTURE, START
from lowtex_lab.studies.tables import design
from tools.readme_table import blocks


class Made:
    """Evidence of two rows; errors of each image by seed."""

    errors = {"baseline": (0.2, 0.3), "ours": (0.1,)}

    def present(self, names):
        return [name for name in names if name in self.errors]

    def scores(self, names, split="test"):
        parts = []
        for seed, error in enumerate(self.errors[names[0]]):
            for stratum, times in (("all", 1), ("low", 2), ("middle", 1), ("high", 0.5)):
                kind = "none" if stratum == "all" else "known"
                scores = rows_of({names[0]: np.full((1, 4), times * error)}, stratum, kind)
                parts.append(scores.assign(seed=seed))
        return pd.concat(parts)


def test_means_and_deviations_over_seeds():
    table = summary.main_table(Made())
    assert list(table.columns) == ["row", "all", "low texture", "middle", "high texture", "seeds", "images"]
    first, second = table.to_dict("records")
    assert first["row"].startswith("`baseline`") and second["row"].startswith("`ours`")
    assert first["all"] == "0.250 ± 0.071" and first["low texture"] == "0.500 ± 0.141"
    assert second["all"] == "0.100 (one seed)" and second["high texture"] == "0.050 (one seed)"
    assert (first["seeds"], second["seeds"], first["images"]) == (2, 1, "4")


class MadeFactorial:
    """Evidence of the sixteen cells: one change takes a share of the error away, and one seed lacks a cell."""

    gain, profile = {"data term": 0.7}, "study"

    def __init__(self, lacking: str = ""):
        self.lacking = lacking

    def seeds(self, name):
        return () if name == self.lacking else (0, 1, 2, 3) if name.startswith("resnet-pixels") else (0, 1, 2)

    def missing(self, names):
        return [name for name in names if not self.seeds(name)]

    def scores(self, names):
        random, parts, cells = np.random.default_rng(0), [], design()
        for name in names:
            new = {factor: level == cells.factors[factor][1] for factor, level in cells.cells[name].items()}
            error = 0.2 * np.prod([share for factor, share in self.gain.items() if new[factor]])
            for seed in self.seeds(name):
                for kind, stratum in (("none", "all"), ("known", "low")):
                    noisy = error * random.normal(1, 0.01, (1, 12))
                    one = rows_of({name: noisy}, stratum, kind).assign(seed=seed)
                    parts.append(one.assign(rmse=2 / one["abs_rel"] ** 0.1))
        return pd.concat(parts)


def test_effects_are_ratios_with_verdicts_over_the_seeds_that_every_cell_has():
    table = summary.effects_table(MadeFactorial())
    assert list(table.columns) == ["change", *summary.EFFECTS, "seeds", "images"] and set(table["seeds"]) == {3}
    by_change = table.set_index("change")
    mine = by_change.loc[summary.CHANGES["data term"]]
    assert mine["AbsRel, all pixels"].startswith("0.70") and mine["AbsRel, all pixels"].endswith("helps")
    assert mine["RMSE, all pixels"].startswith("1.03"), "an error that weighs other pixels may go the other way"
    other = by_change.loc[summary.CHANGES["skips"], "AbsRel, low texture"]
    assert other.startswith(("1.0", "0.99")) and other.endswith("no difference seen")
    assert summary.effects_table(MadeFactorial(lacking="iresnet-features-both-nested")).empty


def test_claims_are_listed_by_verdict_and_told_below():
    claims = pd.DataFrame({"claim": ["a", "b", "c"], "verdict": [FAILS, HOLDS, FAILS], "mark": ["✗", "✓", "✗"]})
    claims["sentence"] = claims["claim"] + " has 0.71 times the error."
    said = summary.claims_list(claims)
    assert said.startswith(f"- ✓ **{HOLDS}** (1): b\n- ✗ **{FAILS}** (2): a; c\n\n<details>")
    assert said.endswith("- ✗ *c*: c has 0.71 times the error.\n\n</details>")
    claims.loc[3] = ["d", "not tested on KITTI; the miniature says: yes", "○", "s"]
    assert "a; c\n- ○ **not tested on KITTI; the miniature says: yes** (1): d\n" in summary.claims_list(claims)


def test_blocks_take_the_old_ones_places():
    begin, end = "<!-- one: `make readme` -->", "<!-- end of one -->"
    text = f"before\n{begin}\n| old |\n{end}\nafter"
    assert summary.with_blocks(text, {"one": "| new |"}) == f"before\n{begin}\n| new |\n{end}\nafter"
    with pytest.raises(ValueError, match="end of two"):
        summary.with_blocks(text, {"two": "x"})


def test_three_sentences_say_what_holds_where_from_and_what_gets_worse():
    made = MadeFactorial()
    made.budget, usual = "200 steps", made.scores
    made.scores = lambda names: usual(names) if len(names) == 16 else both
    random, parts = np.random.default_rng(1), []
    for seed in range(3):
        for name, error, far in (("ours", 0.14, 5.5), ("baseline", 0.2, 5.0)):
            for kind, stratum in (("none", "all"), ("known", "low")):
                one = rows_of({name: error * random.normal(1, 0.01, (1, 12))}, stratum, kind)
                parts.append(one.assign(seed=seed, rmse=far * random.normal(1, 0.01, 12)))
    both = pd.concat(parts)
    made.records = lambda: pd.DataFrame({"experiment": ["ours"], "steps": [200]})
    made.missing = lambda names: [name for name in names if name.endswith("-steps") or name == made.lacking]
    gain, changes, loss = summary.answers(made, made)
    assert "makes 0.70 (" in gain and gain.endswith("a gain (3 seeds, 12 images of the miniature, 200 steps).")
    assert "feature maps instead of pixels (0.7" in changes and changes.count("instead of") == 4
    assert changes.endswith(" (3 seeds, 12 images, 200 steps).")
    assert changes.index("no gain can be shown") < changes.index("iResNet instead of ResNet")
    assert "is 1.10 (" in loss and loss.endswith("a loss.")
    made.lacking = "iresnet-features-both-nested"
    assert summary.answers(made, made)[1].startswith("No rows yet of 1 of 16 cells")
    assert "nested --profile study` trains" in summary.answers(made, made)[1]
    assert summary.answers(made, made)[2] == loss


def test_rows_of_several_lengths_are_one_sentence():
    made = MadeFactorial()
    made.records = lambda: pd.DataFrame({"experiment": ["ours"], "steps": [800]})
    made.missing = lambda names: [name for name in names if "-1600-" in name or "-3200-" in name]
    share = {"ours": 0.9, "ours-200-steps": 0.7, "ours-400-steps": 0.8}

    def scores(names):
        parts = [rows_of({name: np.full((1, 12), share.get(name, 1) / 5)}, "low", "known") for name in names]
        return pd.concat(one.assign(seed=seed) for one in parts for seed in (0, 1))

    made.scores = scores
    [told] = summary.by_length(made)
    assert "0.70 after 200 steps, 0.80 after 400 steps and 0.90 after 800 steps (2 seeds, 12 images)." in told
    made.missing = lambda names: [name for name in names if "-steps" in name]
    assert summary.by_length(made) == []


def test_the_one_table_has_the_miniature_and_real_frames():
    made = Made()
    made.scores = lambda names, split="test": Made.scores(made, names, split).assign(rmse=5.0)
    alone = summary.one_table(made, None)
    assert alone["row"].tolist() == ["`baseline`", "`ours`"] and alone["RMSE, m"].str.startswith("5.000").all()
    lines = [("baseline", "none", "all", "abs_rel", 0.19), ("baseline", "gradient", "low", "abs_rel", 0.18)]
    lines += [("reference: mean map", "none", "all", "abs_rel", 0.183), ("baseline", "none", "all", "d1_all", 0.4)]
    real = pd.DataFrame(lines, columns=["experiment", "stratum_kind", "stratum", "metric", "value"])
    start = np.where(real["experiment"] == "baseline", START["scratch"], NO_PICTURE)
    table = summary.one_table(made, real.assign(start=start, protocol="kitti_2015", images=19, seed=0))
    assert table["row"].tolist() == ["`baseline`", "`ours`", "reference: mean map"]
    first, second, last = table.to_dict("records")
    assert (
        first["real: AbsRel"] == "0.190" and first["real: low texture"] == "0.180" and first["real: D1-all"] == "0.400"
    )
    assert (first["seeds"], last["seeds"]) == ("2", "–")
    assert second["real: AbsRel"] == "–" == last["low texture"] and last["real: AbsRel"] == "0.183"


def test_the_files_show_what_is_committed():
    for name, found in blocks().items():
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        assert summary.with_blocks(text, found) == text, f"{name}: run `make readme`"
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
