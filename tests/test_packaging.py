"""pyproject.toml, requirements.lock, environment.yml, CITATION.cff and the Makefile say the same thing."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import lowtex.metrics
from tools.make_lock import canonical, closure, lock_text, wanted

IMPORTED_AS = {"yaml": "pyyaml", "cv2": "opencv-python-headless", "IPython": "ipython", "PIL": "pillow"}


@pytest.fixture(scope="module")
def project(repository) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_dependency_has_a_lower_bound_that_the_lock_meets(project):
    installed = closure(wanted(project))
    for requirement in wanted(project):
        bounds = list(requirement.specifier)
        assert [bound.operator for bound in bounds] == [">="], f"{requirement} needs exactly one lower bound"
        assert installed[canonical(requirement.name)] in requirement.specifier, f"the lock does not meet {requirement}"


def test_the_lock_is_what_make_lock_writes(repository):
    """Sorted, pinned without build tags, all that the dependencies need and no more, in the versions installed."""
    kept = (repository / "requirements.lock").read_text(encoding="utf-8")
    assert kept == lock_text(), "run `make setup` or `make lock`"


def test_environment_installs_from_the_same_lock(repository, project):
    environment = yaml.safe_load((repository / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == project["project"]["name"]
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    [pip] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == ["--requirement requirements.lock", "--editable ."]
    [python] = [entry for entry in plain if entry.startswith("python=")]
    assert Version(python.partition("=")[2]) in Requirement(f"python{project['project']['requires-python']}").specifier
    assert all("=" not in entry for entry in plain if entry != python), "versions are pinned in requirements.lock alone"


def undeclared_imports(folder: Path, texts: list[str]) -> dict[str, str]:
    declared = {canonical(Requirement(text).name) for text in texts}
    undeclared = {}
    for path in folder.rglob("*.py"):
        for name in (full.partition(".")[0] for full in imported(path)):
            known = canonical(IMPORTED_AS.get(name, name)) in declared
            if not known and name not in ("lowtex", "lowtex_lab") and name not in sys.stdlib_module_names:
                undeclared.setdefault(name, path.name)
    return undeclared


def test_every_import_of_the_packages_is_a_declared_dependency(repository, project):
    core, lab = project["project"]["dependencies"], project["project"]["optional-dependencies"]["lab"]
    assert not undeclared_imports(repository / "lowtex", core), "the core works without lowtex[lab]"
    assert not undeclared_imports(repository / "lowtex_lab", core + lab)


def test_citation_names_the_paper_and_this_version(repository, project):
    citation = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == project["project"]["version"] == lowtex.__version__
    assert citation["license"] == project["project"]["license"] == "MIT"
    [paper] = citation["references"]
    assert paper["doi"] == "10.3390/rs13091673"
    assert (paper["journal"], paper["volume"], paper["issue"], paper["year"]) == ("Remote Sensing", 13, 9, 2021)
    assert [set(author) for author in paper["authors"]] == [{"family-names"}] * 4, "first names are not known"


def test_package_data_covers_every_data_file(repository, project):
    for package in ("lowtex", "lowtex_lab"):
        patterns = project["tool"]["setuptools"]["package-data"][package]
        suffixes = {pattern.removeprefix("**/*") for pattern in patterns}
        for path in (repository / package).rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                assert any(path.name.endswith(suffix) for suffix in suffixes), f"{path} would not be installed"


@pytest.mark.parametrize("folder", ["lowtex", "lowtex_lab", "notebooks", "tests", "tools", "benchmarks", ".ci"])
def test_no_path_of_one_machine(repository, folder):
    machine = re.compile(r"(?<![\w.~-])/(?:work|root|home|tmp|Users)/\w")
    found = []
    for path in (repository / folder).rglob("*"):
        if path.suffix in (".py", ".ipynb", ".sh", ".csv", ".json", "") and path.is_file() and ".git" not in path.parts:
            lines = path.read_text(encoding="utf-8", errors="ignore").splitlines()
            found += [f"{path}:{number}" for number, line in enumerate(lines, 1) if machine.search(line)]
    assert not found


def test_make_help_lists_every_target(repository):
    listed = subprocess.run(["make", "-s", "help"], cwd=repository, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (repository / "Makefile").read_text(encoding="utf-8"), re.M).group(1)
    assert {"setup", "reproduce", "test", "lab", "lint", "clean"} <= set(phony.split())
    for target in phony.split():
        assert f"make {target} " in listed


def test_setup_without_a_usable_python_says_what_to_do(repository, tmp_path):
    """In a copy with no .venv and no python on the path."""
    (tmp_path / "tools").mkdir()
    for name in ("tools/setup.sh", "requirements.lock"):
        (tmp_path / name).write_bytes((repository / name).read_bytes())
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("bash", "dirname", "grep"):
        source = next(Path(folder) / name for folder in ("/usr/bin", "/bin") if (Path(folder) / name).exists())
        (commands / name).symlink_to(source)
    old = commands / "python3"
    old.write_text("#!/bin/bash\nexit 1\n")
    old.chmod(0o755)
    words = [commands / "bash", tmp_path / "tools" / "setup.sh"]
    done = subprocess.run(words, env={"PATH": str(commands)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "python 3.11 or newer" in done.stderr and "make reproduce PYTHON=" in done.stderr
    assert not (tmp_path / ".venv").exists()


ROOMS = (
    "errors files seeding progress devices options geometry settings profiles data_paths paths provenance "
    "distributed networks datasets losses experiments checkpoints training "
    "evaluation metrics catalog"
).split()
"""Files and folders of lowtex in the order in which data flow: each imports only what stands before it."""


def imported(path: Path) -> set[str]:
    """Full names of all that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_imports_go_one_way(repository):
    wrong = []
    for path in (repository / "lowtex").rglob("*.py"):
        room = path.relative_to(repository / "lowtex").parts[0].removesuffix(".py")
        before = {"", "__version__", room, *(ROOMS[: ROOMS.index(room)] if room != "__init__" else ())}
        for name in imported(path):
            package, _, rest = name.partition(".")
            if package == "lowtex_lab" or (package == "lowtex" and rest.partition(".")[0] not in before):
                wrong.append(f"{path.relative_to(repository)} imports {name}")
    assert not wrong


def test_metrics_keep_the_name_that_others_call():
    """All other names of the design's table are imported from where it says by tests and notebooks."""
    assert lowtex.metrics.depth_errors.__name__ == "depth_errors"


def test_ci_calls_make_test_and_nothing_else(repository):
    script = repository / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert lines == ['cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1', "exec make test"]
