"""Pieces of the results page: every text escaped, every picture with its caption as alternative text."""

import base64
import csv
import html
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from PIL import Image

from lowtex import files
from lowtex.errors import DataError, LowtexError
from lowtex_lab.notebook.fast_start import leave_out_address_grammar

WIDTHS = (1350, 1000, 760)
"""Pixels across that embedded figures are tried at until the page is small enough."""

FEW = 16
"""Pictures that are shrunk to guess what all would take."""

_LONG_CELL = 60


@dataclass
class Picture:
    """A figure of the run: its PNG, what its card says, and the files beside it."""

    path: Path
    title: str = ""
    caption: str = ""
    beside: list[Path] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> "Picture":
        """Read the card beside ``path``; a figure without one is named after its file."""
        card = {}
        try:
            card = files.read_json(path.with_name(f"{path.stem}.json"))
        except LowtexError:
            pass
        own = [p for p in sorted(path.parent.glob(f"{path.stem}.*")) if p.suffix in (".pdf", ".csv", ".npz")]
        title = str(card.get("title") or path.stem.replace("_", " ")) if isinstance(card, dict) else path.stem
        caption = str(card.get("caption") or "") if isinstance(card, dict) else ""
        return cls(path, " ".join(title.split()), " ".join(caption.split()), own)

    def as_html(self, root: Path, width: int | None) -> str:
        """A ``<figure>``; ``width`` embeds the picture at no more than that, None only links to it."""
        link = href(self.path, root)
        source = embedded(self.path, width) if width else link
        words = ". ".join(part.rstrip(".") for part in (self.title, self.caption) if part)
        others = " · ".join(f'<a href="{href(p, root)}">{html.escape(_kind(p))}</a>' for p in [self.path, *self.beside])
        return (
            f'<figure id="{html.escape(anchor(self.path.stem))}">\n'
            f'<a href="{link}"><img src="{source}" alt="{html.escape(words)}" loading="lazy"></a>\n'
            f'<figcaption><span class="words">{html.escape(words)}. </span>Files: {others}</figcaption>\n</figure>'
        )


def embedded(path: Path, width: int) -> str:
    """A PNG as a data URI, at most ``width`` pixels across; the file itself where it is small enough."""
    return _embedded(path, path.stat().st_mtime_ns, width)


@lru_cache(maxsize=1024)
def _embedded(path: Path, changed: int, width: int) -> str:
    content = path.read_bytes()
    with Image.open(path) as image:
        if image.width > width:
            image = image.convert("RGB").resize((width, round(image.height * width / image.width)), Image.LANCZOS)
            buffer = BytesIO()
            image.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
            content = min(content, buffer.getvalue(), key=len)
    return "data:image/png;base64," + base64.b64encode(content).decode()


def embedding_width(pictures: Iterable[Picture], budget: int) -> tuple[int, int]:
    """The width at which to embed, and how many of the pictures then fit into ``budget`` bytes.

    A width at which a few pictures already say that all would be far too large is passed over, because shrinking a
    picture costs a tenth of a second.
    """
    pictures = list(pictures)
    few = pictures[:: max(1, len(pictures) // FEW)]
    fitting, width = 0, WIDTHS[0]
    # Pillow's work runs beside other threads
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for width in WIDTHS:

            def size(picture: Picture, width: int = width) -> int:
                return len(embedded(picture.path, width))

            expected = sum(pool.map(size, few)) * len(pictures) / max(1, len(few))
            if len(few) < len(pictures) and expected > 1.2 * budget and width != WIDTHS[-1]:
                continue
            used = list(accumulate(pool.map(size, pictures)))
            fitting = sum(so_far <= budget for so_far in used)
            if fitting == len(pictures):
                break
    return width, fitting


def href(path: Path, root: Path) -> str:
    """A relative link from the page to a file below it, quoted."""
    return quote(path.relative_to(root).as_posix())


def anchor(text: str) -> str:
    """A name for an element that a link can point to."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-") or "part"


def table_html(path: Path) -> str:
    """A saved table (``.md`` with its text, or ``.csv``) as HTML; numbers stand right, long texts wrap."""
    if path.suffix == ".md":
        caption, header, rows, right = parse_markdown(path.read_text(encoding="utf-8"))
    else:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        caption, header, rows = "", lines[0] if lines else [], lines[1:]
        right = [all(_is_number(row[i]) for row in rows if i < len(row)) for i in range(len(header))]
    return grid(header, rows, right, caption)


def grid(header: list[str], rows: Iterable[list[str]], right: list[bool], caption: str = "") -> str:
    """A table with a heading row; ``right`` says which columns hold numbers."""
    right = [*right, *[False] * len(header)]

    def attribute(index: int, cell: str) -> str:
        names = ["number"] if right[index] else []
        names += ["wide"] if len(cell) > _LONG_CELL else []
        return f' class="{" ".join(names)}"' if names else ""

    head = "".join(f'<th scope="col"{attribute(i, "")}>{html.escape(c)}</th>' for i, c in enumerate(header))
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{attribute(i, c)}>{html.escape(c)}</td>" for i, c in enumerate(row[: len(header)]))
        + "</tr>"
        for row in rows
    )
    above = f'<p class="caption">{html.escape(caption)}</p>' if caption else ""
    label = html.escape(caption or ", ".join(header))
    inner = f'<table aria-label="{label}"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>'
    return f'{above}<div class="scroll" tabindex="0">{inner}</div>'


def parse_markdown(text: str) -> tuple[str, list[str], list[list[str]], list[bool]]:
    """Text above a Markdown table, its heading, its rows, and which columns stand right."""
    lines = text.splitlines()
    table = [line for line in lines if line.lstrip().startswith("|")]
    caption = " ".join(line.strip().lstrip("#").strip() for line in lines if line.strip() and line not in table)
    if len(table) < 2:
        return caption, [], [], []
    cells = [[_plain(cell) for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in table]
    return caption, cells[0], cells[2:], [cell.endswith(":") for cell in cells[1]]


def facts_html(facts: Mapping[str, str]) -> str:
    """Names and values as a description list; what is not known is left out."""
    items = [
        f"<dt>{html.escape(k)}</dt><dd>{html.escape(str(v))}</dd>" for k, v in facts.items() if v not in ("", None)
    ]
    return f'<dl class="facts">{"".join(items)}</dl>' if items else ""


def export_notebook(path: str | Path) -> Path:
    """Turn an executed notebook into a page of its own beside it, without any script or network; returns the page.

    Raises:
        DataError: the notebook cannot be read.
    """
    path = Path(path)
    leave_out_address_grammar()
    import nbformat
    from nbconvert import HTMLExporter

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body, extra = HTMLExporter(template_name="basic").from_filename(str(path))
    except (OSError, ValueError, KeyError, AttributeError, nbformat.reader.NotJSONError) as error:
        raise DataError(f"{path} cannot be shown as a page ({error})") from error
    styles = "\n".join(extra.get("inlining", {}).get("css", [])[:1])
    template = Template(
        (resources.files("lowtex_lab.notebook") / "templates/notebook.html").read_text(encoding="utf-8")
    )
    page = path.with_suffix(".html")
    files.write_text(page, template.substitute(title=html.escape(path.stem), styles=styles, body=body))
    return page


def notebook_line(path: Path, page: Path | None, record: dict | None, root: Path, broken: bool) -> str:
    """Links to an executed notebook, its time, and the facts that its last cell recorded."""
    links = [f'<a href="{href(page, root)}">read the executed notebook</a>'] if page else []
    links += [f'<a href="{href(path, root)}">{html.escape(path.name)}</a>']
    if broken:
        links.insert(0, "<strong>This notebook failed.</strong> What there is of it:")
    elif record:
        links.append(html.escape(f"{float(record.get('runner_wall_s') or record.get('wall_s') or 0):.0f} s"))
    facts = record.get("facts") if record and not broken else None
    return f"<p>{' · '.join(links)}</p>\n" + (facts_html({k: short(v) for k, v in facts.items()}) if facts else "")


def short(value: Any) -> str:
    """A recorded fact in a few words."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {short(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(short(part) for part in value)
    return str(value)


def banner(paragraphs: Iterable[str], failed: bool = False) -> str:
    """A box that cannot be missed."""
    inner = "".join(f"<p>{html.escape(text)}</p>" for text in paragraphs)
    return f'<div class="banner{" failed" if failed else ""}" role="note">{inner}</div>'


def _kind(path: Path) -> str:
    return {".png": "PNG", ".pdf": "PDF", ".csv": "data (CSV)", ".npz": "arrays (NPZ)"}.get(path.suffix, path.name)


def _plain(cell: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"\1", cell.strip().replace("\\|", "|"))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == ""
    return True
