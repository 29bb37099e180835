"""What goes wrong ends in one sentence, loses nothing, and works at the next try."""

import os
import pickle
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from release_checkout import (
    STORE,
    Checkout,
    finished,
    objects_of,
    overwrite,
    refused,
    succeeded,
)

from pipeline_steps.core.card import file_facts, read_card
from pipeline_steps.core.files import read_json, write_json

pytestmark = pytest.mark.xdist_group("release")

WEIGHTS = Path("results/demo/checkpoints/defenses/digits/at.safetensors")
CARD = Path("results/demo/cards/defenses/digits/at.json")
VERDICTS = Path("results/demo/verdicts/digits/at/clean.parquet")


def object_of(checkout: Checkout, file: Path) -> str:
    """The digest by which DVC knows a file's bytes."""
    content = (checkout.root / file).read_bytes()
    found = checkout.objects().items()
    return next(digest for digest, path in found if path.read_bytes() == content)


def test_a_pull_that_was_killed_is_completed_by_the_next(
    published: Checkout, clone: Checkout
) -> None:
    pulling = clone.start("pull")
    while not clone.objects() and pulling.poll() is None:
        time.sleep(0.002)
    os.killpg(pulling.pid, signal.SIGKILL)
    killed = finished(pulling)
    assert killed.returncode == -signal.SIGKILL
    assert clone.objects(), "some had come"
    assert clone.large() != published.large(), "it was killed halfway"
    told = succeeded(clone.pull())
    assert "nothing to be done" in told
    assert clone.large() == published.large()


def test_a_corrupted_object_in_the_cache_is_mended(
    published: Checkout, clone: Checkout
) -> None:
    succeeded(clone.pull())
    path = clone.objects()[object_of(clone, WEIGHTS)]
    moment = path.stat()
    overwrite(path, path.read_bytes()[:-4] + b"rot!")
    os.utime(path, ns=(moment.st_atime_ns, moment.st_mtime_ns))
    assert clone.large() != published.large()
    assert "nothing to be done" in succeeded(clone.pull())
    assert clone.large() == published.large()


def test_a_corrupted_object_waits_for_a_remote_that_is_away(
    published: Checkout, clone: Checkout
) -> None:
    succeeded(clone.pull())
    path = clone.objects()[object_of(clone, WEIGHTS)]
    overwrite(path, b"rot")
    store = clone.root.parent / STORE
    store.rename(store.with_name("away"))
    assert "nothing was changed here" in refused(clone.pull())
    store.with_name("away").rename(store)
    succeeded(clone.pull())
    assert clone.large() == published.large()


@pytest.fixture
def newer(clone: Checkout, tmp_path: Path) -> Checkout:
    """A clone that holds an old release, with Git at a newer one of other bytes."""
    succeeded(clone.pull())
    other = clone.clone(tmp_path / "other")
    other.dvc("pull")
    weights = other.root / WEIGHTS
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content + b" ")
    card = read_json(other.root / CARD)
    card["outputs"]["weights"] |= {
        key: told for key, told in file_facts(weights).items() if key != "file"
    }
    write_json(other.root / CARD, card)
    other.dvc("add", "--no-relink", "results/demo/checkpoints")
    other.dvc("push")
    other.commit("Publish other bytes")
    clone.git("pull", "--quiet", str(other.root))
    return clone


def test_a_truncated_file_in_the_remote_is_named_and_the_old_one_stays(
    newer: Checkout, tmp_path: Path
) -> None:
    old = newer.large()
    digest = object_of(Checkout(tmp_path / "other"), WEIGHTS)
    stored = objects_of(tmp_path / STORE)[digest]
    content = stored.read_bytes()
    overwrite(stored, content[: len(content) // 2])
    said = refused(newer.pull())
    assert f"{WEIGHTS} (object {digest[:2]}/{digest[2:]})" in said
    assert "nothing was changed here" in said
    assert newer.large() == old
    overwrite(stored, content)
    newer.pull()
    assert newer.large() == old | {WEIGHTS: content}


def away(clone: Checkout) -> None:
    """The folder is not mounted."""
    store = clone.root.parent / STORE
    store.rename(store.with_name("away"))


def closed_ssh(clone: Checkout) -> None:
    """No one listens at the port."""
    clone.dvc("remote", "add", "--default", "down", "ssh://someone@127.0.0.1:1/path")


def closed_s3(clone: Checkout) -> None:
    clone.dvc("remote", "add", "--default", "down", "s3://bucket/path")
    for setting, value in {
        "endpointurl": "http://127.0.0.1:1",
        "access_key_id": "a",
        "secret_access_key": "b",
    }.items():
        clone.dvc("remote", "modify", "down", setting, value)


@pytest.mark.parametrize("down", [away, closed_ssh, closed_s3])
def test_a_remote_that_is_down_changes_nothing(
    published: Checkout,
    newer: Checkout,
    down: Callable[[Checkout], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    old = newer.large()
    down(newer)
    said = refused(newer.pull())
    assert "the remote '" in said and "nothing was changed here" in said
    assert newer.large() == old
    newer.git("checkout", "--quiet", "--", ".dvc/config")
    if down is away:
        (newer.root.parent / "away").rename(newer.root.parent / STORE)
    newer.pull()
    assert newer.large()[WEIGHTS] == old[WEIGHTS] + b" "


def test_publishing_to_a_remote_that_is_down_commits_nothing(
    unpublished: Checkout,
) -> None:
    closed_ssh(unpublished)
    unpublished.git("commit", "--quiet", "--all", "--message", "Another remote")
    before = unpublished.git("rev-parse", "HEAD")
    said = refused(unpublished.publish())
    assert "nothing was committed" in said and "'down'" in said
    assert unpublished.git("rev-parse", "HEAD") == before
    unpublished.git("revert", "--no-edit", "HEAD")
    assert "published as commit" in succeeded(unpublished.publish())


def judge_again(checkout: Checkout) -> str:
    """How a step ends that loads the checkpoint, the verdict being asked for anew."""
    done = checkout.run("--cores", "1", "--force", str(VERDICTS))
    assert done.returncode != 0
    return (
        checkout.root / "results/demo/logs/attack_defense/digits/at/clean.log"
    ).read_text()


def test_a_checkpoint_tampered_with_in_the_cache_is_refused_on_load(
    clone: Checkout,
) -> None:
    succeeded(clone.pull())
    path = clone.objects()[object_of(clone, WEIGHTS)]
    overwrite(path, path.read_bytes()[:-4] + b"evil")
    assert f"{WEIGHTS} does not match its card {CARD}" in judge_again(clone)


def test_a_pickle_is_refused_though_its_card_vouches_for_it(clone: Checkout) -> None:
    succeeded(clone.pull())
    weights = clone.root / WEIGHTS
    trace = clone.root / "it-ran"
    weights.unlink()
    weights.write_bytes(pickle.dumps(Touch(str(trace))))
    card = read_card(clone.root / CARD)
    facts = file_facts(weights)
    card.outputs["weights"].update(sha256=facts["sha256"], bytes=facts["bytes"])
    card.write(clone.root / CARD)
    assert f"{WEIGHTS} is damaged or of another format" in judge_again(clone)
    assert not trace.exists()


class Touch:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path(self.path),))


def test_a_tampered_remote_is_refused_too(clone: Checkout, published: Checkout) -> None:
    digest = object_of(published, WEIGHTS)
    stored = objects_of(clone.root.parent / STORE)[digest]
    overwrite(stored, stored.read_bytes()[:-4] + b"evil")
    assert str(WEIGHTS) in refused(clone.pull())
    assert not (clone.root / WEIGHTS).exists()
    shutil.rmtree(clone.root.parent / STORE)
