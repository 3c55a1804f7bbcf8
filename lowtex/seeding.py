"""Randomness: one seeded generator per purpose, so that adding a draw in one place changes no other."""

import hashlib
import random

import numpy as np
import torch


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed that depends on ``seed`` and on the words in ``purpose``, on any machine alike."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator for one purpose, e.g. ``generator(0, "shuffle", epoch)``; a GPU's draws other numbers."""
    return torch.Generator(device).manual_seed(derive_seed(seed, *purpose))


def numpy_generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A numpy generator for one purpose."""
    return np.random.default_rng(derive_seed(seed, *purpose))


def seed_everything(seed: int, *purpose: str | int) -> None:
    """Seed the global generators; used only just before a network's weights are drawn."""
    value = derive_seed(seed, *purpose)
    random.seed(value)
    np.random.seed(value % 2**32)  # noqa: NPY002 - libraries that draw from the global state
    torch.manual_seed(value)
