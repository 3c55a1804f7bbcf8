"""The page of a run: the answer comes first, nothing is taken from the network, and failures are not hidden."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from notebook_files import png, write_executed
from PIL import Image

from lowtex.errors import DataError
from lowtex.evaluation.results import write_csv, write_rows
from lowtex.files import read_json, write_json, write_text
from lowtex_lab import plots as figures
from lowtex_lab.notebook import report
from tests.figures.figure_samples import make_rows, make_sample

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


RECORD = {"profile": "quick", "finished": "2025-01-01T10:00:00Z", "facts": {"abs_rel": 0.08123456}, "wall_s": 61.0}
RECORD |= {"device": "a processor", "threads": 2, "commit": "abc123", "torch_version": "2.13.0"}
ANSWER = f"`ours` has 0.7 times the error, with $Z = f b / d$ {NASTY}."
VERDICTS = [
    ("features in low texture", "◐", "holds in part", f"In low texture `features` {NASTY}."),
    ("whole method in low texture", "✓", "holds", "In low texture `ours` has 0.71 times the error (5 seeds)."),
    ("a third", "✗", "does not hold", "The third sentence."),
    ("a fourth", "?", "too uncertain", "The fourth sentence."),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "quick"
    write_rows(folder / "rows" / "12_virtual_kitti2.csv", make_rows(kinds=("none", "known")))
    sample = make_sample()
    depths = {"baseline": 1.5 * sample.depth, "ours": 1.2 * sample.depth}
    street = figures.one_street(sample.image, sample.depth, depths, sample.depth[0] > 9, miniature=True)
    figures.save_figure(street, folder / "figures" / report.STREET)
    figures.save_figure(figures.stereo_anaglyph(sample), folder / "figures" / "12_pair")
    lines = pd.DataFrame(VERDICTS, columns=["claim", "mark", "verdict", "sentence"])
    write_csv(folder / "tables" / report.SENTENCES, lines)
    told = {
        "00_start": {"figure": f"figures/{report.STREET}.png"},
        "01_data": {},
        "12_virtual_kitti2": {"answer": ANSWER, "figure": "figures/12_pair.png"},
    }
    for name, more in told.items():
        write_executed(folder / "notebooks" / f"{name}.ipynb", png(40, 20))
        write_json(folder / "notebooks" / f"{name}.result.json", {"notebook": name, **RECORD, **more})
    write_json(folder / "run.json", {"profile": "quick"})
    report.write_report(folder)
    return folder


@pytest.fixture(scope="module")
def page(run):
    return Page(run / "index.html")


def part(page, identity):
    """The source of one section."""
    return page.source.partition(f'id="{identity}"')[2].partition("</section>")[0]


def test_the_answer_is_the_sentences_of_three_claims_with_the_street_beside(run, page):
    answer = part(page, "answer")
    asked = list(report.HEADLINE.values())
    places = [answer.index(text) for text in (asked[0], "0.71 times the error", asked[1], "<code>features</code>")]
    assert places == sorted(places) and asked[2] not in page.text, "a claim without a sentence asks nothing"
    assert answer.index('aria-label="holds"') < places[1] and f'href="figures/{report.STREET}.png"' in answer
    card = read_json(run / "figures" / f"{report.STREET}.json")
    assert page.all("img")[0]["alt"] == ". ".join(" ".join(card[name].split()) for name in ("title", "caption"))


def test_verdicts_that_settle_nothing_are_folded(page):
    verdicts = part(page, "verdicts")
    shown, folded = verdicts.split("<details>")
    assert "The third sentence." in shown and "A fourth." in folded and "1 more claims" in folded
    assert "0.71" not in verdicts, "the answer is not told twice"


def test_each_notebook_is_a_chapter_with_its_answer_and_one_figure(page):
    cards = part(page, "chapters").split("<article")[1:]
    assert [card.count("<img") for card in cards] == [0, 1, 1] and "#00_one_street" in cards[0]
    assert "Is it so?" in cards[1] and 'href="notebooks/01_data.html"' in cards[1] and "01 · A title" in cards[1]
    assert "<code>ours</code> has 0.7 times the error, with <math" in cards[2] and "Is it so?" not in cards[2]
    assert 'href="figures/12_pair.png"' in cards[2] and "Data: the miniature." in cards[2]


def test_pictures_are_in_the_page_and_small(run, page):
    pictures = [image["src"].partition("base64,") for image in page.all("img")]
    assert {kind for kind, *_ in pictures} == {"data:image/webp;"}
    sizes = [Image.open(io.BytesIO(base64.b64decode(content))).size for *_, content in pictures]
    assert [width for width, _ in sizes] == [report.LARGE_PX, 40, report.CARD_PX]
    assert (run / "index.html").stat().st_size < 500_000


def test_every_link_leads_to_a_file_or_a_section(run, page):
    identities = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [attributes["href"] for attributes in page.all("a")]
    assert len(links) > 12
    for link in links:
        assert link[1:] in identities if link.startswith("#") else (run / link).is_file(), link
    for ending in ("01_data.ipynb", "01_data.html", "rows/12_virtual_kitti2.csv", "16_sentences.csv", "12_pair.png"):
        assert any(link.endswith(ending) for link in links), ending


def test_main_tables_are_folded(page):
    folded = page.source[page.source.index('id="more"') :]
    assert len(page.all("table")) == folded.count("<table") == 1
    assert "AbsRel" in folded and "0.080" not in page.source.replace("0.0803", "")
    assert "0.103 ± 0.003" in folded  # baseline, all pixels: mean and deviation of 0.100, 0.103, 0.106
    assert "measured, MINIATURE" in folded
    assert "<summary>vkitti2 (miniature), test images, by vkitti2_dense</summary>" in folded


def test_the_banner_says_miniature_and_the_facts_say_where_from(page):
    assert page.text.count("Measured on THE MINIATURE") == 1
    for told in ("quick", "0, 1, 2", "a processor, 2 threads", "abc123", "3.0 min in all", "torch 2.13.0"):
        assert told in page.text, told


def test_nothing_comes_from_the_network_and_texts_are_escaped(run, page):
    assert page.text.count('<script>alert("x")</script>') == 2
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
    write_executed(tmp_path / "notebooks" / "10_kitti.FAILED.ipynb", png(40, 20))
    write_executed(tmp_path / "notebooks" / ".12_at_work.1.x" / "output.ipynb", png(40, 20))
    write_json(tmp_path / "notebooks" / "10_kitti.result.json", {"notebook": "10_kitti", "answer": "An old answer."})
    (tmp_path / "notebooks" / "11_x.result.json").write_text("{broken")
    page = Page(report.write_index(tmp_path))
    assert "Not everything succeeded. Failed: 01 · A title." in page.text and "A title (FAILED)" in page.text
    assert "11_x.result.json is not valid JSON" in page.text and "output.ipynb" not in page.text
    assert "Measured on" not in page.text and "No verdicts yet" in page.text and "An old answer" not in page.text
    assert page.text.index("Not everything succeeded") < page.text.index("No verdicts yet")
    assert any(link["href"].endswith("10_kitti.FAILED.ipynb") for link in page.all("a"))


def test_damaged_files_leave_a_page_that_says_so_and_an_error(tmp_path):
    write_text(tmp_path / "rows" / "10.csv", "not,rows\n1,2\n")
    write_executed(tmp_path / "notebooks" / "01_data.ipynb", png(40, 20))
    (tmp_path / "notebooks" / "02_networks.ipynb").write_text("{broken")
    said = r"index.html is written, but: .*10\.csv is not a table of rows.*02_networks.ipynb cannot be shown as a page"
    with pytest.raises(DataError, match=said):
        report.write_report(tmp_path)
    page = Page(tmp_path / "index.html")
    assert "This page is not complete" in page.text and page.text.count("10.csv is not a table of rows") == 1
    assert (tmp_path / "notebooks" / "01_data.html").is_file() and "02 networks" in page.text


def test_the_banner_says_what_is_miniature(tmp_path):
    real, mixed, pictures = (tmp_path / name for name in ("real", "mixed", "pictures"))
    for folder in (real, mixed):
        write_rows(folder / "rows" / "10.csv", make_rows(miniature=False, kinds=("none",)))
    write_rows(mixed / "rows" / "12.csv", make_rows(miniature=True, kinds=("none",)).assign(eval_data="mini"))
    figures.save_figure(figures.stereo_anaglyph(make_sample(), miniature=True), pictures / "figures" / "01_pair")
    card = pictures / "figures" / "01_pair.json"
    write_json(card, read_json(card) | {"title": "A title over two lines — miniature\ndata\n "})
    texts = [Page(report.write_index(folder)).text for folder in (real, mixed, pictures)]
    assert "Measured on REAL DATA" in texts[0] and "MINIATURE" not in texts[0]
    assert "Measured on THE MINIATURE AND REAL DATA" in texts[1] and "The numbers marked so come" in texts[1]
    assert "Measured on THE MINIATURE" in texts[2] and "measured rows: none yet" in texts[2]


def test_nothing_to_show(tmp_path):
    with pytest.raises(DataError, match="is not the folder of a run"):
        report.write_index(tmp_path / "absent")
    with pytest.raises(DataError, match="holds no rows, figures, tables or notebooks"):
        report.write_index(tmp_path)


def test_the_records_of_a_kept_run_and_a_table_of_another_shape(tmp_path):
    write_executed(tmp_path / "notebooks" / "15_x.ipynb", png(40, 20))
    write_json(tmp_path / "records.json", {"15_x": {"answer": "A kept answer."}})
    write_text(tmp_path / "tables" / report.SENTENCES, "claim,verdict\na,holds\n")
    page = Page(report.write_index(tmp_path))
    assert "A kept answer." in page.text
    assert "16_sentences.csv has no column mark, sentence; run notebook 16 again" in page.text
    write_text(tmp_path / "tables" / report.SENTENCES, "")
    assert "16_sentences.csv is damaged; run notebook 16 again" in Page(report.write_index(tmp_path)).text


def test_a_damaged_picture_is_said(tmp_path):
    write_text(tmp_path / "figures" / f"{report.CELLS}.png", "no picture")
    page = Page(report.write_index(tmp_path))
    assert "09_cells.png is no picture" in page.text and not page.all("img")


def test_formulas_are_mathml():
    shown = report.with_mathml("depth $Z = f b / d$, in code `$HOME` and\n$$\n\\frac{f b}{d}\n$$")
    assert shown.count("<math") == 2 and "`$HOME`" in shown and "<mfrac>" in shown and "frac{" not in shown
    assert 'display="block"' in shown
