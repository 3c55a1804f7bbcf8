"""Small notebooks for tests, written with nbformat."""

import base64
import io
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

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


@cache
def png(width: int = 1200, height: int = 400) -> bytes:
    """A smooth picture with many colours, as a map of depth is."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    noise = np.random.default_rng(0).normal(0, 2, (height, width))
    picture = np.stack([255 * x, 255 * y, 127 * (x + y)], -1) + noise[..., None]
    data = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(data, "PNG")
    return data.getvalue()


def write_executed(path: Path, picture: bytes) -> None:
    """A notebook as papermill leaves it: a title, and a cell that has said a number and drawn a picture."""
    said = new_output("stream", text="AbsRel 0.123\n")
    drawn = new_output("display_data", {"image/png": base64.b64encode(picture).decode(), "text/plain": "x"})
    cell = new_code_cell("draw()", outputs=[said, drawn], metadata={"papermill": {"duration": 1}})
    title = new_markdown_cell("# 01 · A title\n\n**Question.** Is it *so*?\n")
    write_text(path, nbformat.writes(new_notebook(cells=[title, cell], metadata={"papermill": {"input_path": "x"}})))
