"""Every notebook keeps to the conventions, so that all read alike, run headless, and leave no trace in git."""

import ast
import re
import symtable
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml

from lowtex_lab.notebook import graph
from lowtex_lab.notebook.runner import parameters_of

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
COMMON = {"profile": "quick", "seed": 0, "run_dir": "", "data_root": "", "device": "auto"}
FORBIDDEN = yaml.safe_load(Path(__file__).with_name("forbidden.yaml").read_text())


@cache
def load(path: Path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def python_of(source: str) -> str:
    """Without the lines that are IPython's own (magics), which ast can't read."""
    return "\n".join("pass" if line.lstrip().startswith("%") else line for line in source.splitlines())


def test_the_folder_and_the_table_agree():
    assert [path.stem for path in NOTEBOOKS] == [node.name for node in graph.NOTEBOOKS]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def test_no_outputs_and_stable_ids(path):
    notebook = load(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    for cell in code_cells(notebook):
        assert cell.outputs == [] and cell.execution_count is None, "run `make strip`"
        assert set(cell.metadata) <= {"tags"}, f"cell {cell.id} carries {dict(cell.metadata)}"
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids))
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert set(notebook.metadata.get("language_info", {})) <= {"name"}


def test_first_cell_follows_the_template(path):
    first = load(path).cells[0]
    assert first.cell_type == "markdown"
    lines = first.source.splitlines()
    assert re.match(rf"# {path.name[:2]} · \S", lines[0]), "title: number · name"
    assert any(line.startswith("**Question.** ") and "?" in first.source for line in lines)
    assert "**You will learn**" in lines
    assert [line[:3] for line in lines if re.match(r"\d\. ", line)] == ["1. ", "2. ", "3. "], "three goals"
    rows = dict(re.findall(r"^\| (Needs|Running time|Files|Paper) \| (.+) \|$", first.source, re.M))
    assert list(rows) == ["Needs", "Running time", "Files", "Paper"]
    assert "quick: " in rows["Running time"] and "standard: " in rows["Running time"]


def test_parameters_cell(path):
    found = parameters_of(path)
    assert {name: found.get(name) for name in COMMON} == COMMON
    assert list(found)[: len(COMMON)] == list(COMMON), "the common ones come first"
    assert all(type(value) in (str, int, float, bool, list, type(None)) for value in found.values())
    tagged = [c for c in load(path).cells if "parameters" in c.metadata.get("tags", [])]
    assert [load(path).cells.index(c) for c in tagged] == [1], "right after the first cell"


def globals_of(functions: list) -> set[str]:
    """What functions, and those inside them, take from the notebook."""
    return set().union(*({*one.get_globals()} | globals_of(one.get_children()) for one in functions))


def test_no_later_cell_takes_away_what_a_slider_draws_from(path):
    """A person moves it after the last cell has run, and an error in a move is shown nowhere."""
    cells = code_cells(load(path))
    tables = [symtable.symtable(python_of(cell.source), cell.id, "exec") for cell in cells]
    for place, (cell, table) in enumerate(zip(cells, tables, strict=True)):
        # what is gathered in passing has been read when the slider appears
        defined = [one for one in table.get_children() if not one.get_name().endswith(("comp", "genexpr"))]
        kept = globals_of(defined) if "explore(" in cell.source else set()
        for later in tables[place + 1 :]:
            assigned = {one.get_name() for one in later.get_symbols() if one.is_assigned() and not one.is_imported()}
            assert not kept & assigned, f"the slider of cell {cell.id} reads {', '.join(sorted(kept & assigned))}"


def test_code_teaches_and_does_not_build(path):
    for cell in code_cells(load(path)):
        tree = ast.parse(python_of(cell.source), f"{path.name}, cell {cell.id}")
        classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        assert not classes, f"cell {cell.id} defines {classes}: that belongs into the package"
        stars = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and any(a.name == "*" for a in n.names)]
        assert not stars, f"cell {cell.id} imports *"


@pytest.mark.parametrize("pattern", FORBIDDEN, ids=lambda p: FORBIDDEN[p].split(";")[0].replace(" ", "-"))
def test_nothing_forbidden(path, pattern):
    for cell in code_cells(load(path)):
        found = re.search(pattern, cell.source, re.M)
        assert not found, f"cell {cell.id}: {found.group()!r} {FORBIDDEN[pattern]}"


def test_starts_and_finishes_by_the_helper(path):
    notebook = load(path)
    starts = [cell for cell in code_cells(notebook) if "notebook.start(" in cell.source]
    [start] = starts
    call = re.search(r'notebook\.start\(\s*"(\d\d)"', start.source)
    assert call and call.group(1) == path.name[:2]
    for name in COMMON:
        assert re.search(rf"\b{name}={name}\b", start.source), f"start() gets {name}"
    finishes = [cell.id for cell in code_cells(notebook) if re.search(r"\brun\.finish\(", cell.source)]
    assert finishes == [notebook.cells[-1].id], "run.finish() is called in the last cell and only there"


def test_ends_with_findings_exercises_and_folded_solutions(path):
    prose = "\n".join(cell.source for cell in load(path).cells[-8:] if cell.cell_type == "markdown")
    assert re.search(r"^## Exercises?$", prose, re.M)
    exercises, _, solutions = prose.partition("<details>")
    assert "<summary>" in solutions and "</details>" in solutions
    asked = re.findall(r"^\d\. ", exercises.partition("## Exercise")[2], re.M)
    answered = re.findall(r"^\d\. ", solutions, re.M)
    assert 2 <= len(asked) <= 3 and asked == answered


@pytest.mark.parametrize("kind", ["figure", "table"])
def test_files_are_named_after_the_notebook(path, kind):
    names = []
    for cell in code_cells(load(path)):
        for call in ast.walk(ast.parse(python_of(cell.source))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == f"run.{kind}":
                given = {keyword.arg: keyword.value for keyword in call.keywords}
                name = call.args[1] if len(call.args) > 1 else given["name"]
                # a name made in a loop is an f-string: its beginning is what counts
                names.append(name.value if isinstance(name, ast.Constant) else ast.unparse(name).lstrip("f'\""))
    assert names or kind == "table", "a notebook leaves at least one figure"
    for name in names:
        assert name.startswith(f"{path.name[:2]}_"), f"{name!r} does not begin with the notebook's number"
    assert len(names) == len(set(names)), "two cells write one file"
