"""Published files are found at the nearest place, checked, and packed alike from each."""

import io
import os
import sys
import tarfile
import threading
from pathlib import Path

import boto3
import pytest
from datasets_house import digest, md5, noise, tar_of
from moto.server import ThreadedMotoServer

from pipeline_steps.core import lock
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Published
from pipeline_steps.datasets import download, published
from pipeline_steps.datasets.places import local, places
from pipeline_steps.datasets.published import gather

INSIDE = {"toy/b": noise(5000, 1), "toy/a": noise(4000, 2), "toy/readme": b"unused"}
ARCHIVE = tar_of(INSIDE)
USED = ("toy/a", "toy/b")
WHOLE = Published(
    name="toy.tar.gz",
    length=len(ARCHIVE),
    digest=digest(ARCHIVE),
    holds={name: md5(INSIDE[name]) for name in USED},
)
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def look_at(monkeypatch):
    def look_at(*places):
        monkeypatch.setenv("DATASETS_MIRROR", ",".join(map(str, places)))

    return look_at


@pytest.fixture
def packed(tmp_path):
    """What `gather` packs, as bytes."""

    def packed(*files):
        target = tmp_path / "target"
        gather(files or [WHOLE], "toy", target)
        left = [p for p in published.PARTS.iterdir() if p.suffix != ".lock"]
        assert not left, "nothing of a download stays behind"
        return target.read_bytes()

    return packed


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "mirror"
    folder.mkdir()
    return folder


@pytest.fixture
def refusal(tmp_path):
    """The sentence in which `gather` ends, having left nothing."""

    def refusal(*files):
        with pytest.raises(PipelineError) as caught:
            gather(files or [WHOLE], "toy", tmp_path / "never")
        assert not (tmp_path / "never").exists()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refusal


def put(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_a_pack_holds_what_is_used_and_tells_of_nothing_else(look_at, mirror, packed):
    (mirror / "toy.tar.gz").write_bytes(ARCHIVE)
    look_at(mirror)
    content = packed()
    with tarfile.open(mirror.parent / "target") as pack:
        assert pack.getnames() == list(USED)
        told = [(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in pack]
        assert set(told) == {(0, 0, 0, "", 0o644)}
        assert [pack.extractfile(n).read() for n in USED] == [INSIDE[n] for n in USED]
    os.utime(mirror / "toy.tar.gz", (1, 1))
    assert packed() == content


LAYOUTS = {
    "the archive": {"toy.tar.gz": ARCHIVE},
    "the archive in a folder of the set": {"toy/toy.tar.gz": ARCHIVE},
    "the files as they lie in the archive": {n: INSIDE[n] for n in USED},
    "the files alone": {n.removeprefix("toy/"): INSIDE[n] for n in USED},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("form", ["{}", "file://{}", "{}/"])
def test_a_folder_serves_archives_and_unpacked_files_alike(
    look_at, mirror, packed, layout, form
):
    put(mirror, LAYOUTS[layout])
    look_at(form.format(mirror))
    pack = packed()
    look_at(mirror.parent / "other")
    put(mirror.parent / "other", LAYOUTS["the archive"])
    assert pack == packed()


@pytest.mark.parametrize("layout", list(LAYOUTS)[::2])
def test_a_server_serves_archives_and_unpacked_files_alike(
    look_at, server, packed, layout
):
    for name, content in LAYOUTS[layout].items():
        server.put(name, content)
    look_at(NOWHERE, server.address)
    with tarfile.open(fileobj=io.BytesIO(packed())) as pack:
        assert pack.getnames() == list(USED)


def test_an_archive_itself_may_be_named(look_at, mirror, packed):
    put(mirror, LAYOUTS["the archive"])
    look_at(mirror / "toy.tar.gz")
    assert packed()


def test_places_are_tried_in_order_and_the_log_tells_of_those_passed_over(
    look_at, mirror, server, packed, capsys
):
    server.put("toy.tar.gz", ARCHIVE)
    look_at(mirror / "none", mirror, f"{server.address}/wrong", server.address)
    packed()
    told = capsys.readouterr().err
    assert f"passed over: there is no {mirror}/none" in told
    assert f"passed over: {mirror} has no toy.tar.gz" in told
    assert "passed over: " in told and "404" in told
    asked = [name for name, _ in server.asked]
    assert asked[-1] == "toy.tar.gz", "the 404 of one place leads to the next"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            ARCHIVE[:-1],
            "bytes where {0:,} were expected; it is truncated, or not the pub",
        ),
        (ARCHIVE[:-1] + b"x", "is not the published file: its SHA-256 differs"),
    ],
    ids=["cut short", "another byte"],
)
def test_a_wrong_archive_is_told_and_the_next_place_serves(
    look_at, mirror, server, packed, capsys, content, told, refusal
):
    put(mirror, {"toy.tar.gz": content})
    look_at(mirror)
    assert told.format(len(ARCHIVE)) in refusal()
    look_at(mirror, server.address)
    server.put("toy.tar.gz", ARCHIVE)
    packed()
    assert told.format(len(ARCHIVE)) in capsys.readouterr().err
    server.put("toy.tar.gz", content)
    look_at(server.address)
    assert told.format(len(ARCHIVE)) in refusal()
    server.put("toy.tar.gz", ARCHIVE)
    assert packed(), "nothing wrong was kept to go on from"


def test_a_download_goes_on_at_the_next_place_and_its_checksum_decides(
    look_at, server, packed, monkeypatch, refusal
):
    monkeypatch.setattr(download, "PAUSES", ())
    look_at(server.address)
    server.put("toy.tar.gz", bytes(len(ARCHIVE)))
    server.breaks = [1000]
    assert "ended after 1,000" in refusal()
    server.put("toy.tar.gz", ARCHIVE)
    server.version = '"two"'
    look_at(f"{server.address}/./")  # another address, so its version says nothing
    server.files["./toy.tar.gz"] = ARCHIVE
    assert packed()


def test_one_file_of_several_that_is_damaged_is_named(look_at, mirror, refusal):
    put(mirror, LAYOUTS["the files alone"] | {"b": INSIDE["toy/b"][::-1]})
    look_at(mirror)
    assert f"{mirror}/b is not the published file: its MD5 differs" in refusal()
    (mirror / "b").unlink()
    assert f"{mirror} has no b" in refusal()


def test_without_network_and_mirror_all_files_sizes_and_the_remedy_are_told(
    look_at, refusal
):
    files = [
        Published(name="train.mat", length=182_040_794, digest=digest(b"")),
        Published(name="test.mat", length=64_275_384, digest=digest(b"")),
    ]
    look_at(NOWHERE)
    told = refusal(*files)
    assert told.startswith(
        "toy is made of train.mat (182,040,794 bytes), test.mat (64,275,384 bytes), and "
        "train.mat could not be fetched (http://127.0.0.1:9/train.mat: "
    )
    assert told.endswith("put it into a folder and name that folder in DATASETS_MIRROR")
    look_at()
    assert "(no place to look at is known)" in refusal(*files)
    assert "put it, or the files in it, into a folder" in refusal()


def odd(**what):
    told = tarfile.TarInfo()
    for name, value in what.items():
        setattr(told, name, value)
    return told


ODD = {
    "../evil": b"x",
    "toy/../../evil": b"x",
    "/etc/evil": b"x",
    "link": odd(type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "toy/up": odd(type=tarfile.SYMTYPE, linkname="../../evil"),
    "toy/near": odd(type=tarfile.SYMTYPE, linkname="a"),
    "toy/hard": odd(type=tarfile.LNKTYPE, linkname="toy/a"),
    "toy/device": odd(type=tarfile.CHRTYPE),
}


@pytest.mark.parametrize("name", ODD)
def test_an_archive_that_would_leave_its_folder_is_refused(
    look_at, mirror, name, refusal
):
    """Also if its checksum held: someone may have written it into the config."""
    content = tar_of({**INSIDE, name: ODD[name]})
    file = WHOLE.model_copy(update={"length": None, "digest": digest(content)})
    put(mirror, {"toy.tar.gz": content})
    look_at(mirror)
    before = sorted(mirror.parent.rglob("*"))
    told = refusal(file)
    assert "toy.tar.gz holds" in told and "it is not the published file" in told
    assert name.lstrip("/") in told
    after = {*mirror.parent.rglob("*")} - {*before}
    assert {p for p in after if p.suffix != ".lock"} <= {published.PARTS}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_an_archive_cut_short_without_a_known_checksum_is_one_sentence(
    look_at, mirror, share, refusal
):
    file = Published(name="toy.tar.gz", holds=dict.fromkeys(USED))
    put(mirror, {"toy.tar.gz": ARCHIVE[: int(share * len(ARCHIVE))]})
    look_at(mirror)
    assert "is not a complete archive" in refusal(file)


def test_a_file_in_a_checked_archive_that_differs_is_named(look_at, mirror, refusal):
    file = WHOLE.model_copy(update={"holds": {"toy/a": md5(b"other")}})
    put(mirror, LAYOUTS["the archive"])
    look_at(mirror)
    assert "toy/a in" in refusal(file)
    file = WHOLE.model_copy(update={"holds": {"toy/c": None}})
    assert "holds no toy/c" in refusal(file)


def test_one_file_is_never_brought_twice_at_once(look_at, server, packed, monkeypatch):
    server.put("toy.tar.gz", ARCHIVE)
    look_at(server.address)
    waits = threading.Event()
    monkeypatch.setattr(lock, "say", lambda line: waits.set())
    monkeypatch.setattr(lock, "SECONDS_BETWEEN_TRIES", 0.01)
    second = threading.Thread(target=packed)
    with lock.alone(published.PARTS / "toy.tar.gz.lock"):
        second.start()
        assert waits.wait(20)
        assert server.asked == [], "the first is still at it"
    second.join(20)
    assert len(server.asked) == 1


@pytest.fixture
def bucket(monkeypatch):
    """An S3 server on the loopback, with one bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="sets")
    yield client
    server.stop()


def test_a_bucket_is_a_place_too_and_goes_on_after_a_break(
    bucket, look_at, packed, refusal
):
    look_at("s3://sets/ours")
    assert "NoSuchKey" in refusal()
    bucket.put_object(Bucket="sets", Key="ours/toy.tar.gz", Body=ARCHIVE)
    pack = packed()
    part = published.PARTS / "part"
    part.write_bytes(ARCHIVE[:1000])
    download.download("s3://sets/ours/toy.tar.gz", part, len(ARCHIVE))
    assert part.read_bytes() == ARCHIVE
    part.unlink()
    bucket.delete_object(Bucket="sets", Key="ours/toy.tar.gz")
    for name in USED:
        bucket.put_object(Bucket="sets", Key=f"ours/{name}", Body=INSIDE[name])
    assert packed() == pack


def test_a_bucket_without_boto3_is_one_sentence(look_at, monkeypatch, refusal):
    monkeypatch.setitem(sys.modules, "boto3", None)
    look_at("s3://sets/ours")
    assert "s3: addresses need the package boto3" in refusal()


def test_places_are_folders_and_addresses(look_at):
    look_at(" /a ", "", "https://b/c")
    assert places() == ["/a", "https://b/c"]
    assert local("/a") == Path("/a") == local("file:///a")
    assert local("file:/a%20b") == Path("/a b")
    assert local("C") == Path("C")
    assert all(local(f"{scheme}://b") is None for scheme in ("http", "https", "s3"))
    with pytest.raises(PipelineError, match="begins with file:, http:, https: or s3:"):
        local("ftp://b")
