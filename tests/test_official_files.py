"""The official files are downloaded whole or not at all, and read only if they are right."""

import hashlib
import io
import os
import pickle
import socket
import threading
import time
import tracemalloc
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pooch
import pytest

from kmnist_mlp.datasets import official_files
from kmnist_mlp.datasets.official_files import ONE_DAY, SHA256, download, main, read_verified

NAMES = list(SHA256)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES
NOTE = "last_failure.json"


def npz(array):
    file = io.BytesIO()
    np.savez_compressed(file, arr_0=array)
    return file.getvalue()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def contents(monkeypatch):
    """Small files that pass for the four official ones, as a dict of name to bytes."""
    rng = np.random.default_rng(0)
    arrays = {
        TRAIN_IMAGES: rng.integers(0, 256, (30, 28, 28)),
        TRAIN_LABELS: np.arange(30) % 10,
        TEST_IMAGES: rng.integers(0, 256, (20, 28, 28)),
        TEST_LABELS: np.arange(20) % 10,
    }
    files = {name: npz(array.astype(np.uint8)) for name, array in arrays.items()}
    for name, array in arrays.items():
        monkeypatch.setitem(official_files.SHA256, name, sha256(files[name]))
        monkeypatch.setitem(official_files.SHAPES, name, array.shape)
    return files


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "data"


# ---- reading -------------------------------------------------------------------------------------


def refusal(folder, name, content):
    """Return what read_verified says of a file with this content."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_verified(folder / name)
    message = str(caught.value)
    assert str(folder / name) in message, "the message must name the file"
    assert official_files.SHA256[name] in message, "the message must say what was expected"
    assert str(official_files.SHAPES[name]) in message
    return message


def test_a_right_file_is_read_as_a_read_only_array(contents, folder):
    folder.mkdir(parents=True)
    (folder / TEST_LABELS).write_bytes(contents[TEST_LABELS])
    array = read_verified(folder / TEST_LABELS)
    assert array.tolist() == [*range(10), *range(10)]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_a_truncated_file_is_refused(contents, folder):
    message = refusal(folder, TRAIN_IMAGES, contents[TRAIN_IMAGES][:-100])
    assert "cut off" in message


def test_an_empty_file_is_refused(contents, folder):
    assert "0 bytes" in refusal(folder, TRAIN_IMAGES, b"")


def test_an_altered_file_is_refused_although_its_shape_is_right(contents, folder):
    altered = np.arange(20).astype(np.uint8)[::-1] % 10
    assert "differs from the official file" in refusal(folder, TEST_LABELS, npz(altered))


def test_images_in_the_place_of_labels_are_refused(contents, folder):
    message = refusal(folder, TEST_LABELS, contents[TEST_IMAGES])
    assert "shape (20, 28, 28)" in message and "Expected: uint8 of shape (20,)" in message


def test_a_right_array_under_a_wrong_name_is_refused(contents, folder, monkeypatch):
    file = io.BytesIO()
    np.savez_compressed(file, images=np.zeros((20, 28, 28), np.uint8))
    monkeypatch.setitem(official_files.SHA256, TEST_IMAGES, sha256(file.getvalue()))
    assert "arr_0" in refusal(folder, TEST_IMAGES, file.getvalue())


def test_a_small_file_that_unpacks_to_a_huge_one_is_not_unpacked(contents, folder):
    content = npz(np.zeros(30_000_000, np.uint8))
    assert len(content) < 100_000
    tracemalloc.start()
    message = refusal(folder, TEST_IMAGES, content)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert "shape (30000000,)" in message


def test_a_folder_under_the_name_of_a_file_is_no_file(contents, folder, serve):
    serve(sending(contents))
    (folder / TRAIN_IMAGES).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=TRAIN_IMAGES):
        read_verified(folder / TRAIN_IMAGES)
    assert "directory" in download(folder)


def test_the_label_file_of_the_other_part_is_refused(contents, folder):
    message = refusal(folder, TEST_LABELS, contents[TRAIN_LABELS])
    assert "shape (30,)" in message and "Expected: uint8 of shape (20,)" in message


@pytest.mark.parametrize(
    "array",
    [np.zeros((20, 28), np.uint8), np.zeros((20, 784), np.uint8), np.zeros((20, 28, 28), np.int64)],
    ids=["flat", "rows of pixels", "wide numbers"],
)
def test_a_wrong_shape_or_type_is_refused_even_if_the_hash_is_right(
    contents, folder, monkeypatch, array
):
    content = npz(array)
    monkeypatch.setitem(official_files.SHA256, TEST_IMAGES, sha256(content))
    message = refusal(folder, TEST_IMAGES, content)
    assert f"{array.dtype} of shape {array.shape}" in message


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
    monkeypatch.setitem(official_files.SHA256, TEST_IMAGES, sha256(content))
    refusal(folder, TEST_IMAGES, content)
    assert not (tmp_path / "sprung").exists()


def test_an_object_array_is_called_pickled(contents, folder):
    assert "pickled" in refusal(folder, TEST_IMAGES, npz(np.array([{}], object)))


def test_a_web_page_under_a_data_name_is_refused_and_not_called_pickled(contents, folder):
    message = refusal(folder, TEST_IMAGES, b"<!DOCTYPE html><html><body>Not found</body></html>")
    assert "pickle" not in message


def test_a_missing_file_is_named_and_the_way_to_place_it_by_hand_told(contents, folder):
    with pytest.raises(FileNotFoundError, match="KMNIST_MLP_DATA") as caught:
        read_verified(folder / TEST_IMAGES)
    assert str(folder / TEST_IMAGES) in str(caught.value)


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


def stalls(handler, name, over):
    """Accept and never answer."""
    over.wait(60)


def dribbles(handler, name, over):
    """Answer with a byte now and then, so that no single read takes long."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n")
    for _ in range(600):
        handler.wfile.write(b"X-Patience: 1\r\n")
        if over.wait(0.05):
            break


def files_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_good_address_gives_all_four_files(contents, folder, serve):
    serve(sending(contents))
    assert download(folder) is None
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents


def test_files_that_are_there_already_are_not_asked_for(contents, folder, serve):
    asked = serve(sending(contents))
    download(folder)
    asked.clear()
    assert download(folder, again=True) is None
    assert asked == []


def test_only_a_damaged_file_is_fetched_anew(contents, folder, serve):
    asked = serve(sending(contents))
    download(folder)
    (folder / TEST_IMAGES).write_bytes(contents[TEST_IMAGES][:-1])
    asked.clear()
    assert download(folder) is None
    assert (folder / TEST_IMAGES).read_bytes() == contents[TEST_IMAGES]
    assert set(asked) <= {TRAIN_IMAGES, TEST_IMAGES}  # the first is how the address is tried


BAD_ANSWERS = {
    "404": (lambda h, name, over: send(h, b"not here", 404), "404"),
    "empty": (lambda h, name, over: send(h, b""), "empty"),
    "web page with status 200": (lambda h, name, over: send(h, b"<html>Hello</html>"), "SHA-256"),
    "wrong bytes": (lambda h, name, over: send(h, npz(np.zeros(3))), "SHA-256"),
    "a server's failure": (lambda h, name, over: send(h, b"oops", 500), "500"),
    "no http": (lambda h, name, over: h.wfile.write(b"220 ready\r\n"), "no connection"),
    "redirected in a circle": (lambda h, name, over: redirect(h, h.path), "redirects"),
    "redirected to nowhere": (lambda h, name, over: redirect(h, "ftp://127.0.0.1/"), "ftp"),
    "another encoding than it says": (lambda h, name, over: mislabelled(h), "failed"),
}


def redirect(handler, address):
    handler.send_response(302)
    handler.send_header("Location", address)
    handler.end_headers()


def mislabelled(handler):
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    handler.wfile.write(b"not compressed at all")


def test_a_redirection_to_the_right_file_is_followed(contents, folder, serve):
    def moved(handler, name, over):
        if "/new/" in handler.path:
            send(handler, contents[name])
        else:
            redirect(handler, f"/new/{name}")

    serve(moved)
    assert download(folder) is None
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents


def test_files_under_each_others_names_are_refused(contents, folder, serve):
    other = dict(zip(NAMES, [*NAMES[1:], NAMES[0]], strict=True))
    serve(lambda handler, name, over: send(handler, contents[other[name]]))
    assert "SHA-256" in download(folder)
    assert files_in(folder) == [NOTE]


def test_an_answer_without_end_is_given_up(contents, folder, serve, monkeypatch):
    def floods(handler, name, over):
        handler.send_response(200)
        handler.end_headers()
        while not over.is_set():
            handler.wfile.write(bytes(2**16))

    serve(floods)
    assert "more than" in download(folder)
    assert files_in(folder) == [NOTE]


def test_an_answer_that_only_trickles_is_given_up(contents, folder, serve, monkeypatch):
    def trickles(handler, name, over):
        handler.send_response(200)
        handler.end_headers()
        while not over.wait(0.05):
            handler.wfile.write(b"P")
            handler.wfile.flush()

    serve(trickles)
    impatient = partial(official_files._download, seconds=0.2)
    monkeypatch.setattr(official_files, "_download", impatient)
    assert "did not answer in time" in download(folder)
    assert files_in(folder) == [NOTE]


@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_a_bad_answer_is_told_and_leaves_no_file(contents, folder, serve, kind):
    answer, said = BAD_ANSWERS[kind]
    serve(answer)
    reason = download(folder)
    assert said in reason and "127.0.0.1" in reason
    assert files_in(folder) == [NOTE]


@pytest.mark.parametrize("announces_its_length", [True, False])
def test_a_download_that_breaks_off_leaves_no_half_file(
    contents, folder, serve, announces_its_length
):
    def breaks_off(handler, name, over):
        half = contents[name][: len(contents[name]) // 2]
        send(handler, half, announced=len(contents[name]) if announces_its_length else None)

    serve(breaks_off)
    assert "failed" in download(folder)
    assert files_in(folder) == [NOTE]


def test_a_file_that_arrived_whole_is_kept_when_the_next_one_fails(contents, folder, serve):
    serve(lambda h, name, over: send(h, contents[name] if name == TRAIN_IMAGES else b"oops"))
    assert download(folder) is not None
    assert files_in(folder) == sorted([TRAIN_IMAGES, NOTE])
    assert (folder / TRAIN_IMAGES).read_bytes() == contents[TRAIN_IMAGES]


def test_a_refused_connection_is_told(contents, folder, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]  # free again when the probe is closed
    monkeypatch.setenv("KMNIST_MLP_URL", f"http://127.0.0.1:{port}/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert "no connection" in download(folder)
    assert files_in(folder) == [NOTE]


@pytest.mark.parametrize("address", ["no address/", "ftp://127.0.0.1/"])
def test_what_is_no_web_address_is_told_and_does_not_crash(contents, folder, monkeypatch, address):
    monkeypatch.setenv("KMNIST_MLP_URL", address)
    assert address in download(folder)


def test_an_address_that_never_answers_costs_at_most_20_seconds_once(contents, folder, serve):
    asked = serve(stalls)
    began = time.monotonic()
    assert "did not answer in time" in download(folder)
    assert time.monotonic() - began <= 20
    assert asked and files_in(folder) == [NOTE]
    asked.clear()
    assert "once a day" in download(folder)
    assert asked == []


def test_an_address_that_falls_silent_halfway_is_given_up(contents, folder, serve, monkeypatch):
    def falls_silent(handler, name, over):
        send(handler, contents[name][:20], announced=len(contents[name]))
        handler.wfile.flush()
        over.wait(60)

    serve(falls_silent)
    patient = pooch.HTTPDownloader
    monkeypatch.setattr(pooch, "HTTPDownloader", lambda **k: patient(**{**k, "timeout": 0.2}))
    assert "did not answer in time" in download(folder) or "no connection" in download(folder)
    assert files_in(folder) == [NOTE]


def test_an_address_that_only_dribbles_is_given_up(contents, folder, serve, monkeypatch):
    serve(dribbles)
    monkeypatch.setattr(official_files, "_ask", partial(official_files._ask, seconds=0.3))
    assert "did not answer in time" in download(folder)
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


def test_a_failed_address_is_not_asked_again_on_the_same_day(failed_before, folder):
    assert "404" in download(folder)
    assert failed_before == []


def test_a_failed_address_is_asked_again_when_that_is_wanted(failed_before, folder):
    assert download(folder, again=True) is None
    assert files_in(folder) == sorted(NAMES), "the note of the failure is gone, too"


def test_a_failed_address_is_asked_again_after_a_day(failed_before, folder):
    for age, expected in ((60, False), (ONE_DAY - 60, False), (ONE_DAY + 60, True)):
        os.utime(folder / NOTE, (time.time() - age,) * 2)
        assert (download(folder) is None) == expected


@pytest.mark.parametrize("ahead", [60, ONE_DAY, 3650 * ONE_DAY])
def test_a_failure_that_a_wrong_clock_put_into_the_future_does_not_count(
    failed_before, folder, ahead
):
    os.utime(folder / NOTE, (time.time() + ahead,) * 2)
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


def test_a_cache_folder_that_cannot_be_made_is_told(contents, tmp_path, serve):
    serve(sending(contents))
    (tmp_path / "file").write_text("in the way")
    assert "failed" in download(tmp_path / "file" / "data")
    assert "cannot be read" in download(tmp_path / ("a long name" * 100) / "data")


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def no_folder_named(monkeypatch, folder):
    monkeypatch.delenv("KMNIST_MLP_DATA", raising=False)
    monkeypatch.setenv("KMNIST_MLP_CACHE", str(folder.parent))


def test_the_command_fetches_verifies_and_credits(contents, folder, serve, no_folder_named, capsys):
    serve(sending(contents))
    assert main() == 0
    printed = capsys.readouterr().out
    assert all(f"{folder / name}: verified" in printed for name in NAMES)
    assert "created by CODH" in printed and "CC BY-SA 4.0" in printed


def test_the_command_asks_again_and_says_what_to_do_by_hand(
    contents, folder, serve, no_folder_named, capsys
):
    asked = serve(BAD_ANSWERS["404"][0])
    for _ in range(2):
        asked.clear()
        assert main() == 1
        assert asked
    told = capsys.readouterr().err
    assert all(name in told for name in [*NAMES, "404", "by hand", "codh.rois.ac.jp"])


def test_the_command_checks_a_named_folder_and_downloads_nothing(
    contents, folder, serve, monkeypatch, capsys
):
    asked = serve(sending(contents))
    monkeypatch.setenv("KMNIST_MLP_DATA", str(folder))
    folder.mkdir(parents=True)
    for name in NAMES[:-1]:
        (folder / name).write_bytes(contents[name])
    assert main() == 1
    assert str(folder / TEST_LABELS) in capsys.readouterr().err
    assert asked == []
