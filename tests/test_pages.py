"""Pages and index are made of what the notebooks' outputs carry, and their references hold."""

import base64
import hashlib
import io
import json
import re
import zlib
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import matplotlib as mpl
import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import HTML, display
from IPython.utils.capture import capture_output
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from official import fill, small_files
from small_runs import judged_twice

from kmnist_mlp import Dataset, figures
from kmnist_mlp.data import CLASS_NAMES
from kmnist_mlp.experiments import CLAIMS, Results, claims_of, judge
from kmnist_mlp.experiments.claims import printed_outside
from kmnist_mlp.experiments.provenance import commit
from kmnist_mlp.experiments.reference import load_reference
from kmnist_mlp.figures import tables
from kmnist_mlp.report import notebook
from kmnist_mlp.report.pages import site
from kmnist_mlp.report.pages.page import DRAWN, findings, places, showing
from kmnist_mlp.report.pages.site import render
from kmnist_mlp.report.pages.text import GLOSSARY, slug

ARRAYS = [np.zeros(shape, np.uint8) for shape in ((20, 28, 28), 20, (10, 28, 28), 10)]
IMAGES = Dataset(*ARRAYS, "KMNIST", CLASS_NAMES)
FOREIGN = "<script>foreign()</script>"
CHECKED = "a: agrees with the reference results\nb: MOVED by 3\nMOVED: 2 to 3\nc: as recorded\n"


@pytest.fixture(scope="module")
def judged(small_results):
    found = judged_twice(small_results, claims=claims_of("2.2b", "3.1a"))
    assert len({*found.verdict.value_counts()}) == 3, "no count stands for another"
    found.loc[found.verdict == "not reproduced", "verdict_code"] = "reproduced"
    return found


def cell_of(action):
    """Return a cell with the outputs of an action, as if a notebook had been executed."""
    with capture_output(stdout=False, stderr=False) as captured:
        action()
    outputs = [
        new_output("display_data", output.data, metadata=output.metadata or {})
        for output in captured.outputs
    ]
    return new_code_cell("show()", execution_count=1, outputs=outputs)


@pytest.fixture(scope="module")
def notebooks(small_results, judged, kana, tmp_path_factory):
    """Two notebooks with the outputs of what notebooks call, as they come back from the disk."""
    results = small_results

    def first():
        notebook.show_curves(results, "baseline")
        display(HTML(FOREIGN))
        notebook.show_curves(results, "l2_0.2")
        notebook.show(tables.comparison(results), "Table S1.1. All & sundry.", role="results")

    def second():
        notebook.show(figures.example_images(kana), "Figure S2.1. Ten お o.", role="characters")
        beside = figures.against_paper(results)
        notebook.show(beside, "Figure S2.2. Beside the paper.", role="picture")
        notebook.show(tables.scoreboard(judged), "Table S2.1. The claims.", role="scoreboard")

    same = "## Same\n\nThe patience is 5 epochs; `patience` in code. Patience: 5 % of お o.\n\n"
    formula = "### $x^2$\n\nIt is $\\frac{x}{2}$ (fingerprint `8ca39712f171`) of `96d27e1`."
    texts = {
        "02_one": (f"# 1 One\n\nThe *first*.\n\n{same}{same}{FOREIGN}\n\n{formula}", first),
        "10_on_one_page": (f"# 2 Two\n\nThe second.\n\n{same}### Exercise 2.1: Is 1 < 2?", second),
    }
    output = new_output("stream", name="stdout", text=CHECKED)
    check = [new_markdown_cell("## Check"), new_code_cell("c", execution_count=9, outputs=[output])]
    with pytest.MonkeyPatch.context() as monkeypatch, mpl.rc_context():
        folder = fill(tmp_path_factory.mktemp("kmnist"), small_files(monkeypatch))
        for name, value in {"DATASET": "kmnist", "DATA": str(folder), "SEEDS": "2"}.items():
            monkeypatch.setenv(f"KMNIST_MLP_{name}", value)
        InteractiveShell.instance()
        books = {
            Path(f"{name}.ipynb"): new_notebook(
                cells=[new_markdown_cell(text), cell_of(notebook.begin), cell_of(show), *check]
            )
            for name, (text, show) in texts.items()
        }
        InteractiveShell.clear_instance()
    return {path: nbformat.reads(nbformat.writes(b), as_version=4) for path, b in books.items()}


@pytest.fixture(scope="module")
def pages(notebooks):
    """All pages, and all of them in a single file."""
    files = render(notebooks, IMAGES) | {"single": render(notebooks, IMAGES, True)["index"]}
    return {stem: BeautifulSoup(text, "html.parser") for stem, text in files.items()}


COMMITTED = (Path(__file__).resolve().parents[1] / "notebooks").glob("[0-9]*.ipynb")
COMMITTED = {path: nbformat.read(path, as_version=4) for path in sorted(COMMITTED)}


@pytest.fixture(scope="module")
def published():
    """The pages of the committed notebooks."""
    files = render(COMMITTED, IMAGES)
    return {stem: BeautifulSoup(text, "html.parser") for stem, text in files.items()}


@pytest.fixture(scope="module")
def one(pages):
    return pages["02_one"]


@pytest.fixture(scope="module")
def index(pages):
    return pages["index"]


def text_of(element):
    return " ".join(element.get_text().split())


# ---- a page ----------------------------------------------------------


def test_each_picture_of_the_report_is_that_of_its_notebook_above_its_own_numbers(published):
    lines, front = re.compile(r' d="([^"]+)"'), published["index"]
    cells = [(path.stem, cell) for path, book in COMMITTED.items() for cell in book.cells]
    for stem, output in ((stem, out) for stem, cell in cells for out in cell.get("outputs", [])):
        marks = output.get("metadata", {}).get("kmnist_mlp", {})
        if "number" not in marks:
            continue
        anchor = slug(marks.number)
        on_front = front.select(f"figure:has(figcaption a[href$='#{anchor}'])")
        assert len(on_front) == (marks["index"] in ("picture", "results"))
        for place in [published[stem].find(id=anchor), *on_front]:
            link = place.select_one("a.download")
            assert unquote(link["href"]) == f"data:text/csv;charset=utf-8,{marks.csv}"
            assert link["download"] == f"{anchor}.csv"
            drawn = output.data.get("image/svg+xml", "")
            assert lines.findall(drawn) == lines.findall(str(place.svg))
            assert marks.caption in text_of(place)


def test_figures_and_tables_have_number_caption_and_text(pages, one, small_results):
    figure, table = one.find(id="figures-3-and-4"), one.find(id="table-s1-1")
    assert text_of(figure.figcaption).startswith("Figures 3 and 4.")
    assert text_of(table.figcaption).endswith("paper's values. All & sundry.") and table.table
    assert one.get_text().count("Figures 3 and 4.") == 1, "the notebook's caption stands once"
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in figure.find_all("svg"))
    accuracy = f"{small_results.values('test_accuracy', 'baseline').mean():.1f} %"
    assert accuracy in figure.svg["aria-label"] and accuracy in text_of(figure.figcaption)
    image = pages["10_on_one_page"].select_one("#figure-s2-1 svg")
    assert image["aria-label"].endswith("Ten o."), "an alternative text has no kana"


def test_a_page_ends_with_what_it_was_made_with_and_the_comparisons_for_maintainers(one):
    (block,) = one.select("section.provenance")
    names = {name.get_text() for name in block.find_all("dt")}
    assert {"data", "fingerprint", "seeds", "NumPy", "BLAS", "processor", "commit"} < names
    said = block.get_text()
    assert commit() in said
    row = next(row for row in block.find_all("tr") if "Figures 3 and 4" in row.get_text())
    assert [td.get_text() for td in row.find_all("td")] == ["baseline, early stopping", "0, 1"]
    (folded,) = one.select("details.check")
    assert not folded.has_attr("open") and "b: MOVED by 3" in folded.get_text()
    summary = "2 comparisons agree with the reference results, 2 MOVED"
    assert folded.summary.get_text() == summary


# ---- text, contents, search ------------------------------------------


@pytest.mark.parametrize("stem", ["02_one", "10_on_one_page", "draw", "train", "single"])
def test_a_page_lets_its_own_scripts_run_and_none_of_a_notebook(pages, stem):
    policy = pages[stem].find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    for script in pages[stem].select("script:not([type])"):
        digest = base64.b64encode(hashlib.sha256(script.string.encode()).digest()).decode()
        assert (f"'sha256-{digest}'" in policy) == ("foreign" not in script.string)
    assert ("foreign" in str(pages[stem])) == (stem in ("02_one", "single"))


def test_terms_are_linked_where_they_first_occur_kana_marked_and_headings_named(one):
    first, second = (one.find(id=f"02-one-same{again}") for again in ("", "-again"))
    links = [(a.get_text(), a["href"]) for a in first.find_next("p").find_all("a")]
    expected = [("patience", "patience"), ("epochs", "epoch")]
    assert links == [(text, f"glossary.html#term-{term}") for text, term in expected]
    meaning = " ".join(GLOSSARY["patience"]["meaning"].split())
    assert first.find_next("p").a["title"] == meaning
    assert not second.find_next("p").find_all("a") and not one.select("code a, h1 .term, h2 .term")
    assert "5\u00a0% of" in second.find_next("p").get_text()
    assert one.select_one(".prose [lang=ja]").get_text() == "お"
    listed = [a.get_text() for a in one.select(".toc a")]
    assert listed[:2] == ["Same", "Same"] and listed[-1] == "How this page was made"
    assert one.select_one(".toc math") and "Check" not in listed


def test_search_finds_every_section_caption_and_term_of_all_pages(pages):
    packed = base64.b64decode(pages["02_one"].find(id="sections").string)
    sections = {section["href"]: section for section in json.loads(zlib.decompress(packed))}
    first = sections["02_one.html#02-one-1-one"]
    assert (first["page"], first["title"], first["text"]) == ("1 One", "1 One", "The first.")
    assert sections["02_one.html#02-one-x2"]["text"] == "It is x / 2 of ."
    shown = sections["02_one.html#table-s1-1"]
    assert shown["title"] == "Table S1.1"
    assert "values. All & sundry. · experiment · " in shown["text"]
    assert "baseline, early stopping" in shown["text"].split(" · ")
    assert not [s for s in sections.values() if re.search(f"{commit()[:7]}|[0-9a-f]{{10}}", str(s))]
    synonyms = sections["02_one.html#02-one-same"]["also"]
    assert GLOSSARY["epoch"]["also"] in synonyms and GLOSSARY["seed"]["also"] not in synonyms
    found = {section["page"] for section in sections.values()}
    assert found >= {"1 One", "2 Two", "Glossary", "Draw a character", "Accessibility"}
    term = sections["glossary.html#term-patience"]
    assert term["title"] == "patience" and term["text"].startswith("How many epochs")
    for stem in ("02_one", "10_on_one_page"):
        for figure in pages[stem].select("main figure[id]"):
            text = sections[f"{stem}.html#{figure['id']}"]["text"]
            assert text and text_of(figure.figcaption).partition(". ")[2] in text


# ---- references ------------------------------------------------------


def anchors(page):
    return [tag["id"] for tag in page.find_all(id=True)]


def test_every_link_leads_to_a_page_and_an_anchor_that_is_there_once(pages):
    for stem, page in pages.items():
        assert len(anchors(page)) == len(set(anchors(page)))
        links = [a["href"] for a in page.find_all("a")]
        links = [link for link in links if not link.startswith(("http", "data"))]
        assert len(links) > 5 and (stem != "single" or all(link[0] == "#" for link in links))
        for file, _, anchor in (link.partition("#") for link in links):
            target = pages[file.removesuffix(".html") if file else stem]
            assert not anchor or anchor in anchors(target), anchor
        shown = {tag["id"] for tag in page.select("main :is(figure, h2)[id]")}
        assert shown <= {*anchors(pages["single"])}, "the single file holds everything"
        for drawn in page.select("svg.figure"):
            used = set(re.findall(r"(?:url\(|href=\")#([^\")]+)", str(drawn)))
            assert used <= {tag["id"] for tag in drawn.find_all(id=True)}


def test_each_reference_is_a_link_to_what_it_names_except_within_it(published):
    named = re.compile(r"((?:Figure|Table) S\d+\.\d+)|(?<!its )[Ss]ection (\d+)(?!\.?\d)")
    for stem, page in published.items():
        for text in page.main.find_all(string=named):
            around = {parent.name for parent in text.parents}
            if around & {"h1", "h2", "h3", "pre", "code", "summary", "svg"}:
                continue
            link = text.find_parent("a")
            for own, section in named.findall(text):
                inside = {slug(own)} & {parent.get("id") for parent in text.parents}
                here = section and stem.startswith(f"{int(section):02}_")
                place = f"#{slug(own)}" if own else f"{int(section):02}_"
                assert inside or here or (link and place in link["href"]), text


def test_what_a_notebook_calls_more_is_folded_under_these_words(published):
    for path, book in COMMITTED.items():
        folds = published[path.stem].select(":not(.provenance) > details.more > summary")
        more = [cell.metadata.more for cell in book.cells if "more" in cell.metadata]
        assert [text_of(fold).partition(" (")[0] for fold in folds] == more


# ---- the index page --------------------------------------------------


def test_the_index_has_findings_where_they_are_shown_contents_citation_and_credit(
    index, small_results, judged
):
    tiles = index.select(".tiles a")
    outside, printed, _ = printed_outside(judged)
    assert tiles[0].get_text().startswith(f"{outside} of {printed}")
    assert tiles[0]["href"] == "#scoreboard"
    validation, test = (
        small_results.values(f"{part}_accuracy", "baseline") for part in ("validation", "test")
    )
    (tile,) = (tile for tile in tiles if "between validation and test accuracy" in text_of(tile))
    assert tile.strong.get_text() == f"{(validation - test).mean():.1f}"
    assert tile["href"] == "02_one.html#figures-3-and-4"
    assert not any("sigmoid" in text_of(tile) for tile in tiles), "it was not measured"
    question = text_of(index.select_one(".question"))
    assert "over 2 seeds, on KMNIST" in question
    assert f"{len(judged)} claims, {(judged.verdict == 'reproduced').sum()} are" in question
    doors = {a["href"] for a in index.select(".doors a")}
    assert doors == {"draw.html", "train.html", "#exercises", "#scoreboard", "10_on_one_page.html"}
    assert len(base64.b64decode(index.select_one(".strip img")["src"].split(",")[1])) > 100
    assert [a.get_text() for a in index.select(".contents details a")] == [
        "Figures 3 and 4", "Figures 5 and 6", "Table S1.1",
        "Figure S2.1", "Figure S2.2", "Table S2.1",
    ]  # fmt: skip
    assert "The second." in text_of(index)
    assert "Beside the paper." in text_of(index.select_one("figure.picture figcaption"))
    root = json.loads(index.find(type="application/ld+json").string)["@graph"][1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", root["datePublished"])
    bibtex = unquote(index.find("a", download="kmnist_mlp.bib")["href"])
    assert f"note = {{commit {commit()}}}" in bibtex and "author = {{The kmnist_mlp" in bibtex


def item(number, experiments, quantities=("test_accuracy",)):
    return SimpleNamespace(number=number, experiments=experiments, quantities=quantities)


@pytest.mark.parametrize(
    ("gains", "stated", "verdict"),
    [((0.01, 0.012, 0.011), 1.1, "reproduced"), ((-0.01, 0.04, 0.01), 0, "undecided")],
)
def test_findings_are_the_numbers_behind_tables_and_stated_only_if_their_interval_excludes_zero(
    gains, stated, verdict
):
    rows = [("baseline", s, 0.9, 0.8) for s in range(3)] + [("final", 0, 0.97, 0.901)]
    rows += [("sigmoid", s, 0.9, 0.8 + gain) for s, gain in enumerate(gains)]
    columns = ["experiment", "seed", "validation_accuracy", "test_accuracy"]
    networks = pd.DataFrame({"kind": ["final network"] * 2, "accuracy": [0.90, 0.93]})
    networks.loc[2] = "ensemble", 0.97  # is not one of the networks
    claims = [("final", "test_loss", "", "x"), ("final", "test_accuracy", "l2_0.2", "x")]
    claims += [("final", "test_accuracy", "", verdict), ("sigmoid", "test_loss", "", "x")]
    judged = pd.DataFrame(claims, columns=["experiment", "quantity", "minus", "verdict"])
    judged["cause"] = ["", "", "", "fixed epochs"]
    judged = judged.assign(kind="comparison", one_run=False, verdict_code="")
    shown = {"results": pd.DataFrame(rows, columns=columns), "beyond": networks}
    shown["scoreboard"] = judged
    found = findings(shown)
    assert found["fixed"] and (found["verdict"], found["members"]) == (verdict, 2)
    numbers = [found[name] for name in ("final", "gap", "best", "sigmoid")]
    assert numbers == pytest.approx([90.1, 10, 91.5, stated])


def test_a_claim_is_shown_by_the_figure_with_the_fewest_experiments_that_has_all_of_it(index):
    first, other, both = item("Figure 1", "a"), item("Figure 2", "b"), item("Figure 3", "ab")
    all_three, table = item("Figure 4", "abc"), item("Table 1", "a")
    loss = item("Figure 5", "ab", ["test_loss"])
    shelf = [table, loss, all_three, both, other, first]
    for names, expected in (("a", [first]), ("ab", [both]), ("bc", [all_three]), ("d", [])):
        assert showing(shelf, "test_accuracy", *names, "") == expected
    assert showing([first, other], "test_accuracy", "a", "b") == [first, other]
    (claim,) = (claim for claim in index.select(".claim") if "overfits less" in text_of(claim))
    assert [(a.get_text(), a["href"]) for a in claim.select("a")] == [
        ("Figures 5 and 6", "02_one.html#figures-5-and-6"),
        ("Figures 3 and 4", "02_one.html#figures-3-and-4"),
    ], "no figure shows both"


def test_the_front_page_of_the_report_has_the_reference_results_over_five_seeds(published):
    index, keys = published["index"], ["experiment", "seed"]
    assert "over 5 seeds, on KMNIST" in text_of(index.select_one(".question"))
    results = load_reference("KMNIST").pivot(index=keys, columns="quantity", values="value")
    results["generalisation_gap"] = results.training_accuracy - results.validation_accuracy
    link = index.select_one("figure.picture a.download")["href"]
    beside = pd.read_csv(io.StringIO(unquote(link.partition(",")[2]))).set_index(keys)
    for (quantity, rows), unit in zip(beside.groupby("quantity"), (100, 1), strict=True):
        np.testing.assert_allclose(rows.ours, unit * results[quantity][rows.index], rtol=1e-6)
    judged = judge(Results.of_frame(results.reset_index(), "KMNIST"), {})
    assert len(judged) == len(CLAIMS) - 1, "all but the gradient check"
    for row in tables.in_percent(judged).itertuples():
        claim = index.find(id=f"claim-{row.number}")
        assert claim["class"] == ["claim", row.verdict.replace(" ", "-")]
        values = text_of(claim.select_one(".values")).replace("−", "-")
        claimed, ours = (re.findall(r"-?\d+(?:\.\d+)?", part) for part in values.split(", ours "))
        ours = ours or ["0"] * 3  # no difference
        ends = filter(np.isfinite, (row.low, row.high))
        assert [*map(float, claimed)] == pytest.approx([*ends])
        measured = [row.mean, row.interval_low, row.interval_high]
        last_digit = 1.01 * 10.0 ** -len(ours[0].partition(".")[2])
        assert [*map(float, ours)] == pytest.approx(measured, abs=last_digit)


def test_the_scoreboard_shows_each_claim_once_in_its_section_in_the_papers_order(index, judged):
    claims = index.select(".board .claim")
    numbers = [int(claim.select_one(".no").get_text()) for claim in claims]
    assert numbers == sorted(judged.number)
    by_number = judged.set_index("number")
    drawn = dict(zip(judged.number, places(judged)[0], strict=True))
    symbols = {"reproduced": "✓", "not reproduced": "✗", "no effect": "=", "undecided": "?"}
    for claim, number in zip(claims, numbers, strict=True):
        row = by_number.loc[number]
        assert claim["id"] == f"claim-{number}" and row.claim in text_of(claim.select_one(".text"))
        verdicts = (row.verdict, row.verdict_code)
        for shown, verdict in zip(claim.select(".verdict"), verdicts, strict=True):
            assert f"{symbols[verdict]} {verdict}" in shown.get_text()
            assert shown["class"] == ["verdict", verdict.replace(" ", "-")]
        assert bool(claim.select_one(".cause")) == (row.verdict == "not reproduced")
        (left, right, *interval), svg = drawn[number], claim.svg
        strokes = [end for end in (left, right) if 0 < end < 160]
        found = re.findall(r"\d+\.\d", str(svg.select("path, circle")))[:-4]  # radius and axis
        assert [*map(float, found)] == strokes + interval
        assert float(svg.rect["x"]) == left
        assert float(svg.rect["width"]) == pytest.approx(right - left, abs=0.06)
        ends = [float(each.get_text().replace("−", "-")) for each in svg.select("text")]
        drawable = [end for end in row[DRAWN] if np.isfinite(end)]
        assert ends == pytest.approx([min(drawable), max(drawable)], rel=1e-2, abs=1e-3)
    sections = {
        text_of(s.h3): [int(n.get_text()) for n in s.select(".no")] for s in index.select(".claims")
    }
    assert [*sections] == ["1 One", "3.1a"], "by the title of the notebook of that number"
    rows = index.select_one(".board table").tbody.select("tr")
    cells = [[cell.get_text() for cell in row.select("td")] for row in rows]
    assert cells == tables.verdicts_by_kind(judged).values.tolist()


def test_the_drawing_of_a_claim_has_range_interval_and_mean_on_one_scale():
    claims = pd.DataFrame({"low": [1.0, -np.inf, 1], "high": 2.0, "mean": 2.0})
    claims["interval_low"], claims["interval_high"] = [1.5, 1.5, -np.inf], [2.5, 2.5, np.inf]
    bounded, one_sided, one_seed = places(claims)[0]
    left, right, low, high, mean = bounded
    assert left < low < right == mean < high and (low - left) * 2 == pytest.approx(right - left)
    assert one_sided[0] == 0 and one_sided[1] < 160 and one_seed[2:4] == [0, 160]


def test_a_page_holds_its_notebook_and_leads_to_the_repository_if_there_is_one(
    notebooks, pages, monkeypatch
):
    address = pages["02_one"].select_one("a[download='02_one.ipynb']")["href"]
    held = nbformat.reads(unquote(address.partition(",")[2]), 4)
    (given,) = (book for path, book in notebooks.items() if path.stem == "02_one")
    assert [cell.source for cell in held.cells] == [cell.source for cell in given.cells]
    assert not any(cell.get("outputs") for cell in held.cells)
    assert not pages["02_one"].select("a[href*=binder]")
    for stem in ("index", "02_one"):
        (link,) = pages[stem].select(".page-tools a:not([download])")
        assert link["href"] == "index.html#install"
    monkeypatch.setitem(site.URLS, "Repository", "https://github.com/someone/some")
    for stem, text in site.render(notebooks, IMAGES).items():
        tools = BeautifulSoup(text, "html.parser").select_one(".page-tools")
        source, binder = (a["href"] for a in tools.select("a:not([download])"))
        assert source.startswith("https://github.com/someone/some/blob/HEAD/")
        assert (Path(source).name == f"{stem}.ipynb") == (stem in ("02_one", "10_on_one_page"))
        assert binder.startswith("https://mybinder.org/v2/gh/someone/some/HEAD?urlpath=lab/tree/")


def test_the_banner_of_the_stand_in_is_on_every_page_and_only_then(notebooks, pages):
    assert not any(page.select(".banner") for page in pages.values())
    path, book = next(iter(notebooks.items()))  # one is enough
    for name in ("stand-in data", "Letters"):
        other = nbformat.reads(nbformat.writes(book).replace('"KMNIST"', f'"{name}"'), 4)
        for text in render(notebooks | {path: other}, IMAGES).values():
            banner = BeautifulSoup(text, "html.parser").find(class_="banner")
            assert f"compares {name} with" in banner.get_text()
