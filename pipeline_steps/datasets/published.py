"""Finds published files at the nearest place, checks them, and packs what is used of them.

The pack is a plain archive with the same bytes from every place, whether it had the
archives or the files that had been unpacked from them.
"""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.lock import alone
from pipeline_steps.core.progress import say
from pipeline_steps.core.settings import Published
from pipeline_steps.core.step import UNFINISHED
from pipeline_steps.datasets.archives import Packing, member, opened, packing
from pipeline_steps.datasets.download import Absent, Refused, discard, download
from pipeline_steps.datasets.places import MIRROR, local, places

PARTS = UNFINISHED / "downloads"
TITLES = {"md5": "MD5", "sha256": "SHA-256"}


@dataclass(frozen=True)
class Found:
    """A file that has its published checksum, whole or as what was unpacked from it."""

    archive: Path | None
    files: dict[str, Path]


def gather(files: Sequence[Published], dataset: str, target: Path) -> None:
    """The files of a data set, or those in its archives, packed into `target`."""
    with ExitStack() as locks:
        for file in files:
            locks.enter_context(alone(PARTS / f"{file.name}.lock"))
        sources = [_find(file, files, dataset) for file in files]
        with packing(target) as pack:
            for file, where in zip(files, sources, strict=True):
                for name, path in where.files.items():
                    with path.open("rb") as content:
                        pack.add(name, path.stat().st_size, content)
                if where.archive is not None:
                    _repack(where.archive, file, pack)
        for where in sources:
            for path in [*where.files.values(), *filter(None, [where.archive])]:
                if path.parent == PARTS:
                    discard(path)


def _repack(path: Path, file: Published, pack: Packing) -> None:
    with opened(path) as archive:
        for name, digest in sorted(file.holds.items()):
            content = Digested(member(archive, name), digest)
            pack.add(name, archive.getmember(name).size, content)
            if not content.holds():
                raise PipelineError(
                    f"{name} in {path} is not the published file: its {content.title} "
                    "differs"
                )


def _find(file: Published, files: Sequence[Published], dataset: str) -> Found:
    """The first place that has what is asked for; those before it say why they have not."""
    reasons = []
    for location in places():
        try:
            files_there = _at(location, file, dataset)
        except Refused as error:
            reasons.append(str(error))
            continue
        for reason in reasons:
            say(f"passed over: {reason}")
        return files_there
    raise PipelineError(_remedy(file, files, dataset, reasons))


def _remedy(
    file: Published, files: Sequence[Published], dataset: str, reasons: Sequence[str]
) -> str:
    names = ", ".join(
        f"{f.name} ({f.length:,} bytes)" if f.length else f.name for f in files
    )
    why = "; ".join(reasons) or "no place to look at is known"
    what = "it, or the files in it," if file.holds else "it"
    return (
        f"{dataset} is made of {names}, and {file.name} could not be fetched ({why}); "
        f"put {what} into a folder and name that folder in {MIRROR}"
    )


def _at(location: str, file: Published, dataset: str) -> Found:
    try:
        whole = _bring(location, file, file.name, dataset)
    except Absent as absence:
        return Found(None, _unpacked(location, file, dataset, absence))
    return Found(whole, {}) if file.holds else Found(None, {file.name: whole})


def _unpacked(
    location: str, file: Published, dataset: str, absence: Absent
) -> dict[str, Path]:
    """What an archive holds, where the archive itself is absent."""
    unpacked: dict[str, Path] = {}
    for name, digest in sorted(file.holds.items()):
        try:
            inside = Published(name=name, digest=digest)
            unpacked[name] = _bring(location, inside, name, dataset)
        except Absent as missing:
            raise (missing if unpacked else absence) from None
    if not unpacked:
        raise absence
    return unpacked


def _bring(location: str, file: Published, name: str, dataset: str) -> Path:
    """A file at this place, checked; from a server, a copy of it in `PARTS`."""
    folder = local(location)
    last = name.rpartition("/")[2]
    if folder is not None:
        itself = [folder] if folder.name == last else []
        near = [root / n for root in (folder, folder / dataset) for n in (name, last)]
        for option in [*itself, *near]:
            if option.is_file():
                _check(option, file, option)
                return option
        there = folder.exists()
        raise Absent(f"{folder} has no {last}" if there else f"there is no {folder}")
    whole = (
        location if location.endswith(f"/{last}") else f"{location.rstrip('/')}/{name}"
    )
    return _fetched(
        list(dict.fromkeys([whole, f"{location.rstrip('/')}/{last}"])), file
    )


def _fetched(addresses: Sequence[str], file: Published) -> Path:
    """The first address that has the file, as a whole and checked copy."""
    for address in addresses:
        try:
            return _downloaded(address, file)
        except Absent as error:
            absence = error
    raise absence


def _downloaded(address: str, file: Published) -> Path:
    key = hashlib.sha256(f"{file.name} {file.digest}".encode()).hexdigest()[:12]
    part = PARTS / f"{key}-{file.name.rpartition('/')[2]}"
    while True:
        resumed = part.is_file()
        download(address, part, file.length)
        try:
            _check(part, file, address)
            return part
        except Refused:
            discard(part)
            if not resumed:  # else its beginning may have come from another place
                raise


def _check(path: Path, file: Published, where: str | Path) -> None:
    size = path.stat().st_size
    if file.length is not None and size != file.length:
        raise Refused(
            f"{where} gave {size:,} bytes where {file.length:,} were expected; it is "
            "truncated, or not the published file"
        )
    if file.digest is None:
        say(f"{where} has no published checksum; it is taken as it is")
        return
    with path.open("rb") as opened_file:
        content = Digested(opened_file, file.digest)
        while content.read(1 << 20):
            pass
    if not content.holds():
        raise Refused(f"{where} is not the published file: its {content.title} differs")


class Digested:
    """A file that is being read, and the digest of what was."""

    def __init__(self, content: IO[bytes], digest: str | None) -> None:
        kind, _, self.wanted = (digest or "md5:").partition(":")
        self.content, self.digest = content, hashlib.new(kind)
        self.title = TITLES[kind]

    def read(self, size: int = -1) -> bytes:
        chunk = self.content.read(size)
        self.digest.update(chunk)
        return chunk

    def holds(self) -> bool:
        return self.wanted in ("", self.digest.hexdigest())
