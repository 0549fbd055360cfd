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

import pytest
from browser import browser_page, look, needs_browser
from playwright.sync_api import expect

from kmnist_mlp.report.copies import copy_to_play

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
LABORATORY = "08_laboratory"

pytestmark = needs_browser

SETTINGS = {  # nothing pops up, and every cell is in the page, whether it is in the window or not
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab on copies, as `make lab` opens it; gives the address of a notebook."""
    here = tmp_path_factory.mktemp("lab")
    folder = here / "play"
    copy_to_play(ROOT / "notebooks", folder)
    overrides = here / "JUPYTER_CONFIG_DIR" / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(json.dumps(SETTINGS), "utf-8")
    own = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    environment = os.environ | {name: str(here / name) for name in own}
    environment |= {"KMNIST_MLP_DATASET": "stand-in", "KMNIST_MLP_SEEDS": "1"}
    environment["PYTHONPATH"] = str(ROOT)
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    command = [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={folder}"]
    with open(here / "log", "wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        address = r"(http://127\.0\.0\.1:\d+/lab)\?(token=\w+)\s"
        while not (listens := re.search(address, written := (here / "log").read_text())):
            assert server.poll() is None, written[-2000:]
            time.sleep(0.1)
        yield f"{listens[1]}/tree/{{}}.ipynb?reset&{listens[2]}".format
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture(scope="module")
def page():
    with browser_page(offline=False) as page:
        look(page, width=1300)
        yield page


# ---- what a reader does ----------------------------------------------

HERE = ".jp-NotebookPanel:not(.lm-mod-hidden)"
CELLS = f"{HERE} .jp-CodeCell"
OUTPUTS = f"{CELLS} .jp-OutputArea-output"
IDLE = f"{HERE} .jp-Notebook-ExecutionIndicator[data-status=idle]"
OPEN = f"{CELLS} .jp-InputArea .jp-InputPrompt"  # the prompt of a collapsed cell has no number
PROMPTS = f"[...document.querySelectorAll('{OPEN}')].map(e => e.innerText.trim())"
NUMBERED = f"{PROMPTS}.length && {PROMPTS}.every(prompt => /^\\[\\d+\\]:$/.test(prompt))"
DONE = f"{NUMBERED} && document.querySelector('{IDLE}')"


def wait_for(page, expression):
    """Wait until a JavaScript expression is true, which may take training."""
    page.wait_for_function(expression, timeout=600_000, polling=100)


def choose(page, menu, command):
    """Choose a command from a menu, with the mouse."""
    page.locator(".lm-MenuBar-item").get_by_text(menu, exact=True).click()
    page.locator(f'.lm-Menu-item[data-command="{command}"]').click()


def run_all(page, address):
    """Open a notebook in JupyterLab, run all of its cells, and return the text of its outputs."""
    page.goto(address)
    page.locator(CELLS).nth(1).wait_for()
    page.locator(IDLE).wait_for(state="attached")
    page.locator(f"{HERE} .jp-KernelName", has_text="Python 3").wait_for()
    page.locator(f"{CELLS} .jp-InputPrompt").first.click()  # menus are now about this notebook
    choose(page, "Run", "runmenu:run-all")
    page.locator(f"{CELLS} .jp-InputPrompt", has_text=re.compile(r"\[[*\d]")).first.wait_for()
    wait_for(page, DONE)
    return checked_text(page)


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
    text = run_all(page, lab(name))
    assert "STAND-IN DATA" in text
    assert any(end in text for end in ("agrees with", "within 0.0001", "as recorded", "agree to"))
    shut_down(page)


# ---- the laboratory --------------------------------------------------

# On a slow machine the panel asks whether to go on.
GO_ON = "[...document.querySelectorAll('button')].find(b => b.textContent == 'Train it')?.click()"
PANEL = "[...document.querySelectorAll('.widget-html svg title')].at(-1)?.textContent"


def control(page, name):
    """Return the control with this label."""
    label = page.locator(":scope > .widget-label").get_by_text(name, exact=True)
    return page.locator(".widget-inline-hbox", has=label)


def button(page, name):
    """Return the button with this text."""
    return page.locator("button.widget-button").get_by_text(name, exact=True)


def test_the_laboratory_trains_in_the_background(page, lab):
    assert "agrees with the reference results" in run_all(page, lab(LABORATORY))
    widgets = page.locator(OUTPUTS, has=page.locator(".jupyter-widgets"))
    assert widgets.count() == 4, "one in the place of each figure"
    control(page, "hidden layers").locator("input").fill("512, 512")
    control(page, "epochs at most").locator(".noUi-handle").press("End")
    button(page, "Train").click()
    wait_for(page, f"{GO_ON}, /^epoch ([2-9]|\\d\\d) /.test({PANEL})")
    before = page.evaluate(PANEL)
    assert " of 100" in before
    control(page, "step").locator(".noUi-handle").press("ArrowRight")  # of another panel
    page.locator('.widget-html img[alt*="Step 1 of 10"]').first.wait_for()
    wait_for(page, f"{PANEL} != {json.dumps(before)}")
    assert page.evaluate(PANEL).startswith("epoch "), "it is still training"
    button(page, "Stop").click()
    wait_for(page, f"{PANEL}.includes('stopped by hand after')")
    runs = page.locator(".lab-runs")
    for text in ("lab run 2", "784-512-512-10", "stopped by hand"):
        expect(runs).to_contain_text(text)
    expect(button(page, "Train")).to_be_enabled()
    expect(button(page, "Stop")).to_be_disabled()
    checked_text(page)
    shut_down(page)
