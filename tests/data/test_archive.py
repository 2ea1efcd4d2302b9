"""Data sets behind URLs, each with an entry of its own in the cache."""

import hashlib
import warnings
import zipfile

import pytest

from dpskit.data import archive
from dpskit.data.archive import fetch_archive


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A dictionary of what each URL answers, and the list of those that were asked for."""
    monkeypatch.setenv("DPSKIT_CACHE", str(tmp_path / "cache"))
    answers, asked = {}, []

    def download(url, path):
        asked.append(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(answers[url])

    monkeypatch.setattr(archive, "download", download)
    return answers, asked


def zipped(tmp_path, **files):
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path.read_bytes()


def test_urls_of_one_name_are_kept_apart(served, tmp_path):
    answers, asked = served
    urls = ["https://h/a/d.zip", "https://h/b/d.zip", "https://g/a/d.zip", "https://h/a/d.zip?x=1"]
    for url in urls:
        answers[url] = zipped(tmp_path, data=url)
    for _ in range(2):
        assert [(fetch_archive(url) / "data").read_text() for url in urls] == urls
    assert asked == urls


@pytest.mark.parametrize(
    "url", ["https://h/..", "https://h/.", "https://h/", "https://h", "https://h/a/../..", "https://h/%2e%2e"]
)
def test_no_url_leads_out_of_the_cache(served, tmp_path, url):
    served[0][url] = b"content"
    path = fetch_archive(url)
    assert path.parent == tmp_path / "cache" and path.is_file() and path.read_bytes() == b"content"


def test_a_hash_is_checked(served, one_sentence):
    url, content = "http://h/d.npz", b"content"
    served[0][url] = content
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fetch_archive(f"{url}#sha256={hashlib.sha256(content).hexdigest()}").read_bytes() == content
        with one_sentence(ValueError, "d.npz", "SHA-256", "0" * 64):
            fetch_archive(f"{url}#sha256={'0' * 64}")
    with pytest.warns(UserWarning, match=r"http://h/d.npz is not encrypted.*https"):
        fetch_archive(url)


def test_what_is_no_archive(served, tmp_path, one_sentence):
    answers, _ = served
    answers["https://h/cut.zip"] = zipped(tmp_path, data="x" * 1000)[:-30]
    with one_sentence(ValueError, "cut.zip", "complete zip archive"):
        fetch_archive("https://h/cut.zip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "ALWAYS", 1000)
        answers["https://h/bomb.zip"] = zipped(tmp_path, data="0" * 1_000_000)
        with one_sentence(ValueError, "bomb.zip", "unpack to at most"):
            fetch_archive("https://h/bomb.zip")
    with one_sentence(ValueError, "complete URL", "https://"):
        fetch_archive("https://")
    assert not list((tmp_path / "cache").glob("tmp*"))
