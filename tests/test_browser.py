"""The exported report in a real browser: offline, narrow, dark, on paper, by keyboard, by axe."""

import json
import os
import re
import time
from pathlib import Path

import pandas as pd
import pytest
from browser import find_browser, running_browser

from kmnist_mlp.report import build as report
from kmnist_mlp.report import execute

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["index", *(path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")))]
AXE = Path(os.environ.get("AXE_CORE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))

pytestmark = pytest.mark.skipif(
    find_browser() is None,
    reason="no Chromium was found (Debian: apt-get install chromium; or set CHROMIUM)",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The committed notebooks as `make html` exports them."""
    paths = report.notebooks_in(ROOT / "notebooks")
    output = tmp_path_factory.mktemp("html") / "html"
    report.export({path: execute.read(path) for path in paths}, output, single=False)
    return output


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with running_browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module", params=PAGES)
def loaded(request, tab, folder):
    """Each page in turn, loaded once for all tests of it; with the addresses it asked for."""
    tab.look()
    tab.open((folder / f"{request.param}.html").as_uri())
    requests, failures = list(tab.requests), list(tab.failures)
    tab.js("document.querySelectorAll('details').forEach(d => d.open = true)")
    return (folder / f"{request.param}.html").as_uri(), requests, failures


def opened(tab, folder, page):
    tab.look()
    tab.open((folder / f"{page}.html").as_uri())


# ---- every page ----------------------------------------------------------------------------------


def test_a_page_loads_offline_and_asks_for_nothing_but_itself(tab, loaded):
    address, requests, failures = loaded
    assert [url for url in requests if not url.startswith("data:")] == [address]
    assert failures == []
    assert tab.js("document.images.length") > 0
    assert tab.js("[...document.images].filter(i => !i.naturalWidth).length") == 0


def test_a_phone_never_scrolls_the_text_sideways(tab, loaded):
    tab.look(width=360)
    assert tab.js("document.documentElement.scrollWidth") <= 360
    wide = """[...document.querySelectorAll('main *')].filter(e =>
        e.getBoundingClientRect().right > 361 && !e.closest('.scroll, .formula, .unseen')
    ).map(e => e.outerHTML.slice(0, 80))"""
    assert tab.js(wide) == []


A4 = 688  # CSS pixels between the margins of the style sheet: 210 mm - 2 * 14 mm


def test_paper_cuts_nothing_off_and_has_no_navigation(tab, loaded):
    tab.look(width=A4, medium="print")
    cut = f"""[...document.querySelectorAll('main :is(table, img, pre, math)')].filter(e =>
        e.checkVisibility() && e.getBoundingClientRect().right > {A4} + 1
    ).map(e => e.outerHTML.slice(0, 80))"""
    assert tab.js(cut) == []
    assert tab.js("[...document.querySelectorAll('nav')].every(n => !n.checkVisibility())")


@pytest.mark.skipif(
    not AXE.is_file(), reason="no axe-core (npm install --no-save axe-core, or set AXE_CORE)"
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(tab, loaded, scheme):
    tab.look(dark=scheme == "dark")
    tab.js("typeof axe == 'undefined' && (0, eval)(" + json.dumps(AXE.read_text("utf-8")) + ") + 0")
    violations = """axe.run().then(found => found.violations.map(v => [v.id, v.nodes.length,
        v.nodes[0].html.slice(0, 200), v.nodes[0].failureSummary.slice(0, 300)]))"""
    assert tab.js(violations) == []


# ---- one page for all ----------------------------------------------------------------------------


def test_the_check_for_failed_requests_would_notice_one(tab, tmp_path):
    (tmp_path / "page.html").write_text('<img src="https://example.org/a.png">')
    tab.open((tmp_path / "page.html").as_uri())
    assert tab.failures


def test_a_page_prints_on_a4(tab, folder):
    opened(tab, folder, PAGES[1])
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", tab.pdf())
    assert boxes
    for width, height in boxes:
        assert (float(width), float(height)) == pytest.approx((595, 842), abs=1.5)


def test_colours_follow_the_readers_scheme_and_figures_keep_their_white_ground(tab, folder):
    opened(tab, folder, "index")
    ground = "getComputedStyle(document.body).backgroundColor"
    figure = "getComputedStyle(document.querySelector('img.figure')).backgroundColor"
    white = "rgb(255, 255, 255)"
    assert (tab.js(ground), tab.js(figure)) == (white, white)
    tab.look(dark=True)
    assert (tab.js(ground), tab.js(figure)) == ("rgb(23, 24, 27)", white)
    tab.look(dark=True, medium="print")
    assert tab.js(ground) == white, "paper is white"


def test_the_contents_stay_beside_the_text_on_a_wide_screen_and_lead_to_its_sections(tab, folder):
    opened(tab, folder, PAGES[2])
    box = "document.querySelector('{}').getBoundingClientRect().{}"
    assert tab.js(box.format(".toc", "right")) <= tab.js(box.format("main", "left"))
    tab.js("window.scrollTo(0, 3000)")
    assert 0 <= tab.js(box.format(".toc", "top")) < 100
    tab.js("document.querySelectorAll('.toc a')[3].click()")
    target = "document.getElementById(location.hash.slice(1)).getBoundingClientRect().top"
    assert tab.js("location.hash") and 0 <= tab.js(target) < 100


def test_code_is_folded_and_one_press_away(tab, folder):
    opened(tab, folder, PAGES[2])
    shown = "document.querySelector('details.code .highlight').checkVisibility()"
    assert not tab.js(shown)
    tab.js("document.querySelector('details.code summary').focus()")
    tab.press("Enter")
    assert tab.js(shown)


def test_the_first_press_of_tab_offers_to_skip_to_the_content(tab, folder):
    opened(tab, folder, PAGES[1])
    tab.press("Tab")
    assert tab.js("document.activeElement.className") == "skip"
    assert tab.js("document.activeElement.getBoundingClientRect().left") >= 0, "it is seen"
    tab.press("Enter")
    tab.press("Tab")
    assert tab.js("document.querySelector('main').contains(document.activeElement)")


def test_next_opens_the_next_page(tab, folder):
    opened(tab, folder, "index")
    tab.open(tab.js("document.querySelector('a[rel=next]').href"))
    assert tab.js("location.pathname").endswith(f"/{PAGES[1]}.html")
    assert tab.js("document.querySelector('[aria-current=page]').href") == tab.js("location.href")


def test_the_numbers_behind_a_figure_download_as_csv(tab, folder):
    opened(tab, folder, PAGES[2])
    tab.js("document.querySelector('#figures-1-and-2 a.download').click()")
    file = tab.downloads / "figures-1-and-2.csv"
    for _ in range(200):
        if file.exists():
            break
        time.sleep(0.05)
    curves = pd.read_csv(file)
    assert curves.groupby("seed").size().tolist() == [100] * curves.seed.nunique()
    assert {"epoch", "training_loss", "validation_accuracy"} <= set(curves.columns)
