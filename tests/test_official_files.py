"""The official files are downloaded whole or not at all, and read only if they are right."""

import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from official import NAMES, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, fill, npz, small_files

from kmnist_mlp.datasets import kmnist
from kmnist_mlp.datasets.__main__ import main
from kmnist_mlp.datasets.kmnist import (
    FAILED,
    download,
    load_and_announce,
    load_kmnist,
    read_verified,
)


@pytest.fixture
def contents(monkeypatch):
    """Small files that pass for the four official ones, as a dict of name to bytes."""
    return small_files(monkeypatch)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "data"


def files_in(folder):
    """Return all of a folder, what is left of temporary files included, as name to bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


# ---- reading -------------------------------------------------------------------------------------


def test_a_right_file_is_read_and_any_other_refused_with_both_hashes(contents, folder):
    labels = contents[TEST_LABELS]
    altered, pickled = npz(np.zeros(20, np.uint8)), npz(np.array([{}], object))
    for content in (labels[:-1], b"", contents[TEST_IMAGES], b"<html>", altered, pickled):
        fill(folder, {TEST_LABELS: content})
        with pytest.raises(ValueError, match=re.escape(str(folder / TEST_LABELS))) as caught:
            read_verified(folder / TEST_LABELS)
        hashes = re.findall("[0-9a-f]{64}", str(caught.value))
        assert len({*hashes}) == 2 and kmnist.SHA256[TEST_LABELS] in hashes
    fill(folder, contents)
    array = read_verified(folder / TEST_LABELS)
    assert array.tolist() == [*range(10), *range(10)] and not array.flags.writeable
    (folder / TRAIN_IMAGES).unlink()
    (folder / TRAIN_IMAGES).mkdir()
    with pytest.raises(FileNotFoundError, match="KMNIST_MLP_DATA") as caught:
        read_verified(folder / TRAIN_IMAGES)
    assert str(folder / TRAIN_IMAGES) in str(caught.value)


# ---- downloading ---------------------------------------------------------------------------------


@pytest.fixture
def web(monkeypatch, contents):
    """Make a server the download address: ``asked`` lists requests, and ``answer`` can be set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            web.asked.append(self.path.rpartition("/")[2])
            web.answer(self, web.asked[-1])

        def log_message(self, *_):
            pass

    web = SimpleNamespace(asked=[], answer=lambda handler, name: send(handler, contents[name]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("KMNIST_MLP_URL", f"http://127.0.0.1:{server.server_port}/kmnist")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield web
    server.shutdown()
    server.server_close()


def send(handler, content, status=200, missing=0):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content) + missing))
    handler.end_headers()
    handler.wfile.write(content)
    time.sleep(missing)


def test_only_a_missing_or_damaged_file_is_fetched(contents, folder, web):
    for damaged in ([*NAMES], [TEST_IMAGES], []):
        fill(folder, dict.fromkeys(damaged, b"PK") if web.asked else {})
        web.asked.clear()
        assert download(folder) == ""
        assert web.asked == damaged and files_in(folder) == contents


BAD_ANSWERS = {
    "not found": (lambda handler, name: send(handler, b"not here", 404), "404"),
    "a web page": (lambda handler, name: send(handler, b"<html>Hello</html>"), "SHA256"),
    "cut off": (lambda handler, name: handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nPK"), "SHA256"),
    "never": (lambda handler, name: time.sleep(1), "0.3 seconds"),
    "silence halfway": (lambda handler, name: send(handler, b"PK", missing=1), "0.3 seconds"),
}


@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_a_bad_answer_is_told_in_time_and_leaves_no_file(folder, web, monkeypatch, kind):
    assert 5 <= kmnist.TIMEOUT <= 20
    monkeypatch.setattr(kmnist, "TIMEOUT", 0.3)
    web.answer, said = BAD_ANSWERS[kind]
    assert said in download(folder) and files_in(folder) == {}


def test_what_has_no_server_or_no_folder_to_be_put_into_is_told(folder, web, monkeypatch):
    (folder.parent / "a folder" / TRAIN_IMAGES).mkdir(parents=True)
    (folder.parent / "file").write_text("in the way")
    for name in ("file/data", "a long name" * 100, "a folder"):
        assert download(folder.parent / name)
    for address in ("no address/", "ftp://127.0.0.1/", "http://127.0.0.1:9/"):
        monkeypatch.setenv("KMNIST_MLP_URL", address)
        assert address in download(folder) and files_in(folder) == {}


# ---- the data set --------------------------------------------------------------------------------


@pytest.fixture
def nothing_there(monkeypatch, folder):
    """No variable is set, and nothing is in the cache."""
    monkeypatch.setenv("KMNIST_MLP_CACHE", str(folder.parent))
    for name in ("KMNIST_MLP_DATA", "KMNIST_MLP_DATASET", FAILED):
        monkeypatch.setenv(name, "")  # and what a test sets is undone


def test_a_program_and_its_children_try_once_unless_the_data_is_mandatory_or_there_by_now(
    contents, folder, web, nothing_there, monkeypatch
):
    fill(folder, {NAMES[0]: contents[NAMES[0]]})
    good, web.answer = web.answer, BAD_ANSWERS["not found"][0]
    _, announcement = load_and_announce()
    assert "404" in announcement and "`make data`" in announcement
    web.answer = good
    web.asked.clear()
    code = "from kmnist_mlp.datasets import kmnist; print(kmnist.load_and_announce()[1])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert load_and_announce()[1] == told[:-1] == announcement and web.asked == []
    monkeypatch.setenv("KMNIST_MLP_DATASET", "kmnist")
    assert not load_kmnist().is_stand_in and web.asked == NAMES[1:]
    monkeypatch.setenv("KMNIST_MLP_DATASET", "")
    assert not load_kmnist().is_stand_in and web.asked == NAMES[1:]


# ---- the command ---------------------------------------------------------------------------------


def test_the_command_fetches_verifies_and_credits(contents, folder, web, nothing_there, capsys):
    main()
    assert files_in(folder) == contents
    assert len(load_kmnist().train_images) == 30
    told = capsys.readouterr().out
    parts = ["created by CODH", "CC BY-SA 4.0", *(f"{folder / name}" for name in NAMES)]
    assert all(part in told for part in parts)


def test_the_command_asks_every_time_and_tells_what_to_do_by_hand(
    tmp_path, web, nothing_there, monkeypatch
):
    web.answer, said = BAD_ANSWERS["not found"]
    for asked in (1, 2):
        with pytest.raises(SystemExit) as told:
            main()
        assert len(web.asked) == asked
    parts = [*NAMES, said, "KMNIST_MLP_DATA", "codh.rois.ac.jp"]
    assert all(part in told.value.code for part in parts)
    monkeypatch.setenv("KMNIST_MLP_DATA", str(tmp_path))  # nothing is downloaded there
    with pytest.raises(SystemExit, match=re.escape(str(tmp_path / TRAIN_IMAGES))):
        main()
    assert len(web.asked) == 2
