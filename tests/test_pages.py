"""Pages and index are made of what the notebooks' outputs carry, and their references hold."""

import base64
import io
import re
from pathlib import Path

import matplotlib as mpl
import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from official import small_files

from kmnist_mlp import figures
from kmnist_mlp.experiments import claims_of, judge
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.report import notebook
from kmnist_mlp.report.pages import Site, render
from kmnist_mlp.report.pages.index import showing
from kmnist_mlp.report.pages.markdown import render_markdown
from kmnist_mlp.report.pages.page import Exhibit
from kmnist_mlp.support.statistics import plus_minus


@pytest.fixture(scope="module")
def results(small_results):
    return small_results


@pytest.fixture(scope="module")
def judged(results):
    return judge(results, {}, claims_of("2.2b", "3.1a"))


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
        notebook.show(figures.example_images(kana), "Figure S2.1. The characters.")
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
    return {path: nbformat.reads(nbformat.writes(b), as_version=4) for path, b in books.items()}


def parsed(notebooks, single=False):
    files = render(notebooks, Site(single), key="k")
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
    assert figure.name == "figure" and figure.img
    assert figure.figcaption.get_text().startswith("Figures 3 and 4. Baseline, early stopping:")
    assert pages["01_one"].get_text().count("Figures 3 and 4.") == 1
    table = pages["01_one"].find(id="table-s1-1")
    assert table.table and table.figcaption.strong.get_text() == "Table S1.1."
    assert "All & sundry." in table.figcaption.get_text()


def test_the_alternative_text_of_a_figure_states_what_was_measured(pages, results):
    alt = pages["01_one"].find(id="figures-3-and-4").img["alt"]
    accuracy = results.values("test_accuracy", "baseline").mean()
    assert f"{accuracy:.1f} %" in alt


def csv(link):
    kind, _, content = link["href"].partition(",")
    assert kind == "data:text/csv;charset=utf-8;base64" and link["download"].endswith(".csv")
    return pd.read_csv(io.BytesIO(base64.b64decode(content)))


def test_every_figure_and_table_has_its_numbers_for_download(pages, results):
    exhibits = pages["01_one"].select("main figure") + pages["02_two"].select("main figure")
    assert len(exhibits) == 6
    assert all(len(csv(exhibit.select_one("a.download"))) for exhibit in exhibits)
    frame = csv(pages["01_one"].select_one("#table-s1-1 a.download"))
    assert frame.test_accuracy.tolist() == pytest.approx(results.frame.test_accuracy.tolist())
    curves = csv(pages["01_one"].select_one("#figures-3-and-4 a.download"))
    expected = pd.concat(run.history for run in results.of("baseline"))
    assert curves.validation_loss.tolist() == pytest.approx(expected.validation_loss.tolist())
    assert len(curves.test_accuracy.dropna()) == 2, "once for each seed"


def test_the_headers_of_tables_have_their_scope(pages, single):
    for page in (*pages.values(), single):
        assert page.table
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
    assert re.search("clean tree|with uncommitted changes|not a git checkout", said)
    row = next(row for row in block.find_all("tr") if "Figures 3 and 4" in row.get_text())
    assert [cell.get_text() for cell in row.find_all("td")] == [
        "baseline, early stopping", "0, 1", "0 of 2",
    ]  # fmt: skip
    assert "36-8-10" in said, "the configurations"


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

    stems = list(pages)
    assert [link(stem, "next") for stem in stems] == ["01_one.html", "02_two.html", None]
    assert [link(stem, "prev") for stem in stems] == [None, "index.html", "01_one.html"]


# ---- the index page ------------------------------------------------------------------------------


def test_the_index_states_the_headline_numbers_of_the_results(pages, results):
    abstract = pages["index"].select_one(".abstract").get_text()
    for name, paper in (("baseline", "84.47 %"), ("l2_0.2", "86.26 %")):
        value = plus_minus(results.values("test_accuracy", name), 1)
        assert f"{value} % (the paper: {paper})" in abstract
    assert "over 2 seeds" in abstract and "KMNIST" in abstract


def test_the_scoreboard_links_each_claim_to_the_figures_that_show_it(pages, judged):
    (table,) = (
        table for table in pages["index"].find_all("table") if "shown in" in table.thead.get_text()
    )
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in table.tbody.find_all("tr")]
    assert [row[1] for row in rows] == judged.claim.tolist()
    assert [row[-2] for row in rows] == judged.verdict.tolist()
    shown = {row[1]: row[-1] for row in rows}
    loss = next(text for claim, text in shown.items() if "Baseline" in claim and "loss" in claim)
    assert loss == "Figures 3 and 4"
    assert shown["L2 penalty 0.2 generalises better than no penalty"] == "Figure S2.2"
    overfits = next(text for claim, text in shown.items() if "overfits less" in claim)
    assert overfits == "Figures 5 and 6, Figures 3 and 4", "no figure shows both"
    link = table.find("a", string="Figures 3 and 4")
    assert link["href"] == "01_one.html#figures-3-and-4"


def test_the_index_lists_figures_and_tables_the_citation_and_the_credit(pages):
    index = pages["index"]
    listed = [a.get_text() for a in index.select(".contents details a")]
    assert listed == [
        "Figures 3 and 4", "Figures 5 and 6", "Table S1.1",
        "Figure S2.1", "Figure S2.2", "Table S2.1",
    ]  # fmt: skip
    said = index.get_text()
    assert "How to cite" in said and "CC BY-SA 4.0" in said and "The first." in said
    assert index.find("img")["alt"].startswith("Test accuracy lies between")


def exhibit(number, experiments, quantities=("test_accuracy",)):
    data = ExhibitData("", "", quantities, dict.fromkeys(experiments))
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
        assert "STAND-IN" not in page.get_text()
    stand_in = {path: nbformat.from_dict(dict(book)) for path, book in notebooks.items()}
    for path, book in stand_in.items():
        text = nbformat.writes(book).replace('"KMNIST"', '"stand-in data"')
        stand_in[path] = nbformat.reads(text, as_version=4)
    for page in parsed(stand_in, is_single).values():
        assert page.header.find(class_="banner").get_text().startswith("STAND-IN DATA.")
