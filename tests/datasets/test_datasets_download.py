"""An archive arrives whole and checked, or one sentence says what to do."""

import functools
import hashlib
import http.server
import threading

import pytest

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.datasets import download as module
from pipeline_steps.datasets.download import download

CONTENT = bytes(range(256)) * 40
LENGTH, MD5 = len(CONTENT), hashlib.md5(CONTENT).hexdigest()
NOWHERE = "http://127.0.0.1:9/toy.tar.gz"


@pytest.fixture(autouse=True)
def without_mirror_and_pauses(monkeypatch):
    monkeypatch.delenv("DATASETS_MIRROR", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "PAUSES", (0, 0))


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; an address that ends in /cut breaks off, /twice works late."""

    failures = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path.endswith("/cut"):
            self.send_response(200)
            self.send_header("Content-Length", str(LENGTH))
            self.end_headers()
            self.wfile.write(CONTENT[:1000])
        elif self.path.endswith("/late") and type(self).failures < 2:
            type(self).failures += 1
            self.connection.close()
        else:
            super().do_GET()


@pytest.fixture
def server(tmp_path):
    """A web server with the archive under three names."""
    folder = tmp_path / "served"
    folder.mkdir()
    for name in ("toy.tar.gz", "late"):
        (folder / name).write_bytes(CONTENT)
    Handler.failures = 0
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "toy.tar.gz").write_bytes(CONTENT)
    monkeypatch.setenv("DATASETS_MIRROR", f"{folder}/")
    return folder


def test_a_folder_serves_as_mirror_without_any_network(mirror, tmp_path):
    download(NOWHERE, tmp_path / "got", LENGTH, MD5)
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_the_published_address_is_asked_over_http(server, tmp_path):
    download(f"{server}/toy.tar.gz", tmp_path / "got", LENGTH, MD5)
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_a_mirror_may_be_an_address_too(server, tmp_path, monkeypatch):
    monkeypatch.setenv("DATASETS_MIRROR", server)
    download(NOWHERE, tmp_path / "got", LENGTH, MD5)
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_a_mirror_without_the_archive_falls_back_on_the_address(
    server, mirror, tmp_path
):
    (mirror / "toy.tar.gz").unlink()
    download(f"{server}/toy.tar.gz", tmp_path / "got", LENGTH, MD5)
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_a_server_that_fails_at_first_is_asked_again(server, tmp_path):
    download(f"{server}/late", tmp_path / "got", LENGTH, MD5)
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert Handler.failures == 2


@pytest.mark.parametrize("content", [CONTENT[:-1], b"", CONTENT + b"x"])
def test_an_archive_of_another_length_is_refused(mirror, tmp_path, content):
    (mirror / "toy.tar.gz").write_bytes(content)
    told = (
        rf"mirror/toy\.tar\.gz gave {len(content):,} bytes where 10,240 were expected"
    )
    with pytest.raises(PipelineError, match=told):
        download(NOWHERE, tmp_path / "got", LENGTH, MD5)


def test_an_archive_with_another_digest_is_refused(mirror, tmp_path):
    (mirror / "toy.tar.gz").write_bytes(CONTENT[::-1])
    with pytest.raises(PipelineError, match=r"toy\.tar\.gz is not the published file"):
        download(NOWHERE, tmp_path / "got", LENGTH, MD5)


def test_a_connection_that_breaks_off_is_one_sentence(server, tmp_path):
    with pytest.raises(PipelineError, match="cut"):
        download(f"{server}/cut", tmp_path / "got", LENGTH, MD5)


@pytest.mark.parametrize("address", [NOWHERE, "missing", "http://127.0.0.1:9/a/b"])
def test_an_archive_that_is_nowhere_ends_in_name_size_and_remedy(tmp_path, address):
    with pytest.raises(PipelineError) as caught:
        download(address, tmp_path / "got", LENGTH, MD5)
    text = str(caught.value)
    assert text.startswith(f"{address.rpartition('/')[2]} (10,240 bytes) could not be")
    assert text.endswith("put it into a folder and name that folder in DATASETS_MIRROR")


def test_a_page_that_is_not_found_is_not_asked_for_again(server, tmp_path):
    with pytest.raises(PipelineError, match="404"):
        download(f"{server}/other.tar.gz", tmp_path / "got", LENGTH, MD5)


def fetch_spec(address):
    return {
        "dataset": {"name": "toy", "classes": 10, "size": 32},
        "source": {
            "source": "cifar",
            "address": address,
            "length": LENGTH,
            "md5": MD5,
            "train": [],
            "test": [],
        },
    }


@pytest.mark.parametrize("content", [CONTENT, CONTENT[:-1], None])
def test_the_step_keeps_the_published_archive_or_nothing(
    mirror, tmp_path, run_step, a_sentence, content
):
    if content is None:
        (mirror / "toy.tar.gz").unlink()
    else:
        (mirror / "toy.tar.gz").write_bytes(content)
    outputs = {"archive": tmp_path / "out" / "a", "card": tmp_path / "out" / "a.json"}
    spec = fetch_spec(str(tmp_path / "nowhere" / "toy.tar.gz"))
    ended = run_step("datasets.fetch_dataset", spec, outputs)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    if content == CONTENT:
        assert (ended.returncode, left) == (0, {"a", "a.json"})
    else:
        assert "toy.tar.gz" in a_sentence(ended.stderr)
        assert (ended.returncode, left) == (1, set())
