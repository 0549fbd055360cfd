"""The exported report in a real browser: offline, narrow, dark, on paper, by keyboard, by axe."""

import re
import tomllib
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from browser import WAIT, axe_violations, browser_page, look, needs_browser
from playwright.sync_api import expect

from kmnist_mlp.report.__main__ import main
from kmnist_mlp.report.pages.site import number_contents, page_numbers

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
STEMS = ["index", *NOTEBOOKS, "draw", "train", "glossary", "accessibility"]
UNFOLD = "document.querySelectorAll('main details').forEach(d => d.open = true)"
A4 = 688  # CSS pixels between the margins of the style sheet: 210 mm - 2 * 14 mm
GROUND = "getComputedStyle(document.body).backgroundColor"
INK = "getComputedStyle(document.querySelector('svg.figure text')).fill"
WHITE, DARK = "rgb(255, 255, 255)", "rgb(23, 24, 27)"

pytestmark = needs_browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The committed notebooks as `make html` exports them, and beside them as one file and PDF."""
    output = tmp_path_factory.mktemp("html")
    assert main(["--committed", "--output", str(output / "html")]) == 0
    assert main(["--committed", "--pdf", "--output", str(output / "report.html")]) == 0
    return output / "html"


@pytest.fixture(scope="module")
def tab():
    with browser_page() as tab:
        yield tab


@pytest.fixture
def opened(tab, folder):
    """Return a function that opens a page in a light window, a wide one by default."""

    def opened(stem, width=1400):
        look(tab, width)
        tab.goto((folder / f"{stem}.html").as_uri())
        return tab

    return opened


# ---- every page ------------------------------------------------------


def seen_by_tab(tab):
    """Press Tab through a page; return what has the focus without showing it, and how many have."""
    for reached in range(2000):
        tab.keyboard.press("Tab")
        html, visible = tab.evaluate(
            """() => {
            let e = document.activeElement;
            while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
            const seen = getComputedStyle(e).outlineStyle != 'none';
            return [e.outerHTML.slice(0, 90), seen && e.getBoundingClientRect().height > 0]; }"""
        )
        if html.startswith("<body") or not visible:
            return "" if html.startswith("<body") else html, reached


@pytest.mark.parametrize("stem", STEMS)
def test_a_page_is_offline_accessible_narrow_printable_and_reached_by_keyboard(tab, folder, stem):
    """Narrow: also at 400 % zoom on a laptop, where a page has 1,280 / 4 pixels."""
    look(tab, width=360)
    address = (folder / f"{stem}.html").as_uri()
    requests = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(address)
    assert [url for url in requests if not url.startswith("data:")] == [address]
    assert tab.evaluate("[...document.images].filter(i => !i.naturalWidth).length") == 0
    top = "document.querySelector('main p, main dl, main figure').getBoundingClientRect().top"
    assert tab.evaluate("document.querySelector('h1').getBoundingClientRect().top") < 150
    assert tab.evaluate(top) < 500, "the text begins on the first screen"
    assert axe_violations(tab) == []

    tab.evaluate(UNFOLD)
    beyond = """w => [...document.querySelectorAll('main *')].filter(e =>
        e.getBoundingClientRect().right > w + 1 && !e.closest('.scroll, .formula, .unseen')
    ).map(e => e.outerHTML.slice(0, 80))"""
    for width in (360, 320):
        look(tab, width=width)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate(beyond, width) == []
    for width, dark in ((360, True), (1280, True), (1280, False)):
        look(tab, width, dark)
        assert axe_violations(tab) == []
    cut = """[...document.querySelectorAll('.scroll:not(.data *)')]
        .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.ariaLabel)"""
    assert tab.evaluate(cut) == [], "nothing of a table is cut off at 1280 pixels"

    look(tab, width=A4, medium="print")
    cut = f"""[...document.querySelectorAll('main :is(table, img, svg, pre, math)')].filter(e =>
        e.checkVisibility() && e.getBoundingClientRect().right > {A4} + 1)"""
    left = """[...document.querySelectorAll('nav, button, input, select, .code:not(.shown)')]
        .filter(e => e.checkVisibility())"""
    for found in (cut, left):
        assert tab.evaluate(f"{found}.map(e => e.outerHTML.slice(0, 80))") == []

    look(tab)
    tab.goto(address)
    usable = 'a[href], button, summary, input, select, [tabindex="0"]'
    reachable = tab.evaluate(f"""[...document.querySelectorAll('{usable}')].filter(
        e => e.checkVisibility({{ contentVisibilityAuto: true }}) && !e.disabled
        && !(e.type === 'radio' && !e.checked)).length""")
    unseen, reached = seen_by_tab(tab)
    assert unseen == "" and reached >= reachable


def test_nothing_of_a_page_is_refused_by_its_own_policy(tab, folder):
    with closing(tab.context.browser.new_context(offline=True)) as context:
        context.set_default_timeout(WAIT)
        strict, refused = context.new_page(), []
        strict.on("console", lambda message: refused.append(message.text))
        for stem in [*STEMS, "train"]:
            strict.goto((folder / f"{stem}.html").as_uri())
        strict.click(".play")  # of the page for training, in a worker
        strict.locator(".place", has_text="%").wait_for()
        assert refused == []


# ---- one file, and PDF -----------------------------------------------


def test_the_search_of_the_single_file_leads_to_all_its_pages(tab, folder):
    look(tab, 1280)
    single = (folder.parent / "report.html").as_uri()
    tab.goto(single)
    assert axe_violations(tab) == []
    tab.keyboard.press("/")
    tab.keyboard.type("saturated unit")
    tab.locator("#found a", has_text="Glossary").click()
    expect(tab).to_have_url(f"{single}#term-saturated-unit")


def test_the_pdf_is_a4_with_tags_language_bookmarks_and_alternative_texts(folder):
    pdf = (folder.parent / "report.pdf").read_bytes()
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", pdf)
    assert len(boxes) > 20
    for width, height in boxes:
        assert (float(width), float(height)) == pytest.approx((595, 842), abs=1.5)
    for part in (b"/StructTreeRoot", b"/Lang (en)", b"/Outlines", b"/H1", b"/Figure", b"/Alt"):
        assert part in pdf, part
    assert pdf.count(b"/Figure") == pdf.count(b"/Alt"), "each picture has a text, and no box is one"
    numbers = page_numbers(pdf)
    first = [numbers[f"page-{stem}"] for stem in NOTEBOOKS]
    assert first == sorted(first) and first[0] > 1 and max(numbers.values()) <= len(boxes)
    html = (folder.parent / "report.html").read_text("utf-8")
    assert f">7 Beyond the paper</a><span>{first[7]}</span>" in number_contents(html, numbers)


# ---- colours ---------------------------------------------------------


def test_colours_of_page_and_charts_follow_the_readers_scheme_or_choice_and_paper_is_white(opened):
    tab = opened("index")
    light = tab.evaluate(GROUND), tab.evaluate(INK)
    assert light == (WHITE, "rgb(29, 29, 31)")
    look(tab, dark=True)
    assert (tab.evaluate(GROUND), tab.evaluate(INK)) == (DARK, "rgb(232, 232, 234)")
    look(tab, dark=True, medium="print")
    assert (tab.evaluate(GROUND), tab.evaluate(INK)) == light
    look(tab)
    button = tab.locator("#theme")
    for theme, ground in (2 * (("light", WHITE), ("dark", DARK), ("system", WHITE)))[:5]:
        button.click()
        expect(button).to_have_text(f"Theme: {theme}")
        expect(tab.locator("body")).to_have_css("background-color", ground)
    tab.reload()
    expect(button).to_have_text("Theme: dark")  # remembered
    expect(tab.locator("body")).to_have_css("background-color", DARK)


# ---- finding one's way -----------------------------------------------


def test_a_wide_screen_shows_the_contents_beside_the_text_and_they_lead_to_its_sections(opened):
    tab = opened("index")
    tab.keyboard.press("Tab")
    skip = tab.locator(".skip")
    expect(skip).to_be_focused()
    assert skip.bounding_box()["x"] >= 0
    tab.keyboard.press("Enter")
    tab.wait_for_url("**#*")
    tab.keyboard.press("Tab")
    expect(tab.locator("main :focus")).to_have_count(1)
    tab.click("a[rel=next]")
    tab.wait_for_url(f"**/{NOTEBOOKS[0]}.html")
    assert tab.evaluate("document.querySelector('[aria-current=page]').href") == tab.url
    tab = opened("02_momentum")
    contents, text = tab.locator(".menu"), tab.locator("main").bounding_box()
    assert contents.bounding_box()["x"] + contents.bounding_box()["width"] <= text["x"]
    tab.evaluate("window.scrollTo(0, 3000)")
    assert 0 <= contents.bounding_box()["y"] < 100
    tab.locator(".toc a").nth(3).click()
    tab.wait_for_function(
        """() => {
        const target = document.getElementById(location.hash.slice(1));
        const top = target?.getBoundingClientRect().top;
        return 48 <= top && top < 150; }"""  # below the bar
    )


def test_on_a_phone_contents_are_one_press_away_and_figures_and_tables_are_readable(opened):
    tab = opened("02_momentum", width=360)
    tab.evaluate("window.scrollTo(0, 9000)")
    summary, contents = tab.locator(".menu > summary"), tab.locator(".toc")
    assert 0 <= summary.bounding_box()["y"] < 60
    expect(contents).to_be_hidden()
    summary.click()
    tab.locator(".toc a").nth(2).click()
    expect(contents).to_be_hidden()
    tab = opened("index", width=360)
    table = tab.locator(".scroll:has(> table)").first
    table.scroll_into_view_if_needed()
    table.evaluate("box => box.scrollLeft = 200")
    left = table.locator("tbody th").first.bounding_box()["x"]
    assert left == pytest.approx(table.bounding_box()["x"], abs=2), "its first column stays"


def test_search_finds_sections_of_other_pages_by_keyboard_and_says_when_there_are_none(opened):
    tab = opened("index")
    tab.keyboard.press("/")
    tab.keyboard.type("What is not accessible")
    expect(tab.locator("#hits")).to_have_text(re.compile(r"\d+.* found$"))
    expect(tab.locator("#found li").first).to_contain_text("What is not accessible")
    tab.keyboard.press("ArrowDown")
    expect(tab.locator("#found a").first).to_be_focused()
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/{STEMS[-1]}.html#*")
    expect(tab.locator("h2:target", has_text="What is not accessible")).to_be_in_viewport()
    tab.locator("#find").click()
    for words, best in tomllib.loads((ROOT / "tests/search.toml").read_text("utf-8")).items():
        for word in words.split(", "):
            tab.locator("#query").fill(word)
            expect(tab.locator("#found li").first).to_contain_text(best, ignore_case=True)
    tab.locator("#query").fill("xylophone")
    expect(tab.locator("#hits")).to_have_text("Nothing found")
    tab.keyboard.press("Escape")
    expect(tab.locator("#search")).to_be_hidden()
    expect(tab.locator("#find")).to_be_focused()


def test_a_term_opens_where_it_stands_by_keyboard_and_one_switch_shows_the_code(opened):
    tab = opened("02_momentum", width=360)
    term, meaning = tab.locator("a.term", has_text="early stopping"), tab.locator("#meaning")
    settled = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    figure = "document.getElementById('figures-1-and-2')"
    tab.evaluate(f"() => {{ {figure}.scrollIntoView(); return {settled}; }}")
    assert tab.evaluate("scrollY") > 2000, "nothing else scrolls the page"
    term.press("Enter")
    tab.evaluate(f"() => {{ scrollBy(0, 9); return {settled}; }}")
    expect(meaning).to_contain_text("Ends training when")
    box = meaning.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 360 and axe_violations(tab) == []
    tab.keyboard.press("Escape")
    expect(meaning).to_be_hidden()
    expect(term).to_be_focused()
    term.click()
    meaning.locator("a").click()
    tab.wait_for_url("**/glossary.html#term-early-stopping")
    tab.go_back()
    expect(tab.locator(".code:not(.shown):visible")).to_have_count(0)
    tab.get_by_label("Show code").check()
    assert tab.locator(".code:not(.shown):visible").count() > 20


# ---- numbers, claims, steps ------------------------------------------


def test_the_numbers_behind_a_figure_are_a_table_and_download_as_csv(opened):
    tab = opened("02_momentum")
    data = tab.locator("#figures-1-and-2 details.data")
    data.locator("summary").click()
    expect(data.locator("table")).to_be_visible()
    heads = data.locator("thead th").all_inner_texts()
    with tab.expect_download() as download:
        data.locator("a.download").click()
    assert download.value.suggested_filename == "figures-1-and-2.csv"
    curves = pd.read_csv(download.value.path())
    shown = data.locator("tbody tr").nth(2).locator("td").all_inner_texts()
    assert float(shown[heads.index("training loss")]) == pytest.approx(curves.training_loss[2])


def test_claims_are_filtered_by_their_verdict(opened):
    tab = opened("index")
    for verdict in ("reproduced", "not-reproduced", "no-effect", "undecided"):
        tab.locator(f"#show-{verdict}").check()
        shown = tab.locator(".claim:visible").evaluate_all("all => all.map(c => c.className)")
        label = tab.locator(f"label:has(#show-{verdict})").inner_text()
        assert len(shown) == int(re.search(r"\d+", label)[0])
        assert all(verdict in classes.split() for classes in shown)


def test_on_a_phone_a_claim_has_its_verdict_on_the_screen_and_one_page_fits_a_wide_one(opened):
    for stem in ("index", "01_gradient_check", "06_final"):
        tab = opened(stem, width=360)
        tab.evaluate("document.querySelectorAll('.more').forEach(part => (part.open = true))")
        kinds = "td:is(.reproduced, .not-reproduced, .no-effect, .undecided)"
        ends = tab.locator(f":is(.claim .verdict, {kinds}):visible").evaluate_all(
            "all => all.map(verdict => verdict.getBoundingClientRect().right)"
        )
        assert ends and 0 < min(ends) and max(ends) <= 360
    tab = opened("10_on_one_page", width=1280)
    assert tab.locator("main figure").evaluate("e => e.getBoundingClientRect().bottom") <= 1000


def test_frames_are_turned_forwards_and_back_and_on_paper_the_authors_picture_is_shown(opened):
    tab = opened("08_laboratory")
    figure = tab.locator("figure:has(.frame)").first
    back, forward = (figure.get_by_role("button", name=name) for name in ("Back", "Next"))
    panels = figure.locator(".panels").all()
    still, *frames = (each.get_attribute("data-text") for each in panels)

    def shows(text):
        """Playwright refuses to look at two panels."""
        expect(figure.locator(".panels:visible")).to_have_attribute("data-text", text)
        expect(figure.locator(".finding")).to_have_text(text)

    expect(back).to_be_disabled()
    for number, text in enumerate(frames, 1):
        shows(text)
        expect(figure.locator(".place")).to_have_text(f"picture {number} of {len(frames)}")
        if number < len(frames):
            forward.click()
    expect(forward).to_be_disabled()
    for event, text in (("beforeprint", still), ("afterprint", frames[-1])):
        tab.evaluate(f"dispatchEvent(new Event('{event}'))")
        shows(text)
        expect(figure.locator(".frame:visible")).to_have_count(int(text is not still))
    for text in frames[-2::-1]:
        back.click()
        shows(text)


def test_a_unit_that_is_chosen_shows_its_sum_and_marks_what_it_reads(opened):
    figure = opened("08_laboratory").locator("figure:has(.sum)")
    for number in range(8):
        expect(figure.locator(".sum")).to_be_visible(visible=number > 0)
        figure.get_by_role("button", name="Next").click()
    z1 = {*(f"x-0-{n}" for n in range(4)), *(f"W1-{n}-1" for n in range(4)), "b1-0-1"}
    d1 = {"d2-0-0", "d2-0-1", "W2-2-0", "W2-2-1", "a1-0-2"}
    for name, read in {"z1[1]": z1, "d1[2]": d1}.items():
        figure.get_by_role("button", name=f"{name}: ").press("Enter")
        expect(figure.locator(".sum")).to_contain_text(f"{name} = ")
        cells = figure.locator(".frame:visible .read").evaluate_all("all => all.map(e => e.id)")
        assert {"-".join(cell.split("-")[-3:]) for cell in cells} == read
