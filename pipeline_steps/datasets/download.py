"""Downloads a file from a server, resuming where it broke off."""

import http.client
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline_steps.core.files import disk_is_full
from pipeline_steps.core.progress import Meter, say

CHANGES_NO_RESULT = True

PAUSES = (1.0, 5.0, 20.0)
TIMEOUT = 60.0
CHUNK = 1 << 18
MIB = 1 << 20


class Refused(Exception):
    """Why a server doesn't provide a file."""


class Absent(Refused):
    """The server answers, but has no such file."""


class _Changed(Exception):
    """The part already downloaded doesn't belong to the file that the server has
    now."""


@dataclass(frozen=True)
class Answer:
    """What a server sends: the bytes from `start` on, out of `total`."""

    chunks: Iterator[bytes]
    start: int
    total: int | None
    version: str
    """The server's version of the file; empty if it gives none."""


def download(address: str, part: Path, length: int | None = None) -> None:
    """Downloads `address` into `part`, and doesn't request again what is there already.

    After a break it waits for growing pauses, which start small again once more bytes
    have arrived than before.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    most, pauses = _size(part), iter(PAUSES)
    while True:
        try:
            _receive(address, part, length)
            return
        except OSError as error:
            if disk_is_full(error):
                raise
            if _size(part) > most:
                most, pauses = _size(part), iter(PAUSES)
            pause = next(pauses, None)
            if pause is None:
                raise Refused(f"{address}: {error}") from None
            say(f"{address}: {error}; trying again in {pause:g} s")
            time.sleep(pause)


def _receive(address: str, part: Path, length: int | None) -> None:
    if length is not None and _size(part) > length:
        part.unlink()
    have = _size(part)
    if have == length:
        return
    # The rest may be requested without a version too, because the checksum decides.
    version_file = part.with_name(f"{part.name}.from")
    ask = _ask_s3 if address.startswith("s3:") else _ask
    try:
        answer = ask(address, have, _version(version_file, address) if have else "")
    except _Changed:
        discard(part)
        answer = ask(address, 0, "")
    if answer.start not in (0, have):
        raise Refused(f"{address} sent other bytes than were requested")
    total = answer.total if length is None else length
    if answer.total not in (None, total):
        raise Refused(
            f"{address} gave {answer.total:,} bytes where {total:,} were expected; it "
            "is truncated, or not the published file"
        )
    version_file.write_text(f"{address}\n{answer.version}", encoding="utf-8")
    with part.open("ab" if answer.start else "wb") as file:
        _write(answer.chunks, file, part.name, total)
    version_file.unlink()


def _write(
    chunks: Iterator[bytes], file: IO[bytes], name: str, total: int | None
) -> None:
    meter = Meter(f"{name}, MiB", -(-total // MIB) if total else sys.maxsize)
    shown = 0
    try:
        for chunk in chunks:
            file.write(chunk)
            if total is not None and file.tell() > total:
                raise Refused(
                    f"{name} has more than the {total:,} bytes that were expected"
                )
            if file.tell() // MIB > shown:
                meter.at(shown := file.tell() // MIB)
    finally:
        meter.close()
    if total is not None and file.tell() < total:
        raise OSError(f"it ended after {file.tell():,} of {total:,} bytes")


def discard(part: Path) -> None:
    """Deletes what was downloaded."""
    part.unlink(missing_ok=True)
    part.with_name(f"{part.name}.from").unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _version(version_file: Path, address: str) -> str:
    if not version_file.is_file():
        return ""
    where, _, version = version_file.read_text(encoding="utf-8").partition("\n")
    return version if where == address else ""


def _ask(address: str, have: int, version: str) -> Answer:
    headers = {"User-Agent": "robust-papers"}
    if have:
        headers["Range"] = f"bytes={have}-"
    if have and version:
        headers["If-Range"] = version
    request = urllib.request.Request(address, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        raise _refusal(error.code, f"{address}: {error}", have) from None
    except http.client.HTTPException as error:
        raise OSError(f"an unreadable answer ({error!r})") from None
    reply = response.headers
    mark = reply.get("ETag", "")
    if not mark or mark.startswith("W/"):
        mark = reply.get("Last-Modified", "")
    start, total = _extent(response.status, reply)
    return Answer(_chunks(response), start, total, mark)


def _extent(status: int, headers: Any) -> tuple[int, int | None]:
    """Where an answer begins, and how long the whole file is."""
    if status == 206:
        extent, _, total = (
            headers["Content-Range"].removeprefix("bytes ").partition("/")
        )
        return int(extent.partition("-")[0]), int(total) if total.isdigit() else None
    length = headers.get("Content-Length")
    return 0, int(length) if length else None


def _refusal(status: int, text: str, have: int) -> Exception:
    if status in (403, 404, 410):
        return Absent(text)
    if status in (412, 416) and have:
        return _Changed(text)
    return OSError(text) if status in (408, 429) or status >= 500 else Refused(text)


def _chunks(response: Any) -> Iterator[bytes]:
    with response:
        try:
            # What has arrived is kept when the connection breaks before the next byte.
            yield from iter(lambda: response.read1(CHUNK), b"")
        except http.client.HTTPException as error:
            raise OSError(repr(error)) from None


def _ask_s3(address: str, have: int, version: str) -> Answer:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        from botocore.exceptions import NoCredentialsError as Unknown
    except ImportError:
        raise Refused(
            f"{address}: s3: addresses need the package boto3, which is not installed"
        ) from None
    bucket, _, key = address.removeprefix("s3://").partition("/")
    retries = {"total_max_attempts": 1}
    config = Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries=retries)
    conditions = {"Range": f"bytes={have}-"} if have else {}
    if have and version:
        conditions["IfMatch"] = version
    try:
        client = boto3.client("s3", config=config)
        answer = client.get_object(Bucket=bucket, Key=key, **conditions)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        raise _refusal(status, f"{address}: {error}", have) from None
    except Unknown as error:
        raise Refused(f"{address}: {error}") from None
    except BotoCoreError as error:
        raise OSError(str(error)) from None

    def chunks() -> Iterator[bytes]:
        try:
            yield from answer["Body"].iter_chunks(CHUNK)
        except (BotoCoreError, HTTPClientError) as error:
            raise OSError(str(error)) from None

    extent = (
        answer["ResponseMetadata"]["HTTPStatusCode"],
        {
            "Content-Range": answer.get("ContentRange", ""),
            "Content-Length": str(answer["ContentLength"]),
        },
    )
    return Answer(chunks(), *_extent(*extent), answer.get("ETag", ""))
