"""Where to compute."""

import torch

from lowtex.errors import OptionError, require_choice

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(name: str = "auto") -> torch.device:
    """The torch device of an option's value; ``auto`` is a GPU where there is one.

    Raises:
        OptionError: an unknown value, or a GPU was asked for and none is visible.
    """
    require_choice("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise OptionError("device=cuda was asked for but no GPU is visible; use cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
