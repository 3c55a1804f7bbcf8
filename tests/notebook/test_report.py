"""The page of a run: everything is on it, nothing is taken from the network, and failures are not hidden."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "figures"))
from figure_samples import make_rows, make_sample

from lowtex.errors import DataError
from lowtex.evaluation.results import write_rows
from lowtex_lab import plots as figures
from lowtex_lab.notebook import report

NASTY = '<script>alert("x")</script> & "quotes"'


class Page(HTMLParser):
    """The page's elements, and a check that each one opened is closed."""

    VOID = ("meta", "link", "img", "br", "hr", "input")

    def __init__(self, path: Path):
        super().__init__()
        self.text, self.open, self.elements = "", [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def _notebook(path, source="print(1)", text="1\n"):
    output = nbformat.v4.new_output("stream", name="stdout", text=text)
    cells = [nbformat.v4.new_markdown_cell("# A title"), nbformat.v4.new_code_cell(source, outputs=[output])]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


RECORD = {
    "profile": "quick",
    "finished": "2025-01-01T10:00:00Z",
    "facts": {"abs_rel": 0.08123456, "note": NASTY},
    "device": "a processor",
    "wall_s": 61.0,
    "threads": 2,
    "commit": "abc123",
    "torch_version": "2.13.0",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "quick"
    write_rows(folder / "rows" / "12_virtual_kitti2.csv", make_rows(kinds=("none", "known")))
    figures.save_figure(figures.stereo_anaglyph(make_sample()), folder / "figures" / "01_pair")
    tables = folder / "tables"
    tables.mkdir()
    (tables / "12_errors.md").write_text(
        f"Words {NASTY}\n\n| Method | AbsRel |\n| --- | ---: |\n| a \\| b {NASTY} | 0.1 |\n"
    )
    (tables / "12_errors.csv").write_text("method,abs_rel\na,0.1\n")
    for name in ("01_data", "12_virtual_kitti2"):
        _notebook(folder / "notebooks" / f"{name}.ipynb")
        (folder / "notebooks" / f"{name}.result.json").write_text(json.dumps({"notebook": name, **RECORD}))
    (folder / "run.json").write_text(json.dumps({"profile": "quick"}))
    report.write_report(folder)
    return folder


@pytest.fixture(scope="module")
def page(run):
    return Page(run / "index.html")


def test_every_figure_is_shown_with_its_caption_as_alternative_text(run, page):
    pictures = sorted((run / "figures").glob("*.png"))
    images = {image["src"]: image["alt"] for image in page.all("img")}
    assert sorted(images) == [f"figures/{picture.name}" for picture in pictures] and len(pictures) == 4
    for picture in pictures:
        card = json.loads(picture.with_suffix(".json").read_text())
        for words in (card["title"], card["caption"]):
            assert " ".join(words.split()) in images[f"figures/{picture.name}"]


def test_every_link_leads_to_a_file_or_a_section(run, page):
    identities = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [attributes["href"] for attributes in page.all("a")]
    assert len(links) > 15
    for link in links:
        assert link[1:] in identities if link.startswith("#") else (run / link).is_file(), link
    for ending in ("01_data.ipynb", "01_data.html", "rows/12_virtual_kitti2.csv", "12_errors.csv", "01_pair.pdf"):
        assert any(link.endswith(ending) for link in links), ending


def test_tables_are_there_main_one_included(page):
    assert len(page.all("table")) == 2
    assert "AbsRel" in page.text and "0.080" not in page.source.replace("0.0803", "")
    assert "0.103 ± 0.003" in page.text  # baseline, all pixels: mean and deviation of 0.100, 0.103, 0.106
    assert "measured, MINIATURE" in page.text
    assert 'a | b <script>alert("x")</script>' in page.text


def test_the_banner_says_miniature_and_the_facts_say_where_from(page):
    assert "Measured on miniatures" in page.text
    for part in ("quick", "0, 1, 2", "a processor, 2 threads", "abc123", "2.0 min in all", "torch 2.13.0"):
        assert part in page.text, part


def test_nothing_comes_from_the_network_and_texts_are_escaped(run, page):
    assert page.text.count('<script>alert("x")</script>') >= 3
    for name in ("index.html", "notebooks/01_data.html"):
        source = (run / name).read_text()
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", source) and "@import" not in source, name
        assert "<script" not in source
    assert "A title" in source and "../index.html" in source, "the executed notebook is a page too"
    assert page.all("html")[0]["lang"] == "en"
    assert any(m.get("name") == "viewport" for m in page.all("meta"))


def test_the_same_files_give_the_same_page_and_those_of_notebooks_are_made_once(run):
    before, notebook = (run / "index.html").read_bytes(), run / "notebooks" / "01_data.html"
    stamp = notebook.stat().st_mtime_ns
    report.write_report(run)
    assert (run / "index.html").read_bytes() == before and notebook.stat().st_mtime_ns == stamp


def test_failures_are_shown_first(tmp_path):
    _notebook(tmp_path / "notebooks" / "10_kitti.FAILED.ipynb")
    _notebook(tmp_path / "notebooks" / ".12_at_work.1.x" / "output.ipynb")
    (tmp_path / "notebooks" / "11_x.result.json").write_text("{broken")
    page = Page(report.write_index(tmp_path))
    assert "Not everything succeeded. Failed: 10 kitti." in page.text
    assert "11_x.result.json is not valid JSON" in page.text and "output.ipynb" not in page.text
    assert "Measured on miniatures" not in page.text
    assert page.text.index("Not everything succeeded") < page.text.index("Files")
    assert any(link["href"].endswith("10_kitti.FAILED.ipynb") for link in page.all("a"))


def test_damaged_rows_leave_a_page_that_says_so_and_an_error(tmp_path):
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "10.csv").write_text("not,rows\n1,2\n")
    _notebook(tmp_path / "notebooks" / "01_data.ipynb")
    with pytest.raises(DataError, match=r"index.html is written, but: .*10\.csv is not a table of rows"):
        report.write_report(tmp_path)
    page = Page(tmp_path / "index.html")
    assert "This page is not complete" in page.text and page.text.count("10.csv is not a table of rows") == 1


def test_the_banner_says_what_is_miniature(tmp_path):
    real, mixed, pictures = (tmp_path / name for name in ("real", "mixed", "pictures"))
    for folder in (real, mixed):
        write_rows(folder / "rows" / "10.csv", make_rows(miniature=False, kinds=("none",)))
    write_rows(mixed / "rows" / "12.csv", make_rows(miniature=True, kinds=("none",)).assign(eval_data="mini"))
    figures.save_figure(figures.stereo_anaglyph(make_sample()), pictures / "figures" / "01_pair")
    texts = [Page(report.write_index(folder)).text for folder in (real, mixed, pictures)]
    assert "miniature" not in texts[0].replace("the kit's miniatures", "")
    assert "the numbers marked so come" in texts[1]
    assert "Measured on miniatures" in texts[2] and "No measured rows yet." in texts[2]


def test_nothing_to_show(tmp_path):
    with pytest.raises(DataError, match="is not the folder of a run"):
        report.write_index(tmp_path / "absent")
    with pytest.raises(DataError, match="holds no rows, figures, tables or notebooks"):
        report.write_index(tmp_path)


def test_a_table_without_markdown_is_shown_too(tmp_path):
    (tmp_path / "t.csv").write_text("name,value\nx,1.54321\n<b>,\n")
    source = report.table_html(tmp_path / "t.csv")
    assert "<td>1.543</td>" in source and "<td>&lt;b&gt;</td>" in source and "<td></td>" in source


def test_formulas_are_mathml():
    shown = report.with_mathml("depth $Z = f b / d$, in code `$HOME` and\n$$\n\\frac{f b}{d}\n$$")
    assert shown.count("<math") == 2 and "`$HOME`" in shown and "<mfrac>" in shown and "frac{" not in shown
    assert 'display="block"' in shown
