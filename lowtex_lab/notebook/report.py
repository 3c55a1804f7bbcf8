"""`index.html`: one page that shows a whole run offline, whatever of it is there.

It links to the figures, the tables, the rows and the executed notebooks of the run's folder; send the folder as a
whole. Every text on it is escaped by Jinja.
"""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import mistune
import pandas as pd

from lowtex import files
from lowtex.errors import DataError, LowtexError
from lowtex.paths import RUN_FILE
from lowtex.progress import count
from lowtex_lab.plots.run_figures import comparable_groups, draw_standing, run_rows, texture_kind
from lowtex_lab.plots.tidy import is_miniature

SUMMARY = "summary_"
"""Beginning of the names of standing figures and tables."""

FAILED = ".FAILED.ipynb"
"""End of the name of what a failed notebook has come to."""

FORMULA = re.compile(r"`[^`]*`|\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)
"""A formula in Markdown; also inline code, in which a dollar begins none."""


@dataclass
class Section:
    """A part of the page: the summary, one notebook with what it made, or what belongs to no notebook.

    Attributes:
        title: its heading; a link leads to it.
        notebook: the executed notebook, if the section is of one.
        record: what that notebook's last cell wrote; empty without one.
        tables, figures: files that are shown in it.
    """

    title: str
    notebook: Path | None = None
    record: dict[str, Any] = field(default_factory=dict)
    tables: list[Path] = field(default_factory=list)
    figures: list[Path] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """The notebook did not run to its end."""
        return self.notebook is not None and self.notebook.name.endswith(FAILED)


def write_report(run_dir: str | Path) -> Path:
    """Draw the standing figures (those older than the rows) and tables of a run, turn its executed notebooks into HTML
    where that is missing or older, then write its page; returns the page.

    Raises:
        DataError: some of it could not be made. The page is there all the same and says so.
    """
    run_dir = Path(run_dir)
    problems = []
    for work in (partial(draw_standing, only_missing=True), write_standing_tables, _export_missing):
        try:
            work(run_dir)
        except LowtexError as error:
            problems += [] if str(error) in problems else [str(error)]
    page = write_index(run_dir, problems)
    if problems:
        raise DataError(f"{page} is written, but: " + "; ".join(problems))
    return page


def write_standing_tables(run_dir: str | Path) -> list[Path]:
    """The main tables of a run, one for each protocol and data set, from its rows alone; returns the Markdown files."""
    from lowtex.evaluation.results import table, write_table

    run_dir = Path(run_dir)
    written = []
    for name, rows in comparable_groups(run_rows(run_dir)):
        kind = texture_kind(rows) or "none"
        frame = table(rows, stratum_kind=kind, reported=not is_miniature(rows))
        written.append(write_table(run_dir / "tables" / f"{SUMMARY}{name}", frame)[0])
    return written


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
    records = {p.name.split(".")[0]: _read(p, problems) for p in _files(run_dir / "notebooks", "*.result.json")}
    try:
        rows = run_rows(run_dir)
    except LowtexError as error:
        rows = pd.DataFrame()
        problems += [] if str(error) in " ".join(problems) else [str(error)]
    notebooks = sorted(_files(run_dir / "notebooks", "*.ipynb"), key=lambda p: (p.name.endswith(FAILED), p))
    sections = _sections(run_dir, notebooks, records)
    if not (notebooks or len(rows) or any(s.figures or s.tables for s in sections)):
        raise DataError(f"{run_dir} holds no rows, figures, tables or notebooks; `lowtex run` makes them")
    cards = {figure: _card(figure) for section in sections for figure in section.figures}
    text = (
        _templates(run_dir)
        .get_template("index.html")
        .render(
            sections=sections,
            cards=cards,
            failed=[section.title for section in sections if section.failed],
            problems=problems,
            miniature=is_miniature(rows) or any(card["title"].endswith("miniature data") for card in cards.values()),
            all_miniature=rows.empty or bool(rows["miniature"].astype(bool).all()),
            facts=_facts(run_dir, rows, records),
            rows=sorted({*_files(run_dir, "rows*.csv"), *_files(run_dir, "rows/*.csv")}),
            settings=run_dir / RUN_FILE,
        )
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


def _export_missing(run_dir: Path) -> None:
    failures = []
    for notebook in _files(run_dir / "notebooks", "*.ipynb"):
        page = notebook.with_suffix(".html")
        try:
            if not page.is_file() or page.stat().st_mtime < notebook.stat().st_mtime:
                export_notebook(notebook)
        except DataError as error:
            failures.append(str(error))
    if failures:
        raise DataError("; ".join(failures))


def with_mathml(markdown: str) -> str:
    """Markdown with its LaTeX formulas as MathML, which a browser shows without a script from the network."""
    from latex2mathml.converter import convert

    def converted(found: re.Match) -> str:
        if found["display"]:
            return convert(found["display"], display="block")
        return convert(found["inline"]) if found["inline"] else found[0]

    return FORMULA.sub(converted, markdown)


def table_html(path: Path) -> str:
    """A saved table as HTML: ``.md`` with the text above it, or ``.csv``."""
    if path.suffix == ".md":
        return mistune.create_markdown(escape=True, plugins=["table"])(path.read_text(encoding="utf-8"))
    return pd.read_csv(path).to_html(index=False, border=0, na_rep="", float_format="{:.4g}".format)


def fact_text(value: Any) -> str:
    """A recorded fact in a few words."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {fact_text(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(fact_text(part) for part in value)
    return str(value)


def _templates(root: Path) -> jinja2.Environment:
    """The page's templates; their links are relative to ``root``."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("lowtex_lab.notebook"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters |= {
        "link": lambda path: quote(Path(os.path.relpath(path, root)).as_posix()),
        "id": lambda text: re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-"),
        "heading": lambda path: path.stem.removeprefix(SUMMARY).replace("_", " "),
        "beside": lambda path: sorted(p for p in path.parent.glob(f"{path.stem}.*") if p.suffix != ".json"),
        "table": table_html,
        "fact": fact_text,
    }
    return templates


def _sections(run_dir: Path, notebooks: list[Path], records: dict[str, dict]) -> list[Section]:
    """Every figure and table in the section of its notebook, whose number its name begins with."""
    summary, more = Section("Results at a glance"), Section("More")
    by_number, sections = {}, []
    for notebook in notebooks:
        name = notebook.name.split(".")[0]
        section = Section(name.replace("_", " "), notebook, records.get(name, {}))
        sections.append(section)
        by_number.setdefault(name[:2], section)
    tables = _files(run_dir / "tables", "*.md")
    tables += [p for p in _files(run_dir / "tables", "*.csv") if p.with_suffix(".md") not in tables]
    for kind, found in (("tables", tables), ("figures", _files(run_dir / "figures", "*.png"))):
        for path in found:
            section = summary if path.name.startswith(SUMMARY) else by_number.get(path.name[:2], more)
            getattr(section, kind).append(path)
    return [s for s in (summary, *sections, more) if s.notebook or s.tables or s.figures]


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


def _card(figure: Path) -> dict[str, str]:
    """Title and caption from the file that was saved beside a figure; one without it is named after its file."""
    card = _read(figure.with_suffix(".json"), [])
    title, caption = card.get("title") or figure.stem.replace("_", " "), card.get("caption") or ""
    return {"title": " ".join(str(title).split()), "caption": " ".join(str(caption).split())}


def _facts(run_dir: Path, rows: pd.DataFrame, records: dict[str, dict]) -> dict[str, str]:
    """Where the numbers come from; what is not known is empty."""

    def told(key: str) -> str:
        values = [record[key] for record in records.values() if record.get(key) not in (None, "", {})]
        if not values and key in rows.columns:
            values = list(rows[key].unique())
        return ", ".join(dict.fromkeys(map(str, values)))

    seconds = sum(float(r.get("runner_wall_s") or r.get("wall_s") or 0) for r in records.values())
    data = {f"{name}: {folder}" for r in records.values() for name, folder in (r.get("data_root") or {}).items()}
    versions = {"lowtex": told("lowtex_version"), "torch": told("torch_version"), "Python": told("python_version")}
    return {
        "Done": count(len(records), "notebook"),
        "Measured rows": f"{len(rows):,}" if len(rows) else "none yet",
        "Profile": _read(run_dir / RUN_FILE, []).get("profile") or told("profile"),
        "Seeds in the rows": ", ".join(map(str, sorted(rows["seed"].unique()))) if len(rows) else "",
        "Data": ", ".join(sorted(data)) or "the kit's miniatures",
        "Device": told("device") + (f", {told('threads')} threads" if told("threads") else ""),
        "Commit": told("commit"),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items() if version),
        "Notebooks' wall time": f"{seconds / 60:.1f} min in all" if seconds else "",
        "Finished": max((str(r.get("finished", "")) for r in records.values()), default=""),
    }
