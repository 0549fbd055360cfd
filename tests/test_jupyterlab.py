"""Every notebook as a reader uses it: in JupyterLab, with a browser, mouse, keyboard and kernel.

`make test-lab` runs this; it takes minutes, so that `make test` leaves it out. The data is the
stand-in, with one seed. The server listens to this machine only, and asks for its token.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import nbformat
import pytest
from browser import browser_page, look, needs_browser
from nbformat.v4 import new_code_cell, new_notebook

from kmnist_mlp.report.copies import copy_to_play

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
    folders = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "IPYTHONDIR",
        "JUPYTERLAB_WORKSPACES_DIR",
    )
    environment = os.environ | {name: str(here / name) for name in folders}
    environment |= {"JUPYTERLAB_SETTINGS_DIR": str(here / "settings"), "PYTHONPATH": str(ROOT)}
    environment |= {"KMNIST_MLP_DATASET": "stand-in", "KMNIST_MLP_SEEDS": "1"}
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    command = [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={folder}"]
    with open(here / "log", "wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        info = None
        while info is None:  # until the server has written down where it listens
            assert server.poll() is None, (here / "log").read_text()[-2000:]
            time.sleep(0.1)
            for file in (here / "JUPYTER_RUNTIME_DIR").glob("jpserver-*.json"):
                with contextlib.suppress(ValueError):  # not yet whole
                    info = json.loads(file.read_text())
        yield SimpleNamespace(address=info["url"], token=info["token"])
    finally:
        server.terminate()
        server.wait(60)


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


def checked_text(page):
    """Return the text of all outputs, none of which may be an error."""
    text = "\n".join(page.locator(OUTPUTS).all_inner_texts())
    kinds = page.locator(OUTPUTS).evaluate_all("outputs => outputs.map(e => e.dataset.mimeType)")
    failed = {"application/vnd.jupyter.error", "application/vnd.jupyter.stderr"}
    assert not failed & set(kinds), text[-2000:]
    assert "Traceback" not in text and "Error displaying widget" not in text
    return text


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS if path.stem != LABORATORY])
def test_a_notebook_runs_from_top_to_bottom(page, lab, name):
    opened(page, lab, name)
    run_all(page)
    wait_for(page, DONE, 600)
    text = checked_text(page)
    assert "STAND-IN DATA" in text
    assert any(end in text for end in ("agrees with", "within 0.0001", "as recorded", "agree to"))
    shut_down(page)


# ---- training that is watched --------------------------------------------------------------------

HEADING = f"document.querySelector('{CELLS} .jp-OutputArea-output svg title')?.textContent"
EPOCH = f"Number(({HEADING} || '').match(/^epoch (\\d+) of/)?.[1] || 0)"


def test_the_curves_grow_in_one_place_and_the_stop_button_keeps_the_best_model(page, lab):
    opened(page, lab, "watched")
    run_all(page)
    wait_for(page, f"{EPOCH} > 0", 120)
    # the heights of the output at every frame that the browser paints, for eight seconds
    heights = f"""(async () => {{ const seen = new Set(), epochs = new Set();
        for (const until = performance.now() + 8000; performance.now() < until;) {{
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
    assert "interrupted: True best kept: True" in checked_text(page)
    last = page.locator(f'{CELLS} [data-mime-type="image/svg+xml"] img')
    assert last.evaluate("image => image.naturalWidth") > 0
    assert "stopped by hand after" in unquote(last.get_attribute("src"))
    shut_down(page)


# ---- the laboratory ------------------------------------------------------------------------------

PANEL = "[...document.querySelectorAll('.widget-html svg title')].at(-1)?.textContent"


def control(page, name):
    """Return the control with this label."""
    label = page.locator(":scope > .widget-label").get_by_text(name, exact=True)
    return page.locator(".jupyter-widgets", has=label)


def button(page, name):
    """Return the button with this text."""
    return page.locator("button.widget-button").get_by_text(name, exact=True)


def turn(page, key, number):
    """Step through the backpropagation by a key on its slider, to the picture of a step."""
    handle = control(page, "step").locator(".noUi-handle")
    handle.click()
    handle.press(key)
    page.locator(f'.widget-html img[alt^="Step {number} of 10"]').first.wait_for()


def test_the_laboratory_trains_in_the_background_and_all_its_panels_answer(page, lab):
    opened(page, lab, LABORATORY)
    run_all(page)
    wait_for(page, DONE, 600)
    assert "agrees with the reference results" in checked_text(page)
    widgets = page.locator(OUTPUTS, has=page.locator(".jupyter-widgets"))
    assert widgets.count() == 4, "one in the place of each figure"
    turn(page, "ArrowRight", 1)
    turn(page, "ArrowLeft", 0)
    layers = control(page, "hidden layers").locator("input")
    layers.fill("512, 512")
    layers.press("Tab")
    handle = control(page, "epochs at most").locator(".noUi-handle")
    handle.click()
    handle.press("End")
    button(page, "Train").click()
    wait_for(page, f"/^epoch ([2-9]|\\d\\d) /.test({PANEL})", 60)
    before = page.evaluate(PANEL)
    assert " of 100" in before
    turn(page, "ArrowRight", 1)  # another panel answers meanwhile
    wait_for(page, f"{PANEL} != {json.dumps(before)}", 60)
    assert page.evaluate(PANEL).startswith("epoch "), "it is still training"
    button(page, "Stop").click()
    wait_for(page, f"{PANEL}.includes('stopped by hand after')", 60)
    runs = page.locator(".lab-runs")
    runs.get_by_text("lab run 2").wait_for()
    accuracy = runs.get_by_text("test accuracy, %").bounding_box()
    assert accuracy["x"] + accuracy["width"] < 1300, "seen without scrolling"
    assert "784-512-512-10" in runs.inner_text() and "stopped by hand" in runs.inner_text()
    assert button(page, "Train").is_enabled() and button(page, "Stop").is_disabled()
    checked_text(page)
    shut_down(page)
