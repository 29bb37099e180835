"""Image files by class, in folders or in archives that stay where they are.

An album is a folder, a `.tar`, or either of these inside a `.tar`, as ImageNet is
published; none is unpacked.
"""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import IO

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.datasets.archives import refuse_escape

SUFFIXES = {".jpeg", ".jpg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff"}


class Folder:
    """A folder of folders, one for each class; or of `.tar` archives, one for each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.opened: dict[str, Archive] = {}
        self.lock = Lock()

    def classes(self) -> list[str]:
        inside = [path for path in self.root.iterdir() if path.name[0] != "."]
        return sorted(
            {path.name for path in inside if path.is_dir()}
            | {path.stem for path in inside if path.suffix == ".tar"}
        )

    def files(self, album: str) -> list[str]:
        if not (self.root / album).is_dir():
            return self._archive(album).files(album)
        files = (path for path in (self.root / album).iterdir() if path.is_file())
        return sorted(path.name for path in files if _is_image(path.name))

    def read(self, album: str, file: str) -> bytes:
        if not (self.root / album).is_dir():
            return self._archive(album).read(album, file)
        try:
            return (self.root / album / file).read_bytes()
        except FileNotFoundError:
            raise PipelineError(f"{self.root} no longer has {album}/{file}") from None

    def _archive(self, album: str) -> "Archive":
        with self.lock:
            if album not in self.opened:
                self.opened[album] = Archive(self.root / f"{album}.tar", album)
        return self.opened[album]


class Archive:
    """A `.tar` of images, of folders of them, or of `.tar` archives of them."""

    def __init__(self, path: Path, only: str | None = None) -> None:
        self.path, self.file = path, path.open("rb")
        self.albums: dict[str, dict[str, tuple[int, int]]] = {}
        self.unread: dict[str, int] = {}
        self.lock = Lock()
        for name, start, size in _members(path, self.file, 0):
            folder, _, last = name.rpartition("/")
            if last.endswith(".tar"):
                self.unread[last.removesuffix(".tar")] = start
            elif _is_image(last):
                album = only or folder.rpartition("/")[2]
                self.albums.setdefault(album, {})[last] = (start, size)

    def classes(self) -> list[str]:
        return sorted({*self.albums, *self.unread})

    def files(self, album: str) -> list[str]:
        return sorted(self._table(album))

    def read(self, album: str, file: str) -> bytes:
        if file not in self._table(album):
            raise PipelineError(f"{self.path} no longer has {album}/{file}")
        start, size = self._table(album)[file]
        return os.pread(self.file.fileno(), size, start)

    def _table(self, album: str) -> dict[str, tuple[int, int]]:
        with self.lock:
            if album in self.unread:
                inside = _members(self.path, self.file, self.unread.pop(album))
                self.albums[album] = {
                    name.rpartition("/")[2]: (start, size)
                    for name, start, size in inside
                    if _is_image(name)
                }
        return self.albums.get(album, {})


def _members(path: Path, file: IO[bytes], start: int) -> Iterator[tuple[str, int, int]]:
    """Name, place and size of each file of the archive that begins at `start`."""
    length = os.fstat(file.fileno()).st_size
    file.seek(start)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                refuse_escape(path, member)
                if member.offset_data + member.size > length:
                    raise PipelineError(f"{path} is cut short in {member.name!r}")
                if member.isfile():
                    yield member.name, member.offset_data, member.size
    except (tarfile.TarError, EOFError, ValueError, RecursionError) as error:
        raise PipelineError(f"{path} is not a complete archive ({error})") from None


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES


def album_at(root: Path) -> Folder | Archive | None:
    """The album at a path, if there is one."""
    if root.is_dir():
        return Folder(root)
    if root.is_file() and root.suffix == ".tar":
        return Archive(root)
    return None
