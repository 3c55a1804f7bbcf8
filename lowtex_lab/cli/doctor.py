"""`lowtex doctor`."""

import argparse
import importlib.metadata
import os
import platform
import shutil
import sys
import textwrap
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

    named = parse_roots(options.data)
    problems = [*_software(), *_machine(), *_notebooks()]
    problems += _data(named)
    _runs()
    if problems:
        print("\nto mend:")
        for problem in problems:
            print(f"  - {problem}")
        return 1
    print("\nall is there for `lowtex run` (profile quick)")
    return 0


def _software() -> list[str]:
    import lowtex
    from lowtex.paths import shown

    _title("software")
    _line("lowtex", f"{lowtex.__version__}, in {Path(lowtex.__file__).parent}")
    _line("python", f"{platform.python_version()}, {shown(sys.executable)}")
    problems = []
    for name in PACKAGES:
        try:
            _line(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            _line(name, "MISSING")
            problems.append(f"{name} is not installed: run `make setup`")
    return problems


def _machine() -> list[str]:
    import psutil
    import torch

    from lowtex.data_paths import REPOSITORY
    from lowtex.datasets.cache import free_memory
    from lowtex.provenance import device_name

    _title("machine")
    problems = []
    _line("processor", f"{device_name('cpu')}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used")
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        _line("GPU", f"{torch.cuda.get_device_name()}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free")
    else:
        _line("GPU", "none that torch sees; the quick profile does not need one")
    free = free_memory()
    _line("memory", f"{free / 1e9:.1f} of {psutil.virtual_memory().total / 1e9:.1f} GB free")
    if free < NEEDED_MEMORY_GB * 1e9:
        problems.append(f"less than {NEEDED_MEMORY_GB:g} GB of memory is free: close something")
    disk = shutil.disk_usage(REPOSITORY)
    _line("disk", f"{disk.free / 1e9:.1f} of {disk.total / 1e9:.1f} GB free")
    if disk.free < NEEDED_DISK_GB * 1e9:
        problems.append(f"less than {NEEDED_DISK_GB:g} GB of disk is free: make room, or run with --run-dir elsewhere")
    return problems


def _notebooks() -> list[str]:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    from lowtex.paths import notebooks_folder, shown
    from lowtex_lab.notebook import graph
    from lowtex_lab.notebook.runner import KERNEL

    _title("notebooks")
    missing = [node.name for node in graph.NOTEBOOKS if not (notebooks_folder() / f"{node.name}.ipynb").is_file()]
    _line("sources", f"{len(graph.NOTEBOOKS) - len(missing)} of {len(graph.NOTEBOOKS)} in {shown(notebooks_folder())}")
    problems = [f"notebooks are missing ({', '.join(missing)}): restore them with git"] if missing else []
    try:
        spec = KernelSpecManager().get_kernel_spec(KERNEL)
    except NoSuchKernel:
        _line("kernel", "MISSING")
        return [*problems, f"there is no Jupyter kernel {KERNEL!r}: run `make setup`"]
    inside = Path(spec.resource_dir).is_relative_to(sys.prefix)
    _line("kernel", f"{KERNEL} in {shown(spec.resource_dir)}")
    if not inside:
        print(
            f"{'':18}a kernel of another Python has this name; `lowtex run` uses {shown(sys.executable)} all the same"
        )
    return problems


def _data(named: dict[str, Path]) -> list[str]:
    from lowtex.data_paths import miniature_folder
    from lowtex.profiles import PROFILES
    from lowtex_lab.cli.status import print_status
    from lowtex_lab.miniature.store import is_written, manifest_of

    _title("data")
    problems = print_status(named)
    print("\nminiatures")
    for profile in (name for name in PROFILES if PROFILES[name].miniature_frames):
        there = is_written(miniature_folder(profile), manifest_of(profile))
        _line(f"miniature, {profile}", "there" if there else f"not yet; `lowtex data miniature --profile {profile}`")
    return problems


def _runs() -> None:
    from lowtex.data_paths import REPOSITORY
    from lowtex.paths import shown
    from lowtex_lab.notebook import graph

    _title("results")
    folders = sorted(path.parent for path in (REPOSITORY / "results").glob("*/run.json"))
    if not folders:
        print("  none yet; `make reproduce` makes results/quick")
    for folder in folders:
        done = {path.name.split(".")[0][:2] for path in (folder / "notebooks").glob("*.result.json")}
        failed = sorted(path.name[:2] for path in (folder / "notebooks").glob("*.FAILED.ipynb"))
        trained = sorted(path.parent.name for path in (folder / "experiments").glob("*/done.json"))
        known = [node.number for node in graph.NOTEBOOKS if node.number in done]
        text = f"notebooks done: {' '.join(known) or 'none'}" + (f"; FAILED: {' '.join(failed)}" if failed else "")
        _line(shown(folder), text)
        for name in trained:
            _line("", f"trained: {name}")


def _title(text: str) -> None:
    print(f"\n{text}")


def _line(name: str, text: str) -> None:
    first, *more = textwrap.wrap(text, 92, break_long_words=False, break_on_hyphens=False) or [""]
    print(f"  {name:<23} {first}")
    for line in more:
        print(f"  {'':<23} {line}")
