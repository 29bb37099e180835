"""A file arrives whole from a server that breaks, hangs or lies, or one sentence says why."""

import random
import re
import threading
from pathlib import Path

import pytest
from datasets_house import noise

from pipeline_steps.core.files import disk_is_full
from pipeline_steps.datasets import download as module
from pipeline_steps.datasets.download import Absent, Refused, download

CONTENT = noise(3_000_000)
LENGTH = len(CONTENT)


@pytest.fixture
def toy(server):
    server.put("toy.bin", CONTENT)
    return f"{server.address}/toy.bin"


def test_a_file_is_brought_whole_and_its_progress_told(server, toy, tmp_path, capsys):
    download(toy, tmp_path / "got", LENGTH)
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert server.asked == [("toy.bin", None)]
    assert [path.name for path in tmp_path.iterdir()] == ["got"]


@pytest.mark.parametrize("seed", range(5))
def test_after_a_break_at_any_byte_the_rest_is_asked_for_and_no_byte_twice(
    server, toy, tmp_path, seed
):
    draw = random.Random(seed)
    breaks = sorted(draw.randrange(1, LENGTH) for _ in range(4))
    server.breaks = list(breaks)
    download(toy, tmp_path / "got", LENGTH)
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert server.sent_once("toy.bin")
    assert [told for _, told in server.asked] == [
        None,
        *(f"bytes={at}-" for at in breaks),
    ]


def test_a_break_without_a_told_length_is_seen_by_the_known_one(server, toy, tmp_path):
    server.told_length, server.breaks = False, [1_000_000]
    download(toy, tmp_path / "got", LENGTH)
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert server.sent_once("toy.bin")


def test_a_killed_job_goes_on_where_it_was(server, toy, tmp_path, monkeypatch):
    server.breaks = [1_234_567]
    monkeypatch.setattr(module, "PAUSES", ())
    with pytest.raises(Refused, match="ended after 1,234,567 of 3,000,000 bytes"):
        download(toy, tmp_path / "got", LENGTH)
    download(toy, tmp_path / "got", LENGTH)
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert server.sent_once("toy.bin")


def test_a_file_that_changed_on_the_server_is_brought_anew(
    server, toy, tmp_path, monkeypatch
):
    server.breaks = [1000]
    monkeypatch.setattr(module, "PAUSES", ())
    with pytest.raises(Refused):
        download(toy, tmp_path / "got", LENGTH)
    other = server.put("toy.bin", noise(LENGTH, seed=1))
    server.version = '"two"'
    download(toy, tmp_path / "got", LENGTH)
    assert (tmp_path / "got").read_bytes() == other


def test_a_server_without_ranges_sends_all_of_it_again(server, toy, tmp_path):
    server.ranges, server.breaks = False, [1000, 2000]
    download(toy, tmp_path / "got", LENGTH)
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_the_rest_of_a_file_that_shrank_is_not_waited_for(server, toy, tmp_path):
    (tmp_path / "got").write_bytes(noise(50))
    server.put("toy.bin", b"short")
    download(toy, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"short"


def test_what_is_whole_already_is_not_asked_for(server, toy, tmp_path):
    (tmp_path / "got").write_bytes(CONTENT)
    download(toy, tmp_path / "got", LENGTH)
    assert server.asked == []


def test_a_server_that_fails_at_first_is_asked_again(server, toy, tmp_path):
    server.failures = 2
    download(toy, tmp_path / "got", LENGTH)
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_pauses_grow_and_begin_anew_when_more_has_come(
    server, toy, tmp_path, monkeypatch
):
    slept = []
    monkeypatch.setattr(module, "PAUSES", (1, 5))
    monkeypatch.setattr(module.time, "sleep", slept.append)
    server.breaks = [1000] * 9
    with pytest.raises(Refused):
        download(toy, tmp_path / "got", LENGTH)
    assert slept == [1, 5]
    slept.clear()
    server.breaks = [2000, 3000, 4000]
    download(toy, tmp_path / "got", LENGTH)
    assert slept == [1, 1, 1]


def test_a_page_that_is_not_there_is_not_asked_for_again(server, tmp_path):
    with pytest.raises(Absent, match=r"other\.bin: .*404"):
        download(f"{server.address}/other.bin", tmp_path / "got", LENGTH)
    assert len(server.asked) == 1


def test_a_hanging_server_is_given_up_after_a_while(server, toy, tmp_path, monkeypatch):
    server.hangs = threading.Event()
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    monkeypatch.setattr(module, "PAUSES", (0,))
    with pytest.raises(Refused, match=r"toy\.bin: .*timed out"):
        download(toy, tmp_path / "got", LENGTH)
    assert (tmp_path / "got").stat().st_size == LENGTH / 2, "what came is kept"
    server.hangs.set()
    server.hangs = None
    download(toy, tmp_path / "got", LENGTH)
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_nobody_at_an_address_is_one_sentence(tmp_path):
    with pytest.raises(Refused, match=r"http://127\.0\.0\.1:9/a: .*refused"):
        download("http://127.0.0.1:9/a", tmp_path / "got", 5)


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", b""])
def test_a_file_of_another_length_is_refused_before_it_is_brought(
    server, tmp_path, content
):
    server.put("toy.bin", content)
    told = f"gave {len(content):,} bytes where 3,000,000 were expected; it is truncated"
    with pytest.raises(Refused, match=re.escape(told)):
        download(f"{server.address}/toy.bin", tmp_path / "got", LENGTH)
    assert not (tmp_path / "got").exists()


def test_a_server_that_sends_without_end_is_stopped(server, toy, tmp_path):
    server.told_length = False
    with pytest.raises(
        Refused, match="has more than the 1,000 bytes that were expected"
    ):
        download(toy, tmp_path / "got", 1000)


def test_a_full_disk_is_not_blamed_on_the_server(toy, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    (tmp_path / "got").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        download(toy, tmp_path / "got", LENGTH)
    assert disk_is_full(caught.value)
