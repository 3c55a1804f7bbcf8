"""`index.html`: one page that shows a whole run offline, whatever of it is there.

The page holds its figures, so it can be sent as one file; links beside them lead to the files of the run.
"""

import html
from functools import partial
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from lowtex import files
from lowtex.errors import DataError, LowtexError
from lowtex.progress import count
from lowtex_lab.notebook import report_parts as parts
from lowtex_lab.notebook.report_parts import Picture
from lowtex_lab.plots.run_figures import comparable_groups, draw_standing, run_rows, texture_kind
from lowtex_lab.plots.tidy import is_miniature

PICTURE_BUDGET = 13_000_000
"""Bytes of embedded pictures; with tables and texts the page stays below 15 MB."""

MINIATURE_NOTE = (
    "Measured on miniatures: these numbers come from the kit's own small ray-cast world, not from KITTI or Virtual "
    "KITTI. They compare the methods with each other; they must not be set beside published numbers."
)
SUMMARY = "summary_"
"""Beginning of the names of standing figures and tables."""

TITLE = "Self-Supervised Monocular Depth Learning in Low-Texture Areas: a reproduction"


def write_report(run_dir: str | Path, export_notebooks: bool = True) -> Path:
    """Draw the standing figures (those older than the rows) and tables of a run, then write its page; returns the page.

    Raises:
        DataError: some of it could not be made. The page is there all the same and says so.
    """
    run_dir = Path(run_dir)
    problems = []
    for work in (partial(draw_standing, only_missing=True), write_standing_tables):
        try:
            work(run_dir)
        except LowtexError as error:
            problems += [] if str(error) in problems else [str(error)]
    page = write_index(run_dir, export_notebooks=export_notebooks, problems=problems)
    if problems:
        raise DataError(f"{page} is written, but: " + "; ".join(problems))
    return page


def write_standing_tables(run_dir: str | Path) -> list[Path]:
    """The main tables of a run, one for each protocol and data set, from its rows alone; returns the Markdown files."""
    from lowtex.evaluation.tables import table, write_table

    run_dir = Path(run_dir)
    written = []
    for name, rows in comparable_groups(run_rows(run_dir)):
        kind = texture_kind(rows) or "none"
        frame = table(rows, stratum_kind=kind, reported=not is_miniature(rows))
        written.append(write_table(run_dir / "tables" / f"{SUMMARY}{name}", frame)[0])
    return written


def write_index(
    run_dir: str | Path, export_notebooks: bool = False, problems: list[str] | tuple[str, ...] = ()
) -> Path:
    """Write ``<run_dir>/index.html`` from the files that are there; nothing is drawn or measured.

    Args:
        run_dir: the run's folder.
        export_notebooks: also turn executed notebooks into HTML beside them, where that is missing or older.
        problems: what went wrong, to be shown at the top.

    Raises:
        DataError: there is no such folder, or it holds nothing to show.
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise DataError(f"{run_dir} is not the folder of a run; `lowtex run` makes one")
    problems = list(problems)
    records = _records(run_dir, problems)
    rows = _rows(run_dir, problems)
    paths = [p for p in (run_dir / "figures").rglob("*.png") if not p.name.startswith(".")]
    # the summary comes first, also where the page has not room for all
    pictures = [Picture.load(p) for p in sorted(paths, key=lambda p: (not p.name.startswith(SUMMARY), p))]
    tables = _tables(run_dir)
    notebooks = sorted(p for p in (run_dir / "notebooks").glob("*.ipynb") if not p.name.startswith("."))
    failed = [p for p in notebooks if p.name.endswith(".FAILED.ipynb")]
    notebooks = [p for p in notebooks if p not in failed]
    if not (pictures or tables or notebooks or failed or len(rows)):
        raise DataError(f"{run_dir} holds no rows, figures, tables or notebooks; `lowtex run` makes them")
    pages = _export([*notebooks, *failed], problems) if export_notebooks else _existing_pages([*notebooks, *failed])
    width, fitting = parts.embedding_width(pictures, PICTURE_BUDGET)
    widths = {picture.path: width if i < fitting else None for i, picture in enumerate(pictures)}

    sections: list[tuple[str, str, str]] = []
    taken: set[Path] = set()

    def section(identity: str, heading: str, prefix: str | None, before: str = "") -> None:
        own_tables = [t for t in tables if t not in taken and (prefix is None or t.name.startswith(prefix))]
        own_pictures = [
            p for p in pictures if p.path not in taken and (prefix is None or p.path.name.startswith(prefix))
        ]
        taken.update(own_tables, (p.path for p in own_pictures))
        body = [before] if before else []
        for table in own_tables:
            body.append(_table(table, run_dir))
            # a standing table is followed by the figures of the same rows
            group = table.stem.removeprefix(SUMMARY) if prefix == SUMMARY else "\0"
            body += [p.as_html(run_dir, widths[p.path]) for p in own_pictures if p.path.stem.endswith(group)]
            own_pictures = [p for p in own_pictures if not p.path.stem.endswith(group)]
        body += [p.as_html(run_dir, widths[p.path]) for p in own_pictures]
        if body:
            sections.append((identity, heading, "\n".join(body)))

    section("summary", "Results at a glance", SUMMARY)
    for notebook in [*notebooks, *failed]:
        name = notebook.name.split(".")[0]
        broken = notebook in failed
        before = parts.notebook_line(notebook, pages.get(notebook), records.get(name), run_dir, broken)
        heading = name.replace("_", " ") + (" (FAILED)" if broken else "")
        identity = parts.anchor(name) + ("-failed" if broken else "")
        section(identity, heading, "\0" if broken else f"{name[:2]}_", before)
    section("more", "More", None)
    sections.append(("files", "Files", _file_list(run_dir, fitting < len(pictures))))

    template = Template((resources.files("lowtex_lab.notebook") / "templates/index.html").read_text(encoding="utf-8"))
    text = template.substitute(
        title=html.escape(TITLE),
        lead=html.escape(_lead(rows, records, failed)),
        banners="\n".join(_banners(rows, pictures, failed, problems)),
        facts=parts.facts_html(_facts(run_dir, rows, records)),
        navigation="<ul>" + "".join(f'<li><a href="#{i}">{html.escape(h)}</a></li>' for i, h, _ in sections) + "</ul>",
        sections="\n".join(f'<section id="{i}"><h2>{html.escape(h)}</h2>\n{b}\n</section>' for i, h, b in sections),
        footer="Written by lowtex. <code>lowtex figures</code> makes figures and tables again, from the rows alone.",
    )
    files.write_text(run_dir / "index.html", text)
    return run_dir / "index.html"


def _records(run_dir: Path, problems: list[str]) -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted((run_dir / "notebooks").glob("*.result.json")):
        try:
            record = files.read_json(path)
        except DataError as error:
            problems.append(str(error))
            continue
        found[path.name.split(".")[0]] = record if isinstance(record, dict) else {}
    return found


def _rows(run_dir: Path, problems: list[str]) -> pd.DataFrame:
    try:
        return run_rows(run_dir)
    except LowtexError as error:
        if str(error) not in " ".join(problems):
            problems.append(str(error))
        return pd.DataFrame()


def _tables(run_dir: Path) -> list[Path]:
    folder = run_dir / "tables"
    # what the known texture contrast was evaluated on comes first: it is the paper's subject, measured where it is made
    known = [p.stem for p in (run_dir / "figures").glob(f"{SUMMARY}contrast_*.png")]
    first = [f"{SUMMARY}{name.removeprefix(SUMMARY + 'contrast_')}" for name in known]
    markdown = sorted(folder.rglob("*.md"), key=lambda p: (p.stem not in first, p))
    markdown = [p for p in markdown if not p.name.startswith(".")]
    names = {p.with_suffix("") for p in markdown}
    return markdown + [p for p in sorted(folder.rglob("*.csv")) if p.with_suffix("") not in names]


def _table(path: Path, run_dir: Path) -> str:
    heading = path.stem.removeprefix(SUMMARY).replace("_", " ")
    beside = [p for p in (path, path.with_suffix(".csv")) if p.is_file()]
    links = " · ".join(
        f'<a href="{parts.href(p, run_dir)}">{html.escape(p.suffix[1:])}</a>' for p in dict.fromkeys(beside)
    )
    return f'<h3>{html.escape(heading)}</h3>\n{parts.table_html(path)}\n<p class="files">Files: {links}</p>'


def _existing_pages(notebooks: list[Path]) -> dict[Path, Path]:
    return {p: p.with_suffix(".html") for p in notebooks if p.with_suffix(".html").is_file()}


def _export(notebooks: list[Path], problems: list[str]) -> dict[Path, Path]:
    pages = {}
    for path in notebooks:
        page = path.with_suffix(".html")
        try:
            fresh = page.is_file() and page.stat().st_mtime >= path.stat().st_mtime
            pages[path] = page if fresh else parts.export_notebook(path)
        except DataError as error:
            problems.append(str(error))
    return pages


def _banners(rows: pd.DataFrame, pictures: list[Picture], failed: list[Path], problems: list[str]) -> list[str]:
    banners = []
    if failed:
        names = ", ".join(path.name.removesuffix(".FAILED.ipynb") for path in failed)
        texts = [f"Not everything succeeded. Failed: {names}.", "What is shown of them is from before, if anything."]
        banners.append(parts.banner(texts, failed=True))
    if problems:
        banners.append(parts.banner(["This page is not complete:", *problems], failed=True))
    if is_miniature(rows) or any(picture.title.endswith("miniature data") for picture in pictures):
        every = bool(rows["miniature"].astype(bool).all()) if len(rows) else True
        note = MINIATURE_NOTE if every else MINIATURE_NOTE.replace("these numbers come", "the numbers marked so come")
        banners.append(parts.banner([note]))
    return banners


def _lead(rows: pd.DataFrame, records: dict, failed: list[Path]) -> str:
    done = f"{count(len(records), 'notebook')} done" + (f", {len(failed)} failed" if failed else "")
    if rows.empty:
        return f"{done}; no measured rows yet."
    methods, seeds = count(rows["experiment"].nunique(), "method"), count(rows["seed"].nunique(), "seed")
    return f"{done}; {count(len(rows), 'measured row')} of {methods}, {seeds}."


def _facts(run_dir: Path, rows: pd.DataFrame, records: dict[str, dict]) -> dict[str, str]:
    def told(key: str) -> str:
        values = [str(record[key]) for record in records.values() if record.get(key) not in (None, "", {})]
        if not values and key in rows.columns:
            values = [str(value) for value in rows[key].unique()]
        return ", ".join(dict.fromkeys(values))

    settings = {}
    if (run_dir / "run.json").is_file():
        try:
            settings = files.read_json(run_dir / "run.json")
        except DataError:
            pass
    seconds = sum(float(r.get("runner_wall_s") or r.get("wall_s") or 0) for r in records.values())
    data = sorted({f"{k}: {v}" for r in records.values() for k, v in (r.get("data_root") or {}).items()})
    return {
        "Profile": settings.get("profile") or told("profile"),
        "Seeds in the rows": ", ".join(map(str, sorted(rows["seed"].unique()))) if len(rows) else "",
        "Data": ", ".join(data) or "the kit's miniatures",
        "Device": told("device") + (f", {told('threads')} threads" if told("threads") else ""),
        "Commit": told("commit"),
        "Versions": ", ".join(f"{n} {told(k)}" for n, k in
                              (("lowtex", "lowtex_version"), ("torch", "torch_version"), ("Python", "python_version"))
                              if told(k)),
        "Notebooks' wall time": f"{seconds / 60:.1f} min in all" if seconds else "",
        "Finished": max((str(r.get("finished", "")) for r in records.values()), default=""),
    }  # fmt: skip


def _file_list(run_dir: Path, some_linked: bool) -> str:
    rows = sorted({*run_dir.rglob("rows*.csv"), *run_dir.rglob("rows/*.csv")})
    listed = [p for p in rows if not p.name.startswith(".")]
    items = "".join(
        f'<li><a href="{parts.href(p, run_dir)}">{html.escape(p.relative_to(run_dir).as_posix())}</a></li>'
        for p in listed
    )
    note = "<p>Some figures are only linked, to keep this page small.</p>" if some_linked else ""
    measured = f"<p>The measured numbers, one a row:</p>\n<ul>{items}</ul>" if items else "<p>No measured rows yet.</p>"
    settings = '<p>How it was run: <a href="run.json">run.json</a>.</p>' if (run_dir / "run.json").is_file() else ""
    return f"{measured}\n{settings}\n{note}"
