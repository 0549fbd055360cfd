"""The drawing pad: the page's network and images are Python's, and every way to draw works."""

import base64
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from browser import axe_violations, browser_page, load, look, needs_axe, needs_browser, write_page
from nbformat.v4 import new_markdown_cell, new_notebook
from options import ALL_CHANGED
from shown import points, ticks

from kmnist_mlp import MLP, Config, Dataset, train
from kmnist_mlp.laboratory.drawing_pad import (
    EXTENT,
    SIDE,
    WITHOUT_SCRIPTS,
    alternative_text,
    draw,
    drawing_pad,
    examples,
    image_of,
    quantised,
)
from kmnist_mlp.network import forward
from kmnist_mlp.report.pages import Site, render
from kmnist_mlp.support.memory import Buffers

ROOT = Path(__file__).resolve().parents[1]
CONFIG = Config(layer_specs=(784, 48, 32, 10), activation="ReLU", epochs=2, learning_rate=0.002)


@pytest.fixture(scope="module")
def run(kmnist):
    return train(CONFIG, kmnist)


def with_network(run, layers, activation):
    """Return the run as if it had trained another network."""
    model = MLP(layers, activation, seed=3)
    model.standardisation = run.model.standardisation
    return replace(run, model=model)


@pytest.fixture(scope="module")
def cases(run, kmnist):
    """Return runs and their data by name; of the last one, no option has its default value."""
    few = kmnist.train_labels < 7, kmnist.test_labels < 7
    images, labels = kmnist.train_images[few[0]][:2000], kmnist.train_labels[few[0]][:2000]
    test = kmnist.test_images[few[1]], kmnist.test_labels[few[1]]
    seven = Dataset(images, labels, *test, "seven classes", tuple(range(7)), tuple(range(7)))
    other = ALL_CHANGED.replace(layer_specs=(784, 24, 16, 7), epochs=1)
    return {
        "trained": (run, kmnist),
        "tanh": (with_network(run, (784, 24, 10), "tanh"), kmnist),
        "sigmoid": (with_network(run, (784, 24, 16, 12, 10), "sigmoid"), kmnist),
        "linear": (with_network(run, (784, 10), "ReLU"), kmnist),
        "all options changed": (train(other, seven), seven),
    }


@pytest.fixture(scope="module")
def html_of(cases):
    """Return a function that gives the pad of a case, made once."""
    return cache(lambda name="trained": drawing_pad(*cases[name], images=30).html)


@pytest.fixture(scope="module")
def tab():
    with browser_page() as page:
        yield page


@pytest.fixture(scope="module")
def page(html_of, tmp_path_factory):
    """A file with text above the pad, and below it so much that the page scrolls."""
    body = f"<p>Above</p>{html_of()}<p style='height:3000px'>Below</p>"
    return write_page(tmp_path_factory.mktemp("page") / "page.html", "Pad", body)


class Pad:
    """A pad on the page that a tab shows; the first, if no other is named."""

    def __init__(self, tab, number=0):
        self.tab, self.host = tab, f"document.querySelectorAll('.drawing-pad')[{number}]"

    def js(self, expression):
        """Evaluate, with `host`, `pad` and `$` (an element of the pad), after the next frame."""
        return self.tab.evaluate(
            f"""{self.host}.ready.then(
            () => new Promise(done => requestAnimationFrame(() => setTimeout(done)))
            ).then(() => {{
            const host = {self.host}, pad = host.pad, $ = s => host.shadowRoot.querySelector(s);
            return {expression}; }})"""
        )

    @property
    def image(self):
        return np.array(self.js("pad.image()"), np.uint8).reshape(SIDE, SIDE)

    @property
    def bars(self):
        """Lengths of the bars, 0 to 1."""
        bars = "[...$('.bars').querySelectorAll('.bar')].map(b => parseFloat(b.style.width) / 100)"
        return np.array(self.js(bars))

    def window(self, *points):
        """Turn points of the pad, 0 to 100, into points of the window."""
        left, top, side = self.js(
            "(b => [b.left, b.top, b.width])($('.paper').getBoundingClientRect())"
        )
        return [(left + side * x / 100, top + side * y / 100) for x, y in points]

    def stroke(self, *points):
        """Draw with the mouse."""
        first, *others = self.window(*points)
        self.tab.mouse.move(*first)
        self.tab.mouse.down()
        for point in others:
            self.tab.mouse.move(*point)
        self.tab.mouse.up()

    def press(self, button):
        self.js(f"$('.{button}').click()")


@pytest.fixture
def pad(tab, page):
    look(tab)
    tab.goto(page.as_uri())
    return Pad(tab)


def box(image):
    """Return left, top, right, bottom of the ink: the margins to the frame."""
    rows, columns = np.nonzero(image > 127)
    return columns.min(), rows.min(), SIDE - 1 - columns.max(), SIDE - 1 - rows.max()


# ---- a drawing becomes an image ------------------------------------------------------------------


def test_the_ink_fills_the_frame_along_its_longer_side_and_is_centred_along_the_other():
    for drawing in ([[[2, 3], [9, 21]]], [[[60, 99], [99, 95]], [[80, 90], [81, 91]]]):
        left, top, right, bottom = box(image_of([np.array(stroke) for stroke in drawing]))
        assert abs(left - right) <= 1 and abs(top - bottom) <= 1
        assert min(left, top) == 0 < max(left, top)


def test_an_image_does_not_depend_on_where_and_how_large_one_draws():
    (drawing,) = examples("き")
    moved = [0.4 * stroke + [55, 10] for stroke in drawing]
    assert np.abs(image_of(moved).astype(int) - image_of(drawing)).max() <= 1


def test_a_dot_is_no_disc_and_nothing_drawn_is_black():
    dot = image_of([np.array([[80, 20]])])
    assert 0 < (dot > 127).sum() <= 9
    assert image_of([]).sum() == 0
    assert box(image_of([np.array([[50, 50], [50 + EXTENT / 2, 50]])]))[0] > 5


def test_every_kana_has_examples_that_stay_on_the_pad(kmnist):
    for name in kmnist.class_names:
        assert examples(name)
        for drawing in examples(name):
            points = np.concatenate(drawing)
            assert points.min() >= 0 and points.max() <= 100
    assert examples("A") == []


# ---- the element ---------------------------------------------------------------------------------


def test_the_pad_is_the_same_every_time_and_small(run, kmnist):
    final = with_network(run, (784, 256, 256, 10), "ReLU")
    html = drawing_pad(final, kmnist).html
    assert html == drawing_pad(final, kmnist).html
    assert len(html) < 1_000_000


def test_names_of_classes_cannot_end_the_script(run, kmnist):
    names = ("</script><i>", "<!--", *"cdefghij")
    pad = drawing_pad(run, replace(kmnist, class_names=names, romaji=names))
    script = pad.html.partition("<script>")[2]
    assert script.count("</script") == 1 and "<i>" not in pad.html and "<!--" not in pad.html


@pytest.mark.parametrize("name", ["trained", "all options changed"])
def test_the_page_gets_the_standardisation_and_the_classes_of_the_network_itself(
    html_of, cases, name
):
    run, data = cases[name]
    content = json.loads(re.search(r"startPad\(host, (\{.*\})\);", html_of(name)).group(1))
    statistics = np.frombuffer(base64.b64decode(content["network"]["statistics"]), "<f4")
    np.testing.assert_array_equal(statistics, np.concatenate(run.model.standardisation))
    assert [c["name"] for c in content["classes"]] == [str(name) for name in data.class_names]


def test_what_is_no_network_for_28_x_28_pixels_is_refused(run, kmnist, tiny):
    small = train(Config(layer_specs=(36, 3), epochs=1), tiny)
    with pytest.raises(ValueError, match=r"data.*\(6, 6\)"):
        drawing_pad(small, tiny)
    with pytest.raises(ValueError, match=r"run.*784.*10.*MLP\(36"):
        drawing_pad(small, kmnist)
    for network in (replace(run, model=MLP((784, 10))), MLP((784, 10))):
        with pytest.raises(ValueError, match=r"standardisation.*MLP\(784"):
            drawing_pad(network, kmnist)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("bits", 1), ("bits", 9), ("bits", 2.5), ("bits", "8"), ("images", -1), ("images", 2.5)],
)
def test_a_number_of_bits_or_images_that_there_cannot_be_is_refused(run, kmnist, argument, value):
    with pytest.raises(ValueError, match=f"{argument}.*{value!r}"):
        drawing_pad(run, kmnist, **{argument: value})


# ---- the page's network and images are Python's --------------------------------------------------


@needs_browser
@pytest.mark.parametrize("name", ["trained", "tanh", "sigmoid", "linear", "all options changed"])
def test_the_page_reads_200_test_images_as_python_does(tab, html_of, cases, tmp_path, name):
    run, data = cases[name]
    (tmp_path / "page.html").write_text(html_of(name), encoding="utf-8")
    tab.goto((tmp_path / "page.html").as_uri())
    images = data.test_images[:200]
    pixels = json.dumps(images.reshape(200, -1).tolist())
    there = np.array(Pad(tab).js(f"{pixels}.map(pixels => pad.probabilities(pixels))"))
    here = run.model.predict_proba(images)
    assert (there.argmax(axis=1) == here.argmax(axis=1)).sum() >= 199
    assert np.abs(there - here).max() <= 0.03  # weights of 8 bits
    assert there.sum(axis=1) == pytest.approx(1)
    exactly = quantised(run.model)[0].predict_proba(images)
    assert np.abs(there - exactly).max() <= 1e-4


@needs_browser
@pytest.mark.parametrize("name", ["trained", "tanh", "sigmoid", "linear"])
def test_the_share_of_a_pixel_is_its_value_times_the_slope_of_the_score(
    tab, html_of, cases, tmp_path, name
):
    run, data = cases[name]
    (tmp_path / "page.html").write_text(html_of(name), encoding="utf-8")
    tab.goto((tmp_path / "page.html").as_uri())
    pixels = data.test_images[0].ravel()
    there = np.array(Pad(tab).js(f"pad.shares({json.dumps(pixels.tolist())}, 3)"))
    model = MLP(run.model.layer_specs, run.model.activation, dtype=np.float64)
    model.parameters[:] = quantised(run.model)[0].parameters
    mean, std = run.model.standardisation
    x = (pixels[None] - mean.astype(float)) / std
    rows = np.random.default_rng(0).choice(np.flatnonzero(x[0]), 20)
    for i in rows:
        scores = []
        for sign in (1, -1):
            moved = x.copy()
            moved[0, i] += sign * 1e-6
            z = forward(model, moved, Buffers(model, 1, backward=False))[0]
            scores.append(z[3] - z.mean())
        slope = (scores[0] - scores[1]) / 2e-6
        assert there[i] == pytest.approx(x[0, i] * slope, rel=1e-3, abs=1e-4)


@needs_browser
def test_the_nearest_training_images_are_named(pad, kmnist):
    pad.stroke((20, 20), (80, 25), (50, 90))
    known = kmnist.train_images[:30].reshape(30, -1).astype(int)
    order = np.square(known - pad.image.ravel().astype(int)).sum(axis=1).argsort()[:5]
    classes = kmnist.train_labels[:30][order]
    named = [f"{kmnist.class_names[c]} {kmnist.romaji[c]}" for c in classes]
    assert pad.js("$('.names').textContent").split(", ") == named
    pad.press("clear")
    assert pad.js("$('.more').hidden")


@pytest.mark.parametrize("bits", [8, 5, 2])
def test_weights_in_few_bits_are_whole_multiples_and_the_nearest_ones(run, bits):
    model, levels, scales = quantised(run.model, bits)
    most = 2 ** (bits - 1) - 1
    assert abs(levels).max() == most and levels.size == sum(W.size for W in model.weights)
    units = np.cumsum([W.shape[1] for W in model.weights])[:-1]
    for ours, theirs, scale in zip(
        model.weights, run.model.weights, np.split(scales, units), strict=True
    ):
        assert np.abs(ours - theirs).max(axis=0) == pytest.approx(scale / 2, rel=0.2)
        np.testing.assert_allclose(abs(ours).max(axis=0), abs(theirs).max(axis=0), rtol=1e-6)


@needs_browser
def test_a_drawing_becomes_the_same_image_in_the_page_and_in_python(pad):
    rng = np.random.default_rng(0)
    scribble = [rng.uniform(0, 100, (n, 2)) for n in (9, 1, 30)]
    small = [np.array([[10.0, 90.0], [12.0, 88.0]])]
    for drawing in (scribble, small, [np.array([[3.0, 4.0]])], *examples("お"), []):
        strokes = json.dumps([stroke.tolist() for stroke in drawing])
        there = np.array(pad.js(f"(pad.draw({strokes}), pad.image())")).reshape(SIDE, SIDE)
        assert np.abs(there - image_of(drawing)).max() <= 1


# ---- drawing -------------------------------------------------------------------------------------


@needs_browser
def test_nothing_is_asked_of_a_network_and_the_pad_begins_empty(tab, page):
    requests, _ = load(tab, page.as_uri())
    assert [url for url in requests if not url.startswith("data:")] == [page.as_uri()]
    pad = Pad(tab)
    assert not pad.bars.any() and not pad.image.any()
    assert pad.js("document.fonts.load('20px Kana', 'き').then(faces => faces.length)") == 1


@needs_browser
def test_a_stroke_of_the_mouse_moves_the_bars_while_it_is_drawn(pad, tab, run, kmnist):
    points = pad.window((80, 70), (85, 80), (95, 98))
    tab.mouse.move(*points[0])
    tab.mouse.down()
    tab.mouse.move(*points[1])
    begun = pad.bars
    assert begun.sum() == pytest.approx(1, abs=1e-3)
    tab.mouse.move(*points[2])
    tab.mouse.up()
    tab.mouse.move(*pad.window((5, 5))[0])  # the pen is up
    left, top, right, bottom = box(pad.image)
    assert (top, bottom) == (0, 0) and abs(left - right) <= 1, "in a corner, and centred"
    assert pad.bars == pytest.approx(run.model.predict_proba(pad.image)[0], abs=0.03)
    assert not np.allclose(pad.bars, begun)
    best = kmnist.class_names[int(pad.bars.argmax())]
    assert pad.js("$('.best b').textContent") == best
    assert pad.js("$('.first .kana b').textContent") == best
    pixels = "[...$('.image').getContext('2d').getImageData(0, 0, 28, 28).data]"
    assert (np.array(pad.js(pixels)).reshape(SIDE, SIDE, 4)[:, :, 0] == pad.image).all()


@needs_browser
def test_undo_takes_back_one_stroke_and_clear_all(pad):
    pad.stroke((20, 20), (80, 25))
    one = pad.image
    pad.stroke((50, 10), (45, 90))
    assert (pad.image != one).any()
    pad.press("undo")
    assert (pad.image == one).all()
    pad.stroke((50, 50))
    pad.press("clear")
    assert not pad.image.any() and not pad.bars.any()
    pad.press("undo")
    assert not pad.image.any()


@needs_browser
def test_a_finger_draws_and_does_not_scroll_the_page(pad, tab):
    devtools = tab.context.new_cdp_session(tab)  # Playwright itself can only tap

    def touch(kind, *points):
        fingers = [{"x": x, "y": y} for x, y in points]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    points = pad.window((50, 90), (50, 60), (52, 10))
    touch("touchStart", points[0])
    for point in points[1:]:
        touch("touchMove", point)
    touch("touchEnd")
    assert box(pad.image)[1::2] == (0, 0)
    assert tab.evaluate("scrollY") == 0
    one = pad.image
    touch("touchStart", *pad.window((10, 10), (90, 90)))  # of two fingers, only the first draws
    touch("touchEnd")
    assert (pad.image != one).any() and pad.js("$('.ink').getAttribute('d').split('M').length") == 3


@needs_browser
def test_keys_alone_reach_the_pad_draw_and_press_the_buttons(pad, tab):
    tab.keyboard.press("Tab")
    assert pad.js("host.shadowRoot.activeElement == $('.paper')")
    assert pad.js("getComputedStyle($('.cursor')).display") == "inline"
    tab.keyboard.press("ArrowLeft")
    assert not pad.image.any(), "the pen is up"
    tab.keyboard.press("Space")  # sets it down
    for _ in range(9):
        tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Space")  # lifts it
    vertical = pad.image
    assert box(vertical)[1::2] == (0, 0) and box(vertical)[0] > 10
    tab.keyboard.press("ArrowRight")
    assert (pad.image == vertical).all()
    tab.keyboard.down("Space")  # held
    tab.keyboard.down("ArrowRight")
    tab.keyboard.down("ArrowUp")  # with the other still held: diagonally
    tab.keyboard.up("ArrowRight")
    tab.keyboard.up("ArrowUp")
    tab.keyboard.up("Space")
    drawn = pad.image
    assert (drawn != vertical).any()
    tab.keyboard.press("ArrowRight")
    assert (pad.image == drawn).all(), "Space was let go"
    assert tab.evaluate("scrollY") == 0
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")  # Undo
    assert (pad.image == vertical).all()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")  # Clear
    assert not pad.image.any()


@needs_browser
def test_a_character_shows_its_examples_in_turn(pad, tab):
    tab.emulate_media(reduced_motion="reduce")
    for example in (*examples("お"), examples("お")[0]):
        pad.press("kana")
        assert np.abs(pad.image.astype(int) - image_of(example)).max() <= 1
    pad.press("example")
    assert pad.image.any()
    tab.emulate_media(reduced_motion="no-preference")
    pad.press("clear")
    pad.press("kana")
    assert pad.js("$('.ink').getAttribute('d').length") < 200, "it is drawn little by little"
    pad.stroke((10, 10), (90, 10))
    assert pad.js(
        "new Promise(d => setTimeout(d, 100)).then(() => $('.ink').getAttribute('d'))"
    ).endswith("M10.0 10.0L90.0 10.0"), "who draws is not interrupted by the example"


@needs_browser
def test_the_answer_is_spoken_once_when_the_pen_rests(tab, page):
    context = tab.context.browser.new_context()
    shown = context.new_page()
    shown.clock.install(time=0)
    shown.goto(page.as_uri())
    shown.evaluate("document.querySelector('.drawing-pad').ready")
    shown.clock.pause_at(10)
    said = [""]
    for y, milliseconds in ((60, 100), (70, 100), (80, 600), (80, 0), (80, 800)):
        shown.evaluate(
            "y => document.querySelector('.drawing-pad').pad.draw([[[20, 20], [40, y]]])", y
        )
        shown.clock.run_for(milliseconds)
        said.append(shown.locator("[role=status]").text_content())
    context.close()
    *silence, sentence = said
    assert not any(silence), "each change begins another rest"
    assert sentence.startswith("Best guess: ") and sentence.endswith(" %")


@needs_browser
def test_two_pads_on_a_page_do_not_meet(tab, html_of, tmp_path):
    pads = html_of() + html_of("tanh")
    (tmp_path / "page.html").write_text(f"<meta charset=utf-8>{pads}", encoding="utf-8")
    before = "Object.keys(window).length"
    tab.goto((tmp_path / "page.html").as_uri())
    known = tab.evaluate(before)
    first, second = Pad(tab, 0), Pad(tab, 1)
    first.stroke((20, 20), (80, 60))
    assert first.bars.any() and not second.bars.any()
    second.js("host.scrollIntoView()")
    second.stroke((20, 20), (80, 60))
    assert (first.image == second.image).all() and not np.allclose(first.bars, second.bars)
    assert tab.evaluate("document.fonts.size") == 1 and tab.evaluate(before) == known
    assert tab.evaluate("typeof startPad") == "undefined"


# ---- where no script runs, on paper, and in the report -------------------------------------------


@needs_browser
def test_without_scripts_there_are_a_picture_and_a_sentence(tab, page):
    context = tab.context.browser.new_context(java_script_enabled=False)
    shown = context.new_page()
    shown.goto(page.as_uri())
    text = shown.inner_text("main")
    assert WITHOUT_SCRIPTS in text and "Undo" not in text
    assert shown.locator("img").bounding_box()["width"] > 500
    assert shown.get_attribute("img", "alt").startswith("A drawn character")
    context.close()


def test_the_picture_shows_the_drawing_its_image_and_the_probability_of_each_class(kana):
    (drawing, *_), probabilities = examples("お"), np.array([5, 10, 50, 2, 3, 9, 6, 5, 6, 4]) / 100
    figure = draw(drawing, image_of(drawing), probabilities, kana)
    plt.close(figure)
    strokes, seen, bars = figure.axes
    np.testing.assert_array_equal(points(strokes.lines), np.concatenate(drawing))
    np.testing.assert_array_equal(seen.images[0].get_array(), image_of(drawing))
    shares = dict(zip(kana.class_labels, 100 * probabilities, strict=True))
    names = ticks(bars, "y").values()
    assert {n: bar.get_width() for n, bar in zip(names, bars.patches, strict=True)} == shares
    assert f"{kana.romaji[2]}, 50" in alternative_text(probabilities, kana)


@needs_browser
def test_paper_shows_the_picture_in_place_of_the_pad(pad, tab):
    shown = "[document.images[0].checkVisibility(), $('.frame').checkVisibility()]"
    assert pad.js(shown) == [False, True]
    look(tab, width=688, medium="print")
    assert pad.js(shown) == [True, False]


@pytest.fixture(scope="module")
def reports(kmnist):
    """The pages of a notebook, and the single file."""
    book = nbformat.reads(nbformat.writes(new_notebook(cells=[new_markdown_cell("# 1")])), 4)
    books = {Path("01_one.ipynb"): book}
    return {single: render(books, kmnist, Site(single)) for single in (False, True)}


@needs_browser
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("width", [1400, 360])
def test_the_pad_works_in_the_exported_report(tab, reports, tmp_path, single, width):
    (tmp_path / "page.html").write_text(reports[single]["index" if single else "draw"], "utf-8")
    look(tab, width)
    address = (tmp_path / "page.html").as_uri()
    requests, _ = load(tab, address)
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [address]
    pad = Pad(tab)
    pad.js("host.scrollIntoView()")
    pad.stroke((20, 20), (80, 60))
    assert pad.bars.sum() == pytest.approx(1, abs=1e-3)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_with_the_best_network_is_small(reports):
    assert len(reports[False]["draw"].encode()) < 2_500_000


@needs_browser
@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_in_the_pad(tab, reports, tmp_path, scheme):
    (tmp_path / "page.html").write_text(reports[False]["draw"], "utf-8")
    look(tab, dark=scheme == "dark")
    tab.goto((tmp_path / "page.html").as_uri())
    Pad(tab).stroke((20, 20), (80, 60))
    assert axe_violations(tab) == []
