"""Where a number comes from: versions, commit, device, time. Written beside every row and every training."""

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache

import torch

import lowtex
from lowtex.data_paths import REPOSITORY


@cache
def commit() -> str:
    """The checkout's commit, with ``+changes`` where the package differs from it; empty outside git.

    ``unknown`` where git is missing, too slow, or does not trust the folder's owner: no reason to lose a result.
    """
    if not (REPOSITORY / ".git").exists():
        return ""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "lowtex", "lowtex_lab")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head + ("+changes" if changed else "")


def device_name(device: str | torch.device = "auto") -> str:
    """The processor or card of a device that was used; ``auto`` is a GPU where there is one."""
    if str(device) != "cpu" and torch.cuda.is_available():
        return torch.cuda.get_device_name(None if device == "auto" else device)
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        models = []
    return models[0] if models else platform.processor() or platform.machine()


def provenance(device: str | torch.device = "auto") -> dict[str, str | int]:
    """Versions, commit, thread count, the time now (UTC), and the name of the ``device`` that was used."""
    return {
        "lowtex_version": lowtex.__version__,
        "commit": commit(),
        "torch_version": torch.__version__,
        "python_version": platform.python_version(),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=10
    ).stdout.strip()
