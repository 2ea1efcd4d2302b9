"""The download of PDB entries, from a server on this machine."""

import gzip
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dpskit.data import cache
from dpskit.data.archive import fetch_archive
from dpskit.data.cache import cache_folder, fetch_entry
from dpskit.data.examples import load_example
from dpskit.data.structures import read_structure


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """serve(status, content, length): let every address answer so; returns the list of those that were asked for."""
    monkeypatch.setenv("DPSKIT_CACHE", str(tmp_path / "cache"))
    servers, asked = [], []

    def start(status, content=b"", length=None):
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content) if length is None else length))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[0].serve_forever, daemon=True).start()
        monkeypatch.setattr(cache, "URL", f"http://127.0.0.1:{servers[0].server_port}/{{code}}.cif.gz")
        return asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_download_once_with_a_bar(serve, capfd):
    entry = load_example("ruvab").structure_path.read_bytes()
    asked = serve(200, entry)
    for _ in range(2):
        read = read_structure("7PBL")
        assert (len(read.atoms), read.name) == (15_702, "7pbl")
    assert asked == ["/7PBL.cif.gz"]
    assert os.listdir(cache_folder()) == ["7pbl.cif.gz"]
    assert (cache_folder() / "7pbl.cif.gz").read_bytes() == entry
    assert "100%" in capfd.readouterr().err


def test_an_entry_and_a_file_of_its_name_from_elsewhere_are_two(serve):
    """The cache has one place for each URL, and the entry's own name for the RCSB's alone."""
    entry = load_example("ruvab").structure_path.read_bytes()
    asked = serve(200, entry)
    elsewhere = fetch_archive(cache.URL.format(code="other/7pbl"))
    ours = fetch_entry("7pbl")
    assert ours != elsewhere
    assert {path.name for path in cache_folder().iterdir()} == {ours.name, elsewhere.name}
    assert asked == ["/other/7pbl.cif.gz", "/7PBL.cif.gz"]


ONE_BYTE_WRONG = bytearray(gzip.compress(b"data_1ABC\n#\n"))
ONE_BYTE_WRONG[-6] ^= 1  # of the checksum


@pytest.mark.parametrize(
    ("answer", "error", "word"),
    [
        ((404,), ValueError, "does not exist"),
        ((503,), ConnectionError, "answered 503"),
        ((200, b"<html>Please log in</html>"), ConnectionError, "gzipped"),
        ((200, gzip.compress(b"half of it"), 1000), ConnectionError, "could not be downloaded"),
        ((200, gzip.compress(b"data_1ABC\n#\n" * 50)[:-9]), ConnectionError, "truncated or damaged"),
        ((200, ONE_BYTE_WRONG), ConnectionError, "truncated or damaged"),
        ((200, gzip.compress(b"data_1ABD\n#\n")), ConnectionError, "else than the mmCIF file of 1ABC"),
        ((200, gzip.compress(b"<html>")), ConnectionError, "else than the mmCIF file of 1ABC"),
    ],
)
def test_failed_downloads_leave_nothing(serve, one_sentence, answer, error, word):
    serve(*answer)
    url = cache.URL.format(code="1ABC")
    with one_sentence(error, url, word, *([cache_folder() / "1abc.cif.gz"] if error is ConnectionError else [])):
        fetch_entry("1abc")
    assert not cache_folder().exists() or os.listdir(cache_folder()) == []


def test_without_a_network_the_file_can_be_put_there(tmp_path, monkeypatch, one_sentence):
    monkeypatch.setenv("DPSKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "URL", "http://127.0.0.1:9/{code}.cif.gz")
    path = tmp_path / "7pbl.cif.gz"
    with one_sentence(ConnectionError, "http://127.0.0.1:9/7PBL.cif.gz", path):
        read_structure("7pbl")
    path.write_bytes(load_example("ruvab").structure_path.read_bytes())
    assert len(read_structure("7pbl").atoms) == 15_702


def test_the_folder_is_that_of_the_variable_or_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("DPSKIT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("DPSKIT_CACHE")
    assert cache_folder().name == "dpskit"
