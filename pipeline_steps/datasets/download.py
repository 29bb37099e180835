"""Brings a published archive into place, whole and checked, from the nearest mirror."""

import hashlib
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import disk_is_full
from pipeline_steps.core.progress import say

PAUSES = (1, 5, 20)


def download(address: str, place: Path, length: int, md5: str) -> None:
    """The archive at `address`, or its namesake at DATASETS_MIRROR if that is set."""
    name = address.rpartition("/")[2]
    failures = []
    for candidate in _candidates(address, name):
        try:
            _copy(candidate, place)
        except OSError as error:
            if disk_is_full(error):
                raise
            failures.append(f"{candidate}: {error}")
            continue
        _check(candidate, place, length, md5)
        return
    raise PipelineError(
        f"{name} ({length:,} bytes) could not be fetched ({'; '.join(failures)}); put "
        "it into a folder and name that folder in DATASETS_MIRROR"
    )


def _candidates(address: str, name: str) -> Iterator[str]:
    mirror = os.environ.get("DATASETS_MIRROR")
    if mirror:
        yield f"{mirror.rstrip('/')}/{name}"
    yield address


def _copy(candidate: str, place: Path) -> None:
    if "://" not in candidate:
        shutil.copyfile(candidate, place)
        return
    for pause in (*PAUSES, None):
        try:
            with (
                urllib.request.urlopen(candidate, timeout=60) as source,
                place.open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
            return
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            if pause is None or disk_is_full(error):
                raise
            say(f"{candidate}: {error}; trying again in {pause} s")
            time.sleep(pause)


def _check(candidate: str, place: Path, length: int, md5: str) -> None:
    if place.stat().st_size != length:
        raise PipelineError(
            f"{candidate} gave {place.stat().st_size:,} bytes where {length:,} were "
            "expected; it is cut short, or not the published file"
        )
    with place.open("rb") as file:
        if hashlib.file_digest(file, "md5").hexdigest() != md5:
            raise PipelineError(
                f"{candidate} is not the published file: its MD5 differs"
            )
