"""Every notebook as a reader uses it: in JupyterLab, with a browser, mouse, keyboard and kernel.

`make test-lab` runs this; it takes minutes, so that `make test` leaves it out. The data is the
stand-in, with one seed. The server listens to this machine only, and asks for its token.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import urlopen

import nbformat
import pytest
from browser import find_browser, running_browser
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
LABORATORY = "08_laboratory"

pytestmark = pytest.mark.skipif(
    find_browser() is None,
    reason="no Chromium was found (Debian: apt-get install chromium; or set CHROMIUM)",
)

SETTINGS = {  # nothing pops up, and every cell is in the page, whether it is in the window or not
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
WATCHED = """from kmnist_mlp import Config, evaluate, train
from kmnist_mlp.data import split_and_standardise
from kmnist_mlp.report.notebook import begin

data = begin()
config = Config(layer_specs=(784, 16, 10), epochs=100_000, early_stop=False)
result = train(config, data, live=True)"""
KEPT = """split = split_and_standardise(data, 0)
loss, _ = evaluate(result.model, split.validation, split.validation_labels)
best = result.history.validation_loss.min()
print("interrupted:", result.interrupted, "best kept:", abs(loss - best) < 1e-6)"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab on a copy of the notebooks; gives its address, token and folder."""
    here = tmp_path_factory.mktemp("lab")
    folder = here / "notebooks"
    folder.mkdir()
    for path in NOTEBOOKS:
        shutil.copy(path, folder)
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
def tab(tmp_path_factory):
    with running_browser(tmp_path_factory.mktemp("profile"), offline=False) as tab:
        tab.look(width=1300)
        yield tab


# ---- what a reader does --------------------------------------------------------------------------

BUTTON = "document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) [data-command=\"{}\"]')"
MENU = "[...document.querySelectorAll('.lm-MenuBar-item')].find(e => e.innerText.trim() == '{}')"
ITEM = "document.querySelector('.lm-Menu-item[data-command=\"{}\"]')"
CELLS = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell"
PROMPTS = f"[...document.querySelectorAll('{CELLS} .jp-InputPrompt')].map(e => e.innerText.trim())"
DONE = f"{PROMPTS}.length && {PROMPTS}.every(prompt => /^\\[\\d+\\]:$/.test(prompt))"
HERE = ".jp-NotebookPanel:not(.lm-mod-hidden)"
IDLE = f"""!!document.querySelector('{HERE} .jp-Notebook-ExecutionIndicator[data-status=idle]')
    && document.querySelector('{HERE} .jp-KernelName')?.innerText.includes('Python 3')"""
KINDS = f"""[...document.querySelectorAll('{CELLS} .jp-OutputArea-output')].map(
    e => e.dataset.mimeType)"""
TEXT = f"[...document.querySelectorAll('{CELLS} .jp-OutputArea-output')].map(e => e.innerText)"


def opened(tab, lab, name):
    """Open a notebook in JupyterLab and wait for its kernel."""
    tab.open(f"{lab.address}lab/tree/{name}.ipynb?reset&token={lab.token}")
    tab.wait_for(f"document.querySelectorAll('{CELLS}').length > 1")
    tab.wait_for(IDLE)


def run_all(tab):
    """Choose "Run All Cells" from the menu, with the mouse."""
    tab.click(MENU.format("Run"))
    tab.click(ITEM.format("runmenu:run-all"))


def shut_down(tab):
    """End the kernel of the open notebook, as its menu does."""
    tab.click(MENU.format("Kernel"))
    tab.click(ITEM.format("kernelmenu:shutdown"))
    tab.wait_for(f"!({IDLE})")


def assert_no_error(tab):
    kinds, text = tab.js(KINDS), "\n".join(tab.js(TEXT))
    assert "application/vnd.jupyter.error" not in kinds, text[-2000:]
    assert "application/vnd.jupyter.stderr" not in kinds, text[-2000:]
    assert "Traceback" not in text and "Error displaying widget" not in text


def test_the_server_is_no_one_elses(lab):
    assert lab.address.startswith("http://127.0.0.1:") and lab.token
    with pytest.raises(HTTPError, match="403"):
        urlopen(f"{lab.address}api/contents")


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS if path.stem != LABORATORY])
def test_a_notebook_runs_from_top_to_bottom(tab, lab, name):
    opened(tab, lab, name)
    run_all(tab)
    tab.wait_for(DONE, 600)
    assert_no_error(tab)
    text = "\n".join(tab.js(TEXT))
    assert "STAND-IN DATA" in text
    assert any(end in text for end in ("agrees with", "within 0.0001", "as recorded"))
    assert tab.js(f"[...document.querySelectorAll('{CELLS} img')].every(i => i.naturalWidth > 0)")
    shut_down(tab)


# ---- training that is watched --------------------------------------------------------------------

HEADING = f"document.querySelector('{CELLS} .jp-OutputArea-output svg title')?.textContent"
EPOCH = f"Number(({HEADING} || '').match(/^epoch (\\d+) of/)?.[1] || 0)"


def test_the_curves_grow_in_one_place_and_the_stop_button_keeps_the_best_model(tab, lab):
    opened(tab, lab, "watched")
    run_all(tab)
    tab.wait_for(f"{EPOCH} > 0", 120)
    # the heights of the output at every frame that the browser paints, for three seconds
    heights = f"""(async () => {{ const seen = new Set(), epochs = new Set();
        for (const until = performance.now() + 3000; performance.now() < until;) {{
            await new Promise(done => requestAnimationFrame(done));
            seen.add(document.querySelector('{CELLS} .jp-OutputArea').offsetHeight);
            epochs.add({EPOCH}); }}
        return [[...seen], [...epochs]] }})()"""
    heights, epochs = tab.js(heights)
    assert len(heights) == 1, "no flicker: the output never collapses"
    assert len(epochs) > 3 and epochs == sorted(epochs) and epochs[0] > 0, "it grows"
    assert tab.js(f"document.querySelectorAll('{CELLS} svg title').length") == 1, "no pile-up"
    tab.click(BUTTON.format("notebook:interrupt-kernel"))
    tab.wait_for(DONE, 60)
    assert_no_error(tab)
    text = "\n".join(tab.js(TEXT))
    assert "interrupted: True best kept: True" in text
    last = f"[...document.querySelectorAll('{CELLS} [data-mime-type=\"image/svg+xml\"] img')]"
    assert tab.js(f"{last}.length") == 1 and tab.js(f"{last}[0].naturalWidth > 0")
    assert "stopped by hand after" in tab.js(f"decodeURIComponent({last}[0].src)")
    shut_down(tab)


# ---- the laboratory ------------------------------------------------------------------------------

CONTROL = """[...document.querySelectorAll('.jupyter-widgets')].find(
    e => e.querySelector(':scope > .widget-label')?.innerText == '{}')"""
PRESSED = "[...document.querySelectorAll('button.widget-button')].find(e => e.innerText == '{}')"
PANEL = "[...document.querySelectorAll('.widget-html svg title')].at(-1)?.textContent"
STEP = "document.querySelector('.widget-html img[alt^=\"Step {} of 10\"]')"


@pytest.fixture(scope="module")
def laboratory(tab, lab):
    """The laboratory, run from top to bottom."""
    opened(tab, lab, LABORATORY)
    run_all(tab)
    tab.wait_for(DONE, 600)
    yield
    shut_down(tab)


def fill(tab, name, text):
    """Put a text into a control, by mouse and keyboard."""
    tab.click(f"{CONTROL.format(name)}.querySelector('input')")
    tab.js("document.activeElement.select()")
    tab.call("Input.insertText", text=text)
    tab.press("Tab")


def move(tab, name, key):
    """Move a slider by a key."""
    tab.click(f"{CONTROL.format(name)}.querySelector('.noUi-handle')")
    tab.press(key)


def test_the_laboratory_runs_and_shows_a_widget_in_the_place_of_each_figure(tab, laboratory):
    assert_no_error(tab)
    widgets = f"[...document.querySelectorAll('{CELLS} .jp-OutputArea-output')].filter("
    assert tab.js(f"{widgets}e => e.querySelector('.jupyter-widgets')).length") == 4
    assert "image/png" not in tab.js(KINDS), "the static figure is for pages"
    assert tab.js("[...document.querySelectorAll('.widget-html img')].length") == 3
    assert "agrees with the reference results" in "\n".join(tab.js(TEXT))


def test_a_slider_steps_through_the_backpropagation(tab, laboratory):
    tab.wait_for(f"!!{STEP.format(0)}")
    move(tab, "step", "ArrowRight")
    tab.wait_for(f"!!{STEP.format(1)}", 20)
    move(tab, "step", "ArrowLeft")
    tab.wait_for(f"!!{STEP.format(0)}", 20)
    assert_no_error(tab)


def test_what_cannot_be_trained_is_said_in_the_panel(tab, laboratory):
    fill(tab, "hidden layers", "many")
    tab.click(PRESSED.format("Train"))
    tab.wait_for("document.body.innerText.includes('must be whole numbers such as 128, 64')", 20)
    assert_no_error(tab)


def test_a_run_in_the_background_leaves_the_kernel_free_and_stop_keeps_its_model(tab, laboratory):
    fill(tab, "hidden layers", "512, 512")
    move(tab, "epochs at most", "End")
    tab.click(PRESSED.format("Train"))
    tab.wait_for(f"({PANEL} || '').startsWith('epoch ')", 60)
    assert " of 100 " in tab.js(PANEL)
    before = tab.js(PANEL)
    move(tab, "step", "ArrowRight")  # another panel answers meanwhile
    tab.wait_for(f"!!{STEP.format(1)}", 20)
    tab.wait_for(f"{PANEL} != {json.dumps(before)}", 60)
    assert tab.js(PANEL).startswith("epoch "), "it is still training"
    tab.click(PRESSED.format("Stop"))
    tab.wait_for(f"{PANEL}.includes('stopped by hand after')", 60)
    runs = "document.querySelector('.lab-runs').innerText"
    tab.wait_for(f"{runs}.includes('run 2')", 20)
    table = tab.js(runs)
    assert "784-512-512-10" in table and "stopped by hand" in table
    assert tab.js(f"{PRESSED.format('Train')}.disabled") is False
    assert tab.js(f"{PRESSED.format('Stop')}.disabled") is True
    menu = tab.js(f"{CONTROL.format('run')}.innerText").replace("\xa0", " ")
    assert "run 2" in menu, "its units can be looked at"
    assert_no_error(tab)
