"""Networks in the page: their numbers are Python's, and a reader can draw, train and compare."""

import json
import math
import re
import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import numpy as np
import pytest
from browser import axe_violations, browser_page, look, needs_browser, write_page
from matplotlib.colors import to_rgb
from matplotlib.image import imsave
from nbformat.v4 import new_markdown_cell, new_notebook
from playwright.sync_api import expect

from kmnist_mlp import MLP, Config, train
from kmnist_mlp.beyond import from_rounded, load_best, rounded
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.laboratory import drawing_pad, in_page
from kmnist_mlp.laboratory.in_page import SIDE, examples, image_of, playground_html, scribbles
from kmnist_mlp.network import standardised
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.report.pages.site import PAD_BITS, PAD_IMAGES, render
from kmnist_mlp.support.colours import BLUE, GREEN, ORANGE
from kmnist_mlp.support.statistics import in_percent

CONFIG = Config(layer_specs=(784, 48, 32, 10), activation="ReLU", epochs=2, learning_rate=0.002)


@pytest.fixture(scope="module")
def tab():
    """A page in which a test finds what playgrounds and their workers tell each other."""
    with browser_page() as page:
        page.add_init_script(path=Path(__file__).with_name("playground.js"))
        yield page


def rgb(colour):
    return np.rint(255 * np.array(to_rgb(colour)))


# ---- the pad ---------------------------------------------------------


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
    assert len(html.encode()) < 3_500_000, "its weights have more than five bits"
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(html, "utf-8")
    return path


class Pad:
    """A pad on the page that a tab shows; the first, if no other is named."""

    def __init__(self, tab, number=0):
        self.tab, self.paper = tab, tab.locator(".drawing-pad .paper").nth(number)
        self.host = f"document.querySelectorAll('.drawing-pad')[{number}]"

    def js(self, expression):
        """Evaluate, with `host`, `pad`, `$` and `$$` (its elements), after the next frame."""
        return self.tab.evaluate(
            f"""{self.host}.ready.then(
            () => new Promise(done => requestAnimationFrame(() => setTimeout(done)))
            ).then(() => {{
            const host = {self.host}, pad = host.pad, $ = s => $$(s)[0];
            const $$ = s => [...host.shadowRoot.querySelectorAll(s)];
            return {expression}; }})"""
        )

    @property
    def image(self):
        return np.array(self.js("pad.image()"), np.uint8).reshape(SIDE, SIDE)

    @property
    def bars(self):
        """Lengths of the bars, 0 to 1."""
        return np.array(self.js("$$('.bar').map(bar => parseFloat(bar.style.width))")) / 100

    def pixels(self, name):
        """Return a picture, (height, width, RGBA)."""
        return np.reshape(self.js(f"pixels($('.{name}'))"), (SIDE, -1, 4))

    def window(self, *points):
        """Turn points of the pad, 0 to 100, into points of the window."""
        left, top, side, _ = self.paper.bounding_box().values()
        return [(left + side * x / 100, top + side * y / 100) for x, y in points]

    def stroke(self, *points):
        """Draw with the mouse."""
        first, *others = self.window(*points)
        self.tab.mouse.move(*first)
        self.tab.mouse.down()
        for point in others:
            self.tab.mouse.move(*point)
        self.tab.mouse.up()


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


def test_names_cannot_end_the_script_and_the_pad_is_the_same_again(run, html, kmnist):
    assert drawing_pad(run, kmnist, images=30).data == html
    names = ("</script><i>", "<!--", *"cdefghij")
    other = drawing_pad(run, replace(kmnist, class_names=names, romaji=names)).data
    script = other.partition("<script")[2]
    assert script.partition("<script>")[2] == html.partition("<script>")[2], "the data stands alone"
    assert script.count("</script") == 2 and "<i>" not in other and "<!--" not in other


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
        assert np.abs(there - from_rounded(*rounded(model)).predict_proba(images)).max() <= 1e-4
    first, second = Pad(tab, 0), Pad(tab, 1)
    first.stroke((20, 20), (80, 60))
    assert first.bars.any() and not second.bars.any()
    second.js("pad.draw([[[30, 80], [70, 20], [75, 60]]])")
    for pad, model in ((first, run.model), (second, each_image)):
        model = from_rounded(*rounded(model))
        assert pad.bars == pytest.approx(model.predict_proba(pad.image)[0], abs=1e-3)
        said = pad.js("$$('.share').map(share => parseInt(share.textContent.replace('<', '')))")
        assert said == pytest.approx(100 * pad.bars, abs=1)
        arrays = ([a.astype(float) for a in of_all] for of_all in (model.weights, model.biases))
        exact = MLP.from_parameters(model.activation, *arrays)
        x = standardised(model, pad.image.reshape(1, -1))
        up, down = (np.log(exact.predict_proba(x + e * np.eye(SIDE**2))) for e in (1e-6, -1e-6))
        shares = x[0] * ((up - down).T - (up - down).mean(axis=1))[pad.bars.argmax()] / 2e-6
        drawn = pad.pixels("shares").reshape(-1, 4)
        np.testing.assert_allclose(drawn[:, 3], 255 * abs(shares) / abs(shares).max(), atol=2)
        colours = np.where(shares[:, None] > 0, rgb(ORANGE), rgb(BLUE))  # for, against
        strong = drawn[:, 3] > 99
        np.testing.assert_allclose(drawn[strong, :3], colours[strong], atol=3)
    assert tab.evaluate("typeof startPad + typeof Network") == "undefinedundefined"


@needs_browser
def test_a_drawing_becomes_the_same_image_as_in_python_and_is_rejected_alike(pad, kmnist):
    model = from_rounded(*rounded(load_best(), PAD_BITS))
    straight = image_of([np.array([[10, 50], [90, 50]])])
    assert straight[13:15, :3].tolist() == [[204, 248, 248]] * 2
    (least, passing), rejected = in_page.rejection_threshold(model, kmnist), []
    noise = [model.predict_proba(image_of(drawing)).max() >= least for drawing in scribbles()]
    assert passing == pytest.approx(np.mean(noise), abs=0.01)
    assert f"at random, {in_percent(passing, 0)} pass" in pad.js("$('.about').textContent")
    small = [np.array([[10.0, 90.0], [12.0, 88.0]])]
    shown = [drawing for name in kmnist.class_names for drawing in examples(name)]
    for drawing in (*scribbles(10), small, [np.array([[3.0, 4.0]])], *shown, []):
        strokes = json.dumps([stroke.tolist() for stroke in drawing])
        there = np.array(pad.js(f"(pad.draw({strokes}), pad.image())")).reshape(SIDE, SIDE)
        assert np.abs(there - (image_of(drawing) if drawing else 0)).max() <= 1
        rejected.append(drawing and model.predict_proba(there.astype(np.uint8)).max() < least)
        assert ("None of these" in pad.js("$('.best').textContent")) == bool(rejected[-1])
    assert kmnist.is_stand_in or (0.4 < passing < 0.55 and not any(rejected[12:]))


@needs_browser
def test_a_picture_file_is_read_like_the_image_that_it_shows(pad, tab, tmp_path):
    for image in (image_of(drawing) for name in "おすつ" for drawing in examples(name)):
        large = np.pad(np.kron(image, np.ones((9, 9))), ((20, 90), (70, 15)))
        imsave(tmp_path / "a.png", 240 - 0.9 * large, cmap="gray", vmin=0, vmax=255)
        tab.click(".clear")
        tab.locator("[type=file]").set_input_files(tmp_path / "a.png")
        tab.wait_for_function("document.querySelector('.drawing-pad').pad.image().some(v => v)")
        assert np.corrcoef(pad.image.ravel(), image.ravel())[0, 1] > 0.97
    imsave(tmp_path / "a.png", np.ones((40, 60, 3)))
    tab.locator("[type=file]").set_input_files(tmp_path / "a.png")
    expect(tab.locator(".best")).to_contain_text("blank")
    assert not pad.image.any() and not pad.bars.any(), "the picture before it is gone"


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
    assert (pad.pixels("image")[..., 0] == pad.image).all()
    known = kmnist.train_images[:PAD_IMAGES].reshape(PAD_IMAGES, -1).astype(int)
    order = np.square(known - pad.image.ravel().astype(int)).sum(axis=1).argsort()[:5]
    names = [f"{kmnist.class_names[c]} {kmnist.romaji[c]}" for c in kmnist.train_labels[order]]
    assert pad.js("$('.names').textContent").split(", ") == names
    tiles = pad.pixels("known")[..., 0].reshape(SIDE, 5, SIDE).swapaxes(0, 1)
    assert (tiles.reshape(5, -1) == known[order]).all()
    one = pad.image
    pad.stroke((50, 10), (45, 90))
    assert (pad.image != one).any()
    tab.click(".undo")
    assert (pad.image == one).all()
    tab.click(".clear")
    assert not pad.image.any() and not pad.bars.any() and pad.js("$('.more').hidden")
    tab.emulate_media(reduced_motion="reduce")
    for example in (*examples("お"), examples("お")[0]):  # in turn
        tab.click(".kana >> visible=true")
        assert np.abs(pad.image.astype(int) - image_of(example)).max() <= 1
    answer = "Best guess: " + pad.js("$('.best b').textContent")
    expect(tab.get_by_role("status")).to_contain_text(answer)  # spoken when it rests
    look(tab, 360)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert tab.locator(".best").bounding_box()["y"] < pad.paper.bounding_box()["y"], "in sight"
    assert axe_violations(tab) == []


@needs_browser
def test_keys_alone_reach_the_pad_draw_and_press_the_buttons(pad, tab):
    pad.paper.focus()
    scrolled = tab.evaluate("scrollY")
    for key in ("Space", *["ArrowDown"] * 9, "Space"):  # sets it down, and lifts it
        tab.keyboard.press(key)
    drawn = pad.image
    assert margins(drawn)[1::2] == (0, 0) and margins(drawn)[0] > 10
    tab.keyboard.press("ArrowRight")
    assert (pad.image == drawn).all() and tab.evaluate("scrollY") == scrolled
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")  # Undo
    assert not pad.image.any()


@needs_browser
def test_without_scripts_and_on_paper_there_is_a_sentence(tab, html, tmp_path):
    address = write_page(tmp_path / "page.html", "Pad", html).as_uri()
    look(tab)
    tab.goto(address)
    pad = Pad(tab)
    shown = "[host.firstChild, $('.frame')].map(element => element.checkVisibility())"
    assert pad.js(shown) == [False, True]
    look(tab, width=688, medium="print")
    assert pad.js(shown) == [True, False]
    still = tab.context.browser.new_page(java_script_enabled=False)
    still.goto(address)
    expect(still.locator("main")).to_contain_text("It needs scripts")
    expect(still.locator(".undo")).to_have_count(0)
    still.close()


# ---- the playground --------------------------------------------------


CASES = tomllib.loads(Path(__file__).with_name("playground.toml").read_text("utf-8"))
USUAL, TRAINING, HELD, TEST, TILES = CASES["usual"], 600, 150, 100, 64
# Of epoch, training loss and accuracy, validation loss and accuracy: an image may change sides
TOLERANCE = [0, 1e-4, 1.01 / 500, 1e-4, 1.01 / HELD]


@pytest.fixture(scope="module")
def patterns(make_dataset):
    """More images than the playground takes; those for test are paler."""
    data = make_dataset(classes=10, train=TRAINING + HELD + 50, test=TEST + 30, noise=60)
    return replace(data, test_images=data.test_images // 10 * 9 + 20)


@pytest.fixture(scope="module")
def address(patterns, tmp_path_factory):
    path = tmp_path_factory.mktemp("playground") / "train.html"
    return write_page(path, "Train", playground_html(patterns, TRAINING + HELD, TEST)).as_uri()


def written(settings):
    """Return settings as an address holds them."""
    return "#" + urlencode({name: str(value).strip("[]") for name, value in settings.items()})


def affine(side, strength, drawn):
    """Return the module's distortion without its elastic part, by the page's uniform numbers."""

    def uniform(low, high, size):
        numbers = [next(drawn) for _ in range(6 * size[1])]
        return low + (high - low) * np.reshape(numbers, (-1, 6)).T

    distortion = Distortion((side, side), strength, seed=0)
    distortion.rng = SimpleNamespace(uniform=uniform, standard_normal=np.zeros)
    return distortion


def mulberry32(state):
    """Yield the page's uniform random numbers."""
    while True:
        state = (state + 0x6D2B79F5) % 2**32
        t = (state ^ state >> 15) * (state | 1) % 2**32
        t ^= (t + (t ^ t >> 7) * (t | 61)) % 2**32
        yield (t ^ t >> 14) / 2**32


def trained_here(data, settings, epochs, sizes=(TRAINING, HELD, TEST)):
    """Return the history of the module's network with the page's random numbers.

    And, after the last epoch, its classes of the validation images, the change of its first
    weights, and epoch, loss and accuracy on test images where validation loss was lowest.
    """
    s, n = SimpleNamespace(**settings), sizes[0]
    x, test = (images.reshape(len(images), -1) for images in (data.train_images, data.test_images))
    held = x[n:][: sizes[1]], data.train_labels[n:][: sizes[1]]
    test, x, labels = (test[: sizes[2]], data.test_labels[: sizes[2]]), x[:n], data.train_labels[:n]
    mean, std = x.mean(axis=0), x.std(axis=0) + (np.ptp(x, axis=0) == 0)
    layers, drawn, W = (x.shape[1], *s.hidden, 10), mulberry32(s.seed), []
    for shape in pairwise(layers):
        u, v = np.reshape([next(drawn) for _ in range(2 * np.prod(shape))], (*shape, 2)).T
        W.append((np.sqrt(-4 * np.log(1 - u) / shape[0]) * np.cos(2 * np.pi * v)).T)
    model = MLP.from_parameters(s.activation, W, [np.zeros(units) for units in layers[1:]])
    options = {"momentum_gamma": s.gamma, "L1_penalty": s.L1, "L2_penalty": s.L2}
    sgd = SGD(model, Config(layer_specs=layers, learning_rate=s.rate, **options))
    curves, drawn = [], mulberry32(s.seed + 1)
    for epoch in range(epochs + 1):
        curves.append([epoch])
        for images, right in ((x[:500], labels[:500]), test, held):
            inputs = (images - mean) / std
            classes = model.predict(inputs)
            curves[-1] += [model.loss(inputs, right) / right.size / 10, np.mean(classes == right)]
        if epoch == epochs:
            history = np.array(curves)
            best = history[history[:, 5].argmin(), [0, 3, 4]]
            return history[:, [0, 1, 2, 5, 6]], classes, model.weights[0] - W[0], best
        order = np.arange(n)
        for i in range(n - 1, 0, -1):
            j = int(next(drawn) * (i + 1))
            order[[i, j]] = order[[j, i]]
        for rows in np.split(order, range(s.batch, n, s.batch)):
            images = x[rows].astype(float)
            if s.distortion:
                affine(6, s.distortion, drawn)(images, x[rows])
            dW, db = model.gradients((images - mean) / std, labels[rows])
            sgd.step(np.concatenate([a.ravel() for a in (*dW, *db)]))


class Playground:
    """The playground on the page that a tab shows."""

    def __init__(self, tab, address):
        self.tab, self.address, self.errors = tab, address, []
        self.place = expect(tab.locator(".place"))  # where training is
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.open()

    def open(self, settings=""):
        self.tab.goto("about:blank")
        self.tab.goto(self.address + settings)
        self.tab.wait_for_selector(".runs li")

    @property
    def trained(self):
        """The settings of the runs that the worker was asked for."""
        return self.tab.evaluate("asked.filter(m => m.kind === 'start').map(m => m.settings)")

    @property
    def history(self):
        return np.array(self.tab.evaluate("told.findLast(state => state.history).history"))

    def step(self, count=1):
        """Press "One mini-batch" that often; return what the worker told after the last."""
        return SimpleNamespace(**self.tab.evaluate("count => press(count)", count))

    def cells(self, name, size):
        """Return the cells of a picture, eight in a row: (cells, height, width, RGB)."""
        values = self.tab.evaluate("name => pixels(document.querySelector(name))", name)
        picture = np.reshape(values, (-1, size, 8, size, 4))[..., :3]
        return picture.swapaxes(1, 2).reshape(-1, size, size, 3)


@pytest.fixture
def playground(tab, address):
    look(tab)
    playground = Playground(tab, address)
    yield playground
    assert playground.errors == []


@needs_browser
@pytest.mark.parametrize("changed", CASES["options"], ids=str)
def test_two_epochs_of_a_worker_are_those_of_the_module(playground, patterns, changed, monkeypatch):
    settings = USUAL | changed
    playground.open(written(changed))
    assert playground.trained == [settings]
    playground.step()
    share = settings["batch"] / TRAINING
    done = f"epoch 1: {100 * share:.0f} % done" if share < 1 else "epoch 1"
    playground.place.to_have_text(done)
    state = playground.step(2 * math.ceil(1 / share) - 1)
    assert state.epoch == 2 and state.share == 1
    history, classes, change, best = trained_here(patterns, settings, 2)
    assert (abs(playground.history - history) <= TOLERANCE).all()
    assert (state.predicted != classes).sum() <= 1
    np.testing.assert_allclose(state.weights, change.ravel(), rtol=1e-3, atol=1e-5)
    assert not playground.tab.evaluate("told.some(state => state.test)")
    playground.tab.click(".test")
    playground.tab.wait_for_function("told.at(-1).test")
    tested = [*playground.tab.evaluate("told.at(-1).test").values()]
    assert (abs(tested - best) <= [0, 1e-4, 1.01 / TEST]).all()
    options = {CASES["names"].get(name, name): value for name, value in settings.items()}
    layers = (36, *options.pop("hidden"), 10)
    monkeypatch.setattr("kmnist_mlp.load_kmnist", lambda: patterns)
    exec(playground.tab.inner_text(".python code"), pasted := {})
    assert pasted["result"].config == Config(layers, **options, epochs=2, early_stop_epoch=2)


@needs_browser
def test_curves_and_pictures_show_what_the_worker_told(playground, patterns):
    tab = playground.tab
    playground.open("#batch=1000&rate=0.001&gamma=0.5")
    expect(tab.locator(".untrained")).to_be_visible()
    before, state = playground.step(2), playground.step()
    history = playground.history
    expect(tab.locator(".untrained")).to_be_hidden()
    for chart, column, top in ((".loss", 1, 0.4), (".accuracy", 2, 1)):
        both = tab.evaluate("chart => curves(chart)", chart)
        for drawn, own in zip(both, (column, column + 2), strict=True):  # thin: training
            x, y = np.reshape(drawn, (-1, 2)).T
            np.testing.assert_allclose(x, 36 + 276 * history[:, 0] / 3, atol=0.1)
            height = 165 * np.minimum(history[:, own] / top, 1)
            np.testing.assert_allclose(180 - y, height, atol=0.1)
    for place in (".runs li", "[role=status]"):
        expect(tab.locator(place)).to_contain_text(f" {100 * history[-1, 4]:.1f} %")
    change = np.reshape(state.weights, (6, 6, 128))[..., :32].transpose(2, 0, 1)
    change /= abs(change).max(axis=(1, 2), keepdims=True)
    red, blue = (np.minimum(255 * (1 + sign * change), 255) for sign in (1, -1))
    expected = np.stack([red, np.minimum(red, blue), blue], axis=-1)
    np.testing.assert_allclose(playground.cells(".weights", 8)[:, :6, :6], expected, atol=1)
    held, answers = patterns.train_images[TRAINING:], patterns.train_labels[TRAINING:][:HELD]
    labels = answers[:TILES]
    right, earlier = (told.predicted[:TILES] == labels for told in (state, before))
    frames = np.array([rgb(ORANGE), rgb(GREEN), [255] * 3])[np.where(right, 1 + earlier, 0)]
    assert len(np.unique(frames, axis=0)) == 3
    tiles = playground.cells(".tests", 12)
    assert (tiles[:, 0, 0] == frames).all()
    assert (255 - tiles[:, 2:8, 2:8, 0] == held[:TILES]).all()
    cells = "[...document.querySelectorAll('.confusion td')].map(cell => Number(cell.textContent))"
    pairs = np.bincount(10 * answers.astype(int) + state.predicted, minlength=100)
    assert tab.evaluate(cells)[1:] == pairs.tolist()
    W, b = (list(map(np.array, arrays)) for arrays in (state.W, state.b))
    model = MLP.from_parameters("tanh", [W[0].reshape(36, -1), W[1].reshape(-1, 10)], b)
    x = patterns.train_images[:TRAINING].reshape(TRAINING, -1)
    model.standardisation = x.mean(axis=0), x.std(axis=0) + (np.ptp(x, axis=0) == 0)
    tab.press(".images", "ArrowDown")
    label, answer = (patterns.class_names[k] for k in (labels[8], state.predicted[8]))
    expect(tab.locator(".chosen")).to_contain_text(f"Image 9: {label}; classified as {answer}, ")
    p, size = model.predict_proba(held[8])[0], "rects => rects.map(r => r.width.baseVal.value / 66)"
    assert tab.locator(".diagram rect").evaluate_all(size) == pytest.approx(p, abs=0.01)
    tab.click(".own summary")
    tab.wait_for_function("document.querySelector('.drawing-pad').ready")
    pad = Pad(tab)
    noise = np.array(tab.evaluate("[...asked.find(m => m.noise).noise]"), np.uint8)
    images = held[:HELD], noise.reshape(100, 6, 6)
    both = [model.predict_proba(part).max(axis=1) for part in images]
    least, *told = state.threshold.values()
    errors = [[(both[0] < p).mean(), (both[1] >= p).mean()] for p in (least, *both[0])]
    assert told == pytest.approx(errors[0], abs=0.02)
    assert sum(told) == pytest.approx(min(map(sum, errors)), abs=0.02)
    assert f"{100 * told[1]:.0f} pass" in pad.js("$('.about').textContent")
    pad.js("pad.draw([[[10, 10], [80, 20], [40, 90]]])")
    p = model.predict_proba(np.reshape(pad.js("pad.image()"), (6, 6)).astype(np.uint8))[0]
    assert pad.bars == pytest.approx(p, abs=1e-3)


def test_the_example_is_the_run_that_the_page_would_train(kmnist):
    example = json.loads(in_page.source("example.json"))
    expected = trained_here(kmnist, USUAL, 2, (2000, 500, 500))[0]
    assert kmnist.is_stand_in or np.allclose(example[:3], expected, atol=0.0021)


@needs_browser
@pytest.mark.parametrize("number", range(3))
def test_a_guided_task_trains_its_runs_and_reports_their_numbers(playground, number):
    tab, task = playground.tab, CASES["tasks"][number]
    tab.click(f":nth-match(.tasks button, {number + 1})")
    result = tab.locator(".result").nth(number)
    expect(result).to_contain_text(re.compile(r"\d\.\d"))
    assert playground.trained[1:] == [USUAL | options for options in task["runs"]]
    own = "asked.filter(m => m.kind === 'start').slice(1).map(m => m.run)"
    curves = tab.evaluate(f"{own}.map(n => told.findLast(m => m.run === n && m.history).history)")
    assert [len(curve) - 1 for curve in curves] == task["epochs"]
    for curve, epoch in zip(curves, task["told"], strict=True):
        expect(result).to_contain_text(f" {curve[epoch][3]:.4f}")
    assert len(tab.evaluate("curves('.accuracy')")) == 4  # training and validation of two runs
    tab.click(".play")  # goes on until it is paused
    more = f"told.findLast(m => m.history).history.length > {task['epochs'][1] + 2}"
    tab.wait_for_function(more)
    tab.click(".play")
    tab.click(".clear")
    expect(tab.locator(".runs li")).to_have_count(1)
    assert axe_violations(tab) == []


@needs_browser
@pytest.mark.parametrize("odd", CASES["addresses"])
def test_what_is_trained_is_trained_again_at_the_address_that_the_page_writes(playground, odd):
    tab = playground.tab
    meant = USUAL | {name: value for name, (_, *values) in odd.items() for value in values}
    refused = [f"{name}={text}" for name, (text, *values) in odd.items() if not values]
    playground.open(written({name: text for name, (text, *_) in odd.items()} | {"other": 1}))
    assert playground.trained == [meant]
    for part in refused or ["epoch 0"]:
        playground.place.to_contain_text(part)
    tab.dispatch_event("form", "input")
    playground.open(tab.url.removeprefix(playground.address))
    assert playground.trained == [meant]
    playground.place.to_have_text("epoch 0")
    for name in ("hidden", "seed"):  # typed
        text, *values = odd[name]
        playground.open()
        tab.locator(f"[name={name}]").evaluate("(field, text) => { field.value = text; }", text)
        tab.dispatch_event(f"[name={name}]", "input")
        tab.click(".new")
        assert tab.evaluate("document.querySelector('form').checkValidity()") == bool(values)
        trained = playground.trained
        assert trained == [USUAL, *(USUAL | {name: value} for value in values)]
        playground.open(tab.url.removeprefix(playground.address))
        assert playground.trained == trained[-1:]


@needs_browser
def test_a_run_that_diverges_ends_and_says_so(playground):
    tab = playground.tab
    playground.open("#hidden=16&rate=10&activation=ReLU&gamma=0")
    tab.click(".play")
    playground.place.to_have_text(re.compile("^diverged"))
    expect(tab.locator(".play")).to_have_text("Train")
    expect(tab.locator(".runs")).to_contain_text(re.compile(r"diverged in epoch \d$"))
