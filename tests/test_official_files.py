"""The official files are downloaded whole or not at all, and read only if they are right."""

import io
import os
import pickle
import re
import shutil
import socket
import threading
import time
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pooch
import pytest
from kills import is_killed, needs_fork
from official import (
    NAMES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    expect,
    npz,
    small_files,
)
from requests import Response

from kmnist_mlp.datasets import official_files
from kmnist_mlp.datasets.__main__ import main
from kmnist_mlp.datasets.official_files import ONE_DAY, download, read_verified

NOTE = "last_failure.json"


@pytest.fixture
def contents(monkeypatch):
    """Small files that pass for the four official ones, as a dict of name to bytes."""
    return small_files(monkeypatch)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "data"


def fill(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


# ---- reading -------------------------------------------------------------------------------------


def assert_refused(folder, name, content):
    """The refusal names the file, and the hash and shape that were expected."""
    fill(folder, {name: content})
    with pytest.raises(ValueError, match=re.escape(str(folder / name))) as caught:
        read_verified(folder / name)
    expected = official_files.SHA256[name], str(official_files.SHAPES[name])
    assert all(value in str(caught.value) for value in expected)
    return str(caught.value)


def test_a_right_file_is_read_as_a_read_only_array(contents, folder):
    fill(folder, contents)
    array = read_verified(folder / TEST_LABELS)
    assert array.tolist() == [*range(10), *range(10)] and not array.flags.writeable


def test_what_is_not_the_official_file_is_refused_with_what_it_is(contents, folder):
    images, labels = contents[TRAIN_IMAGES], np.arange(20, dtype=np.uint8) % 10
    assert_refused(folder, TRAIN_IMAGES, images[:-100])  # cut off
    assert "0 bytes" in assert_refused(folder, TRAIN_IMAGES, b"")
    assert_refused(folder, TEST_LABELS, npz(labels[::-1]))  # altered
    assert "(30,)" in assert_refused(folder, TEST_LABELS, contents[TRAIN_LABELS])
    assert "(30, 28, 28)" in assert_refused(folder, TEST_LABELS, images)
    page = b"<!DOCTYPE html><html><body>Not found</body></html>"
    assert "pickle" not in assert_refused(folder, TEST_IMAGES, page)


@pytest.mark.parametrize(
    "array",
    [np.zeros((20, 28), np.uint8), np.zeros((20, 784), np.uint8), np.zeros((20, 28, 28), np.int64)],
    ids=["flat", "rows of pixels", "wide numbers"],
)
def test_a_wrong_shape_or_type_is_refused_even_if_the_hash_is_right(
    contents, folder, monkeypatch, array
):
    expect(monkeypatch, TEST_IMAGES, npz(array), (20, 28, 28))
    message = assert_refused(folder, TEST_IMAGES, npz(array))
    assert f"{array.dtype} of shape {array.shape}" in message


def test_a_right_array_under_a_wrong_name_is_refused(contents, folder, monkeypatch):
    file = io.BytesIO()
    np.savez_compressed(file, images=np.zeros((20, 28, 28), np.uint8))
    expect(monkeypatch, TEST_IMAGES, file.getvalue(), (20, 28, 28))
    assert "arr_0" in assert_refused(folder, TEST_IMAGES, file.getvalue())


def test_a_small_file_that_unpacks_to_a_huge_one_is_not_unpacked(contents, folder):
    content = npz(np.zeros(30_000_000, np.uint8))
    assert len(content) < 100_000
    tracemalloc.start()
    assert "(30000000,)" in assert_refused(folder, TEST_IMAGES, content)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


class Trap:
    """Its unpickling makes a folder: it must never happen."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("kind", ["object array", "bare pickle"])
def test_pickled_content_is_refused_and_never_executed(
    contents, folder, tmp_path, monkeypatch, kind
):
    trap = Trap(tmp_path / "sprung")
    content = npz(np.array([trap], object)) if kind == "object array" else pickle.dumps(trap)
    expect(monkeypatch, TEST_IMAGES, content, (20, 28, 28))
    assert_refused(folder, TEST_IMAGES, content)
    assert not (tmp_path / "sprung").exists()


def test_a_missing_file_and_a_folder_of_its_name_are_named_with_the_way_to_place_it(
    contents, folder
):
    (folder / TRAIN_IMAGES).mkdir(parents=True)
    for name in (TRAIN_IMAGES, TEST_IMAGES):
        with pytest.raises(FileNotFoundError, match="KMNIST_MLP_DATA") as caught:
            read_verified(folder / name)
        assert str(folder / name) in str(caught.value)


# ---- downloading ---------------------------------------------------------------------------------


@pytest.fixture
def serve(monkeypatch):
    """Return a function that starts a server on 127.0.0.1 and makes it the download address."""
    servers = []
    over = threading.Event()

    def start(answer):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path.rpartition("/")[2])
                answer(self, asked[-1], over)

            def log_message(self, *_):
                pass

        asked = []
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        monkeypatch.setenv("KMNIST_MLP_URL", f"http://127.0.0.1:{server.server_port}/kmnist")
        return asked

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # pooch waits a second before it tries again; nothing else of its use of time matters here
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    yield start
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def send(handler, content, status=200, announced=None):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content) if announced is None else announced))
    handler.end_headers()
    handler.wfile.write(content)


def sending(files):
    """Answer with these files."""
    return lambda handler, name, over: send(handler, files[name])


def redirect(handler, address):
    handler.send_response(302)
    handler.send_header("Location", address)
    handler.end_headers()


def mislabelled(handler):
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    handler.wfile.write(b"not compressed at all")


def stalls(handler, name, over):
    """Accept and never answer."""
    over.wait(60)


def falls_silent(handler, name, over):
    """Send some of the file, and no more."""
    send(handler, b"PK", announced=1000)
    over.wait(60)


def dribbles(handler, name, over):
    """Send a header now and then, so that no single read takes long."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n")
    while not over.wait(0.05):
        handler.wfile.write(b"X-Patience: 1\r\n")


def trickles(handler, name, over):
    """Send a byte of the file now and then."""
    handler.send_response(200)
    handler.end_headers()
    while not over.wait(0.05):
        handler.wfile.write(b"P")


def floods(handler, name, over):
    """Send and never end."""
    handler.send_response(200)
    handler.end_headers()
    while not over.is_set():
        handler.wfile.write(bytes(2**16))


def files_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_good_address_gives_all_four_files_and_is_asked_for_no_more(contents, folder, serve):
    asked = serve(sending(contents))
    assert download(folder) is None
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents
    assert sorted(asked) == sorted(NAMES)
    assert download(folder, again=True) is None
    assert len(asked) == 4


def test_only_a_damaged_file_is_fetched_again(contents, folder, serve):
    asked = serve(sending(contents))
    fill(folder, contents | {TEST_IMAGES: contents[TEST_IMAGES][:-1]})
    assert download(folder) is None
    assert (folder / TEST_IMAGES).read_bytes() == contents[TEST_IMAGES]
    assert asked == [TEST_IMAGES]


def test_a_redirection_to_the_right_file_is_followed(contents, folder, serve):
    def moved(handler, name, over):
        if "/new/" in handler.path:
            send(handler, contents[name])
        else:
            redirect(handler, f"/new/{name}")

    serve(moved)
    assert download(folder) is None
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents


BAD_ANSWERS = {
    "not found": (lambda h, name, over: send(h, b"not here", 404), "404"),
    "a server's failure": (lambda h, name, over: send(h, b"oops", 500), "500"),
    "empty": (lambda h, name, over: send(h, b""), "SHA-256"),
    "a web page with status 200": (lambda h, name, over: send(h, b"<html>Hello</html>"), "SHA-256"),
    "half a file": (lambda h, name, over: send(h, npz(np.zeros(3))[:100]), "SHA-256"),
    "less than announced": (lambda h, name, over: send(h, b"PK", announced=1000), "failed"),
    "no http": (lambda h, name, over: h.wfile.write(b"220 ready\r\n"), "connection"),
    "redirected in a circle": (lambda h, name, over: redirect(h, h.path), "redirects"),
    "redirected to nowhere": (lambda h, name, over: redirect(h, "ftp://127.0.0.1/"), "ftp"),
    "another encoding than it says": (lambda h, name, over: mislabelled(h), "gzip"),
    "never": (stalls, "time"),
    "headers without end": (dribbles, "time"),
    "a byte now and then": (trickles, "time"),
    "silence halfway": (falls_silent, "time"),
    "without end": (floods, "more than"),
}


@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_a_bad_answer_is_told_and_leaves_no_file(contents, folder, serve, monkeypatch, kind):
    answer, said = BAD_ANSWERS[kind]
    if said == "time":
        monkeypatch.setattr(official_files, "PATIENCE", 1.0)
    serve(answer)
    reason = download(folder)
    assert said in reason and "127.0.0.1" in reason
    assert files_in(folder) == [NOTE]


def test_an_address_that_never_answers_costs_at_most_20_seconds_once(contents, folder, serve):
    asked = serve(stalls)
    began = time.monotonic()
    assert "time" in download(folder)
    assert time.monotonic() - began <= 20
    asked.clear()
    assert download(folder) is not None and asked == []


def test_an_address_that_fails_once_is_tried_again(contents, folder, serve):
    broken = [True]
    serve(lambda h, name, over: send(h, b"" if broken and broken.pop() else contents[name]))
    assert download(folder) is None


def test_a_file_that_arrived_whole_is_kept_when_the_next_one_fails(contents, folder, serve):
    serve(lambda h, name, over: send(h, contents[name] if name == TRAIN_IMAGES else b"oops"))
    assert download(folder) is not None
    assert files_in(folder) == sorted([TRAIN_IMAGES, NOTE])


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("owner", "name"), [(Response, "iter_content"), (shutil, "move")], ids=["fetched", "renamed"]
)
def test_a_killed_download_leaves_no_file_under_a_final_name_and_the_next_succeeds(
    contents, folder, serve, owner, name
):
    serve(sending(contents))
    assert is_killed(lambda: download(folder), owner, name, after=1)
    assert [name for name in NAMES if (folder / name).exists()] == NAMES[:1]
    assert download(folder) is None
    assert {name: (folder / name).read_bytes() for name in NAMES} == contents


def test_files_under_each_others_names_are_refused(contents, folder, serve):
    other = dict(zip(NAMES, [*NAMES[1:], NAMES[0]], strict=True))
    serve(lambda handler, name, over: send(handler, contents[other[name]]))
    assert "SHA-256" in download(folder)
    assert files_in(folder) == [NOTE]


def test_what_is_no_web_address_or_has_no_server_is_told(contents, folder, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]  # free again when the probe is closed
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for address in ("no address/", "ftp://127.0.0.1/", f"http://127.0.0.1:{port}/"):
        monkeypatch.setenv("KMNIST_MLP_URL", address)
        assert address in download(folder)
        assert files_in(folder) == [NOTE]


@pytest.fixture
def failed_before(contents, folder, serve):
    """An address that failed and would succeed now; the list of what it is asked for."""
    broken = [True]

    def answer(handler, name, over):
        send(handler, b"gone", 404) if broken else send(handler, contents[name])

    asked = serve(answer)
    assert download(folder) is not None
    broken.clear()
    asked.clear()
    return asked


def test_a_failed_address_is_asked_again_after_a_day_or_when_that_is_wanted(failed_before, folder):
    for age in (0, 60, ONE_DAY - 60):
        os.utime(folder / NOTE, (time.time() - age,) * 2)
        assert "404" in download(folder) and failed_before == []
    assert download(folder, again=True) is None
    assert files_in(folder) == sorted(NAMES), "the note of the failure is gone, too"


@pytest.mark.parametrize("age", [ONE_DAY + 60, -60, -ONE_DAY, -3650 * ONE_DAY])
def test_a_failure_of_yesterday_and_one_that_a_wrong_clock_put_into_the_future_do_not_count(
    failed_before, folder, age
):
    os.utime(folder / NOTE, (time.time() - age,) * 2)
    assert download(folder) is None


def test_another_address_is_asked_although_the_first_one_failed(
    failed_before, contents, folder, serve
):
    serve(sending(contents))
    assert download(folder) is None


@pytest.mark.parametrize("note", [b"", b"\xff\xfe", b"[]", b"{}", b'"no"', b"[" * 10**5])
def test_a_damaged_note_of_a_failure_is_ignored(failed_before, folder, note):
    (folder / NOTE).write_bytes(note)
    assert download(folder) is None


def test_a_cache_folder_that_cannot_be_made_or_filled_is_told(contents, tmp_path, serve):
    serve(sending(contents))
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "data" / TRAIN_IMAGES).mkdir(parents=True)
    for name in ("file/data", "a long name" * 100, "data"):
        assert download(tmp_path / name) is not None


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def no_folder_named(monkeypatch, folder):
    monkeypatch.delenv("KMNIST_MLP_DATA", raising=False)
    monkeypatch.setenv("KMNIST_MLP_CACHE", str(folder.parent))


def test_the_command_fetches_verifies_and_credits(contents, folder, serve, no_folder_named, capsys):
    serve(sending(contents))
    assert main() == 0
    printed = capsys.readouterr().out
    assert all(f"{folder / name}" in printed for name in NAMES)
    assert "created by CODH" in printed and "CC BY-SA 4.0" in printed


def test_the_command_asks_again_and_tells_what_to_do_by_hand(
    contents, folder, serve, no_folder_named, capsys
):
    asked = serve(BAD_ANSWERS["not found"][0])
    for _ in range(2):
        asked.clear()
        assert main() == 1
        assert asked
    told = capsys.readouterr().err
    assert all(name in told for name in [*NAMES, "404", "KMNIST_MLP_DATA", "codh.rois.ac.jp"])


def test_the_command_checks_a_named_folder_and_downloads_nothing(
    contents, folder, serve, monkeypatch, capsys
):
    asked = serve(sending(contents))
    monkeypatch.setenv("KMNIST_MLP_DATA", str(folder))
    del contents[TEST_LABELS]
    fill(folder, contents)
    assert main() == 1
    assert str(folder / TEST_LABELS) in capsys.readouterr().err
    assert asked == []
