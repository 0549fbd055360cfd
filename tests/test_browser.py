"""The exported report in a real browser: offline, narrow, dark, on paper, by keyboard, by axe."""

import re
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from browser import axe_violations, browser_page, load, look, needs_axe, needs_browser

from kmnist_mlp.report.__main__ import main

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
STEMS = ["index", *NOTEBOOKS, "draw", "train", "glossary", "accessibility"]
UNFOLD = "document.querySelectorAll('main details').forEach(d => d.open = true)"

pytestmark = needs_browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The committed notebooks as `make html` exports them."""
    output = tmp_path_factory.mktemp("html") / "html"
    assert main(["--committed", "--output", str(output)]) == 0
    return output


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """The same as one file, and as PDF."""
    output = tmp_path_factory.mktemp("single") / "report.html"
    assert main(["--committed", "--pdf", "--output", str(output)]) == 0
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
    return address, requests, failures


@pytest.fixture
def opened(page, folder):
    """Return a function that opens a page in a light window, a wide one by default."""

    def opened(stem, width=1400):
        look(page, width)
        page.goto((folder / f"{stem}.html").as_uri())
        return page

    return opened


# ---- every page ----------------------------------------------------------------------------------


def test_a_page_loads_offline_and_asks_for_nothing_but_itself(page, loaded):
    address, requests, failures = loaded
    assert [url for url in requests if not url.startswith("data:")] == [address]
    assert failures == []
    assert page.evaluate("[...document.images].filter(i => !i.naturalWidth).length") == 0


def test_a_phone_never_scrolls_the_text_sideways(page, loaded):
    """Also at 400 % zoom on a laptop, where a page is as narrow: 1,280 / 4 pixels."""
    page.evaluate(UNFOLD)
    wide = """w => [...document.querySelectorAll('main *')].filter(e =>
        e.getBoundingClientRect().right > w + 1 && !e.closest('.scroll, .formula, .unseen')
    ).map(e => e.outerHTML.slice(0, 80))"""
    for width in (360, 320):
        look(page, width=width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(wide, width) == []


def test_on_a_phone_the_text_begins_on_the_first_screen(page, loaded):
    address, *_ = loaded
    look(page, width=360)
    page.goto(address)  # folded
    top = "document.querySelector('main p, main dl, main figure').getBoundingClientRect().top"
    assert page.evaluate("document.querySelector('h1').getBoundingClientRect().top") < 150
    assert page.evaluate(top) < 500


def test_only_the_scripts_of_a_page_run_in_it(page, folder):
    """Every page under its own policy: nothing of it is refused, and nothing else runs."""
    with closing(page.context.browser.new_context(offline=True)) as context:
        strict, refused = context.new_page(), []
        strict.on("console", lambda message: refused.append(message.text))
        for stem in [*STEMS, "train"]:
            strict.goto((folder / f"{stem}.html").as_uri())
            assert refused == []
        strict.click(".play")  # of the page for training, in a worker
        strict.locator(".place", has_text="%").wait_for()
        strict.evaluate(
            """() => document.body.append(Object.assign(document.createElement('script'),
            { textContent: 'window.ran = true' }))"""
        )
        assert strict.evaluate("window.ran") is None and len(refused) == 1


A4 = 688  # CSS pixels between the margins of the style sheet: 210 mm - 2 * 14 mm


def test_paper_cuts_nothing_off_and_has_no_navigation_and_no_control(page, loaded):
    page.evaluate(UNFOLD)
    look(page, width=A4, medium="print")
    cut = f"""[...document.querySelectorAll('main :is(table, img, svg, pre, math)')].filter(e =>
        e.checkVisibility() && e.getBoundingClientRect().right > {A4} + 1
    ).map(e => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(cut) == []
    controls = "nav, button, input, select, .code:not(.shown)"
    left = f"""[...document.querySelectorAll('{controls}')].filter(n =>
        n.checkVisibility()).map(n => n.outerHTML.slice(0, 80))"""
    assert page.evaluate(left) == []


@needs_axe
@pytest.mark.parametrize(
    ("width", "scheme", "unfold"),
    [(1280, "light", True), (1280, "dark", False), (360, "dark", True), (360, "light", False)],
)
def test_axe_finds_no_violation(page, loaded, width, scheme, unfold):
    address, *_ = loaded
    look(page, width, dark=scheme == "dark")
    page.goto(address)
    if unfold:
        page.evaluate(UNFOLD)
    assert axe_violations(page) == []


TABBED = """() => {
    let e = document.activeElement;
    while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
    const box = e.getBoundingClientRect();
    const style = getComputedStyle(e);
    return [e.outerHTML.slice(0, 90), style.outlineStyle != 'none' && box.height > 0];
}"""
REACHABLE = """[...document.querySelectorAll(
    'a[href], button, summary, input, select, [tabindex="0"]'
)].filter(e => e.checkVisibility({ contentVisibilityAuto: true }) && !e.disabled
    && !(e.type === 'radio' && !e.checked)).length"""


def test_the_tab_key_reaches_everything_and_shows_where_it_is(page, loaded):
    address, *_ = loaded
    look(page)
    page.goto(address)
    reachable, seen = page.evaluate(REACHABLE), []
    for _ in range(reachable + 5):
        page.keyboard.press("Tab")
        html, visible = page.evaluate(TABBED)
        if html.startswith("<body"):
            break
        assert visible, html
        seen.append(html)
    assert len(seen) >= reachable


# ---- one page for all ----------------------------------------------------------------------------


def test_the_checks_for_requests_and_accessibility_would_notice_a_fault(page, tmp_path):
    (tmp_path / "page.html").write_text('<img src="https://example.org/a.png">')
    address = (tmp_path / "page.html").as_uri()
    image = "https://example.org/a.png"
    assert load(page, address) == ([address, image], [image])


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_in_the_single_file(page, single, scheme):
    look(page, 1280, dark=scheme == "dark")
    page.goto(single.as_uri())
    assert axe_violations(page) == []


def test_the_pdf_is_a4_with_tags_language_bookmarks_and_alternative_texts(single):
    pdf = single.with_suffix(".pdf").read_bytes()
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", pdf)
    assert len(boxes) > 20
    for width, height in boxes:
        assert (float(width), float(height)) == pytest.approx((595, 842), abs=1.5)
    for part in (b"/StructTreeRoot", b"/Lang (en)", b"/Outlines", b"/H1", b"/Figure", b"/Alt"):
        assert part in pdf, part
    assert pdf.count(b"/Figure") == pdf.count(b"/Alt"), "each picture has a text, and no box is one"


def test_without_chromium_no_pdf_is_made_and_that_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert main(["--committed", "--pdf", "--output", str(tmp_path / "report.html")]) == 0
    assert "Chromium" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_fails_leaves_no_pdf(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CHROMIUM", "/bin/false")
    assert main(["--committed", "--pdf", "--output", str(tmp_path / "report.html")]) == 1
    assert "/bin/false" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


# ---- colours -------------------------------------------------------------------------------------

GROUND = "getComputedStyle(document.body).backgroundColor"
INK = "getComputedStyle(document.querySelector('svg.figure text')).fill"
WHITE, DARK = "rgb(255, 255, 255)", "rgb(23, 24, 27)"


def test_colours_of_page_and_charts_follow_the_readers_scheme(opened):
    page = opened("index")
    light = page.evaluate(GROUND), page.evaluate(INK)
    assert light == (WHITE, "rgb(29, 29, 31)")
    look(page, dark=True)
    assert (page.evaluate(GROUND), page.evaluate(INK)) == (DARK, "rgb(232, 232, 234)")
    look(page, dark=True, medium="print")
    assert (page.evaluate(GROUND), page.evaluate(INK)) == light, "paper is white"


def test_hints_and_solutions_unfold_on_the_screen_and_on_paper_only_if_they_are_open(opened):
    page = opened("01_gradient_check")
    task = page.get_by_text("One line of this backward pass is wrong.")
    hint, solution = (
        page.get_by_text(f"{what} exercise 1.1") for what in ("Hint for", "Solution of")
    )
    code = page.locator("details:not(.code) pre", has_text="central_difference(model")
    assert task.is_visible() and hint.is_visible() and not code.is_visible()
    solution.press("Enter")
    assert code.is_visible()
    look(page, width=A4, medium="print")
    assert task.is_visible() and solution.is_visible() and code.is_visible()
    assert not hint.is_visible()


def test_the_theme_is_chosen_with_a_button_and_remembered(opened):
    page = opened("index")
    button = page.locator("#theme")
    shown = []
    for _ in range(3):
        button.click()
        shown.append((button.inner_text(), page.evaluate(GROUND)))
    assert shown == [("Theme: light", WHITE), ("Theme: dark", DARK), ("Theme: system", WHITE)]
    button.click()
    button.click()
    page.reload()
    assert button.inner_text() == "Theme: dark" and page.evaluate(GROUND) == DARK
    button.click()


def test_with_forced_colours_marks_are_still_seen(opened):
    page = opened("index")
    page.emulate_media(forced_colors="active")
    ground, stroke = page.evaluate(
        """[getComputedStyle(document.querySelector('svg.figure')).backgroundColor,
        getComputedStyle(document.querySelector('svg.figure path[style*="stroke: var(--blue)"]')
        ).stroke]"""
    )
    page.emulate_media(forced_colors="none")
    assert ground == WHITE and stroke == "rgb(0, 114, 178)"


# ---- finding one's way ---------------------------------------------------------------------------


def test_the_contents_stay_beside_the_text_on_a_wide_screen_and_lead_to_its_sections(opened):
    page = opened("02_momentum")
    contents = page.locator(".menu")
    text, box = page.locator("main").bounding_box(), contents.bounding_box()
    assert box["x"] + box["width"] <= text["x"]
    page.evaluate("window.scrollTo(0, 3000)")
    assert 0 <= contents.bounding_box()["y"] < 100
    page.locator(".toc a").nth(3).click()
    target = "document.getElementById(location.hash.slice(1)).getBoundingClientRect().top"
    assert 48 <= page.evaluate(target) < 150, "below the bar"


def test_on_a_phone_the_contents_are_one_press_away_wherever_one_is(opened):
    page = opened(NOTEBOOKS[1], width=360)
    page.evaluate("window.scrollTo(0, 9000)")
    summary = page.locator(".menu > summary")
    assert 0 <= summary.bounding_box()["y"] < 60
    assert not page.locator(".toc").is_visible()
    summary.click()
    page.locator(".toc a").nth(2).click()
    assert not page.locator(".toc").is_visible()
    summary.click()
    assert page.locator(".toc").is_visible()
    summary.click()
    assert not page.locator(".toc").is_visible()


def test_a_wide_table_keeps_its_first_column_in_view(opened):
    page = opened("index", width=360)
    table = page.locator(".scroll:has(> table)").first
    table.scroll_into_view_if_needed()
    table.evaluate("box => box.scrollLeft = 200")
    left = table.locator("tbody th").first.bounding_box()["x"]
    assert left == pytest.approx(table.bounding_box()["x"], abs=2)


def test_figures_stand_below_each_other_on_a_phone_and_fit_its_width(opened):
    page = opened(NOTEBOOKS[1], width=360)
    boxes = page.evaluate(
        """[...document.querySelectorAll('.figure')].filter(f => f.checkVisibility())
        .map(f => f.getBoundingClientRect().width)"""
    )
    assert boxes and max(boxes) <= 360
    assert not page.locator(".figure.wide").first.is_visible()


def test_search_finds_a_section_of_another_page_by_keyboard(opened):
    page = opened("index")
    page.keyboard.press("/")
    page.keyboard.type("saturated")
    assert page.locator("#hits").inner_text().endswith("found")
    first = page.locator("#found a").first
    assert "saturated" in page.locator("#found li").first.inner_text().lower()
    page.keyboard.press("ArrowDown")
    assert first.evaluate("a => a === document.activeElement")
    target = first.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{target}")
    assert page.evaluate("!!document.getElementById(location.hash.slice(1))")


def test_search_says_when_nothing_is_found_and_escape_closes_it(opened):
    page = opened(NOTEBOOKS[0])
    page.locator("#find").click()
    page.keyboard.type("xylophone")
    assert page.locator("#hits").inner_text() == "Nothing found"
    page.keyboard.press("Escape")
    assert not page.locator("#search").is_visible()
    assert page.evaluate("document.activeElement.id") == "find"


def test_code_is_folded_and_one_press_away(opened):
    page = opened("02_momentum")
    code = page.locator("details.code").first
    assert not code.locator(".highlight").is_visible()
    code.locator("summary").press("Enter")
    assert code.locator(".highlight").is_visible()


def test_the_first_press_of_tab_offers_to_skip_to_the_content(opened):
    page = opened(NOTEBOOKS[0])
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.get_attribute("class") == "skip" and focused.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_next_opens_the_next_page(opened):
    page = opened("index")
    page.click("a[rel=next]")
    assert page.url.endswith(f"/{NOTEBOOKS[0]}.html")
    assert page.evaluate("document.querySelector('[aria-current=page]').href") == page.url


# ---- numbers, claims, steps ----------------------------------------------------------------------


def test_the_numbers_behind_a_figure_are_a_table_and_download_as_csv(opened):
    page = opened("02_momentum")
    data = page.locator("#figures-1-and-2 details.data")
    data.locator("summary").click()
    heads = data.locator("thead th").all_inner_texts()
    assert {"seed", "epoch", "training loss"} <= set(heads)
    with page.expect_download() as download:
        data.locator("a.download").click()
    assert download.value.suggested_filename == "figures-1-and-2.csv"
    curves = pd.read_csv(download.value.path())
    runs = curves.groupby(["source", "seed"], dropna=False).size()
    assert runs.tolist() == [100] * (curves.seed.nunique() + 1), "the paper's is one more"
    row = data.locator("tbody tr").nth(2).locator("td").all_inner_texts()
    row.remove("ours")
    numbers = [float(text or "nan") for text in row]
    expected = curves.iloc[2].drop("source").astype(float).tolist()
    assert numbers == pytest.approx(expected, nan_ok=True)


def test_claims_are_filtered_by_their_verdict(opened):
    page = opened("index")
    for verdict in ("reproduced", "not-reproduced", "no-effect", "undecided"):
        page.locator(f"#show-{verdict}").check()
        shown = page.locator(".claim:visible")
        label = page.locator(f"label:has(#show-{verdict})").inner_text()
        assert shown.count() == int(re.search(r"\d+", label)[0])
        assert all(
            verdict in kinds.split()
            for kinds in shown.evaluate_all("all => all.map(c => c.className)")
        )
    page.locator("#show-all").check()


VERDICTS = (
    ":is(.claim .verdict, td:is(.reproduced, .not-reproduced, .no-effect, .undecided)):visible"
)


@pytest.mark.parametrize("stem", ["index", *(s for s in NOTEBOOKS if s[:2] in ("01", "03", "06"))])
def test_on_a_phone_a_claim_has_its_verdict_on_the_screen(opened, stem):
    page = opened(stem, width=360)
    ends = page.locator(VERDICTS).evaluate_all(
        "all => all.map(verdict => verdict.getBoundingClientRect().right)"
    )
    assert ends and 0 < min(ends) and max(ends) <= 360


def test_the_replication_on_one_page_fits_one_screen(opened):
    page = opened("10_on_one_page", width=1280)
    bottom = "table => table.getBoundingClientRect().bottom"
    assert page.locator("main figure").evaluate(bottom) <= 1000


def test_on_paper_a_figure_of_several_frames_is_the_one_that_its_author_chose(opened):
    page = opened(next(stem for stem in NOTEBOOKS if "laboratory" in stem))
    shown = page.locator("#figure-s8-4 .frame:not([hidden])")
    on_screen = shown.get_attribute("data-text")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.get_attribute("data-text").startswith("Step 9 of 10")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert shown.get_attribute("data-text") == on_screen


def test_backpropagation_goes_forwards_and_back_step_by_step(opened):
    page = opened(next(stem for stem in NOTEBOOKS if "laboratory" in stem))
    figure = page.locator("#figure-s8-4")
    back, forward = (figure.get_by_role("button", name=name) for name in ("Back", "Next"))
    assert back.is_disabled() and figure.locator(".place").inner_text() == "picture 1 of 11"
    said = figure.locator(".finding").inner_text()
    forward.click()
    forward.click()
    assert figure.locator(".place").inner_text() == "picture 3 of 11"
    assert figure.locator(".finding").inner_text() != said
    assert figure.locator("svg:visible").count() == 1
    back.click()
    back.click()
    assert figure.locator(".finding").inner_text() == said
