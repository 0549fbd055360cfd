"""Networks in the page: their numbers are Python's, and a reader can draw, train and compare."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from browser import axe_violations, browser_page, look, needs_browser, write_page
from nbformat.v4 import new_markdown_cell, new_notebook
from playwright.sync_api import expect

from kmnist_mlp import MLP, Config, train
from kmnist_mlp.beyond import from_rounded, load_best, rounded
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.laboratory import drawing_pad
from kmnist_mlp.laboratory.in_page import BROWSER, SIDE, examples, image_of, playground_html
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.report.pages.site import PAD_BITS, PAD_IMAGES, render

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


def given(model, **more):
    """Return a network, and arrays, as the page takes them."""
    weights = [W.ravel().tolist() for W in model.weights]
    network = {"layers": list(model.layer_specs), "activation": model.activation, "W": weights}
    network["b"] = [b.tolist() for b in model.biases]
    return network | {name: np.asarray(value).tolist() for name, value in more.items()}


@needs_browser
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "ReLU"])
@pytest.mark.parametrize("layers", [(12, 4), (12, 7, 4), (12, 9, 5, 7, 4)])
def test_a_training_run_is_that_of_the_module(js, layers, activation):
    """40 mini-batches with momentum and both penalties, and what is computed after them."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((40, 8, 12))
    x[rng.random(x.shape) < 0.3] = 0  # zeros are left out there
    y = rng.integers(4, size=(40, 8))
    model = MLP(layers, activation, seed=2, dtype=np.float64)
    start = given(model, x=x, y=y)
    penalties = {"L1_penalty": 0.01, "L2_penalty": 0.1}
    sgd = SGD(model, Config(learning_rate=0.02, momentum_gamma=0.8, **penalties))
    for inputs, labels in zip(x, y, strict=True):
        dW, db = model.gradients(inputs, labels)
        sgd.step(np.concatenate([a.ravel() for a in (*dW, *db)]))
    parameters, p, evaluated, loss, shares = js(
        """given => {
        const floats = arrays => arrays.map(array => Float32Array.from(array));
        const { layers, activation, W, b, y } = given;
        const network = new Network(layers, activation, floats(W), floats(b));
        const x = given.x.map(rows => Float32Array.from(rows.flat()));
        x.forEach((rows, n) => {
            network.backward(rows, y[n], 8);
            network.step({ rate: 0.02, gamma: 0.8, L1: 0.01, L2: 0.1 });
        });
        const { accuracy, loss } = network.evaluate(x[0], y[0]);
        const parameters = [...network.W, ...network.b].flatMap(array => [...array]);
        const p = [...network.forward(x[0], 8).at(-1)];
        const summed = network.backward(x[0], y[0], 8);
        const shares = [...network.shares(x[0].slice(0, 12), 2)];
        return [parameters, p, [accuracy, loss], summed, shares]; }""",
        start,
    )
    x, y = x[0], y[0]
    np.testing.assert_allclose(parameters, model.parameters, atol=1e-4)
    np.testing.assert_allclose(p, model.predict_proba(x).ravel(), atol=1e-4)
    assert loss == pytest.approx(model.loss(x, y), rel=1e-4)
    assert evaluated == [np.mean(model.predict(x) == y), pytest.approx(loss / 8 / 4)]
    steps = 1e-6 * np.eye(12)
    after, before = (np.log(model.predict_proba(x[0] + step)) for step in (steps, -steps))
    slopes = (after - before) / 2e-6
    expected = x[0] * (slopes[:, 2] - slopes.mean(axis=1))
    np.testing.assert_allclose(shares, expected, rtol=1e-3, atol=1e-4)


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


# ---- the pad -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(kmnist):
    return train(CONFIG, kmnist)


@pytest.fixture(scope="module")
def html(run, kmnist):
    return drawing_pad(run, kmnist, images=30).data


@pytest.fixture(scope="module")
def page(kmnist, tmp_path_factory):
    """The page of the exported report with the pad."""
    book = new_notebook(cells=[new_markdown_cell("# 1")])
    html = render({Path("01_one.ipynb"): book}, kmnist, False)["draw"]
    assert len(html.encode()) < 2_500_000
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(html, "utf-8")
    return path


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
    pad = Pad(tab)
    pad.js("host.scrollIntoView()")
    return pad


def margins(image):
    """Return left, top, right, bottom of the ink: the distances to the frame."""
    rows, columns = np.nonzero(image > 127)
    return columns.min(), rows.min(), SIDE - 1 - columns.max(), SIDE - 1 - rows.max()


def test_weights_in_few_bits_are_whole_multiples_and_the_nearest_ones(run):
    header, arrays = rounded(run.model, 5)
    assert all(abs(arrays[f"weights_{layer}"]).max() == 15 for layer in range(3))
    W, scale = from_rounded(header, arrays).weights[0], arrays["scales_0"]
    exact = run.model.weights[0]
    assert np.abs(W - exact).max(axis=0) == pytest.approx(scale / 2, rel=0.2)
    np.testing.assert_allclose(abs(W).max(axis=0), abs(exact).max(axis=0), rtol=1e-6)


def test_names_cannot_end_the_script_and_the_pad_is_the_same_again(run, html, kmnist):
    assert drawing_pad(run, kmnist, images=30).data == html
    names = ("</script><i>", "<!--", *"cdefghij")
    html = drawing_pad(run, replace(kmnist, class_names=names, romaji=names)).data
    script = html.partition("<script>")[2]
    assert script.count("</script") == 1 and "<i>" not in html and "<!--" not in html


def test_what_is_no_network_for_28_x_28_pixels_is_refused(kmnist, tiny):
    small = MLP((36, 3))
    for network, data, named in (
        (small, tiny, r"layer_specs.*784.*3.*36"),
        (small, kmnist, r"layer_specs.*784.*10.*36"),
        (MLP((784, 10)), kmnist, "standardisation"),
    ):
        with pytest.raises(ValueError, match=named):
            drawing_pad(network, data)


@needs_browser
def test_two_pads_classify_as_python_does(tab, run, html, kmnist, tmp_path):
    each_image = MLP((784, 24, 10), "tanh", seed=3)  # standardises each image by itself
    each_image.standardisation = np.empty(0, np.float32), np.empty(0, np.float32)
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
def test_a_drawing_becomes_the_same_image_as_in_python(pad):
    rng = np.random.default_rng(0)
    scribble = [rng.uniform(0, 100, (n, 2)) for n in (9, 1, 30)]
    small = [np.array([[10.0, 90.0], [12.0, 88.0]])]
    for drawing in (scribble, small, [np.array([[3.0, 4.0]])], *examples("お"), []):
        strokes = json.dumps([stroke.tolist() for stroke in drawing])
        there = np.array(pad.js(f"(pad.draw({strokes}), pad.image())")).reshape(SIDE, SIDE)
        assert np.abs(there - image_of(drawing)).max() <= 1


@needs_browser
def test_a_journey_with_the_mouse_in_the_exported_report(pad, tab, kmnist):
    model = from_rounded(*rounded(load_best(), PAD_BITS))
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
    assert pad.bars == pytest.approx(model.predict_proba(pad.image)[0], abs=1e-3)
    assert not np.allclose(pad.bars, begun)
    best = kmnist.class_names[int(pad.bars.argmax())]
    assert pad.js("$('.best b').textContent") == best == pad.js("$('.first .kana b').textContent")
    pixels = "[...$('.image').getContext('2d').getImageData(0, 0, 28, 28).data]"
    assert (np.array(pad.js(pixels)).reshape(SIDE, SIDE, 4)[:, :, 0] == pad.image).all()
    known = kmnist.train_images[:PAD_IMAGES].reshape(PAD_IMAGES, -1).astype(int)
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
    expect(tab.get_by_role("status")).to_contain_text(answer)  # spoken when it rests
    look(tab, 360)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert axe_violations(tab) == []


@needs_browser
def test_keys_alone_reach_the_pad_draw_and_press_the_buttons(pad, tab):
    def press(*keys):
        for key in keys:
            tab.keyboard.press(key)

    pad.js("$('.paper').focus()")
    scrolled = tab.evaluate("scrollY")
    press("Space", *["ArrowDown"] * 9, "Space")  # sets it down, and lifts it
    drawn = pad.image
    assert margins(drawn)[1::2] == (0, 0) and margins(drawn)[0] > 10
    press("ArrowRight")
    assert (pad.image == drawn).all() and tab.evaluate("scrollY") == scrolled
    press("Tab", "Enter")  # Undo
    assert not pad.image.any()


@needs_browser
def test_without_scripts_and_on_paper_there_is_a_picture(tab, html, tmp_path):
    address = write_page(tmp_path / "page.html", "Pad", html).as_uri()
    look(tab)
    tab.goto(address)
    pad = Pad(tab)
    shown = "[document.images[0].checkVisibility(), $('.frame').checkVisibility()]"
    assert pad.js(shown) == [False, True]
    look(tab, width=688, medium="print")
    assert pad.js(shown) == [True, False]
    context = tab.context.browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(address)
    expect(still.locator("main")).to_contain_text("It needs scripts")
    expect(still.locator(".undo")).to_have_count(0)
    expect(still.get_by_alt_text("A drawn character")).to_be_visible()
    context.close()


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
    expect(tab.locator(".runs li")).to_have_count(1)
    assert axe_violations(tab) == []


@needs_browser
def test_settings_are_in_the_address_and_a_wrong_one_is_named(playground, address):
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
    wrong = ["batch=2001", "gamma=1", "L2=-1", "seed=1.5"]
    playground.open("#rate=0.003&activation=relu&hidden=8&other=1&" + "&".join(wrong))
    playground.wait_for("arg.every(setting => text.includes(setting))", wrong)
    assert playground.settings("hidden", "rate", "activation") == ["8", "0.003", "ReLU"]
    assert playground.settings("batch", "gamma", "L2", "seed") == ["128", "0.9", "0", "0"]
    playground.open("#activation=sine")
    playground.wait_for("text.includes(arg)", "activation=sine")
    assert playground.settings("activation") == ["tanh"]
    for hidden in ("0", "8, 8, 8, 8", "600", "1.5"):
        tab.fill("[name=hidden]", hidden)
        tab.click(".new")
        assert not tab.evaluate("document.querySelector('[name=hidden]').checkValidity()")
        expect(tab.locator(".runs li")).to_have_count(1)


@needs_browser
def test_a_run_that_diverges_ends_and_says_so(playground):
    tab = playground.tab
    playground.open("#hidden=16&rate=10&activation=ReLU&gamma=0")
    tab.click(".play")
    playground.wait_for("text.startsWith('diverged')")
    expect(tab.locator(".play")).to_have_text("Train")
    expect(tab.locator(".runs")).to_contain_text(re.compile(r"diverged in epoch \d$"))


@needs_browser
def test_the_worker_trains_on_standardised_images(kmnist, tab):
    html = playground_html(kmnist, 600, 200)
    content = re.search(r"^imagesOf\((.*?)\)\.then", html, re.MULTILINE).group(1)
    tab.goto("about:blank")
    for name in ("network.js", "worker.js", "playground.js"):
        tab.add_script_tag(path=BROWSER / name)
    x, labels, test_x, test_labels = tab.evaluate(
        """async content => {
        const own = await imagesOf(JSON.parse(content));
        prepare({ ...own, inputs: own.side ** 2 });
        const first = array => array.slice(0, 50 * own.side ** 2);
        return [first(data.x), data.labels, first(data.testX), data.testLabels].map(
            array => [...array]); }""",
        content,
    )
    assert labels == kmnist.train_labels[:600].tolist()
    assert test_labels == kmnist.test_labels[:200].tolist()
    used = kmnist.train_images[:600]
    mean, std = used.mean(axis=0), used.std(axis=0)
    std[std == 0] = 1
    for there, images in ((x, kmnist.train_images), (test_x, kmnist.test_images)):
        expected = (images[:50] - mean) / std
        np.testing.assert_allclose(there, expected.ravel(), rtol=1e-4, atol=1e-3)
