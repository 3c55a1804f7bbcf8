"""`index.html`: one page that tells what a run found, offline, whatever of it is there.

It begins with the question, the answer and one street; then come the verdicts and a card for each notebook, with its
answer and one figure; everything else is folded, or stands on the notebooks' own pages. Pictures are part of the page,
made smaller; links lead to the files of the run's folder, so send the folder as a whole. Every text is escaped.
"""

import base64
import html
import io
import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import mistune
import pandas as pd
from PIL import Image

from lowtex import files
from lowtex.errors import DataError, LowtexError
from lowtex.paths import RUN_FILE
from lowtex.progress import count
from lowtex_lab.notebook.reference import RECORDS
from lowtex_lab.plots.run_figures import comparable_groups, draw_all, run_rows, texture_kind
from lowtex_lab.plots.tidy import is_miniature, without_hash

SUMMARY = "summary_"
"""Beginning of the names of standing figures and tables."""

FAILED = ".FAILED.ipynb"
"""End of the name of what a failed notebook has come to."""

FORMULA = re.compile(r"`[^`]*`|\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)
"""A formula in Markdown; also inline code, in which a dollar begins none."""

SENTENCES = "16_sentences.csv"
"""The table of verdicts, `lowtex_lab.studies.claims.Judged.sentences`: claim, mark, verdict, sentence."""

HEADLINE = {
    "whole method in low texture": "Is the whole method better where texture is low?",
    "features in low texture": "Is that because it compares feature maps?",
    "clear outlines at plain boundaries": "Are its outlines clearer, too?",
}
"""The claims whose sentences are the answer of the page, each under what a stranger would ask."""

STREET, CELLS = "00_one_street", "09_cells"
"""The page's two large figures."""

LARGE_PX, CARD_PX = 1350, 840
"""Widths of the pictures on the page: twice what they are shown at, at most."""


def write_report(run_dir: str | Path) -> Path:
    """Write the main tables of a run, turn its executed notebooks into HTML where that is missing or older, then write
    its page; returns the page.

    Raises:
        DataError: some of it could not be made. The page is there all the same and says so.
    """
    run_dir = Path(run_dir)
    problems = []
    try:
        write_standing_tables(run_dir)
    except LowtexError as error:
        problems.append(str(error))
    problems += _export_missing(run_dir)
    page = write_index(run_dir, problems)
    if problems:
        raise DataError(f"{page} is written, but: " + "; ".join(problems))
    return page


def write_standing_tables(run_dir: str | Path) -> None:
    """Write the main tables of a run, one for each protocol and data set, from its rows alone."""
    from lowtex.evaluation.results import table, write_table

    for name, rows in comparable_groups(run_rows(run_dir)):
        kind = texture_kind(rows) or "none"
        frame = table(rows, stratum_kind=kind, reported=not is_miniature(rows))
        write_table(Path(run_dir) / "tables" / f"{SUMMARY}{name}", frame)


def write_index(run_dir: str | Path, problems: Sequence[str] = ()) -> Path:
    """Write ``<run_dir>/index.html`` from the files that are there; nothing is drawn or measured.

    Args:
        run_dir: the run's folder.
        problems: what went wrong, to be shown at the top.

    Raises:
        DataError: there is no such folder, or it holds nothing to show.
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise DataError(f"{run_dir} is not the folder of a run; `lowtex run` makes one")
    problems = list(problems)
    try:
        rows = run_rows(run_dir)
    except LowtexError as error:
        rows = pd.DataFrame()
        problems.append(str(error))
    records = dict(_read(run_dir / RECORDS, problems)) if (run_dir / RECORDS).is_file() else {}
    records |= {p.name.split(".")[0]: _read(p, problems) for p in _files(run_dir / "notebooks", "*.result.json")}
    notebooks = sorted(_files(run_dir / "notebooks", "*.ipynb"), key=lambda p: (p.name.endswith(FAILED), p))
    chapters = [_chapter(run_dir, path, records, problems) for path in notebooks]
    listed = {name: _files(run_dir / name, ending) for name, ending in (("figures", "*.png"), ("tables", "*.csv"))}
    listed["rows"] = sorted({*_files(run_dir, "rows*.csv"), *_files(run_dir, "rows/*.csv")})
    if not (chapters or len(rows) or any(listed.values())):
        raise DataError(f"{run_dir} holds no rows, figures, tables or notebooks; `lowtex run` makes them")
    street, cells = (_figure(run_dir / "figures" / f"{name}.png", LARGE_PX, problems) for name in (STREET, CELLS))
    template = _templates(run_dir).get_template("index.html")
    text = template.render(
        headline=HEADLINE,
        verdicts=_verdicts(run_dir, problems),
        street=street,
        cells=cells,
        chapters=chapters,
        data=_data(run_dir, rows),
        rows=rows,
        records=records,
        roots={f"{name}: {folder}" for r in records.values() for name, folder in (r.get("data_root") or {}).items()},
        seconds=sum(float(r.get("runner_wall_s") or r.get("wall_s") or 0) for r in records.values()),
        profile=_read(run_dir / RUN_FILE, []).get("profile"),
        main_tables=_files(run_dir / "tables", f"{SUMMARY}*.md"),
        listed=listed,
        settings=run_dir / RUN_FILE,
        problems=dict.fromkeys(problems),
    )
    files.write_text(run_dir / "index.html", text)
    return run_dir / "index.html"


def export_notebook(path: str | Path) -> Path:
    """Turn an executed notebook into a page of its own beside it, without any script or network; returns the page.

    Raises:
        DataError: the notebook cannot be read.
    """
    path = Path(path)
    # less to import, see lowtex_lab.notebook.runner.PAPERMILL
    sys.modules.setdefault("rfc3987_syntax", None)
    import nbformat
    from nbconvert import HTMLExporter

    try:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = with_mathml(cell.source)
        body, extra = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    except (OSError, ValueError, KeyError, AttributeError, nbformat.reader.NotJSONError) as error:
        raise DataError(f"{path} cannot be shown as a page ({error})") from error
    styles = "\n".join(extra.get("inlining", {}).get("css", [])[:1])
    page = path.with_suffix(".html")
    template = _templates(path.parent).get_template("notebook.html")
    files.write_text(page, template.render(title=path.stem, styles=styles, body=body))
    return page


def _export_missing(run_dir: Path) -> list[str]:
    """Export the notebooks whose page is missing or older; returns what went wrong."""
    # imported once, before `draw_all` forks
    import nbconvert  # noqa: F401

    pages = [(path, path.with_suffix(".html")) for path in _files(run_dir / "notebooks", "*.ipynb")]
    old = [path for path, page in pages if not page.is_file() or page.stat().st_mtime < path.stat().st_mtime]
    outcomes = draw_all([partial(export_notebook, path) for path in old])
    return [str(outcome) for outcome in outcomes if isinstance(outcome, LowtexError)]


def with_mathml(markdown: str) -> str:
    """Markdown with its LaTeX formulas as MathML, which a browser shows without a script from the network."""
    from latex2mathml.converter import convert

    def converted(found: re.Match) -> str:
        if found["display"]:
            return convert(html.unescape(found["display"]), display="block")
        return convert(html.unescape(found["inline"])) if found["inline"] else found[0]

    return FORMULA.sub(converted, markdown)


def sentence_html(text: str) -> str:
    """A sentence as HTML: code between backticks, formulas as MathML, everything else escaped."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", with_mathml(html.escape(text)))


def table_html(path: Path) -> str:
    """A table saved as Markdown as HTML, with the text above it."""
    return mistune.create_markdown(escape=True, plugins=["table"])(path.read_text(encoding="utf-8"))


def table_heading(path: Path) -> str:
    """What a table of `write_standing_tables` holds, from its first line."""
    line = pd.read_csv(path.with_suffix(".csv"), nrows=1, dtype=str, keep_default_na=False).iloc[0]
    scaled = "" if line["scaling"] == "none" else f", scaled by {line['scaling']}"
    name, miniature, _ = line["eval_data"].partition(" (miniature)")
    return f"{without_hash(name)}{miniature}, {Path(line['split']).name} images, by {line['protocol']}{scaled}"


def _templates(root: Path) -> jinja2.Environment:
    """The page's templates; their links are relative to ``root``."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("lowtex_lab.notebook"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters |= {
        "link": lambda path: quote(Path(os.path.relpath(path, root)).as_posix()),
        "count": count,
        "heading": table_heading,
        "sentence": sentence_html,
        "table": table_html,
    }
    return templates


def _files(folder: Path, pattern: str) -> list[Path]:
    """Files anywhere in a folder; not those of a notebook that is at work, which lie in a hidden one."""
    found = folder.rglob(pattern)
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def _read(path: Path, problems: list[str]) -> dict[str, Any]:
    """A JSON file; where it is damaged, that is noted and nothing is known."""
    try:
        content = files.read_json(path)
    except DataError as error:
        problems.append(str(error))
        return {}
    return content if isinstance(content, dict) else {}


def _verdicts(run_dir: Path, problems: list[str]) -> dict[str, dict[str, str]]:
    """Claim -> its line in the table of notebook 16; empty without one."""
    path = run_dir / "tables" / SENTENCES
    if not path.is_file():
        return {}
    try:
        lines = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError:
        problems.append(f"{path} is damaged; run notebook 16 again")
        return {}
    if missing := {"claim", "mark", "verdict", "sentence"} - set(lines):
        problems.append(f"{path} has no column {', '.join(sorted(missing))}; run notebook 16 again")
        return {}
    return {line["claim"]: line for line in lines.to_dict("records")}


def _chapter(run_dir: Path, notebook: Path, records: dict[str, dict], problems: list[str]) -> dict[str, Any]:
    """What the page says of a notebook: ``notebook``, whether it ``failed``, ``title`` and ``question`` from its first
    cell, the ``answer`` of its record, and the ``picture`` that this names (else the first one in it), or ``above``:
    the name of that picture, where it stands large on the page already."""
    name, cells = notebook.name.split(".")[0], _read(notebook, problems).get("cells", [])
    # of a notebook that failed, the record is an earlier run's
    record = {} if notebook.name.endswith(FAILED) else records.get(name, {})
    first = "".join(cells[0]["source"]) if cells else ""
    title = re.search(r"^# +(.+)", first, re.MULTILINE) or ["", name.replace("_", " ")]
    question = re.search(r"^\*\*Question\.\*\* *(.+)", first, re.MULTILINE) or ["", ""]
    chapter = {
        "notebook": notebook,
        "failed": notebook.name.endswith(FAILED),
        "title": title[1],
        "question": question[1].replace("*", ""),
        "answer": record.get("answer"),
    }
    named = run_dir / (record.get("figure") or "none")
    if not named.is_file():
        outputs = (output.get("data", {}) for cell in cells for output in cell.get("outputs", []))
        found = next((data["image/png"] for data in outputs if "image/png" in data), None)
        picture = {"source": _shrunk(base64.b64decode("".join(found)), CARD_PX)} if found else None
        return chapter | {"picture": picture}
    if named.stem in (STREET, CELLS):
        return chapter | {"above": named.stem}
    return chapter | {"picture": _figure(named, CARD_PX, problems)}


def _figure(path: Path, width_px: int, problems: list[str]) -> dict[str, Any] | None:
    """A saved figure: its ``file``, the ``source`` to show and, for whoever cannot read what stands in it, a
    ``caption`` of what was saved beside it in words; None without one."""
    if not path.is_file():
        return None
    card = _read(path.with_suffix(".json"), [])
    caption = ". ".join(" ".join(str(card[name]).split()) for name in ("title", "caption") if card.get(name))
    try:
        return {"source": _shrunk(path.read_bytes(), width_px), "caption": caption, "file": path}
    except OSError:
        # Pillow's own message names the bytes by their address, another one each time
        problems.append(f"{path} is no picture or damaged; run its notebook again")
        return None


def _shrunk(picture: bytes, width_px: int) -> str:
    """A picture as a ``data:`` address, at most so wide.

    Raises:
        OSError: it is damaged.
    """
    small = Image.open(io.BytesIO(picture)).convert("RGB")
    small.thumbnail((width_px, 4 * width_px), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=82)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def _data(run_dir: Path, rows: pd.DataFrame) -> str:
    """``the miniature``, ``real data`` or both: what the run's numbers, or else its figures, were measured on."""
    if rows.empty:
        cards = (_read(path, []) for path in _files(run_dir / "figures", "*.json"))
        titles = (" ".join(str(card.get("title")).split()) for card in cards)
        return "the miniature" if any(title.endswith("miniature data") for title in titles) else ""
    kinds = {True: "the miniature", False: "real data"}
    return " and ".join(kinds[kind] for kind in (True, False) if (rows["miniature"].astype(bool) == kind).any())
