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
from IPython.utils.capture import capture_output
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from official import small_files
from small_runs import judged_twice

from kmnist_mlp import Dataset, figures
from kmnist_mlp.experiments import claims_of
from kmnist_mlp.experiments.provenance import commit
from kmnist_mlp.experiments.verdicts import VERDICTS, printed_outside
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.report_figure import ShownData
from kmnist_mlp.report import notebook
from kmnist_mlp.report.pages import Site, glossary, render
from kmnist_mlp.report.pages.board import drawing
from kmnist_mlp.report.pages.glossary import TERMS, link_terms
from kmnist_mlp.report.pages.index import showing, tiles
from kmnist_mlp.report.pages.markdown import render_markdown
from kmnist_mlp.report.pages.page import Exhibit
from kmnist_mlp.report.pages.pictures import figure_html, themed
from kmnist_mlp.report.pages.text import mark_kana


@pytest.fixture(scope="module")
def results(small_results):
    return small_results


@pytest.fixture(scope="module")
def judged(results):
    found = judged_twice(results, claims=claims_of("2.2b", "3.1a"))
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
def notebooks(results, judged, kana, tmp_path_factory):
    """Two notebooks with the outputs of what notebooks call, as they come back from the disk."""

    def first():
        notebook.show_curves(results, "baseline")
        notebook.show_curves(results, "l2_0.2")
        notebook.show(tables.comparison(results), "Table S1.1. All & sundry.", role="results")

    def second():
        characters = figures.example_images(kana)
        notebook.show(characters, "Figure S2.1. The characters.", role="characters")
        notebook.show(
            figures.against_paper(results), "Figure S2.2. Beside the paper.", role="picture"
        )
        notebook.show(tables.scoreboard(judged), "Table S2.1. The claims.", role="scoreboard")

    texts = {
        "01_one.ipynb": ("# 1 One\n\nThe first.\n\n## Same\n\n## Same\n\n### $x^2$", first),
        "02_two.ipynb": ("# 2 Two\n\nThe second.\n\n## Same", second),
    }
    folder = tmp_path_factory.mktemp("kmnist")
    with pytest.MonkeyPatch.context() as monkeypatch, mpl.rc_context():
        for name, content in small_files(monkeypatch).items():
            (folder / name).write_bytes(content)
        monkeypatch.setenv("KMNIST_MLP_DATASET", "kmnist")
        monkeypatch.setenv("KMNIST_MLP_DATA", str(folder))
        monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
        InteractiveShell.instance()
        books = {
            Path(name): new_notebook(
                cells=[new_markdown_cell(text), cell_of(notebook.begin), cell_of(show)]
            )
            for name, (text, show) in texts.items()
        }
        InteractiveShell.clear_instance()
    facts = {"this page": "executed in 7 s", "experiments": "14 runs, 3 computed in 9 s"}
    books[Path("01_one.ipynb")].metadata["kmnist_mlp"] = {"facts": list(facts.items())}
    return {path: nbformat.reads(nbformat.writes(b), as_version=4) for path, b in books.items()}


IMAGES = Dataset(*[np.zeros(shape, np.uint8) for shape in ((20, 28, 28), 20, (10, 28, 28), 10)])


def parsed(notebooks, single=False):
    files = render(notebooks, IMAGES, Site(single), key="k")
    return {stem: BeautifulSoup(text, "html.parser") for stem, text in files.items()}


@pytest.fixture(scope="module")
def pages(notebooks):
    return parsed(notebooks)


@pytest.fixture(scope="module")
def single(notebooks):
    (page,) = parsed(notebooks, single=True).values()
    return page


# ---- a page --------------------------------------------------------------------------------------


def test_a_caption_stands_once_with_its_figure_and_states_its_number(pages):
    figure = pages["01_one"].find(id="figures-3-and-4")
    assert figure.name == "figure" and figure.svg
    assert figure.figcaption.get_text().startswith("Figures 3 and 4. Baseline, early stopping:")
    assert pages["01_one"].get_text().count("Figures 3 and 4.") == 1
    table = pages["01_one"].find(id="table-s1-1")
    assert table.table and table.figcaption.strong.get_text() == "Table S1.1."
    assert "All & sundry." in table.figcaption.get_text()


def test_the_alternative_text_of_a_figure_states_what_was_measured(pages, results):
    figure = pages["01_one"].find(id="figures-3-and-4")
    accuracy = f"{results.values('test_accuracy', 'baseline').mean():.1f} % test"
    for form in figure.find_all("svg"):
        assert form["role"] == "img" and accuracy in form["aria-label"]
        assert form["aria-label"].startswith("Line chart: cross-entropy per example / 10 by epoch;")
    assert accuracy in figure.select_one(".finding").get_text().replace("\u00a0", " ")


def csv(link):
    kind, _, content = link["href"].partition(",")
    assert kind == "data:text/csv;charset=utf-8" and link["download"].endswith(".csv")
    return pd.read_csv(io.StringIO(unquote(content)))


def test_every_figure_and_table_has_its_numbers_for_download(pages, results):
    exhibits = pages["01_one"].select("main figure") + pages["02_two"].select("main figure")
    assert len(exhibits) == 6
    assert all(len(csv(exhibit.select_one("a.download"))) for exhibit in exhibits)
    frame = csv(pages["01_one"].select_one("#table-s1-1 a.download"))
    assert frame.test_accuracy.tolist() == pytest.approx(results.frame.test_accuracy.tolist())
    curves = csv(pages["01_one"].select_one("#figures-3-and-4 a.download"))
    expected = pd.concat(run.history for run in results.of("baseline"))
    assert curves[curves.source == "ours"].validation_loss.tolist() == pytest.approx(
        expected.validation_loss.tolist()
    )
    assert len(curves.test_accuracy.dropna()) == 2, "once for each seed"


def test_the_headers_of_tables_have_their_scope(pages, single):
    for page in (*pages.values(), single):
        for table in page.find_all("table"):
            assert all(cell.get("scope") == "col" for cell in table.thead.find_all("th"))
            rows = table.tbody.find_all("tr")
            assert all(
                [cell.get("scope") for cell in row.find_all("th")] == ["row"] for row in rows
            )


def test_every_page_has_its_landmarks_and_a_way_past_the_navigation(pages, single):
    for page in (*pages.values(), single):
        assert page.html["lang"] == "en" and len(page.find_all("main")) == 1
        first = page.body.find("a")
        assert "Skip" in first.get_text() and page.find(id=first["href"][1:]).name == "main"
        labels = [nav["aria-label"] for nav in page.find_all("nav")]
        assert len(labels) == len(set(labels)) >= 2


def test_each_page_ends_with_what_it_was_made_with(pages):
    (block,) = pages["01_one"].select("section.provenance")
    said = block.get_text()
    assert [name.get_text() for name in block.find_all("dt")][:3] == [
        "data",
        "fingerprint",
        "seeds",
    ]
    for part in ("NumPy", "BLAS", "processor", "Python", "commit", "seeds"):
        assert part in said
    assert re.search("fingerprint[0-9a-f]{64}", said.replace("\n", ""))
    assert commit() in said and "executed in 7 s" in said and "3 computed in 9 s" in said
    row = next(row for row in block.find_all("tr") if "Figures 3 and 4" in row.get_text())
    assert [cell.get_text() for cell in row.find_all("td")] == [
        "baseline, early stopping", "0, 1",
    ]  # fmt: skip
    assert "36-8-10" in said, "the configurations"


# ---- figures on a page ---------------------------------------------------------------------------


def test_a_chart_is_drawn_wide_and_narrow_in_the_colours_of_the_page(pages):
    figure = pages["01_one"].find(id="figures-3-and-4")
    wide, narrow = figure.find_all("svg")
    assert "wide" in wide["class"] and "narrow" in narrow["class"]
    for form in (wide, narrow):
        text = str(form)
        assert "var(--blue)" in text and "var(--ink)" in text and "#0072b2" not in text.lower()
        assert "<style" not in text and "DejaVu" not in text
        assert {"epoch", "Figure 3. Loss"} <= {t.get_text() for t in form.find_all("text")}
    widths, heights = zip(
        *(map(float, f["viewbox"].split()[2:]) for f in (wide, narrow)), strict=True
    )
    assert widths[0] > 2 * widths[1] and heights[1] > 1.5 * heights[0]


def test_what_a_chart_refers_to_is_in_it(pages, single):
    for page in (*pages.values(), single):
        for form in page.select("svg.figure"):
            own = {tag["id"] for tag in form.find_all(id=True)}
            used = set(re.findall(r"(?:url\(|href=\")#([^\")]+)", str(form)))
            assert used == own


def test_an_image_stays_an_image_with_a_narrow_form(pages):
    wide, narrow = pages["02_two"].find(id="figure-s2-1").find_all("img")
    sizes = []
    for form in (wide, narrow):
        content = base64.b64decode(form["src"].partition(",")[2])
        sizes.append(mpl.image.imread(io.BytesIO(content)).shape[1])
        assert not re.search("[\u3040-\u30ff]", form["alt"])
    assert sizes[0] > 2 * sizes[1]


def test_colours_that_are_none_of_ours_stay(pages):
    shown = themed(
        '<svg viewBox="0 0 1 1"><path style="fill: #123456"/></svg>', "a", 'x "y"', "only"
    )
    assert "#123456" in shown and 'aria-label="x &#34;y&#34;"' in shown


@pytest.mark.parametrize(("still", "hidden"), [("BBBB", [0, 1, 2]), ("A2AA", [0, 1])])
def test_frames_have_both_forms_and_are_hidden_but_for_one_that_is_the_still(still, hidden):
    frames = [
        {"content": f"A{n}AA", "text": f"Step {n}.", "alt": f"Diagram {n}.", "narrow": "CCCC"}
        for n in range(3)
    ]
    del frames[1]["narrow"]
    metadata = {"kmnist_mlp": {"frames": frames}, "image/png": {"alt": "All."}}
    output = nbformat.from_dict({"data": {"image/png": still}, "metadata": metadata})
    shown = BeautifulSoup(figure_html(output, "Figure 1", "f"), "html.parser")
    found = shown.select(".frame")
    assert [frame["data-text"] for frame in found] == ["Step 0.", "Step 1.", "Step 2."]
    assert [n for n, frame in enumerate(found) if frame.has_attr("hidden")] == hidden
    forms = [[image["class"][-1] for image in frame.select("img")] for frame in found]
    assert forms == [["wide", "narrow"], ["only"], ["wide", "narrow"]]
    assert found[2].img["alt"] == "Diagram 2."
    alone = [image["alt"] for image in shown.select(".scroll > img")]
    assert alone == (["All."] if still == "BBBB" else [])


def test_kana_in_text_are_marked_as_japanese_and_nothing_else_is_touched(pages):
    html = '<p title="お">つ, tsu</p><svg><text>お</text></svg><script>"お"</script>'
    expected = html.replace("つ", '<span lang="ja">つ</span>')
    assert mark_kana(html) == expected
    for page in pages.values():
        for text in page.body.find_all(string=re.compile("[\u3040-\u30ff]")):
            inside = {parent.name for parent in text.parents}
            assert text.find_parent(lang="ja") or inside & {"script", "style"}


def test_kana_are_marked_in_a_chart_and_left_out_of_the_alternative_text_of_any_picture():
    svg = '<svg viewBox="0 0 1 1"><text>お o</text></svg>'
    for kind, content in (("image/svg+xml", svg), ("image/png", "AAAA")):
        metadata = {kind: {"alt": "お o is worst."}}
        output = nbformat.from_dict({"data": {kind: content}, "metadata": metadata})
        shown = BeautifulSoup(figure_html(output, "Figure 1"), "html.parser").select_one(".figure")
        assert shown.get("alt", shown.get("aria-label")) == "o is worst."
        assert [(tag.name, tag.text) for tag in shown.select('[lang="ja"]')] == (
            [("tspan", "お")] if kind == "image/svg+xml" else []
        )


def test_verdicts_have_their_colour_in_every_table(pages, judged):
    cells = pages["02_two"].find(id="table-s2-1").tbody.find_all("td")
    found = [cell for cell in cells if cell.get_text() in set(judged.verdict)]
    assert len(found) == 2 * len(judged), "by the text and by the code"
    assert all(cell["class"] == [cell.get_text().replace(" ", "-")] for cell in found)


# ---- what stands in the reader's way -------------------------------------------------------------


def test_comparisons_for_maintainers_are_folded_under_one_line(notebooks):
    lines = "a: agrees with the reference results\nb: MOVED by 3\nc: as recorded\n"
    output = new_output("stream", name="stdout", text=lines)
    cells = [
        new_markdown_cell("## Check\n\nFor maintainers."),
        new_code_cell("check(results)", execution_count=3, outputs=[output]),
    ]
    path, book = next(iter(notebooks.items()))
    checked = nbformat.from_dict({**book, "cells": [*book.cells, *cells]})
    page = parsed({path: checked})["01_one"]
    (folded,) = page.select("details.check")
    assert not folded.has_attr("open") and "b: MOVED by 3" in folded.get_text()
    said = folded.summary.get_text()
    assert said == "2 comparisons agree with the reference results, 1 MOVED"
    assert not any("Check" in a.get_text() for a in page.select(".toc a"))


def test_terms_are_linked_where_they_first_occur_and_not_in_code_or_headings():
    linked = set()
    html = "<h2>Patience</h2><p><code>patience</code>: the patience. A patience of 5 epochs.</p>"
    found = BeautifulSoup(link_terms(html, linked, "glossary.html"), "html.parser")
    links = [(a.get_text(), a["href"]) for a in found.find_all("a")]
    assert links == [
        ("patience", "glossary.html#term-patience"), ("epochs", "glossary.html#term-epoch"),
    ]  # fmt: skip
    assert found.a["title"] == TERMS["patience"][1] and linked == {"patience", "epoch"}
    assert not found.select("code a, h2 a")
    assert link_terms("<p>patience</p>", linked, "") == "<p>patience</p>"
    assert 'href="#term-patience"' in link_terms("a caption without tags: patience", set(), "")
    longest = link_terms("<p>the L2 penalties</p>", set(), "")
    assert BeautifulSoup(longest, "html.parser").a.get_text() == "L2 penalties"


def test_the_glossary_explains_every_term_that_can_be_linked(pages, single):
    for page in (pages["glossary"], single):
        assert {glossary.anchor(term) for term in TERMS} <= {
            tag["id"] for tag in page.find_all("dt", id=True)
        }


def test_what_is_searched_are_all_sections_captions_and_terms(pages, single):
    for page, prefix in ((pages["index"], "01_one.html"), (single, "")):
        packed = base64.b64decode(page.find(id="sections").string)
        sections = json.loads(zlib.decompress(packed))
        addresses = [section["href"] for section in sections]
        assert f"{prefix}#figures-3-and-4" in addresses
        assert len(addresses) == len(set(addresses))
        titles = [section["title"] for section in sections]
        assert {"Same", "Table S1.1", "patience"} <= set(titles)
        text = {section["href"]: section["text"] for section in sections}
        assert text[f"{prefix}#table-s1-1"] == "All & sundry. "
        assert text[f"{prefix}#01-one-1-one"] == "The first."
        shown = {exhibit["id"]: exhibit for exhibit in pages["01_one"].select("figure.picture")}
        for name, exhibit in shown.items():
            for part in (exhibit.figcaption.contents[1], exhibit.select_one(".finding").text):
                assert " ".join(part.split()) in text[f"{prefix}#{name}"]


def test_a_page_may_load_nothing_and_run_only_its_own_scripts(pages, single):
    for page in (*pages.values(), single):
        (policy,) = page.select('meta[http-equiv="Content-Security-Policy"]')
        allowed = dict(part.split(" ", 1) for part in policy["content"].split("; "))
        scripts = [script.string for script in page.find_all("script") if not script.get("type")]
        digests = {hashlib.sha256(script.encode()).digest() for script in scripts}
        own = {f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests}
        assert set(allowed.pop("script-src").split()) == own and own
        assert allowed == {
            "default-src": "'none'", "style-src": "'unsafe-inline'", "img-src": "data:",
            "font-src": "data:", "worker-src": "blob:",
        }  # fmt: skip


# ---- references ----------------------------------------------------------------------------------


def anchors(page):
    return [tag["id"] for tag in page.find_all(id=True)]


def links_inside(page):
    links = [a["href"] for a in page.find_all("a")]
    return [link for link in links if not link.startswith(("http", "data"))]


def test_no_anchor_is_there_twice(pages, single):
    for page in (*pages.values(), single):
        assert len(anchors(page)) == len(set(anchors(page)))


def test_every_link_leads_to_a_page_and_an_anchor_on_it(pages):
    for stem, page in pages.items():
        assert len(links_inside(page)) > 5
        for file, _, anchor in (link.partition("#") for link in links_inside(page)):
            target = pages[file.removesuffix(".html") if file else stem]
            assert not anchor or anchor in anchors(target), anchor


def test_the_single_file_holds_everything_and_refers_to_no_other(pages, single):
    assert all(
        link.startswith("#") and link[1:] in anchors(single) for link in links_inside(single)
    )
    for page in pages.values():
        assert {tag["id"] for tag in page.select("figure[id]")} <= set(anchors(single))


def test_the_contents_of_a_page_list_its_sections(pages):
    listed = [a.get_text() for a in pages["01_one"].select(".toc a")]
    assert listed[:2] == ["Same", "Same"] and listed[-1] == "How this page was made"
    assert pages["01_one"].select_one(".toc math")


def test_pages_are_chained_from_the_index_to_the_last(pages):
    def link(stem, relation):
        found = pages[stem].select_one(f"a[rel={relation}]")
        return found and found["href"]

    stems = ["index", "01_one", "02_two"]
    assert list(pages) == [*stems, "draw", "train", "glossary", "accessibility"]
    assert [link(stem, "next") for stem in stems] == ["01_one.html", "02_two.html", None]
    assert [link(stem, "prev") for stem in stems] == [None, "index.html", "01_one.html"]


# ---- the index page ------------------------------------------------------------------------------


def test_the_index_begins_with_findings_each_a_number_that_leads_to_where_it_is_shown(
    pages, results, judged
):
    tiles = pages["index"].select(".tiles a")
    said = [tile.get_text() for tile in tiles]
    outside, printed, _ = printed_outside(judged)
    assert said[0].startswith(f"{outside} of {printed}") and tiles[0]["href"] == "#scoreboard"
    gap = results.values("validation_accuracy", "baseline") - results.values(
        "test_accuracy", "baseline"
    )
    (tile,) = (tile for tile in tiles if "between validation and test accuracy" in tile.get_text())
    assert tile.strong.get_text() == f"{gap.mean():.1f}"
    assert tile["href"] == "01_one.html#figures-3-and-4"
    assert not any("sigmoid" in text for text in said), "it was not measured"
    assert "over 2 seeds, on KMNIST" in pages["index"].select_one(".question").get_text()
    assert len(base64.b64decode(pages["index"].select_one(".strip img")["src"].split(",")[1])) > 100


def test_the_index_leads_to_the_replication_on_one_page_before_anything_else(notebooks, pages):
    assert not pages["index"].select(".question a")
    summary = {Path("10_on_one_page.ipynb"): book for book in notebooks.values()}
    first = parsed(notebooks | summary)["index"].select_one("main a")
    assert first["href"] == "10_on_one_page.html" and "question" in first.parent["class"]


def results_with(differences):
    """Return the exhibits of an index page whose results differ by these, seed by seed."""
    rows = [("baseline", s, 0.9, 0.8) for s in range(3)]
    rows += [("sigmoid", s, 0.9, 0.8 + d) for s, d in enumerate(differences)]
    columns = ["experiment", "seed", "validation_accuracy", "test_accuracy"]
    data = ShownData(pd.DataFrame(rows, columns=columns).to_csv(index=False))
    return {"results": Exhibit("Table 1", "", "01", data, nbformat.NotebookNode())}


@pytest.mark.parametrize(
    ("differences", "stated"), [((0.01, 0.012, 0.011), True), ((-0.01, 0.04, 0.01), False)]
)
def test_a_finding_is_stated_only_if_its_interval_excludes_zero(differences, stated):
    found = [tile.number for tile in tiles(results_with(differences), None, [], Site().link)]
    assert ("+1.1" in found) == stated


def test_the_best_network_and_the_shift_are_findings_with_where_they_are_shown():
    """The best is the mean of single networks: an ensemble does not count."""
    rows = [("final network", 0.90), ("final network", 0.93), ("ensemble", 0.97)]
    numbers = pd.DataFrame(rows, columns=["kind", "accuracy"])
    found = results_with((0.0, 0.0, 0.0)) | {
        "beyond": Exhibit("Table S7.2", "", "07", ShownData.of(numbers), nbformat.NotebookNode()),
        "shift": Exhibit("Table S2.5", "", "02", ShownData(""), nbformat.NotebookNode()),
    }
    made = [(tile.number, tile.address) for tile in tiles(found, None, [], Site().link)]
    assert made == [("10.0", "02.html#table-s2-5"), ("91.5 %", "07.html#table-s7-2")]


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("reproduced", "is the test accuracy of the final model: the paper's 89 % is reproduced"),
        ("not reproduced", "is the test accuracy of the final model: the paper's 89 % is not repro"
         "duced"),
        ("undecided", "is the test accuracy of the final model"),
    ],
)  # fmt: skip
def test_the_finding_about_the_final_model_has_the_verdict_on_its_accuracy(verdict, said):
    data = ShownData("experiment,seed,validation_accuracy,test_accuracy\nfinal,0,0.97,0.901\n")
    found = {"results": Exhibit("Table 1", "", "01", data, nbformat.NotebookNode())}
    columns = ["experiment", "quantity", "minus", "verdict"]
    others = [("final", "test_loss", "", "other"), ("final", "test_accuracy", "l2_0.2", "other")]
    judged = pd.DataFrame([*others, ("final", "test_accuracy", "", verdict)], columns=columns)
    judged = judged.assign(kind="comparison", one_run=False, verdict_code="")
    tile = tiles(found, judged, [], Site().link)[1]
    assert (tile.number, tile.sentence) == ("90.1 %", said)


def test_the_scoreboard_shows_each_claim_once_in_its_section_those_that_failed_first(pages, judged):
    claims = pages["index"].select(".board .claim")
    numbers = [int(claim.select_one(".no").get_text()) for claim in claims]
    assert sorted(numbers) == sorted(judged.number)
    by_number = judged.set_index("number")
    for claim, number in zip(claims, numbers, strict=True):
        row = by_number.loc[number]
        assert claim["id"] == f"claim-{number}"
        assert row.claim in claim.select_one(".text").get_text().replace("\u00a0", " ")
        assert row.verdict.replace(" ", "-") in claim["class"]
        shown = claim.select(".verdict")
        symbols = {"reproduced": "✓", "not reproduced": "✗", "no effect": "=", "undecided": "?"}
        for own, verdict in zip(shown, (row.verdict, row.verdict_code), strict=True):
            assert f"{symbols[verdict]} {verdict}" in own.get_text()
            assert verdict.replace(" ", "-") in own["class"]
        text = tables.scoreboard(judged).loc[number]
        values = f"claimed {text.claimed}, ours {text.ours} ({text['95 % interval']})"
        assert claim.select_one(".values").get_text().replace("\u00a0", " ") == values
        cause = claim.select_one(".cause")
        assert (cause is not None) == (row.verdict == "not reproduced")
    order = ["not reproduced", "no effect", "undecided", "reproduced"]
    for section in pages["index"].select(".claims"):
        found = [
            order.index(by_number.loc[int(n.get_text())].verdict) for n in section.select(".no")
        ]
        assert found == sorted(found)
    plain = pages["index"].select_one(".board").find("a", string="Table S2.1")
    assert plain["href"] == "02_two.html#table-s2-1"
    downloaded = csv(pages["index"].select_one(".board a.download"))
    assert downloaded.claim.tolist() == judged.claim.tolist()
    kinds = tables.verdicts_by_kind(judged)
    rows = pages["index"].select_one(".board table").tbody.select("tr")
    assert [[cell.get_text() for cell in row.select("td")] for row in rows] == kinds.values.tolist()
    labels = [label.get_text() for label in pages["index"].select(".filter label")]
    counts = judged.verdict.value_counts()
    assert [int(re.search(r"\d+", label)[0]) for label in labels] == [
        len(judged), *(counts.get(verdict, 0) for verdict in VERDICTS),
    ]  # fmt: skip


def test_a_claim_links_to_the_figures_that_show_it(pages, judged):
    shown = {
        claim.select_one(".text").get_text(): [a.get_text() for a in claim.select("a")]
        for claim in pages["index"].select(".board .claim")
    }

    def of(*words):
        (found,) = (links for text, links in shown.items() if all(w in text for w in words))
        return found

    assert of("Baseline", "test loss") == ["Figures 3 and 4"]
    assert of("L2 penalty 0.2 generalises better") == ["Figure S2.2"]
    assert of("overfits less") == ["Figures 5 and 6", "Figures 3 and 4"], "no figure shows both"
    link = pages["index"].select_one(".board").find("a", string="Figures 3 and 4")
    assert link["href"] == "01_one.html#figures-3-and-4"


def range_of(**changes):
    row = {"low": 1.0, "high": 2.0, "interval_low": 1.5, "interval_high": 2.5, "mean": 2.0}
    svg = BeautifulSoup(drawing(SimpleNamespace(**row | changes)), "html.parser")
    claimed, line = svg.rect, svg.path
    left = float(claimed["x"])
    ends = [float(x) for x in re.findall(r"-?\d+\.\d", line["d"])] if line else None
    return left, left + float(claimed["width"]), ends, float(svg.circle["cx"])


def test_the_drawing_of_a_claim_has_range_interval_and_mean_on_one_scale():
    left, right, (low, high), mean = range_of()
    assert left < low < right == mean < high and (low - left) * 2 == pytest.approx(right - left)
    left, right, *_ = range_of(low=-np.inf)
    assert left == 0 and right < 160
    _, _, ends, _ = range_of(interval_low=-np.inf, interval_high=np.inf)
    assert ends is None


def test_the_index_lists_figures_and_tables_the_citation_and_the_credit(pages):
    index = pages["index"]
    listed = [a.get_text() for a in index.select(".contents details a")]
    assert listed == [
        "Figures 3 and 4", "Figures 5 and 6", "Table S1.1",
        "Figure S2.1", "Figure S2.2", "Table S2.1",
    ]  # fmt: skip
    said = index.get_text()
    assert "How to cite" in said and "CC BY-SA 4.0" in said and "The first." in said
    picture = index.select_one("figure.picture svg")["aria-label"]
    assert "test accuracy, %" in picture and "Test accuracy lies between" in picture


def exhibit(number, experiments, quantities=("test_accuracy",)):
    data = ShownData("", "", quantities, dict.fromkeys(experiments))
    return Exhibit(number, "", "01", data, nbformat.NotebookNode())


def test_a_claim_is_shown_by_the_figure_with_the_fewest_experiments_that_has_all_of_it():
    one, other = exhibit("Figure 1", ["a"]), exhibit("Figure 2", ["b"])
    both, everything = exhibit("Figure 3", ["a", "b"]), exhibit("Figure 4", ["a", "b", "c"])
    table = exhibit("Table 1", ["a"])
    loss = exhibit("Figure 5", ["a", "b"], ["test_loss"])
    shelf = [table, loss, everything, both, other, one]
    assert showing("test_accuracy", ["a", ""], shelf) == [one]
    assert showing("test_accuracy", ["a", "b"], shelf) == [both]
    assert showing("test_accuracy", ["b", "c"], shelf) == [everything]
    assert showing("test_accuracy", ["a", "b"], [one, other]) == [one, other]
    assert showing("test_accuracy", ["d", ""], shelf) == []


def test_markdown_outside_formulas_is_rendered_as_ever():
    html = render_markdown("An *example*: `a_b` and a [link](https://a.org); it costs \\$5.")
    assert "<em>example</em>" in html and "<code>a_b</code>" in html
    assert '<a href="https://a.org">link</a>' in html and "<math" not in html


# ---- the stand-in --------------------------------------------------------------------------------


@pytest.mark.parametrize("is_single", [False, True])
def test_the_banner_of_the_stand_in_is_on_every_page_and_only_then(notebooks, is_single):
    for page in parsed(notebooks, is_single).values():
        assert not page.select(".banner")
    stand_in = {path: nbformat.from_dict(dict(book)) for path, book in notebooks.items()}
    for path, book in stand_in.items():
        text = nbformat.writes(book).replace('"KMNIST"', '"stand-in data"')
        stand_in[path] = nbformat.reads(text, as_version=4)
    for page in parsed(stand_in, is_single).values():
        assert page.find(class_="banner").get_text().startswith("STAND-IN DATA.")
