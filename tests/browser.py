"""A headless Chromium with a fresh profile, driven by its DevTools; offline, if not told else."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --disable-dev-shm-usage "
    "--hide-scrollbars --remote-debugging-port=0 about:blank"
).split()
KEYS = {
    "Tab": 9, "Enter": 13, " ": 32, "End": 35,
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip


def find_browser():
    """Return the path of a Chromium, or None: $CHROMIUM, else the usual names."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def running_browser(profile, offline=True):
    """Start a browser and give a Tab of it; end it and all its processes afterwards.

    It has no network at all, or (not ``offline``) only that of this machine: servers of the tests.
    """
    resolver = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
    command = [find_browser(), *FLAGS, f"--user-data-dir={profile}", resolver]
    log = open(profile / "log", "wb")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        port = profile / "DevToolsActivePort"
        for _ in range(300):
            if process.poll() is not None:
                break
            if port.exists() and len(lines := port.read_text().split()) == 2:
                yield Tab(f"ws://127.0.0.1:{lines[0]}{lines[1]}", profile / "downloads", offline)
                return
            time.sleep(0.1)
        raise RuntimeError(f"the browser did not start: {(profile / 'log').read_text()[-2000:]}")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


class Tab:
    """One page of the browser. `requests` and `failures` are the addresses it asked for."""

    def __init__(self, address, downloads, offline=True):
        self.socket = websocket.create_connection(address, suppress_origin=True, timeout=60)
        self.number, self.session = itertools.count(1), None
        self.requests, self.failures, self.loaded = [], [], False
        self.downloads = downloads
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
        self.session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")
        nothing = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.call("Network.emulateNetworkConditions", offline=offline, **nothing)

    def call(self, method, **parameters):
        """Send a command and return its result; take note of the events that come before it."""
        number = next(self.number)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while (answer := self._receive()).get("id") != number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _receive(self):
        event = json.loads(self.socket.recv())
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(event["params"]["request"]["url"])
        elif event.get("method") == "Network.loadingFailed":
            self.failures.append(event["params"]["errorText"])
        elif event.get("method") == "Page.loadEventFired":
            self.loaded = True
        elif event.get("method") == "Page.javascriptDialogOpening":  # "Leave this page?" Yes.
            answer = {"id": next(self.number), "method": "Page.handleJavaScriptDialog"}
            answer |= {"params": {"accept": True}, "sessionId": self.session}
            self.socket.send(json.dumps(answer))
        return event

    def open(self, address):
        """Open an address and wait until all of it is loaded; forget earlier requests."""
        self.requests.clear()
        self.failures.clear()
        self.loaded = False
        self.call("Page.navigate", url=str(address))
        while not self.loaded:
            self._receive()

    def look(self, width=1400, dark=False, medium="screen"):
        """Look at the page in a window of this width, in the light or dark scheme, or on paper."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=medium, features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def js(self, expression):
        """Return the value of a JavaScript expression; a promise is waited for."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:2000])
        return result["result"].get("value")

    def wait_for(self, expression, seconds=60):
        """Wait until a JavaScript expression is true, and return its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.js(expression)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {seconds} s not yet true: {expression}")
            time.sleep(0.1)
        return value

    def click(self, element):
        """Click with the mouse on the middle of an element, given as a JavaScript expression."""
        self.wait_for(f"!!({element})")
        x, y = self.js(
            f"""(async () => {{ const e = {element}; e.scrollIntoView({{block: "center"}});
            await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
            const box = e.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2] }})()"""
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key):
        """Press a key and let it go."""
        self.key("keyDown", key)
        self.key("keyUp", key)

    def key(self, kind, key):
        """Press a key or let it go: kind is "keyDown" or "keyUp"."""
        text = {"Enter": "\r", " ": " "}.get(key) if kind == "keyDown" else None
        self.call(
            "Input.dispatchKeyEvent", type=kind, key=key, code="Space" if key == " " else key,
            windowsVirtualKeyCode=KEYS[key], **({"text": text} if text else {}),
        )  # fmt: skip

    def mouse(self, kind, x, y):
        """Move the mouse, or press or release its left button: "Moved", "Pressed", "Released"."""
        self.call(
            "Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y,
            button="left", buttons=0 if kind == "Released" else 1, clickCount=1,
        )  # fmt: skip

    def touch(self, kind, *points):
        """Put fingers down, move or lift them: "Start", "Move" or "End" and [x, y] of each."""
        fingers = [{"x": x, "y": y} for x, y in points]
        self.call("Input.dispatchTouchEvent", type=f"touch{kind}", touchPoints=fingers)

    def pdf(self):
        """Print the page as its style sheet says, and return the PDF."""
        printed = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(printed["data"])

    def screenshot(self, path, whole=False):
        """Write a picture of the window, or of the whole page."""
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))
