"""Every notebook as a reader uses it: in JupyterLab, with a browser, mouse, keyboard and kernel.

`make test-lab` runs this; it takes minutes, so that `make test` leaves it out. The data is the
stand-in, with one seed. The server listens to this machine only, and asks for its token.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import urlopen

import nbformat
import pytest
from browser import browser_page, look, needs_browser
from nbformat.v4 import new_code_cell, new_notebook

from kmnist_mlp.report.play import copy_to_play

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
LABORATORY = "08_laboratory"

pytestmark = needs_browser

SETTINGS = {  # nothing pops up, and every cell is in the page, whether it is in the window or not
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
WATCHED = """from kmnist_mlp import Config, evaluate, train
from kmnist_mlp.callbacks import Live
from kmnist_mlp.data import split_rows
from kmnist_mlp.report.notebook import begin

data = begin()
config = Config(layer_specs=(784, 16, 10), epochs=100_000, early_stop=False)
result = train(config, data, callbacks=[Live()])"""
KEPT = """_, rows = split_rows(len(data.train_images), config)
loss, _ = evaluate(result.model, data.train_images[rows], data.train_labels[rows])
best = result.history.validation_loss.min()
print("interrupted:", result.interrupted, "best kept:", abs(loss - best) < 1e-6)"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab on copies, as `make lab` opens it; gives its address, token and folder."""
    here = tmp_path_factory.mktemp("lab")
    folder = here / "play"
    copy_to_play(ROOT / "notebooks", folder)
    cells = [new_code_cell(source) for source in (WATCHED, KEPT)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    watched = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(watched, folder / "watched.ipynb")
    for name, values in SETTINGS.items():
        file = here / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values), "utf-8")
    own = ("config", "data", "runtime")
    environment = os.environ | {
        **{f"JUPYTER_{name.upper()}_DIR": str(here / name) for name in own},
        "JUPYTERLAB_SETTINGS_DIR": str(here / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(here / "workspaces"),
        "IPYTHONDIR": str(here / "ipython"),
        "KMNIST_MLP_DATASET": "stand-in",
        "KMNIST_MLP_SEEDS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    command = [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={folder}"]
    with open(here / "log", "wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield SimpleNamespace(**_info(server, here), folder=folder)
    finally:
        server.terminate()
        server.wait(60)


def _info(server, here):
    """Wait until the server has written down where it listens."""
    for _ in range(1800):
        for file in (here / "runtime").glob("jpserver-*.json"):
            try:
                info = json.loads(file.read_text())
                return {"address": info["url"], "token": info["token"]}
            except ValueError:  # not yet whole
                pass
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start: {(here / 'log').read_text()[-2000:]}")


@pytest.fixture(scope="module")
def page():
    with browser_page(offline=False) as page:
        look(page, width=1300)
        yield page


# ---- what a reader does --------------------------------------------------------------------------

HERE = ".jp-NotebookPanel:not(.lm-mod-hidden)"
CELLS = f"{HERE} .jp-CodeCell"
OUTPUTS = f"{CELLS} .jp-OutputArea-output"
PROMPTS = f"[...document.querySelectorAll('{CELLS} .jp-InputPrompt')].map(e => e.innerText.trim())"
DONE = f"{PROMPTS}.length && {PROMPTS}.every(prompt => /^\\[\\d+\\]:$/.test(prompt))"
IDLE = f"{HERE} .jp-Notebook-ExecutionIndicator[data-status=idle]"


def wait_for(page, expression, seconds):
    """Wait until a JavaScript expression is true."""
    page.wait_for_function(expression, timeout=1000 * seconds, polling=100)


def opened(page, lab, name):
    """Open a notebook in JupyterLab and wait for its kernel."""
    page.goto(f"{lab.address}lab/tree/{name}.ipynb?reset&token={lab.token}")
    page.locator(CELLS).nth(1).wait_for()
    page.locator(IDLE).wait_for(state="attached")
    page.locator(f"{HERE} .jp-KernelName", has_text="Python 3").wait_for()
    page.locator(f"{CELLS} .jp-InputPrompt").first.click()  # menus are now about this notebook


def choose(page, menu, command):
    """Choose a command from a menu, with the mouse."""
    page.locator(".lm-MenuBar-item").get_by_text(menu, exact=True).click()
    page.locator(f'.lm-Menu-item[data-command="{command}"]').click()


def run_all(page):
    """Choose "Run All Cells"."""
    choose(page, "Run", "runmenu:run-all")
    page.locator(f"{CELLS} .jp-InputPrompt", has_text=re.compile(r"\[[*\d]")).first.wait_for()


def shut_down(page):
    """End the kernel of the open notebook."""
    choose(page, "Kernel", "kernelmenu:shutdown")
    page.locator(IDLE).wait_for(state="detached")


def text_of(page):
    """Return the text of all outputs."""
    return "\n".join(page.locator(OUTPUTS).all_inner_texts())


def kinds(page):
    """Return the kinds of all outputs."""
    return page.locator(OUTPUTS).evaluate_all("outputs => outputs.map(e => e.dataset.mimeType)")


def assert_no_error(page):
    text = text_of(page)
    failed = {"application/vnd.jupyter.error", "application/vnd.jupyter.stderr"}
    assert not failed & set(kinds(page)), text[-2000:]
    assert "Traceback" not in text and "Error displaying widget" not in text


def test_the_server_is_no_one_elses(lab):
    assert lab.address.startswith("http://127.0.0.1:") and lab.token
    with pytest.raises(HTTPError, match="403"):
        urlopen(f"{lab.address}api/contents")


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS if path.stem != LABORATORY])
def test_a_notebook_runs_from_top_to_bottom(page, lab, name):
    opened(page, lab, name)
    run_all(page)
    wait_for(page, DONE, 600)
    assert_no_error(page)
    text = text_of(page)
    assert "STAND-IN DATA" in text
    assert any(end in text for end in ("agrees with", "within 0.0001", "as recorded", "agree to"))
    widths = page.locator(f"{CELLS} img").evaluate_all("images => images.map(i => i.naturalWidth)")
    assert all(widths)
    shut_down(page)


# ---- training that is watched --------------------------------------------------------------------

HEADING = f"document.querySelector('{CELLS} .jp-OutputArea-output svg title')?.textContent"
EPOCH = f"Number(({HEADING} || '').match(/^epoch (\\d+) of/)?.[1] || 0)"


def test_the_curves_grow_in_one_place_and_the_stop_button_keeps_the_best_model(page, lab):
    opened(page, lab, "watched")
    run_all(page)
    wait_for(page, f"{EPOCH} > 0", 120)
    # the heights of the output at every frame that the browser paints, for three seconds
    heights = f"""(async () => {{ const seen = new Set(), epochs = new Set();
        for (const until = performance.now() + 3000; performance.now() < until;) {{
            await new Promise(done => requestAnimationFrame(done));
            seen.add(document.querySelector('{CELLS} .jp-OutputArea').offsetHeight);
            epochs.add({EPOCH}); }}
        return [[...seen], [...epochs]] }})()"""
    heights, epochs = page.evaluate(heights)
    assert len(heights) == 1, "no flicker: the output never collapses"
    assert len(epochs) > 3 and epochs == sorted(epochs) and epochs[0] > 0, "it grows"
    assert page.locator(f"{CELLS} svg title").count() == 1, "no pile-up"
    page.locator(f'{HERE} [data-command="notebook:interrupt-kernel"]').click()
    wait_for(page, DONE, 60)
    assert_no_error(page)
    assert "interrupted: True best kept: True" in text_of(page)
    last = page.locator(f'{CELLS} [data-mime-type="image/svg+xml"] img')
    assert last.evaluate("image => image.naturalWidth") > 0
    assert "stopped by hand after" in unquote(last.get_attribute("src"))
    shut_down(page)


# ---- the laboratory ------------------------------------------------------------------------------

PANEL = "[...document.querySelectorAll('.widget-html svg title')].at(-1)?.textContent"


@pytest.fixture(scope="module")
def laboratory(page, lab):
    """The laboratory, run from top to bottom."""
    opened(page, lab, LABORATORY)
    run_all(page)
    wait_for(page, DONE, 600)
    yield page
    shut_down(page)


def control(page, name):
    """Return the control with this label."""
    label = page.locator(":scope > .widget-label").get_by_text(name, exact=True)
    return page.locator(".jupyter-widgets", has=label)


def button(page, name):
    """Return the button with this text."""
    return page.locator("button.widget-button").get_by_text(name, exact=True)


def step(page, number):
    """Return the picture of a step of the backpropagation."""
    return page.locator(f'.widget-html img[alt^="Step {number} of 10"]')


def fill(page, name, text):
    """Put a text into a control, by mouse and keyboard."""
    box = control(page, name).locator("input")
    box.click()
    box.fill(text)
    box.press("Tab")


def move(page, name, key):
    """Move a slider by a key."""
    handle = control(page, name).locator(".noUi-handle")
    handle.click()
    handle.press(key)


def test_the_laboratory_runs_and_shows_a_widget_in_the_place_of_each_figure(laboratory):
    page = laboratory
    assert_no_error(page)
    assert page.locator(OUTPUTS, has=page.locator(".jupyter-widgets")).count() == 4
    assert "image/png" not in kinds(page), "the static figure is for pages"
    assert page.locator(".widget-html img").count() == 7
    assert "agrees with the reference results" in text_of(page)


def test_a_slider_steps_through_the_backpropagation(laboratory):
    step(laboratory, 0).wait_for()
    move(laboratory, "step", "ArrowRight")
    step(laboratory, 1).wait_for()
    move(laboratory, "step", "ArrowLeft")
    step(laboratory, 0).wait_for()
    assert_no_error(laboratory)


def test_what_cannot_be_trained_is_said_in_the_panel(laboratory):
    fill(laboratory, "hidden layers", "many")
    button(laboratory, "Train").click()
    laboratory.get_by_text("must be whole numbers such as 128, 64").wait_for()
    assert_no_error(laboratory)


def test_a_run_in_the_background_leaves_the_kernel_free_and_stop_keeps_its_model(laboratory):
    page = laboratory
    fill(page, "hidden layers", "512, 512")
    move(page, "epochs at most", "End")
    button(page, "Train").click()
    wait_for(page, f"({PANEL} || '').startsWith('epoch 2 ')", 60)
    before = page.evaluate(PANEL)
    assert " of 100" in before
    move(page, "step", "ArrowRight")  # another panel answers meanwhile
    step(page, 1).wait_for()
    wait_for(page, f"{PANEL} != {json.dumps(before)}", 60)
    assert page.evaluate(PANEL).startswith("epoch "), "it is still training"
    button(page, "Stop").click()
    wait_for(page, f"{PANEL}.includes('stopped by hand after')", 60)
    runs = page.locator(".lab-runs")
    runs.get_by_text("lab run 2").wait_for()
    table = runs.inner_text()
    accuracy = runs.get_by_text("test accuracy, %").bounding_box()
    assert accuracy["x"] + accuracy["width"] < 1300, "seen without scrolling"
    assert "784-512-512-10" in table and "stopped by hand" in table
    assert button(page, "Train").is_enabled() and button(page, "Stop").is_disabled()
    menu = control(page, "run").inner_text().replace("\xa0", " ")
    assert "lab run 2" in menu, "its units can be looked at"
    assert_no_error(page)


def test_a_run_of_ones_own_is_shown_as_code_and_removed(laboratory):
    page = laboratory
    menu = control(page, "run of yours").locator("select")
    name = menu.evaluate("menu => menu.selectedOptions[0].text").replace("\xa0", " ")
    button(page, "Show as code").click()
    code = "[...document.querySelectorAll('textarea')].map(text => text.value).join()"
    wait_for(page, f"{code}.includes(\"run({{'{name}': Config(\")", 20)
    button(page, "Remove").click()
    page.locator(".lab-runs").get_by_text(name).wait_for(state="detached")
    assert_no_error(page)
