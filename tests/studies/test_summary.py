"""The README's tables and verdicts: from rows, with their spread, and the same as the committed rows say."""

from itertools import product

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

STRATA = {("none", "all"): 1, ("known", "low"): 2, ("known", "middle"): 1, ("known", "high"): 0.5}
"""How many times the whole image's error each has."""


class Made:
    """Evidence with these errors, experiment -> one a seed; noise by image; RMSE falls as AbsRel rises."""

    budget, profile = "200 steps", "study"

    def __init__(self, errors, noise=0.01, steps=200):
        self.errors, self.noise, self.steps = errors, noise, steps

    def seeds(self, name):
        return tuple(range(len(self.errors.get(name, ()))))

    def present(self, names):
        return [name for name in names if name in self.errors]

    def missing(self, names):
        return [name for name in names if name not in self.errors]

    def records(self):
        return pd.DataFrame({"experiment": ["ours"], "steps": [self.steps]})

    def scores(self, names, split="test"):
        random, parts = np.random.default_rng(0), []
        for name, ((kind, stratum), times) in product(names, STRATA.items()):
            for seed, error in enumerate(self.errors[name]):
                noisy = times * error * random.normal(1, self.noise, (1, 12))
                one = rows_of({name: noisy}, stratum, kind).assign(seed=seed)
                parts.append(one.assign(rmse=2 / one["abs_rel"] ** 0.1))
        return pd.concat(parts)


TWO = {"baseline": [0.2, 0.3], "ours": [0.1]}


def sixteen_cells() -> dict[str, list[float]]:
    """Errors of the factorial's cells: features have 0.7 of those of pixels, and some cells a seed more than others."""
    errors = {name: [0.14 if "-features-" in name else 0.2] * 3 for name in design().experiments}
    return errors | {name: [0.2] * 4 for name in errors if name.startswith("resnet-pixels")}


def test_means_and_deviations_over_seeds():
    table = summary.main_table(Made(TWO, noise=0))
    first, second = table.to_dict("records")
    assert first["row"].startswith("`baseline`") and second["row"].startswith("`ours`")
    assert first["all"] == "0.250 ± 0.071" and first["low texture"] == "0.500 ± 0.141"
    assert second["all"] == "0.100 (one seed)" and second["high texture"] == "0.050 (one seed)"
    assert (first["seeds"], second["seeds"], first["images"]) == (2, 1, "12")


def test_effects_are_ratios_with_verdicts_over_the_seeds_that_every_cell_has():
    table = summary.effects_table(Made(sixteen_cells()))
    assert list(table.columns) == ["change", *summary.EFFECTS, "seeds", "images"] and set(table["seeds"]) == {3}
    by_change = table.set_index("change")
    mine = by_change.loc[summary.CHANGES["data term"]]
    assert mine["AbsRel, all pixels"].startswith("0.70") and mine["AbsRel, all pixels"].endswith("helps")
    assert mine["RMSE, all pixels"].startswith("1.03"), "an error that weighs other pixels may go the other way"
    other = by_change.loc[summary.CHANGES["skips"], "AbsRel, low texture"]
    assert other.startswith(("1.0", "0.99")) and other.endswith("no difference seen")
    assert summary.effects_table(Made(TWO)).empty


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
    made = Made(sixteen_cells() | {"ours": [0.14] * 3, "baseline": [0.2] * 3})
    gain, changes, loss = summary.answers(made, made)
    assert "makes 0.70 (" in gain and gain.endswith("better (3 seeds, 12 images of the miniature, 200 steps).")
    assert "feature maps instead of pixels (0.699 times) lowers" in changes and changes.count("instead of") == 4
    assert changes.endswith("; 3 seeds, 12 images, 200 steps.")
    assert changes.index("no gain in low texture can be shown") < changes.index("iResNet instead of ResNet (")
    assert "is 1.04 (" in loss and loss.endswith("worse.")
    made.errors.pop("iresnet-features-both-nested")
    _, lacking, again = summary.answers(made, made)
    assert lacking.startswith("No rows yet of 1 of 16 cells") and "nested --profile study` trains" in lacking
    assert again == loss


def test_rows_of_several_lengths_are_one_sentence():
    lengths = {"": 0.18, "-200-steps": 0.14, "-400-steps": 0.16}
    made = Made({f"ours{length}": [error] * 2 for length, error in lengths.items()}, noise=0, steps=800)
    made.errors |= {f"baseline{length}": [0.2] * 2 for length in lengths}
    [told] = summary.by_length(made)
    assert "0.70 after 200 steps, 0.80 after 400 steps and 0.90 after 800 steps (2 seeds, 12 images)." in told
    assert summary.by_length(Made(dict.fromkeys(["ours", "baseline"], [0.2]), steps=800)) == []


def test_the_one_table_has_the_miniature_and_real_frames():
    made = Made(TWO, noise=0)
    alone = summary.one_table(made, None)
    assert alone["row"].tolist() == ["`baseline`", "`ours`"] and alone["RMSE, m"].tolist()[1].startswith("2.518")
    lines = [("baseline", "none", "all", "abs_rel", 0.19), ("baseline", "gradient", "low", "abs_rel", 0.18)]
    lines += [("reference: mean map", "none", "all", "abs_rel", 0.183), ("baseline", "none", "all", "d1_all", 0.4)]
    real = pd.DataFrame(lines, columns=["experiment", "stratum_kind", "stratum", "metric", "value"])
    start = np.where(real["experiment"] == "baseline", START["scratch"], NO_PICTURE)
    table = summary.one_table(made, real.assign(start=start, protocol="kitti_2015", images=19, seed=0))
    assert table["row"].tolist() == ["`baseline`", "`ours`", "reference: mean map"]
    first, second, last = table.to_dict("records")
    assert [first[f"real: {name}"] for name in ("AbsRel", "low texture", "D1-all")] == ["0.190", "0.180", "0.400"]
    assert (first["seeds"], last["seeds"], last["real: AbsRel"]) == ("2", "–", "0.183")
    assert second["real: AbsRel"] == "–" == last["low texture"]


def test_the_files_show_what_is_committed():
    for name, found in blocks().items():
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        assert summary.with_blocks(text, found) == text, f"{name}: run `make readme`"
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
