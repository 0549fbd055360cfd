"""The exported report in a real browser: offline, narrow, dark, on paper, by keyboard, by axe."""

import re
from pathlib import Path

import pandas as pd
import pytest
from browser import axe_violations, browser_page, load, look, needs_axe, needs_browser

from kmnist_mlp.report.__main__ import main

ROOT = Path(__file__).resolve().parents[1]
STEMS = ["index", *(path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")))]

pytestmark = needs_browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The committed notebooks as `make html` exports them."""
    output = tmp_path_factory.mktemp("html") / "html"
    assert main(["--committed", "--output", str(output)]) == 0
    return output


@pytest.fixture(scope="module")
def page():
    with browser_page() as page:
        yield page


@pytest.fixture(scope="module", params=STEMS)
def loaded(request, page, folder):
    """Each page in turn, loaded once for all tests of it; with the addresses it asked for."""
    look(page)
    address = (folder / f"{request.param}.html").as_uri()
    requests, failures = load(page, address)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    return address, requests, failures


@pytest.fixture
def opened(page, folder):
    """Return a function that opens a page in a wide light window."""

    def opened(stem):
        look(page)
        page.goto((folder / f"{stem}.html").as_uri())
        return page

    return opened


# ---- every page ----------------------------------------------------------------------------------


def test_a_page_loads_offline_and_asks_for_nothing_but_itself(page, loaded):
    address, requests, failures = loaded
    assert [url for url in requests if not url.startswith("data:")] == [address]
    assert failures == []
    assert page.evaluate("document.images.length") > 0
    assert page.evaluate("[...document.images].filter(i => !i.naturalWidth).length") == 0


def test_a_phone_never_scrolls_the_text_sideways(page, loaded):
    look(page, width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    wide = """[...document.querySelectorAll('main *')].filter(e =>
        e.getBoundingClientRect().right > 361 && !e.closest('.scroll, .formula, .unseen')
    ).map(e => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(wide) == []


A4 = 688  # CSS pixels between the margins of the style sheet: 210 mm - 2 * 14 mm


def test_paper_cuts_nothing_off_and_has_no_navigation(page, loaded):
    look(page, width=A4, medium="print")
    cut = f"""[...document.querySelectorAll('main :is(table, img, pre, math)')].filter(e =>
        e.checkVisibility() && e.getBoundingClientRect().right > {A4} + 1
    ).map(e => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(cut) == []
    assert page.evaluate("[...document.querySelectorAll('nav')].every(n => !n.checkVisibility())")


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(page, loaded, scheme):
    look(page, dark=scheme == "dark")
    assert axe_violations(page) == []


# ---- one page for all ----------------------------------------------------------------------------


def test_the_checks_for_requests_and_accessibility_would_notice_a_fault(page, tmp_path):
    (tmp_path / "page.html").write_text('<img src="https://example.org/a.png">')
    address = (tmp_path / "page.html").as_uri()
    image = "https://example.org/a.png"
    assert load(page, address) == ([address, image], [image])


def test_a_page_prints_on_a4(opened):
    pdf = opened(STEMS[1]).pdf(prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", pdf)
    assert boxes
    for width, height in boxes:
        assert (float(width), float(height)) == pytest.approx((595, 842), abs=1.5)


def test_colours_follow_the_readers_scheme_and_figures_keep_their_white_ground(opened):
    page = opened("index")
    ground = "getComputedStyle(document.body).backgroundColor"
    figure = "getComputedStyle(document.querySelector('img.figure')).backgroundColor"
    white = "rgb(255, 255, 255)"
    assert (page.evaluate(ground), page.evaluate(figure)) == (white, white)
    look(page, dark=True)
    assert (page.evaluate(ground), page.evaluate(figure)) == ("rgb(23, 24, 27)", white)
    look(page, dark=True, medium="print")
    assert page.evaluate(ground) == white, "paper is white"


def test_the_contents_stay_beside_the_text_on_a_wide_screen_and_lead_to_its_sections(opened):
    page = opened(STEMS[2])
    contents = page.locator(".toc")
    text, box = page.locator("main").bounding_box(), contents.bounding_box()
    assert box["x"] + box["width"] <= text["x"]
    page.evaluate("window.scrollTo(0, 3000)")
    assert 0 <= contents.bounding_box()["y"] < 100
    contents.locator("a").nth(3).click()
    target = "document.getElementById(location.hash.slice(1)).getBoundingClientRect().top"
    assert 0 <= page.evaluate(target) < 100


def test_code_is_folded_and_one_press_away(opened):
    page = opened(STEMS[2])
    code = page.locator("details.code").first
    assert not code.locator(".highlight").is_visible()
    code.locator("summary").press("Enter")
    assert code.locator(".highlight").is_visible()


def test_the_first_press_of_tab_offers_to_skip_to_the_content(opened):
    page = opened(STEMS[1])
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.get_attribute("class") == "skip" and focused.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_next_opens_the_next_page(opened):
    page = opened("index")
    page.click("a[rel=next]")
    assert page.url.endswith(f"/{STEMS[1]}.html")
    assert page.evaluate("document.querySelector('[aria-current=page]').href") == page.url


def test_the_numbers_behind_a_figure_download_as_csv(opened):
    page = opened(STEMS[2])
    with page.expect_download() as download:
        page.click("#figures-1-and-2 a.download")
    assert download.value.suggested_filename == "figures-1-and-2.csv"
    curves = pd.read_csv(download.value.path())
    assert curves.groupby("seed").size().tolist() == [100] * curves.seed.nunique()
    assert {"epoch", "training_loss", "validation_accuracy"} <= set(curves.columns)
