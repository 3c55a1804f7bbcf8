"""Values of settings and options: what a text means, what a type takes, and what an error says."""

import argparse
import math
from collections.abc import Sequence
from typing import Literal

import pytest

from lowtex.datasets import open_dataset
from lowtex.errors import OptionError
from lowtex.options import NonNegativeInt, PositiveFloat, PositiveInt, Share, argument, typed
from lowtex_lab.cli.options import reader_options
from lowtex_lab.cli.train import settings

FOG = str | Sequence[str] | None


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (bool, {"false": False, "False": False, "no": False, "TRUE": True}),
        (float, {"0.01": 0.01, "1": 1.0, "1e-3": 0.001}),
        (float | None, {"None": None, "none": None, "2.5": 2.5}),
        (str | None, {"null": None}),
        (str, {"None": "None", "5": "5"}),
        (Literal[18, 34], {"34": 34}),
        (Literal["a", None], {"None": None}),
        (FOG, {"fog": "fog", "[fog, rain]": ["fog", "rain"]}),
        (Sequence[str], {"('a', 'b')": ["a", "b"]}),
    ],
)
def test_a_text_means_what_it_says(kind, values):
    for text, value in values.items():
        found = typed("--set x", text, kind, from_text=True)
        assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "expected", "texts"),
    [
        (bool, "true or false", ["maybe", "0", "{[1]: 2}"]),
        # the last two are deeper than a parser can follow
        (float, "a number", ["0,01", ".nan", "-inf", "2024-13-45", "[" * 5_000, "-" * 20_000 + "1"]),
        (PositiveFloat, "a number > 0", ["abc", "nan", "1e400"]),
        (int, "a whole number", ["2.0", "0x_", "!!int x"]),
        (PositiveInt, "a whole number >= 1", ["2.0", "9" * 30]),
        (NonNegativeInt, "a whole number >= 0", ["-1"]),
        (Share, "a number >= 0 and <= 1", ["1.5"]),
        (Literal["resnet", "iresnet"], "one of: resnet, iresnet", ["vgg"]),
        (float | None, "a number or None", ["x"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_text_of_another_type_is_refused_with_what_is_expected(kind, expected, texts):
    for text in texts:
        with pytest.raises(OptionError) as error:
            typed("--set part.x", text, kind, from_text=True)
        assert str(error.value) == f"--set part.x={text} must be {expected}"
        with pytest.raises(argparse.ArgumentTypeError, match="must be"):
            argument(kind)(text)


def test_from_python_a_text_is_only_a_text():
    assert typed("x", 1, float) == 1.0 and isinstance(typed("x", 1, float), float), "one key for 1 and 1.0"
    assert type(typed("x", 0.5, PositiveFloat)) is float, "what is saved with weights must be a plain number"
    wrong = {bool: ["false", 1], int: [True, 2.0], float: ["0.5", [1], math.nan], PositiveInt: ["3", 2.0]}
    wrong |= {PositiveFloat: [True, math.inf], Literal[18, 34]: [34.0], str: [None, 5]}
    for kind, value in ((kind, value) for kind, values in wrong.items() for value in values):
        with pytest.raises(OptionError, match="^x=.* must be "):
            typed("x", value, kind)


def test_set_gives_each_setting_its_type():
    words = ["loss.auto_mask=false", "loss.smooth_first=1", "network.metres_per_unit=None", "schedule.precision=bf16"]
    values = {"loss__auto_mask": False, "loss__smooth_first": 1.0, "network__metres_per_unit": None}
    assert settings(words) == values | {"schedule__precision": "bf16"}


def test_reader_options_have_the_types_of_the_readers_signature(tmp_path):
    found = reader_options(["typical_camera=false", "crop=None"], "cityscapes")
    assert found == {"typical_camera": False, "crop": None}
    assert reader_options(["variation=fog", "views=no"], "vkitti2") == {"variation": "fog", "views": False}
    for text, message in {
        "typical_camera=maybe": "--reader typical_camera=maybe must be true or false",
        "size=(96, 320)": "data set 'cityscapes' has no option 'size'; it has: crop, camera",
        "split=val": "has no option 'split'",
        "root=x": "has no option 'root'",
    }.items():
        with pytest.raises(OptionError) as error:
            reader_options([text], "cityscapes")
        assert message in str(error.value)
    with pytest.raises(OptionError, match="^typical_camera='false' must be true or false$"):
        open_dataset("cityscapes", tmp_path, typical_camera="false")
