"""The official files are downloaded whole or not at all, and read only if they are right."""

import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import requests
from official import NAMES, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, fill, npz, small_files

from kmnist_mlp.datasets import kmnist
from kmnist_mlp.datasets.__main__ import main
from kmnist_mlp.datasets.kmnist import StandInWarning, download, load_and_announce, load_kmnist

NOWHERE = "http://127.0.0.1:9/kmnist/"  # nothing listens there


@pytest.fixture(autouse=True)
def contents(monkeypatch, tmp_path):
    """Small files that pass for the official ones; no variable is set, and no network is there."""
    for name in ("KMNIST_MLP_DATASET", "KMNIST_MLP_DATA", kmnist.FAILED):
        monkeypatch.setenv(name, "")  # and what a test sets is undone
    monkeypatch.setenv("KMNIST_MLP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KMNIST_MLP_URL", NOWHERE)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return small_files(monkeypatch)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "data"


def files_in(folder):
    """Return all of a folder, what is left of temporary files included, as name to bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


# ---- the search order ------------------------------------------------


@pytest.mark.filterwarnings("error")
def test_an_argument_comes_first_then_a_forced_stand_in(contents, tmp_path, monkeypatch):
    """After them comes the named folder."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    named = fill(tmp_path / "named", contents)
    monkeypatch.setenv("KMNIST_MLP_DATA", "~/named")
    data = load_kmnist()
    assert (data.name, len(data.train_images), len(data.test_images)) == ("KMNIST", 30, 20)
    monkeypatch.setenv("KMNIST_MLP_DATASET", " Stand-In ")
    with pytest.warns(StandInWarning, match="KMNIST_MLP_DATASET=stand-in"):
        assert load_kmnist().is_stand_in
    assert load_kmnist(named) is load_kmnist(str(named)) is data  # read once


def test_without_data_and_network_the_stand_in_is_announced_every_time_where_it_was_asked_for():
    for _ in range(2):
        with pytest.warns(StandInWarning, match=f"(?s){NOWHERE}.*KMNIST_MLP_DATA") as told:
            assert load_kmnist().is_stand_in
        assert [warning.filename for warning in told] == [__file__]


@pytest.mark.parametrize("setting", ["KMNIST_MLP_DATA=/none", "KMNIST_MLP_DATASET=kmnist"])
def test_named_or_mandatory_data_that_cannot_be_had_is_an_error(monkeypatch, setting):
    monkeypatch.setenv(*setting.split("="))
    with pytest.raises(FileNotFoundError, match=f"{', '.join(NAMES)}.*KMNIST_MLP_DATA "):
        load_kmnist()


# ---- reading ---------------------------------------------------------


def test_a_right_file_is_read_and_any_other_refused_with_both_hashes(contents, folder):
    path, labels = folder / TEST_LABELS, contents[TEST_LABELS]
    zeros = np.zeros(20, np.uint8)
    others = {labels[:-1]: None, contents[TEST_IMAGES]: "arr_0", npz(zeros): "arr_0"}
    for content, held in (others | {npz(zeros, "labels"): "labels"}).items():
        fill(folder, {TEST_LABELS: content})
        with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
            kmnist.read_verified(path)
        assert re.findall(r"\['(\w+)'\]", str(caught.value)) == [held] * bool(held)
        hashes = re.findall("[0-9a-f]{64}", str(caught.value))
        assert len({*hashes}) == 2 and kmnist.SHA256[TEST_LABELS] in hashes
    fill(folder, contents)
    array = kmnist.read_verified(path)
    assert array.tolist() == [*range(10), *range(10)] and not array.flags.writeable
    path.unlink()
    path.mkdir()
    with pytest.raises(FileNotFoundError, match=f"{re.escape(str(path))}.*KMNIST_MLP_DATA"):
        kmnist.read_verified(path)


# ---- downloading -----------------------------------------------------


NOT_FOUND = (404, b"not here", 0)


@pytest.fixture
def web(monkeypatch, contents):
    """Make a server the download address; it lists what is ``asked``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            web.asked.append(self.path.rpartition("/")[2])
            status, content, silence = web.bad or (200, contents[web.asked[-1]], 0)
            time.sleep(silence)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    web = SimpleNamespace(asked=[], bad=None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("KMNIST_MLP_URL", f"http://127.0.0.1:{server.server_port}/kmnist")
    yield web
    server.shutdown()
    server.server_close()


def test_only_a_missing_or_damaged_file_is_fetched(contents, folder, web):
    for damaged in ([*NAMES], [TEST_IMAGES], []):
        fill(folder, dict.fromkeys(damaged, b"PK") if web.asked else {})
        web.asked.clear()
        assert download(folder) == ""
        assert web.asked == damaged and files_in(folder) == contents


@pytest.mark.parametrize(
    ("bad", "said"),
    [((403, b"", 0), "failed: 403"), ((200, b"<html>", 0), "SHA256"), ((200, b"PK", 1), "0.3 sec")],
)
def test_a_bad_answer_is_told_and_leaves_no_file(folder, web, monkeypatch, bad, said):
    assert 5 <= kmnist.TIMEOUT <= 20
    monkeypatch.setattr(kmnist, "TIMEOUT", 0.3)
    web.bad = bad
    assert said in download(folder) and files_in(folder) == {}


@pytest.mark.parametrize(("scheme", "status"), [("http", 407), ("http", 403), ("https", 407)])
def test_a_proxy_or_certificate_in_the_way_is_told_by_its_variable(
    folder, web, monkeypatch, scheme, status
):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, os.environ["KMNIST_MLP_URL"])
    monkeypatch.setenv("KMNIST_MLP_URL", f"{scheme}://nowhere.invalid/")
    web.bad = (status, b"", 0)
    assert "HTTPS_PROXY" in download(folder)
    downloader = Mock(side_effect=requests.exceptions.SSLError("certificate verify failed"))
    monkeypatch.setattr("pooch.HTTPDownloader", lambda **_: downloader)
    assert "REQUESTS_CA_BUNDLE" in download(folder)


def test_what_has_no_server_or_no_folder_to_be_put_into_is_told(tmp_path, web, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    assert download(tmp_path / "file" / "data")
    for address in ("no address/", NOWHERE):
        monkeypatch.setenv("KMNIST_MLP_URL", address)
        assert address in download(tmp_path / "data") and files_in(tmp_path / "data") == {}


def test_a_program_and_its_children_try_once(contents, folder, web, monkeypatch):
    """Unless the data is mandatory, or there by now."""
    fill(folder, {NAMES[0]: contents[NAMES[0]]})
    web.bad = NOT_FOUND
    _, announcement = load_and_announce()
    assert "404" in announcement and "`make data`" in announcement
    web.bad = None
    web.asked.clear()
    code = "from kmnist_mlp.datasets import kmnist; print(kmnist.load_and_announce()[1])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert load_and_announce()[1] == told[:-1] == announcement and web.asked == []
    for wanted in ("kmnist", ""):
        monkeypatch.setenv("KMNIST_MLP_DATASET", wanted)
        assert not load_kmnist().is_stand_in and web.asked == NAMES[1:]


# ---- the command -----------------------------------------------------


def test_the_command_asks_every_time(contents, folder, tmp_path, web, monkeypatch, capsys):
    """It tells what to do, or whom to credit."""
    monkeypatch.setattr(sys, "argv", ["make data"])
    web.bad = NOT_FOUND
    for asked in (1, 2):
        with pytest.raises(SystemExit, match=r"(?s)404.*codh\.rois.*KMNIST_MLP_DATA"):
            main()
        assert len(web.asked) == asked
    monkeypatch.setenv("KMNIST_MLP_DATA", str(tmp_path))  # nothing is downloaded there
    with pytest.raises(SystemExit, match=re.escape(str(tmp_path / TRAIN_IMAGES))):
        main()
    assert len(web.asked) == 2
    monkeypatch.setenv("KMNIST_MLP_DATA", "")
    web.bad = None
    main()
    parts = ["created by CODH", "CC BY-SA 4.0", *(f"{folder / name}" for name in NAMES)]
    told = capsys.readouterr().out
    assert files_in(folder) == contents and all(part in told for part in parts)
