"""In Debian's Chromium: notebooks run in JupyterLab and their controls move; the index page fits screens and paper."""

import base64
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import psutil
import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from lowtex_lab.notebook import report

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no browser: apt install chromium chromium-driver")

QUIET = ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking")
SWITCHES = (*QUIET, "disable-component-update", "disable-sync", "hide-scrollbars", "window-size=1400,900")
NOTEBOOKS = ("01_data", "02_networks")
"""Together they have both kinds of control; neither trains anything."""

SCRIPTS = {path.stem: path.read_text() for path in Path(__file__).parent.glob("*.js")}
"""What is asked of a page, by the name of its file."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A Chromium with an empty profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in (*SWITCHES, f"user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(400)
    # the client would give up after 120 s, which two notebooks on a busy machine can take
    driver.command_executor.client_config.timeout = 420
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory, repository) -> Path:
    """The committed run as a page, and one of its notebooks."""
    folder = tmp_path_factory.mktemp("page") / "quick"
    shutil.copytree(repository / "results" / "reference" / "quick", folder)
    report.write_standing_tables(folder)
    report.export_notebook(folder / "notebooks" / "03_losses.ipynb")
    report.write_index(folder)
    return folder


def _show(browser, page: Path, width: int, height: int = 900, **media) -> dict:
    """Lay a page out at a width in pixels; ``media``: of Chromium's ``setEmulatedMedia``."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(page.as_uri())
    return browser.execute_script(SCRIPTS["layout"])


def test_the_index_page_fits_every_screen_and_begins_with_the_answer(browser, pages):
    page = pages / "index.html"
    for width in (1400, 420):
        layout = _show(browser, page, width)
        assert layout["width"] <= width, f"scrolls sideways at {width} px"
        on_screen = [end <= 900 for end in layout["answers_end"]]
        assert on_screen[0] and (all(on_screen) or width == 420), f"the answer is below the first screen at {width} px"
        assert layout["pictures"] >= 18 and not layout["empty"]
        assert width == 420 or (layout["picture_begins"] < 450 and layout["height"] < 10_000)
        browser.execute_script("document.querySelectorAll('details').forEach(part => part.open = true)")
        folded = browser.execute_script(SCRIPTS["layout"])
        assert folded["width"] <= width, f"what is folded scrolls sideways at {width} px"
        assert _show(browser, pages / "notebooks" / "03_losses.html", width)["width"] <= width
    assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert page.stat().st_size < 3_000_000


def test_the_index_page_is_dark_where_that_is_asked_for(browser, pages):
    asked = [{"name": "prefers-color-scheme", "value": "dark"}]
    for page in (pages / "index.html", pages / "notebooks" / "03_losses.html"):
        layout = _show(browser, page, 1400, features=asked)
        paper, ink = (sum(map(int, re.findall(r"\d+", layout[name])[:3])) for name in ("background", "ink"))
        assert paper < 150 and ink > 500, page.name


def test_the_index_page_takes_at_most_ten_sheets_of_paper(browser, pages):
    # the width of A4 within the margins
    assert _show(browser, pages / "index.html", 718, media="print")["width"] <= 718
    _show(browser, pages / "index.html", 1400)
    paper = {"paperWidth": 8.27, "paperHeight": 11.69}
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", paper)["data"])
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 10


@pytest.fixture
def lab(tmp_path, repository):
    """The address of a JupyterLab on copies of `NOTEBOOKS` in profile smoke; it ends with all its kernels."""
    for name in NOTEBOOKS:
        notebook = nbformat.read(repository / "notebooks" / f"{name}.ipynb", as_version=4)
        [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        parameters.source += f'\nprofile = "smoke"\nrun_dir = {str(tmp_path / "run")!r}\n'
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    # cells that are out of sight would be out of the page
    settings = tmp_path / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    places = {"SETTINGS": "settings", "WORKSPACES": "places"}
    own |= {f"JUPYTERLAB_{name}_DIR": str(tmp_path / folder) for name, folder in places.items()}
    own |= {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    flags = ["--allow-root", "--no-browser", "--expose-app-in-browser", f"--port={port}", "--ServerApp.port_retries=0"]
    flags += ["--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}", "--LabApp.news_url="]
    environment = {name: value for name, value in os.environ.items() if name != "LOWTEX_HEADLESS"} | own
    with open(tmp_path / "lab.log", "w") as log:
        words = [sys.executable, "-m", "jupyterlab", *flags]
        server = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"

    def answers(server):
        assert server.poll() is None, (tmp_path / "lab.log").read_text()
        return urllib.request.urlopen(f"{address}/api", timeout=5)

    try:
        WebDriverWait(server, 60, ignored_exceptions=[OSError]).until(answers)
        yield address
    finally:
        family = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
        server.terminate()
        for process in psutil.wait_procs([psutil.Process(server.pid), *family], timeout=20)[1]:
            process.kill()
        server.wait()


def test_notebooks_run_in_jupyterlab_and_every_control_changes_its_picture(browser, lab):
    browser.get(f"{lab}/lab")
    WebDriverWait(browser, 60).until(lambda d: d.execute_script("return Boolean(window.jupyterapp)"))
    for name in NOTEBOOKS:
        assert browser.execute_async_script(SCRIPTS["open"], f"{name}.ipynb") == ""
    moved = []
    for name in NOTEBOOKS:
        assert browser.execute_async_script(SCRIPTS["outcome"], f"{name}.ipynb") == {"left": 0, "errors": []}, name
        panel = browser.find_element(By.CSS_SELECTOR, ".jp-NotebookPanel:not(.lm-mod-hidden)")
        boxes = [box for box in panel.find_elements(By.CSS_SELECTOR, ".jp-Cell") if _controls(box)]
        assert boxes, f"{name} has no live control"
        for box in boxes:
            for control in _controls(box):
                before = _source(box)
                moved.append(_move(browser, control))
                WebDriverWait(browser, 20).until(
                    lambda _, box=box, before=before: _source(box) != before, f"{name}: {moved[-1]}"
                )
    assert set(moved) == {"slider", "dropdown"}


def _controls(box) -> list:
    return box.find_elements(By.CSS_SELECTOR, ".widget-hslider .noUi-handle, .widget-dropdown select")


def _source(box) -> str:
    """The picture under a cell's controls."""
    try:
        return box.find_elements(By.CSS_SELECTOR, ".jp-OutputArea img")[-1].get_attribute("src")
    except (IndexError, WebDriverException):
        return ""


def _move(browser, control) -> str:
    """Move a slider by a step or choose another line of a list, as a person would."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", control)
    if control.tag_name == "select":
        choice = Select(control)
        places = len(choice.options)
        at = choice.options.index(choice.first_selected_option)
        choice.select_by_index((at + 1) % places)
        return "dropdown"
    at_end = control.get_attribute("aria-valuenow") == control.get_attribute("aria-valuemax")
    control.send_keys(Keys.ARROW_LEFT if at_end else Keys.ARROW_RIGHT)
    return "slider"
