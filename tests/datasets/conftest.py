"""What the tests of data sets share: no mirror, a server of their own, and real data."""

import os
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from datasets_house import Handler, Server

from pipeline_steps.core.registry import ROOT
from pipeline_steps.datasets import download, published

PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data, which lies beside the project and never in it."""
    folder = os.environ.get("PIPELINE_SHARED_DATA")
    place = Path(folder) if folder else ROOT.parent / "shared" / "data"
    if not place.is_dir():
        pytest.skip(f"there is no real data at {place}")
    return place


@pytest.fixture
def server() -> Iterator[Server]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        running.handle_error = lambda *_: None  # a client may hang up
        running.told = told = Server()  # type: ignore[attr-defined]
        told.address = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield told
        if told.hangs:
            told.hangs.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def alone_with_the_loopback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No mirror, no proxy and no long pause; downloads lie in the test's own folder."""
    for name in (*PROXIES, "DATASETS_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "PAUSES", (0, 0))
    monkeypatch.setattr(published, "PARTS", tmp_path / "parts")
