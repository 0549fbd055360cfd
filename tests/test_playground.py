"""Training in the page: its network is Python's, and a reader can use it."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from browser import axe_violations, browser_page, look, needs_axe, needs_browser, write_page

from kmnist_mlp import MLP, Config
from kmnist_mlp.extensions import augmentation
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.laboratory.playground import FOLDER, playground_html
from kmnist_mlp.optimizer import SGD

pytestmark = needs_browser


@pytest.fixture(scope="module")
def tab():
    with browser_page() as page:
        yield page


@pytest.fixture(scope="module")
def js(tab):
    """Return a function that evaluates an expression beside the network of the page."""
    tab.goto("about:blank")
    tab.add_script_tag(path=FOLDER / "network.js")
    return tab.evaluate


# `network` with Python's weights, and `arrays` of numbers as float32
SETUP = """
    const network = new Network(given.layers, given.activation, 0);
    given.W.forEach((W, l) => network.W[l].set(W));
    given.b.forEach((b, l) => network.b[l].set(b));
    const x = (rows) => Float32Array.from(rows.flat());
"""


def given(model, **more):
    """Return a network, and arrays, as the page takes them."""
    weights = [W.ravel().tolist() for W in model.weights]
    own = {"layers": list(model.layer_specs), "activation": model.activation, "W": weights}
    own["b"] = [b.tolist() for b in model.biases]
    return own | {name: np.asarray(value).tolist() for name, value in more.items()}


def batches(layers, n, count=1):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((count, n, layers[0]))
    return x * (rng.random(x.shape) > 0.3), rng.integers(layers[-1], size=(count, n))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "ReLU"])
@pytest.mark.parametrize("layers", [(12, 4), (12, 7, 4), (12, 9, 5, 7, 4)])
def test_gradients_are_those_of_the_module(js, layers, activation):
    """Relative to the largest of their array, to 1e-4."""
    model = MLP(layers, activation, seed=3, dtype=np.float64)
    for number, bias in enumerate(model.biases):
        bias += 0.1 * (number + 1)
    (x,), (y,) = batches(layers, 6)
    found = js(
        f"""given => {{ {SETUP}
        const loss = network.backward(x(given.x), given.y, given.y.length);
        return [loss, network.dW.map(a => [...a]), network.db.map(a => [...a])]; }}""",
        given(model, x=x, y=y),
    )
    dW, db = model.gradients(x, y)
    assert found[0] == pytest.approx(model.loss(x, y), rel=1e-5)
    for theirs, ours in zip([*found[1], *found[2]], [*dW, *db], strict=True):
        assert np.abs(np.array(theirs) - ours.ravel()).max() < 1e-4 * np.abs(ours).max()


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
    W, b, right = js(
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
    assert right[0] == np.mean(model.predict(x[0]) == y[0])
    assert right[1] == pytest.approx(model.loss(x[0], y[0]) / 8 / 4, rel=1e-4)


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
    largest = [getattr(augmentation, n) for n in ("ROTATION", "STRETCH", "STRETCH", "SHEAR")]
    values = (2 * drawn - 1) * 2 * np.array([*largest, augmentation.SHIFT, augmentation.SHIFT])
    rotation, tall, wide, shear, down, right = values[:, None]
    distortion = Distortion((side, side), 2.0, seed=0)
    none = np.zeros((2, 1, len(distortion.basis) - 3), np.float32)
    field = distortion.coefficients(
        rotation, np.stack([tall, wide]), shear, np.stack([down, right]), none
    )
    ours = np.empty((1, side * side), np.float32)
    distortion.sample(image[None], field, ours)
    np.testing.assert_allclose(theirs, ours[0], atol=0.05)


# ---- the page ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(kmnist, tmp_path_factory):
    """A file with a smaller playground than the report's: 600 images for training, 200 for test."""
    path = tmp_path_factory.mktemp("playground") / "train.html"
    return write_page(path, "Train", playground_html(kmnist, 600, 200)).as_uri()


class Playground:
    """The playground on the page that a tab shows."""

    def __init__(self, tab, address):
        self.tab, self.mistakes = tab, []
        tab.on("pageerror", lambda error: self.mistakes.append(str(error)))
        self.open(address)

    def open(self, address):
        self.tab.goto("about:blank")
        self.tab.goto(address)
        self.tab.wait_for_selector(".runs li")

    def train(self, until):
        """Train to the end of an epoch; return test accuracies in per cent, one for each run."""
        self.tab.click(".play")
        self.tab.wait_for_function(
            """n => {
                const told = document.querySelector('.place').textContent;
                const found = told.match(/^epoch (\\d+)(:?)/);
                return found && found[1] - (found[2] ? 1 : 0) >= n;
            }""",
            arg=until,
        )
        self.tab.click(".play")
        rows = self.tab.inner_text(".runs").splitlines()
        return [float(row.split(": ")[1].split(" %")[0]) for row in rows if " %" in row]

    def setting(self, name):
        return self.tab.input_value(f"[name={name}]")


@pytest.fixture
def playground(tab, address):
    look(tab)
    playground = Playground(tab, address)
    yield playground
    assert playground.mistakes == []


def test_a_network_learns_and_runs_are_drawn_over_each_other(playground):
    tab = playground.tab
    (before,) = playground.train(4)
    assert before > 25
    weights = tab.evaluate("document.querySelector('.weights').toDataURL()")
    assert playground.train(6)[0] > before - 5
    assert weights != tab.evaluate("document.querySelector('.weights').toDataURL()")
    tab.select_option("[name=activation]", "ReLU")
    first, second = playground.train(3)
    lines = "document.querySelectorAll('.accuracy path[fill=none]').length"
    assert tab.evaluate(lines) == 4  # training and test of two runs
    tab.click(".clear")
    assert len(tab.query_selector_all(".runs li")) == 1


def test_settings_are_in_the_address_and_a_link_brings_them_back(playground, address):
    tab = playground.tab
    tab.fill("[name=hidden]", "32, 16")
    tab.select_option("[name=rate]", "0.005")
    tab.select_option("[name=distortion]", "1")
    sent = tab.url
    assert sent.startswith(f"{address}#")
    playground.open(sent)
    assert [playground.setting(n) for n in ("hidden", "rate", "distortion", "activation")] == [
        "32, 16", "0.005", "1", "tanh",
    ]  # fmt: skip
    tab.click(".step")
    tab.wait_for_function("document.querySelector('.place').textContent.includes('%')")
    assert "32-16" in tab.inner_text(".runs")
    playground.open(f"{address}#rate=0.003&activation=relu&hidden=8&gamma=2&L2=-1&other=1")
    names = ("hidden", "rate", "activation", "gamma", "L2")
    assert [playground.setting(n) for n in names] == ["8", "0.003", "ReLU", "0.9", "0"]


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [("batch", "0", "128"), ("batch", "0.5", "128"), ("batch", "2001", "128"),
     ("rate", "x", "0.0005"), ("gamma", "1", "0.9"), ("L2", "-1", "0"), ("distortion", "", "0"),
     ("seed", "1.5", "0"), ("activation", "sine", "tanh")],
)  # fmt: skip
def test_a_value_in_the_address_that_is_out_of_range_is_named_and_not_used(
    playground, address, name, value, kept
):
    playground.open(f"{address}#{name}={value}")
    assert playground.setting(name) == kept
    playground.tab.wait_for_function(
        "text => document.querySelector('.place').textContent.includes(text)", arg=f"{name}={value}"
    )


def test_a_run_that_diverges_ends_and_says_so(playground, address):
    tab = playground.tab
    playground.open(f"{address}#hidden=16&rate=10&activation=ReLU&gamma=0")
    tab.click(".play")
    tab.wait_for_function("document.querySelector('.place').textContent.startsWith('diverged')")
    assert tab.inner_text(".play") == "Train"
    assert re.search(r"diverged in epoch \d$", tab.inner_text(".runs"))
    curve = tab.get_attribute(".loss path[fill=none]", "d")
    heights = [float(number) for number in re.findall(r"[\d.]+", curve)[1::2]]
    assert min(heights) == 15  # the loss is drawn at the top
    tab.select_option("[name=rate]", "0.005")
    assert playground.train(1)[-1] > 10


@pytest.mark.parametrize("hidden", ["0", "8, 8, 8, 8", "600", "1.5"])
def test_layers_that_are_not_allowed_start_no_run(playground, hidden):
    playground.tab.fill("[name=hidden]", hidden)
    playground.tab.click(".new")
    assert not playground.tab.evaluate("document.querySelector('[name=hidden]').checkValidity()")
    assert len(playground.tab.query_selector_all(".runs li")) == 1


def test_one_step_takes_one_mini_batch(playground):
    playground.tab.select_option("[name=batch]", "128")
    for share in (21, 43):
        playground.tab.click(".step")
        playground.tab.wait_for_function(
            f"document.querySelector('.place').textContent === 'epoch 1: {share} % done'"
        )


@needs_axe
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_no_violation(playground, width):
    look(playground.tab, width)
    playground.train(1)
    assert axe_violations(playground.tab) == []
    assert playground.tab.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_is_small_and_the_images_are_those_of_the_data(kmnist, tab):
    html = playground_html(kmnist)
    assert len(html) < 3_000_000
    tab.goto("about:blank")
    tab.add_script_tag(path=FOLDER / "playground.js")
    content = json.loads(html.split('id="playground-images">')[1].split("</script>")[0])
    images = SimpleNamespace(
        **tab.evaluate(
            """async content => Object.fromEntries(Object.entries(await imagesOf(content)).map(
            ([name, value]) => [name, value.length ? [...value] : value]))""",
            content,
        )
    )
    size = images.side**2
    for pixels, labels, part in (
        (images.pixels, images.labels, (kmnist.train_images, kmnist.train_labels)),
        (images.testPixels, images.testLabels, (kmnist.test_images, kmnist.test_labels)),
    ):
        assert labels == part[1][: len(labels)].tolist()
        assert np.array_equal(
            np.reshape(pixels, (-1, size)), part[0][: len(labels)].reshape(-1, size)
        )
