"""Playwright with the Chromium of this machine: no browser is downloaded."""

from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from kmnist_mlp.report.pages.site import find_browser

CHROMIUM = find_browser()
# Playwright itself switches off the sandbox, updates, synchronisation and background traffic. What
# is left can reach no other machine; a test may have a server on this one.
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]

WAIT = 60_000  # milliseconds, for a busy machine
expect.set_options(timeout=WAIT)

needs_browser = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no Chromium was found (Debian: apt-get install chromium; or set CHROMIUM)",
)


@contextmanager
def browser_page(offline=True):
    """Give an empty page of a fresh browser; end the browser afterwards.

    A test may add scripts of its own (axe-core), whatever the policy of a page is.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            context = browser.new_context(offline=offline, bypass_csp=True)
            context.set_default_timeout(WAIT)
            yield context.new_page()
        finally:
            browser.close()


def write_page(path, title, body):
    """Write a page of one heading and a body; return its path."""
    head = f'<meta charset="utf-8"><title>{title}</title>'
    main = f"<main><h1>{title}</h1>{body}</main>"
    path.write_text(f'<!DOCTYPE html><html lang="en">{head}{main}</html>', encoding="utf-8")
    return path


def look(page, width=1400, dark=False, medium="screen"):
    """Look at the page in a window of this width, in the light or dark scheme, or on paper."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if dark else "light", media=medium)


def axe_violations(page):
    """Return what axe-core finds wrong with the accessibility of the page."""
    options = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
    found = Axe().run(page, options=options).response["violations"]
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found]
