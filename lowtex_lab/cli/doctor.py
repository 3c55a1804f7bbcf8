"""`lowtex doctor`."""

import argparse
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("torch", "numpy", "opencv-python-headless", "accelerate", "jupyterlab", "papermill", "snakemake")
NEEDED_DISK_GB = 2.0
NEEDED_MEMORY_GB = 4.0


def doctor(options: argparse.Namespace) -> int:
    """Says what is installed and where, looks at the data sets as `lowtex data status` does (those named by --data,
    else those in data/NAME of the checkout, else the miniatures) and at what has been run. Nothing is changed. The exit
    code is 0 if the quick profile can be run here.

    example:
      lowtex doctor
      lowtex doctor --data kitti=~/kitti_raw
    """
    from lowtex.data_paths import parse_roots
    from lowtex_lab.cli.checking import wrapped
    from lowtex_lab.cli.status import print_status

    named = parse_roots(options.data)
    problems: list[str] = []
    for title, look in (("software", _software), ("machine", _machine), ("notebooks", _notebooks), ("results", _runs)):
        print(f"\n{title}")
        for name, text in look(problems):
            print("\n".join(wrapped(f"{name:<23} {text}", 2, 26)))
    print("\ndata")
    problems += print_status(named)
    print("\nto mend:" if problems else "\nall is there for `lowtex run` (profile quick)")
    for problem in problems:
        print(f"  - {problem}")
    return 1 if problems else 0


def _software(problems: list[str]) -> Iterable[tuple[str, str]]:
    import lowtex
    from lowtex.paths import shown

    yield "lowtex", f"{lowtex.__version__}, in {Path(lowtex.__file__).parent}"
    yield "python", f"{platform.python_version()}, {shown(sys.executable)}"
    for name in PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield name, "MISSING"
            problems.append(f"{name} is not installed: run `make setup`")


def _machine(problems: list[str]) -> Iterable[tuple[str, str]]:
    import psutil
    import torch

    from lowtex.data_paths import REPOSITORY
    from lowtex.datasets.cache import free_memory
    from lowtex.provenance import device_name

    yield "processor", f"{device_name('cpu')}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used"
    gpu = "none that torch sees; the quick profile does not need one"
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        gpu = f"{torch.cuda.get_device_name()}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    yield "GPU", gpu
    free = free_memory()
    yield "memory", f"{free / 1e9:.1f} of {psutil.virtual_memory().total / 1e9:.1f} GB free"
    if free < NEEDED_MEMORY_GB * 1e9:
        problems.append(f"less than {NEEDED_MEMORY_GB:g} GB of memory is free: close something")
    disk = shutil.disk_usage(REPOSITORY)
    yield "disk", f"{disk.free / 1e9:.1f} of {disk.total / 1e9:.1f} GB free"
    if disk.free < NEEDED_DISK_GB * 1e9:
        problems.append(f"less than {NEEDED_DISK_GB:g} GB of disk is free: make room, or run with --run-dir elsewhere")


def _notebooks(problems: list[str]) -> Iterable[tuple[str, str]]:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    from lowtex.paths import notebooks_folder, shown
    from lowtex_lab.notebook import graph
    from lowtex_lab.notebook.runner import KERNEL

    missing = [node.name for node in graph.NOTEBOOKS if not (notebooks_folder() / f"{node.name}.ipynb").is_file()]
    number = len(graph.NOTEBOOKS)
    yield "sources", f"{number - len(missing)} of {number} in {shown(notebooks_folder())}"
    if missing:
        problems.append(f"notebooks are missing ({', '.join(missing)}): restore them with git")
    try:
        folder = KernelSpecManager().get_kernel_spec(KERNEL).resource_dir
    except NoSuchKernel:
        yield "kernel", "MISSING"
        problems.append(f"there is no Jupyter kernel {KERNEL!r}: run `make setup`")
        return
    yield "kernel", f"{KERNEL} in {shown(folder)}"
    if not Path(folder).is_relative_to(sys.prefix):
        yield "", f"a kernel of another Python has this name; `lowtex run` uses {shown(sys.executable)} all the same"


def _runs(problems: list[str]) -> Iterable[tuple[str, str]]:
    from lowtex.data_paths import REPOSITORY
    from lowtex.paths import shown

    folders = sorted(path.parent for path in (REPOSITORY / "results").glob("*/run.json"))
    if not folders:
        yield "none yet", "`make reproduce` makes results/quick"
    for folder in folders:
        for what, pattern in (("done", "*.result.json"), ("FAILED", "*.FAILED.ipynb")):
            if numbers := sorted(path.name[:2] for path in (folder / "notebooks").glob(pattern)):
                yield shown(folder), f"notebooks {what}: {' '.join(numbers)}"
        for path in sorted((folder / "experiments").glob("*/done.json")):
            yield "", f"trained: {path.parent.name}"
