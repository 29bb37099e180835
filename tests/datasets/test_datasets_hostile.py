"""What files of images, archives and pickles from elsewhere may do: be refused."""

import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.datasets.albums import album_at
from pipeline_steps.datasets.archives import load_arrays, mapped_array, member, opened
from pipeline_steps.datasets.photographs import decode
from pipeline_steps.datasets.pictures import FORMATS
from pipeline_steps.datasets.spec import DatasetSpec
from pipeline_steps.datasets.textures import textures
from robust_papers.command import images_of
from tests.hostile import Hostile, hostile

TOY = DatasetSpec(name="toy", classes=3, size=8)
EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    b"(%pipe%touch evil) (w) file\nshowpage\n%%EOF\n"
)


def refusal(act: Callable[..., Any], *told: Any) -> str:
    with pytest.raises(PipelineError) as caught:
        act(*told)
    assert "\n" not in str(caught.value).strip()
    return str(caught.value)


# ---- Pictures ----------------------------------------------------------------------------


def picture(form: str, size: tuple[int, int] = (8, 8)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (9, 99, 199)).save(file, form)
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG of some bytes that says it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data)


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Ghostscript that leaves a trace where it is called."""
    trace = tmp_path / "gs was called"
    script = tmp_path / "bin/gs"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\ntouch '{trace}'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    return trace


@hostile(
    Hostile("an EPS called .jpg", "refused; Ghostscript is not called", EPS),
    Hostile(
        "an EPS behind a DOS header",
        "refused; Ghostscript is not called",
        b"\xc5\xd0\xd3\xc6"
        + struct.pack("<6I", 32, len(EPS), 0, 0, 0, 0)
        + b"\0" * 4
        + EPS,
    ),
    *(
        Hostile(f"a {form} called .jpg", "refused: no format of ours", picture(form))
        for form in ("GIF", "ICO", "TGA", "PCX", "SGI", "DDS", "ICNS", "IM")
    ),
    Hostile("an SVG called .jpg", "refused", b"<svg><image href='file:///x'/></svg>"),
    Hostile("a PNG of 100,000 x 100,000 pixels", "refused", png_of(100_000, 100_000)),
    Hostile("a PNG of 9,500 x 9,500 pixels", "refused", png_of(9_500, 9_500)),
    Hostile("a PNG of 2^31 - 1 pixels a side", "refused", png_of(2**31 - 1, 2**31 - 1)),
    Hostile("a JPEG cut in the middle", "refused", picture("JPEG", (99, 99))[:500]),
    Hostile("a PNG cut in the middle", "refused", picture("PNG", (99, 99))[:90]),
    Hostile("a PNG with a third of its rows", "refused", png_of(900, 900)),
    Hostile("an empty file", "refused", b""),
    Hostile("a PPM of 10^9 x 10^9", "refused", b"P6 1000000000 1000000000 255\n\0"),
    Hostile("a PPM of no size", "refused", b"P6 -1 -1 255\n\0"),
    Hostile(
        "a TIFF whose directory is itself",
        "refused",
        b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8),
    ),
)
def test_a_picture_of_another_kind_is_not_decoded(
    ghostscript: Path, bad: Hostile, tmp_path: Path
) -> None:
    assert "can't be read as an image" in refusal(
        decode, bad.value, "x.jpg", TOY, "crop"
    )
    archive = tmp_path / "textures.tar"
    tarred(archive, {"x.jpg": bad.value})
    assert "is not an image" in refusal(textures, archive)
    assert not ghostscript.exists()


def test_pillow_would_have_called_ghostscript(ghostscript: Path) -> None:
    """Or the test above could not fail."""
    with pytest.raises(OSError), Image.open(io.BytesIO(EPS)) as opened_by_default:
        opened_by_default.load()
    assert ghostscript.exists()


@pytest.mark.parametrize("form", FORMATS)
def test_pictures_of_our_formats_are_decoded(form: str) -> None:
    content = picture(form)
    pixels = decode(content, "x", TOY, "crop")
    assert abs(pixels.astype(int)[:, 4, 4] - [9, 99, 199]).max() < 12


# ---- Archives ----------------------------------------------------------------------------


def tarred(path: Path, files: dict[str, bytes], mode: Any = "w") -> None:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))


def odd(kind: bytes, name: str, target: str = "") -> Any:
    def write(path: Path) -> None:
        with tarfile.open(path, "w") as archive:
            header = tarfile.TarInfo(name)
            header.type, header.linkname = kind, target
            archive.addfile(header)

    return write


def bomb(path: Path) -> None:
    """A gigabyte of zeros in a megabyte."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        header = tarfile.TarInfo("zeros")
        header.size = 1 << 30
        archive.addfile(header, _Zeros(header.size))


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


def says_a_terabyte(path: Path) -> None:
    tarred(path, {"a/x.jpg": b"1"})
    with tarfile.open(path) as archive:
        header = archive.getmembers()[0]
    header.size = 1 << 40
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def sparse(path: Path) -> None:
    """A few bytes that stand for a terabyte, as GNU tar writes them."""
    size = str(1 << 40)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        header = tarfile.TarInfo("a/x.jpg")
        header.pax_headers = {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.size": size,
            "GNU.sparse.map": f"0,1,{size},0",
        }
        header.size = 1
        archive.addfile(header, io.BytesIO(b"1"))


@hostile(
    Hostile("a name with ../", "refused", odd(tarfile.REGTYPE, "../../x.jpg")),
    Hostile("an absolute name", "refused", odd(tarfile.REGTYPE, "/etc/x.jpg")),
    Hostile(
        "a link to /etc/passwd", "refused", odd(tarfile.SYMTYPE, "a", "/etc/passwd")
    ),
    Hostile("a link inside", "refused", odd(tarfile.SYMTYPE, "a/x.jpg", "y.jpg")),
    Hostile("a hard link", "refused", odd(tarfile.LNKTYPE, "a/x.jpg", "../../x")),
    Hostile("a device", "refused", odd(tarfile.CHRTYPE, "a/x.jpg")),
    Hostile("a pipe", "refused", odd(tarfile.FIFOTYPE, "a/x.jpg")),
    Hostile("a sparse file of a terabyte", "refused", sparse),
    Hostile("a header that says a terabyte", "refused", says_a_terabyte),
    Hostile(
        "bytes that are no archive", "refused", lambda p: p.write_bytes(b"x" * 999)
    ),
)
def test_an_archive_of_images_holds_files_alone(bad: Hostile, tmp_path: Path) -> None:
    bad.value(tmp_path / "x.tar")
    refusal(lambda: album_at(tmp_path / "x.tar").read("a", "x.jpg"))  # type: ignore[union-attr]

    def read() -> bytes:
        with opened(tmp_path / "x.tar") as archive:
            return member(archive, "a/x.jpg").read()

    refusal(read)


def test_an_archive_that_unpacks_to_a_thousand_times_is_refused_at_its_header(
    tmp_path: Path,
) -> None:
    bomb(tmp_path / "x.tar.gz")

    def read() -> None:
        with opened(tmp_path / "x.tar.gz"):
            pass

    assert "100 times its size" in refusal(read)


# ---- Arrays and pickles ------------------------------------------------------------------


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def described(shape: str, descr: str = "'|u1'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


class Runs:
    def __reduce__(self) -> Any:
        return os.mkdir, ("evil",)


@hostile(
    Hostile("an array that says 10^13 rows", "refused", npy(described("(10**13,)"))),
    Hostile(
        "an array of 2^50 bytes that has four",
        "refused",
        npy(described(f"({1 << 50},)"), b"1234"),
    ),
    Hostile("an array of -1 rows", "refused", npy(described("(-1,)"), b"12")),
    Hostile(
        "an array of objects", "refused", npy(described("(1,)", "'|O'"), b"\x80\x04N.")
    ),
    Hostile(
        "a header that calls a function",
        "refused",
        npy("__import__('os').mkdir('evil')"),
    ),
    Hostile("a header of 60,000 letters", "refused", npy(" " * 60_000 + "{}")),
    Hostile("a pickle", "refused", pickle.dumps(Runs())),
)
def test_an_array_from_elsewhere_is_numbers_of_its_own_length(
    bad: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npy").write_bytes(bad.value)
    refusal(read_array, tmp_path / "x.npy")
    tarred(tmp_path / "x.tar", {"x.npy": bad.value})
    refusal(mapped_array, tmp_path / "x.tar", "x.npy")
    np.savez(tmp_path / "x.npz", images=np.zeros(3), labels=np.zeros(3))
    assert not (tmp_path / "evil").exists()


@hostile(
    Hostile("a pickle that makes a folder", "refused", pickle.dumps(Runs())),
    Hostile("a pickle of a partial", "refused", pickle.dumps(io.BytesIO)),
    Hostile("a pickle with a list", "refused", pickle.dumps([1, 2])),
    Hostile("a pickle that says 2^60 bytes", "refused", b"\x8e" + b"\0" * 7 + b"\x10"),
    Hostile("a pickle of nothing but an end", "refused", b"."),
    Hostile("a pickle that takes what is not there", "refused", b"\x80\x04h\x07."),
    Hostile(
        "an array of 2^50 bytes in a pickle",
        "refused",
        b"cnumpy\nndarray\n((I1125899906842624\ntcnumpy\ndtype\n(S'u1'\ntRtR.",
    ),
)
def test_a_pickle_from_elsewhere_is_arrays_alone(
    bad: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refusal(load_arrays, io.BytesIO(bad.value), "x")
    assert not (tmp_path / "evil").exists()


def zipped(content: bytes) -> bytes:
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("images.npy", "labels.npy"):
            archive.writestr(name, content)
    return file.getvalue()


@hostile(
    Hostile(
        "an .npz that says 10^15 rows",
        "refused",
        zipped(npy(described(f"({10**15},)"))),
    ),
    Hostile("an .npz of a pickle", "refused", zipped(pickle.dumps(Runs()))),
    Hostile("an .npz cut short", "refused", zipped(b"x" * 999)[:60]),
    Hostile("an .npz that is an array", "refused", npy(described("(2,)"), b"12")),
)
def test_a_file_of_images_for_evaluate_is_arrays(
    bad: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npz").write_bytes(bad.value)
    assert "does not hold the arrays" in refusal(
        images_of, str(tmp_path / "x.npz"), None, None
    )
    assert not (tmp_path / "evil").exists()


def test_pillow_opens_by_one_door() -> None:
    """`open_picture` names the formats; nothing else opens a picture."""
    grep = ["git", "grep", "-lE", r"Image\.open\(", "pipeline_steps", "robust_papers"]
    done = subprocess.run(grep, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["pipeline_steps/datasets/pictures.py"], sys.version
