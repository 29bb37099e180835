"""A server with faults, and archives of every kind, for the tests of data sets."""

import hashlib
import io
import pickle
import random
import tarfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from typing import Any


@dataclass
class Server:
    """Files by their names, and what goes wrong with them."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    version: str = '"one"'
    breaks: list[int] = field(default_factory=list)
    """At which byte of the file each answer ends; those after them are whole."""
    failures: int = 0
    """So many requests are answered by 503."""
    hangs: threading.Event | None = None
    """Until when every answer stops in its middle."""
    told_length: bool = True
    address: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    served: list[tuple[str, int, int]] = field(default_factory=list)
    """From which byte to which of a file each answer went."""

    def put(self, name: str, content: bytes) -> bytes:
        self.files[name] = content
        return content

    def sent_once(self, name: str) -> bool:
        """Whether the answers were the whole file, each byte of it once."""
        spans = sorted((a, b) for told, a, b in self.served if told == name)
        joined = all(before[1] == after[0] for before, after in pairwise(spans))
        return joined and (spans[0][0], spans[-1][1]) == (0, len(self.files[name]))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    server: Any

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        told: Server = self.server.told
        name, asked = self.path.lstrip("/"), self.headers.get("Range")
        told.asked.append((name, asked))
        if name not in told.files:
            self.send_error(404)
        elif told.failures:
            told.failures -= 1
            self.send_error(503)
        else:
            self._send(told, name, asked)

    def _send(self, told: Server, name: str, asked: str | None) -> None:
        content, start = told.files[name], 0
        condition = self.headers.get("If-Range")
        if asked and told.ranges and condition in (None, told.version):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        if start:
            extent = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", extent)
        if told.told_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", told.version)
        self.end_headers()
        end = told.breaks.pop(0) if told.breaks else len(content)
        if told.hangs:
            end = len(content) // 2
        end = max(end, start)
        told.served.append((name, start, end))
        self.wfile.write(content[start:end])
        self.wfile.flush()
        if told.hangs:
            told.hangs.wait(20)


def noise(count: int, seed: int = 0) -> bytes:
    """Bytes of which no two stretches are alike."""
    return random.Random(seed).randbytes(count)


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def tar_of(members: dict[str, Any], mode: str = "w:gz") -> bytes:
    """An archive of bytes, of things to be pickled, and of TarInfos for what is odd."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                archive.addfile(content)
                continue
            data = content if isinstance(content, bytes) else pickle.dumps(content, 3)
            told = tarfile.TarInfo(name)
            told.size = len(data)
            archive.addfile(told, io.BytesIO(data))
    return out.getvalue()
