"""Small notebooks for tests, written with nbformat."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lowtex.files import write_text

PARAMETERS = 'profile = "paper"\nseed = 0\nrun_dir = ""\ndata_root = ""\ndevice = "auto"'

RECORD = """\
import json, os, sys
from lowtex.paths import package_folder, shown
record = {{"notebook": {name!r}, "status": "done", "python": shown(sys.executable), "facts": {{}}, "files": []}}
record |= {{"wall_s": 0.1, "finished": "2026-01-01T00:00:00Z", "given": answer}}
record["package_folder"] = str(package_folder())
with open(os.environ["LOWTEX_RESULT"], "w") as file: json.dump(record, file)"""
"""What `NotebookRun.finish` does, without the two seconds that importing torch takes."""


def write_notebook(path: Path, *cells: str, parameters: str = "answer = 1", finish: bool = True) -> Path:
    """A notebook with a parameters cell, the code cells given, and a last cell that leaves the record."""
    sources = [*cells, *([RECORD.format(name=path.stem)] if finish else [])]
    notebook = new_notebook(
        cells=[
            new_markdown_cell(f"# {path.stem}", id="title"),
            new_code_cell(f"{PARAMETERS}\n{parameters}", id="parameters", metadata={"tags": ["parameters"]}),
            *(new_code_cell(source, id=f"cell-{number}") for number, source in enumerate(sources)),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    write_text(path, nbformat.writes(notebook))
    return path
