"""Networks in the page: their numbers are Python's, and a reader can draw, train and compare."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from browser import axe_violations, browser_page, load, look, needs_browser, write_page
from nbformat.v4 import new_markdown_cell, new_notebook

from kmnist_mlp import MLP, Config, train
from kmnist_mlp.beyond import from_rounded, rounded
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.laboratory import drawing_pad
from kmnist_mlp.laboratory.in_page import BROWSER, SIDE, examples, image_of, playground_html
from kmnist_mlp.network import forward
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.report.pages.site import render
from kmnist_mlp.support.memory import Buffers

CONFIG = Config(layer_specs=(784, 48, 32, 10), activation="ReLU", epochs=2, learning_rate=0.002)


@pytest.fixture(scope="module")
def tab():
    with browser_page() as page:
        yield page


# ---- one network in JavaScript: the module's numbers ---------------------------------------------


@pytest.fixture(scope="module")
def js(tab):
    """Return a function that evaluates an expression beside the network of the page."""
    tab.goto("about:blank")
    tab.add_script_tag(path=BROWSER / "network.js")
    return tab.evaluate


# `network` with Python's weights, and `x` of numbers as float32
SETUP = """
    const floats = (arrays) => arrays.map((array) => Float32Array.from(array));
    const network = new Network(given.layers, given.activation, floats(given.W), floats(given.b));
    const x = (rows) => Float32Array.from(rows.flat());
"""


def given(model, **more):
    """Return a network, and arrays, as the page takes them."""
    weights = [W.ravel().tolist() for W in model.weights]
    network = {"layers": list(model.layer_specs), "activation": model.activation, "W": weights}
    network["b"] = [b.tolist() for b in model.biases]
    return network | {name: np.asarray(value).tolist() for name, value in more.items()}


def batches(layers, n, count=1):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((count, n, layers[0]))
    return x * (rng.random(x.shape) > 0.3), rng.integers(layers[-1], size=(count, n))


@needs_browser
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "ReLU"])
@pytest.mark.parametrize("layers", [(12, 4), (12, 7, 4), (12, 9, 5, 7, 4)])
def test_probabilities_gradients_and_shares_are_those_of_the_module(js, layers, activation):
    """Relative to the largest of their array, to 1e-4."""
    model = MLP(layers, activation, seed=3, dtype=np.float64)
    for number, bias in enumerate(model.biases):
        bias += 0.1 * (number + 1)
    (x,), (y,) = batches(layers, 6)
    p, loss, dW, db, shares = js(
        f"""given => {{ {SETUP}
        const p = [...network.forward(x(given.x), given.y.length).at(-1)];
        const loss = network.backward(x(given.x), given.y, given.y.length);
        const shares = [...network.shares(x([given.x[0]]), 2)];
        return [p, loss, network.dW.map(a => [...a]), network.db.map(a => [...a]), shares]; }}""",
        given(model, x=x, y=y),
    )
    np.testing.assert_allclose(p, model.predict_proba(x).ravel(), atol=1e-6)
    assert loss == pytest.approx(model.loss(x, y), rel=1e-5)
    weights, biases = model.gradients(x, y)
    for theirs, ours in zip([*dW, *db], [*weights, *biases], strict=True):
        assert np.abs(np.array(theirs) - ours.ravel()).max() < 1e-4 * np.abs(ours).max()

    def score(row):
        z = forward(model, row[None], Buffers(model, 1, backward=False))[0]
        return z[2] - z.mean()

    slopes = [(score(x[0] + step) - score(x[0] - step)) / 2e-6 for step in 1e-6 * np.eye(len(x[0]))]
    np.testing.assert_allclose(shares, x[0] * slopes, rtol=1e-3, atol=1e-5)


@needs_browser
def test_a_training_run_is_that_of_the_module_with_the_same_batches(js):
    """With momentum and both penalties; 40 mini-batches."""
    layers = (12, 9, 5, 4)
    options = {"learning_rate": 0.02, "momentum_gamma": 0.8, "L1_penalty": 0.01, "L2_penalty": 0.1}
    model = MLP(layers, "tanh", seed=2, dtype=np.float64)
    x, y = batches(layers, 8, 40)
    start = given(model, x=x, y=y)
    sgd = SGD(model, Config(layer_specs=layers, **options))
    for inputs, labels in zip(x, y, strict=True):
        dW, db = model.gradients(inputs, labels)
        sgd.step(np.concatenate([a.ravel() for a in (*dW, *db)]))
    W, b, (accuracy, loss) = js(
        f"""given => {{ {SETUP}
        given.x.forEach((rows, n) => {{
            network.backward(x(rows), given.y[n], rows.length);
            network.step({{ rate: 0.02, gamma: 0.8, L1: 0.01, L2: 0.1 }});
        }});
        const {{ accuracy, loss }} = network.evaluate(x(given.x[0]), given.y[0]);
        return [network.W.map(a => [...a]), network.b.map(a => [...a]), [accuracy, loss]]; }}""",
        start,
    )
    theirs = np.concatenate([np.ravel(a) for a in (*W, *b)])
    np.testing.assert_allclose(theirs, model.parameters, atol=1e-4)
    assert accuracy == np.mean(model.predict(x[0]) == y[0])
    assert loss == pytest.approx(model.loss(x[0], y[0]) / 8 / 4, rel=1e-4)


@needs_browser
def test_an_image_is_distorted_as_the_module_does_it(js):
    """Without the elastic part; the page draws rotation, stretch, shear and shift in this order."""
    side, drawn = 9, np.array([0.9, 0.2, 0.75, 0.1, 0.85, 0.3])
    image = np.random.default_rng(0).integers(256, size=side * side).astype(np.uint8)
    theirs = js(
        """([image, side, drawn]) => {
        const out = new Float32Array(side * side);
        distort(Float32Array.from(image), out, side, 2, () => drawn.shift());
        return [...out]; }""",
        [image.tolist(), side, drawn.tolist()],
    )
    distortion = Distortion((side, side), 2.0, seed=0)
    distortion.rng = SimpleNamespace(
        uniform=lambda low, high, size: low + (high - low) * drawn[:, None],
        standard_normal=lambda size, dtype: np.zeros(size, dtype),
    )
    ours = np.empty((1, side * side), np.float32)
    distortion(ours, image[None])
    np.testing.assert_allclose(theirs, ours[0], atol=0.05)


# ---- a drawing becomes an image ------------------------------------------------------------------


def margins(image):
    """Return left, top, right, bottom of the ink: the distances to the frame."""
    rows, columns = np.nonzero(image > 127)
    return columns.min(), rows.min(), SIDE - 1 - columns.max(), SIDE - 1 - rows.max()


# ---- the pad -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(kmnist):
    return train(CONFIG, kmnist)


@pytest.fixture(scope="module")
def each_image(kmnist):
    """A network that standardises each image by itself."""
    tanh = MLP((784, 24, 10), "tanh", seed=3)
    tanh.standardisation = np.empty(0, np.float32), np.empty(0, np.float32)
    return tanh


@pytest.fixture(scope="module")
def html(run, kmnist):
    return drawing_pad(run, kmnist, images=30).data


@pytest.fixture(scope="module")
def page(html, tmp_path_factory):
    """A file with text above the pad, and below it so much that the page scrolls."""
    body = f"<p>Above</p>{html}<p style='height:3000px'>Below</p>"
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


def test_weights_in_few_bits_are_whole_multiples_and_the_nearest_ones(run):
    header, arrays = rounded(run.model, 5)
    assert all(abs(arrays[f"weights_{layer}"]).max() == 15 for layer in range(3))
    W, scale = from_rounded(header, arrays).weights[0], arrays["scales_0"]
    exact = run.model.weights[0]
    assert np.abs(W - exact).max(axis=0) == pytest.approx(scale / 2, rel=0.2)
    np.testing.assert_allclose(abs(W).max(axis=0), abs(exact).max(axis=0), rtol=1e-6)


def test_names_of_classes_cannot_end_the_script_and_the_pad_is_small_and_the_same(run, kmnist):
    names = ("</script><i>", "<!--", *"cdefghij")
    html = drawing_pad(run, replace(kmnist, class_names=names, romaji=names)).data
    script = html.partition("<script>")[2]
    assert script.count("</script") == 1 and "<i>" not in html and "<!--" not in html
    final = MLP((784, 256, 256, 10), "ReLU")
    final.standardisation = run.model.standardisation
    html = drawing_pad(final, kmnist).data
    assert html == drawing_pad(final, kmnist).data and len(html) < 1_000_000


def test_what_is_no_network_for_28_x_28_pixels_is_refused(run, kmnist, tiny):
    small = train(Config(layer_specs=(36, 3), epochs=1), tiny)
    for network, data, named in (
        (small, tiny, r"layer_specs.*784.*3.*36"),
        (small, kmnist, r"layer_specs.*784.*10.*36"),
        (MLP((784, 10)), kmnist, "standardisation"),
    ):
        with pytest.raises(ValueError, match=named):
            drawing_pad(network, data)


@needs_browser
def test_two_pads_on_a_page_read_200_test_images_as_python_does(
    tab, run, each_image, html, kmnist, tmp_path
):
    body = html + drawing_pad(each_image, kmnist).data
    tab.goto(write_page(tmp_path / "page.html", "Pads", body).as_uri())
    images = kmnist.test_images[:200]
    pixels = json.dumps(images.reshape(200, -1).tolist())
    for number, model in enumerate((run.model, each_image)):
        there = Pad(tab, number).js(f"{pixels}.map(pixels => pad.probabilities(pixels))")
        here = model.predict_proba(images)
        assert np.abs(there - here).max() <= 0.03  # weights of 8 bits
        assert np.abs(there - from_rounded(*rounded(model)).predict_proba(images)).max() <= 1e-4
    first, second = Pad(tab, 0), Pad(tab, 1)
    first.stroke((20, 20), (80, 60))
    assert first.bars.any() and not second.bars.any()
    assert tab.evaluate("typeof startPad + typeof Network") == "undefinedundefined"


@needs_browser
def test_a_drawing_becomes_the_same_image_in_the_page_and_in_python(pad):
    rng = np.random.default_rng(0)
    scribble = [rng.uniform(0, 100, (n, 2)) for n in (9, 1, 30)]
    small = [np.array([[10.0, 90.0], [12.0, 88.0]])]
    for drawing in (scribble, small, [np.array([[3.0, 4.0]])], *examples("お"), []):
        strokes = json.dumps([stroke.tolist() for stroke in drawing])
        there = np.array(pad.js(f"(pad.draw({strokes}), pad.image())")).reshape(SIDE, SIDE)
        assert np.abs(there - image_of(drawing)).max() <= 1


@needs_browser
def test_a_journey_with_the_mouse(pad, tab, run, kmnist):
    assert not pad.bars.any() and not pad.image.any() and pad.js("$('.more').hidden")
    points = pad.window((80, 70), (85, 80), (95, 98))
    tab.mouse.move(*points[0])
    tab.mouse.down()
    tab.mouse.move(*points[1])
    begun = pad.bars
    assert begun.sum() == pytest.approx(1, abs=1e-3)
    tab.mouse.move(*points[2])
    tab.mouse.up()
    tab.mouse.move(*pad.window((5, 5))[0])  # the pen is up
    left, top, right, bottom = margins(pad.image)
    assert (top, bottom) == (0, 0) and abs(left - right) <= 1, "in a corner, and centred"
    assert pad.bars == pytest.approx(run.model.predict_proba(pad.image)[0], abs=0.03)
    assert not np.allclose(pad.bars, begun)
    best = kmnist.class_names[int(pad.bars.argmax())]
    assert pad.js("$('.best b').textContent") == best == pad.js("$('.first .kana b').textContent")
    pixels = "[...$('.image').getContext('2d').getImageData(0, 0, 28, 28).data]"
    assert (np.array(pad.js(pixels)).reshape(SIDE, SIDE, 4)[:, :, 0] == pad.image).all()
    known = kmnist.train_images[:30].reshape(30, -1).astype(int)
    order = np.square(known - pad.image.ravel().astype(int)).sum(axis=1).argsort()[:5]
    names = [f"{kmnist.class_names[c]} {kmnist.romaji[c]}" for c in kmnist.train_labels[order]]
    assert pad.js("$('.names').textContent").split(", ") == names
    one = pad.image
    pad.stroke((50, 10), (45, 90))
    assert (pad.image != one).any()
    pad.press("undo")
    assert (pad.image == one).all()
    pad.press("clear")
    assert not pad.image.any() and not pad.bars.any() and pad.js("$('.more').hidden")
    tab.emulate_media(reduced_motion="reduce")
    for example in (*examples("お"), examples("お")[0]):  # in turn
        pad.press("kana")
        assert np.abs(pad.image.astype(int) - image_of(example)).max() <= 1
    answer = "Best guess: " + pad.js("$('.best b').textContent")
    tab.wait_for_timeout(900)
    assert pad.js("$('[role=status]').textContent").startswith(answer), "spoken when it rests"


@needs_browser
def test_keys_alone_reach_the_pad_draw_and_press_the_buttons(pad, tab):
    def press(*keys):
        for key in keys:
            tab.keyboard.press(key)

    press("Tab")
    assert pad.js("host.shadowRoot.activeElement == $('.paper')")
    press("ArrowLeft")
    assert not pad.image.any(), "the pen is up"
    press("Space", *["ArrowDown"] * 9, "Space")  # sets it down, and lifts it
    vertical = pad.image
    assert margins(vertical)[1::2] == (0, 0) and margins(vertical)[0] > 10
    press("ArrowRight")
    assert (pad.image == vertical).all() and tab.evaluate("scrollY") == 0
    press("Space", "ArrowRight", "Space")
    assert (pad.image != vertical).any()
    press("Tab", "Enter")  # Undo
    assert (pad.image == vertical).all()
    press("Tab", "Enter")  # Clear
    assert not pad.image.any()


@needs_browser
def test_without_scripts_and_on_paper_a_picture_stands_in_place_of_the_pad(tab, page, pad):
    shown = "[document.images[0].checkVisibility(), $('.frame').checkVisibility()]"
    assert pad.js(shown) == [False, True]
    look(tab, width=688, medium="print")
    assert pad.js(shown) == [True, False]
    context = tab.context.browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(page.as_uri())
    text = still.inner_text("main")
    assert "It needs scripts" in text and "Undo" not in text
    assert still.locator("img").bounding_box()["width"] > 500
    assert still.get_attribute("img", "alt").startswith("A drawn character")
    context.close()


@needs_browser
def test_the_pad_works_in_the_exported_report(tab, kmnist, tmp_path):
    book = nbformat.reads(nbformat.writes(new_notebook(cells=[new_markdown_cell("# 1")])), 4)
    html = render({Path("01_one.ipynb"): book}, kmnist, False)["draw"]
    assert len(html.encode()) < 2_500_000
    (tmp_path / "page.html").write_text(html, "utf-8")
    look(tab, 360)
    address = (tmp_path / "page.html").as_uri()
    requests, _ = load(tab, address)
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [address]
    pad = Pad(tab)
    pad.js("host.scrollIntoView()")
    pad.stroke((20, 20), (80, 60))
    assert pad.bars.sum() == pytest.approx(1, abs=1e-3)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert axe_violations(tab) == []


# ---- the playground ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(kmnist, tmp_path_factory):
    """A file with a smaller playground than the report's: 600 images for training, 200 for test."""
    path = tmp_path_factory.mktemp("playground") / "train.html"
    return write_page(path, "Train", playground_html(kmnist, 600, 200)).as_uri()


class Playground:
    """The playground on the page that a tab shows."""

    def __init__(self, tab, address):
        self.tab, self.address, self.errors = tab, address, []
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.open()

    def open(self, settings=""):
        self.tab.goto("about:blank")
        self.tab.goto(self.address + settings)
        self.tab.wait_for_selector(".runs li")

    def wait_for(self, condition, arg=None):
        """Wait until something holds for the text that says where training is."""
        text = "document.querySelector('.place').textContent"
        self.tab.wait_for_function(f"arg => (text => {condition})({text})", arg=arg)

    def train(self, until):
        """Train to the end of an epoch; return test accuracies in per cent, one for each run."""
        self.tab.click(".play")
        done = "found && found[1] - (found[2] ? 1 : 0) >= arg"
        self.wait_for(f"(found => {done})(text.match(/^epoch (\\d+)(:?)/))", until)
        self.tab.click(".play")
        rows = self.tab.inner_text(".runs").splitlines()
        return [float(row.split(": ")[1].split(" %")[0]) for row in rows if " %" in row]

    def settings(self, *names):
        return [self.tab.input_value(f"[name={name}]") for name in names]


@pytest.fixture
def playground(tab, address):
    look(tab)
    playground = Playground(tab, address)
    yield playground
    assert playground.errors == []


@needs_browser
def test_a_network_learns_and_runs_are_drawn_over_each_other(playground):
    tab = playground.tab
    (before,) = playground.train(4)
    assert before > 25
    weights = tab.evaluate("document.querySelector('.weights').toDataURL()")
    assert playground.train(6)[0] > before - 5
    assert weights != tab.evaluate("document.querySelector('.weights').toDataURL()")
    tab.select_option("[name=activation]", "ReLU")
    assert len(playground.train(3)) == 2
    lines = "document.querySelectorAll('.accuracy path[fill=none]').length"
    assert tab.evaluate(lines) == 4  # training and test of two runs
    tab.click(".clear")
    assert len(tab.query_selector_all(".runs li")) == 1
    for width in (1280, 360):
        look(tab, width)
        assert axe_violations(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


@needs_browser
def test_settings_are_in_the_address_and_a_wrong_one_is_named_and_not_used(playground, address):
    tab = playground.tab
    tab.fill("[name=hidden]", "32, 16")
    tab.select_option("[name=rate]", "0.005")
    tab.select_option("[name=distortion]", "1")
    sent = tab.url.removeprefix(address)
    playground.open(sent)
    names = ("hidden", "rate", "distortion", "activation")
    assert playground.settings(*names) == ["32, 16", "0.005", "1", "tanh"]
    tab.click(".step")  # of 600 images, a mini-batch of 128
    playground.wait_for("text === arg", "epoch 1: 21 % done")
    playground.open("#rate=0.003&activation=relu&hidden=8&gamma=2&L2=-1&other=1")
    names = ("hidden", "rate", "activation", "gamma", "L2")
    assert playground.settings(*names) == ["8", "0.003", "ReLU", "0.9", "0"]
    wrong = ("batch=0", "batch=2001", "rate=x", "gamma=1", "L2=-1", "seed=1.5", "activation=sine")
    for setting in wrong:
        playground.open(f"#{setting}")
        playground.wait_for("text.includes(arg)", setting)
        name, _, value = setting.partition("=")
        assert playground.settings(name) != [value]
    for hidden in ("0", "8, 8, 8, 8", "600", "1.5"):
        tab.fill("[name=hidden]", hidden)
        tab.click(".new")
        assert not tab.evaluate("document.querySelector('[name=hidden]').checkValidity()")
        assert len(tab.query_selector_all(".runs li")) == 1


@needs_browser
def test_a_run_that_diverges_ends_and_says_so(playground):
    tab = playground.tab
    playground.open("#hidden=16&rate=10&activation=ReLU&gamma=0")
    tab.click(".play")
    playground.wait_for("text.startsWith('diverged')")
    assert tab.inner_text(".play") == "Train"
    assert re.search(r"diverged in epoch \d$", tab.inner_text(".runs"))


@needs_browser
def test_the_worker_trains_on_standardised_images_of_the_data(kmnist, tab):
    html = playground_html(kmnist)
    assert len(html) < 3_000_000
    tab.goto("about:blank")
    for name in ("network.js", "worker.js", "playground.js"):
        tab.add_script_tag(path=BROWSER / name)
    content = json.loads(re.search(r"^imagesOf\((.*?)\)\.then", html, re.MULTILINE).group(1))
    x, labels, test_x, test_labels = tab.evaluate(
        """async content => {
        const own = await imagesOf(content), { testPixels, testLabels } = own;
        prepare({ pixels: own.pixels, inputs: own.side ** 2, labels: own.labels,
                  testPixels, testLabels });
        const first = array => array.slice(0, 50 * own.side ** 2);
        return [first(data.x), data.labels, first(data.testX), data.testLabels].map(
            array => [...array]); }""",
        content,
    )
    images = kmnist.train_images[: len(labels)].reshape(len(labels), -1).astype(float)
    mean, std = images.mean(axis=0), images.std(axis=0)
    std[std == 0] = 1
    np.testing.assert_allclose(np.reshape(x, (50, -1)), ((images - mean) / std)[:50], atol=1e-3)
    assert labels == kmnist.train_labels[: len(labels)].tolist()
    tested = kmnist.test_images[:50].reshape(50, -1)
    np.testing.assert_allclose(np.reshape(test_x, tested.shape), (tested - mean) / std, atol=1e-2)
    assert test_labels == kmnist.test_labels[: len(test_labels)].tolist()
